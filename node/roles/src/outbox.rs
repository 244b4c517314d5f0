//! Bytes that wait to be written to a peer, with a mark above which senders wait.
//!
//! Several frames that are sent before the connection gets to write leave together, in one TLS record where they fit.

use chrysalis_wire::frame::{FrameError, FrameWriter};
use std::{
    future::poll_fn,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

/// Bytes queued at most: two of the largest frames. Producers stop long before; only answers to a peer that does not
/// read get here.
const MAX_QUEUED_BYTES: usize = 2 * (1 << 24);

/// Why nothing more can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The connection is closed or closing.
    #[error("the connection is closed")]
    Closed,
    /// The peer does not read: nothing more is kept for it.
    #[error("the peer does not read what is sent to it")]
    NotRead,
    /// The message does not fit a frame; the connection goes on (the reference drops it in silence: T35).
    #[error("{0}")]
    Frame(#[from] FrameError),
}

#[derive(Default)]
struct State {
    frames: FrameWriter,
    buffer: Vec<u8>,
    closed: bool,
    writer: Option<Waker>,
    /// The writer while it is stuck in a write: it need not hear of more bytes, only of the end.
    stuck: Option<Waker>,
    waiting: Vec<Waker>,
}

/// See the module.
pub(crate) struct Outbox {
    state: Mutex<State>,
    high_water_bytes: usize,
}

impl Outbox {
    pub(crate) fn new(high_water_bytes: usize) -> Self {
        Self {
            state: Mutex::default(),
            high_water_bytes,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every critical section leaves the state whole, also if a waker panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues what `encode` writes. Never waits: callers that produce much call [`Self::room`] afterwards.
    pub(crate) fn send(
        &self,
        encode: impl FnOnce(&mut FrameWriter, &mut Vec<u8>) -> Result<(), FrameError>,
    ) -> Result<(), SendError> {
        let mut state = self.lock();
        if state.closed {
            return Err(SendError::Closed);
        }
        // A peer that asks and never reads must not fill this node's memory with answers.
        if state.buffer.len() > MAX_QUEUED_BYTES {
            return Err(SendError::NotRead);
        }
        let State { frames, buffer, .. } = &mut *state;
        encode(frames, buffer)?;
        if let Some(writer) = state.writer.take() {
            drop(state);
            writer.wake();
        }
        Ok(())
    }

    /// Whether senders should wait before they produce more.
    pub(crate) fn is_full(&self) -> bool {
        let state = self.lock();
        !state.closed && state.buffer.len() >= self.high_water_bytes
    }

    /// Whether [`Self::close`] was not called yet.
    pub(crate) fn is_open(&self) -> bool {
        !self.lock().closed
    }

    /// Bytes that wait, less what the writer has taken over.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.lock().buffer.len()
    }

    /// Waits until the queue is below its mark, or the connection is closed.
    pub(crate) async fn room(&self) {
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.closed || state.buffer.len() < self.high_water_bytes {
                return Poll::Ready(());
            }
            if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                state.waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    /// Refuses further frames; what is queued can still be taken.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let mut wakers = std::mem::take(&mut state.waiting);
        wakers.extend(state.writer.take());
        wakers.extend(state.stuck.take());
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Wakes the task of `cx` when the queue is closed.
    pub(crate) fn wake_on_close(&self, cx: &std::task::Context<'_>) {
        let mut state = self.lock();
        match &mut state.stuck {
            Some(stuck) => stuck.clone_from(cx.waker()),
            None => state.stuck = Some(cx.waker().clone()),
        }
    }

    /// Moves everything queued into `into` (which must be empty). Pending while there is nothing; `Ready(false)` when
    /// closed and empty.
    pub(crate) fn poll_take(&self, cx: &std::task::Context<'_>, into: &mut Vec<u8>) -> Poll<bool> {
        debug_assert!(into.is_empty(), "what was taken before must be written first");
        let mut state = self.lock();
        if state.buffer.is_empty() {
            if state.closed {
                return Poll::Ready(false);
            }
            match &mut state.writer {
                Some(writer) => writer.clone_from(cx.waker()),
                None => state.writer = Some(cx.waker().clone()),
            }
            return Poll::Pending;
        }
        std::mem::swap(&mut state.buffer, into);
        let wakers = std::mem::take(&mut state.waiting);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        Poll::Ready(true)
    }
}

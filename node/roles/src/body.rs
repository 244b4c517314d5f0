//! A bounded pipe of body bytes between a protocol connection and an HTTP body.
//!
//! The reading half is a [`hyper::body::Body`]; dropping it (the user hung up) is seen by the writing half.

use bytes::Bytes;
use hyper::body::{Body, Frame};
use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// The answer broke off before its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the answer broke off: {reason}")]
pub(crate) struct BrokenBody {
    /// What happened.
    pub(crate) reason: String,
}

#[derive(Default)]
struct State {
    chunks: VecDeque<Bytes>,
    queued_bytes: usize,
    end: Option<Result<(), BrokenBody>>,
    reader: Option<Waker>,
    reader_gone: bool,
}

type Shared = Arc<Mutex<State>>;

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    // Critical sections are single assignments; the state is whole after a panic elsewhere.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writing half.
#[derive(Clone)]
pub(crate) struct BodyWriter {
    shared: Shared,
    limit_bytes: usize,
}

/// Reading half.
pub(crate) struct BodyReader {
    shared: Shared,
    on_drop: Option<Box<dyn FnOnce() + Send>>,
}

/// A connected pair; the writer should give up at `limit_bytes`. `on_early_drop` runs if the reader is dropped
/// before the end was written.
pub(crate) fn body_pipe(limit_bytes: usize, on_early_drop: impl FnOnce() + Send + 'static) -> (BodyWriter, BodyReader) {
    let shared = Shared::default();
    (
        BodyWriter {
            shared: shared.clone(),
            limit_bytes,
        },
        BodyReader {
            shared,
            on_drop: Some(Box::new(on_early_drop)),
        },
    )
}

impl BodyWriter {
    /// Queues a chunk.
    pub(crate) fn push(&self, chunk: Bytes) {
        if chunk.is_empty() {
            return;
        }
        let mut state = lock(&self.shared);
        if state.reader_gone || state.end.is_some() {
            return;
        }
        state.queued_bytes += chunk.len();
        state.chunks.push_back(chunk);
        wake_reader(state);
    }

    /// Ends the body, in order or not.
    pub(crate) fn finish(&self, end: Result<(), BrokenBody>) {
        let mut state = lock(&self.shared);
        if state.end.is_none() {
            state.end = Some(end);
        }
        wake_reader(state);
    }

    /// Whether as much waits as may be kept.
    pub(crate) fn is_full(&self) -> bool {
        let state = lock(&self.shared);
        !state.reader_gone && state.queued_bytes >= self.limit_bytes
    }
}

/// Wakes the reader, after the lock is given back.
fn wake_reader(mut state: MutexGuard<'_, State>) {
    let waker = state.reader.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Body for BodyReader {
    type Data = Bytes;
    type Error = BrokenBody;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenBody>>> {
        let mut state = lock(&self.shared);
        if let Some(chunk) = state.chunks.pop_front() {
            state.queued_bytes -= chunk.len();
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        match state.end.clone() {
            Some(Ok(())) => Poll::Ready(None),
            Some(Err(broken)) => Poll::Ready(Some(Err(broken))),
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for BodyReader {
    fn drop(&mut self) {
        let mut state = lock(&self.shared);
        state.reader_gone = true;
        let ended = state.end.is_some();
        drop(state);
        if !ended && let Some(on_drop) = self.on_drop.take() {
            on_drop();
        }
    }
}

//! Stopping tasks, time-outs, and races whose winner does not depend on a process-wide counter.

use pin_project_lite::pin_project;
use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

/// Stops a task. Dropping the handle lets the task go on.
#[derive(Debug, Clone)]
pub struct TaskHandle(Arc<Stop>);

#[derive(Debug, Default)]
struct Stop {
    is_stopped: AtomicBool,
    /// Polls the task that is to find out.
    waker: Mutex<Option<Waker>>,
}

pin_project! {
    /// A task that ends when it is stopped.
    struct Stoppable<F> {
        #[pin]
        future: F,
        stop: Arc<Stop>,
        // The waker that the handle has: nearly always that of the next poll as well.
        known: Option<Waker>,
    }
}

impl<F: Future<Output = ()>> Future for Stoppable<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if !this.known.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *this.known = Some(cx.waker().clone());
            *this.stop.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        }
        // After the waker is known: who stops the task from here on wakes it.
        if this.stop.is_stopped.load(SeqCst) {
            return Poll::Ready(());
        }
        this.future.poll(cx)
    }
}

impl TaskHandle {
    pub(crate) fn wrap<F: Future<Output = ()>>(future: F) -> (Self, impl Future<Output = ()>) {
        let stop = Arc::new(Stop::default());
        let task = Stoppable {
            future,
            stop: stop.clone(),
            known: None,
        };
        (Self(stop), task)
    }

    /// Drops the task's future at its next suspension point.
    pub fn abort(&self) {
        self.0.is_stopped.store(true, SeqCst);
        let waker = self.0.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// A guard that aborts the task when it is dropped.
    pub fn abort_on_drop(self) -> AbortOnDrop {
        AbortOnDrop(self)
    }
}

/// Aborts its task when dropped.
#[derive(Debug)]
pub struct AbortOnDrop(TaskHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A time limit passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no result within {limit:?}")]
pub struct Elapsed {
    /// The limit.
    pub limit: Duration,
}

/// Which of two futures finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Either<A, B> {
    /// The first.
    Left(A),
    /// The second.
    Right(B),
}

/// Waits for the first of two futures; the left one wins a tie, always. The other is dropped.
pub async fn race<A: Future, B: Future>(left: A, right: B) -> Either<A::Output, B::Output> {
    let mut left = pin!(left);
    let mut right = pin!(right);
    poll_fn(|cx| {
        if let Poll::Ready(output) = left.as_mut().poll(cx) {
            return Poll::Ready(Either::Left(output));
        }
        right.as_mut().poll(cx).map(Either::Right)
    })
    .await
}

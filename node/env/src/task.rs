//! Stopping tasks, time-outs, and races whose winner does not depend on a process-wide counter.

use futures_util::future::{AbortHandle, Abortable, FutureExt};
use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

/// Stops a task. Dropping the handle lets the task go on.
#[derive(Debug, Clone)]
pub struct TaskHandle(AbortHandle);

impl TaskHandle {
    pub(crate) fn wrap<F: Future<Output = ()>>(future: F) -> (Self, impl Future<Output = ()>) {
        let (handle, registration) = AbortHandle::new_pair();
        // An aborted task is as done as any other. (An async block would hold the future twice.)
        let task = Abortable::new(future, registration).map(drop);
        (Self(handle), task)
    }

    /// Drops the task's future at its next suspension point.
    pub fn abort(&self) {
        self.0.abort();
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

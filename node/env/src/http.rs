//! hyper on a node's clock and connections. Use the connection-level API (`hyper::server::conn::http1`,
//! `hyper::client::conn::http1`) with [`HyperIo`] and [`HyperTimer`], and turn the `Date` header off: it would come
//! from the host's clock.

use crate::{Env, Stream, engine::BoxFuture};
use hyper::rt::{ReadBufCursor, Sleep, Timer};
use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A byte stream as hyper wants it.
#[derive(Debug)]
pub struct HyperIo<S = Stream>(pub S);

/// Bytes that one read moves at most; a stack buffer keeps this module free of `unsafe`.
const READ_CHUNK_BYTES: usize = 8 * 1024;

impl<S: AsyncRead + Unpin> hyper::rt::Read for HyperIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut chunk = [0; READ_CHUNK_BYTES];
        let limit = cursor.remaining().min(chunk.len());
        let mut buffer = ReadBuf::new(&mut chunk[..limit]);
        match Pin::new(&mut self.0).poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(())) => {
                cursor.put_slice(buffer.filled());
                Poll::Ready(Ok(()))
            }
            other => other,
        }
    }
}

impl<S: AsyncWrite + Unpin> hyper::rt::Write for HyperIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }
}

/// hyper's timers on the node's clock. hyper speaks in [`Instant`]s; they are mapped through one fixed pair of
/// readings, so only differences count.
#[derive(Debug, Clone)]
pub struct HyperTimer {
    env: Env,
    base: Instant,
    base_ns: u64,
}

impl HyperTimer {
    /// Timers of `env`.
    pub fn new(env: Env) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "an arbitrary origin: no reading of it is ever shown or compared across calls"
        )]
        let base = Instant::now();
        let base_ns = env.now_ns();
        Self { env, base, base_ns }
    }
}

impl Timer for HyperTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(NodeSleep(std::sync::Mutex::new(self.env.sleep(duration))))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let after = deadline.saturating_duration_since(self.base);
        let at_ns = self
            .base_ns
            .saturating_add(u64::try_from(after.as_nanos()).unwrap_or(u64::MAX));
        Box::pin(NodeSleep(std::sync::Mutex::new(self.env.sleep_until(at_ns))))
    }

    fn now(&self) -> Instant {
        self.base + Duration::from_nanos(self.env.now_ns() - self.base_ns)
    }
}

/// hyper wants its sleeps `Sync`; a lock that nobody contends gives that.
struct NodeSleep(std::sync::Mutex<BoxFuture<'static, ()>>);

impl Future for NodeSleep {
    type Output = ();
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .as_mut()
            .poll(cx)
    }
}
impl Sleep for NodeSleep {}

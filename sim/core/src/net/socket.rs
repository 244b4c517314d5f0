//! The stream that a node holds.

use crate::{slab::Key, world::World};
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// One end of a connection. Dropping it closes the end.
pub(crate) struct Socket {
    world: Arc<World>,
    key: Key,
    end: u8,
}

impl Socket {
    pub(crate) fn new(world: Arc<World>, key: Key, end: u8) -> Self {
        Self { world, key, end }
    }

    /// Ready when the connection is open or has failed.
    pub(crate) fn poll_connected(&mut self, context: &Context<'_>) -> Poll<io::Result<()>> {
        let mut stale = None;
        let connected = self
            .world
            .with(|state| state.socket_connected(self.key, context, &mut stale));
        connected.unwrap_or_else(over)
    }
}

/// The answer of a world that is over.
fn over<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::NetworkDown.into()))
}

impl AsyncRead for Socket {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut stale = None;
        let read = self
            .world
            .with(|state| state.socket_read(self.key, self.end as usize, context, buffer, &mut stale));
        read.unwrap_or_else(over)
    }
}

impl AsyncWrite for Socket {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut stale = None;
        let written = self
            .world
            .with(|state| state.socket_write(self.key, self.end as usize, context, bytes, &mut stale));
        written.unwrap_or_else(over)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // As with a socket of the operating system there is nothing to flush.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.world
            .with(|state| state.socket_shutdown(self.key, self.end as usize));
        Poll::Ready(Ok(()))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.world.with(|state| state.socket_close(self.key, self.end as usize));
    }
}

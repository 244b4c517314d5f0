//! What a world offers to the nodes in it.

use crate::{
    files::Files,
    observe::Observation,
    stream::{Listener, Stream},
};
use std::{future::Future, io, net::SocketAddr, pin::Pin, sync::Arc};

/// A boxed future that can move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One node's view of its world; [`crate::Env`] wraps it and documents each operation.
pub trait Engine: Send + Sync + 'static {
    /// See [`crate::Env::node_name`].
    fn node_name(&self) -> &str;
    /// See [`crate::Env::now_ns`].
    fn now_ns(&self) -> u64;
    /// See [`crate::Env::unix_ns`].
    fn unix_ns(&self) -> u64;
    /// See [`crate::Env::sleep_until`].
    fn sleep_until(&self, at_ns: u64) -> BoxFuture<'static, ()>;
    /// Starts a task that lives until it is done or the node is killed.
    fn spawn(&self, label: &'static str, task: BoxFuture<'static, ()>);
    /// See [`crate::Env::listen`].
    fn listen(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Listener>>;
    /// See [`crate::Env::connect`].
    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Stream>>;
    /// See [`crate::Env::fill_entropy`].
    fn fill_entropy(&self, bytes: &mut [u8]);
    /// See [`crate::Env::files`].
    fn files(&self) -> Arc<dyn Files>;
    /// See [`crate::Env::crypto_provider`].
    fn crypto_provider(&self) -> Arc<rustls::crypto::CryptoProvider>;
    /// See [`crate::Env::observe`].
    fn observe(&self, observation: &Observation<'_>);
}

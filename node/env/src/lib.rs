//! The seam between node code and the world it runs in.
//!
//! Node code holds one cloneable handle, [`Env`], and reaches nothing else: no global clock, no global entropy, no
//! sockets or tasks of its own. Behind it stands an [`Engine`]: real sockets ([`tokio_engine`], the only one in the
//! daemon) or one of the simulated worlds of `chrysalis-sim`. Each node has a handle of its own, so clocks can be
//! skewed, disks can lose data and entropy can be labelled per node.
//!
//! | module | holds |
//! |---|---|
//! | [`engine`] | the trait that a world implements |
//! | [`stream`] | connections and listeners |
//! | [`files`] | durable storage with explicit synchronisation |
//! | [`observe`] | the one place through which log lines, metrics and protocol events leave a node |
//! | [`task`] | handles that stop a task, time-outs, biased races |
//! | [`tls`] | rustls on a node's clock and entropy |
//! | [`http`] | hyper on a node's clock and connections |
//! | [`tokio_engine`] | real sockets, real clock, operating system entropy |

pub mod engine;
pub mod files;
pub mod http;
pub mod observe;
pub mod stream;
pub mod task;
pub mod tls;
pub mod tokio_engine;

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

pub use engine::{BoxFuture, Engine};
pub use files::{File, Files, OpenMode};
pub use observe::{Observation, Value};
pub use stream::{Listener, Stream};
pub use task::{AbortOnDrop, Either, Elapsed, TaskHandle, race};

/// A node's handle on its world. Cloning is cheap and refers to the same node.
#[derive(Clone)]
pub struct Env(Arc<dyn Engine>);

impl std::fmt::Debug for Env {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Env").field(&self.0.node_name()).finish()
    }
}

impl Env {
    /// Wraps the engine of one node.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self(engine)
    }

    /// The engine itself, for the adapters of this crate and for simulators.
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.0
    }

    /// Name of the node in the scenario or the daemon's configuration.
    pub fn node_name(&self) -> &str {
        self.0.node_name()
    }

    /// The node's monotonic clock, nanoseconds since an arbitrary start. It may drift against other nodes.
    pub fn now_ns(&self) -> u64 {
        self.0.now_ns()
    }

    /// The node's wall clock, nanoseconds since the Unix epoch. It may be skewed and may jump.
    pub fn unix_ns(&self) -> u64 {
        self.0.unix_ns()
    }

    /// The node's wall clock in whole seconds.
    pub fn unix_s(&self) -> u64 {
        self.unix_ns() / 1_000_000_000
    }

    /// Waits for a span of the node's monotonic clock. Dropping the future cancels the timer.
    pub fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let span_ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.0.sleep_until(self.now_ns().saturating_add(span_ns))
    }

    /// Waits until the node's monotonic clock shows `at_ns`.
    pub fn sleep_until(&self, at_ns: u64) -> BoxFuture<'static, ()> {
        self.0.sleep_until(at_ns)
    }

    /// Runs `future`, but no longer than `limit`; the future wins a tie.
    pub async fn timeout<F: Future>(&self, limit: Duration, future: F) -> Result<F::Output, Elapsed> {
        match race(future, self.sleep(limit)).await {
            Either::Left(output) => Ok(output),
            Either::Right(()) => Err(Elapsed { limit }),
        }
    }

    /// Starts a task of this node. `label` names the kind of task in traces.
    ///
    /// The task goes on when the handle is dropped; it ends when it is done, aborted, or the node is killed.
    pub fn spawn(&self, label: &'static str, future: impl Future<Output = ()> + Send + 'static) -> TaskHandle {
        let (handle, task) = TaskHandle::wrap(future);
        self.0.spawn(label, Box::pin(task));
        handle
    }

    /// Listens on `address`; port 0 asks for a free one.
    ///
    /// # Errors
    /// The address is taken or is not this node's.
    pub async fn listen(&self, address: SocketAddr) -> io::Result<Listener> {
        self.0.listen(address).await
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// Refused (nothing listens), timed out (silence), reset.
    pub async fn connect(&self, address: SocketAddr) -> io::Result<Stream> {
        self.0.connect(address).await
    }

    /// Fills `bytes` with entropy of this node, fit for keys.
    pub fn fill_entropy(&self, bytes: &mut [u8]) {
        self.0.fill_entropy(bytes);
    }

    /// An array of entropy.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill_entropy(&mut bytes);
        bytes
    }

    /// 64 bits of entropy.
    pub fn random_u64(&self) -> u64 {
        u64::from_le_bytes(self.random())
    }

    /// A span drawn evenly from `low..=high` in nanoseconds: the jitter of periodic work.
    pub fn random_span(&self, low: Duration, high: Duration) -> Duration {
        let low_ns = u64::try_from(low.as_nanos()).unwrap_or(u64::MAX);
        let high_ns = u64::try_from(high.as_nanos()).unwrap_or(u64::MAX).max(low_ns);
        let width = u128::from(high_ns - low_ns) + 1;
        // Multiply-shift keeps the draw an integer; its bias is below 2^-64 × width.
        let offset = (u128::from(self.random_u64()) * width) >> 64;
        Duration::from_nanos(low_ns + u64::try_from(offset).unwrap_or(0))
    }

    /// The node's durable storage.
    pub fn files(&self) -> Arc<dyn Files> {
        self.0.files()
    }

    /// Cryptography for TLS: randomness and key exchange follow the node's entropy.
    pub fn crypto_provider(&self) -> Arc<rustls::crypto::CryptoProvider> {
        self.0.crypto_provider()
    }

    /// The node's wall clock for rustls.
    pub fn time_provider(&self) -> Arc<dyn rustls::time_provider::TimeProvider> {
        Arc::new(tls::NodeTime::new(self.clone()))
    }

    /// Hands a log line, a metric or a protocol event to whoever watches this node.
    pub fn observe(&self, kind: &'static str, fields: &[(&'static str, Value<'_>)]) {
        self.0.observe(&Observation { kind, fields });
    }
}

//! Real sockets, the real clock, the operating system's entropy and files. The only engine of the daemon.
#![expect(
    clippy::disallowed_methods,
    reason = "this module is where the bans of clippy.toml lead to"
)]

use crate::{
    Env,
    engine::{BoxFuture, Engine},
    files::{Files, OsFiles},
    observe::Observation,
    stream::{Acceptor, Listener, Stream},
    tls,
};
use ring::rand::SecureRandom as _;
use std::{
    fmt, io,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::net::{TcpListener, TcpStream};

/// Receives what nodes have to say: node name, wall clock, observation.
pub type Sink = Arc<dyn Fn(&str, u64, &Observation<'_>) + Send + Sync>;

/// How one node lives on this machine.
pub struct TokioNode {
    /// Name in log lines.
    pub name: String,
    /// Directory of its files.
    pub data_directory: PathBuf,
    /// Where its observations go.
    pub sink: Sink,
}

impl fmt::Debug for TokioNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokioNode")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl TokioNode {
    /// Starts the node's handle. Its tasks run on the tokio runtime that is current when they are spawned.
    pub fn into_env(self) -> Env {
        Env::new(Arc::new(TokioEngine {
            name: self.name,
            sink: self.sink,
            files: Arc::new(OsFiles::new(self.data_directory)),
            started: Instant::now(),
            random: ring::rand::SystemRandom::new(),
        }))
    }
}

struct TokioEngine {
    name: String,
    sink: Sink,
    files: Arc<OsFiles>,
    started: Instant,
    random: ring::rand::SystemRandom,
}

impl Engine for TokioEngine {
    fn node_name(&self) -> &str {
        &self.name
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn unix_ns(&self) -> u64 {
        // A clock before 1970 reads as 1970; certificates are then refused as not yet valid.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    fn sleep_until(&self, at_ns: u64) -> BoxFuture<'static, ()> {
        // Beyond a century the addition could overflow the platform's Instant.
        const CENTURY_NS: u64 = 100 * 365 * 86_400 * 1_000_000_000;
        let deadline = self.started + Duration::from_nanos(at_ns.min(CENTURY_NS));
        Box::pin(async move { tokio::time::sleep_until(deadline.into()).await })
    }

    fn spawn(&self, _label: &'static str, task: BoxFuture<'static, ()>) {
        tokio::spawn(task);
    }

    fn listen(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Listener>> {
        Box::pin(async move {
            let listener = TcpListener::bind(address).await?;
            let local = listener.local_addr()?;
            Ok(Listener::new(Box::new(TokioAcceptor(listener)), local))
        })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Stream>> {
        Box::pin(async move { wrap(TcpStream::connect(address).await?) })
    }

    fn fill_entropy(&self, bytes: &mut [u8]) {
        // Without entropy no key and no nonce is safe: there is nothing sensible left to do.
        #[expect(clippy::expect_used, reason = "getrandom fails only on a kernel without it")]
        self.random.fill(bytes).expect("the operating system gives entropy");
    }

    fn files(&self) -> Arc<dyn Files> {
        self.files.clone()
    }

    fn crypto_provider(&self) -> Arc<rustls::crypto::CryptoProvider> {
        tls::stock_provider()
    }

    fn observe(&self, observation: &Observation<'_>) {
        (self.sink)(&self.name, self.unix_ns(), observation);
    }
}

struct TokioAcceptor(TcpListener);

impl Acceptor for TokioAcceptor {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Stream>> {
        Box::pin(async move { wrap(self.0.accept().await?.0) })
    }
}

fn wrap(stream: TcpStream) -> io::Result<Stream> {
    stream.set_nodelay(true)?;
    let (local, peer) = (stream.local_addr()?, stream.peer_addr()?);
    Ok(Stream::new(Box::new(stream), local, peer))
}

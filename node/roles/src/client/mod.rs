//! The client: an OpenAI-compatible HTTP endpoint in front of attested proxies (spec §4.2, §8.2).
//!
//! | module | holds |
//! |---|---|
//! | `session` | hand-shake with a proxy, payments, answers that come back |
//! | `endpoint` | what users see: `/v1/chat/completions`, `/v1/completions`, `/v1/models` |
//! | `requests` | running requests and where their answers go |

mod endpoint;
mod onchain;
mod requests;
mod session;

use crate::{
    dialing::Dialing,
    http_server,
    shutdown::Shutdown,
    telemetry::{self, Role},
    trust::Trust,
};
use chrysalis_env::{BoxFuture, Either, Env, Listener, race};
use chrysalis_settlement::{Address, Network, RootSource};
use session::Shared;
use std::{
    fmt, io,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

pub use onchain::ClientChain;

/// Pause between two questions for the state of payments (spec §1.3).
const PAYMENT_PAUSE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(20));
/// How long running requests may take to end after a request to stop.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// Has the client's contract tell a proxy's contract a nonce (spec §4.2, long authorisation). Part of the settlement
/// seam, as [`crate::proxy::ChainSource`] is on the other side.
pub trait Registrar: Send + Sync + 'static {
    /// Sends the registration; done when it was sent, whatever becomes of it.
    ///
    /// # Errors
    /// It cannot be sent; says why.
    fn register(&self, client_contract: Address, nonce: u64) -> BoxFuture<'static, Result<(), String>>;
}

/// Where there is no chain: only short authorisation works.
#[derive(Debug, Clone, Copy)]
pub struct NoRegistrar;

impl Registrar for NoRegistrar {
    fn register(&self, _client_contract: Address, _nonce: u64) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(async { Err("there is no chain to register on: the proxy must know the client's secret".to_owned()) })
    }
}

/// Everything a client needs.
pub struct ClientSettings {
    /// Whom the deposit belongs to.
    pub owner: Address,
    /// Which network's form addresses have on the wire.
    pub network: Network,
    /// Proves to a proxy that this is the owner (short authorisation).
    pub secret: String,
    /// The deployment's test flag.
    pub is_test: bool,
    /// Proxies to choose from.
    pub proxies: Vec<SocketAddr>,
    /// Connections to keep; at least one.
    pub proxy_connections: usize,
    /// The root contract.
    pub root: Arc<dyn RootSource>,
    /// Where the deposit is, and what registers nonces where the secret is not on the chain.
    pub chain: ClientChain,
    /// Own identity, and what proxies must show.
    pub trust: Trust,
    /// Origins of web pages that may use the endpoint; `*` is any.
    pub allowed_origins: Vec<String>,
    /// Where users connect.
    pub http_listen: SocketAddr,
}

impl fmt::Debug for ClientSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The secret stays out of logs.
        f.debug_struct("ClientSettings")
            .field("owner", &self.owner)
            .field("proxies", &self.proxies)
            .finish_non_exhaustive()
    }
}

/// Opens the endpoint and runs the client until it is asked to stop; running requests may finish.
///
/// # Errors
/// The HTTP port cannot be opened.
pub async fn run_client(env: Env, settings: ClientSettings, shutdown: Shutdown) -> io::Result<()> {
    let listener = env.listen(settings.http_listen).await?;
    serve_client(env, settings, listener, shutdown).await;
    Ok(())
}

/// As [`run_client`], on a port that is open already.
pub async fn serve_client(env: Env, settings: ClientSettings, listener: Listener, mut shutdown: Shutdown) {
    let dialing = Dialing {
        env: env.clone(),
        role: Role::Client,
        trust: settings.trust.clone(),
        root: settings.root.clone(),
        next_id: Arc::new(AtomicU64::new(1)),
    };
    let targets = choose_targets(&env, &settings.proxies, settings.proxy_connections);
    let shared = Arc::new(Shared::new(env.clone(), settings));
    for address in targets {
        let task = dialing.clone().keep(shared.clone(), address, shutdown.clone());
        env.spawn("client: connection to a proxy", task);
    }
    let service = Arc::new(endpoint::Endpoint::new(shared.clone()));
    env.spawn(
        "client: http",
        http_server::serve(env.clone(), listener, service, shutdown.clone()),
    );
    loop {
        let pause = env.random_span(PAYMENT_PAUSE.0, PAYMENT_PAUSE.1);
        match race(env.sleep(pause), shutdown.requested()).await {
            Either::Left(()) => shared.ask_payment_status(),
            Either::Right(()) => break,
        }
    }
    if env.timeout(DRAIN_LIMIT, shared.requests.drained()).await.is_err() {
        telemetry::note(
            &env,
            Role::Client,
            "requests were still running when the client stopped",
        );
    }
}

/// A random choice without repetition (spec §1.1).
fn choose_targets(env: &Env, proxies: &[SocketAddr], count: usize) -> Vec<SocketAddr> {
    let mut left = proxies.to_vec();
    let mut chosen = Vec::new();
    while chosen.len() < count.max(1) && !left.is_empty() {
        let index = (u128::from(env.random_u64()) * left.len() as u128) >> 64;
        chosen.push(left.swap_remove(usize::try_from(index).unwrap_or(0)));
    }
    chosen
}

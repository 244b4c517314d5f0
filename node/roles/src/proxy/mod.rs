//! The proxy: routes requests from clients to workers, counts what they use, and signs who owes whom (spec §4, §5, §7).
//!
//! | module | holds |
//! |---|---|
//! | `state` | accounts, sessions and running requests, and the rules that touch several of them |
//! | `client_session` | what a client may ask and send |
//! | `worker_session` | what a worker may ask and send |
//! | `requests` | the life of one request between the two |
//! | `endings` | how it ends, and what that costs whom |
//! | `forwarding` | the forms of messages by protocol version |
//! | `ledger` | writing accounts to disk, and signing only what is there |
//! | `ledger_store` | the file |
//! | `anchor` | the guest that it belongs to |
//! | `records` | the forms of what is in it |
//! | `onchain` | what the chain says, commits of the ledger to it, contract actions |
//! | `observed`, `commits` | what the chain has said, and which commits it must know |
//! | `old_instances` | settling and closing contracts of older parameters |
//! | `selection` | which worker gets a request |

mod anchor;
mod client_session;
mod commits;
mod control;
mod endings;
mod forwarding;
mod ledger;
mod ledger_store;
mod observed;
mod old_instances;
mod onchain;
mod records;
mod requests;
mod selection;
mod startup;
mod state;
mod worker_session;

use crate::{
    connection::{self, CloseReason, Connection, Handler},
    key_manager::{
        asking::{KeySource, keep_keys},
        ring::KeyHolder,
    },
    live_session::LiveSession,
    sealed_file::Sealing,
    shutdown::Shutdown,
    telemetry::{self, Role},
    trust::{AllowedImages, Trust},
};
pub use anchor::AnchorError;
use chrysalis_env::{BoxFuture, Either, Env, Listener, race};
use chrysalis_settlement::{
    Address, Network, RootSource, SigningKey,
    ledger::{ClientChainState, LedgerPolicy},
};
use chrysalis_wire::{connection::Side, keep_alive::KeepAlivePolicy};
pub use commits::CommitError;
pub use control::{ProxyControl, ProxyOrder};
pub use ledger_store::LedgerError;
use ledger_store::LedgerStore;
use observed::Observed;
use old_instances::OldInstances;
use onchain::OnChain;
pub use onchain::ProxyChain;
use state::Shared;
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// How long running requests may take to end after a request to stop.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);
/// How long connections may take to end when an instance does.
const HANG_UP_LIMIT: Duration = Duration::from_secs(10);
/// Pause between two looks whether a proxy that serves nobody may serve again.
const DISABLED_PAUSE: Duration = Duration::from_secs(5);
/// Pause after an accept that failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the chain says about accounts. Part of the settlement seam: a static source here, the chain later.
pub trait ChainSource: Send + Sync + 'static {
    /// The contract of the client that `owner` has at this proxy.
    fn client(&self, owner: &Address) -> Option<ClientChainState>;
    /// Tokens that the contract of the worker's owner has paid out.
    fn worker_tokens_paid(&self, owner: &Address) -> u64;
    /// Whether `owner`'s contract registered this nonce (long authorisation, spec §4.2).
    fn is_registered(&self, owner: &Address, nonce: u64) -> bool;
}

/// Limits that keep one peer from using up the proxy.
#[derive(Debug, Clone, Copy)]
pub struct ProxyLimits {
    /// Connections on each port, hand-shakes included.
    pub connections: usize,
    /// Requests that one client connection may run at once.
    pub requests_per_client: usize,
    /// Worker connections of one owner.
    pub connections_per_owner: usize,
    /// Requests at once that one worker connection may announce.
    pub slots_per_worker: u32,
}

impl Default for ProxyLimits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            requests_per_client: 1024,
            connections_per_owner: 256,
            slots_per_worker: 4096,
        }
    }
}

/// Everything a proxy needs.
pub struct ProxySettings {
    /// Owner of the proxy contract.
    pub owner: Address,
    /// The proxy's own wallet: where a contract sends what is left over.
    pub wallet: Address,
    /// Which network's form addresses have on the wire.
    pub network: Network,
    /// Signs payments and ledger records.
    pub key: Arc<SigningKey>,
    /// The deployment's test flag.
    pub is_test: bool,
    /// Where clients connect.
    pub clients_listen: SocketAddr,
    /// Where workers connect.
    pub workers_listen: SocketAddr,
    /// The root contract.
    pub root: Arc<dyn RootSource>,
    /// Accounts on the chain.
    pub chain: ProxyChain,
    /// Own identity, and what clients must show (usually nothing: spec §3.1).
    pub client_trust: Trust,
    /// Own identity, and what workers must show.
    pub worker_trust: Trust,
    /// How accounts are kept, and when they are settled.
    pub ledger: LedgerPolicy,
    /// Limits.
    pub limits: ProxyLimits,
    /// Where the operator's orders come from. Without a chain nobody listens: there is nothing to settle and close.
    pub control: Arc<ProxyControl>,
    /// What the ledger is sealed with, where the machine derives keys from measurements.
    pub sealing: Option<Sealing>,
    /// Where keys of proxies come from, if there is a key manager.
    pub keys: Option<KeySource>,
}

/// Why a proxy cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// A port cannot be opened.
    #[error("a port cannot be opened: {0}")]
    Listen(#[from] io::Error),
    /// The ledger cannot be read.
    #[error("{0}")]
    Ledger(#[from] LedgerError),
    /// The ledger is not the newest.
    #[error("{0}")]
    Commit(#[from] CommitError),
    /// The proxy contract cannot be used.
    #[error("the proxy contract: {0}")]
    Contract(String),
}

/// Runs a proxy until it is asked to stop; running requests may finish, and the ledger is written last.
///
/// # Errors
/// The ports or the ledger cannot be opened.
pub async fn run_proxy(env: Env, settings: ProxySettings, shutdown: Shutdown) -> Result<(), ProxyError> {
    let clients = env.listen(settings.clients_listen).await?;
    let workers = env.listen(settings.workers_listen).await?;
    serve_proxy(env, settings, clients, workers, shutdown).await
}

/// As [`run_proxy`], on ports that are open already.
///
/// # Errors
/// The ledger cannot be opened.
pub async fn serve_proxy(
    env: Env,
    settings: ProxySettings,
    clients: Listener,
    workers: Listener,
    mut shutdown: Shutdown,
) -> Result<(), ProxyError> {
    let settings = Arc::new(settings);
    let current = Arc::new(Current::default());
    let next_id = Arc::new(AtomicU64::new(1));
    for (listener, peers) in [(clients, Peers::Clients), (workers, Peers::Workers)] {
        let port = Port {
            env: env.clone(),
            settings: settings.clone(),
            current: current.clone(),
            listener,
            peers,
            next_id: next_id.clone(),
        };
        env.spawn(peers.label(), port.accept(shutdown.clone()));
    }
    if let Some(source) = &settings.keys {
        let (source, root) = (source.clone(), settings.root.clone());
        let keys = keep_keys(env.clone(), source, KeyHolder::Proxies, root, shutdown.clone());
        env.spawn("proxy: keys", keys);
    }
    let mut store = None;
    let mut disabled_until = None;
    if let ProxyChain::Live { settlement, wallet } = &settings.chain {
        let opened = LedgerStore::open(&env, settings.key.clone(), settings.sealing.as_ref())?;
        let records = opened.load()?;
        let ready = Box::pin(startup::ready(
            &env,
            &settings,
            &**settlement,
            wallet.address(),
            &records,
        ));
        match race(ready, shutdown.requested()).await {
            Either::Left(ready) => ready?,
            Either::Right(()) => return Ok(()),
        }
        store = Some(opened);
    }
    loop {
        let instance = Instance::open(&env, &settings, store.take(), disabled_until)?;
        let next_version = instance.shared.root.params_version().saturating_add(1);
        disabled_until = match instance.serve(&current, &mut shutdown).await? {
            Ended::Shutdown => return Ok(()),
            Ended::Superseded => None,
            Ended::Closed | Ended::Enabled => Some(next_version),
            Ended::Disabled => Some(u32::MAX),
        };
        store = instance.shared.take_store();
    }
}

/// Why an instance of a proxy ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// The node was asked to stop.
    Shutdown,
    /// The root contract has other parameters: accounts are opened anew under them (spec §4.7).
    Superseded,
    /// The proxy contract is closing or closed: nobody is served before the parameters change (spec §4.7).
    Closed,
    /// The operator wants nobody to be served (spec §4.7).
    Disabled,
    /// The operator has nothing against serving under the next parameters (spec §4.7).
    Enabled,
}

/// A proxy under one version of the parameters.
struct Instance {
    shared: Arc<Shared>,
    onchain: Option<(OnChain, OldInstances)>,
}

impl Instance {
    fn open(
        env: &Env,
        settings: &Arc<ProxySettings>,
        store: Option<LedgerStore>,
        disabled_until: Option<u32>,
    ) -> Result<Self, ProxyError> {
        let (env, settings) = (env.clone(), settings.clone());
        match settings.chain.clone() {
            ProxyChain::Static(source) => Ok(Self {
                shared: Arc::new(Shared::open(env, settings, store, source, None, disabled_until)?),
                onchain: None,
            }),
            ProxyChain::Live { settlement, wallet } => {
                let observed = Arc::new(Observed::default());
                let shared = Shared::open(env, settings, store, observed.clone(), Some(&observed), disabled_until)?;
                let shared = Arc::new(shared);
                let old = OldInstances {
                    shared: shared.clone(),
                    settlement: settlement.clone(),
                    wallet: wallet.clone(),
                };
                let onchain = OnChain::new(shared.clone(), settlement, wallet, observed);
                Ok(Self {
                    shared,
                    onchain: Some((onchain, old)),
                })
            }
        }
    }

    /// Serves until something ends it; running requests may finish, and the ledger is written last.
    async fn serve(&self, current: &Current, shutdown: &mut Shutdown) -> Result<Ended, ProxyError> {
        let shared = &self.shared;
        let mut flushing = Box::pin(ledger::keep_flushing(shared.clone()));
        let mut following: BoxFuture<'_, Result<Ended, ProxyError>> = match &self.onchain {
            Some((onchain, old)) => Box::pin(async {
                let following = Box::pin(follow(shared, onchain, old, current));
                match race(following, Box::pin(ordered(shared))).await {
                    Either::Left(ended) => ended,
                    Either::Right(ended) => Ok(ended),
                }
            }),
            None => {
                current.set(Some(shared.clone()));
                Box::pin(std::future::pending())
            }
        };
        let work = race(flushing.as_mut(), following.as_mut());
        let ended = match race(work, shutdown.requested()).await {
            Either::Left(Either::Left(never)) => match never {},
            Either::Right(()) => Ended::Shutdown,
            // After an error nothing more may be signed, nor written over a ledger that may be somebody else's by now.
            Either::Left(Either::Right(ended)) => ended?,
        };
        drop(following);
        shared.stop_accepting();
        if ended != Ended::Shutdown {
            current.set(None);
        }
        let drained = async {
            match race(shared.drained(), flushing.as_mut()).await {
                Either::Left(()) => {}
                Either::Right(never) => match never {},
            }
        };
        let env = &shared.env;
        if env.timeout(DRAIN_LIMIT, drained).await.is_err() {
            telemetry::note(env, Role::Proxy, "requests were still running when the proxy stopped");
        }
        drop(flushing);
        if ended != Ended::Shutdown && env.timeout(HANG_UP_LIMIT, shared.hang_up()).await.is_err() {
            telemetry::note(env, Role::Proxy, "connections of the old parameters do not end");
        }
        shared.flush()?;
        Ok(ended)
    }
}

/// Starts on the chain and follows it. Old contracts are settled once it is sure that the ledger is the newest.
async fn follow(
    shared: &Arc<Shared>,
    onchain: &OnChain,
    old: &OldInstances,
    current: &Current,
) -> Result<Ended, ProxyError> {
    if shared.is_disabled {
        telemetry::note(
            &shared.env,
            Role::Proxy,
            "nobody is served before the parameters change",
        );
    } else {
        if let Some(ended) = onchain.start().await? {
            return Ok(ended);
        }
        current.set(Some(shared.clone()));
    }
    let following = async {
        if !shared.is_disabled {
            return onchain.follow().await;
        }
        while !onchain.is_superseded() {
            shared.env.sleep(DISABLED_PAUSE).await;
        }
        Ok(Ended::Superseded)
    };
    match race(Box::pin(following), Box::pin(old.work())).await {
        Either::Left(ended) => ended,
        Either::Right(never) => match never {},
    }
}

/// Waits for an order that changes something.
async fn ordered(shared: &Shared) -> Ended {
    loop {
        let order = shared.settings.control.next().await;
        let text = format!("the operator's order: {}", order.name());
        telemetry::note(&shared.env, Role::Proxy, &text);
        match order {
            ProxyOrder::Disable => return Ended::Disabled,
            ProxyOrder::Enable if shared.is_disabled => return Ended::Enabled,
            ProxyOrder::Enable => {}
        }
    }
}

/// The instance that serves, if one does.
#[derive(Default)]
struct Current(Mutex<Option<Arc<Shared>>>);

impl Current {
    fn set(&self, shared: Option<Arc<Shared>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = shared;
    }

    fn get(&self) -> Option<Arc<Shared>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Peers {
    Clients,
    Workers,
}

impl Peers {
    fn label(self) -> &'static str {
        match self {
            Self::Clients => "proxy: client port",
            Self::Workers => "proxy: worker port",
        }
    }

    fn role(self) -> Role {
        match self {
            Self::Clients => Role::Client,
            Self::Workers => Role::Worker,
        }
    }
}

struct Port {
    env: Env,
    settings: Arc<ProxySettings>,
    current: Arc<Current>,
    listener: Listener,
    peers: Peers,
    next_id: Arc<AtomicU64>,
}

impl Port {
    async fn accept(mut self, mut shutdown: Shutdown) {
        let env = self.env.clone();
        let trust = match self.peers {
            Peers::Clients => &self.settings.client_trust,
            Peers::Workers => &self.settings.worker_trust,
        };
        let mut acceptor = match trust.acceptor(&env, Role::Proxy, self.peers.role()) {
            Ok(acceptor) => acceptor,
            Err(error) => {
                telemetry::note(&env, Role::Proxy, &format!("a port stays closed: {error}"));
                return;
            }
        };
        let open = Arc::new(AtomicUsize::new(0));
        loop {
            let accepted = match race(self.listener.accept(), shutdown.requested()).await {
                Either::Left(accepted) => accepted,
                Either::Right(()) => return,
            };
            let Ok(stream) = accepted else {
                env.sleep(ACCEPT_PAUSE).await;
                continue;
            };
            if open.load(Ordering::Relaxed) >= self.settings.limits.connections {
                // Dropping it resets the connection: the peer tries another proxy or comes back.
                continue;
            }
            // Without an instance that serves, the connection is reset likewise.
            let Some(shared) = self.current.get() else {
                continue;
            };
            if !acceptor.is_current(&env) {
                match trust.acceptor(&env, Role::Proxy, self.peers.role()) {
                    Ok(renewed) => acceptor = renewed,
                    Err(error) => {
                        telemetry::note(&env, Role::Proxy, &format!("the old certificate serves on: {error}"));
                    }
                }
            }
            let slot = OpenSlot::take(open.clone());
            let (acceptor, peers) = (acceptor.clone(), self.peers);
            let id = self.next_id.fetch_add(1, Ordering::Relaxed);
            env.spawn("proxy: connection", async move {
                let _slot = slot;
                let address = stream.peer_address();
                let trust = &acceptor.trust;
                let kind = peers.role().name();
                let secured = match acceptor.accept(&shared.env, stream).await {
                    Ok(secured) => secured,
                    Err(error) => {
                        trust.report_refusal(&shared.env, Role::Proxy, kind, &error.to_string());
                        return;
                    }
                };
                let allowed = AllowedImages {
                    root: shared.settings.root.clone(),
                    of: |root| &root.worker_hashes,
                };
                if !trust.admits(&shared.env, Role::Proxy, kind, &secured, &allowed) {
                    return;
                }
                let connection = Connection::new(shared.env.clone(), id, address);
                let live = secured.session.map(|session| LiveSession {
                    session,
                    trust: trust.clone(),
                    role: Role::Proxy,
                    peer_kind: kind,
                    network_salt: allowed.network_salt(),
                    allowed: Some(allowed),
                });
                match peers {
                    Peers::Clients => {
                        let handler = client_session::ClientHandler::new(shared.clone(), &connection);
                        serve(&shared, secured.stream, &connection, live, handler).await;
                        shared.client_gone(id);
                    }
                    Peers::Workers => {
                        let handler = worker_session::WorkerHandler::new(shared.clone(), &connection);
                        serve(&shared, secured.stream, &connection, live, handler).await;
                        shared.worker_gone(id);
                    }
                }
            });
        }
    }
}

async fn serve<S, H>(shared: &Shared, stream: S, connection: &Connection, live: Option<LiveSession>, handler: H)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send,
    H: Handler + Unpin,
{
    let policy = KeepAlivePolicy::default();
    let mut driving = Box::pin(connection::drive(
        shared.env.clone(),
        stream,
        connection.clone(),
        Side::Acceptor,
        policy,
        live,
        handler,
    ));
    let mut ending = shared.ending.1.clone();
    let reason = match race(driving.as_mut(), Box::pin(ending.requested())).await {
        Either::Left(reason) => reason,
        Either::Right(()) => {
            connection.close(CloseReason::Local("the parameters have changed".to_owned()));
            driving.await
        }
    };
    shared.env.observe(
        "connection.closed",
        &[("role", "proxy".into()), ("reason", reason.to_string().as_str().into())],
    );
}

/// Counts an open connection for as long as it lives.
struct OpenSlot(Arc<AtomicUsize>);

impl OpenSlot {
    fn take(open: Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(open)
    }
}

impl Drop for OpenSlot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

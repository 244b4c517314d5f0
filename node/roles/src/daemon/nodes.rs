//! From a configuration to a role that runs on open ports.

use super::{
    Config, DaemonError, Origin, RoleFile,
    access::Access,
    config::{BackendKind, ClientFile, ProxyFile, WorkerFile},
    created,
    evidence::{Base, NodeTrust},
    health::{ClientHealth, ProxyHealth, WorkerHealth},
    secret_file, warn,
};
use crate::{
    client::{ClientChain, ClientSettings, NoRegistrar, serve_client},
    management::HealthCheck,
    metrics::Metrics,
    proxy::{LedgerError, ProxyChain, ProxyControl, ProxyError, ProxyLimits, ProxySettings, serve_proxy},
    shutdown::Shutdown,
    worker::{WorkerChain, WorkerSettings, run_worker},
};
use chrysalis_env::{BoxFuture, Env, Listener};
use chrysalis_inference::{
    Backend, HttpBackend, HttpConfig, HttpLimits,
    tiny::{TinyBackend, TinyConfig, TinyModel, TinyOptions},
};
use chrysalis_settlement::{Network, SigningKey, base_name, ledger::LedgerPolicy, root_config::RegisteredProxy};
use std::{
    fs::{self, File, TryLockError},
    net::{SocketAddr, ToSocketAddrs as _},
    path::Path,
    sync::Arc,
};

/// Seed of the trial model's weights.
const TINY_SEED: u64 = 1;
const LOCK_FILE: &str = "daemon.lock";

/// A role on open ports.
pub(super) struct Node {
    /// Runs until it is asked to stop.
    pub(super) run: BoxFuture<'static, Result<(), DaemonError>>,
    /// Where it listens.
    pub(super) addresses: Vec<(&'static str, SocketAddr)>,
    pub(super) health: Arc<dyn HealthCheck>,
    /// Takes the operator's orders.
    pub(super) control: Option<Arc<ProxyControl>>,
}

/// Opens ports and files of the configured role.
pub(super) async fn start(
    env: &Env,
    config: &Config,
    access: &Access,
    trust: NodeTrust,
    metrics: &Arc<Metrics>,
    shutdown: Shutdown,
) -> Result<Node, DaemonError> {
    match &config.file {
        RoleFile::Client(file) => client(env, access, file, trust, shutdown).await,
        RoleFile::Proxy(file) => proxy(env, config, access, file, trust, metrics, shutdown).await,
        RoleFile::Worker(file) => worker(env, access, file, trust, metrics, shutdown),
    }
}

pub(super) async fn listen(env: &Env, address: SocketAddr, what: &str) -> Result<Listener, DaemonError> {
    let failed = |error| DaemonError::Environment(format!("the {what} port {address} cannot be opened: {error}"));
    env.listen(address).await.map_err(failed)
}

async fn client(
    env: &Env,
    access: &Access,
    file: &ClientFile,
    trust: NodeTrust,
    shutdown: Shutdown,
) -> Result<Node, DaemonError> {
    let listener = listen(env, SocketAddr::new(file.http_address, file.http_port), "http").await?;
    let address = listener.local_address();
    // On the chain the client's contracts belong to its wallet, and that to the owner.
    let (chain, owner) = match access.wallet() {
        Some((settlement, wallet)) => {
            let owner = wallet.address();
            (ClientChain::Live { settlement, wallet }, owner)
        }
        None => (ClientChain::Static(Arc::new(NoRegistrar)), file.owner_address),
    };
    let settings = ClientSettings {
        owner,
        network: Network::from_is_testnet(file.is_testnet),
        secret: file.secret_string.clone(),
        is_test: file.is_test,
        proxies: proxies(env, access, RegisteredProxy::address_for_clients)?,
        proxy_connections: file.proxy_connections,
        root: access.root.clone(),
        chain,
        trust: trust.attested,
        allowed_origins: file.allowed_origins.clone(),
        http_listen: address,
    };
    let run = serve_client(env.clone(), settings, listener, shutdown);
    Ok(Node {
        run: Box::pin(async move {
            run.await;
            Ok(())
        }),
        addresses: vec![("http", address)],
        health: Arc::new(ClientHealth::new(env.clone(), address)),
        control: None,
    })
}

async fn proxy(
    env: &Env,
    config: &Config,
    access: &Access,
    file: &ProxyFile,
    trust: NodeTrust,
    metrics: &Arc<Metrics>,
    shutdown: Shutdown,
) -> Result<Node, DaemonError> {
    let lock = lock(&config.data_folder())?;
    let base = Base(&config.folder);
    let key_file = base.path(&file.signing_key_file);
    let (seed, is_new) = secret_file::seed(&key_file, || env.random())?;
    if is_new {
        created(env, &key_file);
    }
    let clients = listen(env, SocketAddr::new(file.rpc_address, file.client_rpc_port), "clients").await?;
    let workers = listen(env, SocketAddr::new(file.rpc_address, file.workers_rpc_port), "workers").await?;
    let addresses = vec![
        ("clients", clients.local_address()),
        ("workers", workers.local_address()),
    ];
    let (chain, wallet) = match (access.wallet(), &config.origin) {
        (Some((settlement, wallet)), _) => {
            let address = wallet.address();
            (ProxyChain::Live { settlement, wallet }, address)
        }
        (None, Origin::File(_, accounts)) => (
            ProxyChain::Static(Arc::new(accounts.clone())),
            file.wallet_address.unwrap_or(file.owner_address),
        ),
        // The check of the configuration has refused it.
        (None, Origin::Chain(_)) => return Err(DaemonError::Invalid("`[chain]`: a proxy must send".to_owned())),
    };
    let control = Arc::new(ProxyControl::default());
    let is_live = matches!(chain, ProxyChain::Live { .. });
    let settings = ProxySettings {
        owner: file.owner_address,
        wallet,
        network: Network::from_is_testnet(file.is_testnet),
        key: Arc::new(SigningKey::from_seed(&seed)),
        is_test: file.is_test,
        clients_listen: clients.local_address(),
        workers_listen: workers.local_address(),
        root: access.root.clone(),
        chain,
        client_trust: trust.open,
        worker_trust: trust.attested,
        ledger: LedgerPolicy::default(),
        limits: ProxyLimits::default(),
        control: control.clone(),
        sealing: None,
        keys: None,
    };
    let run = serve_proxy(env.clone(), settings, clients, workers, shutdown);
    Ok(Node {
        run: Box::pin(async move {
            let result = run.await.map_err(|error| proxy_error(&error));
            drop(lock);
            result
        }),
        addresses,
        health: Arc::new(ProxyHealth {
            metrics: metrics.clone(),
        }),
        control: is_live.then_some(control),
    })
}

fn proxy_error(error: &ProxyError) -> DaemonError {
    match error {
        // Another key's ledger, or one that was tampered with: trying again does not help.
        ProxyError::Ledger(LedgerError::Forged { .. } | LedgerError::Unreadable { .. } | LedgerError::Anchor(_)) => {
            DaemonError::Invalid(format!("`db_path`, `signing_key_file`: {error}"))
        }
        // Going on with it would sign what was signed before.
        ProxyError::Commit(_) => DaemonError::Invalid(format!("`db_path`: {error}")),
        ProxyError::Contract(_) | ProxyError::Ledger(_) | ProxyError::Listen(_) => {
            DaemonError::Environment(error.to_string())
        }
    }
}

/// Two proxies on one ledger would each sign what the other does not know.
fn lock(folder: &Path) -> Result<File, DaemonError> {
    let failed = |error: &dyn std::fmt::Display| {
        DaemonError::Environment(format!("{}: {error}", folder.join(LOCK_FILE).display()))
    };
    fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(folder.join(LOCK_FILE))
        .map_err(|error| failed(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(failed(&"another daemon uses this `db_path`")),
        Err(TryLockError::Error(error)) => Err(failed(&error)),
    }
}

fn worker(
    env: &Env,
    access: &Access,
    file: &WorkerFile,
    trust: NodeTrust,
    metrics: &Arc<Metrics>,
    shutdown: Shutdown,
) -> Result<Node, DaemonError> {
    let base = base_name(&file.model_name);
    let backend: Arc<dyn Backend> = match file.backend {
        BackendKind::Http => {
            let http = HttpConfig {
                base_url: file.forward_requests_to.clone(),
                models: vec![base.to_owned()],
                limits: HttpLimits {
                    connections: file.max_active_requests as usize,
                    ..HttpLimits::default()
                },
            };
            Arc::new(HttpBackend::new(env.clone(), http))
        }
        BackendKind::Tiny => {
            let model = Arc::new(TinyModel::generate(TinyConfig::nano(), TINY_SEED));
            Arc::new(TinyBackend::new(env.clone(), base, model, TinyOptions::default()))
        }
    };
    let settings = WorkerSettings {
        owner: file.owner_address,
        network: Network::from_is_testnet(file.is_testnet),
        model: file.model_name.clone(),
        coefficient: file.coefficient,
        max_active_requests: file.max_active_requests,
        is_test: file.is_test,
        proxies: proxies(env, access, RegisteredProxy::address_for_workers)?,
        root: access.root.clone(),
        trust: trust.attested,
        backend: backend.clone(),
        chain: match access.wallet() {
            Some((settlement, wallet)) => WorkerChain::Live { settlement, wallet },
            None => WorkerChain::None,
        },
        keys: None,
    };
    let run = run_worker(env.clone(), settings, shutdown);
    Ok(Node {
        control: None,
        run: Box::pin(async move {
            run.await;
            Ok(())
        }),
        addresses: Vec::new(),
        health: Arc::new(WorkerHealth {
            env: env.clone(),
            backend,
            metrics: metrics.clone(),
        }),
    })
}

/// Addresses of the registered proxies; names are looked up once, at the start.
fn proxies(
    env: &Env,
    access: &Access,
    endpoint: impl Fn(&RegisteredProxy) -> &str,
) -> Result<Vec<SocketAddr>, DaemonError> {
    let mut addresses = Vec::new();
    for proxy in access.root.current().registered_proxies.values() {
        let text = endpoint(proxy);
        match text.to_socket_addrs().map(|mut found| found.next()) {
            Ok(Some(address)) => addresses.push(address),
            Ok(None) => warn(env, &format!("proxy {text} has no address")),
            Err(error) => warn(env, &format!("proxy {text} has no address: {error}")),
        }
    }
    if addresses.is_empty() {
        return Err(DaemonError::Environment(
            "no registered proxy has an address".to_owned(),
        ));
    }
    Ok(addresses)
}

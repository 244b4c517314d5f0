//! One role as a process: what `chrysalis-node client|proxy|worker --config FILE` does.
//!
//! A daemon has real sockets, real clocks and real entropy, and is always hardened (design §5): nothing here can make
//! it misbehave, and trusting simulated evidence takes an explicit word that is warned of. Its certificate lives a day;
//! before it ends the daemon finishes its requests and stops with code 5, for its supervisor to start it anew.
//!
//! | module | holds |
//! |---|---|
//! | [`config`] | what configuration files say |
//! | [`root_file`] | the root configuration and the clients' accounts as a file |
//! | [`document`] | TOML and JSON with the places of mistakes |
//! | `secret_file` | key seeds and tokens |
//! | `evidence` | own key and evidence, and what peers must show |
//! | `access` | the root configuration and the way to the chain |
//! | `nodes` | from a configuration to a role that runs |
//! | `health` | whether the role can do its work |
//! | [`log`] | JSON lines on standard error |
//! | `signals` | requests to stop |

mod access;
pub mod config;
pub mod document;
mod evidence;
mod health;
pub mod log;
mod nodes;
pub mod root_file;
mod secret_file;
mod signals;

pub use secret_file::SecretError;
pub use signals::StopSignal;

use crate::{
    management::{self, BearerToken, Management},
    metrics::Metrics,
    shutdown::shutdown_pair,
    telemetry::Role,
};
use chrysalis_attest::certificate::VALIDITY_S;
use chrysalis_env::{Either, Env, Value, race, tokio_engine::TokioNode};
use chrysalis_settlement::{Address, RootConfig};
use config::{
    AnchorSetting, BackendKind, ChainSection, ClientFile, IdentitySection, ManagementSection, ProxyFile, TrustSection,
    WorkerFile,
};
use document::{DocumentError, Mistake};
use evidence::{Base, EvidenceNeed};
use log::{LogLevel, LogWriter};
use root_file::{RootFile, StaticChain};
use signals::Signals;
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// The daemon stops this long before its certificate ends.
const RENEW_BEFORE_S: u64 = 3600;
/// After the last request its last bytes get this long to leave the process.
const LINGER: Duration = Duration::from_millis(500);
/// How long a slow reader of the log may hold the end of the process up.
const LOG_LIMIT: Duration = Duration::from_secs(2);

/// Why a daemon cannot run.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// A configuration file cannot be read or has a mistake.
    #[error("{0}")]
    Document(#[from] DocumentError),
    /// A file that the configuration names cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Settings contradict each other, or what they name is not usable.
    #[error("{0}")]
    Invalid(String),
    /// A key or token.
    #[error("{0}")]
    Secret(#[from] SecretError),
    /// A port, a disk or a name of this machine: another try may succeed.
    #[error("{0}")]
    Environment(String),
}

impl DaemonError {
    /// The process's exit code (design §11).
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Document(DocumentError::Unreadable { .. }) | Self::Unreadable { .. } => 2,
            Self::Document(DocumentError::Mistake(_))
            | Self::Invalid(_)
            | Self::Secret(SecretError::Exposed { .. } | SecretError::Malformed { .. }) => 3,
            Self::Secret(SecretError::Io { .. }) | Self::Environment(_) => 5,
        }
    }

    fn in_file(self, path: &Path) -> Self {
        match self {
            Self::Invalid(message) => {
                let mistake = Mistake {
                    path: path.to_owned(),
                    place: None,
                    message,
                    help: None,
                };
                Self::Document(mistake.into())
            }
            other => other,
        }
    }
}

/// How a daemon ended that did run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was asked to.
    Signal(StopSignal),
    /// Its certificate was about to end.
    CertificateEnds,
}

impl Ending {
    /// The process's exit code (design §11).
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Signal(signal) => signal.exit_code(),
            Self::CertificateEnds => 5,
        }
    }
}

enum RoleFile {
    Client(ClientFile),
    Proxy(ProxyFile),
    Worker(WorkerFile),
}

/// What all roles' files have.
struct Common<'a> {
    role: Role,
    is_test: bool,
    root_config: Option<&'a Path>,
    chain: Option<&'a ChainSection>,
    owner: Address,
    log: LogLevel,
    name: Option<&'a str>,
    identity: &'a IdentitySection,
    trust: &'a TrustSection,
    management: Option<&'a ManagementSection>,
}

macro_rules! common {
    ($role:expr, $file:expr) => {
        Common {
            role: $role,
            is_test: $file.is_test,
            root_config: $file.root_config.as_deref(),
            chain: $file.chain.as_ref(),
            owner: $file.owner_address,
            log: $file.log,
            name: $file.name.as_deref(),
            identity: &$file.identity,
            trust: &$file.trust,
            management: $file.management.as_ref(),
        }
    };
}

impl RoleFile {
    fn common(&self) -> Common<'_> {
        match self {
            Self::Client(file) => common!(Role::Client, file),
            Self::Proxy(file) => common!(Role::Proxy, file),
            Self::Worker(file) => common!(Role::Worker, file),
        }
    }
}

/// A configuration that was read and checked. Nothing was created, opened or started.
pub struct Config {
    path: PathBuf,
    folder: PathBuf,
    file: RoleFile,
    origin: Origin,
}

/// Where the root configuration comes from.
enum Origin {
    /// A file, with the clients' accounts.
    File(Box<RootConfig>, StaticChain),
    /// The chain.
    Chain(ChainSection),
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// Reads and checks the files of a role.
    ///
    /// # Errors
    /// A file cannot be read, has a mistake, or contradicts another.
    pub fn load(role: Role, path: &Path) -> Result<Self, DaemonError> {
        let file = match role {
            Role::Client => RoleFile::Client(document::read(path)?),
            Role::Proxy => RoleFile::Proxy(document::read(path)?),
            Role::Worker => RoleFile::Worker(document::read(path)?),
            Role::KeyManager => {
                let text =
                    "a key manager needs a machine that derives keys from measurements, and runs in simulations only";
                return Err(DaemonError::Invalid(text.to_owned()));
            }
        };
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let common = file.common();
        let need = if role == Role::Client {
            EvidenceNeed::Optional
        } else {
            EvidenceNeed::Required
        };
        evidence::check(common.identity, common.trust, common.is_test, need).map_err(|error| error.in_file(path))?;
        let origin = match (common.root_config, common.chain) {
            (Some(root_config), None) => {
                let root_path = folder.join(root_config);
                let (root, chain) = document::read::<RootFile>(&root_path)?
                    .into_parts()
                    .map_err(|error| DaemonError::Invalid(error.to_string()).in_file(&root_path))?;
                Origin::File(Box::new(root), chain)
            }
            (None, Some(section)) => {
                access::check(section, role).map_err(|error| error.in_file(path))?;
                Origin::Chain(section.clone())
            }
            _ => {
                let text = "one of `root_config` (a file) and `[chain]` (a network) is needed, and not both";
                return Err(DaemonError::Invalid(text.to_owned()).in_file(path));
            }
        };
        let config = Self {
            path: path.to_owned(),
            folder,
            file,
            origin,
        };
        config.check().map_err(|error| error.in_file(path))?;
        Ok(config)
    }

    fn check(&self) -> Result<(), DaemonError> {
        let invalid = |text: &str| Err(DaemonError::Invalid(text.to_owned()));
        match &self.file {
            RoleFile::Proxy(file) if file.is_testnet && !file.is_test => {
                invalid("`is_testnet` takes `is_test = true`: coins of a test network pay for nothing")
            }
            RoleFile::Proxy(_) => Ok(()),
            RoleFile::Worker(file) if file.backend == BackendKind::Tiny && !file.is_test => {
                invalid("`backend = \"tiny\"` answers with noise and takes `is_test = true`")
            }
            RoleFile::Client(_) | RoleFile::Worker(_) => match &self.origin {
                Origin::File(root, _) => self.check_root(root),
                // Checked when it is read.
                Origin::Chain(_) => Ok(()),
            },
        }
    }

    /// The root configuration must have what this role needs of it.
    fn check_root(&self, root: &RootConfig) -> Result<(), DaemonError> {
        let invalid = |text: &str| Err(DaemonError::Invalid(text.to_owned()));
        match &self.file {
            RoleFile::Worker(file) if !root.allows_model(&file.model_name) => {
                invalid("`model_name`: this model is not in the root configuration, so every proxy would refuse it")
            }
            RoleFile::Client(_) | RoleFile::Worker(_) if root.registered_proxies.is_empty() => {
                invalid("the root configuration has no registered proxies to connect to")
            }
            RoleFile::Client(_) | RoleFile::Worker(_) | RoleFile::Proxy(_) => Ok(()),
        }
    }

    /// The simulated vendor's anchors are trusted.
    pub fn trusts_simulation(&self) -> bool {
        self.file.common().trust.anchors != AnchorSetting::Vendor
    }
}

/// Runs until a signal, then lets running requests finish; a second signal ends that at once.
///
/// Must be called on a tokio runtime with input, output and time enabled.
///
/// # Errors
/// Something that it needs cannot be opened, or fails later.
pub async fn run(config: Config) -> Result<Ending, DaemonError> {
    let environment = |what: &str| {
        let what = what.to_owned();
        move |error: io::Error| DaemonError::Environment(format!("{what}: {error}"))
    };
    let signals = Signals::new().map_err(environment("signals"))?;
    let writer = Arc::new(LogWriter::start(io::stderr()).map_err(environment("the log"))?);
    let path = config.path.clone();
    let result = run_logged(config, signals, &writer).await;
    writer.finish(LOG_LIMIT);
    result.map_err(|error| error.in_file(&path))
}

async fn run_logged(config: Config, mut signals: Signals, writer: &Arc<LogWriter>) -> Result<Ending, DaemonError> {
    let common = config.file.common();
    let metrics = Arc::new(Metrics::new());
    let env = TokioNode {
        name: common.name.unwrap_or(common.role.name()).to_owned(),
        data_directory: config.data_folder(),
        sink: log::sink(common.log, writer.clone(), metrics.clone()),
    }
    .into_env();
    let base = Base(&config.folder);

    let trust = evidence::establish(&env, &base, common.identity, common.trust)?;
    trust.warnings.iter().for_each(|warning| warn(&env, warning));
    trust.created.iter().for_each(|path| created(&env, path));
    let endpoint = open_management(&env, &base, common.management).await?;

    let (trigger, shutdown) = shutdown_pair();
    let access = access::open(&env, &config, common.role, common.owner, &shutdown).await?;
    config.check_root(&access.root.current())?;
    let node = nodes::start(&env, &config, &access, trust, &metrics, shutdown.clone()).await?;
    let mut addresses = node.addresses;
    let (all_done, afterwards) = shutdown_pair();
    if let Some((listener, token)) = endpoint {
        addresses.push(("management", listener.local_address()));
        let management = Management {
            started_ns: env.now_ns(),
            env: env.clone(),
            role: common.role,
            token,
            metrics,
            health: node.health,
            control: node.control,
            stopping: shutdown,
        };
        env.spawn(
            "daemon: management",
            management::serve(management, listener, afterwards),
        );
    }
    ready(&env, common.role, &addresses);

    let lifetime = Duration::from_secs(VALIDITY_S - evidence::BACKDATE_S - RENEW_BEFORE_S);
    let mut role = node.run;
    let ending = match race(role.as_mut(), race(signals.next(), env.sleep(lifetime))).await {
        Either::Left(result) => {
            result?;
            return Err(DaemonError::Environment("the node stopped by itself".to_owned()));
        }
        Either::Right(Either::Left(signal)) => Ending::Signal(signal),
        Either::Right(Either::Right(())) => Ending::CertificateEnds,
    };
    let reason = match ending {
        Ending::Signal(signal) => signal.name(),
        Ending::CertificateEnds => "the certificate ends soon",
    };
    env.observe(
        "daemon.stopping",
        &[("role", common.role.name().into()), ("reason", reason.into())],
    );
    trigger.fire();
    let drained = async {
        role.as_mut().await?;
        env.sleep(LINGER).await;
        Ok::<(), DaemonError>(())
    };
    let ending = match race(drained, signals.next()).await {
        Either::Left(result) => {
            result?;
            ending
        }
        Either::Right(second) => Ending::Signal(second),
    };
    all_done.fire();
    env.observe("daemon.stopped", &[("role", common.role.name().into())]);
    Ok(ending)
}

impl Config {
    fn data_folder(&self) -> PathBuf {
        match &self.file {
            RoleFile::Proxy(file) => self.folder.join(&file.db_path),
            // Clients and workers keep no files.
            RoleFile::Client(_) | RoleFile::Worker(_) => self.folder.clone(),
        }
    }
}

async fn open_management(
    env: &Env,
    base: &Base<'_>,
    section: Option<&ManagementSection>,
) -> Result<Option<(chrysalis_env::Listener, BearerToken)>, DaemonError> {
    let Some(section) = section else { return Ok(None) };
    let path = base.path(&section.token_file);
    let secret = secret_file::read_or_create(&path, || env.random())?;
    if secret.is_new {
        created(env, &path);
    }
    let token = secret
        .text
        .parse()
        .map_err(|error: management::TokenError| SecretError::Malformed {
            path,
            expected: error.to_string(),
        })?;
    Ok(Some((
        nodes::listen(env, section.listen.get(), "management").await?,
        token,
    )))
}

fn ready(env: &Env, role: Role, addresses: &[(&'static str, std::net::SocketAddr)]) {
    let texts: Vec<_> = addresses
        .iter()
        .map(|(name, address)| (*name, address.to_string()))
        .collect();
    let mut fields = vec![("role", Value::from(role.name()))];
    fields.extend(texts.iter().map(|(name, text)| (*name, Value::from(text.as_str()))));
    env.observe("daemon.ready", &fields);
}

fn created(env: &Env, path: &Path) {
    env.observe(
        "daemon.created",
        &[("path", path.display().to_string().as_str().into())],
    );
}

fn warn(env: &Env, text: &str) {
    env.observe("daemon.warning", &[("text", text.into())]);
}

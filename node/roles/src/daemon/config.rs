//! What a configuration file says. Names are the reference's (spec §9.1) where they mean the same; unknown names are
//! refused. Paths are relative to the file.

use super::{document::from_text, log::LogLevel};
use crate::management::LoopbackAddress;
use chrysalis_attest::policy::AppraisalRules;
use chrysalis_inference::http::BaseUrl;
use chrysalis_settlement::Address;
use serde::{Deserialize, Deserializer, de};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const EVERYWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Default ports (spec §9.3).
mod ports {
    pub(super) const CLIENT_HTTP: u16 = 10_000;
    pub(super) const PROXY_WORKERS: u16 = 11_001;
    pub(super) const PROXY_CLIENTS: u16 = 11_002;
    pub(super) const INFERENCE: u16 = 8000;
}

/// Connections to proxies that a client keeps (spec §1.1).
const PROXY_CONNECTIONS: usize = 1;
/// Most of them.
const MAX_PROXY_CONNECTIONS: usize = 64;
/// Requests at once of a worker (spec §1.5).
const MAX_ACTIVE_REQUESTS: u32 = 200;
/// Price factor 1.0.
const COEFFICIENT: u32 = chrysalis_settlement::pricing::COEFFICIENT_ONE;

/// A client's file.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientFile {
    /// The deployment's test flag: must be the proxies' as well.
    #[serde(default)]
    pub is_test: bool,
    /// Whether addresses have a test network's form.
    #[serde(default)]
    pub is_testnet: bool,
    /// Whom the deposit belongs to.
    #[serde(deserialize_with = "from_text")]
    pub owner_address: Address,
    /// Proves to a proxy that this is the owner.
    #[serde(default)]
    pub secret_string: String,
    /// Port of the users' endpoint.
    #[serde(default = "client_http_port")]
    pub http_port: u16,
    /// Where that listens; loopback by default, because whoever reaches it spends the owner's deposit.
    #[serde(default = "loopback")]
    pub http_address: IpAddr,
    /// Origins of web pages that may use it (`https://host:port`, or `*`); none by default, for the same reason.
    #[serde(default)]
    pub allowed_origins: Vec<String>,
    /// Connections to proxies to keep.
    #[serde(default = "proxy_connections", deserialize_with = "connection_count")]
    pub proxy_connections: usize,
    /// File with the root configuration; or `[chain]`.
    #[serde(default)]
    pub root_config: Option<PathBuf>,
    /// The chain, which the root configuration is read from; or `root_config`.
    #[serde(default)]
    pub chain: Option<ChainSection>,
    /// Sections that every role has.
    #[serde(default)]
    pub log: LogLevel,
    /// Name in log lines.
    #[serde(default)]
    pub name: Option<String>,
    /// Own key and evidence.
    pub identity: IdentitySection,
    /// Whom to trust.
    #[serde(default)]
    pub trust: TrustSection,
    /// Management endpoint; none without it.
    #[serde(default)]
    pub management: Option<ManagementSection>,
}

impl fmt::Debug for ClientFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The secret stays out of logs.
        f.debug_struct("ClientFile")
            .field("owner_address", &self.owner_address)
            .finish_non_exhaustive()
    }
}

/// A proxy's file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxyFile {
    /// The deployment's test flag.
    #[serde(default)]
    pub is_test: bool,
    /// Whether addresses have a test network's form; only with `is_test` (spec §9.1).
    #[serde(default)]
    pub is_testnet: bool,
    /// Owner of the proxy contract.
    #[serde(deserialize_with = "from_text")]
    pub owner_address: Address,
    /// The proxy's own wallet, where a contract sends what is left over; the owner's address by default.
    #[serde(default, deserialize_with = "optional_address")]
    pub wallet_address: Option<Address>,
    /// Port for workers.
    #[serde(default = "proxy_workers_port")]
    pub workers_rpc_port: u16,
    /// Port for clients.
    #[serde(default = "proxy_clients_port")]
    pub client_rpc_port: u16,
    /// Where both listen.
    #[serde(default = "everywhere")]
    pub rpc_address: IpAddr,
    /// Folder of the ledger.
    pub db_path: PathBuf,
    /// File with the seed of the key that signs payments and ledger records; made if absent.
    pub signing_key_file: PathBuf,
    /// File with the root configuration and the clients' accounts; or `[chain]`.
    #[serde(default)]
    pub root_config: Option<PathBuf>,
    /// The chain, which both are read from; or `root_config`.
    #[serde(default)]
    pub chain: Option<ChainSection>,
    /// See [`ClientFile::log`].
    #[serde(default)]
    pub log: LogLevel,
    /// Name in log lines.
    #[serde(default)]
    pub name: Option<String>,
    /// Own key and evidence.
    pub identity: IdentitySection,
    /// Whom to trust.
    #[serde(default)]
    pub trust: TrustSection,
    /// Management endpoint; none without it.
    #[serde(default)]
    pub management: Option<ManagementSection>,
}

/// A worker's file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerFile {
    /// The deployment's test flag.
    #[serde(default)]
    pub is_test: bool,
    /// Whether addresses have a test network's form.
    #[serde(default)]
    pub is_testnet: bool,
    /// Whom the earnings belong to.
    #[serde(deserialize_with = "from_text")]
    pub owner_address: Address,
    /// Full name of the model (spec §1.1).
    pub model_name: String,
    /// Price factor, 1000 = 1.0.
    #[serde(default = "coefficient", deserialize_with = "price_factor")]
    pub coefficient: u32,
    /// Requests at once over all proxies.
    #[serde(default = "max_active_requests", deserialize_with = "at_least_one")]
    pub max_active_requests: u32,
    /// What answers.
    #[serde(default)]
    pub backend: BackendKind,
    /// Where the inference server listens; it need not be up when the worker starts.
    #[serde(default = "inference_server", deserialize_with = "from_text")]
    pub forward_requests_to: BaseUrl,
    /// File with the root configuration; or `[chain]`.
    #[serde(default)]
    pub root_config: Option<PathBuf>,
    /// The chain, which the root configuration is read from; or `root_config`.
    #[serde(default)]
    pub chain: Option<ChainSection>,
    /// See [`ClientFile::log`].
    #[serde(default)]
    pub log: LogLevel,
    /// Name in log lines.
    #[serde(default)]
    pub name: Option<String>,
    /// Own key and evidence.
    pub identity: IdentitySection,
    /// Whom to trust.
    #[serde(default)]
    pub trust: TrustSection,
    /// Management endpoint; none without it.
    #[serde(default)]
    pub management: Option<ManagementSection>,
}

/// What answers a worker's requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackendKind {
    /// The inference server at `forward_requests_to`.
    #[default]
    Http,
    /// A small random model inside the daemon, for trials; only with `is_test`.
    Tiny,
}

/// `[identity]`: what this node shows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentitySection {
    /// File with the seed of the TLS key: 64 hexadecimal digits; made if absent.
    pub key_seed_file: PathBuf,
    /// What vouches for the key.
    #[serde(default)]
    pub evidence: EvidenceSetting,
}

/// What vouches for a node's key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceSetting {
    /// Nothing: only clients are accepted so.
    #[default]
    None,
    /// A TDX quote over the key, made by the platform. It answers no challenges: only clients may have one.
    QuoteFile(PathBuf),
    /// Quotes of the machine that this runs on, made when peers ask.
    Hardware(HardwareTee),
    /// A quote of a simulated platform; only with `is_test`.
    Simulated(SimulatedPlatform),
}

/// Kinds of machines whose kernel makes quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HardwareTee {
    /// Intel TDX, by the kernel's configfs-tsm.
    Tdx,
}

/// A simulated machine and what runs on it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimulatedPlatform {
    /// Seed of the simulated vendor, the same for all nodes of a trial.
    pub seed: u64,
    /// Name of the image; its hash stands in the root configuration.
    pub image: String,
    /// Which of the vendor's machines.
    #[serde(default)]
    pub platform: u64,
}

/// `[trust]`: what this node demands of its peers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustSection {
    /// Whose evidence counts.
    #[serde(default)]
    pub anchors: AnchorSetting,
    /// Files with the vendor's collateral, one for each family of platforms; read again every few minutes.
    #[serde(default)]
    pub collateral_files: Vec<PathBuf>,
    /// What a peer's evidence must be like beyond genuine: the section `tdx` of policies (docs/attestation.md).
    #[serde(default)]
    pub rules: AppraisalRules,
    /// Leading zero bits that a proxy asks of whoever connects; 20 by default.
    #[serde(default)]
    pub proof_of_work_bits: Option<u8>,
}

/// Whose evidence counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnchorSetting {
    /// The hardware vendor's.
    #[default]
    Vendor,
    /// That of the simulated vendor whose root certificate (DER or PEM) is in this file; only with `is_test`.
    SimulationRoot(PathBuf),
    /// That of the simulated vendor of this seed, collateral included; only with `is_test`.
    SimulationSeed(u64),
}

/// `[management]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManagementSection {
    /// Where it listens: loopback only.
    #[serde(deserialize_with = "from_text")]
    pub listen: LoopbackAddress,
    /// File with the token that callers show; made if absent.
    pub token_file: PathBuf,
}

/// `[chain]`: a real network.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainSection {
    /// Address of the root contract.
    #[serde(deserialize_with = "from_text")]
    pub root_address: Address,
    /// A service that speaks toncenter's protocol, version 2: `https://…/api/v2`, or `http://` on this machine.
    pub toncenter: String,
    /// File with the key that the service asks for.
    #[serde(default)]
    pub api_key_file: Option<PathBuf>,
    /// Whether the node sends messages. Never to the main network.
    #[serde(default)]
    pub send: SendSetting,
    /// File with the seed of the wallet's key; made if absent. Sending takes one.
    #[serde(default)]
    pub wallet_key_file: Option<PathBuf>,
}

/// Whether a node sends messages to the chain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SendSetting {
    /// Never: it only reads.
    #[default]
    Never,
    /// To a network that is not the main one.
    Testnet,
}

fn loopback() -> IpAddr {
    LOOPBACK
}

fn everywhere() -> IpAddr {
    EVERYWHERE
}

fn client_http_port() -> u16 {
    ports::CLIENT_HTTP
}

fn proxy_workers_port() -> u16 {
    ports::PROXY_WORKERS
}

fn proxy_clients_port() -> u16 {
    ports::PROXY_CLIENTS
}

fn proxy_connections() -> usize {
    PROXY_CONNECTIONS
}

fn max_active_requests() -> u32 {
    MAX_ACTIVE_REQUESTS
}

fn coefficient() -> u32 {
    COEFFICIENT
}

fn inference_server() -> BaseUrl {
    let address = SocketAddr::new(LOOPBACK, ports::INFERENCE);
    #[expect(clippy::expect_used, reason = "an address of this form is a URL; a test reads it")]
    format!("http://{address}")
        .parse()
        .expect("http and an IP address are a base URL")
}

fn optional_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Address>, D::Error> {
    from_text(deserializer).map(Some)
}

fn connection_count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let count = usize::deserialize(deserializer)?;
    if (1..=MAX_PROXY_CONNECTIONS).contains(&count) {
        Ok(count)
    } else {
        Err(de::Error::custom(format!(
            "a client keeps 1 to {MAX_PROXY_CONNECTIONS} connections, not {count}"
        )))
    }
}

fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        0 => Err(de::Error::custom("at least one request at once")),
        number => Ok(number),
    }
}

fn price_factor<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let limit = chrysalis_settlement::pricing::COEFFICIENT_LIMIT;
    match u32::deserialize(deserializer)? {
        factor if factor < limit => Ok(factor),
        factor => Err(de::Error::custom(format!(
            "a coefficient is below {limit}, not {factor}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_the_references() {
        let text = "owner_address = \"0:0000000000000000000000000000000000000000000000000000000000000001\"\n\
            model_name = \"m@c:h\"\nroot_config = \"root.toml\"\nidentity = { key_seed_file = \"k\" }\n";
        let worker: WorkerFile = toml::from_str(text).unwrap();
        assert_eq!(worker.forward_requests_to.address(), "127.0.0.1:8000".parse().unwrap());
        assert_eq!((worker.coefficient, worker.max_active_requests), (1000, 200));
        assert_eq!(
            (worker.backend, worker.is_test, worker.trust.anchors),
            (BackendKind::Http, false, AnchorSetting::Vendor)
        );
        let client: ClientFile = toml::from_str(&text.replace("model_name = \"m@c:h\"\n", "")).unwrap();
        assert_eq!(
            (
                client.http_port,
                client.http_address.is_loopback(),
                client.proxy_connections
            ),
            (10_000, true, 1)
        );
    }

    #[test]
    fn a_secret_is_not_in_the_debug_form() {
        let text = "owner_address = \"0:0000000000000000000000000000000000000000000000000000000000000001\"\n\
            secret_string = \"hush-hush\"\nroot_config = \"root.toml\"\nidentity = { key_seed_file = \"k\" }\n";
        let client: ClientFile = toml::from_str(text).unwrap();
        assert_eq!(client.secret_string, "hush-hush");
        assert!(!format!("{client:?}").contains("hush"));
    }
}

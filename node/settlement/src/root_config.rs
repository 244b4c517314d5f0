//! What everybody reads from the root contract (§6.3), as plain data, and where it comes from.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    address::Address,
    contracts::{self, ContractCodes, ProxyIdentity},
    hash::{Hash256, sha256},
    keys::PublicKey,
    params::Params,
};

/// Longest text of a registered proxy: its length has 7 bits (§6.3).
const MAX_REGISTRATION_BYTES: usize = 127;

/// Identifies a model in the root contract: SHA-256 of `"<name>@<commit>:<dm-verity hash>"` (§1.1).
pub fn model_hash(full_name: &str) -> Hash256 {
    sha256(full_name.as_bytes())
}

/// The part of a model's full name before the first `@`; requests carry only this (§1.1).
pub fn base_name(full_name: &str) -> &str {
    full_name.split_once('@').map_or(full_name, |(base, _)| base)
}

/// Why the text of a registered proxy was refused. A reader of the root contract skips such an entry (§6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationError {
    /// Longer than the contract can hold.
    #[error("a proxy registration has {bytes} bytes, more than a contract holds")]
    TooLong {
        /// Length of the text.
        bytes: usize,
    },
    /// Not one or two endpoints.
    #[error("a proxy registration is `host:port` or `host:port host:port`")]
    Form,
}

/// A proxy's endpoints: `host:port` each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegisteredProxy {
    address_for_workers: String,
    address_for_clients: String,
}

impl RegisteredProxy {
    /// Parses the contract's text: one endpoint for both, or one for workers and one for clients (§6.3).
    ///
    /// # Errors
    /// A text of another form.
    pub fn parse(text: &str) -> Result<Self, RegistrationError> {
        if text.len() > MAX_REGISTRATION_BYTES {
            return Err(RegistrationError::TooLong { bytes: text.len() });
        }
        let (workers, clients) = text.split_once(' ').unwrap_or((text, text));
        if !(is_endpoint(workers) && is_endpoint(clients)) {
            return Err(RegistrationError::Form);
        }
        Ok(Self {
            address_for_workers: workers.to_owned(),
            address_for_clients: clients.to_owned(),
        })
    }

    /// Where workers connect.
    pub fn address_for_workers(&self) -> &str {
        &self.address_for_workers
    }

    /// Where clients connect.
    pub fn address_for_clients(&self) -> &str {
        &self.address_for_clients
    }

    /// The contract's text.
    pub fn to_text(&self) -> String {
        if self.address_for_workers == self.address_for_clients {
            self.address_for_workers.clone()
        } else {
            format!("{} {}", self.address_for_workers, self.address_for_clients)
        }
    }
}

fn is_endpoint(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse::<u16>();
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic()) && digits && port.is_ok_and(|port| port != 0)
}

/// The state of the root contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootConfig {
    /// Address of the root contract itself; proxy contracts commit to it.
    pub root_address: Address,
    /// Who may change the root contract.
    pub owner: Address,
    /// Grows with each change of anything.
    pub version: u32,
    /// Image hashes that proxies may run.
    pub proxy_hashes: BTreeSet<Hash256>,
    /// Image hashes that workers may run.
    pub worker_hashes: BTreeSet<Hash256>,
    /// Models that workers may serve; see [`model_hash`].
    pub model_hashes: BTreeSet<Hash256>,
    /// Proxies by their sequence number.
    pub registered_proxies: BTreeMap<u32, RegisteredProxy>,
    /// Number of the proxy that was registered last; not reused.
    pub last_proxy_seqno: u32,
    /// Prices, delays, stakes.
    pub params: Params,
    /// Codes of the contracts of this version of the parameters.
    pub codes: ContractCodes,
}

impl RootConfig {
    /// Version of the parameters; a change opens new accounts at new addresses (§4.7).
    pub const fn params_version(&self) -> u32 {
        self.params.params_version
    }

    /// Whether this state replaces `current`: only a larger version does (§1.3).
    pub const fn supersedes(&self, current: &Self) -> bool {
        self.version > current.version
    }

    /// Whether workers may serve the model of this full name.
    pub fn allows_model(&self, full_name: &str) -> bool {
        self.model_hashes.contains(&model_hash(full_name))
    }

    /// Address of the proxy contract of an owner and a key, under the current parameters.
    pub fn proxy_address(&self, owner: &Address, public_key: &PublicKey) -> Address {
        contracts::proxy_address(&self.codes, &self.params, owner, public_key, &self.root_address)
    }

    /// Address of an owner's worker contract at a proxy, under the current parameters.
    pub fn worker_address(&self, proxy: &ProxyIdentity, owner: &Address) -> Address {
        contracts::worker_address(&self.codes, &self.params, proxy, owner)
    }

    /// Address of an owner's client contract at a proxy, under the current parameters.
    pub fn client_address(&self, proxy: &ProxyIdentity, owner: &Address) -> Address {
        contracts::client_address(&self.codes, &self.params, proxy, owner)
    }
}

/// Where a node takes the root configuration from: a file, a simulated chain, a real one.
pub trait RootSource: Send + Sync + 'static {
    /// The latest known state. Cheap; never waits.
    fn current(&self) -> Arc<RootConfig>;
}

/// A configuration that never changes.
#[derive(Clone, Debug)]
pub struct StaticRoot(Arc<RootConfig>);

impl StaticRoot {
    /// Always answers `config`.
    pub fn new(config: RootConfig) -> Self {
        Self(Arc::new(config))
    }
}

impl RootSource for StaticRoot {
    fn current(&self) -> Arc<RootConfig> {
        Arc::clone(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contracts::vectors;

    fn config() -> RootConfig {
        RootConfig {
            root_address: vectors::ROOT,
            owner: vectors::OWNER,
            version: 3,
            proxy_hashes: BTreeSet::new(),
            worker_hashes: BTreeSet::new(),
            model_hashes: BTreeSet::from([model_hash("a/b@c:d")]),
            registered_proxies: BTreeMap::from([(1, RegisteredProxy::parse("10.0.0.1:9000").unwrap())]),
            last_proxy_seqno: 1,
            params: vectors::params(),
            codes: vectors::codes(),
        }
    }

    #[test]
    fn a_model_is_allowed_by_its_full_name_only() {
        assert_eq!(model_hash("abc"), sha256(b"abc"));
        assert_eq!(base_name("a/b@c@d:e"), "a/b");
        assert_eq!(base_name("a/b"), "a/b");
        assert!(config().allows_model("a/b@c:d"));
        assert!(!config().allows_model("a/b") && !config().allows_model("a/b@c:e"));
    }

    #[test]
    fn addresses_follow_from_the_configuration() {
        let (config, proxy) = (config(), vectors::proxy());
        assert_eq!(config.proxy_address(&vectors::OWNER, &proxy.public_key), proxy.address);
        let client = config.client_address(&proxy, &vectors::CLIENT_OWNER);
        assert!(client.to_string().starts_with("0:a9905b36"), "{client}");
        let worker = config.worker_address(&proxy, &vectors::WORKER_OWNER);
        assert!(worker.to_string().starts_with("0:ae24feb4"), "{worker}");
    }

    #[test]
    fn registrations_parse_or_are_refused() {
        let both = RegisteredProxy::parse("10.0.0.1:9000").unwrap();
        assert_eq!(
            (both.address_for_workers(), both.address_for_clients()),
            ("10.0.0.1:9000", "10.0.0.1:9000")
        );
        let two = RegisteredProxy::parse("10.0.0.1:9000 [::1]:9001").unwrap();
        assert_eq!(
            (two.address_for_workers(), two.address_for_clients()),
            ("10.0.0.1:9000", "[::1]:9001")
        );
        for proxy in [both, two] {
            assert_eq!(RegisteredProxy::parse(&proxy.to_text()), Ok(proxy));
        }
        for text in [
            "",
            ":1",
            "a",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "a:1 ",
            " a:1",
            "a:1  b:2",
            "a:1 b:2 c:3",
            "ä:1",
        ] {
            assert_eq!(RegisteredProxy::parse(text), Err(RegistrationError::Form), "{text:?}");
        }
        let long = format!("{}:1", "a".repeat(126));
        assert_eq!(
            RegisteredProxy::parse(&long),
            Err(RegistrationError::TooLong { bytes: 128 })
        );
    }

    #[test]
    fn only_a_larger_version_replaces() {
        let newer = RootConfig { version: 4, ..config() };
        assert!(newer.supersedes(&config()));
        assert!(!config().supersedes(&config()) && !config().supersedes(&newer));
        let source: Arc<dyn RootSource> = Arc::new(StaticRoot::new(newer.clone()));
        assert_eq!(*source.current(), newer);
        assert_eq!(source.current().params_version(), 7);
    }
}

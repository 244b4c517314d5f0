//! The root configuration as a file, until nodes read it from the chain. A proxy takes the clients' accounts from it
//! too: the place of their contracts. `examples/root.toml` shows every field.

use super::document::from_text;
use crate::proxy::ChainSource;
use chrysalis_settlement::{
    Address, ContractCodes, Params, Prices, RootConfig, TokenMultipliers,
    ledger::{ClientChainState, ClientStatus},
    model_hash,
    params::StructVersion,
    pricing::MULTIPLIER_ONE,
    root_config::RegisteredProxy,
};
use serde::{Deserialize, Deserializer, de};
use std::collections::{BTreeMap, BTreeSet};

/// What the file says; names are those of the reference's `rootConfig.pseudo` (spec §2.6), with units.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootFile {
    /// Address of the root contract, to which all others commit.
    #[serde(deserialize_with = "from_text")]
    root_contract_address: Address,
    /// Who may change it.
    #[serde(deserialize_with = "from_text")]
    root_owner_address: Address,
    /// Grows with each change of anything.
    version: u32,
    /// Grows with each change of prices, delays or stakes.
    params_version: u32,
    /// Tells networks apart that share everything else.
    unique_id: u32,
    /// Whether the network is on a TON test network.
    #[serde(default)]
    is_test: bool,
    /// What a client pays for one adjusted token.
    price_per_token_nanoton: u64,
    /// What the worker gets of it.
    worker_fee_per_token_nanoton: u64,
    /// Weights of the classes of tokens; 10000 = 1.0.
    #[serde(default)]
    multipliers: Multipliers,
    /// Between a proxy's request to close and its completion.
    proxy_delay_s: u32,
    /// Between a client's first and second request for a refund.
    client_delay_s: u32,
    /// Least stake of a proxy.
    min_proxy_stake_nanoton: u64,
    /// Least stake of a client.
    min_client_stake_nanoton: u64,
    /// Image hashes that proxies may run, in hexadecimal.
    #[serde(deserialize_with = "hashes")]
    proxy_hashes: BTreeSet<[u8; 32]>,
    /// Image hashes that workers may run, in hexadecimal.
    #[serde(deserialize_with = "hashes")]
    worker_hashes: BTreeSet<[u8; 32]>,
    /// Full names of the models that may be served.
    model_names: Vec<String>,
    /// `host:port` for both, or `host:port host:port` for workers and for clients.
    #[serde(default, deserialize_with = "registrations")]
    registered_proxies: Vec<RegisteredProxy>,
    /// Accounts at the proxy that reads the file.
    #[serde(default)]
    clients: Vec<ClientAccount>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Multipliers {
    prompt: u32,
    cached: u32,
    completion: u32,
    reasoning: u32,
}

impl Default for Multipliers {
    fn default() -> Self {
        Self {
            prompt: MULTIPLIER_ONE,
            cached: MULTIPLIER_ONE,
            completion: MULTIPLIER_ONE,
            reasoning: MULTIPLIER_ONE,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientAccount {
    #[serde(deserialize_with = "from_text")]
    owner_address: Address,
    balance_nanoton: u64,
    stake_nanoton: u64,
    #[serde(deserialize_with = "hash")]
    secret_hash: [u8; 32],
}

/// What makes a file useless although each of its fields is well formed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RootFileError {
    /// Every payout would fail (spec §6.5).
    #[error("`worker_fee_per_token_nanoton` is larger than `price_per_token_nanoton`: no worker could be paid")]
    FeeAbovePrice,
    /// Two accounts of one owner.
    #[error("two `clients` have the `owner_address` {0}")]
    Twice(Address),
}

impl RootFile {
    /// The root configuration and the accounts.
    ///
    /// # Errors
    /// The fields contradict each other.
    pub fn into_parts(self) -> Result<(RootConfig, StaticChain), RootFileError> {
        let prices = Prices {
            price_per_token_nanoton: self.price_per_token_nanoton,
            worker_fee_per_token_nanoton: self.worker_fee_per_token_nanoton,
            multipliers: TokenMultipliers {
                prompt: self.multipliers.prompt,
                cached: self.multipliers.cached,
                completion: self.multipliers.completion,
                reasoning: self.multipliers.reasoning,
            },
        };
        if !prices.worker_fee_within_price() {
            return Err(RootFileError::FeeAbovePrice);
        }
        let mut clients = BTreeMap::new();
        for client in self.clients {
            let state = ClientChainState {
                status: ClientStatus::Normal,
                balance_nanoton: client.balance_nanoton.into(),
                stake_nanoton: client.stake_nanoton.into(),
                tokens_used: 0,
                secret_hash: client.secret_hash,
            };
            if clients.insert(client.owner_address, state).is_some() {
                return Err(RootFileError::Twice(client.owner_address));
            }
        }
        let registered_proxies: BTreeMap<u32, RegisteredProxy> = (1..).zip(self.registered_proxies).collect();
        let root = RootConfig {
            root_address: self.root_contract_address,
            owner: self.root_owner_address,
            version: self.version,
            proxy_hashes: self.proxy_hashes,
            worker_hashes: self.worker_hashes,
            model_hashes: self.model_names.iter().map(|name| model_hash(name)).collect(),
            last_proxy_seqno: registered_proxies.keys().next_back().copied().unwrap_or(0),
            registered_proxies,
            params: Params {
                struct_version: StructVersion::default(),
                params_version: self.params_version,
                unique_id: self.unique_id,
                is_test: self.is_test,
                prices,
                proxy_delay_s: self.proxy_delay_s,
                client_delay_s: self.client_delay_s,
                min_proxy_stake_nanoton: self.min_proxy_stake_nanoton,
                min_client_stake_nanoton: self.min_client_stake_nanoton,
            },
            codes: ContractCodes::nominal(),
        };
        Ok((root, StaticChain { clients }))
    }
}

/// Accounts that never change on the chain: nobody deposits, nothing is charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticChain {
    clients: BTreeMap<Address, ClientChainState>,
}

impl ChainSource for StaticChain {
    fn client(&self, owner: &Address) -> Option<ClientChainState> {
        self.clients.get(owner).copied()
    }

    fn worker_tokens_paid(&self, _owner: &Address) -> u64 {
        0
    }

    fn is_registered(&self, _owner: &Address, _nonce: u64) -> bool {
        // Without a chain nobody can register a nonce: clients need their secret.
        false
    }
}

fn hash_of(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash).ok()?;
    Some(hash)
}

const HASH_FORM: &str = "a hash is 64 hexadecimal digits";

fn hash<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
    hash_of(&String::deserialize(deserializer)?).ok_or_else(|| de::Error::custom(HASH_FORM))
}

fn hashes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<[u8; 32]>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts
        .iter()
        .map(|text| hash_of(text).ok_or_else(|| de::Error::custom(HASH_FORM)))
        .collect()
}

fn registrations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RegisteredProxy>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts
        .iter()
        .map(|text| RegisteredProxy::parse(text).map_err(de::Error::custom))
        .collect()
}

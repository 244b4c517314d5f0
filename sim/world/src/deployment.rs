//! What all nodes of a plan agree on: root configuration, accounts, identities, trust.
//!
//! Everything here follows from names in the plan, not from the seed: a node has the same key in every seed, so that
//! certificates, quotes and their verdicts, all pure functions, are made once for thousands of runs ([`Workshop`]).

mod evidence;
mod facts;
mod keys;
mod machine;
mod no_chain;
mod vendor;

pub(crate) use evidence::{Evidence, FOREIGN_IMAGE};
pub(crate) use facts::Facts;
pub use facts::{Account, AccountKind, Party};
pub(crate) use keys::{Guest, KeyAddresses};
pub(crate) use vendor::Vendor;

use evidence::Peers;
use no_chain::{StaticChain, StaticRegistrar, StaticRoot};

use crate::{
    chain::{OnChain, owner_address},
    plan::{BackendPlan, ContractName, ImageOf, Operation, Plan, TinySize},
};
use chrysalis_attest::{VerdictCache, certificate::IssueError, issue_cache::IssueCache, policy::AnchorError};
use chrysalis_env::Env;
use chrysalis_inference::{
    Backend,
    service::{Machine, ServiceTime},
    sim::{SimBackend, SimConfig},
    tiny::{TinyBackend, TinyConfig, TinyModel, TinyOptions},
};
use chrysalis_node::{
    client::{ClientChain, ClientSettings},
    key_manager::{KeyManagerControl, ring::KeyHolder},
    proxy::{ProxyChain, ProxyControl, ProxyLimits, ProxySettings},
    telemetry::Role,
    worker::{WorkerChain, WorkerSettings},
};
use chrysalis_settlement::{
    Address, ContractCodes, Network, Params, Prices, RootConfig, RootSource, SigningKey, TokenMultipliers, base_name,
    contracts::ProxyIdentity,
    ledger::{ClientChainState, ClientStatus, LedgerPolicy},
    model_hash,
    onchain::storage::Registry,
    params::StructVersion,
};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
};

/// Seed of the simulated TEE vendor: one for all runs, so that its certificates are made once.
const VENDOR_SEED: u64 = 0x4348_5259_5341_4c49;
/// Certificates and quotes kept.
const ISSUE_CAPACITY: usize = 4096;
const VERDICT_CAPACITY: usize = 16_384;
/// Certificates begin this much before the run, so that clocks may differ.
const BACKDATE_S: u64 = 3600;
/// Seed of the embedded models' weights.
const WEIGHTS_SEED: u64 = 1;

/// Why a plan cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// A certificate or its evidence cannot be made.
    #[error("an identity cannot be issued: {0}")]
    Issue(#[from] IssueError),
    /// The simulated vendor's root is no anchor.
    #[error("the simulated vendor: {0}")]
    Anchor(#[from] AnchorError),
    /// Proof of work out of range.
    #[error("proof of work: {0}")]
    ProofOfWork(#[from] chrysalis_wire::proof_of_work::ProofOfWorkError),
    /// The chain cannot begin.
    #[error("the chain: {0}")]
    Chain(#[from] chrysalis_chain::ChainError),
    /// Its configuration cannot be made.
    #[error("the chain's configuration: {0}")]
    ChainConfig(#[from] chrysalis_chain::exec::ConfigError),
    /// The root contract cannot be read.
    #[error("the root contract: {0}")]
    Root(#[from] chrysalis_settlement::onchain::storage::RootConfigError),
    /// A code that a user brought is none.
    #[error("a user's contract: {0}")]
    UserContract(#[from] chrysalis_settlement::onchain::user_code::UserCodeError),
    /// A wallet of the chain cannot be made.
    #[error("a wallet: {0}")]
    Wallet(#[from] chrysalis_chain::wallet::WalletError),
    /// A time that a chain cannot have.
    #[error("a run on a chain must start before the year 2106")]
    Date,
    /// A guest that may not have persistent keys.
    #[error("sealing: {0}")]
    NoKey(#[from] chrysalis_attest::sealing::NoKey),
    /// Keys that live too long or not at all.
    #[error("the key manager: the period of rotation is zero, or too many keys would be alive at once")]
    KeyPolicy,
    /// A port on this machine cannot be opened.
    #[error("a port cannot be opened: {0}")]
    Listen(#[from] std::io::Error),
}

/// What runs may share: results of pure functions, nothing else.
#[derive(Clone)]
pub struct Workshop {
    issue: Arc<IssueCache>,
    verdicts: Arc<VerdictCache>,
    models: Arc<Mutex<BTreeMap<TinySize, Arc<TinyModel>>>>,
    pub(crate) answers: Arc<Mutex<BTreeMap<[u8; 32], String>>>,
}

impl Default for Workshop {
    fn default() -> Self {
        Self {
            issue: Arc::new(IssueCache::new(ISSUE_CAPACITY)),
            verdicts: Arc::new(VerdictCache::new(VERDICT_CAPACITY)),
            models: Arc::default(),
            answers: Arc::default(),
        }
    }
}

impl Workshop {
    /// Shares everything but verdicts: each node judges evidence as if it were the only one.
    #[must_use]
    pub fn without_verdicts() -> Self {
        Self {
            verdicts: Arc::new(VerdictCache::new(0)),
            ..Self::default()
        }
    }

    /// The embedded model of a size.
    pub(crate) fn model(&self, size: TinySize) -> Arc<TinyModel> {
        let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        let config = match size {
            TinySize::Nano => TinyConfig::nano(),
            TinySize::Tiny => TinyConfig::tiny(),
        };
        models
            .entry(size)
            .or_insert_with(|| Arc::new(TinyModel::generate(config, WEIGHTS_SEED)))
            .clone()
    }
}

/// See the module.
pub(crate) struct Deployment {
    pub(crate) plan: Arc<Plan>,
    onchain: Option<OnChain>,
    root: Arc<StaticRoot>,
    chain: Arc<StaticChain>,
    /// Where the operators of the proxies give orders, by name of the proxy.
    controls: BTreeMap<String, Arc<ProxyControl>>,
    /// Images that hosts start in place of the allowed ones, by name of the node.
    images: Mutex<BTreeMap<String, &'static str>>,
    /// The same for the key manager.
    key_control: Arc<KeyManagerControl>,
    evidence: Evidence,
    workshop: Workshop,
}

/// The network's form of addresses: these are not real coins.
pub(crate) const NETWORK: Network = Network::from_is_testnet(true);

pub(crate) fn named_hash(kind: &str, name: &str) -> [u8; 32] {
    Sha256::new()
        .chain_update("chrysalis ")
        .chain_update(kind)
        .chain_update([0])
        .chain_update(name)
        .finalize()
        .into()
}

/// The account that belongs to a name.
pub(crate) fn address_of(kind: &str, name: &str) -> Address {
    Address::new(0, named_hash(kind, name))
}

pub(crate) fn proxy_key(name: &str) -> SigningKey {
    SigningKey::from_seed(&named_hash("proxy key", name))
}

fn client_owner(name: &str) -> Address {
    address_of("client", name)
}

pub(crate) const PROXY_IMAGE: &str = "chrysalis proxy";
pub(crate) const WORKER_IMAGE: &str = "chrysalis worker";

impl Deployment {
    pub(crate) fn new(plan: Arc<Plan>, workshop: &Workshop, start_unix_s: u64) -> Result<Self, DeployError> {
        let evidence = Evidence::new(&plan, workshop, start_unix_s)?;
        let economy = &plan.economy;
        let prices = Prices {
            price_per_token_nanoton: economy.price_per_token_nanoton,
            worker_fee_per_token_nanoton: economy.worker_fee_per_token_nanoton,
            multipliers: TokenMultipliers {
                prompt: economy.prompt_multiplier,
                cached: economy.cached_multiplier,
                completion: economy.completion_multiplier,
                reasoning: economy.reasoning_multiplier,
            },
        };
        let params = Params {
            struct_version: StructVersion::default(),
            params_version: 1,
            unique_id: 13,
            is_test: true,
            prices,
            proxy_delay_s: plan
                .settlement
                .as_ref()
                .map_or(86_400, |settlement| settlement.proxy_delay_s),
            client_delay_s: plan
                .settlement
                .as_ref()
                .map_or(43_200, |settlement| settlement.client_delay_s),
            min_proxy_stake_nanoton: plan
                .settlement
                .as_ref()
                .map_or(1_000_000_000, |settlement| settlement.proxy_stake_nanoton),
            min_client_stake_nanoton: economy.client_stake_nanoton,
        };
        let registry = Registry {
            proxy_hashes: BTreeSet::from([evidence.image_hash(PROXY_IMAGE)]),
            worker_hashes: BTreeSet::from([evidence.image_hash(WORKER_IMAGE)]),
            model_hashes: plan.workers.iter().map(|worker| model_hash(&worker.model)).collect(),
            ..Registry::default()
        };
        let (root, onchain) = match &plan.settlement {
            None => {
                let root = RootConfig {
                    root_address: address_of("root", ""),
                    owner: address_of("root owner", ""),
                    version: 1,
                    proxy_hashes: registry.proxy_hashes,
                    worker_hashes: registry.worker_hashes,
                    model_hashes: registry.model_hashes,
                    registered_proxies: BTreeMap::new(),
                    last_proxy_seqno: 0,
                    params,
                    codes: ContractCodes::nominal(),
                };
                (root, None)
            }
            Some(settlement) => {
                let (root, onchain) = OnChain::new(&plan, settlement, params, registry)?;
                (root, Some(onchain))
            }
        };
        let clients = plan
            .clients
            .iter()
            .map(|client| {
                let state = ClientChainState {
                    status: ClientStatus::Normal,
                    balance_nanoton: economy.client_balance_nanoton.into(),
                    stake_nanoton: economy.client_stake_nanoton.into(),
                    tokens_used: 0,
                    secret_hash: if client.secret.is_empty() {
                        [0; 32]
                    } else {
                        Sha256::digest(client.secret.as_bytes()).into()
                    },
                };
                (client_owner(&client.node.name), state)
            })
            .collect();
        let controls = plan
            .proxies
            .iter()
            .map(|proxy| (proxy.node.name.clone(), Arc::default()));
        let mut deployment = Self {
            controls: controls.collect(),
            images: Mutex::default(),
            key_control: Arc::default(),
            plan,
            onchain,
            root: Arc::new(StaticRoot::new(root)),
            chain: Arc::new(StaticChain {
                clients,
                registered: Mutex::default(),
            }),
            evidence,
            workshop: workshop.clone(),
        };
        let readers = OnChain::readers(&deployment.plan, |name| deployment.contract(name))?;
        if let Some(onchain) = &mut deployment.onchain {
            onchain.readers = readers;
        }
        Ok(deployment)
    }

    /// On a chain a client's contracts belong to its wallet.
    fn client_owner(&self, name: &str) -> Result<Address, DeployError> {
        match &self.onchain {
            None => Ok(client_owner(name)),
            Some(onchain) => onchain.wallet_address(name),
        }
    }

    /// Who gets the share of a proxy.
    fn proxy_owner(&self, name: &str) -> Result<Address, DeployError> {
        match &self.onchain {
            None => Ok(address_of("proxy owner", name)),
            Some(_) => owner_address(name),
        }
    }

    /// Who gets the fees of a worker.
    pub(crate) fn worker_owner(&self, name: &str) -> Result<Address, DeployError> {
        match &self.onchain {
            None => Ok(address_of("worker owner", name)),
            Some(_) => owner_address(name),
        }
    }

    /// The contract of a proxy at the parameters of a root contract.
    fn proxy_identity(&self, root: &RootConfig, name: &str) -> Result<ProxyIdentity, DeployError> {
        let public_key = proxy_key(name).public();
        Ok(ProxyIdentity {
            address: root.proxy_address(&self.proxy_owner(name)?, &public_key),
            public_key,
        })
    }

    /// The root contract at the start, and after each change of the prices that the plan has.
    fn roots(&self) -> Vec<RootConfig> {
        let mut root = RootConfig::clone(&self.root.current());
        let mut roots = vec![root.clone()];
        let settlement = self.plan.settlement.iter();
        for planned in settlement.flat_map(|settlement| &settlement.operations) {
            if let Operation::ChangePrice {
                price_per_token_nanoton,
                worker_fee_per_token_nanoton,
            } = planned.operation
            {
                root.version += 1;
                root.params.params_version += 1;
                root.params.prices.price_per_token_nanoton = price_per_token_nanoton;
                root.params.prices.worker_fee_per_token_nanoton = worker_fee_per_token_nanoton;
                roots.push(root.clone());
            }
        }
        roots
    }

    /// A contract by its name, at the parameters of the start; `None` if the plan has no such node.
    pub(crate) fn contract(&self, name: &ContractName) -> Result<Option<Address>, DeployError> {
        self.contract_at(&self.root.current(), name)
    }

    fn contract_at(&self, root: &RootConfig, name: &ContractName) -> Result<Option<Address>, DeployError> {
        Ok(Some(match name {
            ContractName::Root => root.root_address,
            ContractName::Wallet(node) => match &self.onchain {
                Some(onchain) => onchain.wallet_address(node)?,
                None => return Ok(None),
            },
            ContractName::Proxy(proxy) => self.proxy_identity(root, proxy)?.address,
            ContractName::Account { holder, proxy } => {
                let identity = self.proxy_identity(root, proxy)?;
                if self.plan.clients.iter().any(|client| client.node.name == *holder) {
                    root.client_address(&identity, &self.client_owner(holder)?)
                } else if self.plan.workers.iter().any(|worker| worker.node.name == *holder) {
                    root.worker_address(&identity, &self.worker_owner(holder)?)
                } else {
                    return Ok(None);
                }
            }
        }))
    }

    /// Settings of a proxy that listens on the two addresses.
    pub(crate) fn proxy(
        &self,
        index: usize,
        env: &Env,
        clients_listen: SocketAddr,
        workers_listen: SocketAddr,
        keys: Option<KeyAddresses>,
    ) -> Result<ProxySettings, DeployError> {
        let name = &self.plan.proxies[index].node.name;
        let (chain, wallet) = match &self.onchain {
            None => (ProxyChain::Static(self.chain.clone()), address_of("proxy wallet", name)),
            Some(onchain) => {
                let settlement = onchain.settlement(env);
                let wallet = onchain.wallet(env, Role::Proxy, &settlement)?;
                let address = wallet.address();
                (ProxyChain::Live { settlement, wallet }, address)
            }
        };
        let guest = Guest {
            name,
            image: self.image(name).unwrap_or(PROXY_IMAGE),
            machine: self.evidence.machine_of(name),
        };
        let identity = self.evidence.identity(name, Some(guest.image))?;
        Ok(ProxySettings {
            owner: self.proxy_owner(name)?,
            wallet,
            network: NETWORK,
            key: Arc::new(proxy_key(name)),
            is_test: true,
            clients_listen,
            workers_listen,
            root: self.root_source(env, Role::Proxy),
            chain,
            client_trust: self.evidence.trust(identity.clone(), Peers::Anybody),
            keys: keys.map(|keys| self.key_source(&keys, KeyHolder::Proxies, identity.clone())),
            worker_trust: self.evidence.trust(identity, Peers::Workers),
            ledger: self
                .onchain
                .as_ref()
                .map_or(LedgerPolicy::SOUND, |onchain| onchain.ledger),
            limits: ProxyLimits::default(),
            control: self.control(name).unwrap_or_default(),
            sealing: self.sealing(guest)?,
        })
    }

    /// Where the operator of a proxy gives orders.
    pub(crate) fn control(&self, proxy: &str) -> Option<Arc<ProxyControl>> {
        self.controls.get(proxy).cloned()
    }

    /// Settings of a worker that dials `proxies`.
    pub(crate) fn worker(
        &self,
        index: usize,
        env: &Env,
        proxies: Vec<SocketAddr>,
        keys: Option<KeyAddresses>,
    ) -> Result<WorkerSettings, DeployError> {
        let plan = &self.plan.workers[index];
        let identity = self.evidence.identity(&plan.node.name, Some(WORKER_IMAGE))?;
        Ok(WorkerSettings {
            owner: self.worker_owner(&plan.node.name)?,
            network: NETWORK,
            model: plan.model.clone(),
            coefficient: plan.coefficient,
            max_active_requests: plan.max_active_requests,
            is_test: true,
            proxies,
            root: self.root_source(env, Role::Worker),
            keys: keys.map(|keys| self.key_source(&keys, KeyHolder::Workers, identity.clone())),
            trust: self.evidence.trust(identity, Peers::Attested),
            backend: self.backend(&plan.model, &plan.backend, env),
            chain: match &self.onchain {
                None => WorkerChain::None,
                Some(onchain) => {
                    let settlement = onchain.settlement(env);
                    let wallet = onchain.wallet(env, Role::Worker, &settlement)?;
                    WorkerChain::Live { settlement, wallet }
                }
            },
        })
    }

    /// Settings of a client that dials `proxies`. Clients may run outside a TEE: theirs is a plain certificate.
    pub(crate) fn client(
        &self,
        index: usize,
        env: &Env,
        http_listen: SocketAddr,
        proxies: Vec<SocketAddr>,
    ) -> Result<ClientSettings, DeployError> {
        let plan = &self.plan.clients[index];
        let identity = self.evidence.identity(&plan.node.name, None)?;
        let name = &plan.node.name;
        let (chain, owner) = match &self.onchain {
            None => {
                let owner = address_of("client", name);
                let registrar = StaticRegistrar {
                    env: env.clone(),
                    chain: self.chain.clone(),
                    owner,
                };
                (ClientChain::Static(Arc::new(registrar)), owner)
            }
            Some(onchain) => {
                let settlement = onchain.settlement(env);
                let wallet = onchain.wallet(env, Role::Client, &settlement)?;
                let owner = wallet.address();
                (ClientChain::Live { settlement, wallet }, owner)
            }
        };
        Ok(ClientSettings {
            owner,
            network: NETWORK,
            secret: plan.secret.clone(),
            is_test: true,
            proxies,
            proxy_connections: plan.proxy_connections as usize,
            root: self.root_source(env, Role::Client),
            chain,
            trust: self.evidence.trust(identity, Peers::Attested),
            allowed_origins: Vec::new(),
            http_listen,
        })
    }

    /// How nodes prove what they are.
    pub(crate) fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// The vendor of the machines, if evidence is of any.
    pub(crate) fn vendor(&self) -> Option<&Vendor> {
        self.evidence.vendor.as_ref()
    }

    /// The root contract allows an image of the adversary's. Only without a chain.
    pub(crate) fn allow_foreign_image(&self, image: ImageOf) {
        let hash = self.evidence.image_hash(FOREIGN_IMAGE);
        self.root.change(|root| match image {
            ImageOf::Proxies => drop(root.proxy_hashes.insert(hash)),
            ImageOf::Workers => drop(root.worker_hashes.insert(hash)),
        });
    }

    /// The root contract no longer names an image. Only without a chain.
    pub(crate) fn remove_image(&self, image: ImageOf) {
        self.root.change(|root| match image {
            ImageOf::Proxies => root.proxy_hashes.clear(),
            ImageOf::Workers => root.worker_hashes.clear(),
        });
    }

    /// The root contract no longer names a model. Only without a chain.
    pub(crate) fn remove_model(&self, model: &str) {
        self.root.change(|root| {
            root.model_hashes.remove(&model_hash(model));
        });
    }

    fn root_source(&self, env: &Env, role: Role) -> Arc<dyn RootSource> {
        match &self.onchain {
            None => self.root.clone(),
            Some(onchain) => onchain.root(env, role, &self.root.current()),
        }
    }

    /// The chain, if this deployment has one.
    pub(crate) fn onchain(&self) -> Option<&OnChain> {
        self.onchain.as_ref()
    }

    fn backend(&self, model: &str, plan: &BackendPlan, env: &Env) -> Arc<dyn Backend> {
        let base = base_name(model);
        let at_least_one = |number: u32| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        match plan {
            BackendPlan::Tiny {
                size,
                step_ns,
                prefill_token_ns,
            } => {
                let time = ServiceTime {
                    prefill_base_ns: 0,
                    prefill_per_token_ns: *prefill_token_ns,
                    decode_base_ns: *step_ns,
                    decode_per_sequence_ns: 0,
                };
                let machine = Machine {
                    time,
                    max_batch: at_least_one(256),
                };
                let options = TinyOptions {
                    machine: Some(machine),
                    ..TinyOptions::default()
                };
                Arc::new(TinyBackend::new(env.clone(), base, self.workshop.model(*size), options))
            }
            BackendPlan::ServiceTime {
                step_base_ns,
                step_per_sequence_ns,
                prefill_token_ns,
                max_batch,
            } => {
                let time = ServiceTime {
                    prefill_base_ns: 0,
                    prefill_per_token_ns: *prefill_token_ns,
                    decode_base_ns: *step_base_ns,
                    decode_per_sequence_ns: *step_per_sequence_ns,
                };
                let machine = Machine {
                    time,
                    max_batch: at_least_one(*max_batch),
                };
                let config = SimConfig {
                    machine,
                    // The request's own limit decides how long an answer is.
                    answer_tokens: chrysalis_inference::sim::TokenRange::between(u32::MAX, u32::MAX),
                    ..SimConfig::new(base)
                };
                Arc::new(SimBackend::new(env.clone(), config))
            }
        }
    }
}

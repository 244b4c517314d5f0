//! What all nodes of a plan agree on: root configuration, accounts, identities, trust.
//!
//! Everything here follows from names in the plan, not from the seed: a node has the same key in every seed, so that
//! certificates, quotes and their verdicts, all pure functions, are made once for thousands of runs ([`Workshop`]).

use crate::{
    chain::{ADVERSARY, OnChain, PARTIES, nodes, owner_address, party_name},
    plan::{AttestationPlan, BackendPlan, ContractName, Operation, Plan, TeeKind, TinySize},
};
use chrysalis_attest::{
    AllowList, Attester, CollateralStore, FakeTdxAttester, Identity, PeerPolicy, PeerVerifier, SimTdxAttester,
    SimulationOnly, TdMeasurements, TrustAnchors, VerdictCache,
    certificate::{IdentityKey, IssueError},
    issue_cache::IssueCache,
    policy::{AnchorError, AppraisalRules},
    tdx::TdReport,
};
use chrysalis_env::{BoxFuture, Env};
use chrysalis_inference::{
    Backend,
    service::{Machine, ServiceTime},
    sim::{SimBackend, SimConfig},
    tiny::{TinyBackend, TinyConfig, TinyModel, TinyOptions},
};
use chrysalis_node::{
    client::{ClientChain, ClientSettings, Registrar},
    proxy::{ChainSource, ProxyChain, ProxyLimits, ProxySettings},
    secure::SecureLimits,
    telemetry::Role,
    trust::Trust,
    worker::{WorkerChain, WorkerSettings},
};
use chrysalis_settlement::{
    Address, ContractCodes, Network, Params, Prices, RootConfig, RootSource, SigningKey, StaticRoot, TokenMultipliers,
    base_name,
    contracts::ProxyIdentity,
    ledger::{ClientChainState, ClientStatus, LedgerPolicy},
    model_hash,
    onchain::storage::Registry,
    params::StructVersion,
};
use chrysalis_wire::proof_of_work::Difficulty;
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
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
    /// A wallet of the chain cannot be made.
    #[error("a wallet: {0}")]
    Wallet(#[from] chrysalis_chain::wallet::WalletError),
    /// A time that a chain cannot have.
    #[error("a run on a chain must start before the year 2106")]
    Date,
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

/// From a client's registration to the moment when its proxy sees it.
const REGISTRATION: Duration = Duration::from_secs(5);

/// Accounts as the chain would have them (part 2 replaces this).
#[derive(Debug)]
struct StaticChain {
    clients: BTreeMap<Address, ClientChainState>,
    /// Nonces by the client that registered them.
    registered: Mutex<BTreeSet<(Address, u64)>>,
}

/// Registers nonces of one client.
struct StaticRegistrar {
    env: Env,
    chain: Arc<StaticChain>,
    owner: Address,
}

impl Registrar for StaticRegistrar {
    fn register(&self, _client_contract: Address, nonce: u64) -> BoxFuture<'static, Result<(), String>> {
        let (env, chain, owner) = (self.env.clone(), self.chain.clone(), self.owner);
        Box::pin(async move {
            let later = env.clone();
            env.spawn("chain: registration", async move {
                later.sleep(REGISTRATION).await;
                chain
                    .registered
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert((owner, nonce));
            });
            Ok(())
        })
    }
}

impl ChainSource for StaticChain {
    fn client(&self, owner: &Address) -> Option<ClientChainState> {
        self.clients.get(owner).copied()
    }

    fn worker_tokens_paid(&self, _owner: &Address) -> u64 {
        0
    }

    fn is_registered(&self, owner: &Address, nonce: u64) -> bool {
        let registered = self.registered.lock().unwrap_or_else(PoisonError::into_inner);
        registered.contains(&(*owner, nonce))
    }
}

/// How nodes prove what they are, and to whom.
struct Evidence {
    attestation: AttestationPlan,
    attested_policy: PeerPolicy,
    verdicts: Arc<VerdictCache>,
    issue: Arc<IssueCache>,
    not_before_unix_s: u64,
    limits: SecureLimits,
}

/// See the module.
pub(crate) struct Deployment {
    pub(crate) plan: Arc<Plan>,
    onchain: Option<OnChain>,
    root: Arc<StaticRoot>,
    chain: Arc<StaticChain>,
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

/// Which of a proxy's two kinds of accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccountKind {
    /// Of a client, which is charged.
    Client,
    /// Of a worker, which is paid.
    Worker,
}

/// Whose a contract is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Account {
    /// Name of the proxy that keeps it.
    pub proxy: String,
    /// Of a client or a worker.
    pub kind: AccountKind,
    /// Name of the client or worker.
    pub holder: String,
    /// Address of the contract, raw form.
    pub address: String,
    /// Which prices it belongs to: 1 for those of the start, and one more for each change.
    pub prices: u32,
}

/// What follows from a plan before anything runs, for those who judge what nodes report.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// Allowed images of proxies and of workers; `None` if there is no evidence.
    pub(crate) images: Option<([u8; 32], [u8; 32])>,
    /// Contracts by address.
    pub(crate) accounts: BTreeMap<String, Account>,
    /// Whether a signature waits for a commit of the ledger to a chain.
    pub(crate) commits_to_chain: bool,
    /// Who is behind each address of the chain that is known beforehand, by raw address.
    pub(crate) parties: BTreeMap<String, Party>,
}

/// Who is behind an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Party {
    /// Whose it is: a node, `root`, or a party of an attack.
    pub name: String,
    /// What it is there: `root`, `owner`, `wallet`, `proxy`, `client`, `worker`.
    pub part: &'static str,
    /// At which proxy, for accounts.
    pub proxy: Option<String>,
    /// Which prices it belongs to: 1 for those of the start, and one more for each change. 0 for what has none.
    pub prices: u32,
    /// Whether it is an adversary of the plan.
    pub is_adversary: bool,
}

impl Party {
    fn new(name: &str, part: &'static str) -> Self {
        Self {
            name: name.to_owned(),
            part,
            proxy: None,
            prices: 0,
            is_adversary: false,
        }
    }

    /// Whether a plan means this contract by a name: that of the prices of the start.
    pub(crate) fn is_behind(&self, contract: &ContractName) -> bool {
        let is = |part: &str, name: &str| self.part == part && self.name == name;
        match contract {
            ContractName::Root => is("root", "root"),
            ContractName::Wallet(node) => is("wallet", node),
            ContractName::Proxy(proxy) => is("proxy", proxy) && self.prices == 1,
            ContractName::Account { holder, proxy } => {
                let at = self.proxy.as_ref() == Some(proxy) && self.prices == 1;
                at && (is("client", holder) || is("worker", holder))
            }
        }
    }
}

impl Facts {
    /// The image that peers of a kind must show; `None` if they show none.
    pub(crate) fn allowed_image(&self, kind: &str) -> Option<[u8; 32]> {
        let (proxy, worker) = self.images?;
        match kind {
            "proxy" => Some(proxy),
            "worker" => Some(worker),
            _ => None,
        }
    }
}

pub(crate) fn proxy_key(name: &str) -> SigningKey {
    SigningKey::from_seed(&named_hash("proxy key", name))
}

fn client_owner(name: &str) -> Address {
    address_of("client", name)
}

const PROXY_IMAGE: &str = "chrysalis proxy";
const WORKER_IMAGE: &str = "chrysalis worker";

impl Deployment {
    pub(crate) fn new(plan: Arc<Plan>, workshop: &Workshop, start_unix_s: u64) -> Result<Self, DeployError> {
        let evidence = Evidence::new(plan.attestation.clone(), workshop, start_unix_s)?;
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
        let mut deployment = Self {
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
    fn worker_owner(&self, name: &str) -> Result<Address, DeployError> {
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

    pub(crate) fn facts(&self) -> Result<Facts, DeployError> {
        let images = (self.plan.attestation.tee != TeeKind::None).then(|| {
            let hash = |image| self.evidence.image_hash(image);
            (hash(PROXY_IMAGE), hash(WORKER_IMAGE))
        });
        let mut accounts = BTreeMap::new();
        let roots = self.roots();
        let each = || (1..).zip(&roots);
        let proxies = self.plan.proxies.iter().enumerate();
        for ((index, proxy), (prices, root)) in proxies.flat_map(|proxy| each().map(move |root| (proxy, root))) {
            let name = &proxy.node.name;
            let uses = |chosen: &[usize]| chosen.is_empty() || chosen.contains(&index);
            let clients = self.plan.clients.iter().filter(|client| uses(&client.proxies));
            let clients = clients.map(|client| (AccountKind::Client, &client.node.name));
            let workers = self.plan.workers.iter().filter(|worker| uses(&worker.proxies));
            let workers = workers.map(|worker| (AccountKind::Worker, &worker.node.name));
            for (kind, holder) in clients.chain(workers) {
                let named = ContractName::Account {
                    holder: holder.clone(),
                    proxy: name.clone(),
                };
                if let Some(contract) = self.contract_at(root, &named)? {
                    let account = Account {
                        proxy: name.clone(),
                        kind,
                        holder: holder.clone(),
                        address: contract.to_string(),
                        prices,
                    };
                    accounts.insert(contract.to_wire(NETWORK), account);
                }
            }
        }
        Ok(Facts {
            images,
            parties: self.parties(&accounts)?,
            accounts,
            commits_to_chain: self.onchain.is_some(),
        })
    }

    /// Who is behind the addresses of the chain.
    fn parties(&self, accounts: &BTreeMap<String, Account>) -> Result<BTreeMap<String, Party>, DeployError> {
        let mut parties = BTreeMap::new();
        let (Some(onchain), Some(settlement)) = (&self.onchain, &self.plan.settlement) else {
            return Ok(parties);
        };
        let mut add = |address: Address, party: Party| drop(parties.insert(address.to_string(), party));
        add(onchain.root_address, Party::new("root", "root"));
        add(owner_address("root")?, Party::new("root", "owner"));
        for node in nodes(&self.plan) {
            add(owner_address(&node.name)?, Party::new(&node.name, "owner"));
            add(onchain.wallet_address(&node.name)?, Party::new(&node.name, "wallet"));
        }
        for proxy in &self.plan.proxies {
            let name = &proxy.node.name;
            for (prices, root) in (1..).zip(&self.roots()) {
                let party = Party {
                    prices,
                    ..Party::new(name, "proxy")
                };
                add(self.proxy_identity(root, name)?.address, party);
            }
        }
        for attack in &settlement.attacks {
            for party in PARTIES {
                let name = party_name(attack.threat, party);
                let party = Party {
                    is_adversary: party == ADVERSARY,
                    ..Party::new(&name, "owner")
                };
                add(owner_address(&name)?, party);
            }
        }
        for account in accounts.values() {
            let party = Party {
                name: account.holder.clone(),
                part: match account.kind {
                    AccountKind::Client => "client",
                    AccountKind::Worker => "worker",
                },
                proxy: Some(account.proxy.clone()),
                prices: account.prices,
                is_adversary: false,
            };
            parties.insert(account.address.clone(), party);
        }
        Ok(parties)
    }

    /// Settings of a proxy that listens on the two addresses.
    pub(crate) fn proxy(
        &self,
        index: usize,
        env: &Env,
        clients_listen: SocketAddr,
        workers_listen: SocketAddr,
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
        let identity = self.evidence.identity(name, Some(PROXY_IMAGE), index as u64)?;
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
            client_trust: self.evidence.trust(identity.clone(), false),
            worker_trust: self.evidence.trust(identity, true),
            ledger: self
                .onchain
                .as_ref()
                .map_or(LedgerPolicy::SOUND, |onchain| onchain.ledger),
            limits: ProxyLimits::default(),
        })
    }

    /// Settings of a worker that dials `proxies`.
    pub(crate) fn worker(
        &self,
        index: usize,
        env: &Env,
        proxies: Vec<SocketAddr>,
    ) -> Result<WorkerSettings, DeployError> {
        let plan = &self.plan.workers[index];
        let platform = (self.plan.proxies.len() + index) as u64;
        let identity = self.evidence.identity(&plan.node.name, Some(WORKER_IMAGE), platform)?;
        Ok(WorkerSettings {
            owner: self.worker_owner(&plan.node.name)?,
            network: NETWORK,
            model: plan.model.clone(),
            coefficient: plan.coefficient,
            max_active_requests: plan.max_active_requests,
            is_test: true,
            proxies,
            root: self.root_source(env, Role::Worker),
            trust: self.evidence.trust(identity, true),
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
        let identity = self.evidence.identity(&plan.node.name, None, 0)?;
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
            trust: self.evidence.trust(identity, true),
            allowed_origins: Vec::new(),
            http_listen,
        })
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

impl Evidence {
    fn new(attestation: AttestationPlan, workshop: &Workshop, start_unix_s: u64) -> Result<Self, DeployError> {
        let marker = SimulationOnly::accept_no_security();
        let not_before_unix_s = start_unix_s.saturating_sub(BACKDATE_S);
        let attested_policy = match attestation.tee {
            TeeKind::None => PeerPolicy::Any,
            TeeKind::FakeTdx => PeerPolicy::fake_tdx(marker, AllowList::NotChecked),
            TeeKind::SimulatedTdx => {
                let vendor = workshop.issue.pki(VENDOR_SEED, not_before_unix_s);
                let store = CollateralStore::new();
                store.insert(workshop.issue.collateral(&vendor, not_before_unix_s));
                let anchors = TrustAnchors::simulation(marker, vendor.root_der())?;
                PeerPolicy::tdx(anchors, Arc::new(store), AppraisalRules::default())
            }
        };
        let asked_difficulty = Difficulty::new(attestation.proof_of_work_bits)?;
        Ok(Self {
            attestation,
            attested_policy,
            verdicts: workshop.verdicts.clone(),
            issue: workshop.issue.clone(),
            not_before_unix_s,
            limits: SecureLimits {
                asked_difficulty,
                ..SecureLimits::default()
            },
        })
    }

    fn image_hash(&self, image: &str) -> [u8; 32] {
        match self.attestation.tee {
            TeeKind::SimulatedTdx => TdMeasurements::of_image(image).image_hash(),
            TeeKind::FakeTdx => chrysalis_attest::image_hash(&TdReport::fake([0; 64])),
            TeeKind::None => [0; 32],
        }
    }

    fn identity(&self, name: &str, image: Option<&str>, platform: u64) -> Result<Arc<Identity>, DeployError> {
        let key = IdentityKey::from_seed(named_hash("identity", name));
        let mut serial = [0; 16];
        serial.copy_from_slice(&named_hash("serial", name)[..16]);
        let now = self.not_before_unix_s;
        let attester: Option<Box<dyn Attester>> = match (self.attestation.tee, image) {
            (TeeKind::SimulatedTdx, Some(image)) => {
                let vendor = self.issue.pki(VENDOR_SEED, self.not_before_unix_s);
                let platform = self.issue.platform(&vendor, platform);
                let attester = SimTdxAttester::new(platform, TdMeasurements::of_image(image));
                Some(Box::new(attester.with_cache(self.issue.clone())))
            }
            (TeeKind::FakeTdx, Some(_)) => Some(Box::new(FakeTdxAttester::new(SimulationOnly::accept_no_security()))),
            (TeeKind::None, _) | (_, None) => None,
        };
        Ok(Arc::new(match attester {
            Some(attester) => Identity::attested(key, &*attester, now, serial)?,
            None => Identity::plain(key, now, serial),
        }))
    }

    fn trust(&self, identity: Arc<Identity>, peers_are_attested: bool) -> Trust {
        let policy = if peers_are_attested {
            self.attested_policy.clone()
        } else {
            PeerPolicy::Any
        };
        Trust {
            identity,
            verifier: Arc::new(PeerVerifier::with_cache(policy, &self.verdicts)),
            limits: self.limits,
            check_image_hash: peers_are_attested && self.attestation.tee != TeeKind::None,
        }
    }
}

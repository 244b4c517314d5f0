//! Who is who. Everything follows from names, so the same party is the same in every test.

use chrysalis_attest::{
    AllowList, Attester, Binding, CollateralStore, FakeTdxAttester, Identity, PeerPolicy, PeerVerifier, SimTdxAttester,
    SimulationOnly, TdMeasurements, TrustAnchors,
    certificate::IdentityKey,
    policy::AppraisalRules,
    report_data_for,
    sim_pki::{CollateralOptions, SimPki},
};
use chrysalis_env::{BoxFuture, Env};
use chrysalis_inference::{
    Backend,
    service::{Machine, ServiceTime},
    tiny::{TinyBackend, TinyConfig, TinyModel, TinyOptions},
};
use chrysalis_node::{
    client::{ClientChain, ClientSettings, Registrar},
    proxy::{ChainSource, ProxyChain, ProxyLimits, ProxySettings},
    secure::SecureLimits,
    trust::{OwnIdentity, Trust},
    worker::{WorkerChain, WorkerSettings},
};
use chrysalis_settlement::{
    Address, ContractCodes, Network, Params, Prices, RootConfig, RootSource, SigningKey, TokenMultipliers,
    contracts::ProxyIdentity,
    ledger::{ClientChainState, ClientStatus, LedgerPolicy},
    model_hash,
    params::StructVersion,
};
use chrysalis_wire::proof_of_work::Difficulty;
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    num::NonZeroU32,
    sync::{Arc, LazyLock, Mutex},
};

/// 2026-11-01 00:00 UTC: when evidence is made, and when worlds start unless they are to start later.
pub(crate) const ISSUED_UNIX_S: u64 = 1_793_491_200;
/// The only model.
pub(crate) const MODEL: &str = "nano";
/// Price of an adjusted token.
pub(crate) const PRICE_NANOTON: u64 = 20;
/// Completion tokens count eight times, as in the reference's network.
pub(crate) const MULTIPLIERS: TokenMultipliers = TokenMultipliers {
    prompt: 10_000,
    cached: 2_000,
    completion: 80_000,
    reasoning: 80_000,
};
pub(crate) const NETWORK: Network = Network::from_is_testnet(true);
pub(crate) const PROXY_IMAGE: &str = "proxy image";
pub(crate) const WORKER_IMAGE: &str = "worker image";
/// Machines of the vendor by what runs on them.
pub(crate) const PROXY_MACHINE: u64 = 1;
pub(crate) const WORKER_MACHINE: u64 = 2;
pub(crate) const OTHER_MACHINE: u64 = 3;
/// What clients prove that they are the owner with.
pub(crate) const SECRET: &str = "open sesame";

static VENDOR: LazyLock<SimPki> = LazyLock::new(|| SimPki::new(7, ISSUED_UNIX_S - 86_400));
static WEIGHTS: LazyLock<Arc<TinyModel>> = LazyLock::new(|| Arc::new(TinyModel::generate(TinyConfig::nano(), 1)));

pub(crate) fn named_hash(kind: &str, name: &str) -> [u8; 32] {
    Sha256::new()
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

/// The owner of the deposit that client `name` uses.
pub(crate) fn client_owner(name: &str) -> Address {
    address_of("client", name)
}

pub(crate) fn worker_owner(name: &str) -> Address {
    address_of("worker", name)
}

fn serial(name: &str) -> [u8; 16] {
    let mut serial = [0; 16];
    serial.copy_from_slice(&named_hash("serial", name)[..16]);
    serial
}

pub(crate) fn key_of(name: &str) -> IdentityKey {
    IdentityKey::from_seed(named_hash("identity", name))
}

/// A TD of an image on a machine of the simulated vendor.
pub(crate) fn td(measurements: TdMeasurements, machine: u64) -> SimTdxAttester {
    SimTdxAttester::new(Arc::new(VENDOR.platform(machine)), measurements)
}

/// The quote that an honest TD of `image` makes for the key of `name`.
pub(crate) fn quote_for(name: &str, image: &str, machine: u64) -> Vec<u8> {
    let attester = td(TdMeasurements::of_image(image), machine);
    attester.quote(&report_data_for(key_of(name).public_key())).unwrap()
}

/// A certificate for the key of `name` around any evidence, self-signed by that key.
pub(crate) fn identity_with(name: &str, evidence: &[u8], issued_unix_s: u64) -> Arc<Identity> {
    Arc::new(Identity::with_evidence(key_of(name), evidence, issued_unix_s, serial(name)).unwrap())
}

/// An honest identity.
pub(crate) fn attested(name: &str, image: &str, machine: u64) -> Arc<Identity> {
    identity_with(name, &quote_for(name, image, machine), ISSUED_UNIX_S)
}

/// An identity of a TD with other measurements than those of an image.
pub(crate) fn attested_as(name: &str, measurements: TdMeasurements, machine: u64) -> Arc<Identity> {
    let attester = td(measurements, machine);
    Arc::new(Identity::attested(key_of(name), &attester, ISSUED_UNIX_S, serial(name)).unwrap())
}

/// An identity without evidence.
pub(crate) fn plain(name: &str) -> Arc<Identity> {
    plain_at(name, ISSUED_UNIX_S)
}

/// The same, issued at another time.
pub(crate) fn plain_at(name: &str, issued_unix_s: u64) -> Arc<Identity> {
    Arc::new(Identity::plain(key_of(name), issued_unix_s, serial(name)))
}

/// An identity with the 64-byte quote of test networks.
pub(crate) fn fake_attested(name: &str) -> Arc<Identity> {
    let attester = FakeTdxAttester::new(SimulationOnly::accept_no_security());
    Arc::new(Identity::attested(key_of(name), &attester, ISSUED_UNIX_S, serial(name)).unwrap())
}

/// Which evidence nodes ask of peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// TDX evidence of the simulated vendor, judged as in production.
    Tdx,
    /// The same without a look at debug bits: what the reference system does. Shows what the strict rule catches.
    TdxReference,
    /// 64-byte quotes.
    Fake,
    /// Nothing.
    Any,
}

/// The policy with this collateral.
pub(crate) fn peer_policy(policy: Policy, collateral: &Arc<CollateralStore>) -> PeerPolicy {
    let marker = SimulationOnly::accept_no_security();
    let rules = match policy {
        Policy::Any => return PeerPolicy::Any,
        Policy::Fake => return PeerPolicy::fake_tdx(marker, AllowList::NotChecked),
        Policy::Tdx => AppraisalRules::default(),
        Policy::TdxReference => AppraisalRules {
            td_attributes: chrysalis_attest::policy::AttributeRule::Reference(marker),
            ..AppraisalRules::default()
        },
    };
    let anchors = TrustAnchors::simulation(marker, VENDOR.root_der()).unwrap();
    PeerPolicy::tdx(anchors, collateral.clone(), rules)
}

/// A root contract that the test can change.
pub(crate) struct Root(Mutex<Arc<RootConfig>>);

impl Root {
    /// The owner changes the contract.
    pub(crate) fn change(&self, change: impl FnOnce(&mut RootConfig)) {
        let mut current = self.0.lock().unwrap();
        let mut config = RootConfig::clone(&current);
        config.version += 1;
        change(&mut config);
        *current = Arc::new(config);
    }
}

impl RootSource for Root {
    fn current(&self) -> Arc<RootConfig> {
        self.0.lock().unwrap().clone()
    }
}

/// Accounts, as a chain would have them. Tests fill it before the proxy looks.
#[derive(Default)]
pub(crate) struct Deposits(Mutex<BTreeMap<Address, ClientChainState>>);

impl Deposits {
    /// Gives the owner `tokens` tokens' worth of coins.
    pub(crate) fn open(&self, owner: Address, tokens: u64, secret: &str) {
        let coins = u128::from(tokens) * u128::from(PRICE_NANOTON);
        let state = ClientChainState {
            status: ClientStatus::Normal,
            balance_nanoton: coins,
            stake_nanoton: coins,
            tokens_used: 0,
            secret_hash: Sha256::digest(secret.as_bytes()).into(),
        };
        self.0.lock().unwrap().insert(owner, state);
    }
}

impl ChainSource for Deposits {
    fn client(&self, owner: &Address) -> Option<ClientChainState> {
        self.0.lock().unwrap().get(owner).copied()
    }

    fn worker_tokens_paid(&self, _owner: &Address) -> u64 {
        0
    }

    fn is_registered(&self, _owner: &Address, _nonce: u64) -> bool {
        false
    }
}

/// Registrations leave the client and never arrive.
struct Unheard;

impl Registrar for Unheard {
    fn register(&self, _client_contract: Address, _nonce: u64) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
}

/// What all honest nodes agree on.
pub(crate) struct Parties {
    pub(crate) root: Arc<Root>,
    pub(crate) config: RootConfig,
    pub(crate) deposits: Arc<Deposits>,
    pub(crate) policy: Policy,
    /// What evidence is bound to; raw peers of tests about other things are bound by certificates.
    pub(crate) binding: Binding,
    collateral: Arc<CollateralStore>,
}

impl Parties {
    pub(crate) fn new(policy: Policy) -> Self {
        Self::published_at(policy, ISSUED_UNIX_S)
    }

    /// With collateral of another date.
    pub(crate) fn published_at(policy: Policy, published_unix_s: u64) -> Self {
        let image_hash = |image| match policy {
            Policy::Fake => chrysalis_attest::tdx::FAKE_IMAGE_HASH,
            _ => TdMeasurements::of_image(image).image_hash(),
        };
        let prices = Prices {
            price_per_token_nanoton: PRICE_NANOTON,
            worker_fee_per_token_nanoton: PRICE_NANOTON,
            multipliers: MULTIPLIERS,
        };
        let config = RootConfig {
            root_address: address_of("root", ""),
            owner: address_of("root owner", ""),
            version: 1,
            proxy_hashes: BTreeSet::from([image_hash(PROXY_IMAGE)]),
            worker_hashes: BTreeSet::from([image_hash(WORKER_IMAGE)]),
            model_hashes: BTreeSet::from([model_hash(MODEL)]),
            registered_proxies: BTreeMap::new(),
            last_proxy_seqno: 0,
            params: Params {
                struct_version: StructVersion::default(),
                params_version: 1,
                unique_id: 13,
                is_test: true,
                prices,
                proxy_delay_s: 86_400,
                client_delay_s: 43_200,
                min_proxy_stake_nanoton: 1_000_000_000,
                min_client_stake_nanoton: 1_000_000_000,
            },
            codes: ContractCodes::nominal(),
        };
        Self {
            root: Arc::new(Root(Mutex::new(Arc::new(config.clone())))),
            config,
            deposits: Arc::default(),
            policy,
            binding: Binding::Certificate,
            collateral: Arc::new(CollateralStore::from_iter([VENDOR.collateral(published_unix_s)])),
        }
    }

    /// The same with evidence that is bound to sessions.
    pub(crate) fn bound_to(mut self, binding: Binding) -> Self {
        self.binding = binding;
        self
    }

    /// The vendor revokes machines.
    pub(crate) fn revoke(&self, machines: &[u64], at_unix_s: u64) {
        let options = CollateralOptions {
            revoked_platforms: machines.iter().copied().collect(),
            ..CollateralOptions::default()
        };
        self.collateral.insert(VENDOR.collateral_with(at_unix_s, &options));
    }

    /// What makes the evidence of sessions for an image on a machine.
    pub(crate) fn attester(&self, image: &str, machine: u64) -> Arc<dyn Attester> {
        match self.policy {
            Policy::Fake => Arc::new(FakeTdxAttester::new(SimulationOnly::accept_no_security())),
            _ => Arc::new(td(TdMeasurements::of_image(image), machine)),
        }
    }

    /// An identity that this network's policy accepts.
    pub(crate) fn honest(&self, name: &str, image: &str, machine: u64) -> Arc<Identity> {
        match self.policy {
            Policy::Fake => fake_attested(name),
            _ => attested(name, image, machine),
        }
    }

    /// Judges peers by a policy.
    pub(crate) fn verifier(&self, policy: Policy) -> Arc<PeerVerifier> {
        Arc::new(PeerVerifier::new(peer_policy(policy, &self.collateral)).bound_to(self.binding))
    }

    /// An identity that lives on in its node; with a TEE where sessions need one.
    fn own(&self, identity: &Identity, attester: Option<Arc<dyn Attester>>) -> Arc<OwnIdentity> {
        let attester = attester.filter(|_| self.binding != Binding::Certificate);
        Arc::new(OwnIdentity::new(identity.clone(), attester))
    }

    /// What an honest node with this identity demands of attested peers, or of peers that may be anybody.
    fn trust(&self, own: &Arc<OwnIdentity>, policy: Policy) -> Trust {
        Trust {
            own: own.clone(),
            verifier: self.verifier(policy),
            limits: SecureLimits {
                asked_difficulty: Difficulty::new(4).unwrap(),
                ..SecureLimits::default()
            },
            check_image_hash: policy != Policy::Any,
        }
    }

    pub(crate) fn proxy_key(&self) -> Arc<SigningKey> {
        Arc::new(SigningKey::from_seed(&named_hash("proxy key", "proxy")))
    }

    /// The proxy's contract and key.
    pub(crate) fn proxy_identity(&self) -> ProxyIdentity {
        let public_key = self.proxy_key().public();
        let address = self
            .config
            .proxy_address(&address_of("proxy owner", "proxy"), &public_key);
        ProxyIdentity { address, public_key }
    }

    /// The contract between the proxy and a client's owner.
    pub(crate) fn client_contract(&self, owner: &Address) -> Address {
        self.config.client_address(&self.proxy_identity(), owner)
    }

    /// The contract between the proxy and a worker's owner.
    pub(crate) fn worker_contract(&self, owner: &Address) -> Address {
        self.config.worker_address(&self.proxy_identity(), owner)
    }

    pub(crate) fn proxy(&self, identity: &Identity, clients: SocketAddr, workers: SocketAddr) -> ProxySettings {
        let own = self.own(identity, Some(self.attester(PROXY_IMAGE, PROXY_MACHINE)));
        ProxySettings {
            control: Arc::default(),
            owner: address_of("proxy owner", "proxy"),
            wallet: address_of("proxy wallet", "proxy"),
            network: NETWORK,
            key: self.proxy_key(),
            is_test: true,
            clients_listen: clients,
            workers_listen: workers,
            root: self.root.clone(),
            chain: ProxyChain::Static(self.deposits.clone()),
            client_trust: self.trust(&own, Policy::Any),
            worker_trust: self.trust(&own, self.policy),
            ledger: LedgerPolicy::default(),
            limits: ProxyLimits::default(),
            sealing: None,
            keys: None,
        }
    }

    pub(crate) fn worker(
        &self,
        env: &Env,
        name: &str,
        identity: &Identity,
        proxies: Vec<SocketAddr>,
    ) -> WorkerSettings {
        WorkerSettings {
            owner: worker_owner(name),
            network: NETWORK,
            model: MODEL.into(),
            coefficient: 1000,
            max_active_requests: 64,
            is_test: true,
            proxies,
            root: self.root.clone(),
            trust: self.trust(
                &self.own(identity, Some(self.attester(WORKER_IMAGE, WORKER_MACHINE))),
                self.policy,
            ),
            backend: tiny_backend(env),
            chain: WorkerChain::None,
            keys: None,
        }
    }

    pub(crate) fn client(&self, name: &str, http: SocketAddr, proxies: Vec<SocketAddr>) -> ClientSettings {
        ClientSettings {
            owner: client_owner(name),
            network: NETWORK,
            secret: SECRET.into(),
            is_test: true,
            proxies,
            proxy_connections: 1,
            root: self.root.clone(),
            chain: ClientChain::Static(Arc::new(Unheard)),
            trust: self.trust(&self.own(&plain(name), None), self.policy),
            allowed_origins: Vec::new(),
            http_listen: http,
        }
    }
}

/// The smallest embedded model, at a steady pace.
fn tiny_backend(env: &Env) -> Arc<dyn Backend> {
    let time = ServiceTime {
        prefill_base_ns: 0,
        prefill_per_token_ns: 100_000,
        decode_base_ns: 5_000_000,
        decode_per_sequence_ns: 0,
    };
    let machine = Machine {
        time,
        max_batch: NonZeroU32::new(256).unwrap(),
    };
    let options = TinyOptions {
        machine: Some(machine),
        ..TinyOptions::default()
    };
    Arc::new(TinyBackend::new(env.clone(), MODEL, WEIGHTS.clone(), options))
}

//! Parties, contracts, the chain they begin on.

use std::collections::BTreeMap;

use chrysalis_chain::{
    Chain, ChainError, Genesis, Snapshot, StdAddr,
    chain::{BlockLimits, GenesisAccount, PoolLimits, address_of, state_init},
    wallet::{Transfer, external_message},
};
use chrysalis_settlement::{
    Address, ContractInit, Params, Prices, SigningKey, TokenMultipliers,
    contracts::{CodeError, ContractCodes, ProxyIdentity, client_init, proxy_init, worker_init},
    onchain::{CodeProfile, CodeSet, ContractRole, storage::WalletStorage},
    params::StructVersion,
};
use tycho_types::{
    boc::Boc,
    cell::{Cell, CellBuilder},
    error::Error,
    models::StateInit,
};

use crate::step::{CLIENTS, WORKERS, Who};

/// Price of a token in nano.
pub const PRICE_NANOTON: u64 = 20;
/// A worker's part of it.
pub const WORKER_FEE_NANOTON: u64 = 16;
/// Seconds from the beginning of a proxy's closing to its end.
pub const PROXY_DELAY_S: u32 = 60;
/// The same for a client.
pub const CLIENT_DELAY_S: u32 = 30;
/// Least stake of a client.
pub const CLIENT_STAKE_NANOTON: u64 = 2_000_000_000;
/// Nanoseconds from slot to slot: long enough that delays pass in a few slots.
const SLOT_NS: u64 = 2_000_000_000;
/// One coin in nano.
const COIN: u128 = 1_000_000_000;
/// What everybody begins with.
const PERSON_NANOTON: u128 = 10_000_000 * COIN;

/// `SETCP0 · IFNOTRET · ACCEPT · 8 LDU · 64 LDU · NIP · LDREF · ENDS · SWAP · SENDRAWMSG`: whoever asks from outside
/// with a mode, a number and a message has it sent; internal messages are kept.
const PERSON: [u8; 15] = [
    0xff, 0x00, 0xdd, 0xf8, 0x00, 0xd3, 0x07, 0xd3, 0x3f, 0x31, 0xd4, 0xd1, 0x01, 0xfb, 0x00,
];

/// Why there is no scene.
#[derive(Debug, thiserror::Error)]
pub enum SceneError {
    /// The chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// Its configuration.
    #[error(transparent)]
    Config(#[from] chrysalis_chain::exec::ConfigError),
    /// Cells.
    #[error("cells: {0}")]
    Cells(#[from] Error),
    /// Codes that no contract can have.
    #[error(transparent)]
    Code(#[from] CodeError),
}

/// Which contracts take part, and what they promise.
#[derive(Debug, Clone)]
pub struct Contracts {
    /// Their codes.
    pub codes: CodeSet,
    /// Whether they are said to be hardened: then depositors leave at the end of a plan and must get everything.
    pub is_hardened: bool,
}

impl Contracts {
    /// A build of the project.
    #[must_use]
    pub fn builtin(profile: CodeProfile) -> Self {
        Self {
            codes: CodeSet::builtin(profile).clone(),
            is_hardened: profile == CodeProfile::Hardened,
        }
    }

    /// The hardened build with one contract of the reference build in it: a planted defect.
    ///
    /// # Errors
    /// Never with the codes of this project.
    pub fn weakened(role: ContractRole) -> Result<Self, CodeError> {
        let [reference, hardened] = CodeProfile::ALL.map(CodeSet::builtin);
        let code = |of| if of == role { reference } else { hardened }.code(of).clone();
        let contracts = ContractCodes::new(
            code(ContractRole::Proxy),
            code(ContractRole::Worker),
            code(ContractRole::Client),
        )?;
        Ok(Self {
            codes: CodeSet::new(code(ContractRole::Root), code(ContractRole::Wallet), contracts)?,
            is_hardened: true,
        })
    }
}

/// Whose account it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The proxy contract.
    Proxy,
    /// A client contract.
    Client(usize),
    /// A worker contract.
    Worker(usize),
    /// The node wallet.
    Wallet,
    /// A person.
    Person(Person),
}

/// A person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Person {
    /// Owns the proxy and the node wallet.
    Operator,
    /// The proxy's node.
    Submitter,
    /// Nobody's friend.
    Stranger,
    /// Owns a client contract.
    ClientOwner(usize),
    /// Owns a worker contract.
    WorkerOwner(usize),
}

impl Person {
    fn all() -> impl Iterator<Item = Self> {
        [Self::Operator, Self::Submitter, Self::Stranger]
            .into_iter()
            .chain((0..CLIENTS).map(Self::ClientOwner))
            .chain((0..WORKERS).map(Self::WorkerOwner))
    }

    fn number(self) -> u32 {
        let index = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
        match self {
            Self::Operator => 0,
            Self::Submitter => 1,
            Self::Stranger => 2,
            Self::ClientOwner(client) => 100 + index(client),
            Self::WorkerOwner(worker) => 200 + index(worker),
        }
    }
}

/// A contract and where it stands.
#[derive(Debug, Clone)]
pub struct Placed {
    /// As the chain's library has it.
    pub at: StdAddr,
    /// As nodes have it.
    pub address: Address,
    /// Code and data it begins with.
    pub state: StateInit,
}

impl Placed {
    fn of(init: &ContractInit) -> Self {
        Self {
            at: to_std(&init.address()),
            address: init.address(),
            state: state_init(init.code().clone(), init.data().clone()),
        }
    }
}

/// The address as the chain's library has it.
pub(crate) fn to_std(address: &Address) -> StdAddr {
    StdAddr::new(address.workchain(), (*address.hash()).into())
}

/// The address as nodes have it.
pub(crate) fn from_std(address: &StdAddr) -> Address {
    Address::new(address.workchain, address.address.0)
}

/// Everybody, every contract, and chains to begin on.
#[derive(Debug)]
pub struct Scene {
    /// Which contracts.
    pub contracts: Contracts,
    /// Signs for the proxy.
    pub proxy_key: SigningKey,
    /// Signs orders of the node wallet.
    pub wallet_key: SigningKey,
    /// A key that signs for nobody.
    pub other_key: SigningKey,
    /// The proxy contract.
    pub proxy: Placed,
    /// Client contracts.
    pub clients: Vec<Placed>,
    /// Worker contracts.
    pub workers: Vec<Placed>,
    /// The node wallet.
    pub wallet: Placed,
    people: BTreeMap<Person, StdAddr>,
    roles: BTreeMap<StdAddr, Role>,
    /// One for each depth of shards, as it is before a plan.
    pub(crate) stages: Vec<(Chain, Snapshot)>,
}

fn person_state(person: Person) -> Result<StateInit, Error> {
    let mut code = CellBuilder::new();
    code.store_raw(&PERSON, 120)?;
    Ok(state_init(code.build()?, CellBuilder::build_from(person.number())?))
}

/// The parameters of the machine's network.
#[must_use]
pub fn params() -> Params {
    Params {
        struct_version: StructVersion::V3,
        params_version: 1,
        unique_id: 1,
        is_test: true,
        prices: Prices {
            price_per_token_nanoton: PRICE_NANOTON,
            worker_fee_per_token_nanoton: WORKER_FEE_NANOTON,
            multipliers: TokenMultipliers {
                prompt: 10_000,
                cached: 2_000,
                completion: 80_000,
                reasoning: 80_000,
            },
        },
        proxy_delay_s: PROXY_DELAY_S,
        client_delay_s: CLIENT_DELAY_S,
        min_proxy_stake_nanoton: 1_000_000_000,
        min_client_stake_nanoton: CLIENT_STAKE_NANOTON,
    }
}

impl Scene {
    /// Everybody with coins; the proxy, the wallet, all clients and workers but the last of each deployed.
    ///
    /// # Errors
    /// A configuration or code that cannot be.
    pub fn new(contracts: Contracts) -> Result<Self, SceneError> {
        let [proxy_key, wallet_key, other_key] = [0x42, 0x77, 0x99].map(|byte| SigningKey::from_seed(&[byte; 32]));
        let mut people = BTreeMap::new();
        let mut accounts = Vec::new();
        for person in Person::all() {
            let state = person_state(person)?;
            let address = address_of(0, &state)?;
            people.insert(person, address.clone());
            accounts.push(GenesisAccount {
                address,
                balance_nanoton: PERSON_NANOTON,
                state: Some(state),
            });
        }
        let owner = |person: Person| people.get(&person).map(from_std).ok_or(Error::InvalidData);
        let codes = contracts.codes.contracts();
        let root = Address::new(0, [0x44; 32]);
        let proxy_init = proxy_init(codes, &params(), &owner(Person::Operator)?, &proxy_key.public(), &root);
        let identity = ProxyIdentity {
            address: proxy_init.address(),
            public_key: proxy_key.public(),
        };
        let clients: Result<Vec<Placed>, Error> = (0..CLIENTS)
            .map(|client| {
                let owner = owner(Person::ClientOwner(client))?;
                Ok(Placed::of(&client_init(codes, &params(), &identity, &owner)))
            })
            .collect();
        let workers: Result<Vec<Placed>, Error> = (0..WORKERS)
            .map(|worker| {
                let owner = owner(Person::WorkerOwner(worker))?;
                Ok(Placed::of(&worker_init(codes, &params(), &identity, &owner)))
            })
            .collect();
        let (clients, workers) = (clients?, workers?);
        let wallet = WalletStorage::initial(wallet_key.public(), owner(Person::Operator)?).init(&contracts.codes);
        let (proxy, wallet) = (Placed::of(&proxy_init), Placed::of(&wallet));

        let mut deploy = |placed: &Placed, balance_nanoton: u128| {
            accounts.push(GenesisAccount {
                address: placed.at.clone(),
                balance_nanoton,
                state: Some(placed.state.clone()),
            });
        };
        deploy(&proxy, COIN);
        deploy(&wallet, 50 * COIN);
        clients[..CLIENTS - 1]
            .iter()
            .for_each(|client| deploy(client, 8 * COIN / 10));
        workers[..WORKERS - 1]
            .iter()
            .for_each(|worker| deploy(worker, 3 * COIN / 10));

        let mut roles: BTreeMap<StdAddr, Role> = people
            .iter()
            .map(|(person, address)| (address.clone(), Role::Person(*person)))
            .collect();
        roles.insert(proxy.at.clone(), Role::Proxy);
        roles.insert(wallet.at.clone(), Role::Wallet);
        roles.extend(
            clients
                .iter()
                .enumerate()
                .map(|(index, placed)| (placed.at.clone(), Role::Client(index))),
        );
        roles.extend(
            workers
                .iter()
                .enumerate()
                .map(|(index, placed)| (placed.at.clone(), Role::Worker(index))),
        );

        let mut stages = Vec::new();
        for depth in 0..3 {
            let mut genesis = Genesis::new()?;
            genesis.accounts.clone_from(&accounts);
            genesis.block_interval_ns = SLOT_NS;
            genesis.keep_history = false;
            genesis.kept_states = 0;
            genesis.shards.initial_depth = depth;
            // A block begins with one logical time used: room for one transaction, after which it is full.
            genesis.limits = BlockLimits {
                gas_soft: 10_000_000,
                gas_hard: 20_000_000,
                lt_soft: 2,
                lt_hard: 2,
            };
            genesis.pool = PoolLimits {
                per_address_in_window: u32::MAX,
                per_address: u32::MAX,
                total: u32::MAX,
                ..PoolLimits::default()
            };
            let chain = Chain::new(genesis)?;
            let start = chain.snapshot();
            stages.push((chain, start));
        }
        Ok(Self {
            contracts,
            proxy_key,
            wallet_key,
            other_key,
            proxy,
            clients,
            workers,
            wallet,
            people,
            roles,
            stages,
        })
    }

    /// Whose account it is.
    #[must_use]
    pub fn role(&self, address: &StdAddr) -> Option<Role> {
        self.roles.get(address).copied()
    }

    /// Where a person's account is.
    ///
    /// # Panics
    /// Never: every person is in the scene.
    #[must_use]
    pub fn person(&self, person: Person) -> &StdAddr {
        &self.people[&person]
    }

    /// Takes somebody's account for somebody else's.
    #[cfg(test)]
    pub(crate) fn rename(&mut self, person: Person, other: Person) {
        let address = self.people[&person].clone();
        self.roles.insert(address, Role::Person(other));
    }

    /// Who it is, for a contract of this owner.
    #[must_use]
    pub fn who(&self, who: Who, owner: Person) -> Person {
        match who {
            Who::Owner => owner,
            Who::Submitter => Person::Submitter,
            Who::Stranger => Person::Stranger,
        }
    }
}

/// An order to a person's account; `number` makes equal orders differ.
///
/// # Errors
/// A message that does not fit into its cells.
pub(crate) fn order(person: &StdAddr, transfer: &Transfer, number: u64) -> Result<Vec<u8>, Error> {
    let mut body = CellBuilder::new();
    body.store_u8(transfer.mode)?;
    body.store_u64(number)?;
    body.store_reference(transfer.message()?)?;
    Ok(Boc::encode(external_message(person, None, body.build()?)?))
}

/// The body of a message as a cell of its own.
pub(crate) fn body_cell(message: &chrysalis_chain::chain::Message) -> Result<Cell, Error> {
    CellBuilder::build_from(message.body()?)
}

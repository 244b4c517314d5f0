//! The chain of a plan: what it costs, how it fails, what owners and adversaries do on it.

use chrysalis_settlement::onchain::ContractRole;
use serde::{Deserialize, Serialize};

/// A simulated chain with the contracts on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlementPlan {
    /// Which build of the contracts.
    pub contracts: ContractBuild,
    /// Codes that users brought: each takes the place of the build's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub user_contracts: Vec<UserContractPlan>,
    /// Which prices the chain has at the start.
    pub fees: FeePlan,
    /// Coins of each node's wallet at the start.
    pub wallet_nanoton: u64,
    /// Coins of the wallet of each owner: of the root contract, of nodes, of adversaries.
    pub owner_nanoton: u64,
    /// Time of a question to the chain and its answer.
    pub access_ns: u64,
    /// A client is charged on chain when it owes this much.
    pub charge_threshold_nanoton: u64,
    /// A worker is paid by its proxy when it is owed this much.
    pub payout_threshold_nanoton: u64,
    /// From the closing of a proxy to the moment when its owner may complete it (spec §6.2).
    pub proxy_delay_s: u32,
    /// From a client's request for its refund to the moment when it may force it (spec §6.2).
    pub client_delay_s: u32,
    /// Stake of a proxy that the root contract asks for (spec §6.2; no contract enforces it).
    pub proxy_stake_nanoton: u64,
    /// Prices later, ordered by time.
    pub fee_changes: Vec<FeeChange>,
    /// What goes wrong on the chain.
    pub faults: ChainFaults,
    /// Nodes that do not see the latest state; every other node does.
    pub readers: Vec<ReaderPlan>,
    /// What owners do, ordered by time.
    pub operations: Vec<OperationPlan>,
    /// Adversaries, each with accounts of its own.
    pub attacks: Vec<AttackPlan>,
}

impl Default for SettlementPlan {
    /// Hardened contracts at the prices since April 2026, without anything that goes wrong.
    fn default() -> Self {
        Self {
            contracts: ContractBuild::Hardened,
            user_contracts: Vec::new(),
            fees: FeePlan::New,
            wallet_nanoton: 100_000_000_000,
            owner_nanoton: 1_000_000_000_000,
            access_ns: 100_000_000,
            charge_threshold_nanoton: 1_000_000_000,
            payout_threshold_nanoton: 10_000_000_000,
            proxy_delay_s: 86_400,
            client_delay_s: 43_200,
            proxy_stake_nanoton: 1_000_000_000,
            fee_changes: Vec::new(),
            faults: ChainFaults::default(),
            readers: Vec::new(),
            operations: Vec::new(),
            attacks: Vec::new(),
        }
    }
}

/// Which behaviour is simulated (design §5): a daemon is always hardened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// With the documented weak points of the reference system.
    Reference,
    /// With every mitigation.
    #[default]
    Hardened,
}

impl Profile {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Reference, Self::Hardened];

    /// Lower-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Hardened => "hardened",
        }
    }

    pub(super) fn is_hardened(&self) -> bool {
        *self == Self::Hardened
    }
}

impl From<Profile> for ContractBuild {
    fn from(profile: Profile) -> Self {
        match profile {
            Profile::Reference => Self::Reference,
            Profile::Hardened => Self::Hardened,
        }
    }
}

/// The project's contracts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContractBuild {
    /// As the reference's revision A behaves.
    Reference,
    /// With every named weak point closed.
    Hardened,
}

/// A code that a user brought, so that a recorded run has all that it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserContractPlan {
    /// The contract that it is for.
    #[serde(with = "role_name")]
    pub role: ContractRole,
    /// The code, a bag of cells in base64.
    pub code: String,
}

mod role_name {
    use chrysalis_settlement::onchain::ContractRole;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
    pub(super) fn serialize<S: Serializer>(role: &ContractRole, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(role.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ContractRole, D::Error> {
        let name = String::deserialize(deserializer)?;
        let found = ContractRole::ALL.into_iter().find(|role| role.name() == name);
        found.ok_or_else(|| D::Error::custom(format!("there is no contract `{name}`")))
    }
}

/// Prices of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FeePlan {
    /// Until April 2026.
    Old,
    /// Since then.
    New,
}

/// A vote that changes the chain's prices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeeChange {
    /// From when.
    pub at_ns: u64,
    /// Which prices.
    pub fees: FeePlan,
    /// Factor on gas and forwarding prices, in thousandths.
    pub factor_permille: u32,
    /// Factor on the price of storage.
    pub storage_factor: u32,
}

/// What goes wrong on the chain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainFaults {
    /// External messages that are late, lost, doubled or out of order.
    pub externals: Vec<ExternalFaultPlan>,
    /// Slots without a block.
    pub missed_slots: Vec<MissedSlotsPlan>,
    /// Times in which finality takes longer.
    pub slow_finality: Vec<SlowFinalityPlan>,
    /// Times in which blocks are nearly full with what others do.
    pub congestion: Vec<CongestionPlan>,
}

/// A fault of external messages: those that `node`'s wallet is to take, while it lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalFaultPlan {
    /// From when.
    pub from_ns: u64,
    /// Until when; for ever if `None`.
    pub to_ns: Option<u64>,
    /// Whose wallet; everybody's if `None`.
    pub node: Option<String>,
    /// What happens to them.
    pub kind: ExternalFaultKind,
}

/// What happens to an external message before a block takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExternalFaultKind {
    /// It never arrives.
    Drop,
    /// It arrives this much later.
    Delay(u64),
    /// It arrives, and again this much later.
    Duplicate(u64),
    /// It arrives just after the next one.
    Swap,
}

/// Slots in which no block is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissedSlotsPlan {
    /// From when.
    pub from_ns: u64,
    /// Until when.
    pub to_ns: u64,
    /// Whose slots.
    pub producer: Producer,
}

/// Who makes blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Producer {
    /// The masterchain.
    Masterchain,
    /// The shards.
    Shards,
    /// Both.
    All,
}

/// A time in which finality takes longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowFinalityPlan {
    /// From when.
    pub from_ns: u64,
    /// Until when.
    pub to_ns: u64,
    /// How much longer.
    pub extra_ns: u64,
}

/// A time in which a block has only this much gas left for what the plan does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CongestionPlan {
    /// From when.
    pub from_ns: u64,
    /// Until when.
    pub to_ns: u64,
    /// Gas of a block.
    pub block_gas: u64,
}

/// What a node is told of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReaderPlan {
    /// Which node.
    pub node: String,
    /// Which state it sees.
    pub view: ViewPlan,
    /// From when a lie is told, and which.
    pub lies: Vec<LiePlan>,
}

/// Which state a provider serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ViewPlan {
    /// The latest.
    Latest,
    /// The last that is final.
    Final,
    /// So many masterchain blocks old.
    Stale(u32),
}

/// A lie about a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiePlan {
    /// About which contract.
    pub about: ContractName,
    /// What is said.
    pub lie: LieKind,
}

/// What a lying provider says of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LieKind {
    /// It does not exist.
    Missing,
    /// It has this balance.
    Balance(u64),
}

/// A contract by whose it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ContractName {
    /// The root contract.
    Root,
    /// The wallet of a node.
    Wallet(String),
    /// The contract of a proxy, at the parameters of the start.
    Proxy(String),
    /// The contract of a client or worker at a proxy, at the parameters of the start.
    Account {
        /// The client or worker.
        holder: String,
        /// The proxy.
        proxy: String,
    },
}

impl std::fmt::Display for ContractName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Root => f.write_str("the root contract"),
            Self::Wallet(node) => write!(f, "the wallet of {node}"),
            Self::Proxy(proxy) => write!(f, "the contract of {proxy}"),
            Self::Account { holder, proxy } => write!(f, "the account of {holder} at {proxy}"),
        }
    }
}

/// What an owner does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationPlan {
    /// When.
    pub at_ns: u64,
    /// What.
    pub operation: Operation,
}

/// Operations of owners. All of them are what the contracts offer; none is an attack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// A client takes out what exceeds its stake.
    Withdraw {
        /// The client.
        client: String,
        /// The proxy where its account is.
        proxy: String,
    },
    /// A client asks for its refund; asked again after the delay, it forces it.
    RequestRefund {
        /// The client.
        client: String,
        /// The proxy where its account is.
        proxy: String,
    },
    /// A client adds to its deposit.
    TopUp {
        /// The client.
        client: String,
        /// The proxy where its account is.
        proxy: String,
        /// How much.
        amount_nanoton: u64,
    },
    /// A proxy's owner begins to close its contract.
    CloseProxy {
        /// The proxy.
        proxy: String,
    },
    /// A proxy's operator wants nobody to be served: connections end, accounts are settled, the contract is closed.
    DisableProxy {
        /// The proxy.
        proxy: String,
    },
    /// A proxy's operator lets it serve under the next parameters.
    EnableProxy {
        /// The proxy.
        proxy: String,
    },
    /// A proxy's owner asks for its share.
    TakeShare {
        /// The proxy.
        proxy: String,
    },
    /// A proxy's owner adds to its stake.
    AddStake {
        /// The proxy.
        proxy: String,
        /// How much.
        amount_nanoton: u64,
    },
    /// The root's owner changes the prices: every address changes with them, and proxies go over to new contracts.
    ChangePrice {
        /// New price of a token.
        price_per_token_nanoton: u64,
        /// New fee of workers.
        worker_fee_per_token_nanoton: u64,
    },
    /// Somebody sends coins to a contract: it pays its storage first, and freezes if it cannot.
    Touch {
        /// Which contract.
        contract: ContractName,
        /// How much.
        amount_nanoton: u64,
    },
}

impl Operation {
    /// Its name in tables.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Withdraw { .. } => "withdraw",
            Self::RequestRefund { .. } => "request_refund",
            Self::TopUp { .. } => "top_up",
            Self::CloseProxy { .. } => "close_proxy",
            Self::DisableProxy { .. } => "disable_proxy",
            Self::EnableProxy { .. } => "enable_proxy",
            Self::TakeShare { .. } => "take_share",
            Self::AddStake { .. } => "add_stake",
            Self::ChangePrice { .. } => "change_price",
            Self::Touch { .. } => "touch",
        }
    }
}

/// An adversary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttackPlan {
    /// When it begins.
    pub at_ns: u64,
    /// What it does.
    pub threat: Threat,
}

/// Threats to coins on the chain (spec §10.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Threat {
    /// T1: a client is paid back a top-up at a closing proxy, and withdraws it again.
    TopUpWhileClosing,
    /// T2: the owner of a closing proxy takes the deposits that are left.
    CloseSweep,
    /// T3: a forced refund pays nothing, because the proxy has no stake.
    RefundWithoutStake,
    /// T4: a payout that the proxy contract refuses is lost to the worker.
    LostClaim,
    /// T5: a client uses more than its balance, and others' deposits pay the worker.
    ChargeBeyondBalance,
    /// T6: whoever submits a signed refund names where the contract's coins go.
    RedirectedExcesses,
    /// T7: an observer submits a signed payment first, and its owner's submission fails.
    FrontRunning,
    /// T8: an order whose action fails is accepted again and again.
    ReplayedOrder,
    /// T9: whoever has a proxy's key pays itself from the pool.
    StolenKey,
}

impl Threat {
    /// All of them, in order.
    pub const ALL: [Self; 9] = [
        Self::TopUpWhileClosing,
        Self::CloseSweep,
        Self::RefundWithoutStake,
        Self::LostClaim,
        Self::ChargeBeyondBalance,
        Self::RedirectedExcesses,
        Self::FrontRunning,
        Self::ReplayedOrder,
        Self::StolenKey,
    ];

    /// Its name in scenarios and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TopUpWhileClosing => "t1-top-up-while-closing",
            Self::CloseSweep => "t2-close-sweep",
            Self::RefundWithoutStake => "t3-refund-without-stake",
            Self::LostClaim => "t4-lost-claim",
            Self::ChargeBeyondBalance => "t5-charge-beyond-balance",
            Self::RedirectedExcesses => "t6-redirected-excesses",
            Self::FrontRunning => "t7-front-running",
            Self::ReplayedOrder => "t8-replayed-order",
            Self::StolenKey => "t9-stolen-key",
        }
    }
}

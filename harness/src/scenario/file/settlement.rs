//! The section `settlement`: a simulated chain with the contracts on it, as it is written.

use chrysalis_world::plan::{FeePlan, Moment, Producer, Threat};
use schemars::JsonSchema;
use serde::Deserialize;

use super::super::located::{At, Key, Text};
use super::super::scalar::{
    AttackBound, Choice, Coins, Count, Distribution, Duration, Factor, FaultWord, Line, Name, OperationName, ViewWord,
};
use super::{List, RequestsFile};

/// A simulated chain with the contracts on it. Without this section accounts are a list that never changes.
///
/// `chrysalis run --profile reference` and `--profile hardened` choose the contracts.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SettlementFile {
    /// Folder with codes to use instead of the project's: root.boc, proxy.boc, client.boc, worker.boc, wallet.boc, all or
    /// some. A relative path begins at the folder of this file. `chrysalis run --contracts DIR` goes before it.
    pub contracts: Key<Text<Line>>,
    /// Prices of the chain at the start: old (until April 2026) or new (since then). Default: new.
    pub fees: Key<Text<Choice<FeePlan>>>,
    /// Coins of each node's wallet at the start. Default: 100 TON.
    pub wallet: Key<Text<Coins>>,
    /// Coins of each owner's wallet at the start. Default: 1000 TON.
    pub owner_wallet: Key<Text<Coins>>,
    /// Time of a question to the chain and its answer. Default: 100ms.
    pub access: Key<Text<Duration>>,
    /// A client is charged on chain when it owes this much. Default: 1 TON.
    pub charge_threshold: Key<Text<Coins>>,
    /// A worker is paid by its proxy when it is owed this much. Default: 10 TON.
    pub payout_threshold: Key<Text<Coins>>,
    /// From the closing of a proxy to the moment when it may be completed, in whole seconds. Default: 1d.
    pub proxy_delay: Key<Text<Duration>>,
    /// From a client's request for its refund to the moment when it may force it, in whole seconds. Default: 12h.
    pub client_delay: Key<Text<Duration>>,
    /// Stake of a proxy that the root contract asks for; no contract enforces it. Default: 1 TON.
    pub proxy_stake: Key<Text<Coins>>,
    /// Votes that change the chain's prices.
    pub fee_changes: Key<Vec<At<FeeChangeFile>>>,
    /// What goes wrong on the chain.
    pub faults: Key<ChainFaultsFile>,
    /// Nodes that do not see the latest state; every other node does.
    pub readers: Key<Vec<At<ReaderFile>>>,
    /// What owners do.
    pub operations: Key<Vec<At<OperationFile>>>,
    /// Adversaries, each with accounts of its own. `expect` must say for each profile whether attacks are seen to work.
    pub attacks: Key<Vec<At<AttackFile>>>,
}

/// A vote that changes the chain's prices. What is not said is as in the price list.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["at"]))]
pub struct FeeChangeFile {
    /// From when.
    pub at: Key<Text<Duration>>,
    /// Which price list: old or new. Default: new.
    pub fees: Key<Text<Choice<FeePlan>>>,
    /// Factor on gas and forwarding prices. Default: 1.
    pub factor: Key<Text<Factor<1_000>>>,
    /// Whole factor on the price of storage. Default: 1.
    pub storage_factor: Key<Text<Count>>,
}

/// What goes wrong on the chain.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ChainFaultsFile {
    /// External messages that are lost, late, doubled or out of order.
    pub externals: Key<Vec<At<ExternalFile>>>,
    /// Times in which no blocks are made.
    pub missed_slots: Key<Vec<At<MissedSlotsFile>>>,
    /// Times in which finality takes longer.
    pub slow_finality: Key<Vec<At<SlowFinalityFile>>>,
    /// Times in which blocks are nearly full with what others do.
    pub congestion: Key<Vec<At<CongestionFile>>>,
}

/// A fault of external messages.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["from", "fault"]))]
pub struct ExternalFile {
    /// From when.
    pub from: Key<Text<Duration>>,
    /// Until when. Default: for ever.
    pub to: Key<Text<Duration>>,
    /// Only messages to this node's wallet. Default: all.
    pub node: Key<Text<Name>>,
    /// What happens to them: drop, delay, duplicate, or swap with the next one.
    pub fault: Key<Text<Choice<FaultWord>>>,
    /// How much later, with `delay` and `duplicate`.
    pub by: Key<Text<Duration>>,
}

/// A time in which no blocks are made.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["from", "to"]))]
pub struct MissedSlotsFile {
    /// From when.
    pub from: Key<Text<Duration>>,
    /// Until when.
    pub to: Key<Text<Duration>>,
    /// Whose blocks: masterchain, shards, all. Default: all.
    pub producer: Key<Text<Choice<Producer>>>,
}

/// A time in which finality takes longer.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["from", "to", "extra"]))]
pub struct SlowFinalityFile {
    /// From when.
    pub from: Key<Text<Duration>>,
    /// Until when.
    pub to: Key<Text<Duration>>,
    /// How much longer.
    pub extra: Key<Text<Duration>>,
}

/// A time in which blocks are nearly full with what others do.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["from", "to", "block_gas"]))]
pub struct CongestionFile {
    /// From when.
    pub from: Key<Text<Duration>>,
    /// Until when.
    pub to: Key<Text<Duration>>,
    /// Gas that a block has left for the scenario; the largest single operation takes about 20,000.
    pub block_gas: Key<Text<Count>>,
}

/// What a node is told of the chain.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["node"]))]
pub struct ReaderFile {
    /// Which node.
    pub node: Key<Text<Name>>,
    /// Which state it sees: latest, final (the last that cannot change), stale. Default: latest.
    pub view: Key<Text<Choice<ViewWord>>>,
    /// How many masterchain blocks old, with `stale`: 1 to 7.
    pub blocks: Key<Text<Count>>,
    /// What it is told that is not so.
    pub lies: Key<Vec<At<LieFile>>>,
}

/// A lie about a contract.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["about"]))]
pub struct LieFile {
    /// About which contract.
    pub about: Key<ContractFile>,
    /// That it has this balance. Default: that it does not exist.
    pub balance: Key<Text<Coins>>,
}

/// A contract by whose it is: `{}` is the root contract, `{ wallet: NODE }` a node's wallet, `{ proxy: NODE }` the contract
/// of a proxy, `{ account: NODE, proxy: NODE }` that of a client or worker at a proxy.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ContractFile {
    /// A node, for its wallet.
    pub wallet: Key<Text<Name>>,
    /// A client or worker, for its account at `proxy`.
    pub account: Key<Text<Name>>,
    /// A proxy.
    pub proxy: Key<Text<Name>>,
}

/// What an owner does: a time and exactly one operation.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["at"], "minProperties" = 2, "maxProperties" = 2))]
pub struct OperationFile {
    /// When; a span is drawn from the seed.
    pub at: Key<Text<Distribution<Duration>>>,
    /// A client takes out what exceeds its stake.
    pub withdraw: Key<AccountFile>,
    /// A client asks for its refund; asked again after the client's delay, it forces it.
    pub request_refund: Key<AccountFile>,
    /// A client adds to its deposit.
    pub top_up: Key<AmountFile>,
    /// A proxy's owner begins to close its contract.
    pub close_proxy: Key<OwnedFile>,
    /// A proxy's operator wants nobody to be served: connections end, accounts are settled, the contract is closed. This lasts
    /// until the proxy is enabled and the root's owner changes the prices.
    pub disable_proxy: Key<OwnedFile>,
    /// A proxy's operator lets it serve as soon as the root's owner changes the prices.
    pub enable_proxy: Key<OwnedFile>,
    /// A proxy's owner asks for its share.
    pub take_share: Key<OwnedFile>,
    /// A proxy's owner adds to its stake.
    pub add_stake: Key<StakeFile>,
    /// The root's owner changes the prices: all addresses change, and proxies go over to new contracts.
    pub change_price: Key<PriceFile>,
    /// Somebody sends coins to a contract: it pays its storage first, and freezes if it cannot.
    pub touch: Key<TouchFile>,
}

/// A client's account at a proxy.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["client", "proxy"]))]
pub struct AccountFile {
    /// The client.
    pub client: Key<Text<Name>>,
    /// The proxy.
    pub proxy: Key<Text<Name>>,
}

/// Coins for a client's account at a proxy.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["client", "proxy", "amount"]))]
pub struct AmountFile {
    /// The client.
    pub client: Key<Text<Name>>,
    /// The proxy.
    pub proxy: Key<Text<Name>>,
    /// How much.
    pub amount: Key<Text<Coins>>,
}

/// A proxy's contract.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["proxy"]))]
pub struct OwnedFile {
    /// The proxy.
    pub proxy: Key<Text<Name>>,
}

/// Coins for a proxy's stake.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["proxy", "amount"]))]
pub struct StakeFile {
    /// The proxy.
    pub proxy: Key<Text<Name>>,
    /// How much.
    pub amount: Key<Text<Coins>>,
}

/// New prices of the root contract.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["price_per_token", "worker_fee_per_token"]))]
pub struct PriceFile {
    /// What a client pays for an adjusted token.
    pub price_per_token: Key<Text<Coins>>,
    /// The part of it that the worker gets.
    pub worker_fee_per_token: Key<Text<Coins>>,
}

/// Coins for a contract.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["contract", "amount"]))]
pub struct TouchFile {
    /// Which contract.
    pub contract: Key<ContractFile>,
    /// How much.
    pub amount: Key<Text<Coins>>,
}

/// An adversary.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["at", "threat"]))]
pub struct AttackFile {
    /// When it begins; a span is drawn from the seed.
    pub at: Key<Text<Distribution<Duration>>>,
    /// What it does.
    pub threat: Key<Text<Choice<Threat>>>,
}

/// A proxy comes back with the files that its disk held at an earlier time.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["node", "copied_at", "restart_after"]))]
pub struct OldDiskFile {
    /// Which node.
    pub node: Key<Text<Name>>,
    /// When the copy was made that comes back.
    pub copied_at: Key<Text<Duration>>,
    /// Starts again after this long.
    pub restart_after: Key<Text<Distribution<Duration>>>,
}

/// The process dies as soon as something happens, from the time of the fault on.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["node", "moment", "restart_after"]))]
pub struct KillAtFile {
    /// Which proxy.
    pub node: Key<Text<Name>>,
    /// What must happen: signed (it has signed for more than before) or committed (a commit of its ledger is on the chain, and
    /// it has not seen it).
    pub moment: Key<Text<Choice<Moment>>>,
    /// Starts again after this long.
    pub restart_after: Key<Text<Distribution<Duration>>>,
}

/// What must hold in one profile only.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProfileExpectFile {
    /// Built-in properties that must hold.
    pub properties: List<Name>,
    /// Built-in properties that must be seen not to hold: a weak point that shows.
    pub violated: List<Name>,
    /// Bounds on how requests ended.
    pub requests: Key<RequestsFile>,
    /// What becomes of the attacks: seen (each must be seen to work) or never (none may work, and each must come to its end).
    pub attacks: Key<Text<Choice<AttackBound>>>,
    /// Nodes that must end by themselves.
    pub stops: List<Name>,
}

/// An operation that contracts must have carried out.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["operation", "at_least"]))]
pub struct DoneFile {
    /// Its name, such as `ext_client_top_up`.
    pub operation: Key<Text<OperationName>>,
    /// How often.
    pub at_least: Key<Text<Count>>,
}

//! What can happen, and how it is drawn.

use proptest::{collection, prelude::*};

/// Client contracts of the machine; the last one is not deployed at the beginning.
pub const CLIENTS: usize = 3;
/// Worker contracts of the machine; the last one is not deployed at the beginning.
pub const WORKERS: usize = 2;
/// Largest number of slots between two steps.
const SLOTS_MAX: u8 = 6;
/// One coin in nano.
const COIN: u64 = 1_000_000_000;

/// Who sends a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The owner of the contract that it is for.
    Owner,
    /// The node of the proxy, which submits what it signed.
    Submitter,
    /// Somebody else.
    Stranger,
}

/// What a party does. Numbers of clients and workers are taken modulo how many there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Deploys a contract that is not there yet: clients first, then workers.
    Deploy(u8),
    /// Coins for a client's balance.
    TopUp {
        /// Whose.
        client: u8,
        /// How much.
        nanoton: u64,
        /// From whom.
        by: Who,
    },
    /// The proxy signs more tokens and somebody submits it.
    Charge {
        /// Whose.
        client: u8,
        /// Tokens more than signed before.
        tokens: u64,
        /// Who submits.
        by: Who,
    },
    /// The last charge once more.
    ChargeAgain {
        /// Whose.
        client: u8,
        /// Who submits.
        by: Who,
    },
    /// What exceeds the stake.
    Withdraw {
        /// Whose.
        client: u8,
        /// Who asks.
        by: Who,
    },
    /// A larger stake.
    IncreaseStake {
        /// Whose.
        client: u8,
        /// To how much.
        nanoton: u64,
    },
    /// Another secret.
    ChangeSecret {
        /// Whose.
        client: u8,
        /// Who asks.
        by: Who,
    },
    /// A nonce for the proxy's node.
    Register {
        /// Whose.
        client: u8,
    },
    /// Starts to close, or forces the refund.
    RequestRefund {
        /// Whose.
        client: u8,
        /// Who asks.
        by: Who,
    },
    /// The proxy signs the end of an account.
    GrantRefund {
        /// Whose.
        client: u8,
        /// Tokens more than signed before.
        tokens: u64,
        /// Who submits.
        by: Who,
    },
    /// The last grant once more.
    GrantAgain {
        /// Whose.
        client: u8,
        /// Who submits.
        by: Who,
    },
    /// The proxy signs what a worker earned: as much as clients were charged, or, by the thief of a key, anything.
    Payout {
        /// Whose.
        worker: u8,
        /// Tokens more than signed before.
        tokens: u64,
        /// Whether it ends the account.
        last: bool,
        /// Who submits.
        by: Who,
    },
    /// The last payout once more.
    PayoutAgain {
        /// Whose.
        worker: u8,
        /// Who submits.
        by: Who,
    },
    /// Announces a worker.
    RegisterWorker {
        /// Whose.
        worker: u8,
    },
    /// The proxy's share to its owner.
    ProxyPayout,
    /// The same by text.
    ProxyTextWithdraw {
        /// Who asks.
        by: Who,
    },
    /// More stake.
    ProxyStake {
        /// How much more.
        nanoton: u64,
    },
    /// The proxy's owner starts to close.
    ProxyOwnerClose {
        /// Who asks.
        by: Who,
    },
    /// The proxy's key starts to close, or closes.
    ProxyClose {
        /// Whether it is the second step.
        complete: bool,
        /// Who submits.
        by: Who,
    },
    /// A message as if from a client contract that asks for coins, from a stranger.
    ForgedRefund {
        /// As whose.
        client: u8,
    },
    /// A message as if from a worker contract that asks for coins, from a stranger.
    ForgedPayout {
        /// As whose.
        worker: u8,
    },
    /// A charge or payout signed by another key.
    ForgedSignature {
        /// Whose; clients first, then workers.
        account: u8,
    },
    /// A message with too few coins for its work.
    Poor {
        /// For whom; clients first, then workers, then the proxy.
        account: u8,
    },
    /// An order of the node wallet.
    WalletOrder {
        /// More coins than the wallet has.
        too_much: bool,
        /// A send mode that a chain refuses.
        bad_mode: bool,
    },
    /// The last order of the node wallet once more.
    WalletAgain,
    /// Time goes on.
    Wait {
        /// Slots.
        slots: u8,
    },
}

/// What becomes of a message before it reaches the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It arrives.
    Once,
    /// It is lost.
    Lost,
    /// It arrives twice.
    Twice,
    /// It arrives after the next one.
    AfterNext,
    /// It arrives later.
    Late {
        /// By so many slots.
        slots: u8,
    },
}

/// An action, what becomes of its message, and how much time passes after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The action.
    pub action: Action,
    /// What becomes of its message.
    pub delivery: Delivery,
    /// Slots until the next step; with none the messages meet.
    pub slots: u8,
}

/// What happens in one life of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Shards at the beginning: two to the power of this.
    pub shard_depth: u8,
    /// Steps in order.
    pub steps: Vec<Step>,
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![4 => Just(Who::Owner), 3 => Just(Who::Submitter), 2 => Just(Who::Stranger)]
}

/// Mostly whole coins, sometimes odd amounts.
fn nanoton() -> impl Strategy<Value = u64> {
    prop_oneof![4 => (0..40_u64).prop_map(|coins| coins * COIN), 1 => 0..50 * COIN]
}

/// Tokens of one signature: at 20 nanoTON each they are worth up to 20 coins.
fn tokens() -> impl Strategy<Value = u64> {
    prop_oneof![1 => Just(0_u64), 4 => 1..200_000_000_u64, 3 => 200_000_000..1_000_000_000_u64]
}

fn any_client() -> impl Strategy<Value = u8> {
    0..CLIENTS as u8
}

fn any_worker() -> impl Strategy<Value = u8> {
    0..WORKERS as u8
}

fn of_clients() -> impl Strategy<Value = Action> {
    prop_oneof![
        8 => (any_client(), nanoton(), who()).prop_map(|(client, nanoton, by)| Action::TopUp { client, nanoton, by }),
        8 => (any_client(), tokens(), who()).prop_map(|(client, tokens, by)| Action::Charge { client, tokens, by }),
        2 => (any_client(), who()).prop_map(|(client, by)| Action::ChargeAgain { client, by }),
        4 => (any_client(), who()).prop_map(|(client, by)| Action::Withdraw { client, by }),
        1 => (any_client(), nanoton()).prop_map(|(client, nanoton)| Action::IncreaseStake { client, nanoton }),
        1 => (any_client(), who()).prop_map(|(client, by)| Action::ChangeSecret { client, by }),
        1 => any_client().prop_map(|client| Action::Register { client }),
        3 => (any_client(), who()).prop_map(|(client, by)| Action::RequestRefund { client, by }),
        2 => (any_client(), tokens(), who()).prop_map(|(client, tokens, by)| Action::GrantRefund { client, tokens, by }),
        1 => (any_client(), who()).prop_map(|(client, by)| Action::GrantAgain { client, by }),
    ]
}

fn of_others() -> impl Strategy<Value = Action> {
    prop_oneof![
        8 => (any_worker(), tokens(), prop::bool::weighted(0.1), who())
            .prop_map(|(worker, tokens, last, by)| Action::Payout { worker, tokens, last, by }),
        2 => (any_worker(), who()).prop_map(|(worker, by)| Action::PayoutAgain { worker, by }),
        1 => any_worker().prop_map(|worker| Action::RegisterWorker { worker }),
        2 => Just(Action::ProxyPayout),
        1 => who().prop_map(|by| Action::ProxyTextWithdraw { by }),
        1 => nanoton().prop_map(|nanoton| Action::ProxyStake { nanoton }),
        1 => who().prop_map(|by| Action::ProxyOwnerClose { by }),
        2 => (any::<bool>(), who()).prop_map(|(complete, by)| Action::ProxyClose { complete, by }),
        1 => any_client().prop_map(|client| Action::ForgedRefund { client }),
        1 => any_worker().prop_map(|worker| Action::ForgedPayout { worker }),
        1 => (0..(CLIENTS + WORKERS) as u8).prop_map(|account| Action::ForgedSignature { account }),
        1 => (0..=(CLIENTS + WORKERS) as u8).prop_map(|account| Action::Poor { account }),
        2 => (any::<bool>(), prop::bool::weighted(0.2))
            .prop_map(|(too_much, bad_mode)| Action::WalletOrder { too_much, bad_mode }),
        1 => Just(Action::WalletAgain),
        1 => (0..2_u8).prop_map(Action::Deploy),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        12 => of_clients(),
        10 => of_others(),
        2 => (1..40_u8).prop_map(|slots| Action::Wait { slots }),
    ]
}

fn delivery() -> impl Strategy<Value = Delivery> {
    prop_oneof![
        16 => Just(Delivery::Once),
        1 => Just(Delivery::Lost),
        2 => Just(Delivery::Twice),
        1 => Just(Delivery::AfterNext),
        1 => (1..20_u8).prop_map(|slots| Delivery::Late { slots }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    (action(), delivery(), prop_oneof![1 => Just(0), 2 => 1..=SLOTS_MAX]).prop_map(|(action, delivery, slots)| Step {
        action,
        delivery,
        slots,
    })
}

/// Plans with up to `steps_max` steps.
pub fn plans(steps_max: usize) -> impl Strategy<Value = Plan> {
    let steps = collection::vec(step(), 1..=steps_max.max(1));
    (0..3_u8, steps).prop_map(|(shard_depth, steps)| Plan { shard_depth, steps })
}

//! Each deviation from the reference as a named choice; the default is the sound one.

use crate::reservation::ReservationRule;

const NANOTON_PER_TON: u128 = 1_000_000_000;

/// What a completed request is charged (§5.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CompletionRule {
    /// The worker's total as it is: any sign, any size, whatever its parts say (T14, T15).
    Reference,
    /// The worker's total if its classes are not negative and add up to it, and at most the reservation; a report
    /// that does not add up is charged nothing.
    #[default]
    Sound,
}

/// What a failed or timed-out request is charged (§5.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureRule {
    /// Nothing, although parts may have been delivered (T12). The reference.
    BookNothing,
    /// What was delivered, at most the reservation.
    #[default]
    BookDelivered,
}

/// What happens when a contract's count is above the ledger's (§4.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChainAheadRule {
    /// An error at which the reference process terminates (T15, T20).
    Abort,
    /// The ledger takes the chain's count: only the proxy's key can have raised it, so those tokens were used.
    #[default]
    Adopt,
}

/// Which count a proxy charges a client for (§5.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChargeRule {
    /// The current count, also if a crash could still undo it (T20). The reference.
    TokensMax,
    /// The count that database and chain already follow.
    #[default]
    Committed,
}

/// What happens to tokens that a client's deposit does not cover.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CoverRule {
    /// They are charged all the same; contracts of revision A forget what the deposit does not cover (T5). The
    /// reference.
    Everything,
    /// A charge is signed for what the deposit covers; the rest stays due.
    #[default]
    WithinBalance,
}

/// How often a closing client is refunded (§5.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefundRule {
    /// Again on each tick until the contract is seen closed (T27a). The reference.
    Repeat,
    /// Once, unless it failed.
    #[default]
    Once,
}

/// How a proxy keeps its accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LedgerPolicy {
    /// Whether a reservation may be negative; also how the caller computes it.
    pub reservation: ReservationRule,
    /// Charge of a completed request.
    pub completion: CompletionRule,
    /// Charge of a failed request.
    pub failure: FailureRule,
    /// A contract's count above the ledger's.
    pub chain_ahead: ChainAheadRule,
    /// Which count a client is charged for.
    pub charge: ChargeRule,
    /// What a client's deposit does not cover.
    pub cover: CoverRule,
    /// How often a closing client is refunded.
    pub refund: RefundRule,
    /// A client is charged when it owes at least this (§5.4: 1 TON).
    pub charge_threshold_nanoton: u128,
    /// A worker is paid when it is owed at least this (§5.4: 10 TON).
    pub payout_threshold_nanoton: u128,
}

impl LedgerPolicy {
    /// The sound choices.
    pub const SOUND: Self = Self {
        reservation: ReservationRule::Sound,
        completion: CompletionRule::Sound,
        failure: FailureRule::BookDelivered,
        chain_ahead: ChainAheadRule::Adopt,
        charge: ChargeRule::Committed,
        cover: CoverRule::WithinBalance,
        refund: RefundRule::Once,
        charge_threshold_nanoton: NANOTON_PER_TON,
        payout_threshold_nanoton: 10 * NANOTON_PER_TON,
    };

    /// The reference's choices.
    pub const REFERENCE: Self = Self {
        reservation: ReservationRule::Reference,
        completion: CompletionRule::Reference,
        failure: FailureRule::BookNothing,
        chain_ahead: ChainAheadRule::Abort,
        charge: ChargeRule::TokensMax,
        cover: CoverRule::Everything,
        refund: RefundRule::Repeat,
        ..Self::SOUND
    };
}

impl Default for LedgerPolicy {
    fn default() -> Self {
        Self::SOUND
    }
}

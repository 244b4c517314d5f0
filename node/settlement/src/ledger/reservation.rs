//! Reservations, charges, and how requests end (§5.2, §5.3).

use crate::{address::Address, usage::UsageError};

/// Tokens that a running request may use. Made by [`ClientAccount::reserve`](super::ClientAccount::reserve), and
/// consumed by exactly one of `complete`, `fail` and `release` of the same account. It cannot be copied, so it cannot
/// be given back twice; dropping it instead leaks the tokens, as the reference does with a dead connection (T26).
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a dropped reservation stays reserved for ever"]
pub struct Reservation {
    pub(super) contract: Address,
    pub(super) tokens: i64,
}

impl Reservation {
    /// Reserved tokens; negative only under the reference's rule (T11).
    pub const fn tokens(&self) -> i64 {
        self.tokens
    }
}

/// Tokens that a client was charged and that one worker books
/// ([`WorkerAccount::book`](super::WorkerAccount::book)). Cannot be copied: the sums over workers and over clients
/// stay equal, which no contract checks (§6.9).
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a charge that no worker books was paid for nothing"]
pub struct Charge {
    pub(super) tokens: i64,
}

impl Charge {
    /// Charged tokens; negative only under the reference's rule (T15).
    pub const fn tokens(&self) -> i64 {
        self.tokens
    }
}

/// What the ledger thinks of how a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Charged what was reported.
    AsReported,
    /// More was reported or delivered than was reserved: charged the reservation (T10, T14).
    Overrun {
        /// As reported or delivered.
        claimed_tokens: u64,
        /// Charged.
        reserved_tokens: u64,
    },
    /// The worker's report does not add up: charged nothing (T14, T15).
    Refused(UsageError),
    /// The request failed and what was delivered is charged.
    Delivered,
    /// The request failed and nothing is charged.
    NothingBooked,
}

/// How a request ended: what was charged, and why.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the charge belongs to a worker"]
pub struct Completion {
    /// For the worker's account.
    pub charge: Charge,
    /// For statistics, and for what is thought of the worker.
    pub verdict: Verdict,
}

//! Accounts of clients and workers at a proxy (§4.4, §5.2 to §5.4): who may use how much, who used what, and what of
//! it is durable enough to sign.
//!
//! A request takes a [`Reservation`], gives it back with one of three endings, and an ending with usage yields a
//! [`Charge`] that one worker books. Neither can be copied, so neither can be released or booked twice, and the tokens
//! that workers are credited are those that clients are charged.
//!
//! Nothing here aborts. Where the reference process would, the caller gets an error for which
//! [`LedgerError::reference_aborts`] is true, so that a scenario under the reference's policy can let the node die.
//!
//! | module | holds |
//! |---|---|
//! | [`policy`] | each deviation from the reference, by name |
//! | [`tokens`] | count of tokens and how far database and chain have followed |
//! | [`reservation`] | reservations, charges, endings of requests |
//! | [`client`] | a client's account |
//! | [`worker`] | a worker's account |
//! | [`due`] | the contract actions that are due over all accounts |

pub mod client;
pub mod due;
pub mod policy;
mod progress;
pub mod reservation;
pub mod tokens;
pub mod worker;

pub use client::{ClientAccount, ClientAction, ClientChainState, ClientRecord, ClientStatus, ReserveError};
pub use due::{DueAction, begin_due_actions};
pub use policy::{ChainAheadRule, ChargeRule, CompletionRule, CoverRule, FailureRule, LedgerPolicy, RefundRule};
pub use progress::ActionOutcome;
pub use reservation::{Charge, Completion, Reservation, Verdict};
pub use tokens::{DbSnapshot, TokenLedger};
pub use worker::{WorkerAccount, WorkerAction, WorkerRecord};

/// What an update from the chain did to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateOutcome {
    /// Taken over.
    Applied,
    /// Older than what is known: ignored as a whole (§4.4).
    Stale,
    /// The chain knew of more tokens than this ledger, which took the chain's count
    /// ([`ChainAheadRule::Adopt`]). Worth an alarm: a database was lost or a key is used elsewhere.
    Adopted {
        /// The ledger's count before.
        from_tokens: i64,
        /// The chain's count.
        to_tokens: i64,
    },
}

/// What a ledger refuses to do. Accounts are unchanged after an error.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// More is given back than is reserved: the reference reserved negative numbers (T29).
    #[error("{released} tokens given back while {reserved} are reserved")]
    ReservedBelowZero {
        /// Reserved tokens of the account.
        reserved: i64,
        /// Tokens of the reservation.
        released: i64,
    },
    /// A reservation of another account, also of the same client's account under older parameters.
    #[error("a reservation of another account")]
    ForeignReservation {
        /// Given back to the caller, who can take it to its account.
        reservation: Reservation,
    },
    /// A commit to the database under a sequence number that is not larger than an earlier one's (§4.4).
    #[error("sequence number {seqno} does not follow {last_seqno}")]
    SeqnoNotIncreasing {
        /// The refused number.
        seqno: u32,
        /// The largest number seen.
        last_seqno: u32,
    },
    /// The chain knows of more tokens than the ledger (T15, T20), under [`ChainAheadRule::Abort`].
    #[error("the chain has {chain_tokens} tokens, the ledger only {own_tokens}")]
    ChainAhead {
        /// Count in the contract.
        chain_tokens: u64,
        /// Count of the ledger.
        own_tokens: i64,
    },
}

impl LedgerError {
    /// Whether the reference process terminates at this point (§4.4, T15, T20, T29).
    pub const fn reference_aborts(&self) -> bool {
        match self {
            Self::ReservedBelowZero { .. } | Self::SeqnoNotIncreasing { .. } | Self::ChainAhead { .. } => true,
            Self::ForeignReservation { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests;

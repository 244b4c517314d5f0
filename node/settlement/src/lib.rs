//! What a token costs, who has used how many, and the signatures that move coins for them. No I/O: every function
//! here is a function of its arguments, so the same code runs in a daemon, in a simulated world and in a test.
//!
//! Section numbers in the documentation of this crate are those of the reference protocol's specification. Where the
//! reference is unsound, the sound behaviour is the default and the reference's is a named variant of a policy
//! ([`ReservationRule`], [`ledger::LedgerPolicy`]), so that a scenario can run both and compare.
//!
//! | module | holds |
//! |---|---|
//! | [`pricing`] | multipliers, prices, the adjustment of token counts (the one place with floating point) |
//! | [`usage`] | token counts of one request: raw, adjusted, and as reported by an untrusted worker |
//! | [`reservation`] | how many tokens a request must be able to pay before it starts |
//! | [`ledger`] | accounts of clients and workers at a proxy, reservations, commits, charges |
//! | [`receipts`] | what a client or a worker remembers of the payments it was given |
//! | [`boc`] | bags of cells from outside, limits first |
//! | [`keys`] | Ed25519 |
//! | [`hash`] | SHA-256 |
//! | [`address`] | account addresses and their text forms |
//! | [`params`] | the parameters cell that every contract commits to |
//! | [`contracts`] | contract codes, initial data, derived addresses |
//! | [`payment`] | signed payments: build, parse, verify |
//! | [`onchain`] | messages and stored data of the contracts, the wallet, who sends what when |
//! | [`root_config`] | the configuration that everybody reads from the root contract |

pub mod address;
pub mod boc;
mod cells;
pub mod contracts;
pub mod hash;
pub mod keys;
pub mod ledger;
pub mod onchain;
pub mod params;
pub mod payment;
pub mod pricing;
pub mod receipts;
pub mod reservation;
pub mod root_config;
pub mod usage;

pub use address::{Address, AddressError, Network};
pub use contracts::{ContractCodes, ContractInit};
pub use hash::{Hash256, sha256};
pub use keys::{PublicKey, Signature, SigningKey};
pub use params::Params;
pub use payment::{PaymentError, PaymentKind, SignedPayment, VerifiedPayment};
pub use pricing::{Prices, TokenMultipliers, adjust};
pub use reservation::{ReservationError, ReservationRequest, ReservationRule};
pub use root_config::{RootConfig, RootSource, StaticRoot, base_name, model_hash};
pub use tycho_types::cell::Cell;
pub use usage::{AdjustedUsage, ReportedUsage, UsageError, UsageTokens};

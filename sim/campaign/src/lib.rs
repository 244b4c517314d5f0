//! State machines over the settlement contracts on a simulated chain.
//!
//! Parties act at random: top up, charge, pay out, withdraw, close, force a refund, sign what nobody owes. Their
//! messages are lost, doubled, late and out of order, and contracts stand in different shards. A block holds one
//! transaction of an account at most, so that everything the network promises (`cocoon-spec.md` §6.9) is looked at
//! after every single transaction.
//!
//! With the contracts of profile `hardened` nothing may be found; with those of `reference` each of the attacks T1 to
//! T9 has to be, or the machine proves nothing.
//!
//! | module | holds |
//! |---|---|
//! | [`step`] | what can happen, and how it is drawn |
//! | [`finding`] | what must not be seen |
//! | [`cast`] | parties, contracts, the chain they begin on |
//! | [`machine`] | carries out a plan, block by block |
//! | `view` | stored data of the contracts, before and after a transaction |
//! | `book` | what every party put in, owes and got |
//! | `watch` | one transaction against the rules |
//! | [`campaign`] | many plans; the first that finds something, made smaller |

mod book;
pub mod campaign;
pub mod cast;
pub mod finding;
pub mod machine;
pub mod step;
mod view;
mod watch;

pub use campaign::{Campaign, Discovery, Report};
pub use cast::{Contracts, Scene};
pub use finding::{Finding, Kind};
pub use machine::{Outcome, run};
pub use step::{Action, Delivery, Plan, Step, Who};
pub use watch::Exercised;

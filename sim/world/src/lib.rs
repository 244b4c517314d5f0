//! Puts a plan together: nodes, network, TEEs, workload, faults; runs it and says what happened.
//!
//! | module | holds |
//! |---|---|
//! | [`plan`] | everything that one run does, as plain data |
//! | [`run`](mod@run) | running a plan in a simulated world |
//! | [`live`] | running a plan on loopback sockets, and keeping a network up |
//! | [`tunnel`](mod@tunnel) | through a node's proof of work, for ordinary TLS tools |
//! | `chain` | the simulated chain in the world's time, and how nodes reach it |
//! | [`chain_server`] | a simulated chain behind HTTP, in time that goes on by itself |
//! | `deployment` | what all nodes of a plan agree on: root configuration, accounts, identities |
//! | [`user_contracts`] | contract codes that users bring |
//! | `script` | what owners and adversaries do on the chain |
//! | [`adversary`] | adversaries against attestation |
//! | `key_manager` | nodes that ask for keys which are not for them |
//! | `moments` | moments of a proxy's work that faults wait for |
//! | `users` | who sends requests, and what comes back |
//! | `faults` | faults as small steps |
//! | [`recorder`] | what nodes and network report, as rows |
//! | [`properties`] | what must hold, and how it is judged |
//! | [`outcome`] | requests, rows, verdicts, digests |

pub mod adversary;
mod chain;
pub mod chain_server;
mod deployment;
mod faults;
mod key_manager;
pub mod live;
mod moments;
pub mod outcome;
pub mod plan;
pub mod properties;
pub mod recorder;
pub mod run;
mod script;
pub mod tunnel;
pub mod user_contracts;
mod users;

pub use chrysalis_sim::{EngineKind, MADSIM_AVAILABLE};
pub use deployment::{Account, AccountKind, DeployError, Party, Workshop};
pub use outcome::{Outcome, RunStats};
pub use recorder::Detail;
pub use run::{RunError, RunOptions, run};
pub use users::RequestRecord;

//! One transaction at a time: TON's rules over the pure Rust virtual machine.
//!
//! | module | holds |
//! |---|---|
//! | [`fees`] | prices of the network before and after April 2026, multiplier for congestion |
//! | [`config`] | configuration from numbers or from a bag of cells |
//! | [`transaction`] | the phases of a transaction in TON's order; which difference is answered where |
//! | [`outcome`] | a transaction with its numbers, or why there is none |
//! | `actions` | rules of single protocol versions on the list of actions |
//! | [`storage_dict`] | hash of the storage dictionary of larger accounts |
//! | [`getter`] | get-methods |
//! | [`opcodes`] | which instructions of a code cannot be trusted to run here |

mod actions;
pub mod config;
pub mod fees;
pub mod getter;
pub mod opcodes;
pub mod outcome;
pub mod storage_dict;
#[cfg(test)]
mod tests;
pub mod transaction;

pub use config::{Config, ConfigError, GLOBAL_ID};
pub use fees::FeeSchedule;
pub use getter::{GetMethodError, GetMethodResult, StackValue, method_id, run_get_method};
pub use opcodes::{OpcodeScan, scan};
pub use outcome::{ExecError, Executed, PhaseSummary};
pub use storage_dict::StorageDictCache;
pub use transaction::{BlockContext, check_external, execute_message, execute_tick_tock};

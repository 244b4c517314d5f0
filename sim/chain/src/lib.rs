//! The simulated TON: real contract code in a real virtual machine, on a chain that lives in virtual time.
//!
//! A pure state machine: nothing here reads a clock, a file, a socket or a source of randomness. The caller says how far
//! time has gone and gets the blocks that were made since.
//!
//! | module | holds |
//! |---|---|
//! | [`boc`] | bags of cells from outside, limits first |
//! | [`exec`] | one transaction: configuration, phases, get-methods, opcode scan |
//! | [`wallet`] | wallets v3r2, v4r2, v5r1: state, address, signed orders |
//! | [`chain`] | accounts, queues, shards and blocks in virtual time; faults; invariants |
//! | [`api`] | answers of a toncenter-compatible API, versions 2 and 3 |
//! | [`trace`] | what came of a message: tree, gas and fees by operation, flow of value |
//! | [`state_file`] | a chain as a JSON manifest and a bag of cells |
//! | [`mod@bench`] | the workloads that speed is measured with |

pub mod api;
pub mod bench;
pub mod chain;
pub mod exec;
#[cfg(test)]
mod properties;
pub mod state_file;
#[cfg(test)]
mod testing;
pub mod trace;
pub mod wallet;

pub use chain::{Block, BlockEvent, Chain, ChainError, Genesis, Provider, Refused, Snapshot, TxRecord, View};
/// Bags of cells from outside, limits first.
pub use chrysalis_settlement::boc;
pub use tycho_types::cell::{Cell, HashBytes};
pub use tycho_types::models::StdAddr;

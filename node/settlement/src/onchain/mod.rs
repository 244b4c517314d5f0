//! What stands on the chain: messages, stored data, results of get methods, the wallet, and the decisions when to send
//! what. One definition each; everything that comes from the chain is parsed into them or refused with a reason.
//!
//! | module | holds |
//! |---|---|
//! | [`opcodes`] | operation codes and their names |
//! | [`errors`] | exit codes and their names |
//! | [`codes`] | the project's own contract codes |
//! | [`getter`] | results of get methods |
//! | [`bounce`] | messages that came back |
//! | [`message`] | bodies of all messages |
//! | [`storage`] | stored data of all contracts |
//! | [`transaction`] | transactions and their messages |
//! | [`wallet`] | the node wallet's queue |
//! | [`revisions`] | how other published revisions differ |
//! | [`policy`] | who sends what when |
//! | [`user_code`] | contract codes that users bring |

pub mod bounce;
pub mod codes;
pub mod errors;
mod fields;
pub mod getter;
pub mod message;
pub mod opcodes;
pub mod policy;
pub mod revisions;
pub mod storage;
pub mod transaction;
pub mod user_code;
pub mod wallet;

#[cfg(test)]
mod arbitrary;

pub use codes::{CodeProfile, CodeSet, ContractRole};
pub use errors::ExitCode;
pub use fields::{Coins, LayoutError};

//! Bodies of messages, as types. `to_cell` gives the body, `parse` reads one as strictly as the contract does: short
//! or trailing data is an error.
//!
//! | module | messages to |
//! |---|---|
//! | [`common`] | everybody: excesses, payouts, commits of a proxy node's state |
//! | [`client`] | a client contract |
//! | [`worker`] | a worker contract |
//! | [`proxy`] | a proxy contract, from its workers, clients, owner and node |
//! | [`root`] | the root contract |
//! | [`wallet`] | a node wallet, from outside and from its owner |
//! | [`envelope`] | signed parts that these carry |

pub mod client;
pub mod common;
pub mod envelope;
pub mod proxy;
pub mod root;
pub mod wallet;
pub mod worker;

pub use client::ClientMessage;
pub use common::Notice;
pub use envelope::{CloseKind, SignedClose, SignedCount};
pub use proxy::ProxyMessage;
pub use root::RootMessage;
pub use wallet::{WalletExternal, WalletMessage};
pub use worker::WorkerMessage;

#[cfg(test)]
mod tests;

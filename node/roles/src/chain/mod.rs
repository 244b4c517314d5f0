//! The chain as nodes see it: one trait to read and write it, and what every role does with it.
//!
//! Whoever stands behind [`Settlement`] is not believed: contract data is parsed into the types of
//! `chrysalis-settlement` or refused, addresses are derived and compared, and a message counts only by its sender.
//!
//! | module | holds |
//! |---|---|
//! | [`root`] | the root contract as the source of everybody's configuration |
//! | [`watch`] | an account's transactions in order, each once |
//! | [`newest`] | a way to the chain that does not go back |
//! | `patience` | how often something without effect is tried again |
//! | [`wallet`] | a node's wallet: orders, and what became of them |
//! | `toncenter` | a real network over HTTP; feature `toncenter` |

pub mod newest;
mod patience;
pub mod root;
#[cfg(test)]
pub(crate) mod script;
#[cfg(feature = "toncenter")]
pub mod toncenter;
pub mod wallet;
pub mod watch;

use chrysalis_env::BoxFuture;
use chrysalis_settlement::{
    Address, Cell,
    onchain::{CodeProfile, CodeSet, ContractRole},
};

pub use chrysalis_settlement::onchain::transaction::{MessageView, TransactionView};
pub use newest::Newest;
pub(crate) use patience::Patience;
pub use root::{ChainRoot, RootError};
pub use wallet::{Done, Wallet};
pub use watch::Watch;

/// Whether proxy contracts of this code count what was charged and pay workers from nothing else.
pub(crate) fn counts_earnings(proxy_code_hash: &[u8; 32]) -> bool {
    CodeSet::identify(proxy_code_hash).contains(&(CodeProfile::Hardened, ContractRole::Proxy))
}

/// Why the chain did not answer, or refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// Nobody answered, or what came was no answer. Trying again may help.
    #[error("the chain cannot be reached: {0}")]
    Unreachable(String),
    /// The answer is older than one that came before. Trying again helps.
    #[error("the answer is older than one that came before")]
    Older,
    /// A message was refused before any block.
    #[error("the message was refused: {0}")]
    Refused(String),
    /// This access only reads.
    #[error("this access to the chain only reads")]
    ReadOnly,
}

/// What an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountStatus {
    /// Nothing there, not even coins.
    Absent,
    /// Coins, no contract.
    Uninit,
    /// A contract.
    Active,
    /// A contract that owed too much for its storage.
    Frozen,
}

/// An account at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountView {
    /// What it is.
    pub status: AccountStatus,
    /// Its coins.
    pub balance_nanoton: u128,
    /// Hash of its code, of an active account.
    pub code_hash: Option<[u8; 32]>,
    /// Its data, of an active account.
    pub data: Option<Cell>,
    /// Logical time of its last transaction; 0 without any.
    pub last_lt: u64,
}

/// A way to the chain: a simulated one, or a real one. One implementation may be slow, behind, or lie.
pub trait Settlement: Send + Sync + 'static {
    /// Time of the newest block, Unix seconds.
    fn now(&self) -> BoxFuture<'static, Result<u64, ChainError>>;

    /// An account as the newest block has it.
    fn state(&self, address: Address) -> BoxFuture<'static, Result<AccountView, ChainError>>;

    /// Transactions of an account with a logical time above `after_lt`, oldest first. An implementation may return the
    /// first of them only: the caller asks again.
    fn transactions(
        &self,
        address: Address,
        after_lt: u64,
    ) -> BoxFuture<'static, Result<Vec<TransactionView>, ChainError>>;

    /// Hands in a message from outside. Taken does not mean done: whether it took effect shows in transactions.
    fn submit(&self, message: Cell) -> BoxFuture<'static, Result<(), ChainError>>;
}

//! Stored data of the five contracts (§6.2 to §6.8), as types.
//!
//! Amounts have 64 bits, as in [`Params`](crate::Params): more nanoTON than that do not exist, and data that claims
//! them is refused.

mod accounts;
mod proxy;
mod registration;
mod root;
mod wallet;

pub use accounts::{ClientStorage, WorkerStorage};
pub use proxy::ProxyStorage;
pub use registration::Registration;
pub use root::{MAX_ENTRIES, Registry, RootConfigError, RootStorage};
pub use wallet::WalletStorage;

use crate::onchain::{LayoutError, fields::Fields};

/// State of a proxy, client or worker contract. Never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContractState {
    /// Works.
    #[default]
    Normal,
    /// Waits for its delay. Workers skip this state.
    Closing,
    /// Done.
    Closed,
}

impl ContractState {
    /// The number in the cell.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The state of a number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Normal),
            1 => Some(Self::Closing),
            2 => Some(Self::Closed),
            _ => None,
        }
    }

    pub(crate) fn load(fields: &mut Fields<'_>) -> Result<Self, LayoutError> {
        let state = fields.small(2)?;
        Self::from_number(state).ok_or(LayoutError::State { state })
    }
}

#[cfg(test)]
mod tests;

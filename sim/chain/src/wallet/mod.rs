//! Wallets v3r2, v4r2 and v5r1: state, address, signed orders.
//!
//! Layouts are those of the published contracts. Keys are 32-byte seeds that the caller derives from its own entropy;
//! this crate has none.

mod codes;

use ring::signature::{Ed25519KeyPair, KeyPair as _};
use tycho_types::boc::Boc;
use tycho_types::cell::{Cell, CellBuilder, CellFamily, CellSliceParts, HashBytes};
use tycho_types::error::Error;
use tycho_types::models::{
    CurrencyCollection, ExtInMsgInfo, MsgInfo, OwnedMessage, OwnedRelaxedMessage, RelaxedIntMsgInfo, RelaxedMsgInfo,
    StateInit, StdAddr,
};
use tycho_types::num::Tokens;

use crate::chain::{address_of, state_init};

/// Subwallet number of wallets v3 and v4 in workchain 0.
pub const SUBWALLET_ID: u32 = 698_983_191;
/// Wallet number of a v5r1 wallet on the main network: workchain 0, subwallet 0.
pub const V5R1_WALLET_ID: u32 = 0x7fff_ff11;
/// Carry the message's own value, pay fees apart from it, ignore errors: what wallets send with.
pub const MODE_DEFAULT: u8 = 3;
/// Carry everything that is left.
pub const MODE_ALL: u8 = 128;

const V5_SIGNED_EXTERNAL: u32 = 0x7369_676e;
const ACTION_SEND_MESSAGE: u32 = 0x0ec3_c86d;

/// Which contract a wallet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WalletVersion {
    /// Version 3 revision 2: up to 4 messages an order.
    V3R2,
    /// Version 4 revision 2: plugins, up to 4 messages an order.
    V4R2,
    /// Version 5 revision 1: extensions, up to 255 messages an order.
    V5R1,
}

impl WalletVersion {
    /// Messages in one order at most.
    #[must_use]
    pub const fn max_messages(self) -> usize {
        match self {
            Self::V3R2 | Self::V4R2 => 4,
            Self::V5R1 => 255,
        }
    }

    /// The published code.
    pub fn code(self) -> Result<Cell, WalletError> {
        let text = match self {
            Self::V3R2 => codes::V3R2,
            Self::V4R2 => codes::V4R2,
            Self::V5R1 => codes::V5R1,
        };
        Boc::decode_base64(text).map_err(|_| WalletError::Cells(Error::InvalidData))
    }

    /// Version of a wallet by the hash of its code.
    #[must_use]
    pub fn of_code(code_hash: &HashBytes) -> Option<Self> {
        [Self::V3R2, Self::V4R2, Self::V5R1]
            .into_iter()
            .find(|version| version.code().is_ok_and(|code| code.repr_hash() == code_hash))
    }

    /// Name of the version as public APIs give it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V3R2 => "wallet v3 r2",
            Self::V4R2 => "wallet v4 r2",
            Self::V5R1 => "wallet v5 r1",
        }
    }
}

/// Why an order cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WalletError {
    /// Cells overflow.
    #[error("cells: {0}")]
    Cells(#[from] Error),
    /// The seed is no key.
    #[error("the seed is no Ed25519 key")]
    Key,
    /// More messages than the contract takes.
    #[error("{given} messages in one order, the contract takes {limit}")]
    TooManyMessages {
        /// Messages given.
        given: usize,
        /// Messages taken.
        limit: usize,
    },
}

/// A message that a wallet is to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Receiver.
    pub to: StdAddr,
    /// Value in nano.
    pub value_nanoton: u128,
    /// Whether a failure sends it back.
    pub bounce: bool,
    /// Code and data for a contract to be deployed with it.
    pub state: Option<StateInit>,
    /// Body.
    pub body: Option<Cell>,
    /// Send mode.
    pub mode: u8,
}

impl Transfer {
    /// A plain transfer of `value_nanoton`, not bounceable, with the usual mode.
    #[must_use]
    pub const fn new(to: StdAddr, value_nanoton: u128) -> Self {
        Self {
            to,
            value_nanoton,
            bounce: false,
            state: None,
            body: None,
            mode: MODE_DEFAULT,
        }
    }

    /// The internal message as an action carries it.
    pub fn message(&self) -> Result<Cell, Error> {
        let body = self.body.clone().unwrap_or_default();
        CellBuilder::build_from(OwnedRelaxedMessage {
            info: RelaxedMsgInfo::Int(RelaxedIntMsgInfo {
                bounce: self.bounce,
                dst: self.to.clone().into(),
                value: CurrencyCollection {
                    tokens: Tokens::new(self.value_nanoton),
                    ..CurrencyCollection::ZERO
                },
                ..RelaxedIntMsgInfo::default()
            }),
            init: self.state.clone(),
            body: CellSliceParts::from(body),
            layout: None,
        })
    }
}

/// A wallet and its key.
#[derive(Debug)]
pub struct Wallet {
    version: WalletVersion,
    wallet_id: u32,
    key: Ed25519KeyPair,
    state: StateInit,
    address: StdAddr,
}

impl Wallet {
    /// The wallet in workchain 0 whose key comes from `seed`, with the default wallet number.
    pub fn new(version: WalletVersion, seed: &[u8; 32]) -> Result<Self, WalletError> {
        let wallet_id = match version {
            WalletVersion::V3R2 | WalletVersion::V4R2 => SUBWALLET_ID,
            WalletVersion::V5R1 => V5R1_WALLET_ID,
        };
        Self::with_id(version, seed, wallet_id)
    }

    /// As [`Wallet::new`], with another wallet number.
    pub fn with_id(version: WalletVersion, seed: &[u8; 32], wallet_id: u32) -> Result<Self, WalletError> {
        let key = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| WalletError::Key)?;
        let mut data = CellBuilder::new();
        if version == WalletVersion::V5R1 {
            data.store_bit_one()?;
        }
        data.store_u32(0)?;
        data.store_u32(wallet_id)?;
        data.store_raw(key.public_key().as_ref(), 256)?;
        if version != WalletVersion::V3R2 {
            // No plugins, no extensions.
            data.store_bit_zero()?;
        }
        let state = state_init(version.code()?, data.build()?);
        let address = address_of(0, &state)?;
        Ok(Self {
            version,
            wallet_id,
            key,
            state,
            address,
        })
    }

    /// The address.
    #[must_use]
    pub const fn address(&self) -> &StdAddr {
        &self.address
    }

    /// Code and data before the first order.
    #[must_use]
    pub const fn state(&self) -> &StateInit {
        &self.state
    }

    /// The public key.
    #[must_use]
    pub fn public_key(&self) -> HashBytes {
        HashBytes::from_slice(self.key.public_key().as_ref())
    }

    /// A signed external message that orders `transfers`. With `seqno` 0 it carries the state, so that it deploys.
    pub fn order(&self, seqno: u32, valid_until_unix_s: u32, transfers: &[Transfer]) -> Result<Cell, WalletError> {
        let limit = self.version.max_messages();
        if transfers.len() > limit {
            return Err(WalletError::TooManyMessages {
                given: transfers.len(),
                limit,
            });
        }
        let body = match self.version {
            WalletVersion::V3R2 | WalletVersion::V4R2 => self.body_v3_v4(seqno, valid_until_unix_s, transfers)?,
            WalletVersion::V5R1 => self.body_v5(seqno, valid_until_unix_s, transfers)?,
        };
        let state = (seqno == 0).then(|| self.state.clone());
        Ok(external_message(&self.address, state, body)?)
    }

    fn body_v3_v4(&self, seqno: u32, valid_until: u32, transfers: &[Transfer]) -> Result<Cell, WalletError> {
        let mut order = CellBuilder::new();
        order.store_u32(self.wallet_id)?;
        order.store_u32(valid_until)?;
        order.store_u32(seqno)?;
        if self.version == WalletVersion::V4R2 {
            order.store_u8(0)?;
        }
        for transfer in transfers {
            order.store_u8(transfer.mode)?;
            order.store_reference(transfer.message()?)?;
        }
        let signature = self.sign(&order)?;
        let mut body = CellBuilder::new();
        body.store_raw(&signature, 512)?;
        body.store_builder(&order)?;
        Ok(body.build()?)
    }

    fn body_v5(&self, seqno: u32, valid_until: u32, transfers: &[Transfer]) -> Result<Cell, WalletError> {
        let mut order = CellBuilder::new();
        order.store_u32(V5_SIGNED_EXTERNAL)?;
        order.store_u32(self.wallet_id)?;
        order.store_u32(valid_until)?;
        order.store_u32(seqno)?;
        if transfers.is_empty() {
            order.store_bit_zero()?;
        } else {
            let mut list = Cell::empty_cell();
            for transfer in transfers {
                let mut action = CellBuilder::new();
                action.store_reference(list)?;
                action.store_u32(ACTION_SEND_MESSAGE)?;
                action.store_u8(transfer.mode)?;
                action.store_reference(transfer.message()?)?;
                list = action.build()?;
            }
            order.store_bit_one()?;
            order.store_reference(list)?;
        }
        order.store_bit_zero()?;
        let signature = self.sign(&order)?;
        order.store_raw(&signature, 512)?;
        Ok(order.build()?)
    }

    fn sign(&self, order: &CellBuilder) -> Result<Vec<u8>, WalletError> {
        let cell = order.clone().build()?;
        Ok(self.key.sign(cell.repr_hash().as_slice()).as_ref().to_vec())
    }
}

/// An external message to `to` with `body`, and the state when it deploys.
pub fn external_message(to: &StdAddr, state: Option<StateInit>, body: Cell) -> Result<Cell, Error> {
    CellBuilder::build_from(OwnedMessage {
        info: MsgInfo::ExtIn(ExtInMsgInfo {
            src: None,
            dst: to.clone().into(),
            import_fee: Tokens::ZERO,
        }),
        init: state,
        body: CellSliceParts::from(body),
        layout: None,
    })
}

#[cfg(test)]
mod tests;

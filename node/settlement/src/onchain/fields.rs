//! Reading and writing the fields of untrusted cells.

use tycho_types::{
    cell::{Cell, CellBuilder, CellFamily as _, CellSlice, Store as _},
    error::Error,
    num::Tokens,
};

use crate::{
    address::Address,
    cells::{StoreFields as _, build},
    hash::Hash256,
    keys::{PublicKey, Signature},
};

/// Why a cell or a message body does not have the layout it should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// Too short, an exotic cell, or no reference where one must be. A contract fails with exit code 9.
    #[error("the data ends too early or is not an ordinary cell")]
    Short,
    /// Something follows the last field. A contract fails with exit code 9.
    #[error("{bits} bits and {references} references follow the last field")]
    Trailing {
        /// Bits left.
        bits: u16,
        /// References left.
        references: u8,
    },
    /// An address that is not `addr_std$10` without anycast.
    #[error("an address is not a standard one")]
    Address,
    /// An operation that this contract does not have.
    #[error("operation {op:#010x} is unknown here")]
    UnknownOp {
        /// As found.
        op: u32,
    },
    /// A payload operation that a proxy contract does not have.
    #[error("payload {op:#010x} is unknown here")]
    UnknownPayload {
        /// As found.
        op: u32,
    },
    /// A text command that this contract does not have.
    #[error("text command {command:#04x} is unknown here")]
    UnknownText {
        /// First byte of the text.
        command: u8,
    },
    /// A state other than normal, closing and closed.
    #[error("state {state} does not exist")]
    State {
        /// As found.
        state: u8,
    },
    /// An amount of more than 64 bits, more than exists.
    #[error("an amount of coins does not fit into 64 bits")]
    Coins,
    /// Operation or query id of a signed part differ from the envelope's (exit code 1005).
    #[error("envelope and signed part differ")]
    EnvelopeMismatch,
    /// A flag that must be zero (exit code 1004).
    #[error("a reserved bit is set")]
    Reserved,
    /// A text that is not printable ASCII, or too long for its length field.
    #[error("a text is not printable ASCII of at most 110 bytes")]
    Text,
    /// More entries than a contract of this network can pay for.
    #[error("a dictionary has more than {limit} entries")]
    TooManyEntries {
        /// Most that are read.
        limit: usize,
    },
    /// The parameters cell is not one.
    #[error(transparent)]
    Params(#[from] crate::params::ParamsError),
}

impl From<Error> for LayoutError {
    fn from(_: Error) -> Self {
        Self::Short
    }
}

/// An amount of nanoTON as messages carry it: below 2^120.
///
/// Amounts in messages are products of counters and prices that somebody else chose, so they are not cut to the 64
/// bits that any balance fits into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Coins(u128);

impl Coins {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// Largest amount that the format holds.
    pub const MAX: Self = Self((1 << 120) - 1);

    /// `None` from 2^120 nanoTON.
    pub const fn new(nanoton: u128) -> Option<Self> {
        if nanoton <= Self::MAX.0 {
            Some(Self(nanoton))
        } else {
            None
        }
    }

    /// The amount.
    pub const fn nanoton(self) -> u128 {
        self.0
    }
}

impl From<u64> for Coins {
    fn from(nanoton: u64) -> Self {
        Self(nanoton.into())
    }
}

/// Reads the fields of one cell in their order.
pub(crate) struct Fields<'a>(CellSlice<'a>);

impl<'a> Fields<'a> {
    pub(crate) fn of(cell: &'a Cell) -> Result<Self, LayoutError> {
        Ok(Self(cell.as_slice()?))
    }

    pub(crate) const fn of_slice(slice: CellSlice<'a>) -> Self {
        Self(slice)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) const fn bits_left(&self) -> u16 {
        self.0.size_bits()
    }

    pub(crate) const fn references_left(&self) -> u8 {
        self.0.size_refs()
    }

    pub(crate) fn finish(&self) -> Result<(), LayoutError> {
        if self.is_empty() {
            return Ok(());
        }
        Err(LayoutError::Trailing {
            bits: self.bits_left(),
            references: self.references_left(),
        })
    }

    pub(crate) fn bit(&mut self) -> Result<bool, LayoutError> {
        Ok(self.0.load_bit()?)
    }

    pub(crate) fn small(&mut self, bits: u16) -> Result<u8, LayoutError> {
        Ok(self.0.load_small_uint(bits)?)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, LayoutError> {
        Ok(self.0.load_u8()?)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, LayoutError> {
        Ok(self.0.load_u32()?)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, LayoutError> {
        Ok(self.0.load_u64()?)
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], LayoutError> {
        let mut bytes = [0; N];
        // No field is longer than a cell, so the number of bits fits.
        self.0.load_raw(&mut bytes, (N * 8) as u16)?;
        Ok(bytes)
    }

    pub(crate) fn hash(&mut self) -> Result<Hash256, LayoutError> {
        self.bytes()
    }

    pub(crate) fn public_key(&mut self) -> Result<PublicKey, LayoutError> {
        Ok(PublicKey(self.bytes()?))
    }

    pub(crate) fn signature(&mut self) -> Result<Signature, LayoutError> {
        Ok(Signature(self.bytes()?))
    }

    pub(crate) fn text(&mut self, bytes: u8) -> Result<Vec<u8>, LayoutError> {
        let mut text = vec![0; usize::from(bytes)];
        self.0.load_raw(&mut text, u16::from(bytes) * 8)?;
        Ok(text)
    }

    /// `addr_std$10` without anycast.
    pub(crate) fn address(&mut self) -> Result<Address, LayoutError> {
        if self.small(3)? != 0b100 {
            return Err(LayoutError::Address);
        }
        let [workchain] = self.bytes()?;
        Ok(Address::new(i8::from_be_bytes([workchain]), self.bytes()?))
    }

    pub(crate) fn coins(&mut self) -> Result<Coins, LayoutError> {
        let byte_count = self.0.load_small_uint(4)?;
        let mut bytes = [0; 16];
        self.0
            .load_raw(&mut bytes[16 - usize::from(byte_count)..], u16::from(byte_count) * 8)?;
        Ok(Coins(u128::from_be_bytes(bytes)))
    }

    /// Coins of a balance.
    pub(crate) fn balance_nanoton(&mut self) -> Result<u64, LayoutError> {
        u64::try_from(self.coins()?.nanoton()).map_err(|_| LayoutError::Coins)
    }

    pub(crate) fn reference(&mut self) -> Result<Cell, LayoutError> {
        Ok(self.0.load_reference_cloned()?)
    }

    pub(crate) fn maybe_reference(&mut self) -> Result<Option<Cell>, LayoutError> {
        Ok(if self.bit()? { Some(self.reference()?) } else { None })
    }

    /// What has not been read, as a cell.
    pub(crate) fn rest(&self) -> Cell {
        build(|cell| cell.store_slice(self.0))
    }
}

/// What [`crate::cells::StoreFields`] lacks for messages.
pub(crate) trait StoreMessageFields {
    fn store_amount(&mut self, coins: Coins) -> Result<(), Error>;
    fn store_hash(&mut self, hash: &Hash256) -> Result<(), Error>;
    fn store_header(&mut self, op: u32, query_id: u64) -> Result<(), Error>;
}

impl StoreMessageFields for CellBuilder {
    fn store_amount(&mut self, coins: Coins) -> Result<(), Error> {
        Tokens::new(coins.nanoton()).store_into(self, Cell::empty_context())
    }

    fn store_hash(&mut self, hash: &Hash256) -> Result<(), Error> {
        self.store_raw(hash, 256)
    }

    fn store_header(&mut self, op: u32, query_id: u64) -> Result<(), Error> {
        self.store_u32(op)?;
        self.store_u64(query_id)
    }
}

/// A body of operation, query id and the address for the excesses: several operations have no more.
pub(crate) fn plain_body(op: u32, query_id: u64, excesses: &Address) -> Cell {
    build(|cell| {
        cell.store_header(op, query_id)?;
        cell.store_address(excesses)
    })
}

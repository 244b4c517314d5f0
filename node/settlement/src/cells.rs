//! Building cells of fixed layouts.

use tycho_types::{
    cell::{Cell, CellBuilder, CellFamily as _, CellSlice, Store as _},
    error::Error,
    num::Tokens,
};

use crate::{address::Address, keys::PublicKey};

/// Builds a cell whose layout is known to fit.
///
/// The layouts of this crate are fixed: at most 1023 bits and 4 references each, checked by the tests that build
/// every one of them with its largest values. What callers bring along are code cells, and those are bounded in depth
/// by [`ContractCodes`](crate::contracts::ContractCodes).
pub(crate) fn build(fill: impl FnOnce(&mut CellBuilder) -> Result<(), Error>) -> Cell {
    let mut builder = CellBuilder::new();
    #[expect(clippy::expect_used, reason = "a fixed layout fits; see above")]
    {
        fill(&mut builder).expect("a fixed layout fits into a cell");
        builder.build().expect("a cell over cells of bounded depth")
    }
}

/// The fields that TVM cells of this network are made of (§0.3).
pub(crate) trait StoreFields {
    /// `coins`: 4-bit byte count, then that many bytes.
    fn store_coins(&mut self, nanoton: u64) -> Result<(), Error>;
    /// `addr_std$10` without anycast.
    fn store_address(&mut self, address: &Address) -> Result<(), Error>;
    /// 256 bits.
    fn store_public_key(&mut self, key: &PublicKey) -> Result<(), Error>;
    /// One bit and an optional child.
    fn store_maybe_ref(&mut self, cell: Option<&Cell>) -> Result<(), Error>;
}

impl StoreFields for CellBuilder {
    fn store_coins(&mut self, nanoton: u64) -> Result<(), Error> {
        Tokens::new(nanoton.into()).store_into(self, Cell::empty_context())
    }

    fn store_address(&mut self, address: &Address) -> Result<(), Error> {
        address.to_std().store_into(self, Cell::empty_context())
    }

    fn store_public_key(&mut self, key: &PublicKey) -> Result<(), Error> {
        self.store_raw(key.as_bytes(), 256)
    }

    fn store_maybe_ref(&mut self, cell: Option<&Cell>) -> Result<(), Error> {
        self.store_bit(cell.is_some())?;
        match cell {
            Some(cell) => self.store_reference(cell.clone()),
            None => Ok(()),
        }
    }
}

/// Reads `coins`: `Ok(None)` where they are more than 64 bits of nanoTON, which no honest contract of this network
/// holds.
pub(crate) fn load_coins(slice: &mut CellSlice<'_>) -> Result<Option<u64>, Error> {
    let byte_count = slice.load_small_uint(4)?;
    let mut bytes = [0; 16];
    let bytes = &mut bytes[16 - usize::from(byte_count)..];
    slice.load_raw(bytes, u16::from(byte_count) * 8)?;
    let nanoton = bytes.iter().fold(0_u128, |sum, &byte| sum << 8 | u128::from(byte));
    Ok(u64::try_from(nanoton).ok())
}

//! The giver: the account of the genesis that the faucet draws on.
//!
//! Its code sends whatever message an external order carries, without a signature: whoever can reach the chain may
//! take test coins, and conservation still holds because they come from a balance.

use tycho_types::cell::{Cell, CellBuilder, HashBytes};
use tycho_types::error::Error;
use tycho_types::models::{StateInit, StdAddr};

use super::account::{address_of, state_init};
use super::genesis::GenesisAccount;
use crate::wallet::{Transfer, external_message};

/// `SETCP0 · IFNOTRET · ACCEPT · 8 LDU · 64 LDU · NIP · LDREF · ENDS · SWAP · SENDRAWMSG`
///
/// The selector on top of the stack is 0 for internal messages: then it returns and keeps the value. The order is a
/// send mode, a number that makes orders differ, and the message.
const CODE: [u8; 14] = [
    0xff, 0x00, 0xdd, 0xf8, 0x00, 0xd3, 0x07, 0xd3, 0x3f, 0x31, 0xd4, 0xd1, 0x01, 0xfb,
];

fn state() -> Result<StateInit, Error> {
    let mut code = CellBuilder::new();
    code.store_raw(&CODE, 112)?;
    code.store_u8(0x00)?;
    Ok(state_init(code.build()?, CellBuilder::build_from(HashBytes::ZERO)?))
}

/// Address of the giver.
pub(super) fn address() -> Result<StdAddr, Error> {
    address_of(0, &state()?)
}

pub(super) fn account(balance_nanoton: u128) -> Result<GenesisAccount, Error> {
    let state = state()?;
    Ok(GenesisAccount {
        address: address_of(0, &state)?,
        balance_nanoton,
        state: Some(state),
    })
}

/// An order to the giver; `number` makes it differ from every other.
pub(super) fn order(transfer: &Transfer, number: u64) -> Result<Cell, Error> {
    let mut body = CellBuilder::new();
    body.store_u8(transfer.mode)?;
    body.store_u64(number)?;
    body.store_reference(transfer.message()?)?;
    external_message(&address()?, None, body.build()?)
}

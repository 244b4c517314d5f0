//! What the tests of this crate share: a contract that does as it is told, and worlds of such contracts.

use tycho_types::boc::Boc;
use tycho_types::cell::{Cell, CellBuilder};
use tycho_types::models::{StateInit, StdAddr};

use crate::chain::{Chain, Genesis, GenesisAccount, address_of, state_init};
use crate::wallet::{Transfer, external_message};

/// One coin in nano.
pub(crate) const COIN: u128 = 1_000_000_000;

/// A contract that accepts everything. A body that begins with 1 is an order: u8 count, then a u8 mode and a reference
/// to a message for each. Any other body is ignored; an order that is too short fails with exit code 9.
///
/// `SETCP0 · DROP · ACCEPT · DUP · SEMPTY · IFRET · 32 LDU · SWAP · 1 EQINT · IFNOTRET · 8 LDU · SWAP ·
/// <{ 8 LDU · LDREF · s0 s2 XCHG · SENDRAWMSG }> PUSHCONT · REPEAT · DROP`
const PLAYER: [u8; 27] = [
    0xff, 0x00, 0x30, 0xf8, 0x00, 0x20, 0xc7, 0x00, 0xdc, 0xd3, 0x1f, 0x01, 0xc0, 0x01, 0xdd, 0xd3, 0x07, 0x01, 0x96,
    0xd3, 0x07, 0xd4, 0x02, 0xfb, 0x00, 0xe4, 0x30,
];

pub(crate) fn player_code() -> Cell {
    let mut code = CellBuilder::new();
    code.store_raw(&PLAYER, 216).unwrap();
    code.build().unwrap()
}

/// The state of player number `index`; `filler` adds cells of data.
pub(crate) fn player(index: u32, filler: u32) -> StateInit {
    let mut data = CellBuilder::build_from(u64::from(index) << 32).unwrap();
    for level in 0..filler {
        let mut builder = CellBuilder::new();
        builder.store_u64(u64::from(index) << 32 | u64::from(level)).unwrap();
        builder.store_reference(data).unwrap();
        data = builder.build().unwrap();
    }
    state_init(player_code(), data)
}

pub(crate) fn player_address(index: u32) -> StdAddr {
    address_of(0, &player(index, 0)).unwrap()
}

/// An order to a player.
pub(crate) fn order(transfers: &[Transfer]) -> Cell {
    let mut body = CellBuilder::new();
    body.store_u32(1).unwrap();
    body.store_u8(u8::try_from(transfers.len()).unwrap()).unwrap();
    for transfer in transfers {
        body.store_u8(transfer.mode).unwrap();
        body.store_reference(transfer.message().unwrap()).unwrap();
    }
    body.build().unwrap()
}

/// An order that fails with exit code 9.
pub(crate) fn broken_order() -> Cell {
    let mut body = CellBuilder::new();
    body.store_u32(1).unwrap();
    body.store_u8(1).unwrap();
    body.build().unwrap()
}

/// An external message with an order; `salt` makes equal orders differ.
pub(crate) fn external(to: &StdAddr, transfers: &[Transfer], salt: u32) -> Vec<u8> {
    let body = order(transfers);
    let mut salted = CellBuilder::new();
    salted.store_slice(body.as_slice().unwrap()).unwrap();
    salted.store_u32(salt).unwrap();
    Boc::encode(external_message(to, None, salted.build().unwrap()).unwrap())
}

/// A genesis with `players` players of `coins` coins each.
pub(crate) fn genesis(players: u32, coins: u128) -> Genesis {
    let mut genesis = Genesis::new().unwrap();
    genesis.accounts = (0..players)
        .map(|index| GenesisAccount {
            address: player_address(index),
            balance_nanoton: coins * COIN,
            state: Some(player(index, 0)),
        })
        .collect();
    genesis
}

/// Advances by `slots` slots.
pub(crate) fn run(chain: &mut Chain, slots: u64) -> Vec<crate::chain::BlockEvent> {
    let to_ns = chain.now_ns() + slots * chain.genesis().block_interval_ns;
    chain.advance(to_ns).unwrap()
}

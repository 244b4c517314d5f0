//! Arbitrary values of the types of this module, for property tests.

use proptest::{collection, prelude::*};
use tycho_types::cell::{Cell, CellBuilder};

use super::{
    Coins,
    message::{CloseKind, SignedClose, SignedCount},
    storage::{ContractState, Registration},
};
use crate::{
    address::Address,
    contracts::ProxyIdentity,
    keys::{PublicKey, Signature},
    params::{Params, StructVersion},
    payment::PaymentKind,
    pricing::{Prices, TokenMultipliers},
};

pub(crate) fn address() -> impl Strategy<Value = Address> {
    any::<(i8, [u8; 32])>().prop_map(|(workchain, hash)| Address::new(workchain, hash))
}

/// All lengths from zero to fifteen bytes.
pub(crate) fn coins() -> impl Strategy<Value = Coins> {
    (0..=120_u32, any::<u128>()).prop_map(|(bits, noise)| {
        let nanoton = if bits == 0 { 0 } else { noise >> (128 - bits) };
        Coins::new(nanoton).unwrap()
    })
}

pub(crate) fn balance() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(u64::MAX), any::<u64>(), 0..1000_u64]
}

pub(crate) fn state() -> impl Strategy<Value = ContractState> {
    (0..=2_u8).prop_map(|number| ContractState::from_number(number).unwrap())
}

/// A small tree of ordinary cells.
pub(crate) fn cell() -> impl Strategy<Value = Cell> {
    (collection::vec(any::<u8>(), 0..100), 0..3_usize).prop_map(|(bytes, references)| {
        let mut leaf = CellBuilder::new();
        leaf.store_raw(&bytes, bytes.len() as u16 * 8).unwrap();
        let leaf = leaf.build().unwrap();
        let mut cell = CellBuilder::new();
        cell.store_u32(references as u32).unwrap();
        for _ in 0..references {
            cell.store_reference(leaf.clone()).unwrap();
        }
        cell.build().unwrap()
    })
}

pub(crate) fn registration() -> impl Strategy<Value = Registration> {
    "[ -~]{0,110}".prop_map(|text| Registration::new(&text).unwrap())
}

pub(crate) fn proxy() -> impl Strategy<Value = ProxyIdentity> {
    (address(), any::<[u8; 32]>()).prop_map(|(address, key)| ProxyIdentity {
        address,
        public_key: PublicKey(key),
    })
}

pub(crate) fn params() -> impl Strategy<Value = Params> {
    let numbers = any::<([u32; 8], bool)>();
    (numbers, [balance(), balance(), balance(), balance()]).prop_map(|((numbers, is_test), coins)| {
        let [
            params_version,
            unique_id,
            prompt,
            cached,
            completion,
            reasoning,
            proxy_delay_s,
            client_delay_s,
        ] = numbers;
        Params {
            struct_version: StructVersion::V3,
            params_version,
            unique_id,
            is_test,
            prices: Prices {
                price_per_token_nanoton: coins[0],
                worker_fee_per_token_nanoton: coins[1],
                multipliers: TokenMultipliers {
                    prompt,
                    cached,
                    completion,
                    reasoning,
                },
            },
            proxy_delay_s,
            client_delay_s,
            min_proxy_stake_nanoton: coins[2],
            min_client_stake_nanoton: coins[3],
        }
    })
}

pub(crate) fn signature() -> impl Strategy<Value = Signature> {
    any::<[[u8; 32]; 2]>().prop_map(|halves| {
        let mut bytes = [0; 64];
        bytes.copy_from_slice(halves.as_flattened());
        Signature(bytes)
    })
}

pub(crate) fn signed_count(kinds: &'static [PaymentKind]) -> impl Strategy<Value = SignedCount> {
    let parts = (
        proptest::sample::select(kinds),
        any::<[u64; 2]>(),
        address(),
        address(),
        signature(),
    );
    parts.prop_map(
        |(kind, [query_id, tokens], my_address, excesses, signature)| SignedCount {
            kind,
            query_id,
            tokens,
            my_address,
            excesses,
            signature,
        },
    )
}

pub(crate) fn signed_close() -> impl Strategy<Value = SignedClose> {
    let parts = (any::<(bool, u64)>(), address(), address(), signature());
    parts.prop_map(|((complete, query_id), my_address, excesses, signature)| SignedClose {
        kind: if complete {
            CloseKind::Complete
        } else {
            CloseKind::Request
        },
        query_id,
        my_address,
        excesses,
        signature,
    })
}

/// The cell with some bits more, and with one reference more.
pub(crate) fn longer(cell: &Cell) -> [Cell; 2] {
    let with = |fill: &dyn Fn(&mut CellBuilder)| {
        let mut builder = CellBuilder::new();
        builder.store_slice(cell.as_slice().unwrap()).unwrap();
        fill(&mut builder);
        builder.build().unwrap()
    };
    [
        with(&|builder| drop(builder.store_bit(true))),
        with(&|builder| drop(builder.store_reference(Cell::default()))),
    ]
}

/// The cell without its last bit.
pub(crate) fn shorter(cell: &Cell) -> Cell {
    let mut slice = cell.as_slice().unwrap();
    let bits = slice.size_bits() - 1;
    let references = slice.size_refs();
    let head = slice.load_prefix(bits, references).unwrap();
    let mut builder = CellBuilder::new();
    builder.store_slice(head).unwrap();
    builder.build().unwrap()
}

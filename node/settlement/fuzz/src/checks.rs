//! What must hold on any input from the chain, from peers and from users: an error or a value, never a panic, and what is
//! accepted is written again as something that reads the same. One function a fuzz target; the ordinary tests call them
//! as well.

use std::fmt::Debug;

use chrysalis_settlement::{
    Cell, PaymentKind, SignedPayment, SigningKey,
    onchain::{
        ContractRole, LayoutError,
        bounce::Bounced,
        message::{
            ClientMessage, Notice, ProxyMessage, RootMessage, WalletExternal, WalletMessage, WorkerMessage,
            proxy::ClientPayload, wallet::OutgoingMessage,
        },
        storage::{ClientStorage, ProxyStorage, RootStorage, WalletStorage, WorkerStorage},
        user_code::{UserCode, check_data},
    },
    payment::UnverifiedPayment,
};
use tycho_types::boc::Boc;

/// A check of one way in; tells whether the input was accepted.
pub type Check = fn(&[u8]) -> bool;

/// All checks, under the names of their fuzz targets.
pub const CHECKS: [(&str, Check); 4] = [
    ("message", message),
    ("payment", payment),
    ("storage", storage),
    ("user_code", user_code),
];

/// Largest bag that the checks decode: what a chain carries in one message.
const MAX_BYTES: usize = 65_535;
/// Deepest tree that a chain carries.
const MAX_DEPTH: u16 = 512;

fn cell(bytes: &[u8]) -> Option<Cell> {
    let cell = Boc::decode(bytes.get(..MAX_BYTES.min(bytes.len()))?).ok()?;
    (cell.repr_depth() <= MAX_DEPTH).then_some(cell)
}

/// What was read is written as something that reads the same.
fn again<T: PartialEq + Debug>(cell: &Cell, parse: fn(&Cell) -> Result<T, LayoutError>, write: fn(&T) -> Cell) -> bool {
    let Ok(value) = parse(cell) else {
        return false;
    };
    assert_eq!(parse(&write(&value)).as_ref(), Ok(&value));
    true
}

/// Any cells as the body of every message, as a message, as a bounce.
pub fn message(bytes: &[u8]) -> bool {
    let Some(cell) = cell(bytes) else {
        return false;
    };
    let _ = Bounced::parse(&cell).map(|bounced| (bounced.op(), bounced.query_id()));
    let _ = Notice::parse(&cell);
    [
        again(&cell, RootMessage::parse, RootMessage::to_cell),
        again(&cell, ProxyMessage::parse, ProxyMessage::to_cell),
        again(&cell, ClientMessage::parse, ClientMessage::to_cell),
        again(&cell, ClientPayload::parse, ClientPayload::to_cell),
        again(&cell, WorkerMessage::parse, WorkerMessage::to_cell),
        again(&cell, WalletMessage::parse, WalletMessage::to_cell),
        again(&cell, WalletExternal::parse, WalletExternal::to_cell),
        again(&cell, OutgoingMessage::parse, OutgoingMessage::to_cell),
    ]
    .contains(&true)
}

/// Any cells as the stored data of every contract.
pub fn storage(bytes: &[u8]) -> bool {
    let Some(cell) = cell(bytes) else {
        return false;
    };
    for role in ContractRole::ALL {
        let _ = check_data(role, &cell);
    }
    [
        again(&cell, RootStorage::parse, RootStorage::to_cell),
        again(&cell, ProxyStorage::parse, ProxyStorage::to_cell),
        again(&cell, ClientStorage::parse, ClientStorage::to_cell),
        again(&cell, WorkerStorage::parse, WorkerStorage::to_cell),
        again(&cell, WalletStorage::parse, WalletStorage::to_cell),
    ]
    .contains(&true)
}

/// Any bytes as a code that a user brings.
pub fn user_code(bytes: &[u8]) -> bool {
    let loaded = ContractRole::ALL.map(|role| UserCode::load(role, bytes));
    for code in loaded.iter().flatten() {
        assert_eq!(code.hash(), code.code().repr_hash().0);
        let _ = (code.builtin(), code.known());
    }
    loaded.iter().all(Result::is_ok)
}

/// The key that signs in the seeds.
pub const KEY_SEED: [u8; 32] = [0x42; 32];

/// Any bytes as a signed payment; without the key nobody makes one that verifies and is not the seed's.
pub fn payment(bytes: &[u8]) -> bool {
    let Ok(payment) = UnverifiedPayment::decode(bytes) else {
        return false;
    };
    let key = SigningKey::from_seed(&KEY_SEED).public();
    let mine = payment.my_address();
    for kind in PaymentKind::ALL {
        let verified = SignedPayment::parse_and_verify(bytes, kind, &mine, &key);
        if let Ok(verified) = verified {
            assert_eq!((verified.kind(), verified.tokens()), (payment.kind(), payment.tokens()));
        }
    }
    true
}

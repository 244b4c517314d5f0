//! What must hold on any input from outside: an error or an answer, never a panic, and coins are conserved whatever came.
//! One function a fuzz target; the ordinary tests call them as well.

use std::sync::LazyLock;

use chrysalis_chain::{
    Chain, Genesis, Provider, Snapshot,
    api::http::{HttpRequest, Rules, answer_http},
    boc::{self, BocLimits},
    chain::{GenesisAccount, Message},
    exec::{Config, scan},
    state_file::{StateFile, export, import},
    wallet::{Wallet, WalletVersion},
};
use tycho_types::boc::Boc;

/// A check of one way in; tells whether the input was accepted.
pub type Check = fn(&[u8]) -> bool;

/// All checks, under the names of their fuzz targets.
pub const CHECKS: [(&str, Check); 5] = [
    ("boc", boc),
    ("config", config),
    ("external", external),
    ("http", http),
    ("state_file", state_file),
];

/// Seed of the wallet that the chain of the checks begins with.
pub const WALLET_SEED: [u8; 32] = [1; 32];
/// Between the parts of an input that has several.
pub const SEPARATOR: u8 = 0;

const COIN: u128 = 1_000_000_000;

fn genesis() -> Genesis {
    let mut genesis = Genesis::new().expect("the built-in prices");
    let wallet = Wallet::new(WalletVersion::V4R2, &WALLET_SEED).expect("a key");
    genesis.accounts.push(GenesisAccount {
        address: wallet.address().clone(),
        balance_nanoton: 100 * COIN,
        state: Some(wallet.state().clone()),
    });
    genesis
}

/// The chain of the checks: the same for each input.
pub fn fresh() -> Chain {
    static START: LazyLock<Snapshot> = LazyLock::new(|| Chain::new(genesis()).expect("a genesis").snapshot());
    let mut chain = Chain::new(genesis()).expect("a genesis");
    chain.revert(&START);
    chain
}

fn go_on(chain: &mut Chain, slots: u64) {
    let to_ns = chain.now_ns() + slots * chain.genesis().block_interval_ns;
    chain.advance(to_ns).expect("blocks");
    chain.audit().expect("coins are conserved");
}

/// Any bytes as a bag of cells of each size: what is accepted is within the limits and is read again as it is written.
pub fn boc(bytes: &[u8]) -> bool {
    let mut is_accepted = false;
    for limits in [BocLimits::EXTERNAL_MESSAGE, BocLimits::STATE] {
        let Ok(root) = boc::decode(bytes, limits) else {
            continue;
        };
        is_accepted = true;
        assert!(usize::from(root.repr_depth()) <= limits.depth);
        let again = boc::decode(&Boc::encode(&root), BocLimits::STATE).expect("what was written");
        assert_eq!(again.repr_hash(), root.repr_hash());
        let _ = scan(&root);
        if let Ok(message) = Message::parse(root) {
            let _ = message.body();
        }
    }
    is_accepted
}

/// Any cells as a configuration, and a chain under it: absurd prices and limits give errors.
pub fn config(bytes: &[u8]) -> bool {
    let Ok(root) = boc::decode(bytes, BocLimits::STATE) else {
        return false;
    };
    let Ok(config) = Config::from_root(root, chrysalis_chain::chain::genesis::START_UNIX_S) else {
        return false;
    };
    let mut genesis = Genesis::with_config(config);
    genesis.accounts = self::genesis().accounts;
    let Ok(mut chain) = Chain::new(genesis) else {
        return false;
    };
    let giver = chain.giver().expect("an address");
    let _ = chain.faucet(&giver, COIN);
    let to_ns = 2 * chain.genesis().block_interval_ns;
    if chain.advance(to_ns).is_err() {
        return false;
    }
    chain.audit().expect("coins are conserved");
    true
}

/// Any bytes as an external message.
pub fn external(bytes: &[u8]) -> bool {
    let mut chain = fresh();
    let is_accepted = chain.submit(bytes).is_ok();
    go_on(&mut chain, 2);
    is_accepted
}

/// `METHOD TARGET`, a zero, the body.
pub fn http(bytes: &[u8]) -> bool {
    let (head, body) = split(bytes);
    let head = String::from_utf8_lossy(head);
    let (method, target) = head.split_once(' ').unwrap_or(("GET", &head));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut chain = fresh();
    let rules = Rules {
        faucet_nanoton: Some(COIN),
    };
    let request = HttpRequest {
        method,
        path,
        query,
        body,
    };
    let answer = answer_http(&mut chain, &Provider::default(), rules, request);
    assert!((200..600).contains(&answer.status), "{answer:?}");
    assert!(answer.status == 200 || answer.body["error"].is_string(), "{answer:?}");
    go_on(&mut chain, 2);
    answer.status == 200
}

/// A manifest, a zero, a bag of cells: what is accepted goes on and can be written again.
pub fn state_file(bytes: &[u8]) -> bool {
    let (manifest, boc) = split(bytes);
    let file = StateFile {
        manifest: String::from_utf8_lossy(manifest).into_owned(),
        boc: boc.to_vec(),
    };
    let Ok(mut chain) = import(&file, genesis()) else {
        return false;
    };
    chain.audit().expect("an import is audited");
    let again = export(&chain).expect("what was read");
    import(&again, genesis()).expect("what was written");
    // Accounts may be such that a block cannot be made; that is an error and no panic.
    let to_ns = chain.now_ns() + 2 * chain.genesis().block_interval_ns;
    if chain.advance(to_ns).is_ok() {
        chain.audit().expect("coins are conserved");
    }
    true
}

fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == SEPARATOR) {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[]),
    }
}

//! The checks of the fuzz targets on their seeds, on mutations of them, and on what is too large, too deep or absurd.
//!
//! `UPDATE_GOLDEN=1` writes `fuzz/corpus` anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says so and stops"
)]

#[path = "../fuzz/src/checks.rs"]
pub mod checks;
#[path = "../../../node/settlement/tests/support/fuzz.rs"]
mod support;

use std::path::Path;

use checks::{CHECKS, SEPARATOR, WALLET_SEED, fresh};
use chrysalis_chain::{
    Genesis, StdAddr,
    boc::{BocError, BocLimits, decode},
    exec::{FeeSchedule, config::DEFAULT_VERSION},
    state_file::export,
    wallet::{Transfer, Wallet, WalletVersion},
};
use support::{assert_seeds, deep};
use tycho_types::{
    boc::Boc,
    cell::{Cell, CellBuilder, CellFamily as _, HashBytes},
};

/// Mutations of each seed.
const MUTATIONS: usize = 150;

fn with_separator(head: &[u8], rest: &[u8]) -> Vec<u8> {
    [head, &[SEPARATOR], rest].concat()
}

/// The seeds of a target.
fn seeds(target: &str) -> Vec<(&'static str, Vec<u8>)> {
    let wallet = Wallet::new(WalletVersion::V4R2, &WALLET_SEED).unwrap();
    let to = StdAddr::new(0, HashBytes([7; 32]));
    let order = wallet.order(0, u32::MAX, &[Transfer::new(to, 1_000_000_000)]).unwrap();
    let address = wallet.address().to_string();
    let state = |slots: u64| {
        let mut chain = fresh();
        chain.submit(&Boc::encode(&order)).unwrap();
        chain.advance(slots * chain.genesis().block_interval_ns).unwrap();
        let file = export(&chain).unwrap();
        with_separator(file.manifest.as_bytes(), &file.boc)
    };
    let rpc = |method: &str, params: String| {
        let body = format!(r#"{{"id":"1","jsonrpc":"2.0","method":"{method}","params":{params}}}"#);
        with_separator(b"POST /api/v2/jsonRPC", body.as_bytes())
    };
    let boc = Boc::encode_base64(&order);
    let parsed = chrysalis_chain::chain::Message::parse(order.clone()).unwrap();
    let body = Boc::encode_base64(CellBuilder::build_from(parsed.body().unwrap()).unwrap());
    match target {
        "boc" => vec![
            ("order", Boc::encode(&order)),
            ("wallet-code", Boc::encode(WalletVersion::V5R1.code().unwrap())),
            ("empty-cell", Boc::encode(Cell::empty_cell())),
        ],
        "config" => vec![
            ("new-fees", config(&FeeSchedule::new())),
            ("old-fees", config(&FeeSchedule::old())),
        ],
        "external" => vec![("order", Boc::encode(&order))],
        "http" => vec![
            ("index", b"GET /".to_vec()),
            (
                "balance",
                format!("GET /api/v2/getAddressBalance?address={address}").into_bytes(),
            ),
            (
                "account-v3",
                format!("GET /api/v3/accountStates?address={address}").into_bytes(),
            ),
            ("masterchain", b"GET /api/v3/masterchainInfo".to_vec()),
            (
                "get-method",
                rpc(
                    "runGetMethod",
                    format!(
                        r#"{{"address":"{address}","method":"seqno","stack":[["num","0x1"],["tuple",{{"elements":[]}}],["cell",{{"bytes":"te6ccgEBAQEAAgAAAA=="}}]]}}"#
                    ),
                ),
            ),
            (
                "estimate",
                rpc(
                    "estimateFee",
                    format!(r#"{{"address":"{address}","body":"{body}","ignore_chksig":true}}"#),
                ),
            ),
            ("send", rpc("sendBoc", format!(r#"{{"boc":"{boc}"}}"#))),
            (
                "message",
                with_separator(b"POST /api/v3/message", format!(r#"{{"boc":"{boc}"}}"#).as_bytes()),
            ),
            (
                "faucet",
                with_separator(
                    b"POST /faucet",
                    format!(r#"{{"address":"{address}","nanoton":"5"}}"#).as_bytes(),
                ),
            ),
        ],
        "state_file" => vec![("before", state(0)), ("after", state(2))],
        _ => Vec::new(),
    }
}

fn config(fees: &FeeSchedule) -> Vec<u8> {
    let config = chrysalis_chain::exec::Config::from_fees(fees, DEFAULT_VERSION, 1_793_491_200).unwrap();
    Boc::encode(config.root())
}

#[test]
fn seeds_are_accepted_and_mutations_of_them_do_no_harm() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    assert_seeds(&corpus, &CHECKS, seeds, MUTATIONS);
    for (_, check) in CHECKS {
        check(b"");
        check(&[0xff; 4_096]);
    }
}

#[test]
fn a_tree_of_a_megabyte_is_an_error_whatever_its_shape() {
    let tall = deep(200_000);
    assert!(tall.len() > 999_000);
    for limits in [BocLimits::EXTERNAL_MESSAGE, BocLimits::STATE, BocLimits::STATE_FILE] {
        let refused = decode(&tall, limits).unwrap_err();
        assert!(
            matches!(
                refused,
                BocError::TooDeep { depth: 199_999, .. } | BocError::TooLarge { .. } | BocError::TooManyCells { .. }
            ),
            "{refused}"
        );
    }
    // The control: the same form is read where it is small enough.
    assert_eq!(decode(&deep(500), BocLimits::STATE).unwrap().repr_depth(), 499);
    // As wide as it can be, a megabyte of data: a state may be so large, an external message not.
    let mut wide = Cell::empty_cell();
    for level in 0..9_000_u32 {
        let mut cell = CellBuilder::new();
        cell.store_raw(&[level as u8; 124], 992).unwrap();
        cell.store_u16(level as u16).unwrap();
        if level % 4 != 0 {
            cell.store_reference(wide.clone()).unwrap();
        }
        wide = cell.build().unwrap();
    }
    let mut chain = fresh();
    assert!(chain.submit(&tall).is_err());
    assert!(chain.submit(&Boc::encode(&wide)).is_err());
    for (_, check) in CHECKS {
        check(&tall);
    }
}

#[test]
fn absurd_plans_are_errors() {
    let mut genesis = Genesis::new().unwrap();
    genesis.block_interval_ns = 0;
    assert!(chrysalis_chain::Chain::new(genesis).is_err());
    for root in [Cell::empty_cell(), CellBuilder::build_from(u64::MAX).unwrap()] {
        assert!(chrysalis_chain::exec::Config::from_root(root, 0).is_err());
    }
}

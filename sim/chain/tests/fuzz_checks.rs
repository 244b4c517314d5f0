//! The checks of the fuzz targets on their seeds, on mutations of them, and on what is too large, too deep or absurd.
//!
//! `UPDATE_GOLDEN=1` writes `fuzz/corpus` anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says so and stops"
)]

#[path = "../fuzz/src/checks.rs"]
mod checks;

use std::{fs, path::PathBuf};

use checks::{CHECKS, SEPARATOR, WALLET_SEED, fresh};
use chrysalis_chain::{
    Genesis, StdAddr,
    boc::{BocError, BocLimits, decode},
    exec::{FeeSchedule, config::DEFAULT_VERSION},
    state_file::export,
    wallet::{Transfer, Wallet, WalletVersion},
};
use tycho_types::{
    boc::Boc,
    cell::{Cell, CellBuilder, CellFamily as _, HashBytes},
};

/// Mutations of each seed.
const MUTATIONS: usize = 150;

fn corpus(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target)
}

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

/// xorshift64: the same mutations everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }

    fn mutated(&mut self, seed: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..1 + self.below(3) {
            let at = self.below(bytes.len());
            match self.below(4) {
                0 => bytes.truncate(at),
                1 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                2 if !bytes.is_empty() => bytes[at] = [0, 1, 0x7f, 0xff][self.below(4)],
                _ => {
                    let copy = bytes[at..].to_vec();
                    bytes.extend(copy.into_iter().take(self.below(64)));
                }
            }
        }
        bytes
    }
}

#[test]
fn seeds_are_accepted_and_mutations_of_them_do_no_harm() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for (target, check) in CHECKS {
        let folder = corpus(target);
        for (name, seed) in seeds(target) {
            let path = folder.join(name);
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                fs::create_dir_all(&folder).unwrap();
                fs::write(&path, &seed).unwrap();
            }
            assert_eq!(
                fs::read(&path).ok().as_ref(),
                Some(&seed),
                "{} is not current",
                path.display()
            );
            assert!(check(&seed), "{target}: {name} is refused");
            let refused = (0..MUTATIONS).filter(|_| !check(&random.mutated(&seed))).count();
            assert!(refused > 0, "{target}: {name}, whatever is done to it");
        }
        check(b"");
        check(&[0xff; 4_096]);
    }
}

/// A chain of cells, written by hand: a builder would not make it so deep.
fn deep(cells: usize) -> Vec<u8> {
    let mut bag = vec![0xb5, 0xee, 0x9c, 0x72, 3, 4];
    let number = |number: usize, bytes: usize| number.to_be_bytes()[8 - bytes..].to_vec();
    let body = cells * 5 - 3;
    for part in [
        number(cells, 3),
        number(1, 3),
        number(0, 3),
        number(body, 4),
        number(0, 3),
    ] {
        bag.extend(part);
    }
    for index in 0..cells {
        let is_last = index + 1 == cells;
        bag.extend([u8::from(!is_last), 0]);
        if !is_last {
            bag.extend(number(index + 1, 3));
        }
    }
    bag
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

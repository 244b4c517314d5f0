//! The checks of the fuzz targets on their seeds, on mutations of them, and on what is too large or too deep.
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

use checks::{CHECKS, KEY_SEED};
use chrysalis_settlement::{
    Address, Params, PaymentKind, Prices, SignedPayment, SigningKey, TokenMultipliers,
    boc::{BocError, BocLimits},
    contracts::{ProxyIdentity, client_init, proxy_init, worker_init},
    onchain::{
        CodeProfile, CodeSet, Coins, ContractRole,
        message::{ClientMessage, CloseKind, ProxyMessage, SignedClose, SignedCount, WalletExternal, WorkerMessage},
        storage::{RootStorage, WalletStorage},
        user_code::{UserCode, UserCodeError},
    },
    params::StructVersion,
};
use tycho_types::{boc::Boc, cell::CellBuilder};

/// Mutations of each seed.
const MUTATIONS: usize = 2_000;
const OWNER: Address = Address::new(0, [0x33; 32]);

fn corpus(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target)
}

fn params() -> Params {
    Params {
        struct_version: StructVersion::V3,
        params_version: 7,
        unique_id: 13,
        is_test: true,
        prices: Prices {
            price_per_token_nanoton: 20,
            worker_fee_per_token_nanoton: 16,
            multipliers: TokenMultipliers {
                prompt: 10_000,
                cached: 2_000,
                completion: 80_000,
                reasoning: 80_000,
            },
        },
        proxy_delay_s: 86_400,
        client_delay_s: 43_200,
        min_proxy_stake_nanoton: 1_000_000_000,
        min_client_stake_nanoton: 15_000_000_000,
    }
}

fn seeds(target: &str) -> Vec<(&'static str, Vec<u8>)> {
    let key = SigningKey::from_seed(&KEY_SEED);
    let codes = CodeSet::builtin(CodeProfile::Hardened);
    let root = Address::new(0, [0x44; 32]);
    let proxy = proxy_init(codes.contracts(), &params(), &OWNER, &key.public(), &root);
    let identity = ProxyIdentity {
        address: proxy.address(),
        public_key: key.public(),
    };
    let client = client_init(codes.contracts(), &params(), &identity, &OWNER);
    let worker = worker_init(codes.contracts(), &params(), &identity, &OWNER);
    let count = |kind| SignedCount::sign(&key, kind, 1, 1_000, client.address(), OWNER);
    match target {
        "message" => {
            let top_up = ClientMessage::TopUp {
                query_id: 1,
                amount: Coins::from(5_000_000_000),
                excesses: OWNER,
            };
            let close = SignedClose::sign(&key, CloseKind::Request, 2, proxy.address(), OWNER);
            let register = WorkerMessage::Register {
                query_id: 3,
                excesses: OWNER,
            };
            let external = WalletExternal::sign(&key, 0, u32::MAX, 4, Vec::new()).unwrap();
            vec![
                ("top-up", Boc::encode(top_up.to_cell())),
                ("charge", Boc::encode(count(PaymentKind::ClientCharge).to_cell())),
                ("payout", Boc::encode(count(PaymentKind::WorkerPayout).to_cell())),
                ("close", Boc::encode(ProxyMessage::Signed(close).to_cell())),
                ("register-worker", Boc::encode(register.to_cell())),
                ("wallet-order", Boc::encode(external.to_cell())),
            ]
        }
        "payment" => PaymentKind::ALL
            .into_iter()
            .zip(["charge", "refund", "payout", "last-payout"])
            .map(|(kind, name)| {
                (
                    name,
                    SignedPayment::sign(&key, kind, 1, 1_000, &client.address(), &OWNER).boc,
                )
            })
            .collect(),
        "storage" => vec![
            ("proxy", Boc::encode(proxy.data())),
            ("client", Boc::encode(client.data())),
            ("worker", Boc::encode(worker.data())),
            (
                "wallet",
                Boc::encode(WalletStorage::initial(key.public(), OWNER).to_cell()),
            ),
            (
                "root",
                Boc::encode(RootStorage::initial(OWNER, params(), codes.contracts()).to_cell()),
            ),
        ],
        "user_code" => ContractRole::ALL
            .into_iter()
            .map(|role| (role.name(), Boc::encode(codes.code(role))))
            .collect(),
        _ => Vec::new(),
    }
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
            match self.below(3) {
                0 => bytes.truncate(at),
                1 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                _ if !bytes.is_empty() => bytes[at] = [0, 1, 0x7f, 0xff][self.below(4)],
                _ => {}
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
        assert!(!check(b"") && !check(&[0xff; 4_096]));
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
fn a_code_of_a_megabyte_is_an_error_whatever_its_shape() {
    let load = |boc: &[u8]| UserCode::load(ContractRole::Client, boc);
    // The control: the same form is read where it is small enough.
    assert!(load(&deep(400)).is_ok());
    for cells in [600, 5_000, 60_000, 200_000] {
        let refused = load(&deep(cells)).unwrap_err();
        assert!(
            matches!(refused, UserCodeError::Code(_) | UserCodeError::Boc(_)),
            "{cells}: {refused}"
        );
    }
    assert!(matches!(
        load(&vec![0; BocLimits::CODE.bytes + 1]),
        Err(UserCodeError::Boc(BocError::TooLarge { .. }))
    ));
    let data = CellBuilder::build_from(7_u32).unwrap();
    let codes = CodeSet::builtin(CodeProfile::Hardened);
    for role in ContractRole::ALL {
        // Another layout: a code for data, a number for data.
        for cell in [&data, codes.code(role)] {
            assert!(chrysalis_settlement::onchain::user_code::check_data(role, cell).is_err());
        }
    }
}

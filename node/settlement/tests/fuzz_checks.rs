//! The checks of the fuzz targets on their seeds, on mutations of them, and on what is too large or too deep.
//!
//! `UPDATE_GOLDEN=1` writes `fuzz/corpus` anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says so and stops"
)]

#[path = "../fuzz/src/checks.rs"]
pub mod checks;
#[path = "support/fuzz.rs"]
mod support;

use std::path::Path;

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
use support::{assert_seeds, deep};
use tycho_types::{boc::Boc, cell::CellBuilder};

/// Mutations of each seed.
const MUTATIONS: usize = 2_000;
const OWNER: Address = Address::new(0, [0x33; 32]);

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

#[test]
fn seeds_are_accepted_and_mutations_of_them_do_no_harm() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    assert_seeds(&corpus, &CHECKS, seeds, MUTATIONS);
    for (_, check) in CHECKS {
        assert!(!check(b"") && !check(&[0xff; 4_096]));
    }
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

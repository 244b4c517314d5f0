//! The machine on the project's contracts: nothing to find in one build, every attack in the other, and planted defects.
//!
//! `CHRYSALIS_SETTLEMENT_TRANSITIONS` sets the steps of the first test (default 2,000); `cargo xtask campaign settlement`
//! runs a million.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says so and stops"
)]
#![expect(
    clippy::print_stdout,
    reason = "what was found after how many transitions is a result"
)]

use std::collections::BTreeSet;

use chrysalis_campaign::{Campaign, Contracts, Kind, Report, Scene, campaign::campaign};
use chrysalis_settlement::onchain::{CodeProfile, ContractRole};

fn go(contracts: Contracts, plan: &Campaign) -> Report {
    campaign(&mut Scene::new(contracts).unwrap(), plan, &mut |_| true)
}

fn builtin(profile: CodeProfile, plan: &Campaign) -> Report {
    go(Contracts::builtin(profile), plan)
}

/// Everything that must have happened, or a quiet campaign says nothing: contract, operation, end.
const EXERCISED: [(&str, &str, &str); 31] = [
    ("client", "ext_client_top_up", "done"),
    ("client", "ext_client_top_up", "sent back"),
    ("client", "ext_client_charge_signed", "done"),
    ("client", "ext_client_charge_signed", "sent back"),
    ("client", "ext_client_grant_refund_signed", "done"),
    ("client", "owner_client_withdraw", "done"),
    ("client", "owner_client_withdraw", "sent back"),
    ("client", "owner_client_request_refund", "done"),
    ("client", "owner_client_request_refund", "sent back"),
    ("client", "owner_client_change_secret_hash", "done"),
    ("client", "owner_client_increase_stake", "done"),
    ("client", "owner_client_register", "done"),
    ("client", "coins", "done"),
    ("worker", "ext_worker_payout_request_signed", "done"),
    ("worker", "ext_worker_payout_request_signed", "sent back"),
    ("worker", "ext_worker_last_payout_request_signed", "done"),
    ("worker", "owner_worker_register", "done"),
    ("worker", "bounce", "done"),
    ("worker", "coins", "done"),
    ("proxy", "client_proxy_request", "done"),
    ("proxy", "client_proxy_request", "sent back"),
    ("proxy", "worker_proxy_request", "done"),
    ("proxy", "worker_proxy_request", "sent back"),
    ("proxy", "ext_proxy_payout_request", "done"),
    ("proxy", "ext_proxy_increase_stake", "done"),
    ("proxy", "owner_proxy_close", "done"),
    ("proxy", "ext_proxy_close_request_signed", "done"),
    ("proxy", "ext_proxy_close_complete_request_signed", "done"),
    ("proxy", "ext_proxy_close_complete_request_signed", "sent back"),
    ("proxy", "text", "done"),
    ("wallet", "order", "done"),
];

#[test]
fn hardened_contracts_keep_every_promise() {
    let transitions = std::env::var("CHRYSALIS_SETTLEMENT_TRANSITIONS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(2_000);
    let report = builtin(CodeProfile::Hardened, &Campaign::quiet(transitions, 1));
    for discovery in report.discoveries.values() {
        println!("{}\n{:#?}", discovery.finding, discovery.plan);
    }
    assert!(report.discoveries.is_empty());
    assert!(report.transitions >= transitions && report.transactions > 2 * transitions);
    let missing: Vec<_> = EXERCISED
        .iter()
        .filter(|what| !report.exercised.contains_key(*what))
        .collect();
    assert!(missing.is_empty(), "{missing:?} of {:#?}", report.exercised);
}

#[test]
fn every_attack_is_found_in_the_reference_contracts() {
    let plan = Campaign {
        shrink: false,
        ..Campaign::attacks(20_000, 1)
    };
    let report = builtin(CodeProfile::Reference, &plan);
    for attack in Kind::ATTACKS {
        let found = report.discoveries.get(&attack);
        let found =
            found.unwrap_or_else(|| panic!("{} was not found in {} transitions", attack.name(), report.transitions));
        println!(
            "{} after {} transitions: {}",
            attack.name(),
            found.transitions,
            found.finding.detail
        );
    }
}

#[test]
fn a_plan_that_finds_something_is_made_smaller() {
    let plan = Campaign {
        wanted: vec![Kind::ChargedBeyondBalance, Kind::SettledPaymentRefused],
        ..Campaign::attacks(5_000, 3)
    };
    let report = builtin(CodeProfile::Reference, &plan);
    let steps = |kind| report.discoveries[&kind].plan.steps.len();
    assert_eq!(steps(Kind::ChargedBeyondBalance), 1, "{report:#?}");
    assert_eq!(steps(Kind::SettledPaymentRefused), 2, "{report:#?}");
}

#[test]
fn the_same_seed_finds_the_same() {
    let plan = Campaign {
        shrink: false,
        ..Campaign::attacks(1_000, 5)
    };
    let first = builtin(CodeProfile::Reference, &plan);
    assert_eq!(first, builtin(CodeProfile::Reference, &plan));
    let other = Campaign { seed: 6, ..plan };
    assert_ne!(first.exercised, builtin(CodeProfile::Reference, &other).exercised);
}

/// Negative controls: one contract of the weak build among hardened ones is found, by the rules that it breaks.
#[test]
fn one_weak_contract_among_hardened_ones_is_found() {
    for (role, expected) in [
        (
            ContractRole::Proxy,
            vec![
                Kind::PaidTwice,
                Kind::SweptDeposits,
                Kind::ShortRefund,
                Kind::DepositStuck,
            ],
        ),
        (
            ContractRole::Client,
            vec![
                Kind::ChargedBeyondBalance,
                Kind::SubmitterGained,
                Kind::SettledPaymentRefused,
            ],
        ),
        (
            ContractRole::Worker,
            vec![
                Kind::LostClaim,
                Kind::WorkerBooks,
                Kind::SubmitterGained,
                Kind::SettledPaymentRefused,
            ],
        ),
        (ContractRole::Wallet, vec![Kind::SeqnoNotKept]),
    ] {
        let plan = Campaign {
            wanted: expected.clone(),
            shrink: false,
            ..Campaign::quiet(20_000, 1)
        };
        let report = go(Contracts::weakened(role).unwrap(), &plan);
        assert_eq!(
            report.missing(&expected),
            [],
            "{}: {:#?}",
            role.name(),
            report.discoveries.keys()
        );
        let found: BTreeSet<&str> = report.discoveries.keys().map(|kind| kind.words()).collect();
        println!(
            "a weak {} contract, {} transitions: {found:?}",
            role.name(),
            report.transitions
        );
    }
}

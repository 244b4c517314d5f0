//! Accounts on a simulated chain: deployed, funded, charged and paid by the nodes themselves.

use crate::common;

use chrysalis_settlement::{PaymentKind, onchain::opcodes};
use chrysalis_world::{
    Detail, EngineKind, Outcome, RunOptions, Workshop,
    plan::{AttackPlan, ContractBuild, Expectation, FeePlan, Plan, SettlementPlan, Threat},
    run,
};
use std::sync::Arc;

fn plan(contracts: ContractBuild) -> Plan {
    let mut plan = common::hello(1);
    plan.settlement = Some(SettlementPlan {
        contracts,
        fees: FeePlan::New,
        wallet_nanoton: 100_000_000_000,
        access_ns: 100_000_000,
        charge_threshold_nanoton: 1,
        payout_threshold_nanoton: 1,
        ..SettlementPlan::default()
    });
    plan.duration_ns = 600_000_000_000;
    plan.users[0].requests = [60_000, 90_000, 300_000]
        .map(|at_ms| common::request(at_ms, "Count to ten.", true))
        .to_vec();
    plan
}

fn go(plan: Plan, engine: EngineKind) -> Outcome {
    let options = RunOptions {
        detail: Detail::Full,
        ..RunOptions::verdicts(engine)
    };
    run(&Arc::new(plan), options, &Workshop::default()).unwrap()
}

#[test]
fn nodes_deploy_fund_charge_and_pay() {
    for contracts in [ContractBuild::Hardened, ContractBuild::Reference] {
        let outcome = go(plan(contracts), EngineKind::Native);
        assert!(
            outcome.passed(),
            "{contracts:?}\n{:#?}\n{:#?}",
            outcome.assertions,
            outcome.rows.notes
        );
        let rows = &outcome.rows.transactions;
        let done = |op: u32| rows.iter().filter(|row| row.op == Some(op) && row.is_success).count();
        for op in [
            opcodes::CLIENT_REGISTER,
            opcodes::CLIENT_CHANGE_SECRET,
            opcodes::CLIENT_TOP_UP,
            PaymentKind::ClientCharge.op(),
            PaymentKind::WorkerPayout.op(),
        ] {
            assert!(done(op) > 0, "{contracts:?}: {:?} was not done", opcodes::name(op));
        }
        // Nothing was sent that a contract refused. A message of one nanoTON runs nothing: it is read by the node.
        let refused: Vec<_> = rows
            .iter()
            .filter(|row| row.exit_code.is_some_and(|code| code != 0) || row.action_code.is_some_and(|code| code != 0))
            .collect();
        assert!(refused.is_empty(), "{contracts:?}: {refused:#?}");
        // What the worker's owner got is what its signatures were worth: 16 nanoTON for each token.
        let payout = opcodes::PAYOUT;
        let paid: u128 = rows
            .iter()
            .filter(|row| row.op == Some(payout))
            .map(|row| row.value_nanoton)
            .sum();
        let fee = u128::from(common::hello(1).economy.worker_fee_per_token_nanoton);
        assert!(
            paid > 0 && paid <= fee * u128::from(signed(&outcome, "worker_payout")),
            "{paid}"
        );
    }
}

/// The largest signed count of a kind.
fn signed(outcome: &Outcome, kind: &str) -> u64 {
    let payments = outcome.rows.payments.iter().filter(|payment| payment.kind == kind);
    payments.map(|payment| payment.tokens).max().unwrap_or(0)
}

#[test]
fn the_same_seed_gives_the_same_chain() {
    let hashes = |engine| {
        let outcome = go(plan(ContractBuild::Hardened), engine);
        let hashes: Vec<_> = outcome.rows.transactions.iter().map(|row| row.hash.clone()).collect();
        (outcome.stats.world_digest, hashes)
    };
    let first = hashes(EngineKind::Native);
    assert!(first.1.len() > 20, "{} transactions", first.1.len());
    assert_eq!(first, hashes(EngineKind::Native));
}

/// A plan with every attack, each on contracts of its own.
fn attacked(contracts: ContractBuild) -> Plan {
    let mut plan = plan(contracts);
    let works = contracts == ContractBuild::Reference;
    plan.users[0].requests.truncate(1);
    plan.users[0]
        .requests
        .push(common::request(590_000, "Still there?", false));
    plan.expectations.push(Expectation::Attack { works });
    if let Some(settlement) = &mut plan.settlement {
        settlement.proxy_delay_s = 120;
        settlement.client_delay_s = 60;
        settlement.attacks = Threat::ALL
            .map(|threat| AttackPlan {
                at_ns: 20_000_000_000,
                threat,
            })
            .to_vec();
    }
    plan
}

const ON_CHAIN: [&str; 5] = [
    "pool-covers-clients",
    "every-bounce-accounted",
    "honest-party-never-loses",
    "unlock-rules",
    "monotonic-tokens",
];

#[test]
fn each_attack_works_on_the_reference_and_none_on_hardened_contracts() {
    let mut hardened = attacked(ContractBuild::Hardened);
    let properties = ON_CHAIN.map(|name| Expectation::Property { name: name.into() });
    hardened.expectations.extend(properties);
    let outcome = go(hardened, EngineKind::Native);
    assert!(outcome.passed(), "{:#?}", outcome.assertions);

    let mut reference = attacked(ContractBuild::Reference);
    reference.expectations = vec![Expectation::Attack { works: true }];
    let seen = [
        "pool-covers-clients",
        "every-bounce-accounted",
        "honest-party-never-loses",
    ];
    reference
        .expectations
        .extend(seen.map(|name| Expectation::Violated { name: name.into() }));
    for name in ["conservation-of-coins", "unlock-rules", "monotonic-tokens"] {
        reference.expectations.push(Expectation::Property { name: name.into() });
    }
    let outcome = go(reference, EngineKind::Native);
    assert!(outcome.passed(), "{:#?}", outcome.assertions);
    assert_eq!(outcome.rows.attacks.len(), 9);
}

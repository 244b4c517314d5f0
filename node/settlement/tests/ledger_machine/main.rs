//! Random sequences of everything that happens to one client's and one worker's account, against a model of the
//! client contract, with the invariants checked after each step.
//!
//! The same machine runs under the reference's policy as its own negative control: there the invariants must break.

mod machine;
mod steps;

use chrysalis_settlement::{
    ReportedUsage,
    ledger::{ClientStatus, LedgerPolicy},
};
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner},
};

use machine::{Broken, Report, Step, run};
use steps::any_steps;

fn runner(cases: u32) -> TestRunner {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

#[test]
fn sound_accounts_keep_their_invariants() {
    let mut charged = 0;
    let mut settled = 0;
    let mut refunded = 0;
    let result = runner(1500).run(&any_steps(), |steps| {
        run(LedgerPolicy::SOUND, &steps)
            .map(|_| ())
            .map_err(TestCaseError::fail)
    });
    result.unwrap();
    // The sequences reach what they are about: same generator, same seed.
    let mut runner = runner(1500);
    for _ in 0..300 {
        let steps = any_steps().new_tree(&mut runner).unwrap().current();
        let machine = run(LedgerPolicy::SOUND, &steps).unwrap();
        charged += usize::from(machine.client.tokens_used() > 0);
        settled += usize::from(machine.client.chain().tokens_used > 0);
        refunded += usize::from(machine.contract.0.status == ClientStatus::Closed);
    }
    assert!(
        charged > 100 && settled > 20 && refunded > 20,
        "{charged} {settled} {refunded}"
    );
}

/// Negative control: the same machine finds the reference's weak points.
#[test]
fn the_same_machine_breaks_the_reference() {
    let result = runner(1500).run(&any_steps(), |steps| {
        run(LedgerPolicy::REFERENCE, &steps)
            .map(|_| ())
            .map_err(TestCaseError::fail)
    });
    let Err(TestError::Fail(reason, _)) = result else {
        panic!("nothing was found: {result:?}")
    };
    assert!(!reason.message().is_empty());
}

/// Each single rule of the reference breaks the machine on its own, so each is needed.
#[test]
fn each_rule_of_the_reference_breaks_on_its_own() {
    let (sound, reference) = (LedgerPolicy::SOUND, LedgerPolicy::REFERENCE);
    for (reason, policy) in [
        (
            "no reservation is negative",
            LedgerPolicy {
                reservation: reference.reservation,
                ..sound
            },
        ),
        (
            "a charge of -",
            LedgerPolicy {
                completion: reference.completion,
                ..sound
            },
        ),
        (
            "delivered for nothing",
            LedgerPolicy {
                failure: reference.failure,
                ..sound
            },
        ),
        (
            "only durable tokens are charged",
            LedgerPolicy {
                charge: reference.charge,
                ..sound
            },
        ),
    ] {
        let result = runner(1500).run(&any_steps(), |steps| match run(policy, &steps) {
            Err(broken) if broken.contains(reason) => Err(TestCaseError::fail(broken)),
            _ => Ok(()),
        });
        assert!(matches!(result, Err(TestError::Fail(..))), "{reason}: {result:?}");
    }
}

/// An open account: 80000 nanoTON buy 11428 tokens.
const OPENING: [Step; 3] = [Step::TopUp { nanoton: 80_000 }, Step::SeeContract, Step::SeeContract];

fn broken_by(policy: LedgerPolicy, attack: &[Step]) -> Option<Broken> {
    run(policy, &[&OPENING, attack].concat()).err()
}

/// T11: a negative `max_tokens` reserves a negative number.
#[test]
fn t11_negative_max_tokens() {
    let attack = [Step::Reserve {
        max_tokens: -1_000_000,
        request_bytes: 100,
        max_coefficient: 1000,
    }];
    let broken = broken_by(LedgerPolicy::REFERENCE, &attack);
    assert_eq!(broken.as_deref(), Some("no reservation is negative"));
    assert_eq!(broken_by(LedgerPolicy::SOUND, &attack), None);

    // What it buys: a request for 900000 tokens on a balance of 11428, charged in full.
    let mut machine = run(LedgerPolicy::REFERENCE, &OPENING).unwrap_or_else(|broken| panic!("{broken}"));
    assert_eq!(machine.client.available_tokens(), 11_428);
    for step in [
        attack[0],
        Step::Reserve {
            max_tokens: 900_000,
            request_bytes: 0,
            max_coefficient: 1000,
        },
        Step::Release { which: 0 },
        Step::Complete {
            which: 0,
            report: Report::Share(1000),
        },
    ] {
        machine.step(step).unwrap();
    }
    assert_eq!(machine.client.available_tokens(), 11_428 - 900_000);
    assert_eq!(machine.check((0, 0)).unwrap_err(), "available is not negative");
}

/// T29: a negative reservation and one overlapping honest request; giving the honest one back aborts.
#[test]
fn t29_negative_coefficient_aborts() {
    let attack = [
        Step::Reserve {
            max_tokens: 100,
            request_bytes: 0,
            max_coefficient: 1000,
        },
        Step::Reserve {
            max_tokens: 1000,
            request_bytes: 0,
            max_coefficient: -4000,
        },
        Step::Complete {
            which: 0,
            report: Report::Share(1000),
        },
    ];
    let mut machine = run(LedgerPolicy::REFERENCE, &OPENING).unwrap_or_else(|broken| panic!("{broken}"));
    machine.step(attack[0]).unwrap();
    machine.step(attack[1]).unwrap();
    let abort = machine.step(attack[2]).unwrap_err();
    assert_eq!(abort, "abort: 100 tokens given back while -3900 are reserved");
    assert_eq!(broken_by(LedgerPolicy::SOUND, &attack), None);
}

/// T15: a negative report takes back what was used before.
#[test]
fn t15_negative_report() {
    let reserve = Step::Reserve {
        max_tokens: 500,
        request_bytes: 0,
        max_coefficient: 1000,
    };
    let negative = ReportedUsage {
        total: -500,
        ..ReportedUsage::default()
    };
    let attack = [
        reserve,
        Step::Complete {
            which: 0,
            report: Report::Share(1000),
        },
        reserve,
        Step::Complete {
            which: 0,
            report: Report::Raw(negative),
        },
    ];
    assert_eq!(
        broken_by(LedgerPolicy::REFERENCE, &attack).as_deref(),
        Some("a charge of -500")
    );
    assert_eq!(broken_by(LedgerPolicy::SOUND, &attack), None);
}

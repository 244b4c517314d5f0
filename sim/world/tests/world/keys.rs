//! A key manager among nodes that work: what they are given, and what ends it.

use crate::common;

use chrysalis_world::{Detail, EngineKind, Outcome, RunOptions, Workshop, plan::*, run};
use std::{collections::BTreeSet, sync::Arc};

const S: u64 = 1_000_000_000;
const NODE: &str = "key-manager-1";

fn engines() -> impl Iterator<Item = EngineKind> {
    let madsim = chrysalis_world::MADSIM_AVAILABLE.then_some(EngineKind::Madsim);
    [EngineKind::Native].into_iter().chain(madsim)
}

fn play(plan: &Plan, engine: EngineKind) -> Outcome {
    let options = RunOptions {
        detail: Detail::Full,
        ..RunOptions::verdicts(engine)
    };
    run(&Arc::new(plan.clone()), options, &Workshop::default()).unwrap()
}

/// Ten minutes of questions beside a key manager whose epochs last two.
fn plan(faults: Vec<FaultPlan>, properties: &[&str]) -> Plan {
    let mut plan = common::hello(1);
    plan.duration_ns = 900 * S;
    plan.key_manager = Some(KeyManagerPlan {
        node: NodePlan {
            name: NODE.into(),
            ..plan.workers[0].node.clone()
        },
        period_s: 120,
        grace_s: 120,
        askers: Vec::new(),
    });
    plan.users[0].requests = (0..20)
        .map(|number| common::request(2_000 + number * 30_000, "Say hello.", false))
        .collect();
    plan.faults = faults;
    plan.expectations = properties
        .iter()
        .map(|name| Expectation::Property { name: (*name).into() })
        .collect();
    plan
}

fn epochs(outcome: &Outcome) -> Vec<u64> {
    let made = outcome.rows.keys_changed.iter();
    let made = made.filter(|row| row.change == "made" && row.holder == "workers");
    made.map(|row| row.epoch).collect()
}

#[test]
fn everybody_has_the_keys_of_the_running_epoch() {
    let plan = plan(Vec::new(), &["key-epochs-advance", "keys-go-to-their-own-kind"]);
    for engine in engines() {
        let outcome = play(&plan, engine);
        assert!(outcome.passed(), "{:#?}", outcome.assertions);
        assert_eq!(epochs(&outcome), [1, 2, 3, 4, 5]);
        // Nobody has the key of another kind of node.
        let held = |node: &str| -> BTreeSet<&str> {
            let of_node = outcome.rows.keys_held.iter().filter(|held| held.node == node);
            of_node.map(|held| held.public_key.as_str()).collect()
        };
        let (proxy, worker) = (held("proxy-1"), held("worker-1"));
        assert!(proxy.len() >= 4 && worker.len() >= 4, "{proxy:?} {worker:?}");
        assert!(proxy.is_disjoint(&worker));
    }
}

#[test]
fn a_key_manager_that_was_put_back_stops_and_gives_out_nothing() {
    let put_back = FaultPlan {
        at_ns: 400 * S,
        action: FaultAction::OldDisk {
            node: NODE.into(),
            copied_at_ns: 130 * S,
            restart_after_ns: 5 * S,
        },
    };
    let mut plan = plan(vec![put_back], &["key-epochs-advance", "keys-go-to-their-own-kind"]);
    plan.expectations.push(Expectation::Stops { node: NODE.into() });
    for engine in engines() {
        let outcome = play(&plan, engine);
        assert!(outcome.passed(), "{:#?}", outcome.assertions);
        assert!(outcome.rows.stopped[0].text.contains("older copy"));
        let last = outcome.rows.keys_released.last().unwrap();
        assert!(last.at_ns < 400 * S, "{last:?}");
    }
}

/// The list of images is that of the moment.
#[test]
fn an_image_that_was_withdrawn_gets_no_more_keys() {
    let removed = FaultPlan {
        at_ns: 200 * S,
        action: FaultAction::RemoveImage {
            image: ImageOf::Workers,
        },
    };
    let plan = plan(vec![removed], &["keys-go-to-their-own-kind"]);
    for engine in engines() {
        let outcome = play(&plan, engine);
        assert!(outcome.passed(), "{:#?}", outcome.assertions);
        let last = |holder: &str| {
            let released = outcome.rows.keys_released.iter();
            let of_holder = released.filter(|released| released.holder == holder);
            of_holder.map(|released| released.at_ns).max().unwrap()
        };
        assert!(last("workers") <= 200 * S);
        assert!(last("proxies") > 400 * S);
    }
}

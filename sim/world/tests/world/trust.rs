//! Trust that is withdrawn while sessions live, and certificates that are renewed while a world lives.

use crate::common;

use chrysalis_world::{Detail, EngineKind, Outcome, RunOptions, Workshop, plan::*, run};
use std::sync::Arc;

const S: u64 = 1_000_000_000;
const HOUR_MS: u64 = 3_600_000;

fn engines() -> impl Iterator<Item = EngineKind> {
    let madsim = chrysalis_world::MADSIM_AVAILABLE.then_some(EngineKind::Madsim);
    [EngineKind::Native].into_iter().chain(madsim)
}

fn play(plan: &Plan, engine: EngineKind, workshop: &Workshop) -> Outcome {
    let options = RunOptions {
        detail: Detail::Full,
        ..RunOptions::verdicts(engine)
    };
    run(&Arc::new(plan.clone()), options, workshop).unwrap()
}

/// Questions at these times, and something that happens at second 20.
fn with_fault(action: FaultAction, binding: BindingPlan, asked_s: &[u64]) -> Plan {
    let mut plan = common::hello(1);
    plan.attestation.binding = binding;
    plan.users[0].requests = asked_s
        .iter()
        .map(|second| common::request(second * 1_000, "Say hello.", false))
        .collect();
    plan.faults = vec![FaultPlan { at_ns: 20 * S, action }];
    plan.expectations = vec![Expectation::Property {
        name: "withdrawn-trust-ends-service".into(),
    }];
    plan
}

fn withdrawals() -> Vec<FaultAction> {
    let revoke = |node: &str| FaultAction::RevokePlatform { node: node.into() };
    vec![
        revoke("worker-1"),
        revoke("proxy-1"),
        FaultAction::TcbRecovery,
        FaultAction::RemoveImage {
            image: ImageOf::Workers,
        },
        FaultAction::RemoveImage {
            image: ImageOf::Proxies,
        },
        FaultAction::RemoveModel { model: "nano".into() },
    ]
}

fn served(outcome: &Outcome) -> usize {
    let ends = outcome.requests.iter();
    ends.filter(|request| request.outcome == RequestOutcome::Succeeded)
        .count()
}

#[test]
fn withdrawn_trust_ends_service_where_evidence_is_bound_to_sessions_and_nowhere_else() {
    for action in withdrawals() {
        for engine in engines() {
            let workshop = Workshop::default();
            let plan = with_fault(action.clone(), BindingPlan::default(), &[2, 45]);
            let hardened = play(&plan, engine, &workshop);
            assert!(hardened.passed(), "{action:?}: {:#?}", hardened.assertions);
            assert_eq!(served(&hardened), 1, "{action:?}: the second question has no answer");
            let refusals: Vec<_> = hardened.rows.peers.iter().filter(|peer| !peer.accepted).collect();
            let first = refusals.first().unwrap();
            assert_eq!(first.occasion, "recheck", "{action:?}: {first:?}");
            assert!((20 * S..=36 * S).contains(&first.at_ns), "{action:?}: {first:?}");

            let plan = with_fault(action.clone(), BindingPlan::Certificate, &[2, 45]);
            let reference = play(&plan, engine, &workshop);
            assert!(!reference.passed(), "{action:?}: the weak point shows");
            assert_eq!(served(&reference), 2, "{action:?}");
        }
    }
}

#[test]
fn what_is_withheld_is_not_known_and_what_is_let_go_is() {
    let freeze = |length_ns| FaultPlan {
        at_ns: 10 * S,
        action: FaultAction::FreezeCollateral { length_ns },
    };
    let revoke = FaultAction::RevokePlatform {
        node: "worker-1".into(),
    };
    for (length_ns, answers) in [(None, 2), (Some(15 * S), 1)] {
        let mut plan = with_fault(revoke.clone(), BindingPlan::default(), &[2, 55]);
        plan.faults.insert(0, freeze(length_ns));
        let outcome = play(&plan, EngineKind::Native, &Workshop::default());
        assert_eq!(served(&outcome), answers, "{length_ns:?}: {:#?}", outcome.rows.peers);
    }
}

#[test]
fn what_others_judged_before_does_not_show() {
    let plan = with_fault(
        FaultAction::TcbRecovery,
        BindingPlan::session(Some(5 * S), Some(3 * S)),
        &[2, 45],
    );
    let workshop = Workshop::default();
    let first = play(&plan, EngineKind::Native, &workshop);
    let again = play(&plan, EngineKind::Native, &workshop);
    let alone = play(&plan, EngineKind::Native, &Workshop::default());
    assert_eq!(first.rows.peers, again.rows.peers);
    assert_eq!(first.rows.peers, alone.rows.peers);
    assert_eq!(first.stats.world_digest, again.stats.world_digest);
    let of = |occasion: &str| {
        let rows = first.rows.peers.iter();
        rows.filter(|peer| peer.occasion == occasion && peer.accepted).count()
    };
    // Three sessions ends demand evidence: client and worker of the proxy, the proxy of the worker. Every five seconds.
    assert!(of("session") >= 3 && of("renewal") >= 9, "{:#?}", first.rows.peers);
    let renewals = first
        .rows
        .peers
        .iter()
        .filter(|peer| peer.occasion == "renewal" && peer.accepted);
    assert!(renewals.clone().all(|peer| peer.cached), "the machine was known");
}

/// Certificates live a day, and this world three.
#[test]
fn nodes_that_start_again_after_days_are_let_in() {
    for binding in [BindingPlan::default(), BindingPlan::Certificate] {
        let mut plan = common::hello(1);
        plan.attestation.binding = binding;
        plan.duration_ns = 72 * 3_600 * S;
        plan.users[0].requests = [1_000, 27 * HOUR_MS, 50 * HOUR_MS, 71 * HOUR_MS]
            .into_iter()
            .map(|at_ms| common::request(at_ms, "Say hello.", false))
            .collect();
        let restart = |node: &str, hour: u64| FaultPlan {
            at_ns: hour * 3_600 * S,
            action: FaultAction::Kill {
                node: node.into(),
                restart_after_ns: Some(10 * S),
                wipe: false,
            },
        };
        // Each dials or is dialled anew, by nodes that ran all the while.
        plan.faults = vec![restart("worker-1", 26), restart("proxy-1", 49), restart("client-1", 70)];
        let outcome = play(&plan, EngineKind::Native, &Workshop::default());
        assert_eq!(served(&outcome), 4, "{binding:?}: {:#?}", outcome.requests);
        assert!(outcome.passed(), "{binding:?}: {:#?}", outcome.assertions);
        let early = |peer: &&chrysalis_world::recorder::Peer| !peer.accepted && peer.reason.contains("xpired");
        assert_eq!(outcome.rows.peers.iter().filter(early).count(), 0);
    }
}

//! One client, one proxy, one worker: from a user's request to a signed payment.

use crate::common;

use chrysalis_world::{Detail, EngineKind, RunOptions, Workshop, properties::Verdict, run};
use std::sync::Arc;

#[test]
fn a_request_is_answered_counted_and_paid() {
    let plan = Arc::new(common::hello(1));
    let options = RunOptions {
        detail: Detail::Full,
        ..RunOptions::verdicts(EngineKind::Native)
    };
    let outcome = run(&plan, options, &Workshop::default()).unwrap();
    let shown = format!(
        "{:#?}\n{:#?}\n{:#?}",
        outcome.assertions, outcome.rows.notes, outcome.rows.peers
    );
    assert!(outcome.passed(), "{shown}");
    assert_eq!(outcome.requests.len(), 2);
    let paid = outcome
        .rows
        .payments
        .iter()
        .filter(|payment| payment.kind == "taken" && payment.tokens > 0);
    assert!(paid.count() > 0, "nobody took a payment: {:#?}", outcome.rows.payments);
    assert!(outcome.requests[1].parts.len() > 5, "a stream comes in pieces");
    let streamed = &outcome.requests[1];
    assert!(streamed.first_text_ns >= streamed.first_byte_ns && streamed.first_text_ns < streamed.end_ns);
    let whole = &outcome.requests[0];
    assert_eq!(whole.first_text_ns, whole.parts.last().map(|(at_ns, _)| *at_ns));
    let verdict = |name: &str| {
        let found = outcome.assertions.iter().find(|assertion| assertion.name == name);
        found.map(|assertion| (assertion.verdict, assertion.detail.as_str()))
    };
    assert_eq!(verdict("conservation-of-coins"), Some((Verdict::Held, "2 checked")));
    assert_eq!(
        verdict("ledger-keeps-signed-units"),
        Some((Verdict::NothingToCheck, "nothing to check")),
        "nothing starts again"
    );
}

/// A client whose secret is not on the chain has its contract tell the proxy's a nonce (spec §4.2).
#[test]
fn a_client_without_a_secret_is_authorised_by_the_chain() {
    for engine in [EngineKind::Native, EngineKind::Madsim] {
        if engine == EngineKind::Madsim && !chrysalis_world::MADSIM_AVAILABLE {
            continue;
        }
        let mut plan = common::hello(1);
        let first_ms = |plan| {
            let outcome = run(&Arc::new(plan), RunOptions::verdicts(engine), &Workshop::default()).unwrap();
            assert!(outcome.passed(), "{:#?}\n{:#?}", outcome.assertions, outcome.rows.notes);
            let ready = outcome
                .rows
                .notes
                .iter()
                .find(|note| note.text == "a proxy is ready")
                .unwrap();
            ready.at_ns / 1_000_000
        };
        let with_secret_ms = first_ms(plan.clone());
        plan.clients[0].secret.clear();
        let by_chain_ms = first_ms(plan);
        assert!(
            (5_000..8_000).contains(&(by_chain_ms - with_secret_ms)),
            "{with_secret_ms} ms with a secret, {by_chain_ms} ms by the chain"
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    let run = |seed, leak_entropy| {
        let plan = Arc::new(common::hello(seed));
        let options = RunOptions {
            leak_entropy,
            record_events: true,
            ..RunOptions::verdicts(EngineKind::Native)
        };
        run(&plan, options, &Workshop::default()).unwrap()
    };
    let (a, b, other) = (run(7, false), run(7, false), run(8, false));
    assert_eq!(a.stats, b.stats);
    assert_ne!(a.stats.world_digest, other.stats.world_digest);
    assert_eq!(
        a.application_digest, other.application_digest,
        "what users get does not depend on the seed"
    );

    let (leaky, leaky_again) = (run(7, true), run(7, true));
    assert_ne!(
        leaky.stats.world_digest, leaky_again.stats.world_digest,
        "the negative control must be noticed"
    );
    let divergence = chrysalis_world::run::first_divergence(leaky.log.as_ref(), leaky_again.log.as_ref());
    assert!(divergence.is_some());
    assert!(chrysalis_world::run::first_divergence(a.log.as_ref(), b.log.as_ref()).is_none());
}

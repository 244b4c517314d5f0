//! One client, one proxy, one worker: from a user's request to a signed payment.

mod common;

use chrysalis_world::{Detail, EngineKind, RunOptions, Workshop, run};
use std::sync::Arc;

#[test]
fn a_request_is_answered_counted_and_paid() {
    let plan = Arc::new(common::hello(1));
    let options = RunOptions { detail: Detail::Full, ..RunOptions::verdicts(EngineKind::Native) };
    let outcome = run(&plan, options, &Workshop::default()).unwrap();
    let shown = format!("{:#?}\n{:#?}\n{:#?}", outcome.assertions, outcome.rows.notes, outcome.rows.peers);
    assert!(outcome.passed(), "{shown}\n{:#?}", outcome.requests);
    assert_eq!(outcome.requests.len(), 2);
    let paid = outcome.rows.payments.iter().filter(|payment| payment.kind == "taken" && payment.tokens > 0);
    assert!(paid.count() > 0, "nobody took a payment: {:#?}", outcome.rows.payments);
    assert!(outcome.requests[1].parts.len() > 5, "a stream comes in pieces");
}

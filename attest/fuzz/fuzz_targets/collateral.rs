//! Any bytes as collateral for a genuine quote: no panic, and acceptance only inside the window that it declares.
#![no_main]

use chrysalis_attest::{
    freshness::Expected,
    Collateral, SimTdxAttester, SimulationOnly, TdMeasurements, TrustAnchors, tdx::appraise::{Context, appraise},
    policy::AppraisalRules, sim_pki::SimPki, tdx::Attester,
};
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock};

/// The vendor of the seed corpus (`tests/fuzz_corpus.rs`).
const START: u64 = 1_790_000_000;

static WORLD: LazyLock<(TrustAnchors, Vec<u8>)> = LazyLock::new(|| {
    let pki = SimPki::new(7, START);
    let attester = SimTdxAttester::new(Arc::new(pki.platform(1)), TdMeasurements::of_image("fuzz"));
    (pki.anchors(SimulationOnly::accept_no_security()), attester.quote(&[0x42; 64]).unwrap())
});

fuzz_target!(|bytes: &[u8]| {
    let (anchors, quote) = &*WORLD;
    let Ok(collateral) = Collateral::from_json(bytes) else { return };
    let policy = &AppraisalRules::default();
    let context = Context { now_unix_s: START, anchors, collateral: &collateral, policy, event_log: None, expected: Expected::default() };
    if let Ok(verdict) = appraise(quote, &context) {
        assert!(collateral.issued_unix_s() <= START && START <= collateral.expires_unix_s());
        assert!(verdict.holds_at(START));
    }
});

//! Any bytes as a quote: no panic, and what is accepted is the genuine evidence in another padding.
#![no_main]

use chrysalis_attest::{
    freshness::Expected,
    Collateral, SimTdxAttester, SimulationOnly, TdMeasurements, TrustAnchors,
    tdx::appraise::{Context, EvidenceId, appraise},
    policy::AppraisalRules,
    sim_pki::SimPki,
    tdx::Attester,
};
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock};

/// The vendor of the seed corpus (`tests/fuzz_corpus.rs`).
const START: u64 = 1_790_000_000;

struct World {
    anchors: TrustAnchors,
    collateral: Collateral,
    rules: AppraisalRules,
    genuine: EvidenceId,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let pki = SimPki::new(7, START);
    let (anchors, collateral) = (pki.anchors(SimulationOnly::accept_no_security()), pki.collateral(START));
    let rules = AppraisalRules::default();
    let quote = SimTdxAttester::new(Arc::new(pki.platform(1)), TdMeasurements::of_image("fuzz")).quote(&[0x42; 64]);
    let context = Context { now_unix_s: START, anchors: &anchors, collateral: &collateral, policy: &rules, event_log: None, expected: Expected::default() };
    let genuine = appraise(&quote.unwrap(), &context).unwrap().evidence_id;
    World { anchors, collateral, rules, genuine }
});

fuzz_target!(|bytes: &[u8]| {
    let World { anchors, collateral, rules, genuine } = &*WORLD;
    let context = Context { now_unix_s: START, anchors, collateral, policy: rules, event_log: None, expected: Expected::default() };
    if let Ok(verdict) = appraise(bytes, &context) {
        assert_eq!(verdict.evidence_id, *genuine);
    }
});

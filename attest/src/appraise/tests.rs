//! Appraisal of simulated and of real evidence.

use super::*;
use crate::{
    policy::SimulationOnly,
    sim_pki::SimPki,
    tdx::{Attester, SimTdxAttester, TdMeasurements},
};
use std::sync::Arc;

const START: u64 = 1_790_000_000;

#[test]
fn simulated_evidence_is_accepted_under_its_root() {
    let pki = SimPki::new(7, START);
    let attester = SimTdxAttester::new(Arc::new(pki.platform(1)), TdMeasurements::of_image("worker"));
    let quote = attester.quote(&[0x42; 64]).unwrap();
    let collateral = pki.collateral(START);
    let anchors = pki.anchors(SimulationOnly::accept_no_security());
    let rules = AppraisalRules::default();
    let context = Context {
        now_unix_s: START + 10,
        anchors: &anchors,
        collateral: &collateral,
        policy: &rules,
    };
    let verdict = appraise(&quote, &context).unwrap();
    assert_eq!(verdict.image_hash, TdMeasurements::of_image("worker").image_hash());
}

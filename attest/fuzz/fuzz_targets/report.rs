//! Any bytes as an SNP report with the chain of a genuine machine: no panic, and what is accepted is the genuine report.
#![no_main]

use chrysalis_attest::mutate::{Case, Lab, lab::Subject};
use chrysalis_attest::{EvidenceId, snp::Product};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static GENUINE: LazyLock<(Case, Option<EvidenceId>)> = LazyLock::new(|| {
    let case = Lab::new(Subject::Snp(Product::Genoa), 7).genuine();
    let id = case.appraise().identity;
    (case, id)
});

fuzz_target!(|bytes: &[u8]| {
    let (genuine, id) = &*GENUINE;
    let mut case = genuine.clone();
    case.evidence = bytes.to_vec();
    let appraisal = case.appraise();
    assert!(!appraisal.is_accepted() || appraisal.identity == *id);
});

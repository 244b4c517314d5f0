//! Any bytes as measurements of a GPU with the chain of a genuine one: no panic, and what is accepted is the genuine evidence.
#![no_main]

use chrysalis_attest::mutate::{Case, Lab, lab::Subject};
use chrysalis_attest::{EvidenceId, gpu::Architecture};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static GENUINE: LazyLock<(Case, Option<EvidenceId>)> = LazyLock::new(|| {
    let case = Lab::new(Subject::Gpu(Architecture::Hopper), 7).genuine();
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

//! Any bytes as the leaf of an SNP chain: no panic, and only the genuine certificate is accepted.
#![no_main]

use chrysalis_attest::mutate::{Case, Lab, lab::Subject};
use chrysalis_attest::snp::Product;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static GENUINE: LazyLock<Case> = LazyLock::new(|| Lab::new(Subject::Snp(Product::Genoa), 7).genuine());

fuzz_target!(|bytes: &[u8]| {
    let mut case = GENUINE.clone();
    case.certificates[0] = bytes.to_vec();
    assert!(!case.appraise().is_accepted() || case.certificates == GENUINE.certificates);
});

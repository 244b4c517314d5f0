//! Any bytes as the leaf of an SNP chain: no panic, and only the genuine certificate is accepted.
#![no_main]

use chrysalis_attest::{mutate::lab::Subject, snp::Product};
use chrysalis_attest_fuzz::Genuine;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static GENUINE: LazyLock<Genuine> = LazyLock::new(|| Genuine::of(Subject::Snp(Product::Genoa)));

fuzz_target!(|bytes: &[u8]| {
    let mut case = GENUINE.case.clone();
    case.certificates[0] = bytes.to_vec();
    assert!(!case.appraise().is_accepted() || case.certificates == GENUINE.case.certificates);
});

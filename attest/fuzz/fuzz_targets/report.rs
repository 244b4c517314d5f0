//! Any bytes as an SNP report with the chain of a genuine machine: no panic, and what is accepted is the genuine report.
#![no_main]

use chrysalis_attest::{mutate::lab::Subject, snp::Product};
use chrysalis_attest_fuzz::Genuine;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static GENUINE: LazyLock<Genuine> = LazyLock::new(|| Genuine::of(Subject::Snp(Product::Genoa)));

fuzz_target!(|bytes: &[u8]| {
    GENUINE.check_evidence(bytes);
});

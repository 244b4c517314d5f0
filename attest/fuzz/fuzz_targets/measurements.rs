//! Any bytes as measurements of a GPU with the chain of a genuine one: no panic, and what is accepted is the genuine evidence.
#![no_main]

use chrysalis_attest::{gpu::Architecture, mutate::lab::Subject};
use chrysalis_attest_fuzz::Genuine;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static GENUINE: LazyLock<Genuine> = LazyLock::new(|| Genuine::of(Subject::Gpu(Architecture::Hopper)));

fuzz_target!(|bytes: &[u8]| {
    GENUINE.check_evidence(bytes);
});

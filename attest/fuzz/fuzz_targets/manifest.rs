//! Any bytes as a manifest of reference values: no panic, and what verifies says what the genuine one says.
#![no_main]

use chrysalis_attest::gpu::{Architecture, Rim};
use chrysalis_attest::mutate::{
    Case, Lab,
    lab::{NOW_UNIX_S, Subject},
};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static GENUINE: LazyLock<(Case, Vec<Rim>)> = LazyLock::new(|| {
    let case = Lab::new(Subject::Gpu(Architecture::Hopper), 7).genuine();
    let read = |document: &Vec<u8>| Rim::verify(document, case.trust.gpu(), NOW_UNIX_S).unwrap();
    let rims = case.manifests.iter().map(read).collect();
    (case, rims)
});

fuzz_target!(|bytes: &[u8]| {
    let (genuine, rims) = &*GENUINE;
    if let Ok(rim) = Rim::verify(bytes, genuine.trust.gpu(), NOW_UNIX_S) {
        assert!(rims.contains(&rim));
    }
});

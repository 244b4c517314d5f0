//! Any bytes as a manifest of reference values: no panic, and what verifies says what the genuine one says.
#![no_main]

use chrysalis_attest::{
    gpu::{Architecture, Rim},
    mutate::lab::{NOW_UNIX_S, Subject},
};
use chrysalis_attest_fuzz::Genuine;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static GENUINE: LazyLock<(Genuine, Vec<Rim>)> = LazyLock::new(|| {
    let genuine = Genuine::of(Subject::Gpu(Architecture::Hopper));
    let manifests = genuine.case.manifests.iter();
    let rims: Result<_, _> = manifests
        .map(|document| Rim::verify(document, genuine.case.trust.gpu(), NOW_UNIX_S))
        .collect();
    let rims = rims.expect("the case is accepted with these manifests");
    (genuine, rims)
});

fuzz_target!(|bytes: &[u8]| {
    let (genuine, rims) = &*GENUINE;
    if let Ok(rim) = Rim::verify(bytes, genuine.case.trust.gpu(), NOW_UNIX_S) {
        assert!(rims.contains(&rim));
    }
});

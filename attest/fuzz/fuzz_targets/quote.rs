//! Any bytes as a quote: no panic, and what is accepted is the genuine evidence in another padding.
#![no_main]

use chrysalis_attest::tdx::appraise::{EvidenceId, appraise};
use chrysalis_attest_fuzz::TdWorld;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static WORLD: LazyLock<(TdWorld, EvidenceId)> = LazyLock::new(|| {
    let world = TdWorld::new();
    let genuine = appraise(&world.quote, &world.context(&world.collateral)).expect("the genuine quote is accepted");
    (world, genuine.evidence_id)
});

fuzz_target!(|bytes: &[u8]| {
    let (world, genuine) = &*WORLD;
    if let Ok(verdict) = appraise(bytes, &world.context(&world.collateral)) {
        assert_eq!(verdict.evidence_id, *genuine);
    }
});

//! Any bytes as collateral for a genuine quote: no panic, and acceptance only inside the window that it declares.
#![no_main]

use chrysalis_attest::{Collateral, tdx::appraise::appraise};
use chrysalis_attest_fuzz::{START_UNIX_S, TdWorld};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static WORLD: LazyLock<TdWorld> = LazyLock::new(TdWorld::new);

fuzz_target!(|bytes: &[u8]| {
    let Ok(collateral) = Collateral::from_json(bytes) else { return };
    if let Ok(verdict) = appraise(&WORLD.quote, &WORLD.context(&collateral)) {
        assert!((collateral.issued_unix_s()..=collateral.expires_unix_s()).contains(&START_UNIX_S));
        assert!(verdict.holds_at(START_UNIX_S));
    }
});

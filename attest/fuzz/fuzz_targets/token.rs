//! Any text as an EAR token: no panic, and without the verifier's key none is accepted.
#![no_main]

use chrysalis_attest::{certificate::IdentityKey, ear};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static KEY: LazyLock<IdentityKey> = LazyLock::new(|| IdentityKey::from_seed([1; 32]));

fuzz_target!(|bytes: &[u8]| {
    if let Ok(token) = std::str::from_utf8(bytes) {
        assert!(ear::verify(token, KEY.public_key(), &[0; 32], 0).is_err());
    }
});

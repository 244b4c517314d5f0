//! Any bytes as a certificate: no panic, and what is accepted stays accepted for as long as it says.
#![no_main]

use chrysalis_attest::certificate::{VALIDITY_S, check};
use libfuzzer_sys::fuzz_target;

/// The time of the seed corpus (`tests/fuzz_corpus.rs`).
const START: u64 = 1_790_000_000;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(checked) = check(bytes, START) {
        assert!(checked.not_after_unix_s - checked.not_before_unix_s <= VALIDITY_S);
        for unix_s in [checked.not_before_unix_s, checked.not_after_unix_s] {
            assert_eq!(check(bytes, unix_s).as_ref(), Ok(&checked));
        }
    }
});

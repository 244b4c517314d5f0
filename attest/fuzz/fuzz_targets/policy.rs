//! Any text as a policy in JSON: no panic, and what is read survives being written.
#![no_main]

use chrysalis_attest::appraise::Policy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(policy) = serde_json::from_slice::<Policy>(bytes) {
        let text = serde_json::to_vec(&policy).expect("a policy has a JSON form");
        let again = serde_json::from_slice(&text);
        assert!(again.is_ok_and(|again: Policy| again == policy));
        let _ = policy.lint();
    }
});

#![no_main]

use chrysalis_chain_fuzz::checks;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    checks::config(bytes);
});

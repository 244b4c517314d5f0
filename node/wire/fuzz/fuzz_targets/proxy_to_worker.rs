#![no_main]

use chrysalis_wire_fuzz::checks;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    checks::proxy_to_worker(bytes);
});

#![no_main]

chrysalis_wire_fuzz::fuzz_check!("attestation_record");

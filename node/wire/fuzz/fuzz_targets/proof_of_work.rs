#![no_main]

chrysalis_wire_fuzz::fuzz_check!("proof_of_work");

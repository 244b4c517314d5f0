#![no_main]

chrysalis_chain_fuzz::fuzz_check!("external");

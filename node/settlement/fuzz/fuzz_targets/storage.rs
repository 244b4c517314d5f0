#![no_main]

chrysalis_settlement_fuzz::fuzz_check!("storage");

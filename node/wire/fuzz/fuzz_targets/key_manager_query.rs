#![no_main]

chrysalis_wire_fuzz::fuzz_check!("key_manager_query");

#![no_main]

chrysalis_wire_fuzz::fuzz_check!("client_query");

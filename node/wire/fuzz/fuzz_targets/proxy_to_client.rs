#![no_main]

chrysalis_wire_fuzz::fuzz_check!("proxy_to_client");

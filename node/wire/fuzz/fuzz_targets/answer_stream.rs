#![no_main]

chrysalis_wire_fuzz::fuzz_check!("answer_stream");

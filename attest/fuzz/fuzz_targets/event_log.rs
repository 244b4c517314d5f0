//! Any bytes as an event log: no panic, and events and registers agree.
#![no_main]

use chrysalis_attest::tdx::event_log::EventLog;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(log) = EventLog::replay(bytes) {
        let events: Vec<_> = log.events.iter().map(|event| (event.register, event.kind, event.digest)).collect();
        assert_eq!(EventLog::replay(&EventLog::write(&events)).as_ref(), Ok(&log));
    }
});

//! The log of what a TD extended its run-time registers with, and its replay.
//!
//! The format is the CC event log of UEFI (ACPI table CCEL), which is the crypto-agile log of the TCG PC client profile
//! with one bank, SHA-384. A log proves nothing by itself: it is believed as far as its replay gives the registers of a
//! genuine quote.

use super::Measurement;
use crate::hash::sha384;

/// Longest log that is read; Linux guests have about 20 to 60 kB.
pub const MAX_EVENT_LOG_LEN_BYTES: usize = 512 * 1024;

/// Most events that are read.
const MAX_EVENTS: usize = 4_096;

/// An event that tells and measures nothing.
const EV_NO_ACTION: u32 = 3;
const SHA384: u16 = 0x000c;
const SPECIFICATION: &[u8; 16] = b"Spec ID Event03\0";

/// What is malformed in a log, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("event log: {what} at offset {offset}")]
pub struct EventLogFault {
    /// What was found or missed.
    pub what: &'static str,
    /// Where, in bytes from the beginning.
    pub offset: usize,
}

/// One event that was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeasuredEvent {
    /// The register, 0 to 3.
    pub register: usize,
    /// Kind of the event, as TCG numbers them.
    pub kind: u32,
    /// What the register was extended with.
    pub digest: Measurement,
}

/// A log that was read and replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventLog {
    /// Events in order.
    pub events: Vec<MeasuredEvent>,
    /// What the registers are after all of them.
    pub registers: [Measurement; 4],
}

struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    fn fault(&self, what: &'static str) -> EventLogFault {
        EventLogFault {
            what,
            offset: self.offset,
        }
    }

    fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], EventLogFault> {
        let end = self.offset.checked_add(len).ok_or(self.fault(what))?;
        let taken = self.bytes.get(self.offset..end).ok_or(self.fault(what))?;
        self.offset = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], EventLogFault> {
        let fault = self.fault(what);
        self.take(N, what)?.try_into().map_err(|_| fault)
    }

    fn u32(&mut self, what: &'static str) -> Result<u32, EventLogFault> {
        self.array(what).map(u32::from_le_bytes)
    }

    fn u16(&mut self, what: &'static str) -> Result<u16, EventLogFault> {
        self.array(what).map(u16::from_le_bytes)
    }

    /// The area of the log is larger than the log, and filled up.
    fn is_at_end(&self) -> bool {
        let rest = self.bytes.get(self.offset..).unwrap_or(&[]);
        rest.iter().all(|byte| *byte == 0xff) || rest.iter().all(|byte| *byte == 0)
    }
}

impl EventLog {
    /// Reads and replays a log.
    ///
    /// # Errors
    /// It is not of that form, or too long.
    pub fn replay(log: &[u8]) -> Result<Self, EventLogFault> {
        let mut reader = Reader { bytes: log, offset: 0 };
        if log.len() > MAX_EVENT_LOG_LEN_BYTES {
            return Err(EventLogFault {
                what: "more bytes than a log may have",
                offset: MAX_EVENT_LOG_LEN_BYTES,
            });
        }
        specification(&mut reader)?;
        let mut events = Vec::new();
        let mut registers = [[0; 48]; 4];
        while !reader.is_at_end() {
            if events.len() == MAX_EVENTS {
                return Err(reader.fault("more events than are read"));
            }
            let start = reader.offset;
            let index = reader.u32("index of a register")?;
            let kind = reader.u32("kind of an event")?;
            if reader.u32("number of digests")? != 1 {
                return Err(reader.fault("another number of digests than one"));
            }
            if reader.u16("algorithm of a digest")? != SHA384 {
                return Err(reader.fault("digest of another algorithm than SHA-384"));
            }
            let digest: Measurement = reader.array("digest")?;
            let len = reader.u32("length of an event")?;
            reader.take(len as usize, "event ends early")?;
            if kind == EV_NO_ACTION {
                continue;
            }
            // Register 0 of the log is MRTD, which cannot be extended; 1 to 4 are RTMR 0 to 3.
            let register = index as usize;
            let Some(extended) = register.checked_sub(1).and_then(|at| registers.get_mut(at)) else {
                return Err(EventLogFault {
                    what: "event of a register that cannot be extended",
                    offset: start,
                });
            };
            *extended = sha384(&[extended, &digest]);
            events.push(MeasuredEvent {
                register: register - 1,
                kind,
                digest,
            });
        }
        Ok(Self { events, registers })
    }

    /// Whether a register was extended with this digest.
    pub fn measured(&self, digest: &Measurement) -> bool {
        self.events.iter().any(|event| event.digest == *digest)
    }

    /// Writes a log of these events, for simulated TDs.
    pub fn write(events: &[(usize, u32, Measurement)]) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend_from_slice(SPECIFICATION);
        body.extend_from_slice(&[0, 0, 0, 0, 0, 2, 0, 2]);
        body.extend_from_slice(&1u32.to_le_bytes());
        body.extend_from_slice(&SHA384.to_le_bytes());
        body.extend_from_slice(&48u16.to_le_bytes());
        body.push(0);
        let mut log = Vec::new();
        log.extend_from_slice(&1u32.to_le_bytes());
        log.extend_from_slice(&EV_NO_ACTION.to_le_bytes());
        log.extend_from_slice(&[0; 20]);
        log.extend_from_slice(&(body.len() as u32).to_le_bytes());
        log.extend_from_slice(&body);
        for (register, kind, digest) in events {
            log.extend_from_slice(&(*register as u32 + 1).to_le_bytes());
            log.extend_from_slice(&kind.to_le_bytes());
            log.extend_from_slice(&1u32.to_le_bytes());
            log.extend_from_slice(&SHA384.to_le_bytes());
            log.extend_from_slice(digest);
            log.extend_from_slice(&0u32.to_le_bytes());
        }
        log
    }
}

/// The first event, of the older form, says which digests the others have.
fn specification(reader: &mut Reader<'_>) -> Result<(), EventLogFault> {
    reader.u32("index of the first event")?;
    if reader.u32("kind of the first event")? != EV_NO_ACTION {
        return Err(reader.fault("first event is not the specification"));
    }
    reader.take(20, "digest of the first event")?;
    let len = reader.u32("length of the specification")? as usize;
    let start = reader.offset;
    if reader.take(16, "name of the specification")? != SPECIFICATION {
        return Err(reader.fault("another specification than the crypto-agile one"));
    }
    reader.take(8, "versions of the specification")?;
    if reader.u32("number of algorithms")? != 1
        || reader.u16("algorithm")? != SHA384
        || reader.u16("length of a digest")? != 48
    {
        return Err(reader.fault("other digests than one of SHA-384"));
    }
    let [vendor_len] = reader.array("length of vendor information")?;
    reader.take(vendor_len.into(), "vendor information")?;
    if reader.offset - start != len {
        return Err(reader.fault("specification of another length than it says"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: [(usize, u32, Measurement); 4] = [
        (0, 1, [1; 48]),
        (2, 0x8000_0001, [2; 48]),
        (2, 13, [3; 48]),
        (3, 13, [4; 48]),
    ];

    #[test]
    fn a_replay_extends_each_register_in_order() {
        let log = EventLog::replay(&EventLog::write(&EVENTS)).unwrap();
        let extend = |old: Measurement, digest: Measurement| sha384(&[&old, &digest]);
        assert_eq!(
            log.registers,
            [
                extend([0; 48], [1; 48]),
                [0; 48],
                extend(extend([0; 48], [2; 48]), [3; 48]),
                extend([0; 48], [4; 48]),
            ]
        );
        assert!(log.measured(&[3; 48]) && !log.measured(&[5; 48]));
        let mut swapped = EVENTS;
        swapped.swap(1, 2);
        assert_ne!(
            EventLog::replay(&EventLog::write(&swapped)).unwrap().registers,
            log.registers
        );
    }

    #[test]
    fn padding_ends_a_log_and_events_that_tell_are_not_measured() {
        let mut log = EventLog::write(&EVENTS);
        let expected = EventLog::replay(&log).unwrap();
        log.extend_from_slice(&[0xff; 100]);
        assert_eq!(EventLog::replay(&log).unwrap(), expected);
        let mut told = EVENTS.to_vec();
        told.push((1, EV_NO_ACTION, [9; 48]));
        assert_eq!(EventLog::replay(&EventLog::write(&told)).unwrap(), expected);
    }

    #[test]
    fn malformed_logs_are_refused_where_they_are_wrong() {
        let log = EventLog::write(&EVENTS);
        let whole = EventLog::replay(&log).unwrap();
        let header = log.len() - EVENTS.len() * 66;
        for len in 0..log.len() {
            match EventLog::replay(&log[..len]) {
                // Between events a log may end; that it is short shows in the registers.
                Ok(short) => assert!((len - header).is_multiple_of(66) && short != whole, "{len}"),
                Err(fault) => assert!(fault.offset <= len, "{len}"),
            }
        }
        let altered = |at: usize, byte: u8| {
            let mut log = log.clone();
            log[at] = byte;
            EventLog::replay(&log)
        };
        assert!(altered(4, 1).is_err(), "first event");
        assert!(altered(32, b'X').is_err(), "specification");
        assert_eq!(altered(header, 0).unwrap_err().offset, header, "MRTD");
        assert_eq!(altered(header, 5).unwrap_err().offset, header, "no such register");
        assert!(altered(header + 8, 2).is_err(), "two digests");
        assert!(altered(header + 12, 0x0b).is_err(), "SHA-256");
        assert!(altered(header + 65, 0xff).is_err(), "huge event");
        assert!(EventLog::replay(&vec![0; MAX_EVENT_LOG_LEN_BYTES + 1]).is_err());
    }
}

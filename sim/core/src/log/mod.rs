//! The event log: what two runs are compared by.
//!
//! Every event is mixed into a 128-bit state; every 1,024 events the state goes into a SHA-256 chain, whose end is the
//! digest of the run. With [`crate::Recording::Full`] the events are kept as well, and
//! [`EventLog::first_divergence`] finds the first one in which two runs differ. Each event carries a digest of the
//! schedule up to it, so a different order of task polls shows at the next event even where nothing else differs.

mod divergence;
pub(crate) mod mix;

pub use divergence::Divergence;

use sha2::{Digest, Sha256};
use std::fmt;

/// Events between two links of the SHA-256 chain.
const BLOCK_EVENTS: u64 = 1024;

/// What an [`Event`] is about, and with that what its `subject`, `length` and `digest` mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum EventKind {
    /// A node was added; subject: its address.
    NodeAdded,
    /// A node's main task started; subject: incarnation.
    NodeStarted,
    /// A node's main task returned.
    NodeFinished,
    /// A node's process or machine died; subject: how.
    NodeKilled,
    /// A task of the node panicked; digest: of the message.
    TaskPanicked,
    /// A task was started; digest: of its label.
    TaskSpawned,
    /// SYN sent; subject: connection, length: attempt.
    Syn,
    /// SYN-ACK sent; subject: connection, length: attempt.
    SynAck,
    /// Handshake-completing ACK sent; subject: connection.
    Ack,
    /// Data sent; subject: connection, length: bytes, digest: of the bytes and their arrival time.
    Data,
    /// FIN sent; subject: connection.
    Fin,
    /// RST sent; subject: connection.
    Rst,
    /// Data that could not be sent was tried again; subject: connection.
    Retransmit,
    /// `connect` returned; subject: connection.
    Connected,
    /// `accept` returned; subject: connection.
    Accepted,
    /// A socket failed by itself; subject: connection, length: 1 refused, 2 timed out, 3 reset.
    SocketFailed,
    /// A listener was opened; subject: port.
    Listening,
    /// A node drew entropy; length: bytes, digest: of the bytes.
    Entropy,
    /// A node observed something; digest: of kind and fields.
    Observation,
    /// A disk operation; subject: which, length: bytes, digest: of path and bytes.
    Disk,
    /// A fault was injected or healed; subject: which.
    Fault,
}

/// One event of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// True time, nanoseconds since the start of the world.
    pub at_ns: u64,
    /// What happened.
    pub kind: EventKind,
    /// Index of the node it happened at.
    pub node: u32,
    /// Index of the other node; [`Event::NO_NODE`] if there is none.
    pub peer: u32,
    /// Depends on the kind.
    pub subject: u64,
    /// Depends on the kind.
    pub length: u64,
    /// Depends on the kind.
    pub digest: u64,
    /// Digest of the order of all task polls before this event.
    pub schedule: u64,
}

impl Event {
    /// `peer` of an event with one node.
    pub const NO_NODE: u32 = u32::MAX;
}

/// All events of a run, with the names of its nodes.
#[derive(Debug, Clone, Default)]
pub struct EventLog {
    pub(crate) events: Vec<Event>,
    pub(crate) nodes: Vec<String>,
}

impl EventLog {
    /// The events in order.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Name of the node with an index that occurs in the log.
    pub fn node_name(&self, index: u32) -> &str {
        self.nodes.get(index as usize).map_or("?", String::as_str)
    }

    /// One event for people.
    pub fn describe<'a>(&'a self, event: &'a Event) -> impl fmt::Display + 'a {
        divergence::Described { log: self, event }
    }

    /// The first event in which two runs differ; `None` if they are equal.
    pub fn first_divergence(&self, other: &Self) -> Option<Divergence> {
        divergence::first(self, other)
    }
}

/// Collects events while a run goes on.
pub(crate) struct EventWriter {
    lanes: [u64; 2],
    schedule: u64,
    count: u64,
    chain: [u8; 32],
    kept: Option<Vec<Event>>,
}

impl EventWriter {
    pub(crate) fn new(keep: bool) -> Self {
        Self {
            lanes: [0; 2],
            schedule: 0,
            count: 0,
            chain: [0; 32],
            kept: keep.then(Vec::new),
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// A task is polled.
    #[inline]
    pub(crate) fn polled(&mut self, task: u64, at_ns: u64) {
        self.schedule = mix::fold(
            self.schedule ^ at_ns ^ 0x9e37_79b9_7f4a_7c15,
            task ^ 0xd6e8_feb8_6659_fd93,
        );
    }

    #[inline]
    #[expect(clippy::too_many_arguments, reason = "the fields of an event, in its order")]
    pub(crate) fn push(
        &mut self,
        at_ns: u64,
        kind: EventKind,
        node: u32,
        peer: u32,
        subject: u64,
        length: u64,
        digest: u64,
    ) {
        let nodes = u64::from(node) << 32 | u64::from(peer);
        // Four independent products a round, joined crosswise into the two lanes.
        let a = mix::fold(self.lanes[0] ^ at_ns, self.schedule ^ 0xa076_1d64_78bd_642f);
        let b = mix::fold(
            self.lanes[1] ^ digest,
            nodes ^ (kind as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15),
        );
        let c = mix::fold(
            subject ^ 0xe703_7ed1_a0b4_28db,
            length.rotate_left(32) ^ 0x8ebc_6af0_9c88_c6e3,
        );
        self.lanes = [a ^ c, b.wrapping_add(c) ^ a.rotate_left(17)];
        self.count += 1;
        if self.count.is_multiple_of(BLOCK_EVENTS) {
            self.link();
        }
        if let Some(kept) = &mut self.kept {
            kept.push(Event {
                at_ns,
                kind,
                node,
                peer,
                subject,
                length,
                digest,
                schedule: self.schedule,
            });
        }
    }

    fn link(&mut self) {
        self.chain = Sha256::new()
            .chain_update(self.chain)
            .chain_update(self.lanes[0].to_le_bytes())
            .chain_update(self.lanes[1].to_le_bytes())
            .chain_update(self.schedule.to_le_bytes())
            .chain_update(self.count.to_le_bytes())
            .finalize()
            .into();
    }

    /// The digest of everything so far, and the events if they were kept.
    pub(crate) fn finish(&mut self, nodes: Vec<String>) -> ([u8; 32], Option<EventLog>) {
        self.link();
        let log = self.kept.take().map(|events| EventLog { events, nodes });
        (self.chain, log)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest_of(events: &[(u64, EventKind, u32, u32, u64, u64, u64)]) -> [u8; 32] {
        let mut writer = EventWriter::new(false);
        for (at, kind, node, peer, subject, length, digest) in events.iter().copied() {
            writer.push(at, kind, node, peer, subject, length, digest);
        }
        writer.finish(Vec::new()).0
    }

    #[test]
    fn every_field_and_the_order_count() {
        let base = (1, EventKind::Data, 2, 3, 4, 5, 6);
        let reference = digest_of(&[base, base]);
        let mut variants = vec![digest_of(&[base]), digest_of(&[base, base, base])];
        for field in 0..7 {
            for value in [0, 7, 1 << 31] {
                let mut changed = base;
                match field {
                    0 => changed.0 = value,
                    1 => changed.1 = EventKind::Fin,
                    2 => changed.2 = value as u32,
                    3 => changed.3 = value as u32,
                    4 => changed.4 = value,
                    5 => changed.5 = value,
                    _ => changed.6 = value,
                }
                variants.push(digest_of(&[changed, base]));
                variants.push(digest_of(&[base, changed]));
            }
        }
        variants.iter().for_each(|variant| assert_ne!(*variant, reference));
        assert_eq!(digest_of(&[base, base]), reference);
    }

    #[test]
    fn the_schedule_counts_even_without_an_event() {
        let mut writer = EventWriter::new(false);
        writer.polled(1, 5);
        let mut other = EventWriter::new(false);
        other.polled(2, 5);
        assert_ne!(writer.finish(Vec::new()).0, other.finish(Vec::new()).0);
    }
}

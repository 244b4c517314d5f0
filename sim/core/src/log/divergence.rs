//! Where two runs part.

use super::{Event, EventKind, EventLog};
use std::fmt;

/// Events shown before the one that differs.
const CONTEXT_EVENTS: usize = 3;

/// The first event in which two runs differ, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// Its index in both logs.
    pub index: usize,
    /// What the first run did; `None` if it had ended.
    pub left: Option<String>,
    /// What the second run did; `None` if it had ended.
    pub right: Option<String>,
    /// Names of the fields that differ; empty if one run had ended.
    pub fields: Vec<&'static str>,
    /// The events before it, which both runs share.
    pub before: Vec<String>,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the runs part at event {}", self.index)?;
        for line in &self.before {
            writeln!(f, "    {line}")?;
        }
        writeln!(f, "  - {}", self.left.as_deref().unwrap_or("(ended)"))?;
        write!(f, "  + {}", self.right.as_deref().unwrap_or("(ended)"))?;
        if !self.fields.is_empty() {
            write!(f, "\n  they differ in: {}", self.fields.join(", "))?;
        }
        Ok(())
    }
}

pub(super) fn first(left: &EventLog, right: &EventLog) -> Option<Divergence> {
    let common = left.events.len().min(right.events.len());
    let index = (0..common)
        .find(|index| left.events[*index] != right.events[*index])
        .or((left.events.len() != right.events.len()).then_some(common))?;
    let (a, b) = (left.events.get(index), right.events.get(index));
    let fields = match (a, b) {
        (Some(a), Some(b)) => differing_fields(a, b),
        _ => Vec::new(),
    };
    Some(Divergence {
        index,
        left: a.map(|event| left.describe(event).to_string()),
        right: b.map(|event| right.describe(event).to_string()),
        fields,
        before: left.events[index.saturating_sub(CONTEXT_EVENTS)..index]
            .iter()
            .map(|event| left.describe(event).to_string())
            .collect(),
    })
}

fn differing_fields(a: &Event, b: &Event) -> Vec<&'static str> {
    [
        ("time", a.at_ns == b.at_ns),
        ("kind", a.kind == b.kind),
        ("node", a.node == b.node),
        ("peer", a.peer == b.peer),
        ("subject", a.subject == b.subject),
        ("length", a.length == b.length),
        ("content", a.digest == b.digest),
        ("schedule", a.schedule == b.schedule),
    ]
    .into_iter()
    .filter_map(|(name, equal)| (!equal).then_some(name))
    .collect()
}

pub(super) struct Described<'a> {
    pub(super) log: &'a EventLog,
    pub(super) event: &'a Event,
}

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = self.event;
        let (seconds, ns) = (event.at_ns / 1_000_000_000, event.at_ns % 1_000_000_000);
        write!(f, "{seconds}.{ns:09} s {}", self.log.node_name(event.node))?;
        if event.peer != Event::NO_NODE {
            write!(f, " -> {}", self.log.node_name(event.peer))?;
        }
        write!(f, " {:?}", event.kind)?;
        match event.kind {
            EventKind::Data
            | EventKind::Syn
            | EventKind::SynAck
            | EventKind::Ack
            | EventKind::Fin
            | EventKind::Rst
            | EventKind::Retransmit
            | EventKind::Connected
            | EventKind::Accepted
            | EventKind::SocketFailed => write!(f, " connection {}", event.subject)?,
            _ => write!(f, " subject {:x}", event.subject)?,
        }
        write!(f, " length {} digest {:016x}", event.length, event.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(digests: &[u64]) -> EventLog {
        EventLog {
            nodes: vec!["a".into(), "b".into()],
            events: digests
                .iter()
                .enumerate()
                .map(|(index, digest)| Event {
                    at_ns: index as u64,
                    kind: EventKind::Data,
                    node: 0,
                    peer: 1,
                    subject: 9,
                    length: 64,
                    digest: *digest,
                    schedule: 0,
                })
                .collect(),
        }
    }

    #[test]
    fn equal_logs_do_not_diverge() {
        assert_eq!(log(&[1, 2]).first_divergence(&log(&[1, 2])), None);
    }

    #[test]
    fn the_first_difference_is_shown_with_both_sides() {
        let divergence = log(&[1, 2, 3]).first_divergence(&log(&[1, 4, 5])).unwrap();
        assert_eq!(divergence.index, 1);
        assert_eq!(divergence.fields, ["content"]);
        assert_eq!(
            divergence.to_string(),
            "the runs part at event 1\n    \
             0.000000000 s a -> b Data connection 9 length 64 digest 0000000000000001\n  \
             - 0.000000001 s a -> b Data connection 9 length 64 digest 0000000000000002\n  \
             + 0.000000001 s a -> b Data connection 9 length 64 digest 0000000000000004\n  \
             they differ in: content"
        );
    }

    #[test]
    fn a_run_that_ends_early_diverges_at_its_end() {
        let divergence = log(&[1]).first_divergence(&log(&[1, 2])).unwrap();
        assert_eq!(
            (divergence.index, divergence.left, divergence.fields),
            (1, None, vec![])
        );
    }
}

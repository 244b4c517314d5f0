//! What goes wrong, as data.

use tycho_types::models::StdAddr;

/// Which external messages a fault takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExternalFilter {
    /// Virtual time of submission from which it applies.
    pub from_ns: u64,
    /// Virtual time of submission before which it applies; none for ever.
    pub to_ns: Option<u64>,
    /// Only messages to this address.
    pub to: Option<StdAddr>,
    /// Only the message that was the so-manieth to be submitted (the first is 0).
    pub ordinal: Option<u64>,
}

impl ExternalFilter {
    /// Whether the filter takes a message.
    #[must_use]
    pub fn takes(&self, now_ns: u64, to: &StdAddr, ordinal: u64) -> bool {
        now_ns >= self.from_ns
            && self.to_ns.is_none_or(|end| now_ns < end)
            && self.to.as_ref().is_none_or(|address| address == to)
            && self.ordinal.is_none_or(|wanted| wanted == ordinal)
    }
}

/// What happens to an external message between the API and the collators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExternalFaultKind {
    /// It never arrives.
    Drop,
    /// It arrives later.
    Delay {
        /// How much later.
        by_ns: u64,
    },
    /// It arrives, and again later.
    Duplicate {
        /// How much later.
        after_ns: u64,
    },
    /// It arrives just after the next message that is submitted.
    SwapWithNext,
}

/// A fault of the network of external messages. The first whose filter takes a message decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalFault {
    /// Which messages.
    pub filter: ExternalFilter,
    /// What happens to them.
    pub kind: ExternalFaultKind,
}

/// A time in which finality takes longer: messages between shards and readers of final state wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlowFinality {
    /// Virtual time from which it lasts.
    pub from_ns: u64,
    /// Virtual time at which it ends.
    pub to_ns: u64,
    /// How much longer finality takes.
    pub extra_ns: u64,
}

/// Everything that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Faults {
    /// Faults of external messages.
    pub externals: Vec<ExternalFault>,
    /// Times of slow finality.
    pub slow_finality: Vec<SlowFinality>,
}

impl Faults {
    /// How much longer finality takes at `now_ns`.
    #[must_use]
    pub fn extra_finality_ns(&self, now_ns: u64) -> u64 {
        let active = |window: &&SlowFinality| now_ns >= window.from_ns && now_ns < window.to_ns;
        self.slow_finality
            .iter()
            .filter(active)
            .map(|window| window.extra_ns)
            .max()
            .unwrap_or(0)
    }
}

//! How often something is tried again on the chain that has no visible effect: at growing distances, since each try
//! costs coins.

/// Pauses between tries: each twice as long as the one before, up to a limit.
#[derive(Debug)]
pub(crate) struct Patience {
    first_pause_s: u64,
    longest_pause_s: u64,
    pause_s: u64,
    next_at_s: u64,
}

impl Patience {
    /// The second try comes `first_pause_s` after the first.
    pub(crate) const fn new(first_pause_s: u64, longest_pause_s: u64) -> Self {
        Self {
            first_pause_s,
            longest_pause_s,
            pause_s: 0,
            next_at_s: 0,
        }
    }

    /// Whether it is time.
    pub(crate) const fn is_due(&self, now_s: u64) -> bool {
        now_s >= self.next_at_s
    }

    /// It was tried.
    pub(crate) fn tried(&mut self, now_s: u64) {
        self.pause_s = self
            .pause_s
            .saturating_mul(2)
            .clamp(self.first_pause_s, self.longest_pause_s);
        self.next_at_s = now_s.saturating_add(self.pause_s);
    }

    /// It had an effect: the next one is another matter.
    pub(crate) fn took_effect(&mut self) {
        *self = Self::new(self.first_pause_s, self.longest_pause_s);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_come_at_growing_distances() {
        let mut patience = Patience::new(60, 3_600);
        let mut times = Vec::new();
        for second in 1_000..20_000 {
            if patience.is_due(second) {
                patience.tried(second);
                times.push(second - 1_000);
            }
        }
        assert_eq!(
            times,
            [0, 60, 180, 420, 900, 1_860, 3_780, 7_380, 10_980, 14_580, 18_180]
        );
        patience.took_effect();
        assert!(patience.is_due(20_000), "the next is not kept waiting");
        patience.tried(20_000);
        assert!(!patience.is_due(20_059) && patience.is_due(20_060));
    }
}

//! Virtual time from the machine's clock.

/// A line through a pair of moments.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    real_ns: u64,
    virtual_ns: u64,
    /// Virtual nanoseconds to a nanosecond of the machine.
    speed: u64,
}

impl Clock {
    pub(super) fn new(real_ns: u64, virtual_ns: u64, speed: u32) -> Self {
        Self {
            real_ns,
            virtual_ns,
            speed: u64::from(speed.max(1)),
        }
    }

    /// Virtual time at a moment of the machine.
    pub(super) fn virtual_ns(&self, real_ns: u64) -> u64 {
        let since = real_ns.saturating_sub(self.real_ns);
        self.virtual_ns.saturating_add(since.saturating_mul(self.speed))
    }

    /// The moment of the machine at which it is this late, rounded up.
    pub(super) fn real_ns(&self, virtual_ns: u64) -> u64 {
        let since = virtual_ns.saturating_sub(self.virtual_ns);
        self.real_ns.saturating_add(since.div_ceil(self.speed))
    }

    /// Goes on from a virtual time that was reached late.
    pub(super) fn fall_back(&mut self, real_ns: u64, virtual_ns: u64) {
        (self.real_ns, self.virtual_ns) = (real_ns, virtual_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;

    #[test]
    fn a_slot_is_due_at_the_moment_at_which_its_time_is_reached() {
        for speed in [1, 7, 86_400] {
            let clock = Clock::new(1_000, 400_000_000, speed);
            let due = clock.real_ns(800_000_000);
            assert!(clock.virtual_ns(due) >= 800_000_000);
            assert!(clock.virtual_ns(due - 1) < 800_000_000, "{speed}");
        }
        // A clock that went back stands still.
        assert_eq!(Clock::new(1_000, 5, 1).virtual_ns(10), 5);
    }

    #[test]
    fn what_was_late_stays_late() {
        let mut clock = Clock::new(0, 0, 10);
        assert_eq!(clock.virtual_ns(100), 1_000);
        clock.fall_back(100, 400);
        assert_eq!(clock.virtual_ns(110), 500);
    }
}

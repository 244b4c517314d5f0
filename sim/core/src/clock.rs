//! Node clocks: a monotonic clock that drifts and a wall clock that is skewed, both derived from true time with
//! integers only.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

const NS_PER_S: i128 = 1_000_000_000;
/// A clock that runs more than twice as fast or less than half as fast is no oscillator's fault.
const DRIFT_PPB_MAX: i64 = 500_000_000;

/// How a node's clocks differ from true time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClockSpec {
    /// Wall clock minus true wall clock at the start.
    pub skew_ns: i64,
    /// Rate error of both clocks, parts per billion; beyond ±500,000,000 it is cut to that.
    pub drift_ppb: i64,
}

/// One node's clocks. Atomics only so that handles can be shared; one thread uses them.
#[derive(Debug)]
pub(crate) struct NodeClock {
    anchor_true_ns: AtomicU64,
    anchor_local_ns: AtomicU64,
    drift_ppb: AtomicI64,
    skew_ns: AtomicI64,
    start_unix_ns: u64,
}

impl NodeClock {
    pub(crate) fn new(spec: ClockSpec, now_ns: u64, start_unix_s: u64) -> Self {
        Self {
            anchor_true_ns: AtomicU64::new(now_ns),
            anchor_local_ns: AtomicU64::new(now_ns),
            drift_ppb: AtomicI64::new(clamp(spec.drift_ppb)),
            skew_ns: AtomicI64::new(spec.skew_ns),
            start_unix_ns: start_unix_s.saturating_mul(1_000_000_000),
        }
    }

    /// The monotonic clock at true time `now_ns`.
    pub(crate) fn local_ns(&self, now_ns: u64) -> u64 {
        let drift = i128::from(self.drift_ppb.load(Relaxed));
        let anchor_true = self.anchor_true_ns.load(Relaxed);
        let elapsed = now_ns.saturating_sub(anchor_true);
        let local = self.anchor_local_ns.load(Relaxed).saturating_add(elapsed);
        if drift == 0 {
            return local;
        }
        let extra = (i128::from(elapsed) * drift).div_euclid(NS_PER_S);
        saturate(i128::from(local) + extra)
    }

    /// The first true time at which the monotonic clock shows `local_ns` or more.
    pub(crate) fn true_ns(&self, local_ns: u64) -> u64 {
        let drift = i128::from(self.drift_ppb.load(Relaxed));
        let anchor_true = self.anchor_true_ns.load(Relaxed);
        let wanted = local_ns.saturating_sub(self.anchor_local_ns.load(Relaxed));
        if drift == 0 {
            return anchor_true.saturating_add(wanted);
        }
        // local(e) = e + floor(e × d / 10^9) is monotonic with steps of at most 2, so the rounded quotient is at most
        // one step off.
        let rate = NS_PER_S + drift;
        let mut elapsed = (i128::from(wanted) * NS_PER_S).div_euclid(rate);
        let shows = |elapsed: i128| elapsed + (elapsed * drift).div_euclid(NS_PER_S);
        while elapsed > 0 && shows(elapsed - 1) >= i128::from(wanted) {
            elapsed -= 1;
        }
        while shows(elapsed) < i128::from(wanted) {
            elapsed += 1;
        }
        saturate(i128::from(anchor_true) + elapsed)
    }

    /// The wall clock, nanoseconds since the Unix epoch, not before it.
    pub(crate) fn unix_ns(&self, now_ns: u64) -> u64 {
        let local = self.local_ns(now_ns);
        saturate(i128::from(self.start_unix_ns) + i128::from(local) + i128::from(self.skew_ns.load(Relaxed)))
    }

    /// Changes the rate from `now_ns` on, without a jump of the monotonic clock.
    pub(crate) fn set_drift(&self, drift_ppb: i64, now_ns: u64) {
        let local = self.local_ns(now_ns);
        self.anchor_true_ns.store(now_ns, Relaxed);
        self.anchor_local_ns.store(local, Relaxed);
        self.drift_ppb.store(clamp(drift_ppb), Relaxed);
    }

    /// Sets the wall clock's skew: a jump.
    pub(crate) fn set_skew(&self, skew_ns: i64) {
        self.skew_ns.store(skew_ns, Relaxed);
    }
}

fn clamp(drift_ppb: i64) -> i64 {
    drift_ppb.clamp(-DRIFT_PPB_MAX, DRIFT_PPB_MAX)
}

fn saturate(value: i128) -> u64 {
    u64::try_from(value.max(0)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn clock(skew_ns: i64, drift_ppb: i64, now_ns: u64) -> NodeClock {
        NodeClock::new(ClockSpec { skew_ns, drift_ppb }, now_ns, 1_000)
    }

    #[test]
    fn a_perfect_clock_is_true_time() {
        let clock = clock(0, 0, 0);
        assert_eq!(clock.local_ns(5), 5);
        assert_eq!(clock.true_ns(5), 5);
        assert_eq!(clock.unix_ns(5), 1_000_000_000_005);
    }

    #[test]
    fn drift_and_skew_have_their_size() {
        let clock = clock(-7, 100_000, 0);
        assert_eq!(clock.local_ns(1_000_000_000), 1_000_100_000);
        assert_eq!(clock.unix_ns(1_000_000_000), 1_001_000_100_000 - 7);
        clock.set_drift(0, 1_000_000_000);
        assert_eq!(clock.local_ns(2_000_000_000), 2_000_100_000);
        clock.set_skew(i64::MIN);
        assert_eq!(clock.unix_ns(0), 0, "not before the epoch");
    }

    proptest! {
        #[test]
        fn the_inverse_is_the_first_instant_that_shows_the_time(
            drift in -600_000_000_i64..600_000_000,
            anchor in 0_u64..1 << 40,
            ahead in 0_u64..1 << 50,
        ) {
            let clock = clock(0, drift, anchor);
            let local = clock.local_ns(anchor) + ahead;
            let at = clock.true_ns(local);
            prop_assert!(clock.local_ns(at) >= local);
            prop_assert!(at == anchor || clock.local_ns(at - 1) < local);
        }
    }
}

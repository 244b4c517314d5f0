//! Shares of successes and what they say about the population.

use super::binomial::Binomial;
use super::sample::Confidence;

/// One million: shares are given in parts per million.
const WHOLE_PPM: u32 = 1_000_000;

/// A number of successes among trials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Proportion {
    successes: u64,
    trials: u64,
}

impl Proportion {
    /// `successes` beyond `trials` count as all.
    pub fn new(successes: u64, trials: u64) -> Self {
        Self {
            successes: successes.min(trials),
            trials,
        }
    }

    /// Number of successes.
    pub fn successes(&self) -> u64 {
        self.successes
    }

    /// Number of trials.
    pub fn trials(&self) -> u64 {
        self.trials
    }

    /// Share of successes in parts per million, rounded down; absent without trials.
    pub fn ppm(&self) -> Option<u32> {
        (u128::from(self.successes) * u128::from(WHOLE_PPM))
            .checked_div(u128::from(self.trials))
            .and_then(|ppm| u32::try_from(ppm).ok())
    }

    /// Clopper–Pearson interval of the true share in parts per million, rounded outwards; absent without trials.
    pub fn interval_ppm(&self, confidence: Confidence) -> Option<(u32, u32)> {
        if self.trials == 0 {
            return None;
        }
        let tail = confidence.tail();
        let at = |ppm: u32| Binomial::new(self.trials, f64::from(ppm) / f64::from(WHOLE_PPM));
        // Shares below `low` make so many successes too unlikely; shares above `high` make so few too unlikely.
        let low = last_true(|ppm| at(ppm).at_least(self.successes) <= tail).unwrap_or(0);
        let high = first_true(|ppm| at(ppm).at_most(self.successes) <= tail).unwrap_or(WHOLE_PPM);
        Some((low, high))
    }
}

/// The largest share strictly between 0 and 1 for which a condition holds that holds only below some share.
fn last_true(holds: impl Fn(u32) -> bool) -> Option<u32> {
    first_true(|ppm| !holds(ppm)).map_or(Some(WHOLE_PPM - 1), |first| (first > 1).then(|| first - 1))
}

/// The smallest share strictly between 0 and 1 for which a condition holds that holds only above some share.
fn first_true(holds: impl Fn(u32) -> bool) -> Option<u32> {
    let (mut low, mut high) = (1, WHOLE_PPM);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    (low < WHOLE_PPM).then_some(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_equal_published_values() {
        // Clopper–Pearson tables: 0 of 10 has upper bound 1 − 0.025^(1/10) = 0.30850; 5 of 10 has (0.18709, 0.81291).
        assert_eq!(
            Proportion::new(0, 10).interval_ppm(Confidence::Percent95),
            Some((0, 308_498))
        );
        assert_eq!(
            Proportion::new(10, 10).interval_ppm(Confidence::Percent95),
            Some((691_502, 1_000_000))
        );
        let (low, high) = Proportion::new(5, 10).interval_ppm(Confidence::Percent95).unwrap();
        assert!(
            low.abs_diff(187_086) <= 1 && high.abs_diff(812_914) <= 1,
            "{low} {high}"
        );
        assert_eq!(Proportion::new(0, 0).interval_ppm(Confidence::Percent95), None);
    }

    #[test]
    fn shares_round_down_and_never_exceed_the_whole() {
        assert_eq!(Proportion::new(1, 3).ppm(), Some(333_333));
        assert_eq!(Proportion::new(9, 3).ppm(), Some(1_000_000));
        assert_eq!(Proportion::default().ppm(), None);
    }
}

//! Samples of integers and their percentiles.

use super::binomial::Binomial;

/// A quantile, in basis points: 9900 is p99.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantile(u32);

impl Quantile {
    /// The median.
    pub const P50: Self = Self(5_000);
    /// Nine tenths are at or below.
    pub const P90: Self = Self(9_000);
    /// Nineteen of twenty are at or below.
    pub const P95: Self = Self(9_500);
    /// 99 of a hundred are at or below.
    pub const P99: Self = Self(9_900);
    /// 999 of a thousand are at or below.
    pub const P999: Self = Self(9_990);

    /// The quantile of this many basis points, if strictly between 0 and 10,000.
    pub const fn from_basis_points(basis_points: u32) -> Option<Self> {
        if basis_points > 0 && basis_points < 10_000 {
            Some(Self(basis_points))
        } else {
            None
        }
    }

    /// Basis points.
    pub const fn basis_points(self) -> u32 {
        self.0
    }

    /// The fewest independent samples from which an interval around this quantile can be given at all.
    pub fn samples_needed(self, confidence: Confidence) -> u64 {
        let largest = self.0.max(10_000 - self.0);
        let share = f64::from(largest) / 10_000.0;
        let mut samples = 1;
        let mut all_on_one_side = share;
        while all_on_one_side > confidence.tail() {
            all_on_one_side *= share;
            samples += 1;
        }
        samples
    }
}

impl std::fmt::Display for Quantile {
    /// As in `p50`, `p99`, `p99.9`.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (percent, rest) = (self.0 / 100, self.0 % 100);
        match (rest / 10, rest % 10) {
            (0, 0) => write!(formatter, "p{percent}"),
            (tenth, 0) => write!(formatter, "p{percent}.{tenth}"),
            _ => write!(formatter, "p{percent}.{rest:02}"),
        }
    }
}

/// How often a two-sided interval must contain the true value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// Nineteen times in twenty.
    Percent95,
    /// 99 times in a hundred.
    Percent99,
}

impl Confidence {
    /// Percent.
    pub const fn percent(self) -> u32 {
        match self {
            Self::Percent95 => 95,
            Self::Percent99 => 99,
        }
    }

    /// Probability allowed on each side.
    pub(crate) const fn tail(self) -> f64 {
        match self {
            Self::Percent95 => 0.025,
            Self::Percent99 => 0.005,
        }
    }
}

/// A percentile and how well it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Which one.
    pub quantile: Quantile,
    /// Number of samples.
    pub samples: u64,
    /// Value in the sample, by the nearest-rank rule: the smallest sample such that at least the quantile's share of
    /// samples is no larger. Absent without samples.
    pub value: Option<u64>,
    /// Confidence interval for the value in the population, from order statistics, free of assumptions about the
    /// distribution, provided that samples are independent. Absent if there are too few samples for one.
    pub interval: Option<(u64, u64)>,
}

impl Estimate {
    /// Whether there are enough samples to claim this percentile. If not, a report may show the value, marked.
    pub fn is_claimed(&self) -> bool {
        self.interval.is_some()
    }
}

/// Integers in ascending order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample(Vec<u64>);

impl Sample {
    /// Sorts the values.
    pub fn new(mut values: Vec<u64>) -> Self {
        values.sort_unstable();
        Self(values)
    }

    /// The values in ascending order.
    pub fn values(&self) -> &[u64] {
        &self.0
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The smallest value.
    pub fn min(&self) -> Option<u64> {
        self.0.first().copied()
    }

    /// The largest value.
    pub fn max(&self) -> Option<u64> {
        self.0.last().copied()
    }

    /// Exact sum.
    pub fn sum(&self) -> u128 {
        self.0.iter().map(|value| u128::from(*value)).sum()
    }

    /// Arithmetic mean, rounded down.
    pub fn mean(&self) -> Option<u64> {
        // A mean of u64 values is no larger than the largest of them.
        self.sum()
            .checked_div(self.0.len() as u128)
            .and_then(|mean| u64::try_from(mean).ok())
    }

    /// The quantile by the nearest-rank rule.
    pub fn quantile(&self, quantile: Quantile) -> Option<u64> {
        let rank = (self.0.len() as u128 * u128::from(quantile.0)).div_ceil(10_000);
        self.at_rank(rank as usize)
    }

    /// The quantile with its confidence interval.
    pub fn estimate(&self, quantile: Quantile, confidence: Confidence) -> Estimate {
        let samples = self.0.len() as u64;
        Estimate {
            quantile,
            samples,
            value: self.quantile(quantile),
            interval: self.interval(quantile, confidence),
        }
    }

    fn interval(&self, quantile: Quantile, confidence: Confidence) -> Option<(u64, u64)> {
        if self.0.is_empty() {
            return None;
        }
        // How many samples lie at or below the true quantile is binomially distributed; ranks that this count misses
        // with no more than the tail's probability bound the quantile.
        let count_below = Binomial::new(self.0.len() as u64, f64::from(quantile.0) / 10_000.0);
        let low_rank = count_below.lower_tail(confidence.tail())? + 1;
        let high_rank = count_below.upper_tail(confidence.tail());
        Some((self.at_rank(low_rank as usize)?, self.at_rank(high_rank as usize)?))
    }

    /// The value of this rank, counted from 1.
    fn at_rank(&self, rank: usize) -> Option<u64> {
        rank.checked_sub(1).and_then(|index| self.0.get(index)).copied()
    }
}

impl FromIterator<u64> for Sample {
    fn from_iter<I: IntoIterator<Item = u64>>(values: I) -> Self {
        Self::new(values.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_named_as_in_the_field() {
        let names: Vec<String> = [5_000, 9_900, 9_990, 9_999, 9_905]
            .into_iter()
            .map(|basis_points| Quantile::from_basis_points(basis_points).unwrap().to_string())
            .collect();
        assert_eq!(names, ["p50", "p99", "p99.9", "p99.99", "p99.05"]);
        assert_eq!(Quantile::from_basis_points(0), None);
        assert_eq!(Quantile::from_basis_points(10_000), None);
    }

    #[test]
    fn a_percentile_is_claimed_from_exactly_the_needed_number_of_samples() {
        for (quantile, confidence, needed) in [
            // ln(0.025) / ln(q), rounded up.
            (Quantile::P50, Confidence::Percent95, 6),
            (Quantile::P90, Confidence::Percent95, 36),
            (Quantile::P99, Confidence::Percent95, 368),
            (Quantile::P99, Confidence::Percent99, 528),
            (Quantile::P999, Confidence::Percent95, 3_688),
        ] {
            assert_eq!(quantile.samples_needed(confidence), needed);
            let claimed = |samples: u64| {
                Sample::from_iter(0..samples)
                    .estimate(quantile, confidence)
                    .is_claimed()
            };
            assert!(claimed(needed), "{quantile} from {needed}");
            assert!(!claimed(needed - 1), "{quantile} from {}", needed - 1);
        }
    }

    #[test]
    fn nearest_rank_takes_a_value_of_the_sample() {
        let sample = Sample::new(vec![30, 10, 20, 40]);
        assert_eq!(sample.quantile(Quantile::P50), Some(20));
        assert_eq!(sample.quantile(Quantile::P90), Some(40));
        assert_eq!(sample.mean(), Some(25));
        assert_eq!(
            Sample::default().estimate(Quantile::P50, Confidence::Percent95).value,
            None
        );
        assert_eq!(Sample::new(vec![u64::MAX; 3]).mean(), Some(u64::MAX));
    }
}

//! The binomial distribution, by basic arithmetic only.

/// Weights below this share of the largest one are left out; what is left out is far below any tail that is asked for.
const NEGLIGIBLE: f64 = 1e-24;

/// Binomial distribution of `trials` trials, as the probabilities of the counts that matter.
#[derive(Debug, Clone)]
pub(crate) struct Binomial {
    first: u64,
    probabilities: Vec<f64>,
}

impl Binomial {
    /// `probability` of a success must lie strictly between 0 and 1.
    pub(crate) fn new(trials: u64, probability: f64) -> Self {
        let odds = probability / (1.0 - probability);
        // Weights relative to the mode, from which ratios of neighbours lead down both sides without underflow.
        let mode = (((trials as f64) + 1.0) * probability) as u64;
        let mode = mode.min(trials);
        let mut below = Vec::new();
        let mut weight = 1.0;
        let mut count = mode;
        while count > 0 && weight > NEGLIGIBLE {
            weight *= count as f64 / ((trials - count + 1) as f64 * odds);
            count -= 1;
            below.push(weight);
        }
        let first = count;
        let mut weights: Vec<f64> = below.into_iter().rev().collect();
        weights.push(1.0);
        weight = 1.0;
        count = mode;
        while count < trials && weight > NEGLIGIBLE {
            weight *= (trials - count) as f64 * odds / (count + 1) as f64;
            count += 1;
            weights.push(weight);
        }
        let total: f64 = weights.iter().sum();
        Self {
            first,
            probabilities: weights.into_iter().map(|weight| weight / total).collect(),
        }
    }

    /// The largest count such that the probability of at most that count is no more than `tail`.
    pub(crate) fn lower_tail(&self, tail: f64) -> Option<u64> {
        let mut sum = 0.0;
        let mut found = self.first.checked_sub(1);
        for (count, probability) in (self.first..).zip(&self.probabilities) {
            sum += probability;
            if sum > tail {
                break;
            }
            found = Some(count);
        }
        found
    }

    /// The smallest count such that the probability of at least that count is no more than `tail`; it may be one more
    /// than the number of trials.
    pub(crate) fn upper_tail(&self, tail: f64) -> u64 {
        let end = self.first + self.probabilities.len() as u64;
        let mut sum = 0.0;
        let mut found = end;
        for probability in self.probabilities.iter().rev() {
            sum += probability;
            if sum > tail {
                break;
            }
            found -= 1;
        }
        found
    }

    /// Probability of at most `count`.
    pub(crate) fn at_most(&self, count: u64) -> f64 {
        let included = count.checked_sub(self.first).map_or(0, |offset| offset as usize + 1);
        self.probabilities.iter().take(included).sum()
    }

    /// Probability of at least `count`.
    pub(crate) fn at_least(&self, count: u64) -> f64 {
        let skipped = count.saturating_sub(self.first) as usize;
        self.probabilities.iter().skip(skipped).rev().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(n: u64, k: u64) -> f64 {
        (0..k).map(|i| (n - i) as f64 / (i + 1) as f64).product()
    }

    #[test]
    fn tails_equal_the_textbook_formula() {
        for (trials, probability) in [(1, 0.5), (7, 0.3), (20, 0.01), (30, 0.99), (55, 0.5)] {
            let binomial = Binomial::new(trials, probability);
            for count in 0..=trials {
                let mass = |k: u64| {
                    choose(trials, k) * probability.powi(k as i32) * (1.0 - probability).powi((trials - k) as i32)
                };
                let at_most: f64 = (0..=count).map(mass).sum();
                let at_least: f64 = (count..=trials).map(mass).sum();
                assert!(
                    (binomial.at_most(count) - at_most).abs() < 1e-12,
                    "{trials} {probability} {count}"
                );
                assert!(
                    (binomial.at_least(count) - at_least).abs() < 1e-12,
                    "{trials} {probability} {count}"
                );
            }
        }
    }

    #[test]
    fn large_counts_neither_underflow_nor_lose_mass() {
        let binomial = Binomial::new(20_000_000, 0.99);
        assert!((binomial.at_most(20_000_000) - 1.0).abs() < 1e-9);
        let low = binomial.lower_tail(0.025).unwrap();
        let high = binomial.upper_tail(0.025);
        // Normal approximation: 19,800,000 ± 1.96 · 445.
        assert!((19_799_100..=19_799_160).contains(&low), "{low}");
        assert!((19_800_840..=19_800_900).contains(&high), "{high}");
    }

    #[test]
    fn tails_are_the_extreme_counts_that_qualify() {
        let binomial = Binomial::new(40, 0.5);
        let low = binomial.lower_tail(0.025).unwrap();
        assert!(binomial.at_most(low) <= 0.025 && binomial.at_most(low + 1) > 0.025);
        let high = binomial.upper_tail(0.025);
        assert!(binomial.at_least(high) <= 0.025 && binomial.at_least(high - 1) > 0.025);
        // Too few trials: no count qualifies.
        assert_eq!(Binomial::new(3, 0.5).lower_tail(0.025), None);
        assert_eq!(Binomial::new(3, 0.5).upper_tail(0.025), 4);
    }
}

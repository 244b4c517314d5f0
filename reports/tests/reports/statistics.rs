//! Percentiles against brute force, and intervals against simulated populations.

use crate::support;

use chrysalis_reports::stats::{Confidence, Histogram, Proportion, Quantile, Sample};
use proptest::prelude::*;
use support::Random;

/// The definition, word for word: the smallest value such that at least the quantile's share is no larger.
fn by_definition(values: &[u64], quantile: Quantile) -> Option<u64> {
    values
        .iter()
        .copied()
        .filter(|candidate| {
            let at_most = values.iter().filter(|value| *value <= candidate).count() as u128;
            at_most * 10_000 >= values.len() as u128 * u128::from(quantile.basis_points())
        })
        .min()
}

proptest! {
    #[test]
    fn quantiles_equal_their_definition(
        values in prop::collection::vec(prop_oneof![0..20_u64, any::<u64>()], 0..80),
        basis_points in 1..10_000_u32,
    ) {
        let quantile = Quantile::from_basis_points(basis_points).unwrap();
        prop_assert_eq!(Sample::new(values.clone()).quantile(quantile), by_definition(&values, quantile));
    }

    #[test]
    fn intervals_contain_the_estimate(values in prop::collection::vec(any::<u64>(), 1..600), basis_points in 1..10_000_u32) {
        let quantile = Quantile::from_basis_points(basis_points).unwrap();
        let sample = Sample::new(values);
        let narrow = sample.estimate(quantile, Confidence::Percent95);
        let wide = sample.estimate(quantile, Confidence::Percent99);
        prop_assert_eq!(narrow.is_claimed(), narrow.samples >= quantile.samples_needed(Confidence::Percent95));
        if let (Some(value), Some((low, high))) = (narrow.value, narrow.interval) {
            prop_assert!(low <= value && value <= high);
            if let Some((lower, higher)) = wide.interval {
                prop_assert!(lower <= low && high <= higher);
            }
        }
    }

    #[test]
    fn histograms_count_every_value_once_and_in_its_bin(
        values in prop::collection::vec(prop_oneof![0..1_000_u64, any::<u64>()], 0..200),
        max_bins in 0..50_u64,
    ) {
        let sample = Sample::new(values);
        let histogram = Histogram::new(&sample, max_bins);
        prop_assert!(histogram.bins.len() as u64 <= max_bins.max(2) + 1);
        prop_assert_eq!(histogram.bins.iter().map(|bin| bin.count).sum::<u64>(), sample.len() as u64);
        for bin in &histogram.bins {
            let within = |value: &&u64| **value >= bin.from && bin.to.is_none_or(|to| **value < to);
            prop_assert_eq!(sample.values().iter().filter(within).count() as u64, bin.count);
        }
    }

    #[test]
    fn intervals_of_shares_contain_the_share(successes in 0..300_u64, failures in 0..300_u64) {
        let share = Proportion::new(successes, successes + failures);
        if let (Some(ppm), Some((low, high))) = (share.ppm(), share.interval_ppm(Confidence::Percent95)) {
            prop_assert!(low <= ppm && ppm <= high, "{low} {ppm} {high}");
        }
    }
}

/// In how many of 2,000 samples the interval contains the true quantile of a uniform population.
fn covered(random: &mut Random, samples: usize, quantile: Quantile, confidence: Confidence, spoil: u64) -> u32 {
    const POPULATION: u64 = 1 << 40;
    let truth = POPULATION / 10_000 * u64::from(quantile.basis_points());
    (0..2_000)
        .map(|_| {
            let sample: Sample = (0..samples).map(|_| random.below(POPULATION) + spoil).collect();
            let (low, high) = sample.estimate(quantile, confidence).interval.unwrap();
            u32::from(low <= truth && truth <= high)
        })
        .sum()
}

#[test]
fn intervals_of_percentiles_cover_as_often_as_they_say() {
    let mut random = Random(20_261_122);
    for (samples, quantile) in [
        (6, Quantile::P50),
        (25, Quantile::P50),
        (300, Quantile::P50),
        (40, Quantile::P90),
        (200, Quantile::P90),
        (400, Quantile::P99),
        (1_000, Quantile::P99),
    ] {
        // Order statistics are conservative: at least the stated share. Four standard errors of 2,000 trials are 1.9 %.
        let hits = covered(&mut random, samples, quantile, Confidence::Percent95, 0);
        assert!(hits >= 1_860, "{quantile} of {samples}: {hits} of 2000");
        // The nominal coverage is not reached by intervals that contain everything.
        if samples >= 200 {
            assert!(hits <= 1_985, "{quantile} of {samples}: {hits} of 2000");
        }
    }
    let hits = covered(&mut random, 300, Quantile::P50, Confidence::Percent99, 0);
    assert!(hits >= 1_962, "{hits}");
    // Negative control: a sample that is off by a tenth of the range is seen to be off.
    let hits = covered(&mut random, 300, Quantile::P50, Confidence::Percent95, (1 << 40) / 10);
    assert!(hits < 400, "{hits}");
}

#[test]
fn intervals_of_shares_cover_as_often_as_they_say() {
    let mut random = Random(5);
    for (trials, per_mille) in [(20, 100), (100, 20), (400, 500), (50, 980)] {
        let hits = (0..1_000)
            .filter(|_| {
                let successes = (0..trials).filter(|_| random.below(1_000) < per_mille).count() as u64;
                let (low, high) = Proportion::new(successes, trials)
                    .interval_ppm(Confidence::Percent95)
                    .unwrap();
                (u64::from(low)..=u64::from(high)).contains(&(per_mille * 1_000))
            })
            .count();
        assert!(hits >= 925, "{per_mille} of 1000 in {trials}: {hits}");
    }
}

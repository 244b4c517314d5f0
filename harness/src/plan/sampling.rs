//! Sampling with integers alone. `ln` and `exp` of libm differ between platforms by the last bit, and one bit is a
//! different run.

use chrysalis_world::plan::SpanNs;

use super::streams::Stream;

/// ln 2 times 2^64, rounded down.
const LN2_Q64: u128 = 12_786_308_645_202_655_659;

/// Fraction bits of [`minus_ln`].
const FRACTION_BITS: u32 = 32;

/// Draws a span of time.
#[must_use]
pub fn span_ns(span: SpanNs, stream: &mut Stream) -> u64 {
    match span {
        SpanNs::Constant(ns) => ns,
        SpanNs::Uniform { low_ns, high_ns } => match high_ns.saturating_sub(low_ns).checked_add(1) {
            Some(width) => low_ns + stream.below(width),
            None => stream.bits(),
        },
        SpanNs::Normal { mean_ns, deviation_ns } => normal(mean_ns, deviation_ns, stream),
        SpanNs::Exponential { mean_ns } => exponential(u128::from(mean_ns), stream),
    }
}

/// The sum of twelve even draws has a deviation of one (in units of the width of a draw) and is within six of its mean.
fn normal(mean_ns: u64, deviation_ns: u64, stream: &mut Stream) -> u64 {
    let sum: u64 = (0..12).map(|_| u64::from(stream.half_bits())).sum();
    // Twelve draws from 0..2^32 have the mean 6 * (2^32 - 1).
    let mean_of_sum = 6 * u64::from(u32::MAX);
    let distance = (u128::from(sum.abs_diff(mean_of_sum)) * u128::from(deviation_ns)) >> 32;
    let distance = u64::try_from(distance).unwrap_or(u64::MAX);
    if sum >= mean_of_sum {
        mean_ns.saturating_add(distance)
    } else {
        mean_ns.saturating_sub(distance)
    }
}

/// An exponential draw with this mean, in the unit of the mean, rounded down.
#[must_use]
pub fn exponential(mean: u128, stream: &mut Stream) -> u64 {
    let scaled = minus_ln(stream.bits())
        .checked_mul(mean)
        .map_or(u128::MAX, |product| product >> FRACTION_BITS);
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

/// −ln((bits + 1) / 2^64) with 32 fraction bits: at most 44.4, never negative.
#[must_use]
pub fn minus_ln(bits: u64) -> u128 {
    let value = u128::from(bits) + 1;
    // value = mantissa * 2^exponent with a mantissa from 1 up to but without 2, kept with 63 fraction bits.
    let exponent = 127 - value.leading_zeros();
    let mut mantissa = if exponent >= 63 {
        value >> (exponent - 63)
    } else {
        value << (63 - exponent)
    };
    let mut log2 = u128::from(exponent) << FRACTION_BITS;
    // Squaring doubles the logarithm: each time it passes 2, one more bit of the fraction is a one.
    for bit in (0..FRACTION_BITS).rev() {
        mantissa = (mantissa * mantissa) >> 63;
        if mantissa >= 1 << 64 {
            mantissa >>= 1;
            log2 |= 1 << bit;
        }
    }
    let minus_log2 = (64_u128 << FRACTION_BITS) - log2;
    (minus_log2 * LN2_Q64) >> 64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{SpanNs, exponential, minus_ln, span_ns};
    use crate::plan::streams::Streams;

    #[test]
    fn the_logarithm_agrees_with_floating_point() {
        for bits in [
            0,
            1,
            2,
            1 << 20,
            1 << 32,
            u64::MAX / 3,
            u64::MAX / 2,
            u64::MAX - 1,
            u64::MAX,
        ] {
            let expected = -((bits as f64 + 1.0) / 18_446_744_073_709_551_616.0).ln();
            let got = minus_ln(bits) as f64 / f64::from(u32::MAX);
            assert!((got - expected).abs() < 1e-6, "{bits}: {got} and {expected}");
        }
        assert_eq!(minus_ln(u64::MAX), 0, "the largest draw is no wait at all");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_logarithm_falls(low in any::<u64>(), high in any::<u64>()) {
            prop_assert!(minus_ln(low.min(high)) >= minus_ln(low.max(high)));
        }

        #[test]
        fn spans_stay_in_their_range(seed in any::<u64>(), low in any::<u64>(), more in any::<u64>()) {
            let mut stream = Streams::new(seed).stream("test");
            let (low_ns, high_ns) = (low, low.saturating_add(more));
            for _ in 0..16 {
                let drawn = span_ns(SpanNs::Uniform { low_ns, high_ns }, &mut stream);
                prop_assert!((low_ns..=high_ns).contains(&drawn));
                prop_assert_eq!(span_ns(SpanNs::Constant(low_ns), &mut stream), low_ns);
                let (mean_ns, deviation_ns) = (low >> 8, low >> 12);
                let drawn = span_ns(SpanNs::Normal { mean_ns, deviation_ns }, &mut stream);
                prop_assert!(drawn <= mean_ns + 6 * deviation_ns + 6);
                prop_assert!(drawn + 6 * deviation_ns + 6 >= mean_ns);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn means_and_deviations_are_as_asked(seed in any::<u64>()) {
            let mut stream = Streams::new(seed).stream("means");
            let draws = 20_000_u64;
            let mean = (0..draws).map(|_| exponential(1_000_000, &mut stream)).sum::<u64>() / draws;
            prop_assert!((970_000..1_030_000).contains(&mean), "exponential mean {}", mean);
            let span = SpanNs::Normal { mean_ns: 1_000_000, deviation_ns: 100_000 };
            let normal: Vec<u64> = (0..draws).map(|_| span_ns(span, &mut stream)).collect();
            let mean = normal.iter().sum::<u64>() / draws;
            prop_assert!((996_000..1_004_000).contains(&mean), "normal mean {}", mean);
            let variance = normal.iter().map(|value| value.abs_diff(1_000_000).pow(2)).sum::<u64>() / draws;
            prop_assert!((95_000_u64.pow(2)..105_000_u64.pow(2)).contains(&variance), "variance {}", variance);
        }
    }
}

//! Random variables made of integers and tables.
//!
//! No `ln`, no `exp`, no floats: the platform's libm differs between machines, and a latency that differs in its last
//! bit is another run.

use crate::entropy::EntropyStream;

/// A distribution of non-negative integers; the unit is the user's (latencies: nanoseconds).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Distribution {
    /// Always the same.
    Constant(u64),
    /// Even over `low..=high`.
    Uniform {
        /// Smallest value.
        low: u64,
        /// Largest value.
        high: u64,
    },
    /// Normal by Irwin-Hall (twelve even draws), so cut at ±6 deviations, and at 0.
    Normal {
        /// Mean.
        mean: u64,
        /// Standard deviation.
        deviation: u64,
    },
    /// Exponential, by a 32-bit fixed-point logarithm.
    Exponential {
        /// Mean.
        mean: u64,
    },
    /// A measured distribution.
    Empirical(QuantileTable),
}

impl Distribution {
    /// Draws a value. A constant draws nothing from the stream.
    pub fn sample(&self, stream: &mut EntropyStream) -> u64 {
        match self {
            Self::Constant(value) => *value,
            Self::Uniform { low, high } => stream.between(*low, *high),
            Self::Normal { mean, deviation } => {
                // The sum of twelve even draws from [0, 2^32) has mean 6 × 2^32 and deviation 2^32.
                let sum: i128 = (0..12).map(|_| i128::from(stream.next_u32())).sum();
                let offset = ((sum - (6 << 32)) * i128::from(*deviation)) >> 32;
                u64::try_from((i128::from(*mean) + offset).max(0)).unwrap_or(u64::MAX)
            }
            Self::Exponential { mean } => {
                let bits = stream.next_u64();
                u64::try_from((u128::from(*mean) * u128::from(negative_ln(bits))) >> 32).unwrap_or(u64::MAX)
            }
            Self::Empirical(table) => table.at(stream.next_u32()),
        }
    }

    /// The value that is always drawn, if there is one.
    pub fn constant(&self) -> Option<u64> {
        match self {
            Self::Constant(value) => Some(*value),
            Self::Uniform { low, high } if low >= high => Some(*low),
            Self::Normal { mean, deviation: 0 } => Some(*mean),
            Self::Exponential { mean: 0 } => Some(0),
            Self::Empirical(table) => table.constant(),
            _ => None,
        }
    }

    /// The median, for what needs one typical value (time-outs, acknowledgements).
    pub fn median(&self) -> u64 {
        match self {
            Self::Constant(value) => *value,
            Self::Uniform { low, high } => low + high.saturating_sub(*low) / 2,
            Self::Normal { mean, .. } => *mean,
            // mean × ln 2 with ln 2 in 32-bit fixed point.
            Self::Exponential { mean } => ((u128::from(*mean) * u128::from(LN_2)) >> 32) as u64,
            Self::Empirical(table) => table.at(1 << 31),
        }
    }
}

/// Quantiles of a measured distribution, linear in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuantileTable(Vec<(u32, u64)>);

/// A quantile table that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuantileTableError {
    /// No row.
    #[error("a quantile table needs at least one row")]
    Empty,
    /// A row's rank or value is below the row before it, or its rank is above 1,000,000.
    #[error("row {row} of the quantile table is out of order or beyond 1,000,000 parts per million")]
    Order {
        /// Index of the row.
        row: usize,
    },
}

impl QuantileTable {
    /// Rows of (cumulative parts per million, value), both rising. Ranks below the first row give its value, ranks
    /// above the last row the last value.
    ///
    /// # Errors
    /// No rows, or rows out of order.
    pub fn new(rows: &[(u32, u64)]) -> Result<Self, QuantileTableError> {
        if rows.is_empty() {
            return Err(QuantileTableError::Empty);
        }
        for (row, pair) in rows.iter().enumerate() {
            let before = row.checked_sub(1).map_or((0, 0), |before| rows[before]);
            if pair.0 > 1_000_000 || pair.0 < before.0 || pair.1 < before.1 {
                return Err(QuantileTableError::Order { row });
            }
        }
        Ok(Self(rows.to_vec()))
    }

    /// The value at `rank` of 2^32.
    fn at(&self, rank: u32) -> u64 {
        // In units of 2^-32 × 10^6, so that no rank is rounded.
        let rank = u64::from(rank) * 1_000_000;
        let above = self.0.partition_point(|(ppm, _)| u64::from(*ppm) << 32 <= rank);
        let last = self.0.len() - 1;
        if above == 0 {
            return self.0[0].1;
        }
        if above > last {
            return self.0[last].1;
        }
        let ((low_ppm, low), (high_ppm, high)) = (self.0[above - 1], self.0[above]);
        let part = u128::from(rank - (u64::from(low_ppm) << 32));
        let width = u128::from(high_ppm - low_ppm) << 32;
        low + (u128::from(high - low) * part / width) as u64
    }

    fn constant(&self) -> Option<u64> {
        let first = self.0.first()?.1;
        (self.0.last()?.1 == first).then_some(first)
    }
}

/// ln 2 × 2^32, rounded down.
const LN_2: u64 = 2_977_044_471;
const LOG_STEPS: usize = 256;

/// log2(1 + i / 256) × 2^32, by repeated squaring.
const LOG2: [u64; LOG_STEPS + 1] = {
    let mut table = [0; LOG_STEPS + 1];
    let mut step = 0;
    while step < LOG_STEPS {
        // x in [1, 2) with 62 fractional bits: each squaring yields one bit of the logarithm.
        let mut x: u128 = (1 << 62) + ((step as u128) << 54);
        let mut bits = 0;
        let mut bit = 0;
        while bit < 32 {
            x = (x * x) >> 62;
            bits <<= 1;
            if x >= 1 << 63 {
                x >>= 1;
                bits |= 1;
            }
            bit += 1;
        }
        table[step] = bits;
        step += 1;
    }
    table[LOG_STEPS] = 1 << 32;
    table
};

/// -ln((bits + 1) / 2^64) × 2^32.
fn negative_ln(bits: u64) -> u64 {
    let Some(x) = bits.checked_add(1) else { return 0 };
    let exponent = 63 - x.leading_zeros();
    // The 40 bits after the leading one: 8 choose the step, 32 interpolate in it.
    let fraction = (u128::from(x) << 64 >> exponent) as u64;
    let step = (fraction >> 56) as usize;
    let inside = u128::from((fraction >> 24) & 0xffff_ffff);
    let width = u128::from(LOG2[step + 1] - LOG2[step]);
    let log2 = (u64::from(exponent) << 32) + LOG2[step] + ((width * inside) >> 32) as u64;
    ((u128::from((64 << 32) - log2) * u128::from(LN_2)) >> 32) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(distribution: &Distribution) -> (f64, f64) {
        let mut stream = EntropyStream::new(3, "moments");
        let draws: Vec<f64> = (0..50_000).map(|_| distribution.sample(&mut stream) as f64).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        (mean, variance.sqrt())
    }

    #[test]
    fn moments_are_those_of_the_distribution() {
        let near = |(mean, deviation): (f64, f64), (wanted_mean, wanted_deviation): (f64, f64)| {
            assert!((mean / wanted_mean - 1.0).abs() < 0.02, "{mean} {wanted_mean}");
            assert!(
                (deviation / wanted_deviation - 1.0).abs() < 0.03,
                "{deviation} {wanted_deviation}"
            );
        };
        near(moments(&Distribution::Uniform { low: 0, high: 1200 }), (600.0, 346.7));
        let normal = Distribution::Normal {
            mean: 10_000,
            deviation: 1_000,
        };
        near(moments(&normal), (10_000.0, 1_000.0));
        near(
            moments(&Distribution::Exponential { mean: 10_000 }),
            (10_000.0, 10_000.0),
        );
    }

    #[test]
    fn the_integer_logarithm_is_that_of_libm() {
        for bits in [
            0,
            1,
            2,
            255,
            1 << 20,
            u64::MAX / 3,
            u64::MAX / 2,
            u64::MAX - 1,
            u64::MAX,
        ] {
            let exact = -(((bits as f64) + 1.0) / 2f64.powi(64)).ln();
            let ours = negative_ln(bits) as f64 / 2f64.powi(32);
            assert!((exact - ours).abs() < 2e-5, "{bits}: {exact} {ours}");
        }
    }

    #[test]
    fn constants_draw_nothing() {
        let mut stream = EntropyStream::new(3, "constant");
        let mut untouched = stream.clone();
        assert_eq!(Distribution::Constant(5).sample(&mut stream), 5);
        assert_eq!(stream.next_u64(), untouched.next_u64());
        assert_eq!(Distribution::Uniform { low: 4, high: 4 }.constant(), Some(4));
        assert_eq!(Distribution::Uniform { low: 4, high: 5 }.constant(), None);
        assert_eq!(Distribution::Exponential { mean: 1_000_000 }.median(), 693_147);
    }

    #[test]
    fn tables_interpolate_and_refuse_disorder() {
        let table = QuantileTable::new(&[(0, 100), (500_000, 200), (1_000_000, 1_000)]).unwrap();
        assert_eq!(table.at(0), 100);
        assert_eq!(table.at(1 << 30), 150);
        assert_eq!(table.at(1 << 31), 200);
        assert_eq!(table.at(3 << 30), 600);
        assert!((998..=1_000).contains(&table.at(u32::MAX)));
        assert_eq!(QuantileTable::new(&[]), Err(QuantileTableError::Empty));
        assert_eq!(
            QuantileTable::new(&[(5, 9), (6, 8)]),
            Err(QuantileTableError::Order { row: 1 })
        );
        assert_eq!(
            QuantileTable::new(&[(1_000_001, 9)]),
            Err(QuantileTableError::Order { row: 0 })
        );
        let flat = QuantileTable::new(&[(1_000_000, 7)]).unwrap();
        assert_eq!(Distribution::Empirical(flat).constant(), Some(7));
    }
}

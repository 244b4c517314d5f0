//! Histograms with bins of a round width.

use super::sample::{Quantile, Sample};

/// One bin: values from `from` up to but not including `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bin {
    /// Inclusive lower end.
    pub from: u64,
    /// Exclusive upper end; absent for the last bin of a histogram with a long tail.
    pub to: Option<u64>,
    /// Number of values.
    pub count: u64,
}

/// Counts of values by size. Every value is in exactly one bin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Histogram {
    /// Width of every bin but an open last one: 1, 2 or 5 times a power of ten.
    pub width: u64,
    /// Bins in ascending order, without gaps.
    pub bins: Vec<Bin>,
}

impl Histogram {
    /// At most `max_bins` bins (at least 2 are allowed), and one more without an upper end if the sample has a long tail: more than twice as far
    /// above the smallest value as p99 is.
    pub fn new(sample: &Sample, max_bins: u64) -> Self {
        let (Some(min), Some(max), Some(p99)) = (sample.min(), sample.max(), sample.quantile(Quantile::P99)) else {
            return Self::default();
        };
        // One bin need not be possible: 0 and the largest integer share none of a round width.
        let max_bins = max_bins.max(2);
        let long_tail = (max - min) / 2 > p99 - min;
        let shown_max = if long_tail { p99 } else { max };
        let mut width = round_up(((shown_max - min) / max_bins).max(1));
        // Bins start at multiples of the width, so one more than the range needs may be in use.
        while shown_max / width - min / width >= max_bins {
            width = round_up(width.saturating_add(1));
        }
        let (first, last) = (min / width, shown_max / width);
        let mut bins: Vec<Bin> = (first..=last)
            .map(|index| Bin {
                from: index * width,
                to: index.checked_add(1).and_then(|next| next.checked_mul(width)),
                count: 0,
            })
            .collect();
        if long_tail && let Some(from) = (last + 1).checked_mul(width) {
            bins.push(Bin {
                from,
                to: None,
                count: 0,
            });
        }
        let open = bins.len() - 1;
        for value in sample.values() {
            let index = usize::try_from(value / width - first).unwrap_or(open).min(open);
            if let Some(bin) = bins.get_mut(index) {
                bin.count += 1;
            }
        }
        Self { width, bins }
    }

    /// The largest count of a bin.
    pub fn largest_count(&self) -> u64 {
        self.bins.iter().map(|bin| bin.count).max().unwrap_or(0)
    }
}

/// The smallest of 1, 2, 5, 10, 20, 50, … that is no smaller.
pub(crate) fn round_up(value: u64) -> u64 {
    let mut power: u64 = 1;
    loop {
        for step in [1, 2, 5] {
            match power.checked_mul(step) {
                Some(candidate) if candidate >= value => return candidate,
                Some(_) => {}
                None => return u64::MAX,
            }
        }
        match power.checked_mul(10) {
            Some(next) => power = next,
            None => return u64::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_round() {
        let widths: Vec<u64> = [0, 1, 2, 3, 5, 6, 11, 21, 51, 100, 101]
            .into_iter()
            .map(round_up)
            .collect();
        assert_eq!(widths, [1, 1, 2, 5, 5, 10, 20, 50, 100, 100, 200]);
        assert_eq!(round_up(u64::MAX), u64::MAX);
    }

    #[test]
    fn a_long_tail_gets_one_open_bin() {
        let mut values: Vec<u64> = (100..300).collect();
        values.push(1_000_000);
        let histogram = Histogram::new(&Sample::new(values), 10);
        assert_eq!(histogram.width, 20);
        assert_eq!(
            histogram.bins.last(),
            Some(&Bin {
                from: 300,
                to: None,
                count: 1
            })
        );
        assert_eq!(histogram.largest_count(), 20);
    }

    #[test]
    fn extremes_are_counted() {
        for values in [
            vec![0],
            vec![u64::MAX],
            vec![0, u64::MAX],
            vec![u64::MAX - 1, u64::MAX],
            vec![],
        ] {
            let count = values.len() as u64;
            let histogram = Histogram::new(&Sample::new(values), 7);
            assert_eq!(histogram.bins.iter().map(|bin| bin.count).sum::<u64>(), count);
        }
    }
}

//! Axes of integers with ticks at round values. plotters' own ticks come from logarithms; these do not.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use crate::stats::round_up;

/// An axis from one integer to another.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    low: u64,
    high: u64,
    ticks: Vec<u64>,
}

impl Axis {
    /// From zero to the first round value that is no smaller than `max`.
    pub(super) fn from_zero(max: u64, ticks: u64) -> Self {
        let step = round_up((max / ticks.max(1)).max(1));
        let high = max.div_ceil(step).max(1).saturating_mul(step);
        Self::with_step(0, high, step)
    }

    /// From `low` to `high` exactly.
    pub(super) fn between(low: u64, high: u64, ticks: u64) -> Self {
        let high = high.max(low.saturating_add(1));
        Self::with_step(low, high, round_up(((high - low) / ticks.max(1)).max(1)))
    }

    /// From 0 to `places` without ticks: for things that stand in a row.
    pub(super) fn places(places: usize) -> Self {
        Self {
            low: 0,
            high: (places as u64).max(1),
            ticks: Vec::new(),
        }
    }

    fn with_step(low: u64, high: u64, step: u64) -> Self {
        let ticks = (low.div_ceil(step)..=high / step)
            .map(|index| index.saturating_mul(step))
            .collect();
        Self { low, high, ticks }
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = u64;

    fn map(&self, value: &u64, (start, end): (i32, i32)) -> i32 {
        let length = i128::from(end) - i128::from(start);
        let offset = i128::from(*value) - i128::from(self.low);
        let range = i128::from(self.high) - i128::from(self.low);
        let position = i128::from(start) + offset.saturating_mul(length) / range.max(1);
        // What lies outside the range may lie outside the drawing, but not outside the type.
        i32::try_from(position.clamp(i128::from(i32::MIN / 2), i128::from(i32::MAX / 2))).unwrap_or(start)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<u64> {
        // Light lines are asked for with more points than bold ones; there are none.
        if hint.weight().allow_light_points() {
            Vec::new()
        } else {
            self.ticks.clone()
        }
    }

    fn range(&self) -> Range<u64> {
        self.low..self.high
    }
}

impl ValueFormatter<u64> for Axis {
    fn format(value: &u64) -> String {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use plotters::coord::ranged1d::BoldPoints;

    use super::*;

    #[test]
    fn ticks_are_round_and_within_the_axis() {
        assert_eq!(
            Axis::from_zero(93, 5).key_points(BoldPoints(5)),
            [0, 20, 40, 60, 80, 100]
        );
        assert_eq!(Axis::between(13, 58, 5).key_points(BoldPoints(5)), [20, 30, 40, 50]);
        assert_eq!(Axis::from_zero(0, 5).key_points(BoldPoints(5)), [0, 1]);
    }

    #[test]
    fn ends_map_to_ends_even_at_the_extremes() {
        for (low, high) in [(0, 1), (5, 9), (0, u64::MAX), (u64::MAX - 1, u64::MAX)] {
            let axis = Axis::between(low, high, 5);
            assert_eq!((axis.map(&low, (10, 90)), axis.map(&high, (10, 90))), (10, 90));
            // Vertical axes run upwards: from a large pixel number to a small one.
            assert_eq!((axis.map(&low, (90, 10)), axis.map(&high, (90, 10))), (90, 10));
        }
        let equal = Axis::between(u64::MAX, u64::MAX, 5);
        assert_eq!(equal.map(&u64::MAX, (10, 90)), 10);
        Axis::from_zero(u64::MAX, 5).map(&u64::MAX, (0, 100));
    }
}

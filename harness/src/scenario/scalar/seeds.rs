//! Seeds and ranges of seeds.

use super::{Scalar, ScalarError, shown};

const SEEDS_MAX: u64 = 10_000_000;

/// One seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seed(pub u64);

/// Seeds from `start` up to but without `end`; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeedRange {
    start: u64,
    end: u64,
}

impl SeedRange {
    /// One seed alone; the largest of all seeds stands for the one before it, because a range has an open end.
    #[must_use]
    pub fn single(Seed(seed): Seed) -> Self {
        let start = seed.min(u64::MAX - 1);
        Self { start, end: start + 1 }
    }

    /// The seeds in order.
    #[must_use]
    pub fn seeds(self) -> std::ops::Range<u64> {
        self.start..self.end
    }
}

impl std::fmt::Display for SeedRange {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}..{}", self.start, self.end)
    }
}

impl std::str::FromStr for SeedRange {
    type Err = ScalarError;

    fn from_str(text: &str) -> Result<Self, ScalarError> {
        Self::parse(text)
    }
}

fn number(text: &str) -> Option<u64> {
    let digits = text.trim();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        None
    } else {
        digits.parse().ok()
    }
}

impl Scalar for Seed {
    const WHAT: &'static str = "a seed";
    const EXAMPLES: &'static [&'static str] = &["0", "42"];
    const JSON_TYPES: &'static [&'static str] = &["integer"];

    fn parse(text: &str) -> Result<Self, ScalarError> {
        number(text)
            .filter(|seed| *seed < u64::MAX)
            .map(Self)
            .ok_or_else(|| ScalarError::NotANumber {
                what: Self::WHAT,
                text: shown(text),
                examples: Self::EXAMPLES,
            })
    }
}

impl Scalar for SeedRange {
    const WHAT: &'static str = "a range of seeds";
    const EXAMPLES: &'static [&'static str] = &["0..100", "100"];
    const JSON_TYPES: &'static [&'static str] = &["string", "integer"];

    fn parse(text: &str) -> Result<Self, ScalarError> {
        let wrong = |why| ScalarError::BadSeeds { text: shown(text), why };
        let (start, end) = match text.split_once("..") {
            Some((start, end)) => (number(start), number(end)),
            None => (Some(0), number(text)),
        };
        let (Some(start), Some(end)) = (start, end) else {
            return Err(wrong("both ends are numbers from 0 to 18446744073709551615"));
        };
        if start >= end {
            return Err(wrong("it is empty"));
        }
        if end - start > SEEDS_MAX {
            return Err(wrong("it has more than ten million seeds"));
        }
        Ok(Self { start, end })
    }
}

#[cfg(test)]
mod tests {
    use super::{Scalar, Seed, SeedRange};

    #[test]
    fn ranges_are_half_open() {
        assert_eq!(SeedRange::parse("3..5").unwrap().seeds().collect::<Vec<_>>(), [3, 4]);
        assert_eq!(SeedRange::parse("2").unwrap(), SeedRange::parse("0..2").unwrap());
        assert_eq!(SeedRange::single(Seed(7)).seeds().collect::<Vec<_>>(), [7]);
        assert_eq!(SeedRange::single(Seed(u64::MAX)).seeds().count(), 1);
        assert!(SeedRange::parse("0..18446744073709551615").is_err());
        assert_eq!(
            SeedRange::parse("18446744073709551614..18446744073709551615")
                .unwrap()
                .seeds()
                .count(),
            1
        );
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "..",
            "5..5",
            "6..5",
            "0",
            "-1..3",
            "a..b",
            "1..=3",
            "0..99999999",
            "1...3",
            "1e3",
        ] {
            assert!(SeedRange::parse(text).is_err(), "{text}");
        }
        for text in ["", "-1", "18446744073709551615", "18446744073709551616", "1.0", "0x10"] {
            assert!(Seed::parse(text).is_err(), "{text}");
        }
        assert_eq!(Seed::parse("42"), Ok(Seed(42)));
    }
}

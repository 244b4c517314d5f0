//! Bounds, written as sentences.

use chrysalis_world::plan::CountBound;

use super::{Count, Duration, Scalar, ScalarError, Share, shown};

/// A bound on a number or share of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestBound(pub CountBound);

/// A bound on a percentile of a latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LatencyBound {
    /// In hundredths of a per cent: 9900 is p99.
    pub percentile_bp: u32,
    /// At most this.
    pub max_ns: u64,
}

impl Scalar for RequestBound {
    const WHAT: &'static str = "a bound on requests";
    const EXAMPLES: &'static [&'static str] = &["at least 95%", "at most 3", "exactly 2"];

    fn parse(text: &str) -> Result<Self, ScalarError> {
        let wrong = |why: &str| ScalarError::BadBound {
            what: Self::WHAT,
            text: shown(text),
            why: why.to_owned(),
            examples: Self::EXAMPLES,
        };
        let trimmed = text.trim();
        let words = ["at least", "at most", "exactly"];
        let Some((word, amount)) = words.iter().find_map(|word| Some((*word, trimmed.strip_prefix(word)?))) else {
            return Err(wrong("it starts with `at least`, `at most` or `exactly`"));
        };
        if !amount.starts_with(' ') {
            return Err(wrong("a number or a share must follow"));
        }
        let share = amount.trim_end().ends_with('%');
        Ok(Self(match (word, share) {
            ("at least", false) => CountBound::AtLeast(Count::parse(amount)?.0),
            ("at most", false) => CountBound::AtMost(Count::parse(amount)?.0),
            (_, false) => CountBound::Exactly(Count::parse(amount)?.0),
            ("at least", true) => CountBound::ShareAtLeastBp(Share::parse(amount)?.0),
            ("at most", true) => CountBound::ShareAtMostBp(Share::parse(amount)?.0),
            (_, true) => return Err(wrong("a share takes `at least` or `at most`")),
        }))
    }
}

impl Scalar for LatencyBound {
    const WHAT: &'static str = "a bound on a latency";
    const EXAMPLES: &'static [&'static str] = &["p50 at most 300ms", "p99.9 at most 2s"];

    fn parse(text: &str) -> Result<Self, ScalarError> {
        let wrong = |why: &str| ScalarError::BadBound {
            what: Self::WHAT,
            text: shown(text),
            why: why.to_owned(),
            examples: Self::EXAMPLES,
        };
        let (percentile, duration) = text
            .trim()
            .split_once(" at most ")
            .ok_or_else(|| wrong("`at most` must stand in it"))?;
        let number = percentile
            .trim()
            .strip_prefix('p')
            .ok_or_else(|| wrong("it starts with a percentile"))?;
        let Share(percentile_bp) =
            Share::parse(&format!("{number}%")).map_err(|_| wrong("percentiles go from p0 to p100"))?;
        let Duration(max_ns) = Duration::parse(duration)?;
        Ok(Self { percentile_bp, max_ns })
    }
}

#[cfg(test)]
mod tests {
    use super::{CountBound, LatencyBound, RequestBound, Scalar};
    use crate::diagnostic::Code;

    #[test]
    fn sentences_become_bounds() {
        assert_eq!(
            RequestBound::parse("at least 95%"),
            Ok(RequestBound(CountBound::ShareAtLeastBp(9_500)))
        );
        assert_eq!(
            RequestBound::parse("at most 0.5 %"),
            Ok(RequestBound(CountBound::ShareAtMostBp(50)))
        );
        assert_eq!(
            RequestBound::parse("exactly 2"),
            Ok(RequestBound(CountBound::Exactly(2)))
        );
        assert_eq!(
            RequestBound::parse("at most 3"),
            Ok(RequestBound(CountBound::AtMost(3)))
        );
        let bound = LatencyBound {
            percentile_bp: 9_990,
            max_ns: 2_000_000_000,
        };
        assert_eq!(LatencyBound::parse("p99.9 at most 2s"), Ok(bound));
    }

    #[test]
    fn other_sentences_are_refused() {
        for text in [
            "",
            "95%",
            "exactly 95%",
            "at least",
            "at least95%",
            "at least x",
            "more than 3",
        ] {
            assert!(RequestBound::parse(text).is_err(), "{text}");
        }
        for text in [
            "",
            "p99",
            "99 at most 1s",
            "p101 at most 1s",
            "p99 at most 1",
            "p99 at most",
        ] {
            assert!(LatencyBound::parse(text).is_err(), "{text}");
        }
        assert_eq!(
            LatencyBound::parse("p99 at most 1").unwrap_err().code(),
            Code::MissingUnit
        );
    }
}

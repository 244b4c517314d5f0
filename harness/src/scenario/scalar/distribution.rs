//! Values that are drawn anew: one value, a range, or a named distribution.

use chrysalis_world::plan::SpanNs;

use super::{Count, Duration, Scalar, ScalarError, shown};

/// How a value is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distribution<T> {
    /// Always the same.
    Constant(T),
    /// Evenly from a range, ends included; the first is not greater than the second.
    Uniform(T, T),
    /// Bell-shaped, never below zero.
    Normal {
        /// Mean.
        mean: T,
        /// Standard deviation.
        deviation: T,
    },
    /// Memoryless.
    Exponential {
        /// Mean.
        mean: T,
    },
}

impl<T: Scalar + Ord + Copy> Distribution<T> {
    fn read(text: &str) -> Result<Self, ScalarError> {
        let wrong = |why: &str| ScalarError::Distribution {
            text: shown(text),
            why: why.to_owned(),
        };
        let trimmed = text.trim();
        if let Some((name, rest)) = trimmed.split_once('(') {
            let inner = rest
                .strip_suffix(')')
                .ok_or_else(|| wrong("the closing parenthesis is missing"))?;
            let mut parts = inner.split(',');
            let (first, second, third) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
            return match (name.trim(), second, third) {
                ("normal", Some(deviation), None) => Ok(Self::Normal {
                    mean: T::parse(first)?,
                    deviation: T::parse(deviation)?,
                }),
                ("normal", ..) => Err(wrong("`normal` takes a mean and a deviation")),
                ("exponential", None, _) => Ok(Self::Exponential { mean: T::parse(first)? }),
                ("exponential", ..) => Err(wrong("`exponential` takes a mean")),
                ("uniform", Some(high), None) => Self::range(T::parse(first)?, T::parse(high)?, text),
                ("uniform", ..) => Err(wrong("`uniform` takes two ends")),
                _ => Err(wrong("there are `uniform`, `normal` and `exponential`")),
            };
        }
        match trimmed.split_once("..") {
            Some((low, high)) => Self::range(T::parse(low)?, T::parse(high)?, text),
            None => T::parse(trimmed).map(Self::Constant),
        }
    }

    fn range(low: T, high: T, text: &str) -> Result<Self, ScalarError> {
        if low > high {
            let why = "the range ends before it starts".to_owned();
            return Err(ScalarError::Distribution { text: shown(text), why });
        }
        Ok(Self::Uniform(low, high))
    }

    /// The smallest value that can be drawn, if there is one above zero.
    #[must_use]
    pub fn at_least(&self) -> Option<T> {
        match self {
            Self::Constant(value) => Some(*value),
            Self::Uniform(low, _) => Some(*low),
            Self::Normal { .. } | Self::Exponential { .. } => None,
        }
    }

    /// The smallest value that is named.
    #[must_use]
    pub fn smallest_named(&self) -> T {
        match self {
            Self::Constant(value) | Self::Uniform(value, _) => *value,
            Self::Normal { mean, .. } | Self::Exponential { mean } => *mean,
        }
    }

    /// The largest value that is named.
    #[must_use]
    pub fn largest_named(&self) -> T {
        match self {
            Self::Constant(value) => *value,
            Self::Uniform(_, high) => *high,
            Self::Normal { mean, deviation } => (*mean).max(*deviation),
            Self::Exponential { mean } => *mean,
        }
    }
}

impl Scalar for Distribution<Duration> {
    const WHAT: &'static str = "a duration or a span of durations";
    const EXAMPLES: &'static [&'static str] = &["10ms", "10ms..40ms", "normal(40ms, 4ms)", "exponential(40ms)"];

    fn parse(text: &str) -> Result<Self, ScalarError> {
        Self::read(text)
    }
}

impl Scalar for Distribution<Count> {
    const WHAT: &'static str = "a number or a span of numbers";
    const EXAMPLES: &'static [&'static str] = &["16", "8..64", "normal(40, 4)", "exponential(40)"];
    const JSON_TYPES: &'static [&'static str] = &["integer", "string"];

    fn parse(text: &str) -> Result<Self, ScalarError> {
        Self::read(text)
    }
}

impl From<Distribution<Duration>> for SpanNs {
    fn from(distribution: Distribution<Duration>) -> Self {
        match distribution {
            Distribution::Constant(Duration(ns)) => Self::Constant(ns),
            Distribution::Uniform(Duration(low_ns), Duration(high_ns)) => Self::Uniform { low_ns, high_ns },
            Distribution::Normal {
                mean: Duration(mean_ns),
                deviation: Duration(deviation_ns),
            } => Self::Normal { mean_ns, deviation_ns },
            Distribution::Exponential {
                mean: Duration(mean_ns),
            } => Self::Exponential { mean_ns },
        }
    }
}

impl From<Distribution<Count>> for SpanNs {
    /// A number is drawn like a span of time, one for a nanosecond.
    fn from(distribution: Distribution<Count>) -> Self {
        let ns = |Count(count): Count| Duration(count);
        match distribution {
            Distribution::Constant(value) => Distribution::Constant(ns(value)),
            Distribution::Uniform(low, high) => Distribution::Uniform(ns(low), ns(high)),
            Distribution::Normal { mean, deviation } => Distribution::Normal {
                mean: ns(mean),
                deviation: ns(deviation),
            },
            Distribution::Exponential { mean } => Distribution::Exponential { mean: ns(mean) },
        }
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::{Count, Distribution, Duration, Scalar};
    use crate::diagnostic::Code;

    #[test]
    fn all_forms_are_read() {
        type Spans = Distribution<Duration>;
        let ms = |count: u64| Duration(count * 1_000_000);
        assert_eq!(Spans::parse("10ms"), Ok(Distribution::Constant(ms(10))));
        assert_eq!(Spans::parse("10ms .. 40ms"), Ok(Distribution::Uniform(ms(10), ms(40))));
        assert_eq!(
            Spans::parse("uniform(1ms,2ms)"),
            Ok(Distribution::Uniform(ms(1), ms(2)))
        );
        assert_eq!(
            Spans::parse("normal(40ms, 4ms)"),
            Ok(Distribution::Normal {
                mean: ms(40),
                deviation: ms(4)
            })
        );
        assert_eq!(
            Spans::parse("exponential(5ms)"),
            Ok(Distribution::Exponential { mean: ms(5) })
        );
        assert_eq!(
            Distribution::<Count>::parse("8..64"),
            Ok(Distribution::Uniform(Count(8), Count(64)))
        );
    }

    #[test]
    fn mistakes_are_told_apart() {
        for (text, code) in [
            ("40ms..10ms", Code::Distribution),
            ("normal(40ms)", Code::Distribution),
            ("exponential(1ms, 2ms)", Code::Distribution),
            ("exponential(1ms, 2ms, 3ms)", Code::Distribution),
            ("gauss(1ms, 2ms)", Code::Distribution),
            ("normal(1ms, 2ms", Code::Distribution),
            ("10..40ms", Code::MissingUnit),
            ("10ms..40", Code::MissingUnit),
            ("..", Code::NotANumber),
            ("normal(-1ms, 2ms)", Code::Negative),
        ] {
            assert_eq!(
                Distribution::<Duration>::parse(text).unwrap_err().code(),
                code,
                "{text}"
            );
        }
    }
}

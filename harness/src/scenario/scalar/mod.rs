//! Values that a scenario file writes as one piece of text: quantities with units, names, choices, bounds.
//!
//! | module | holds |
//! |---|---|
//! | [`number`] | exact decimal numbers and units |
//! | [`amount`] | durations, sizes, rates, shares, coins, factors |
//! | [`distribution`] | `10ms..40ms`, `normal(40ms, 4ms)` |
//! | [`word`] | names, free text, choices |
//! | [`bound`] | `at least 95%`, `p99 at most 800ms` |
//! | [`attestation`], [`settlement`] | words of these sections |
//! | [`time`] | the wall clock at the start |
//! | [`seeds`] | ranges of seeds |
//!
//! All of it is integer arithmetic: what a file means must not depend on a machine's floating point.

pub mod amount;
pub mod attestation;
pub mod bound;
pub mod distribution;
pub mod number;
pub mod seeds;
pub mod settlement;
pub mod time;
pub mod word;

pub use amount::{Bandwidth, Bits, Coins, Count, Drift, Duration, Factor, Loss, Rate, Share, SignedDuration, Size};
pub use bound::{LatencyBound, RequestBound};
pub use distribution::Distribution;
pub use seeds::{Seed, SeedRange};
pub use settlement::{AttackBound, FaultWord, OperationName, ViewWord};
pub use time::WallClock;
pub use word::{Choice, Line, ModelName, Name, Prompt, Words};

use crate::diagnostic::Code;
use crate::diagnostic::source::printable;

/// A value that is written as text.
pub trait Scalar: Sized {
    /// What it is, with its article: "a duration".
    const WHAT: &'static str;
    /// Correct spellings.
    const EXAMPLES: &'static [&'static str];
    /// JSON types that the YAML form can have, for the schema.
    const JSON_TYPES: &'static [&'static str] = &["string"];

    /// Reads it.
    ///
    /// # Errors
    /// [`ScalarError`] with everything that a message needs.
    fn parse(text: &str) -> Result<Self, ScalarError>;

    /// The words allowed, if there are only some.
    #[must_use]
    fn words() -> Option<Vec<&'static str>> {
        None
    }
}

/// Why a text is not the value that it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScalarError {
    /// A number alone.
    #[error("`{text}` has no unit, and {what} needs one")]
    MissingUnit {
        /// What was wanted.
        what: &'static str,
        /// What stands there.
        text: String,
        /// Units that count.
        accepted: String,
        /// Correct spellings.
        examples: &'static [&'static str],
    },
    /// A number and something that is no unit.
    #[error("`{unit}` is not a unit of {what}")]
    UnknownUnit {
        /// What was wanted.
        what: &'static str,
        /// What stands behind the number.
        unit: String,
        /// Units that count.
        accepted: String,
        /// The closest of them.
        suggestion: Option<String>,
    },
    /// No number.
    #[error("`{text}` is not {what}")]
    NotANumber {
        /// What was wanted.
        what: &'static str,
        /// What stands there.
        text: String,
        /// Correct spellings.
        examples: &'static [&'static str],
    },
    /// Too large or too small.
    #[error("`{text}` is out of range")]
    OutOfRange {
        /// What stands there.
        text: String,
        /// The rule.
        rule: String,
    },
    /// Below zero.
    #[error("`{text}` is negative, and {what} cannot be")]
    Negative {
        /// What was wanted.
        what: &'static str,
        /// What stands there.
        text: String,
    },
    /// Not a multiple of the smallest unit.
    #[error("`{text}` has more digits than {what} keeps")]
    TooPrecise {
        /// What was wanted.
        what: &'static str,
        /// What stands there.
        text: String,
        /// The smallest step.
        step: &'static str,
    },
    /// No distribution.
    #[error("`{text}` is not a span of values: {why}")]
    Distribution {
        /// What stands there.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// No name or text.
    #[error("`{text}` is not {what}: {why}")]
    BadName {
        /// What was wanted.
        what: &'static str,
        /// What stands there.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// None of the words.
    #[error("`{text}` is not {what}")]
    UnknownChoice {
        /// What was wanted.
        what: &'static str,
        /// What stands there.
        text: String,
        /// The words.
        choices: Vec<&'static str>,
    },
    /// No bound.
    #[error("`{text}` is not {what}: {why}")]
    BadBound {
        /// What was wanted.
        what: &'static str,
        /// What stands there.
        text: String,
        /// What is wrong with it.
        why: String,
        /// Correct spellings.
        examples: &'static [&'static str],
    },
    /// No point in time.
    #[error("`{text}` is not a UTC time: {why}")]
    BadTime {
        /// What stands there.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// No range of seeds.
    #[error("`{text}` is not a range of seeds: {why}")]
    BadSeeds {
        /// What stands there.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl ScalarError {
    /// Its diagnostic code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::MissingUnit { .. } => Code::MissingUnit,
            Self::UnknownUnit { .. } => Code::UnknownUnit,
            Self::NotANumber { .. } => Code::NotANumber,
            Self::OutOfRange { .. } => Code::OutOfRange,
            Self::Negative { .. } => Code::Negative,
            Self::TooPrecise { .. } => Code::TooPrecise,
            Self::Distribution { .. } => Code::Distribution,
            Self::BadName { .. } => Code::BadName,
            Self::UnknownChoice { .. } => Code::UnknownChoice,
            Self::BadBound { .. } => Code::BadBound,
            Self::BadTime { .. } => Code::BadTime,
            Self::BadSeeds { .. } => Code::BadSeeds,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::MissingUnit { accepted, examples, .. } => {
                format!("write for example {}; units: {accepted}", quoted_list(examples))
            }
            Self::UnknownUnit { accepted, suggestion: Some(close), .. } => {
                format!("did you mean `{close}`? units: {accepted}")
            }
            Self::UnknownUnit { accepted, suggestion: None, .. } => format!("units: {accepted}"),
            Self::NotANumber { examples, .. } => format!("write for example {}", quoted_list(examples)),
            Self::OutOfRange { rule, .. } => rule.clone(),
            Self::Negative { .. } => "remove the minus sign".to_owned(),
            Self::TooPrecise { step, .. } => format!("the smallest step is {step}"),
            Self::Distribution { .. } => {
                "write `10ms`, `10ms..40ms`, `normal(40ms, 4ms)` or `exponential(40ms)`, with units where the quantity has one"
                    .to_owned()
            }
            Self::BadName { what, .. } if what.contains("name") => {
                "names have ASCII letters, digits, `-`, `_` and `.`, start with a letter or digit, and end after 64 characters"
                    .to_owned()
            }
            Self::BadName { .. } => "write plain text without control characters".to_owned(),
            Self::UnknownChoice { text, choices, .. } => match closest(text, choices.iter().copied()) {
                Some(close) => format!("did you mean `{close}`? choices: {}", choices.join(", ")),
                None => format!("choices: {}", choices.join(", ")),
            },
            Self::BadBound { examples, .. } => format!("write for example {}", quoted_list(examples)),
            Self::BadTime { .. } => "write for example `2026-01-31T12:00:00Z`".to_owned(),
            Self::BadSeeds { .. } => "write `0..100`, or `100` for the same".to_owned(),
        }
    }
}

/// "`a`, `b` or `c`".
fn quoted_list(items: &[&str]) -> String {
    match items {
        [] => String::new(),
        [only] => format!("`{only}`"),
        [most @ .., last] => {
            format!(
                "{} or `{last}`",
                most.iter()
                    .map(|item| format!("`{item}`"))
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        }
    }
}

/// The closest known word, if it is close enough to be a slip of the pen.
#[must_use]
pub fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count().min(lower.chars().count()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// What a message repeats of a text: one line, at most 40 characters.
#[must_use]
pub fn shown(text: &str) -> String {
    let clean = printable(text).replace(['\n', '\t'], " ");
    if clean.chars().count() <= 40 {
        clean
    } else {
        clean.chars().take(37).chain("...".chars()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{closest, quoted_list, shown};

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let words = ["latency", "loss", "bandwidth", "buffer"];
        assert_eq!(closest("latencey", words), Some("latency"));
        assert_eq!(closest("los", words), Some("loss"));
        assert_eq!(closest("BANDWITH", words), Some("bandwidth"));
        assert_eq!(closest("colour", words), None);
        assert_eq!(closest("", words), None);
    }

    #[test]
    fn messages_repeat_little_and_nothing_dangerous() {
        assert_eq!(shown("a\u{1b}\nb"), "a\u{fffd} b");
        assert_eq!(shown(&"x".repeat(1000)).chars().count(), 40);
        assert_eq!(quoted_list(&["a", "b", "c"]), "`a`, `b` or `c`");
    }
}

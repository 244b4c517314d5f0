//! Exact decimal numbers and units.

use super::{ScalarError, closest, shown};

/// Digits that a number may have; more are out of range or too precise for every quantity.
const DIGITS_MAX: usize = 30;

/// A decimal number: `digits / 10^scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    digits: u128,
    scale: u32,
}

/// A unit and how many of the smallest units it is.
pub(crate) type Unit = (&'static str, u128);

/// What a quantity is, for messages and limits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quantity {
    /// With its article.
    pub(crate) what: &'static str,
    /// Correct spellings.
    pub(crate) examples: &'static [&'static str],
    /// Units, smallest first; the first is shown in examples.
    pub(crate) units: &'static [Unit],
    /// The smallest step, for messages.
    pub(crate) step: &'static str,
    /// Largest value in smallest units.
    pub(crate) max: u128,
    /// The same for people.
    pub(crate) max_shown: &'static str,
}

impl Quantity {
    /// Reads a number with a unit that is not negative.
    pub(crate) fn parse(&self, text: &str) -> Result<u128, ScalarError> {
        let (negative, amount) = self.parse_signed(text)?;
        // Minus zero is negative too: nobody writes it on purpose.
        if negative {
            Err(ScalarError::Negative {
                what: self.what,
                text: shown(text),
            })
        } else {
            Ok(amount)
        }
    }

    /// Reads a number with a unit: whether it is negative, and its amount.
    pub(crate) fn parse_signed(&self, text: &str) -> Result<(bool, u128), ScalarError> {
        let (number, unit) = self.split(text)?;
        let factor = if unit.is_empty() && self.units.iter().all(|(name, _)| !name.is_empty()) {
            return Err(ScalarError::MissingUnit {
                what: self.what,
                text: shown(text),
                accepted: self.accepted(),
                examples: self.examples,
            });
        } else {
            self.units
                .iter()
                .find(|(name, _)| *name == unit)
                .map(|(_, factor)| *factor)
        };
        let Some(factor) = factor else {
            return Err(if self.units.iter().all(|(name, _)| name.is_empty()) {
                ScalarError::NotANumber {
                    what: self.what,
                    text: shown(text),
                    examples: self.examples,
                }
            } else {
                ScalarError::UnknownUnit {
                    what: self.what,
                    unit: shown(unit),
                    accepted: self.accepted(),
                    suggestion: closest(unit, self.units.iter().map(|(name, _)| *name)).map(str::to_owned),
                }
            });
        };
        let out_of_range = || ScalarError::OutOfRange {
            text: shown(text),
            rule: format!("{} is at most {}", self.what, self.max_shown),
        };
        let scaled = number.digits.checked_mul(factor).ok_or_else(out_of_range)?;
        let divisor = 10_u128.checked_pow(number.scale).ok_or_else(out_of_range)?;
        if scaled % divisor != 0 {
            return Err(ScalarError::TooPrecise {
                what: self.what,
                text: shown(text),
                step: self.step,
            });
        }
        let amount = scaled / divisor;
        if amount > self.max {
            Err(out_of_range())
        } else {
            Ok((number.negative, amount))
        }
    }

    /// Splits a text into a number and what follows it.
    fn split<'a>(&self, text: &'a str) -> Result<(Decimal, &'a str), ScalarError> {
        let not_a_number = || ScalarError::NotANumber {
            what: self.what,
            text: shown(text),
            examples: self.examples,
        };
        let trimmed = text.trim();
        let (negative, unsigned) = match trimmed.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
        };
        let end = unsigned
            .find(|character: char| !(character.is_ascii_digit() || character == '.' || character == '_'))
            .unwrap_or(unsigned.len());
        let (number, unit) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let well_formed = |part: &str| {
            part.starts_with(|first: char| first.is_ascii_digit()) && !part.ends_with('_') && !part.contains("__")
        };
        if !well_formed(whole) || !well_formed(fraction) || fraction.contains('.') {
            return Err(not_a_number());
        }
        let fraction = fraction.trim_end_matches('0');
        let digits: String = whole
            .chars()
            .chain(fraction.chars())
            .filter(char::is_ascii_digit)
            .collect();
        let significant = digits.trim_start_matches('0');
        if significant.len() > DIGITS_MAX {
            return Err(ScalarError::OutOfRange {
                text: shown(text),
                rule: format!(
                    "a number has at most {DIGITS_MAX} digits; {} is at most {}",
                    self.what, self.max_shown
                ),
            });
        }
        let scale = fraction.chars().filter(char::is_ascii_digit).count();
        let scale = u32::try_from(scale).map_err(|_| not_a_number())?;
        let digits = if significant.is_empty() {
            0
        } else {
            significant.parse().map_err(|_| not_a_number())?
        };
        Ok((
            Decimal {
                negative,
                digits,
                scale,
            },
            unit.trim_start(),
        ))
    }

    fn accepted(&self) -> String {
        self.units
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| !name.is_empty())
            .collect::<Vec<_>>()
            .join(", ")
    }
}

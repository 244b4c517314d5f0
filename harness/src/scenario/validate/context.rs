//! Reading single keys: present, readable, in range; every failure with its place.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Position, Source};
use crate::scenario::file::List;
use crate::scenario::load::{Checked, diagnose};
use crate::scenario::located::{At, Key, Text};
use crate::scenario::problem::Problem;
use crate::scenario::scalar::{Bandwidth, Coins, Count, Distribution, Duration, Rate, Scalar, Size};

/// What all checks share: the file that diagnostics point into.
pub(super) struct Context<'a> {
    source: &'a Arc<Source>,
}

/// A quantity that can be zero by mistake.
pub(super) trait MaybeZero {
    /// Whether it is.
    fn is_zero(&self) -> bool;
}

impl MaybeZero for Duration {
    fn is_zero(&self) -> bool {
        self.0 == 0
    }
}

impl MaybeZero for Distribution<Duration> {
    fn is_zero(&self) -> bool {
        *self == Self::Constant(Duration(0))
    }
}

impl MaybeZero for Size {
    fn is_zero(&self) -> bool {
        self.0 == 0
    }
}

impl MaybeZero for Bandwidth {
    fn is_zero(&self) -> bool {
        self.0 == Some(0)
    }
}

impl MaybeZero for Rate {
    fn is_zero(&self) -> bool {
        self.events_e6 == 0
    }
}

impl MaybeZero for Count {
    fn is_zero(&self) -> bool {
        self.0 == 0
    }
}

impl MaybeZero for Coins {
    fn is_zero(&self) -> bool {
        self.0 == 0
    }
}

impl<'a> Context<'a> {
    pub(super) fn new(source: &'a Arc<Source>) -> Self {
        Self { source }
    }

    pub(super) fn diagnostic(&self, position: Position, problem: &Problem) -> Box<Diagnostic> {
        diagnose(self.source, position, problem)
    }

    pub(super) fn fail<T>(&self, position: Position, problem: impl Into<Problem>) -> Checked<T> {
        Err(self.diagnostic(position, &problem.into()))
    }

    /// Fails and points at an earlier place as well.
    pub(super) fn fail_with<T>(
        &self,
        position: Position,
        problem: &Problem,
        note: (Position, &'static str),
    ) -> Checked<T> {
        let mut diagnostic = self.diagnostic(position, problem);
        diagnostic.note = Some((note.0, note.1.to_owned()));
        Err(diagnostic)
    }

    pub(super) fn required<'k, T>(&self, key: &'k Key<T>, name: &'static str, parent: Position) -> Checked<&'k At<T>> {
        self.required_when(key, name, parent, "")
    }

    pub(super) fn required_when<'k, T>(
        &self,
        key: &'k Key<T>,
        name: &'static str,
        parent: Position,
        when: &'static str,
    ) -> Checked<&'k At<T>> {
        key.given()
            .ok_or_else(|| self.diagnostic(parent, &Problem::MissingKey { key: name, when }))
    }

    pub(super) fn read<T: Scalar>(&self, text: &At<Text<T>>) -> Checked<T> {
        T::parse(&text.value.raw).map_err(|error| self.diagnostic(text.position, &Problem::Scalar(error)))
    }

    pub(super) fn optional<T: Scalar>(&self, key: &Key<Text<T>>) -> Checked<Option<T>> {
        key.given().map(|text| self.read(text)).transpose()
    }

    pub(super) fn read_or<T: Scalar>(&self, key: &Key<Text<T>>, default: T) -> Checked<T> {
        Ok(self.optional(key)?.unwrap_or(default))
    }

    pub(super) fn read_required<T: Scalar>(
        &self,
        key: &Key<Text<T>>,
        name: &'static str,
        parent: Position,
    ) -> Checked<T> {
        self.read(self.required(key, name, parent)?)
    }

    /// A quantity that must not be zero.
    pub(super) fn positive<T: Scalar + MaybeZero>(&self, text: &At<Text<T>>, what: &'static str) -> Checked<T> {
        let value = self.read(text)?;
        if value.is_zero() {
            self.fail(text.position, Problem::Zero { what })
        } else {
            Ok(value)
        }
    }

    pub(super) fn positive_or<T: Scalar + MaybeZero>(
        &self,
        key: &Key<Text<T>>,
        what: &'static str,
        default: T,
    ) -> Checked<T> {
        key.given().map_or(Ok(default), |text| self.positive(text, what))
    }

    /// A number in a range, as the integer type that the plan wants.
    pub(super) fn number_or<T: TryFrom<u64> + Into<u64> + Copy>(
        &self,
        key: &Key<Text<Count>>,
        what: &'static str,
        range: &RangeInclusive<T>,
        default: T,
    ) -> Checked<T> {
        let Some(text) = key.given() else { return Ok(default) };
        let Count(value) = self.read(text)?;
        let (low, high): (u64, u64) = ((*range.start()).into(), (*range.end()).into());
        if value == 0 && low > 0 {
            return self.fail(text.position, Problem::Zero { what });
        }
        match T::try_from(value) {
            Ok(number) if (low..=high).contains(&value) => Ok(number),
            _ => self.fail(
                text.position,
                Problem::OutOfRange {
                    what,
                    rule: format!("from {low} to {high}"),
                },
            ),
        }
    }

    /// The entries of a list; none if it is not given.
    pub(super) fn list<T: Scalar>(&self, list: &List<T>) -> Checked<Vec<At<T>>> {
        let entries = list.given().map_or(&[][..], |list| &list.value);
        self.entries(entries)
    }

    /// The entries of a list that has at least one if it is given.
    pub(super) fn list_if_given<T: Scalar>(&self, list: &List<T>) -> Checked<Vec<At<T>>> {
        if let Some(given) = list.given() {
            self.not_empty(given)?;
        }
        self.list(list)
    }

    pub(super) fn entries<T: Scalar>(&self, entries: &[At<Text<T>>]) -> Checked<Vec<At<T>>> {
        entries
            .iter()
            .map(|entry| {
                Ok(At {
                    value: self.read(entry)?,
                    position: entry.position,
                })
            })
            .collect()
    }

    pub(super) fn not_empty<T>(&self, list: &At<Vec<T>>) -> Checked<()> {
        if list.value.is_empty() {
            return self.fail(
                list.position,
                Problem::ListLength {
                    rule: "at least one entry",
                },
            );
        }
        Ok(())
    }
}

//! Numbered mutants of all kinds. A number and a seed name one mutant for ever, so that a run can be shared out between
//! threads, stopped, and gone on with.
//!
//! Numbers are counted in units of [`UNIT_MUTANTS`]; each unit has a lab of its own, so that keys, certificates and
//! evidence differ from unit to unit, and the subjects take turns. A unit begins with the named mutants of its lab (M4 to
//! M6); the rest are byte-level ones (M1 to M3 and the equivalence class).

use super::{Case, Lab, Mutant, Mutator, SplitMix, lab::Subject, named};
use crate::evidence::EvidenceId;

/// Mutants of one lab.
pub const UNIT_MUTANTS: u64 = 2_500;

/// Part of a run: mutants of one unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Which unit.
    pub unit: u64,
    /// Number of the first mutant.
    pub first: u64,
    /// Number after the last one.
    pub end: u64,
}

/// The spans of mutants `first` to `first + count`.
pub fn spans(first: u64, count: u64) -> impl Iterator<Item = Span> {
    let end = first.saturating_add(count);
    let units = if count == 0 {
        0..0
    } else {
        first / UNIT_MUTANTS..(end - 1) / UNIT_MUTANTS + 1
    };
    units.map(move |unit| Span {
        unit,
        first: first.max(unit * UNIT_MUTANTS),
        end: end.min((unit + 1).saturating_mul(UNIT_MUTANTS)),
    })
}

/// A unit, set up.
pub struct Unit {
    number: u64,
    seed: u64,
    subject: Subject,
    genuine: Case,
    identity: Option<EvidenceId>,
    named: Vec<Mutant>,
}

impl Unit {
    /// Unit `number` of a run with `seed`.
    pub fn new(seed: u64, number: u64) -> Self {
        let subjects = Subject::ALL.len() as u64;
        let subject = Subject::ALL[(number % subjects) as usize];
        let lab = Lab::new(subject, SplitMix::new(seed, number).next());
        let genuine = lab.genuine();
        Self {
            number,
            seed: SplitMix::new(!seed, number).next(),
            subject,
            identity: genuine.appraise().identity,
            named: named(&lab),
            genuine,
        }
    }

    /// What its mutants are made of.
    pub fn subject(&self) -> Subject {
        self.subject
    }

    /// Name of the genuine evidence; none if the verifier does not accept it, which is a finding by itself.
    pub fn identity(&self) -> Option<EvidenceId> {
        self.identity
    }

    /// Hands mutant `number`, of this unit, to `judge`.
    pub fn with_mutant<T>(&self, number: u64, judge: impl FnOnce(&Mutant) -> T) -> T {
        let index = number.saturating_sub(self.number * UNIT_MUTANTS);
        match self.named.get(usize::try_from(index).unwrap_or(usize::MAX)) {
            Some(mutant) => judge(mutant),
            None => judge(&Mutator::new(&self.genuine, self.seed).mutant(index)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn recipe(seed: u64, number: u64) -> String {
        let unit = Unit::new(seed, number / UNIT_MUTANTS);
        unit.with_mutant(number, |mutant| format!("{:?} {}", mutant.class, mutant.recipe))
    }

    #[test]
    fn spans_cover_a_range_once() {
        for (first, count) in [
            (0, 0),
            (0, 1),
            (0, UNIT_MUTANTS),
            (1, UNIT_MUTANTS),
            (2_499, 5_002),
            (7, 100_000),
        ] {
            let all: Vec<_> = spans(first, count).collect();
            assert_eq!(all.iter().map(|span| span.end - span.first).sum::<u64>(), count);
            let mut next = first;
            for span in all {
                assert_eq!(span.first, next);
                assert_eq!(
                    (span.first / UNIT_MUTANTS, (span.end - 1) / UNIT_MUTANTS),
                    (span.unit, span.unit)
                );
                next = span.end;
            }
        }
    }

    #[test]
    fn a_number_names_one_mutant_whatever_the_range() {
        let unit = Unit::new(3, 2);
        let (first, last) = (2 * UNIT_MUTANTS, 3 * UNIT_MUTANTS - 1);
        let of = |number| unit.with_mutant(number, |mutant| format!("{:?} {}", mutant.class, mutant.recipe));
        assert_eq!((of(first), of(last)), (recipe(3, first), recipe(3, last)));
        assert_ne!(of(last), recipe(4, last));
        assert!(of(first).starts_with("M4"), "named ones come first: {}", of(first));
        assert!(
            of(last).starts_with("M1")
                || of(last).starts_with("M2")
                || of(last).starts_with("M3")
                || of(last).starts_with("Equ")
        );
        let different: BTreeSet<_> = (last - 500..last).map(of).collect();
        assert!(different.len() > 300, "{}", different.len());
    }

    #[test]
    fn subjects_take_turns_and_units_differ() {
        let units: Vec<_> = [0, 4, 9].map(|number| Unit::new(5, number)).into_iter().collect();
        assert_eq!(units[0].subject(), units[2].subject());
        assert_ne!(units[0].subject(), units[1].subject());
        assert_ne!(units[0].identity(), units[2].identity());
        assert!(units.iter().all(|unit| unit.identity().is_some()));
    }
}

//! Properties over all runs, and the verdict on the suite.

use std::collections::BTreeMap;

use crate::schema::{AssertionClass, AssertionVerdict};
use crate::store::{RunStore, RunVerdict};

/// Verdict on several runs together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SuiteVerdict {
    /// Everything that must hold held, and everything that must be seen was seen.
    Pass,
    /// Something could not be decided, or there are no runs.
    Undecided,
    /// A property was violated, or something that must be seen never was.
    Fail,
    /// A repetition differed: the simulator is at fault and nothing else can be concluded.
    NonDeterministic,
}

/// One property over all runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertySummary {
    /// Kind of property.
    pub class: AssertionClass,
    /// Name.
    pub name: String,
    /// Verdict on it over all runs.
    pub verdict: SuiteVerdict,
    /// Runs in which it held or was seen.
    pub passed: u64,
    /// Runs in which it was violated.
    pub failed: u64,
    /// Runs in which it was not seen.
    pub unseen: u64,
    /// Runs in which it could not be decided.
    pub undecided: u64,
    /// Runs that had nothing to check it by.
    pub unchecked: u64,
    /// Seed and detail of the first run that decided the verdict.
    pub example: Option<(u64, String)>,
}

/// Verdicts over all runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictSummary {
    /// The worst of everything below.
    pub suite: SuiteVerdict,
    /// Number of runs.
    pub runs: u64,
    /// Runs of which the manifest and every property that must hold in each run say pass.
    pub passed_runs: u64,
    /// Properties by class and name.
    pub properties: Vec<PropertySummary>,
}

/// Verdicts of these runs.
pub fn verdicts(runs: &[RunStore]) -> VerdictSummary {
    let mut outcomes: BTreeMap<(AssertionClass, &str), Vec<Outcome<'_>>> = BTreeMap::new();
    let mut passed_runs = 0;
    let mut suite = if runs.is_empty() {
        SuiteVerdict::Undecided
    } else {
        SuiteVerdict::Pass
    };
    for run in runs {
        let seed = run.run().seed;
        for row in &run.tables().assertions {
            outcomes.entry((row.class, &row.name)).or_default().push(Outcome {
                verdict: row.verdict,
                seed,
                detail: &row.detail,
            });
        }
        let of_manifest = match run.run().verdict {
            RunVerdict::Pass => SuiteVerdict::Pass,
            RunVerdict::Fail => SuiteVerdict::Fail,
            RunVerdict::NonDeterministic => SuiteVerdict::NonDeterministic,
        };
        suite = suite.max(of_manifest);
        let held = run
            .tables()
            .assertions
            .iter()
            .all(|row| !matches!(row.verdict, AssertionVerdict::Fail | AssertionVerdict::Undecided));
        passed_runs += u64::from(of_manifest == SuiteVerdict::Pass && held);
    }
    let properties: Vec<PropertySummary> = outcomes
        .into_iter()
        .map(|((class, name), outcomes)| property(class, name, &outcomes))
        .collect();
    suite = properties
        .iter()
        .map(|property| property.verdict)
        .fold(suite, SuiteVerdict::max);
    VerdictSummary {
        suite,
        runs: runs.len() as u64,
        passed_runs,
        properties,
    }
}

/// A property in one run.
struct Outcome<'a> {
    verdict: AssertionVerdict,
    seed: u64,
    detail: &'a str,
}

fn property(class: AssertionClass, name: &str, outcomes: &[Outcome<'_>]) -> PropertySummary {
    let count = |verdict| outcomes.iter().filter(|outcome| outcome.verdict == verdict).count() as u64;
    let (passed, failed) = (count(AssertionVerdict::Pass), count(AssertionVerdict::Fail));
    let (unseen, undecided) = (count(AssertionVerdict::Unseen), count(AssertionVerdict::Undecided));
    let unchecked = count(AssertionVerdict::NothingToCheck);
    let (verdict, decisive) = if failed > 0 {
        (SuiteVerdict::Fail, AssertionVerdict::Fail)
    } else if passed == 0 && unseen > 0 {
        (SuiteVerdict::Fail, AssertionVerdict::Unseen)
    } else if undecided > 0 {
        (SuiteVerdict::Undecided, AssertionVerdict::Undecided)
    } else if passed == 0 && unchecked > 0 {
        // Nothing is known about it: no pass.
        (SuiteVerdict::Undecided, AssertionVerdict::NothingToCheck)
    } else {
        (SuiteVerdict::Pass, AssertionVerdict::Pass)
    };
    let example = outcomes
        .iter()
        .find(|outcome| outcome.verdict == decisive)
        .map(|outcome| (outcome.seed, outcome.detail.to_owned()));
    PropertySummary {
        class,
        name: name.to_owned(),
        verdict,
        passed,
        failed,
        unseen,
        undecided,
        unchecked,
        example,
    }
}

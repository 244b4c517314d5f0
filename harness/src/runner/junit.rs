//! JUnit XML for CI: one suite for each scenario, one case for each seed. Seeds that were not run are there as skipped,
//! so that an interrupted campaign does not look like a complete one.

use std::collections::BTreeMap;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::campaign::{Campaign, SeedOutcome, Suite, Verdict};
use super::summary::{again, never_checked, reasons};
use crate::diagnostic::source::printable;
use crate::services::Engine;

/// The report as XML.
///
/// # Errors
/// None in practice: it is written to memory.
pub fn xml(campaign: &Campaign, suites: &[Suite<'_>], engine: Engine) -> Result<String, quick_junit::SerializeError> {
    let mut report = Report::new("chrysalis");
    report.set_time(campaign.elapsed);
    for (index, suite) in suites.iter().enumerate() {
        let name = suite.selected.scenario.name.as_str();
        let mut tests = TestSuite::new(name);
        let outcomes: BTreeMap<u64, &SeedOutcome> = campaign
            .outcomes
            .iter()
            .filter(|outcome| outcome.suite == index)
            .map(|outcome| (outcome.seed, outcome))
            .collect();
        for seed in suite.seeds.seeds() {
            let mut case = match outcomes.get(&seed) {
                Some(outcome) => ended(outcome, suite, engine),
                None => {
                    let mut status = TestCaseStatus::skipped();
                    status.set_message("not run: the campaign ended before");
                    TestCase::new(format!("seed {seed}"), status)
                }
            };
            case.set_classname(format!("chrysalis.{name}"));
            tests.add_test_case(case);
        }
        for expectation in never_checked(campaign, index) {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status
                .set_type("nothing-to-check")
                .set_message(format!("{expectation} had nothing to check in any seed"));
            let mut case = TestCase::new(format!("checked: {expectation}"), status);
            case.set_classname(format!("chrysalis.{name}"));
            tests.add_test_case(case);
        }
        report.add_test_suite(tests);
    }
    report.to_string()
}

/// A seed that was run.
fn ended(outcome: &SeedOutcome, suite: &Suite<'_>, engine: Engine) -> TestCase {
    let status = match &outcome.verdict {
        Verdict::Passed => TestCaseStatus::success(),
        verdict => {
            let (kind, label) = match verdict {
                Verdict::Broken(error) => (NonSuccessKind::Error, error.code().id()),
                Verdict::Passed | Verdict::Failed(_) => (NonSuccessKind::Failure, "expectation"),
            };
            let mut status = TestCaseStatus::non_success(kind);
            let mut lines = reasons(verdict);
            status
                .set_type(label)
                .set_message(printable(&lines.first().cloned().unwrap_or_default()));
            lines.push(format!("again: {}", again(suite, outcome, engine)));
            status.set_description(printable(&lines.join("\n")));
            status
        }
    };
    let mut case = TestCase::new(format!("seed {}", outcome.seed), status);
    case.set_time(outcome.elapsed);
    if !outcome.unchecked.is_empty() {
        case.set_system_out(format!("nothing to check: {}", outcome.unchecked.join(", ")));
    }
    case
}

//! JUnit XML for CI: one suite for each scenario, one case for each seed.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::campaign::{Campaign, Suite, Verdict};
use super::summary::{again, reasons};
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
        for outcome in campaign.outcomes.iter().filter(|outcome| outcome.suite == index) {
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
                    lines.push(format!("again: {}", again(&suite.selected.path, outcome, engine)));
                    status.set_description(printable(&lines.join("\n")));
                    status
                }
            };
            let mut case = TestCase::new(format!("seed {}", outcome.seed), status);
            case.set_classname(format!("chrysalis.{name}"))
                .set_time(outcome.elapsed);
            tests.add_test_case(case);
        }
        report.add_test_suite(tests);
    }
    report.to_string()
}

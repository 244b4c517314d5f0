//! What a campaign writes: verdicts, JUnit and HTML reports, and what counts when one of them cannot be written.

use crate::common;

use chrysalis::exit::Exit;
use chrysalis::services::ServiceError;
use common::{Lab, failed, passed, scenario, unchecked};

#[test]
fn junit_has_a_case_for_each_seed() {
    let lab = Lab::new(|job, _| match job.plan.seed {
        1 => Ok(failed(job)),
        2 => Err(ServiceError::Environment("no port is free".to_owned())),
        _ => Ok(passed(job)),
    })
    .with("a.yaml", &scenario("a", "seeds: 0..4\n"));
    let done = lab.go("run a.yaml --junit reports/junit.xml");
    assert_eq!(
        done.exit,
        Exit::Failures,
        "a failure is not hidden by trouble elsewhere"
    );
    let xml = std::fs::read_to_string(lab.path("reports/junit.xml")).unwrap();
    let report = quick_junit::Report::deserialize_from_str(&xml).unwrap();
    let suite = &report.test_suites[0];
    assert_eq!(
        (suite.name.as_str(), suite.tests, suite.failures, suite.errors),
        ("a", 4, 1, 1)
    );
    assert!(xml.contains("again: chrysalis replay runs/a/1") && !xml.contains('\u{1b}'));
}

#[test]
fn html_is_made_of_all_stored_runs() {
    let lab = Lab::passing().with("a.yaml", &scenario("a", "seeds: 0..4\n"));
    let done = lab.go("run a.yaml --html out/report.html");
    assert_eq!(done.exit, Exit::Pass);
    assert!(done.err.ends_with("report: out/report.html\n"), "{}", done.err);
    assert_eq!(
        std::fs::read_to_string(lab.path("out/report.html")).unwrap(),
        "<!doctype html>4 runs"
    );
    assert_eq!(
        lab.go("report runs/a/0 runs/a/1 --html -").out,
        "<!doctype html>2 runs\n"
    );
    let done = lab.go("report runs");
    assert_eq!(
        (done.exit, done.err.as_str()),
        (Exit::Pass, "report on 4 runs: report.html\n")
    );
    assert_eq!(lab.go("report runs/a/2").err, "report on 1 run: report.html\n");
    assert!(lab.path("report.html").is_file());
    let done = lab.go("report out");
    assert_eq!(done.exit, Exit::Usage);
    assert!(
        done.err.starts_with("error[CHR-C003]: out is not the folder of a run"),
        "{}",
        done.err
    );
}

#[test]
fn an_expectation_that_checked_nothing_is_no_silent_pass() {
    // In some seeds: visible, and no more than that.
    let lab = Lab::new(|job, _| {
        Ok(if job.plan.seed == 1 {
            passed(job)
        } else {
            unchecked(job)
        })
    })
    .with("a.yaml", &scenario("a", "seeds: 0..3\n"));
    let done = lab.go("run a.yaml --json --junit junit.xml");
    assert_eq!(done.exit, Exit::Pass);
    assert!(
        done.err.starts_with(
            "pass  a: 3 of 3 seeds passed\n      nothing to check for every-request-ends in 2 of 3 seeds\n"
        ),
        "{}",
        done.err
    );
    let json = done.json();
    let suite = &json["scenarios"][0];
    assert_eq!(suite["nothing_to_check"]["every-request-ends"], 2);
    assert_eq!(suite["never_checked"], serde_json::json!([]));
    let xml = std::fs::read_to_string(lab.path("junit.xml")).unwrap();
    assert_eq!(xml.matches("nothing to check: every-request-ends").count(), 2, "{xml}");

    // In all of them: nothing is known, and that is no pass.
    let lab = Lab::new(|job, _| Ok(unchecked(job))).with("a.yaml", &scenario("a", "seeds: 0..3\n"));
    let done = lab.go("run a.yaml --json --junit junit.xml");
    assert_eq!(done.exit, Exit::Failures);
    assert!(
        done.err.starts_with(
            "FAIL  a: 3 of 3 seeds passed\n      nothing to check for every-request-ends in 3 of 3 seeds, so it says nothing\n"
        ),
        "{}",
        done.err
    );
    assert_eq!(
        done.json()["scenarios"][0]["never_checked"],
        serde_json::json!(["every-request-ends"])
    );
    let xml = std::fs::read_to_string(lab.path("junit.xml")).unwrap();
    let report = quick_junit::Report::deserialize_from_str(&xml).unwrap();
    assert_eq!((report.test_suites[0].tests, report.test_suites[0].failures), (4, 1));
    // One run by itself is what it is.
    let done = lab.go("replay runs/a/0");
    assert_eq!(done.exit, Exit::Pass);
    assert!(
        done.err.contains("nothing to check: every-request-ends"),
        "{}",
        done.err
    );
}

#[test]
fn verdicts_survive_outputs_that_cannot_be_written() {
    let lab = Lab::new(|job, _| Ok(if job.plan.seed == 1 { failed(job) } else { passed(job) }))
        .with("a.yaml", &scenario("a", "seeds: 0..2\n"))
        .with("taken", "a file");
    let done = lab.go("run a.yaml --json --junit taken/junit.xml --html taken/report.html");
    assert_eq!(done.exit, Exit::Failures, "the verdict counts, not the output");
    assert_eq!(done.json()["exit_code"], 100);
    assert!(done.err.starts_with("FAIL  a: 1 of 2 seeds passed\n"), "{}", done.err);
    assert_eq!(
        done.err.matches("error[CHR-C005]").count(),
        2,
        "both are tried: {}",
        done.err
    );
    assert!(!done.err.contains("report: "), "{}", done.err);
    // One that can be written is, after one that cannot.
    let done = lab.go("run a.yaml --seeds 0..1 --junit taken/junit.xml --html report.html");
    assert_eq!(done.exit, Exit::Environment, "all passed, and an output is missing");
    assert!(done.err.contains("report: report.html\n") && lab.path("report.html").is_file());
    assert_eq!(done.err.matches("error[CHR-C005]").count(), 1, "{}", done.err);
}

#[test]
fn a_report_that_is_not_written_is_not_announced() {
    let lab = Lab::new(|_, _| Err(ServiceError::Environment("no port is free".to_owned())))
        .with("a.yaml", &scenario("a", ""));
    let done = lab.go("run a.yaml --html report.html");
    assert_eq!(done.exit, Exit::Environment);
    assert!(done.err.contains("no report: no run was stored\n"), "{}", done.err);
    assert!(!done.err.contains("report: report.html") && !lab.path("report.html").exists());
    // What an earlier campaign left of this seed is not reported as this one's.
    let earlier = Lab::new(|job, call| {
        if call == 0 {
            Ok(passed(job))
        } else {
            Err(ServiceError::Environment("no port is free".to_owned()))
        }
    })
    .with("a.yaml", &scenario("a", ""));
    assert_eq!(earlier.go("run a.yaml").exit, Exit::Pass);
    let done = earlier.go("run a.yaml --html report.html");
    assert!(done.err.contains("no report: no run was stored\n"), "{}", done.err);
}

#[test]
fn damaged_runs_are_named_and_can_be_left_out() {
    let lab = Lab::passing().with("a.yaml", &scenario("a", "seeds: 0..4\n"));
    assert_eq!(lab.go("run a.yaml").exit, Exit::Pass);
    for seed in [1, 3] {
        std::fs::remove_file(lab.path(&format!("runs/a/{seed}/requests.parquet"))).unwrap();
    }
    let done = lab.go("report runs --html -");
    assert_eq!((done.exit, done.out.as_str()), (Exit::Usage, ""));
    assert!(
        done.err.contains("runs/a/1: a table is absent") && done.err.contains("runs/a/3: a table is absent"),
        "{}",
        done.err
    );
    let done = lab.go("report runs --html - --skip-damaged");
    assert_eq!((done.exit, done.out.as_str()), (Exit::Pass, "<!doctype html>2 runs\n"));
    assert!(
        done.err
            .starts_with("left out: runs/a/1: a table is absent\nleft out: runs/a/3: a table is absent\n"),
        "{}",
        done.err
    );
}

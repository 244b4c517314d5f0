//! Threats, platforms, evidence over time.

use crate::support;

use chrysalis_reports::analyses::{EvidenceEvent, Measured, evidence_timeline, platforms, threats};
use chrysalis_reports::schema::{AssertionClass, AssertionRow, AssertionVerdict, AttackOutcome, AttestationVerdict};
use chrysalis_reports::{ReportOptions, RunStore, RunVerdict, Tables, render};

fn run(profile: &str, scenario: &str, catalogue: &str, seed: u64, change: impl FnOnce(&mut Tables)) -> RunStore {
    let mut tables = support::tables(seed, 4, false);
    tables.faults.clear();
    tables.assertions.clear();
    tables.attacks.clear();
    change(&mut tables);
    let mut description = support::description(seed, RunVerdict::Pass);
    description.profile = profile.to_owned();
    description.scenario = scenario.to_owned();
    description.threat = Some(support::threat(catalogue));
    RunStore::in_memory(tables, description).unwrap()
}

fn attacked(profile: &str, seed: u64, outcome: AttackOutcome) -> RunStore {
    run(profile, "a2", "A2", seed, |tables| {
        tables.attacks.push(support::attack(outcome));
    })
}

fn assertion(name: &str, verdict: AssertionVerdict) -> AssertionRow {
    AssertionRow {
        name: name.to_owned(),
        class: AssertionClass::Always,
        verdict,
        detail: "3 of 3".to_owned(),
        at_ns: None,
    }
}

fn counts(measured: &Measured) -> (u64, u64, u64) {
    (measured.open, measured.closed, measured.unknown)
}

#[test]
fn a_threat_is_open_where_it_works_in_one_run() {
    let runs = [
        attacked("reference", 1, AttackOutcome::Stopped),
        attacked("reference", 2, AttackOutcome::Worked),
        attacked("hardened", 1, AttackOutcome::Stopped),
        attacked("hardened", 2, AttackOutcome::NotCarriedOut),
    ];
    let threats = threats(&runs);
    assert_eq!(threats.len(), 1);
    let of = |profile: &str| &threats[0].profiles[profile];
    assert_eq!(counts(of("reference")), (1, 1, 0));
    assert_eq!(
        of("reference").example.as_ref().unwrap().0,
        2,
        "the run in which it worked"
    );
    assert_eq!(counts(of("hardened")), (0, 1, 1));
    assert_eq!(of("hardened").example.as_ref().unwrap().0, 1);
}

#[test]
fn without_an_attacker_properties_decide_and_silence_is_no_proof() {
    let fault = |tables: &mut Tables| {
        tables.faults = support::tables(1, 4, true).faults;
        assert!(!tables.faults.is_empty());
    };
    let shown = |change: &dyn Fn(&mut Tables)| {
        let runs = [run("hardened", "a14", "A14", 1, change)];
        counts(&threats(&runs)[0].profiles["hardened"])
    };
    let (open, closed, unknown) = ((1, 0, 0), (0, 1, 0), (0, 0, 1));
    let with = |assertions: Vec<AssertionRow>| {
        move |tables: &mut Tables| {
            fault(tables);
            tables.assertions.clone_from(&assertions);
        }
    };
    use AssertionVerdict::{Fail, NothingToCheck, Pass};
    assert_eq!(shown(&with(vec![assertion("trust ends is violated", Pass)])), open);
    assert_eq!(shown(&with(vec![assertion("trust ends is violated", Fail)])), unknown);
    assert_eq!(shown(&with(vec![assertion("trust ends", Fail)])), open);
    assert_eq!(shown(&with(vec![assertion("trust ends", Pass)])), closed);
    assert_eq!(shown(&with(vec![assertion("trust ends", NothingToCheck)])), unknown);
    assert_eq!(shown(&with(vec![])), unknown);
    assert_eq!(
        shown(&|tables: &mut Tables| tables.assertions = vec![assertion("trust ends", Pass)]),
        unknown,
        "nothing was done to the network"
    );
}

#[test]
fn threats_stand_in_the_order_of_the_catalogue() {
    let of = |catalogue: &str| run("hardened", catalogue, catalogue, 1, |_| {});
    let runs = [of("P1"), of("A10"), of("A2"), of("G1")];
    let order: Vec<_> = threats(&runs).into_iter().map(|summary| summary.scenario).collect();
    assert_eq!(order, ["A2", "A10", "G1", "P1"]);
}

#[test]
fn platforms_are_counted_apart_from_verdicts() {
    let one = run("hardened", "a", "A1", 1, |_| {});
    let platforms = platforms(&[one]);
    assert_eq!(platforms.len(), 1, "all evidence of the sample is of one machine");
    let machine = &platforms[0];
    assert!(machine.accepted > 0 && machine.refused > 0);
    assert_eq!(machine.tcb_statuses.iter().collect::<Vec<_>>(), ["UpToDate"]);
    // Who showed nothing has no platform.
    let silent = run("hardened", "a", "A1", 1, |tables| {
        for row in &mut tables.attestations {
            row.kind.clear();
        }
    });
    assert_eq!(chrysalis_reports::analyses::platforms(&[silent]), []);
}

#[test]
fn the_timeline_is_of_the_run_that_tells_most() {
    let quiet = run("hardened", "quiet", "A1", 1, |tables| {
        tables
            .attestations
            .retain(|row| row.verdict == AttestationVerdict::Accepted);
    });
    let refused = run("hardened", "refused", "A1", 2, |tables| {
        tables.attacks.push(support::attack(AttackOutcome::Stopped));
    });
    let renewed = run("hardened", "renewed", "A1", 3, |tables| {
        tables.attestations[0].occasion = "renewal".to_owned();
    });
    let scenario = |runs: &[RunStore]| evidence_timeline(runs).unwrap().scenario;
    assert_eq!(scenario(&[quiet.clone(), refused.clone(), renewed.clone()]), "renewed");
    assert_eq!(scenario(&[quiet.clone(), refused.clone()]), "refused");
    assert_eq!(scenario(&[quiet]), "quiet");
    assert_eq!(evidence_timeline(&[]), None);
    let events = evidence_timeline(&[refused]).unwrap().events;
    assert!(events.is_sorted_by_key(|(at_ns, _)| *at_ns));
    assert!(
        events
            .iter()
            .any(|(_, event)| matches!(event, EvidenceEvent::Attack { .. }))
    );
}

#[test]
fn the_report_says_what_is_open_and_what_is_closed() {
    let runs = [
        attacked("reference", 1, AttackOutcome::Worked),
        attacked("hardened", 1, AttackOutcome::Stopped),
    ];
    let html = render(&runs, &ReportOptions::default());
    for expected in [
        "Threats and what stops them",
        "of 1 are open",
        "Use Alternate Authentication Material",
        "Platforms behind the evidence",
        "Evidence in one run",
    ] {
        assert!(html.contains(expected), "{expected}");
    }
    let without = RunStore::in_memory(support::tables(1, 4, false), support::description(1, RunVerdict::Pass)).unwrap();
    let html = render(&[without], &ReportOptions::default());
    assert!(!html.contains("Threats and what stops them"));
}

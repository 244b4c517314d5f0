//! What must be seen is not taken for seen.

use super::{Class, Verdict, judged, seen, tests::plan};
use crate::{
    plan::{AttackPlan, Operation, OperationPlan, SettlementPlan, Threat},
    properties::{Checked, Violation},
    recorder::{Attack, Note, OwnerOperation, Rows},
};

fn attack(worked: Option<bool>) -> Rows {
    Rows {
        attacks: vec![Attack {
            at_ns: 7,
            threat: Threat::StolenKey.name().to_owned(),
            worked,
            detail: "the thief gained nothing".to_owned(),
        }],
        ..Rows::default()
    }
}

#[test]
fn an_attack_must_come_to_its_end_and_be_what_was_expected() {
    let mut plan = plan();
    plan.settlement = Some(SettlementPlan {
        attacks: vec![AttackPlan {
            at_ns: 0,
            threat: Threat::StolenKey,
        }],
        ..SettlementPlan::default()
    });
    let verdict = |rows: &Rows, works| {
        let assertions = seen::attacks(&plan, rows, works);
        assert_eq!(assertions.len(), 1);
        assertions[0].verdict
    };
    for works in [true, false] {
        assert_eq!(verdict(&attack(Some(works)), works), Verdict::Held);
        assert_eq!(verdict(&attack(Some(!works)), works), Verdict::Violated);
        assert_eq!(verdict(&attack(None), works), Verdict::Violated, "not carried out");
        assert_eq!(verdict(&Rows::default(), works), Verdict::Violated, "not over");
    }
}

#[test]
fn a_weak_point_must_show() {
    let seen_as = |checked: Checked| seen::violated(judged("p", Class::Always, checked)).verdict;
    let violation = Violation::at(3, "gone".to_owned());
    assert_eq!(seen_as(Checked::violated(1, violation)), Verdict::Held);
    assert_eq!(seen_as(Checked::held(1)), Verdict::Violated);
    assert_eq!(seen_as(Checked::held(0)), Verdict::Violated);
}

#[test]
fn a_node_that_goes_on_has_not_stopped() {
    let mut rows = Rows::default();
    assert_eq!(seen::stops("proxy-1", &rows).verdict, Verdict::Violated);
    rows.stopped.push(Note {
        at_ns: 1,
        node: "proxy-2".to_owned(),
        text: String::new(),
    });
    assert_eq!(seen::stops("proxy-1", &rows).verdict, Verdict::Violated);
    assert_eq!(seen::stops("proxy-2", &rows).verdict, Verdict::Held);
}

#[test]
fn what_owners_were_to_do_is_done() {
    let mut plan = plan();
    assert!(seen::owners(&plan, &Rows::default()).is_none());
    plan.settlement = Some(SettlementPlan {
        operations: vec![OperationPlan {
            at_ns: 0,
            operation: Operation::TakeShare {
                proxy: "proxy-1".to_owned(),
            },
        }],
        ..SettlementPlan::default()
    });
    let verdict = |failure: Option<&str>, count: usize| {
        let done = OwnerOperation {
            at_ns: 1,
            operation: "take_share".to_owned(),
            failure: failure.map(str::to_owned),
        };
        let rows = Rows {
            operations: vec![done; count],
            ..Rows::default()
        };
        seen::owners(&plan, &rows).unwrap().verdict
    };
    assert_eq!(verdict(None, 1), Verdict::Held);
    assert_eq!(verdict(None, 0), Verdict::Violated);
    assert_eq!(verdict(Some("exit code 1006"), 1), Verdict::Violated);
}

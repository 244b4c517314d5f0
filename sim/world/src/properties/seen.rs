//! What must be seen in a run: attacks that work, weak points that show, nodes that stop, operations that are done.

use super::{Assertion, Checked, Class, Verdict, Violation, judged};
use crate::{
    deployment::Facts,
    plan::{ContractName, KeyAskerPlan, Plan},
    recorder::{ContractState, ContractView, Rows},
};
use chrysalis_settlement::onchain::opcodes;

/// The property must not have held.
pub(super) fn violated(judged: Assertion) -> Assertion {
    let Assertion {
        name,
        verdict,
        detail,
        at_ns,
        ..
    } = judged;
    let (verdict, detail) = match verdict {
        Verdict::Violated => (Verdict::Held, format!("seen: {detail}")),
        Verdict::Held => (Verdict::Violated, format!("it held: {detail}")),
        Verdict::NothingToCheck => (Verdict::Violated, "it had nothing to check".to_owned()),
    };
    Assertion {
        name: format!("{name} is violated"),
        class: Class::Sometimes,
        verdict,
        detail,
        at_ns,
    }
}

/// Each attack of the plan by itself. One that could not be carried out shows nothing, and that is a failure whatever
/// was expected of it.
pub(super) fn attacks(plan: &Plan, rows: &Rows, works: bool) -> Vec<Assertion> {
    let on_chain = plan.settlement.iter().flat_map(|settlement| &settlement.attacks);
    let on_chain = on_chain.map(|planned| planned.threat.name().to_owned());
    let askers = plan.key_manager.iter().flat_map(|key_manager| &key_manager.askers);
    on_chain
        .chain(askers.map(KeyAskerPlan::threat))
        .map(|threat| {
            let (name, class) = if works {
                (format!("{threat} works"), Class::Sometimes)
            } else {
                (format!("{threat} does not work"), Class::Never)
            };
            let found = rows.attacks.iter().find(|attack| attack.threat == threat);
            let (verdict, detail, at_ns) = match found {
                None => (Verdict::Violated, "it was not over when the run ended".to_owned(), None),
                Some(attack) => {
                    let is_as_expected = attack.worked == Some(works);
                    let detail = match attack.worked {
                        None => format!("it could not be carried out: {}", attack.detail),
                        Some(true) => format!("it worked: {}", attack.detail),
                        Some(false) => format!("it did not work: {}", attack.detail),
                    };
                    let verdict = if is_as_expected {
                        Verdict::Held
                    } else {
                        Verdict::Violated
                    };
                    (verdict, detail, Some(attack.at_ns))
                }
            };
            Assertion {
                name,
                class,
                verdict,
                detail,
                at_ns,
            }
        })
        .collect()
}

/// The node must have ended by itself.
pub(super) fn stops(node: &str, rows: &Rows) -> Assertion {
    let found = rows.stopped.iter().find(|stop| stop.node == node);
    let (verdict, detail) = match found {
        Some(stop) => (Verdict::Held, stop.text.clone()),
        None => (Verdict::Violated, "it went on".to_owned()),
    };
    Assertion {
        name: format!("{node} stops"),
        class: Class::Sometimes,
        verdict,
        detail,
        at_ns: found.map(|stop| stop.at_ns),
    }
}

/// The contract must have been seen frozen.
pub(super) fn frozen(contract: &ContractName, facts: &Facts, rows: &Rows) -> Assertion {
    let is_it = |state: &&ContractState| {
        state.view == ContractView::Frozen
            && facts
                .parties
                .get(&state.address)
                .is_some_and(|party| party.is_behind(contract))
    };
    let found = rows.contracts.iter().find(is_it);
    let (verdict, detail) = match found {
        Some(_) => (Verdict::Held, "seen".to_owned()),
        None => (Verdict::Violated, "it was never seen frozen".to_owned()),
    };
    Assertion {
        name: format!("{contract} freezes"),
        class: Class::Sometimes,
        verdict,
        detail,
        at_ns: found.map(|state| state.at_ns),
    }
}

/// Contracts must have done this, as often as this at least.
pub(super) fn operations(op: u32, at_least: u64, rows: &Rows) -> Assertion {
    let done = rows
        .transactions
        .iter()
        .filter(|row| row.op == Some(op) && row.is_success);
    let count = done.count();
    let name = opcodes::name(op).map_or_else(|| format!("operation {op:#010x}"), str::to_owned);
    let missing = (u64::try_from(count).unwrap_or(u64::MAX) < at_least)
        .then(|| Violation::at(None, format!("done {count} times, at least {at_least} were expected")));
    let checked = Checked {
        count: count.max(1),
        violation: missing,
    };
    judged(&format!("{name} is done"), Class::Sometimes, checked)
}

/// What owners were to do is done. `None` if they were to do nothing.
pub(super) fn owners(plan: &Plan, rows: &Rows) -> Option<Assertion> {
    let planned = plan.settlement.as_ref()?.operations.len();
    if planned == 0 {
        return None;
    }
    let failed = rows.operations.iter().find_map(|done| {
        let failure = done.failure.as_ref()?;
        Some(Violation::at(done.at_ns, format!("{}: {failure}", done.operation)))
    });
    let missing = (rows.operations.len() < planned).then(|| {
        let text = format!("{} of {planned} were over when the run ended", rows.operations.len());
        Violation::at(None, text)
    });
    let checked = Checked {
        count: planned,
        violation: failed.or(missing),
    };
    Some(judged("owners-operations", Class::Always, checked))
}

//! The chain of a run: the contracts of the profile, and the times of operations and attacks.

use chrysalis_world::plan::{AttackPlan, ContractBuild, OperationPlan, Profile, SettlementPlan};

use super::sampling::span_ns;
use super::streams::Streams;
use crate::scenario::model::SettlementTemplate;

/// The chain of a run, with operations and attacks ordered by time; those of the same time as in the file.
pub(super) fn settlement(template: &SettlementTemplate, profile: Profile, streams: &Streams) -> SettlementPlan {
    let draw = |label: &str, at| span_ns(at, &mut streams.stream(&format!("plan/settlement/{label}")));
    let mut operations: Vec<OperationPlan> = template
        .operations
        .iter()
        .map(|timed| OperationPlan {
            at_ns: draw(&timed.label, timed.at),
            operation: timed.what.clone(),
        })
        .collect();
    operations.sort_by_key(|planned| planned.at_ns);
    let mut attacks: Vec<AttackPlan> = template
        .attacks
        .iter()
        .map(|timed| AttackPlan {
            at_ns: draw(&timed.label, timed.at),
            threat: timed.what,
        })
        .collect();
    attacks.sort_by_key(|planned| planned.at_ns);
    SettlementPlan {
        contracts: ContractBuild::from(profile),
        operations,
        attacks,
        ..template.fixed.clone()
    }
}

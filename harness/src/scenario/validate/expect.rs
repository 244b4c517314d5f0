//! Expectations.

use std::collections::BTreeSet;

use chrysalis_world::plan::{CountBound, Expectation, LatencyMetric, RequestOutcome};
use chrysalis_world::properties::{Scope, never_applies};

use super::context::Context;
use super::world::World;
use crate::scenario::file::{ExpectFile, List, ProfileExpectFile, RequestsFile};
use crate::scenario::load::Checked;
use crate::scenario::located::{At, Key};
use crate::scenario::model::{ActionTemplate, FaultTemplate, SettlementTemplate, UserGroup};
use crate::scenario::problem::Problem;
use crate::scenario::properties::names;
use crate::scenario::scalar::{AttackBound, Choice, Count, LatencyBound, Name, OperationName, RequestBound};

/// What must hold in both profiles, and in one of them besides: reference, hardened.
pub(super) struct Expected {
    pub(super) always: Vec<Expectation>,
    pub(super) of_profile: [Vec<Expectation>; 2],
}

/// What expectations are about.
pub(super) struct Subject<'a> {
    pub(super) world: &'a World,
    pub(super) workload: &'a [UserGroup],
    pub(super) faults: &'a [FaultTemplate],
    pub(super) settlement: Option<&'a SettlementTemplate>,
    pub(super) has_evidence_attacks: bool,
}

pub(super) fn validate(cx: &Context<'_>, key: &At<ExpectFile>, subject: &Subject<'_>) -> Checked<Expected> {
    let Subject {
        world,
        workload,
        faults,
        settlement,
        has_evidence_attacks,
    } = *subject;
    let file = &key.value;
    let requests_max = workload.iter().map(|group| group.requests_max).sum();
    let models_asked_for: BTreeSet<String> = workload.iter().map(|group| group.model.clone()).collect();
    let scope = Scope {
        tee: world.attestation.tee,
        workers: &world.workers,
        models_asked_for: &models_asked_for,
        a_proxy_restarts: faults.iter().any(|fault| restarts_a_proxy(fault, world)),
        on_chain: settlement.is_some(),
        trust_is_withdrawn: faults.iter().any(withdraws_trust),
        has_key_manager: world.key_manager.is_some(),
        a_key_is_revoked: faults
            .iter()
            .any(|fault| matches!(fault.action, ActionTemplate::RevokeKey { .. })),
    };
    let mut expectations = properties(cx, &file.properties, &scope, &[])?;
    expectations.extend(requests(cx, &file.requests, requests_max)?);
    if let Some(At { value: latency, .. }) = file.latency.given() {
        for (metric, list) in [
            (LatencyMetric::TimeToFirstToken, &latency.time_to_first_token),
            (LatencyMetric::InterToken, &latency.inter_token),
            (LatencyMetric::EndToEnd, &latency.end_to_end),
            (LatencyMetric::EndToEndFromIntended, &latency.end_to_end_from_intended),
        ] {
            for At {
                value: LatencyBound { percentile_bp, max_ns },
                ..
            } in cx.list_if_given(list)?
            {
                expectations.push(Expectation::Latency {
                    metric,
                    percentile_bp,
                    max_ns,
                });
            }
        }
    }
    for At { value: done, position } in file.operations.given().map_or(&[][..], |list| &list.value) {
        if settlement.is_none() {
            let what = "an operation of a contract";
            return cx.fail(*position, Problem::NeedsChain { what });
        }
        let OperationName(op) = cx.read_required(&done.operation, "operation", *position)?;
        let at_least = cx.required(&done.at_least, "at_least", *position)?;
        let Count(at_least) = cx.positive(at_least, "the number of operations")?;
        expectations.push(Expectation::Operations { op, at_least });
    }
    expectations.extend(stops(cx, &file.stops, world)?);
    for contract in file.frozen.given().map_or(&[][..], |list| &list.value) {
        if settlement.is_none() {
            let what = "a contract that freezes";
            return cx.fail(contract.position, Problem::NeedsChain { what });
        }
        let contract = super::settlement::contract(cx, world, contract)?;
        expectations.push(Expectation::Frozen { contract });
    }
    let mut of_profile = [Vec::new(), Vec::new()];
    for (key, expected) in [&file.reference, &file.hardened].into_iter().zip(&mut of_profile) {
        if let Some(At { value, position }) = key.given() {
            // Profiles differ in contracts, in what evidence is bound to and judged by, and in key managers.
            if settlement.is_none() && !scope.tee.has_machines() && !scope.has_key_manager {
                let what = "an expectation of one profile, where no node has real evidence,";
                return cx.fail(*position, Problem::NeedsChain { what });
            }
            *expected = profile(cx, value, &scope, &expectations, subject, requests_max)?;
        }
    }
    let askers = world
        .key_manager
        .iter()
        .any(|key_manager| !key_manager.askers.is_empty());
    let on_chain = settlement.is_some_and(|settlement| !settlement.attacks.is_empty());
    attacks(cx, key, has_evidence_attacks || on_chain || askers)?;
    if expectations.is_empty() && of_profile.iter().any(Vec::is_empty) {
        return cx.fail(key.position, Problem::NothingExpected);
    }
    Ok(Expected {
        always: expectations,
        of_profile,
    })
}

/// Bounds on how requests end.
fn requests(cx: &Context<'_>, key: &Key<RequestsFile>, requests_max: u64) -> Checked<Vec<Expectation>> {
    let Some(At { value: file, .. }) = key.given() else {
        return Ok(Vec::new());
    };
    let mut expectations = Vec::new();
    for (outcome, key) in [
        (RequestOutcome::Succeeded, &file.succeeded),
        (RequestOutcome::Failed, &file.failed),
        (RequestOutcome::Cancelled, &file.cancelled),
        (RequestOutcome::Lost, &file.lost),
    ] {
        let Some(text) = key.given() else { continue };
        let RequestBound(bound) = cx.read(text)?;
        if let CountBound::AtLeast(count) | CountBound::Exactly(count) = bound
            && count > requests_max
        {
            let problem = Problem::BoundOutOfReach {
                bound: count,
                most: requests_max,
            };
            return cx.fail(text.position, problem);
        }
        expectations.push(Expectation::Requests { outcome, bound });
    }
    Ok(expectations)
}

/// Built-in properties by name, none of them twice.
fn properties(
    cx: &Context<'_>,
    list: &List<Name>,
    scope: &Scope<'_>,
    before: &[Expectation],
) -> Checked<Vec<Expectation>> {
    let mut expectations: Vec<Expectation> = Vec::new();
    for At {
        value: Name(name),
        position,
    } in cx.list(list)?
    {
        let known = names();
        if !known.contains(&name.as_str()) {
            return cx.fail(position, Problem::UnknownProperty { name, known });
        }
        if let Some(why) = never_applies(&name, scope) {
            return cx.fail(position, Problem::NothingToCheck { name, why });
        }
        let expectation = Expectation::Property { name: name.clone() };
        if expectations.contains(&expectation) || before.contains(&expectation) {
            return cx.fail(position, Problem::DuplicateName { name });
        }
        expectations.push(expectation);
    }
    Ok(expectations)
}

fn stops(cx: &Context<'_>, list: &List<Name>, world: &World) -> Checked<Vec<Expectation>> {
    let entries = list.given().map_or(&[][..], |list| &list.value);
    entries
        .iter()
        .map(|entry| {
            let node = world.places.node(cx, entry)?;
            Ok(Expectation::Stops { node })
        })
        .collect()
}

/// What is expected of one profile, beside what is expected of both.
fn profile(
    cx: &Context<'_>,
    file: &ProfileExpectFile,
    scope: &Scope<'_>,
    always: &[Expectation],
    subject: &Subject<'_>,
    requests_max: u64,
) -> Checked<Vec<Expectation>> {
    let mut expected = properties(cx, &file.properties, scope, always)?;
    let held = always.iter().chain(&expected).cloned().collect::<Vec<_>>();
    // A property cannot be expected to hold and not to hold.
    for expectation in properties(cx, &file.violated, scope, &held)? {
        if let Expectation::Property { name } = expectation {
            expected.push(Expectation::Violated { name });
        }
    }
    if let Some(Choice(bound)) = cx.optional(&file.attacks)? {
        expected.push(Expectation::Attack {
            works: bound == AttackBound::Seen,
        });
    }
    expected.extend(requests(cx, &file.requests, requests_max)?);
    expected.extend(stops(cx, &file.stops, subject.world)?);
    Ok(expected)
}

/// Both profiles say what becomes of attacks, if there are any, and neither does if there are none.
fn attacks(cx: &Context<'_>, key: &At<ExpectFile>, has_attacks: bool) -> Checked<()> {
    for profile in [&key.value.reference, &key.value.hardened] {
        let bound = profile.given().and_then(|profile| profile.value.attacks.given());
        match (has_attacks, bound) {
            (true, None) => {
                let why = "the scenario has attacks, and does not say for both profiles what becomes of them";
                return cx.fail(
                    profile.given().map_or(key.position, |at| at.position),
                    Problem::Attacks { why },
                );
            }
            (false, Some(bound)) => {
                let why = "the scenario has no attacks";
                return cx.fail(bound.position, Problem::Attacks { why });
            }
            _ => {}
        }
    }
    Ok(())
}

fn withdraws_trust(fault: &FaultTemplate) -> bool {
    matches!(
        fault.action,
        ActionTemplate::RevokePlatform { .. }
            | ActionTemplate::RevokeAuthority { .. }
            | ActionTemplate::TcbRecovery
            | ActionTemplate::RemoveImage { .. }
            | ActionTemplate::RemoveModel { .. }
    )
}

fn restarts_a_proxy(fault: &FaultTemplate, world: &World) -> bool {
    match &fault.action {
        ActionTemplate::Kill {
            node,
            restart_after: Some(_),
            ..
        }
        | ActionTemplate::PowerLoss {
            node,
            restart_after: Some(_),
            ..
        }
        | ActionTemplate::OldDisk { node, .. }
        | ActionTemplate::KillAt { node, .. } => world.proxies.iter().any(|proxy| proxy.node.name == *node),
        _ => false,
    }
}

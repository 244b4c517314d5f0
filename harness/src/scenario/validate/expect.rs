//! Expectations.

use std::collections::BTreeSet;

use chrysalis_world::plan::{CountBound, Expectation, LatencyMetric, RequestOutcome};
use chrysalis_world::properties::{Scope, never_applies};

use super::context::Context;
use super::world::World;
use crate::scenario::file::ExpectFile;
use crate::scenario::load::Checked;
use crate::scenario::located::At;
use crate::scenario::model::{ActionTemplate, FaultTemplate, UserGroup};
use crate::scenario::problem::Problem;
use crate::scenario::properties::names;
use crate::scenario::scalar::{LatencyBound, Name, RequestBound};

pub(super) fn validate(
    cx: &Context<'_>,
    key: &At<ExpectFile>,
    world: &World,
    workload: &[UserGroup],
    faults: &[FaultTemplate],
) -> Checked<Vec<Expectation>> {
    let file = &key.value;
    let requests_max = workload.iter().map(|group| group.requests_max).sum();
    let models_asked_for: BTreeSet<String> = workload.iter().map(|group| group.model.clone()).collect();
    let scope = Scope {
        tee: world.attestation.tee,
        workers: &world.workers,
        models_asked_for: &models_asked_for,
        a_proxy_restarts: faults.iter().any(|fault| restarts_a_proxy(fault, world)),
    };
    let mut expectations: Vec<Expectation> = Vec::new();
    for At {
        value: Name(name),
        position,
    } in cx.list(&file.properties)?
    {
        let known = names();
        if !known.contains(&name.as_str()) {
            return cx.fail(position, Problem::UnknownProperty { name, known });
        }
        if let Some(why) = never_applies(&name, &scope) {
            return cx.fail(position, Problem::NothingToCheck { name, why });
        }
        let expectation = Expectation::Property { name: name.clone() };
        if expectations.contains(&expectation) {
            return cx.fail(position, Problem::DuplicateName { name });
        }
        expectations.push(expectation);
    }
    if let Some(At { value: requests, .. }) = file.requests.given() {
        for (outcome, key) in [
            (RequestOutcome::Succeeded, &requests.succeeded),
            (RequestOutcome::Failed, &requests.failed),
            (RequestOutcome::Cancelled, &requests.cancelled),
            (RequestOutcome::Lost, &requests.lost),
        ] {
            let Some(text) = key.given() else { continue };
            let RequestBound(bound) = cx.read(text)?;
            if let CountBound::AtLeast(count) | CountBound::Exactly(count) = bound
                && count > requests_max
            {
                return cx.fail(
                    text.position,
                    Problem::BoundOutOfReach {
                        bound: count,
                        most: requests_max,
                    },
                );
            }
            expectations.push(Expectation::Requests { outcome, bound });
        }
    }
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
    if expectations.is_empty() {
        return cx.fail(key.position, Problem::NothingExpected);
    }
    Ok(expectations)
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
        } => world.proxies.iter().any(|proxy| proxy.node.name == *node),
        _ => false,
    }
}

//! Expectations.

use chrysalis_world::plan::{CountBound, Expectation, LatencyMetric, RequestOutcome};

use super::context::Context;
use crate::scenario::file::ExpectFile;
use crate::scenario::load::Checked;
use crate::scenario::located::At;
use crate::scenario::problem::Problem;
use crate::scenario::properties::names;
use crate::scenario::scalar::{LatencyBound, Name, RequestBound};

pub(super) fn validate(cx: &Context<'_>, key: &At<ExpectFile>, requests_max: u64) -> Checked<Vec<Expectation>> {
    let file = &key.value;
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

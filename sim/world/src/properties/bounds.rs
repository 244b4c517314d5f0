//! Bounds on counts and percentiles.

use super::{Assertion, Class, Verdict};
use crate::{
    plan::{CountBound, LatencyMetric, RequestOutcome},
    users::RequestRecord,
};

fn verdict(held: bool) -> Verdict {
    if held { Verdict::Held } else { Verdict::Violated }
}

pub(super) fn request_bound(outcome: RequestOutcome, bound: CountBound, requests: &[RequestRecord]) -> Assertion {
    let found = requests.iter().filter(|record| record.outcome == outcome).count() as u64;
    let all = requests.len() as u64;
    // Shares are compared as products: no rounding decides.
    let (held, words) = match bound {
        CountBound::AtLeast(least) => (found >= least, format!("at least {least}")),
        CountBound::AtMost(most) => (found <= most, format!("at most {most}")),
        CountBound::Exactly(exact) => (found == exact, format!("exactly {exact}")),
        CountBound::ShareAtLeastBp(bp) => (
            u128::from(found) * 10_000 >= u128::from(bp) * u128::from(all),
            format!("at least {}", percent(bp)),
        ),
        CountBound::ShareAtMostBp(bp) => (
            u128::from(found) * 10_000 <= u128::from(bp) * u128::from(all),
            format!("at most {}", percent(bp)),
        ),
    };
    let name = match outcome {
        RequestOutcome::Succeeded => "succeeded",
        RequestOutcome::Failed => "failed",
        RequestOutcome::Cancelled => "cancelled",
        RequestOutcome::Lost => "lost",
    };
    Assertion {
        name: format!("requests {name}: {words}"),
        class: Class::Slo,
        verdict: verdict(held),
        detail: format!("{found} of {all}"),
        at_ns: None,
    }
}

/// Milliseconds with as many decimals as there are.
fn span(ns: u64) -> String {
    let (ms, rest) = (ns / 1_000_000, ns % 1_000_000);
    if rest == 0 {
        format!("{ms} ms")
    } else {
        format!("{ms}.{} ms", format!("{rest:06}").trim_end_matches('0'))
    }
}

fn percent(bp: u32) -> String {
    format!("{}.{:02} %", bp / 100, bp % 100)
}

pub(super) fn latency_bound(
    metric: LatencyMetric,
    percentile_bp: u32,
    max_ns: u64,
    requests: &[RequestRecord],
) -> Assertion {
    let mut samples = latency_samples(metric, requests);
    samples.sort_unstable();
    let (metric_name, short) = match metric {
        LatencyMetric::TimeToFirstToken => ("time to first token", "ttft"),
        LatencyMetric::InterToken => ("time between tokens", "itl"),
        LatencyMetric::EndToEnd => ("end to end", "e2e"),
        LatencyMetric::EndToEndFromIntended => ("end to end from intended send", "e2e from intended send"),
    };
    let name = format!("{short} p{} at most {}", percentile_bp / 100, span(max_ns));
    // A percentile beyond what the samples can show is marked, not claimed: then the largest sample stands for it.
    let rank = (samples.len() as u128 * u128::from(percentile_bp))
        .div_ceil(10_000)
        .max(1);
    let index = usize::try_from(rank - 1)
        .unwrap_or(usize::MAX)
        .min(samples.len().saturating_sub(1));
    let Some(value) = samples.get(index).copied() else {
        return Assertion {
            name,
            class: Class::Slo,
            verdict: Verdict::Violated,
            detail: "no samples".into(),
            at_ns: None,
        };
    };
    let resolved = (samples.len() as u128) * (10_000 - u128::from(percentile_bp)) >= 10_000;
    let remark = if resolved {
        ""
    } else {
        " (too few samples for this percentile: the largest stands for it)"
    };
    let value = if resolved {
        value
    } else {
        samples.last().copied().unwrap_or(value)
    };
    let detail = format!("{metric_name} {} over {} samples{remark}", span(value), samples.len());
    Assertion {
        name,
        class: Class::Slo,
        verdict: verdict(value <= max_ns),
        detail,
        at_ns: None,
    }
}

/// Samples of a latency over complete answers.
pub fn latency_samples(metric: LatencyMetric, requests: &[RequestRecord]) -> Vec<u64> {
    let complete = requests
        .iter()
        .filter(|record| record.outcome == RequestOutcome::Succeeded);
    match metric {
        LatencyMetric::TimeToFirstToken => complete
            .filter_map(|record| Some(record.first_text_ns?.saturating_sub(record.sent_ns)))
            .collect(),
        LatencyMetric::EndToEnd => complete
            .filter_map(|record| Some(record.end_ns?.saturating_sub(record.sent_ns)))
            .collect(),
        LatencyMetric::EndToEndFromIntended => complete
            .filter_map(|record| Some(record.end_ns?.saturating_sub(record.intended_ns)))
            .collect(),
        LatencyMetric::InterToken => complete
            .flat_map(|record| record.parts.windows(2).map(|pair| pair[1].0.saturating_sub(pair[0].0)))
            .collect(),
    }
}

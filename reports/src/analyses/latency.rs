//! Latencies, each under the definition that it is named by; tools differ, so the definition is part of the result.

use std::collections::{BTreeMap, BTreeSet};

use crate::schema::{Observer, RequestRow, RequestStatus, Tables};
use crate::stats::{Confidence, Estimate, Proportion, Quantile, Sample};
use crate::store::RunStore;

/// A latency and its definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LatencyMetric {
    /// Time to first token, from the moment of sending.
    TimeToFirstToken,
    /// Inter-token latency: (E2E − TTFT) ÷ (completion tokens − 1), one value for each streamed request.
    InterToken,
    /// Inter-chunk latency: raw gaps between parts as the client saw them, one value for each gap.
    InterChunk,
    /// From sending to the end of the answer.
    EndToEnd,
    /// From the intended moment of sending to the end of the answer: includes waiting for earlier requests.
    EndToEndFromIntended,
}

impl LatencyMetric {
    /// Every metric, in the order of a report.
    pub const ALL: [Self; 5] = [
        Self::TimeToFirstToken,
        Self::InterToken,
        Self::InterChunk,
        Self::EndToEnd,
        Self::EndToEndFromIntended,
    ];

    /// Short name, as the field uses it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TimeToFirstToken => "TTFT",
            Self::InterToken => "ITL",
            Self::InterChunk => "ICL",
            Self::EndToEnd => "E2E",
            Self::EndToEndFromIntended => "E2E from intended send",
        }
    }

    /// Definition in one line.
    pub const fn definition(self) -> &'static str {
        match self {
            Self::TimeToFirstToken => "time to first token: from sending to the first part with text",
            Self::InterToken => "inter-token latency: (E2E − TTFT) ÷ (completion tokens − 1), one value per request",
            Self::InterChunk => "inter-chunk latency: gaps between parts as the client saw them",
            Self::EndToEnd => "end-to-end latency: from sending to the end of the answer",
            Self::EndToEndFromIntended => "from the intended moment of sending, so waiting for earlier requests counts",
        }
    }
}

/// One latency over all requests that were answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricSummary {
    /// Which one.
    pub metric: LatencyMetric,
    /// Values in nanoseconds.
    pub sample_ns: Sample,
    /// p50, p90 and p99 in nanoseconds.
    pub estimates: [Estimate; 3],
}

/// Latencies and outcomes of all requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latency {
    /// Confidence of every interval.
    pub confidence: Confidence,
    /// Number of requests by outcome; every outcome is present.
    pub outcomes: BTreeMap<RequestStatus, u64>,
    /// Requests answered completely, among all.
    pub answered: Proportion,
    /// One summary for each of [`LatencyMetric::ALL`]. Requests that were not answered have no latency and are not in
    /// it, so read it together with `answered`.
    pub metrics: Vec<MetricSummary>,
}

impl Latency {
    /// The summary of one metric.
    pub fn metric(&self, metric: LatencyMetric) -> Option<&MetricSummary> {
        self.metrics.iter().find(|summary| summary.metric == metric)
    }
}

/// Latencies of all requests of these runs.
pub fn latency(runs: &[RunStore]) -> Latency {
    let confidence = Confidence::Percent95;
    let mut outcomes: BTreeMap<RequestStatus, u64> = RequestStatus::ALL.iter().map(|status| (*status, 0)).collect();
    for request in runs.iter().flat_map(|run| &run.tables().requests) {
        *outcomes.entry(request.status).or_default() += 1;
    }
    let answered = outcomes.get(&RequestStatus::Ok).copied().unwrap_or(0);
    let metrics = LatencyMetric::ALL
        .into_iter()
        .map(|metric| {
            let sample_ns: Sample = runs.iter().flat_map(|run| values_ns(metric, run.tables())).collect();
            let estimates = [Quantile::P50, Quantile::P90, Quantile::P99].map(|q| sample_ns.estimate(q, confidence));
            MetricSummary {
                metric,
                sample_ns,
                estimates,
            }
        })
        .collect();
    Latency {
        confidence,
        answered: Proportion::new(answered, outcomes.values().sum()),
        outcomes,
        metrics,
    }
}

/// The values of one metric in one run, in nanoseconds.
pub(crate) fn values_ns(metric: LatencyMetric, tables: &Tables) -> Vec<u64> {
    let answered = tables
        .requests
        .iter()
        .filter(|request| request.status == RequestStatus::Ok);
    match metric {
        LatencyMetric::TimeToFirstToken => answered.filter_map(|request| request.ttft_ns).collect(),
        LatencyMetric::InterToken => answered.filter_map(inter_token_ns).collect(),
        LatencyMetric::InterChunk => inter_chunk_ns(tables),
        LatencyMetric::EndToEnd => answered.filter_map(|request| request.e2e_ns).collect(),
        LatencyMetric::EndToEndFromIntended => answered
            .filter_map(|request| request.last_byte_ns?.checked_sub(request.intended_send_ns))
            .collect(),
    }
}

fn inter_token_ns(request: &RequestRow) -> Option<u64> {
    if !request.streaming {
        return None;
    }
    let gaps = request.completion_tokens.checked_sub(1)?;
    request.e2e_ns?.checked_sub(request.ttft_ns?)?.checked_div(gaps)
}

fn inter_chunk_ns(tables: &Tables) -> Vec<u64> {
    let answered: BTreeSet<&str> = tables
        .requests
        .iter()
        .filter(|request| request.status == RequestStatus::Ok)
        .map(|request| request.request_id.as_str())
        .collect();
    let mut parts: Vec<(&str, u64, u64)> = tables
        .parts
        .iter()
        .filter(|part| part.observer == Observer::Client && answered.contains(part.request_id.as_str()))
        .map(|part| (part.request_id.as_str(), part.part_index, part.at_ns))
        .collect();
    parts.sort_unstable();
    parts
        .windows(2)
        .filter_map(|pair| match pair {
            [(request, _, at_ns), (same, _, next_ns)] if request == same => next_ns.checked_sub(*at_ns),
            _ => None,
        })
        .collect()
}

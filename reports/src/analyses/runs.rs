//! Runs one by one: what differs from seed to seed.

use super::latency::{LatencyMetric, values_ns};
use crate::schema::{AssertionVerdict, RequestStatus};
use crate::stats::{Proportion, Quantile, Sample};
use crate::store::{RunStore, RunVerdict};

/// Key figures of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSummary {
    /// Name of the scenario.
    pub scenario: String,
    /// Seed.
    pub seed: u64,
    /// Profile.
    pub profile: String,
    /// Engine.
    pub engine: String,
    /// Outcome according to the manifest.
    pub verdict: RunVerdict,
    /// Properties that were violated, in the order of the table.
    pub failed: Vec<String>,
    /// Requests answered completely, among all.
    pub answered: Proportion,
    /// Median time to first token.
    pub ttft_p50_ns: Option<u64>,
    /// Median end-to-end latency.
    pub e2e_p50_ns: Option<u64>,
    /// 99th percentile of the end-to-end latency, whether or not there are enough samples to claim it.
    pub e2e_p99_ns: Option<u64>,
    /// What clients pay.
    pub client_pays_nanoton: u128,
    /// Length of the run in virtual time.
    pub virtual_ns: u64,
    /// Number of faults.
    pub faults: u64,
    /// Digest of the world.
    pub world_digest: String,
}

/// Key figures of each run, in the order given.
pub fn runs(runs: &[RunStore]) -> Vec<RunSummary> {
    runs.iter().map(summary).collect()
}

fn summary(run: &RunStore) -> RunSummary {
    let tables = run.tables();
    let ttft = Sample::new(values_ns(LatencyMetric::TimeToFirstToken, tables));
    let e2e = Sample::new(values_ns(LatencyMetric::EndToEnd, tables));
    let answered = tables
        .requests
        .iter()
        .filter(|request| request.status == RequestStatus::Ok)
        .count();
    RunSummary {
        scenario: run.run().scenario.clone(),
        seed: run.run().seed,
        profile: run.run().profile.clone(),
        engine: run.run().engine.clone(),
        verdict: run.run().verdict,
        failed: tables
            .assertions
            .iter()
            .filter(|row| row.verdict == AssertionVerdict::Fail)
            .map(|row| row.name.clone())
            .collect(),
        answered: Proportion::new(answered as u64, tables.requests.len() as u64),
        ttft_p50_ns: ttft.quantile(Quantile::P50),
        e2e_p50_ns: e2e.quantile(Quantile::P50),
        e2e_p99_ns: e2e.quantile(Quantile::P99),
        client_pays_nanoton: tables
            .requests
            .iter()
            .map(|request| u128::from(request.cost_nanoton))
            .sum(),
        virtual_ns: run.run().virtual_ns,
        faults: tables.faults.len() as u64,
        world_digest: run.run().world_digest.clone(),
    }
}

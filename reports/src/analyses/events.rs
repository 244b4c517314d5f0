//! Attestation decisions and faults, counted.

use std::collections::BTreeMap;

use crate::schema::AttestationVerdict;
use crate::store::RunStore;

/// Decisions about one kind of evidence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttestationSummary {
    /// Number of acceptances.
    pub accepted: u64,
    /// Number of rejections.
    pub rejected: u64,
    /// Decisions that reused an earlier appraisal.
    pub cached: u64,
    /// Rejections by reason.
    pub rejections: BTreeMap<String, Rejection>,
}

/// Rejections for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// How many.
    pub count: u64,
    /// Verifier and peer of the first one.
    pub first: (String, String),
}

/// Attestation decisions of these runs, by kind of evidence.
pub fn attestations(runs: &[RunStore]) -> BTreeMap<String, AttestationSummary> {
    let mut kinds: BTreeMap<String, AttestationSummary> = BTreeMap::new();
    for row in runs.iter().flat_map(|run| &run.tables().attestations) {
        let summary = kinds.entry(row.kind.clone()).or_default();
        summary.cached += u64::from(row.cached);
        match row.verdict {
            AttestationVerdict::Accepted => summary.accepted += 1,
            AttestationVerdict::Rejected => {
                summary.rejected += 1;
                summary
                    .rejections
                    .entry(row.reason.clone())
                    .or_insert_with(|| Rejection {
                        count: 0,
                        first: (row.verifier.clone(), row.peer.clone()),
                    })
                    .count += 1;
            }
        }
    }
    kinds
}

/// Faults of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FaultSummary {
    /// How many.
    pub count: u64,
    /// Targets that were hit, with the number of times.
    pub targets: BTreeMap<String, u64>,
    /// When the first one hit, nanoseconds of its run.
    pub first_ns: u64,
    /// When the last one hit, nanoseconds of its run.
    pub last_ns: u64,
}

/// Faults of these runs, by kind.
pub fn faults(runs: &[RunStore]) -> BTreeMap<String, FaultSummary> {
    let mut kinds: BTreeMap<String, FaultSummary> = BTreeMap::new();
    for row in runs.iter().flat_map(|run| &run.tables().faults) {
        let summary = kinds.entry(row.kind.clone()).or_insert_with(|| FaultSummary {
            first_ns: row.at_ns,
            ..FaultSummary::default()
        });
        summary.count += 1;
        summary.first_ns = summary.first_ns.min(row.at_ns);
        summary.last_ns = summary.last_ns.max(row.at_ns);
        *summary.targets.entry(row.target.clone()).or_default() += 1;
    }
    kinds
}

//! What a run was: requests, rows, verdicts, digests.

use crate::{
    deployment::{Account, Facts, Party},
    plan::{Plan, RequestOutcome},
    properties::{self, Assertion, ExpectedAnswers, Verdict},
    recorder::Rows,
    users::RequestRecord,
};
use chrysalis_sim::EventLog;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Numbers of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunStats {
    /// Virtual time at the end.
    pub virtual_ns: u64,
    /// Task polls.
    pub polls: u64,
    /// Events in the log.
    pub events: u64,
    /// Digest of every event: equal for equal seeds on one engine. Zero on real sockets.
    pub world_digest: [u8; 32],
}

/// See the module.
#[derive(Debug)]
pub struct Outcome {
    /// Numbers.
    pub stats: RunStats,
    /// Every request of the plan, also those that were never answered.
    pub requests: Vec<RequestRecord>,
    /// What nodes and network reported.
    pub rows: Rows,
    /// Verdicts, in the order of the plan's expectations, safety before liveness.
    pub assertions: Vec<Assertion>,
    /// Whose each contract is, by address.
    pub accounts: BTreeMap<String, Account>,
    /// Who is behind each address of the chain that was known beforehand, by raw address.
    pub parties: BTreeMap<String, Party>,
    /// What users got, without times: equal on every engine where the plan has no race.
    pub application_digest: [u8; 32],
    /// The event log, if it was recorded.
    pub log: Option<EventLog>,
}

impl Outcome {
    pub(crate) fn new(
        plan: &Plan,
        facts: Facts,
        requests: Vec<RequestRecord>,
        rows: Rows,
        stats: RunStats,
        expected: &ExpectedAnswers,
        log: Option<EventLog>,
    ) -> Self {
        let assertions = properties::check(plan, &facts, &requests, &rows, expected);
        let application_digest = application_digest(&requests);
        Self {
            stats,
            requests,
            rows,
            assertions,
            accounts: facts.accounts,
            parties: facts.parties,
            application_digest,
            log,
        }
    }

    /// Whether nothing was violated.
    pub fn passed(&self) -> bool {
        self.assertions
            .iter()
            .all(|assertion| assertion.verdict != Verdict::Violated)
    }
}

/// Outcome, status and answer text of every request, by user and index. Identifiers and times are left out: they come
/// from the schedule.
fn application_digest(requests: &[RequestRecord]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for request in requests {
        digest.update(request.user.as_bytes());
        digest.update([0]);
        digest.update((request.index as u64).to_le_bytes());
        digest.update([match request.outcome {
            RequestOutcome::Succeeded => 0,
            RequestOutcome::Failed => 1,
            RequestOutcome::Cancelled => 2,
            RequestOutcome::Lost => 3,
        }]);
        // What a user got before hanging up, the head of the answer included, is a matter of time.
        let status = request
            .http_status
            .filter(|_| request.outcome != RequestOutcome::Cancelled);
        digest.update(status.unwrap_or(0).to_le_bytes());
        if request.outcome == RequestOutcome::Succeeded {
            let text = crate::users::answer_text(&request.body).unwrap_or_default();
            digest.update((text.len() as u64).to_le_bytes());
            digest.update(text.as_bytes());
        }
    }
    digest.finalize().into()
}

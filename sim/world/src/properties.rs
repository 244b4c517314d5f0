//! What must hold, by name, and how it is judged from what a run left.

use crate::{
    deployment::Workshop,
    plan::{
        BackendPlan, CountBound, Expectation, LatencyMetric, Plan, RequestOutcome, RequestPlan, TeeKind, WorkerPlan,
    },
    recorder::Rows,
    users::{self, RequestRecord},
};
use chrysalis_env::Env;
use chrysalis_inference::{
    Backend, BackendRequest,
    tiny::{TinyBackend, TinyOptions},
};
use chrysalis_settlement::base_name;
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::PoisonError,
};

/// Every built-in property: name, class, meaning.
pub const PROPERTIES: [(&str, Class, &str); 7] = [
    (
        "conservation-of-coins",
        Class::Always,
        "each proxy's bookings add up: what clients are charged for a request is what its worker is credited",
    ),
    (
        "honest-party-never-loses",
        Class::Always,
        "no worker is credited fewer tokens than it reported for an answer that its client received whole",
    ),
    (
        "monotonic-tokens",
        Class::Always,
        "the tokens that signatures cover never shrink, per contract",
    ),
    (
        "ledger-keeps-signed-units",
        Class::Always,
        "a proxy that restarts finds at least as many tokens on its disk as it ever signed for",
    ),
    (
        "only-attested-peers-see-prompts",
        Class::Always,
        "every proxy and worker that was accepted showed evidence of an allowed image",
    ),
    (
        "answers-are-exact",
        Class::Always,
        "a complete answer of an embedded model is the text that the model gives",
    ),
    (
        "every-request-ends",
        Class::Eventually,
        "no user is left without an answer or an error",
    ),
];

/// What kind of claim an assertion is (design §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Holds at every moment.
    Always,
    /// Holds in the end.
    Eventually,
    /// A bound on rates or percentiles.
    Slo,
}

impl Class {
    /// Lower-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Eventually => "eventually",
            Self::Slo => "slo",
        }
    }
}

/// A judged expectation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// Name of the property, or the bound in words.
    pub name: String,
    /// Kind of claim.
    pub class: Class,
    /// Whether it held.
    pub held: bool,
    /// What was found.
    pub detail: String,
    /// When it first did not hold, if that has a time.
    pub at_ns: Option<u64>,
}

/// What the models give for the plan's requests, by model and request.
pub(crate) type ExpectedAnswers = BTreeMap<[u8; 32], String>;

/// Requests that the diary lacks have no end: they are lost.
pub(crate) fn with_lost(plan: &Plan, found: Vec<RequestRecord>) -> Vec<RequestRecord> {
    let mut found: BTreeMap<(String, usize), RequestRecord> = found
        .into_iter()
        .map(|record| ((record.user.clone(), record.index), record))
        .collect();
    let mut all = Vec::new();
    for user in &plan.users {
        for (index, request) in user.requests.iter().enumerate() {
            let record = found
                .remove(&(user.name.clone(), index))
                .unwrap_or_else(|| RequestRecord {
                    user: user.name.clone(),
                    index,
                    request_id: None,
                    intended_ns: request.at_ns,
                    sent_ns: request.at_ns,
                    first_byte_ns: None,
                    end_ns: None,
                    http_status: None,
                    error_code: 0,
                    parts: Vec::new(),
                    body: Vec::new(),
                    request_bytes: 0,
                    outcome: RequestOutcome::Lost,
                });
            all.push(record);
        }
    }
    all
}

fn answer_key(worker: &WorkerPlan, request: &RequestPlan) -> Option<[u8; 32]> {
    let BackendPlan::Tiny { size, .. } = worker.backend else {
        return None;
    };
    let (path, body) = users::http_request(&RequestPlan {
        timeout_ns: 0,
        stream: false,
        ..request.clone()
    });
    let mut digest = Sha256::new();
    digest.update([size as u8, 0]);
    digest.update(path);
    digest.update([0]);
    digest.update(body);
    Some(digest.finalize().into())
}

/// The worker whose model a request asks for, if all workers of that name have the same one.
fn worker_of<'a>(plan: &'a Plan, request: &RequestPlan) -> Option<&'a WorkerPlan> {
    let mut workers = plan
        .workers
        .iter()
        .filter(|worker| base_name(&worker.model) == request.model);
    let first = workers.next()?;
    let size = |worker: &WorkerPlan| match worker.backend {
        BackendPlan::Tiny { size, .. } => Some(size),
        BackendPlan::ServiceTime { .. } => None,
    };
    workers.all(|worker| size(worker) == size(first)).then_some(first)
}

/// Asks the embedded models themselves, outside of the network. Answers are kept in the workshop: they depend on the
/// request only.
pub(crate) async fn expected_answers(plan: &Plan, env: &Env, workshop: &Workshop) -> ExpectedAnswers {
    let mut expected = ExpectedAnswers::new();
    let wanted = plan
        .expectations
        .iter()
        .any(|expectation| matches!(expectation, Expectation::Property { name } if name == "answers-are-exact"));
    if !wanted {
        return expected;
    }
    for request in plan.users.iter().flat_map(|user| &user.requests) {
        let Some(worker) = worker_of(plan, request) else {
            continue;
        };
        let Some(key) = answer_key(worker, request) else {
            continue;
        };
        let BackendPlan::Tiny { size, .. } = worker.backend else {
            continue;
        };
        let known = workshop
            .answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .cloned();
        let text = match known {
            Some(text) => text,
            None => {
                let model = workshop.model(size);
                let backend = TinyBackend::new(env.clone(), request.model.as_str(), model, TinyOptions::default());
                let (path, body) = users::http_request(&RequestPlan {
                    timeout_ns: 0,
                    stream: false,
                    ..request.clone()
                });
                let Ok(response) = backend.call(BackendRequest::json(path, body)).await else {
                    continue;
                };
                let Ok(body) = response.body.collect(1 << 20).await else {
                    continue;
                };
                let Some(text) = users::answer_text(&body) else {
                    continue;
                };
                workshop
                    .answers
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(key, text.clone());
                text
            }
        };
        expected.insert(key, text);
    }
    expected
}

/// Judges every expectation of a plan.
pub(crate) fn check(
    plan: &Plan,
    requests: &[RequestRecord],
    rows: &Rows,
    expected: &ExpectedAnswers,
) -> Vec<Assertion> {
    let mut assertions: Vec<Assertion> = plan
        .expectations
        .iter()
        .map(|expectation| match expectation {
            Expectation::Property { name } => property(name, plan, requests, rows, expected),
            Expectation::Requests { outcome, bound } => request_bound(*outcome, *bound, requests),
            Expectation::Latency {
                metric,
                percentile_bp,
                max_ns,
            } => latency_bound(*metric, *percentile_bp, *max_ns, requests),
        })
        .collect();
    assertions.push(nodes_ran(rows));
    assertions.sort_by_key(|assertion| assertion.class);
    assertions
}

/// What is wrong, and when it was first seen.
type Violation = (Option<u64>, String);

fn judged(name: &str, class: Class, checked: usize, violation: Option<Violation>) -> Assertion {
    match violation {
        None => Assertion {
            name: name.into(),
            class,
            held: true,
            detail: format!("{checked} checked"),
            at_ns: None,
        },
        Some((at_ns, detail)) => Assertion {
            name: name.into(),
            class,
            held: false,
            detail,
            at_ns,
        },
    }
}

fn property(name: &str, plan: &Plan, requests: &[RequestRecord], rows: &Rows, expected: &ExpectedAnswers) -> Assertion {
    let class = PROPERTIES
        .iter()
        .find(|(known, ..)| *known == name)
        .map_or(Class::Always, |(_, class, _)| *class);
    let (checked, violation) = match name {
        "conservation-of-coins" => conservation(rows),
        "honest-party-never-loses" => honest_party(rows),
        "monotonic-tokens" => monotonic(rows),
        "ledger-keeps-signed-units" => ledger_keeps(rows),
        "only-attested-peers-see-prompts" => attested(plan, rows),
        "answers-are-exact" => exact(plan, requests, expected),
        "every-request-ends" => ends(requests),
        _ => (0, Some((None, "there is no property of this name".to_owned()))),
    };
    judged(name, class, checked, violation)
}

/// Tokens of the last signature a contract's holder took cannot exceed what the proxy booked for it.
fn conservation(rows: &Rows) -> (usize, Option<Violation>) {
    let mut booked: BTreeMap<&str, u64> = BTreeMap::new();
    let mut charged: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for end in rows.ends.iter().filter(|end| end.role == "proxy") {
        *booked.entry(&end.node).or_default() += end.adjusted_tokens;
    }
    for payment in rows.payments.iter().filter(|payment| payment.role == "proxy") {
        let most = charged.entry((&payment.node, &payment.contract)).or_default();
        *most = (*most).max(payment.tokens);
    }
    let mut violation = None;
    for (proxy, booked) in &booked {
        for kind in ["client_charge", "worker_payout"] {
            let contracts: BTreeSet<&str> = rows
                .payments
                .iter()
                .filter(|payment| payment.node == *proxy && payment.kind == kind)
                .map(|payment| payment.contract.as_str())
                .collect();
            let signed: u64 = contracts
                .iter()
                .filter_map(|contract| charged.get(&(*proxy, *contract)))
                .sum();
            if signed > *booked && violation.is_none() {
                violation = Some((
                    None,
                    format!("{proxy} signed {kind} for {signed} tokens and booked {booked}"),
                ));
            }
        }
    }
    (booked.len(), violation)
}

fn honest_party(rows: &Rows) -> (usize, Option<Violation>) {
    let of = |role: &str| -> BTreeMap<&str, &crate::recorder::End> {
        rows.ends
            .iter()
            .filter(|end| end.role == role)
            .map(|end| (end.request_id.as_str(), end))
            .collect()
    };
    let (workers, clients) = (of("worker"), of("client"));
    let mut checked = 0;
    let mut violation = None;
    for (id, proxy) in of("proxy") {
        let (Some(worker), Some(client)) = (workers.get(id), clients.get(id)) else {
            continue;
        };
        if worker.code != 0 || client.code != 0 {
            continue;
        }
        checked += 1;
        if proxy.adjusted_tokens != worker.adjusted_tokens && violation.is_none() {
            let text = format!(
                "request {id}: {} tokens used, {} booked by {}",
                worker.adjusted_tokens, proxy.adjusted_tokens, proxy.node
            );
            violation = Some((Some(proxy.at_ns), text));
        }
    }
    (checked, violation)
}

fn monotonic(rows: &Rows) -> (usize, Option<Violation>) {
    let mut largest: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
    for payment in &rows.payments {
        let key = (payment.node.as_str(), payment.kind.as_str(), payment.contract.as_str());
        let known = largest.entry(key).or_default();
        if payment.tokens < *known {
            let text = format!(
                "{} {} for {} tokens after {} ({})",
                payment.node, payment.kind, payment.tokens, known, payment.contract
            );
            return (rows.payments.len(), Some((Some(payment.at_ns), text)));
        }
        *known = payment.tokens;
    }
    (rows.payments.len(), None)
}

fn ledger_keeps(rows: &Rows) -> (usize, Option<Violation>) {
    let mut checked = 0;
    // A proxy that starts writes down every account that it found; one that it did not find has zero tokens.
    let starts: BTreeSet<(u64, &str)> = rows
        .starts
        .iter()
        .map(|start| (start.at_ns, start.node.as_str()))
        .collect();
    for (at_ns, node) in starts {
        let found: BTreeMap<&str, i64> = rows
            .restored
            .iter()
            .filter(|restored| restored.node == node && restored.at_ns == at_ns)
            .map(|restored| (restored.contract.as_str(), restored.tokens))
            .collect();
        let signed = rows
            .payments
            .iter()
            .filter(|payment| payment.at_ns < at_ns && payment.node == node);
        let mut largest: BTreeMap<&str, u64> = BTreeMap::new();
        for payment in signed {
            let most = largest.entry(&payment.contract).or_default();
            *most = (*most).max(payment.tokens);
        }
        for (contract, signed) in largest {
            checked += 1;
            let kept = found.get(contract).copied().unwrap_or(0);
            if i128::from(kept) < i128::from(signed) {
                let text = format!("{node} signed for {signed} tokens of {contract} and found {kept} on its disk");
                return (checked, Some((Some(at_ns), text)));
            }
        }
    }
    (checked, None)
}

fn attested(plan: &Plan, rows: &Rows) -> (usize, Option<Violation>) {
    let mut checked = 0;
    for peer in rows.peers.iter().filter(|peer| peer.accepted && peer.kind != "client") {
        checked += 1;
        if plan.attestation.tee != TeeKind::None && peer.image_hash == [0; 32] {
            let text = format!("{} accepted a {} without evidence", peer.node, peer.kind);
            return (checked, Some((Some(peer.at_ns), text)));
        }
    }
    (checked, None)
}

fn exact(plan: &Plan, requests: &[RequestRecord], expected: &ExpectedAnswers) -> (usize, Option<Violation>) {
    let mut checked = 0;
    for record in requests
        .iter()
        .filter(|record| record.outcome == RequestOutcome::Succeeded)
    {
        let request = plan
            .users
            .iter()
            .find(|user| user.name == record.user)
            .and_then(|user| user.requests.get(record.index));
        let key = request.and_then(|request| answer_key(worker_of(plan, request)?, request));
        let Some(text) = key.and_then(|key| expected.get(&key)) else {
            continue;
        };
        checked += 1;
        let found = users::answer_text(&record.body);
        if found.as_ref() != Some(text) {
            let text = format!(
                "request {} of {}: {} bytes of text, the model gives {}",
                record.index,
                record.user,
                found.map_or(0, |found| found.len()),
                text.len()
            );
            return (checked, Some((record.end_ns, text)));
        }
    }
    (checked, None)
}

fn ends(requests: &[RequestRecord]) -> (usize, Option<Violation>) {
    let lost = requests.iter().find(|record| record.outcome == RequestOutcome::Lost);
    let violation = lost.map(|record| {
        let text = format!(
            "request {} of {} has neither answer nor error",
            record.index, record.user
        );
        (Some(record.intended_ns), text)
    });
    (requests.len(), violation)
}

/// A node that cannot start is no outcome of a scenario: something is wrong with the plan or with this program.
fn nodes_ran(rows: &Rows) -> Assertion {
    let violation = rows
        .stopped
        .first()
        .map(|stop| (Some(stop.at_ns), format!("{} stopped: {}", stop.node, stop.text)));
    judged("nodes-run", Class::Always, rows.stopped.len(), violation)
}

fn request_bound(outcome: RequestOutcome, bound: CountBound, requests: &[RequestRecord]) -> Assertion {
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
        held,
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

fn latency_bound(metric: LatencyMetric, percentile_bp: u32, max_ns: u64, requests: &[RequestRecord]) -> Assertion {
    let mut samples = latency_samples(metric, requests);
    samples.sort_unstable();
    let (metric_name, short) = match metric {
        LatencyMetric::TimeToFirstToken => ("time to first token", "ttft"),
        LatencyMetric::InterToken => ("time between tokens", "itl"),
        LatencyMetric::EndToEnd => ("end to end", "e2e"),
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
            held: false,
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
        held: value <= max_ns,
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
            .filter_map(|record| Some(record.first_byte_ns?.saturating_sub(record.intended_ns)))
            .collect(),
        LatencyMetric::EndToEnd => complete
            .filter_map(|record| Some(record.end_ns?.saturating_sub(record.intended_ns)))
            .collect(),
        LatencyMetric::InterToken => complete
            .flat_map(|record| record.parts.windows(2).map(|pair| pair[1].0.saturating_sub(pair[0].0)))
            .collect(),
    }
}

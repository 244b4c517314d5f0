//! What must hold, by name, and how it is judged from what a run left.

mod answers;
mod bounds;
mod coins;
mod keys;
mod losses;
mod seen;
mod settlement;
mod trust;

pub use bounds::latency_samples;

use crate::{
    deployment::Facts,
    plan::{Expectation, Plan, RequestOutcome, TeeKind, WorkerPlan},
    recorder::Rows,
    users::RequestRecord,
};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) use answers::{ExpectedAnswers, expected_answers};

/// Every built-in property: name, class, meaning.
pub const PROPERTIES: [(&str, Class, &str); 14] = [
    (
        "conservation-of-coins",
        Class::Always,
        "clients are told what proxies book; signatures to clients and workers cover their bookings, never more, and soon all; on a chain, balances, fees and coins on the way are what it began with, to the nano, after every block",
    ),
    (
        "honest-party-never-loses",
        Class::Always,
        "no worker is credited fewer tokens than it reported for an answer that its client received whole; on a chain, whoever keeps to the rules has less only by charges for its requests, fees and what it gave away, and pools can pay what they owe to it",
    ),
    (
        "monotonic-tokens",
        Class::Always,
        "the tokens that signatures cover and that contracts count never shrink, and no contract opens again; hardened contracts take back exactly what was refused",
    ),
    (
        "pool-covers-clients",
        Class::Always,
        "after every block, each proxy contract holds what its clients have in it, what was charged and not paid out, and its owner's share and stake",
    ),
    (
        "unlock-rules",
        Class::Always,
        "proxies and accounts close only when asked and when their delay is over, and the time is set once",
    ),
    (
        "every-bounce-accounted",
        Class::Always,
        "whatever a proxy contract refused and sent back is in the account that claimed it again",
    ),
    (
        "ledger-keeps-signed-units",
        Class::Always,
        "a proxy that restarts finds at least as many tokens on its disk as it ever signed for",
    ),
    (
        "only-attested-peers-see-prompts",
        Class::Always,
        "every proxy and worker that was accepted showed evidence of an image that the root contract allows",
    ),
    (
        "withdrawn-trust-ends-service",
        Class::Always,
        "a node whose machine was revoked or is out of date, or whose image or model the root contract no longer names, serves no request after the bound of hardened nodes",
    ),
    (
        "keys-go-to-their-own-kind",
        Class::Always,
        "the key manager gives keys of proxies to proxies and keys of workers to workers, of images that the root contract allows, and to nobody else",
    ),
    (
        "key-epochs-advance",
        Class::Always,
        "whoever gets keys gets one of the running epoch, and no epoch comes again; every proxy and worker that asks has keys",
    ),
    (
        "revoked-keys-stay-revoked",
        Class::Always,
        "a key that was revoked is given to nobody any more",
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
    /// Must not be seen.
    Never,
    /// Must be seen: a weak point that shows.
    Sometimes,
}

impl Class {
    /// Lower-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Eventually => "eventually",
            Self::Slo => "slo",
            Self::Never => "never",
            Self::Sometimes => "sometimes",
        }
    }
}

/// What became of an expectation in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It was checked and held.
    Held,
    /// It did not hold.
    Violated,
    /// The run left nothing that it says anything about: no pass, and no failure either.
    NothingToCheck,
}

/// A judged expectation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// Name of the property, or the bound in words.
    pub name: String,
    /// Kind of claim.
    pub class: Class,
    /// What became of it.
    pub verdict: Verdict,
    /// What was found.
    pub detail: String,
    /// When it first did not hold, if that has a time.
    pub at_ns: Option<u64>,
}

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
                    first_text_ns: None,
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

/// Judges every expectation of a plan, once, from what the run left.
pub(crate) fn check(
    plan: &Plan,
    facts: &Facts,
    requests: &[RequestRecord],
    rows: &Rows,
    expected: &ExpectedAnswers,
) -> Vec<Assertion> {
    let mut assertions: Vec<Assertion> = plan
        .expectations
        .iter()
        .flat_map(|expectation| match expectation {
            Expectation::Property { name } => vec![property(name, plan, facts, requests, rows, expected)],
            Expectation::Requests { outcome, bound } => vec![bounds::request_bound(*outcome, *bound, requests)],
            Expectation::Latency {
                metric,
                percentile_bp,
                max_ns,
            } => vec![bounds::latency_bound(*metric, *percentile_bp, *max_ns, requests)],
            Expectation::Violated { name } => {
                vec![seen::violated(property(name, plan, facts, requests, rows, expected))]
            }
            Expectation::Attack { works } => seen::attacks(plan, rows, *works),
            Expectation::Stops { node } => vec![seen::stops(node, rows)],
            Expectation::Frozen { contract } => vec![seen::frozen(contract, facts, rows)],
            Expectation::Operations { op, at_least } => vec![seen::operations(*op, *at_least, rows)],
        })
        .collect();
    assertions.push(judged("nodes-run", Class::Always, nodes_ran(plan, rows)));
    assertions.extend(seen::owners(plan, rows));
    assertions.sort_by_key(|assertion| assertion.class);
    assertions
}

/// What is wrong, and when it was first seen.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Violation {
    at_ns: Option<u64>,
    detail: String,
}

impl Violation {
    fn at(at_ns: impl Into<Option<u64>>, detail: String) -> Self {
        Self {
            at_ns: at_ns.into(),
            detail,
        }
    }
}

/// How many things were looked at, and the first of them that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Checked {
    count: usize,
    violation: Option<Violation>,
}

impl Checked {
    fn held(count: usize) -> Self {
        Self { count, violation: None }
    }

    fn violated(count: usize, violation: Violation) -> Self {
        Self {
            count,
            violation: Some(violation),
        }
    }

    /// Both: of two violations the earlier one.
    fn and(self, other: Self) -> Self {
        let at_ns = |checked: &Self| checked.violation.as_ref().and_then(|violation| violation.at_ns);
        let count = self.count + other.count;
        let violation = match (&self.violation, &other.violation) {
            (Some(_), Some(_)) if at_ns(&other) < at_ns(&self) => other.violation,
            (None, _) => other.violation,
            _ => self.violation,
        };
        Self { count, violation }
    }
}

#[cfg(test)]
impl Checked {
    fn is_held_by(&self, count: usize) -> bool {
        *self == Self::held(count)
    }

    fn violation(&self) -> Option<&str> {
        self.violation.as_ref().map(|violation| violation.detail.as_str())
    }
}

fn judged(name: &str, class: Class, checked: Checked) -> Assertion {
    let (verdict, detail, at_ns) = match checked {
        Checked {
            violation: Some(Violation { at_ns, detail }),
            ..
        } => (Verdict::Violated, detail, at_ns),
        Checked { count: 0, .. } => (Verdict::NothingToCheck, "nothing to check".to_owned(), None),
        Checked { count, .. } => (Verdict::Held, format!("{count} checked"), None),
    };
    Assertion {
        name: name.into(),
        class,
        verdict,
        detail,
        at_ns,
    }
}

fn property(
    name: &str,
    plan: &Plan,
    facts: &Facts,
    requests: &[RequestRecord],
    rows: &Rows,
    expected: &ExpectedAnswers,
) -> Assertion {
    let class = PROPERTIES
        .iter()
        .find(|(known, ..)| *known == name)
        .map_or(Class::Always, |(_, class, _)| *class);
    let checked = match name {
        // Where proxies go over to other contracts, a signature says nothing about those before it.
        "conservation-of-coins" if settlement::changes_prices(plan) => settlement::conservation(rows),
        "conservation-of-coins" => coins::conservation(plan, facts, requests, rows).and(settlement::conservation(rows)),
        "honest-party-never-loses" => honest_party(rows)
            .and(settlement::honest_claims(plan, facts, rows))
            .and(settlement::pool_covers_honest(plan, facts, requests, rows))
            .and(losses::charges(plan, facts, requests, rows))
            .and(losses::losses(facts, rows)),
        "monotonic-tokens" => monotonic(rows).and(settlement::monotonic(plan, rows)),
        "pool-covers-clients" => settlement::pool_covers(plan, facts, requests, rows),
        "unlock-rules" => settlement::unlock_rules(rows),
        "every-bounce-accounted" => settlement::bounces(plan, rows),
        "ledger-keeps-signed-units" => ledger_keeps(rows),
        "only-attested-peers-see-prompts" => attested(plan, facts, rows),
        "keys-go-to-their-own-kind" => keys::own_kind(facts, rows),
        "key-epochs-advance" => keys::advance(plan, rows),
        "revoked-keys-stay-revoked" => keys::revoked(rows),
        "withdrawn-trust-ends-service" => trust::withdrawn(plan, rows),
        "answers-are-exact" => answers::exact(plan, requests, expected),
        "every-request-ends" => ends(requests),
        _ => Checked::violated(0, Violation::at(None, "there is no property of this name".to_owned())),
    };
    judged(name, class, checked)
}

/// What decides whether a property can ever have something to check in a scenario.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// Kind of evidence.
    pub tee: TeeKind,
    /// All workers.
    pub workers: &'a [WorkerPlan],
    /// Names of models that users ask for.
    pub models_asked_for: &'a BTreeSet<String>,
    /// Whether a fault ever starts a proxy again.
    pub a_proxy_restarts: bool,
    /// Whether accounts are on a chain.
    pub on_chain: bool,
    /// Whether a fault ever withdraws the trust in a node.
    pub trust_is_withdrawn: bool,
    /// Whether there is a key manager.
    pub has_key_manager: bool,
    /// Whether a fault ever revokes a key.
    pub a_key_is_revoked: bool,
}

/// Why a property has nothing to check in any run, whatever the seed; `None` if it may have.
#[must_use]
pub fn never_applies(name: &str, scope: &Scope<'_>) -> Option<&'static str> {
    let knows = |model: &String| answers::known_model(scope.workers, model).is_some();
    match name {
        "answers-are-exact" if !scope.models_asked_for.iter().any(knows) => {
            Some("no user asks for a model whose answers are known: an embedded one, of one size on all its workers")
        }
        "pool-covers-clients" | "unlock-rules" | "every-bounce-accounted" if !scope.on_chain => {
            Some("accounts are on no chain: add `settlement`")
        }
        "withdrawn-trust-ends-service" if !scope.tee.has_machines() => {
            Some("only evidence of `tee: simulated_tdx` and `simulated_snp` can be withdrawn")
        }
        "withdrawn-trust-ends-service" if !scope.trust_is_withdrawn => {
            Some("no fault revokes a machine or removes a reference value")
        }
        "keys-go-to-their-own-kind" | "key-epochs-advance" if !scope.has_key_manager => {
            Some("there is no key manager: add `world.key_manager`")
        }
        "revoked-keys-stay-revoked" if !scope.a_key_is_revoked => Some("no fault revokes a key"),
        "ledger-keeps-signed-units" if !scope.a_proxy_restarts => Some("no fault stops a proxy and starts it again"),
        "only-attested-peers-see-prompts" if scope.tee == TeeKind::None => {
            Some("with `tee: none`, nodes carry no evidence and nobody asks for any")
        }
        _ => None,
    }
}

fn honest_party(rows: &Rows) -> Checked {
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
            violation = Some(Violation::at(proxy.at_ns, text));
        }
    }
    Checked {
        count: checked,
        violation,
    }
}

fn monotonic(rows: &Rows) -> Checked {
    let mut largest: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
    for payment in &rows.payments {
        let key = (payment.node.as_str(), payment.kind.as_str(), payment.contract.as_str());
        let known = largest.entry(key).or_default();
        if payment.tokens < *known {
            let text = format!(
                "{} {} for {} tokens after {} ({})",
                payment.node, payment.kind, payment.tokens, known, payment.contract
            );
            return Checked::violated(rows.payments.len(), Violation::at(payment.at_ns, text));
        }
        *known = payment.tokens;
    }
    Checked::held(rows.payments.len())
}

fn ledger_keeps(rows: &Rows) -> Checked {
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
                return Checked::violated(checked, Violation::at(at_ns, text));
            }
        }
    }
    Checked::held(checked)
}

fn attested(plan: &Plan, facts: &Facts, rows: &Rows) -> Checked {
    let mut checked = 0;
    // A key manager sees no prompts: see `keys-go-to-their-own-kind`.
    let key_manager = plan.key_manager.as_ref().map(|key_manager| &key_manager.node.name);
    let judged = rows.peers.iter().filter(|peer| Some(&peer.node) != key_manager);
    for peer in judged.filter(|peer| peer.accepted && peer.kind != "client") {
        let Some(allowed) = facts.allowed_image(&peer.kind) else {
            continue;
        };
        checked += 1;
        if peer.image_hash != allowed {
            let what = if peer.image_hash == [0; 32] {
                "without evidence"
            } else {
                "of an image that is not allowed"
            };
            let text = format!("{} accepted a {} {what}", peer.node, peer.kind);
            return Checked::violated(checked, Violation::at(peer.at_ns, text));
        }
    }
    Checked::held(checked)
}

fn ends(requests: &[RequestRecord]) -> Checked {
    let lost = requests.iter().find(|record| record.outcome == RequestOutcome::Lost);
    let violation = lost.map(|record| {
        let text = format!(
            "request {} of {} has neither answer nor error",
            record.index, record.user
        );
        Violation::at(record.intended_ns, text)
    });
    Checked {
        count: requests.len(),
        violation,
    }
}

/// A node that cannot start is no outcome of a scenario: something is wrong with the plan or with this program.
fn nodes_ran(plan: &Plan, rows: &Rows) -> Checked {
    let may_stop = |name: &str| {
        plan.expectations
            .iter()
            .any(|expectation| matches!(expectation, Expectation::Stops { node } if node == name))
    };
    let violation = rows
        .stopped
        .iter()
        .find(|stop| !may_stop(&stop.node))
        .map(|stop| Violation::at(stop.at_ns, format!("{} stopped: {}", stop.node, stop.text)));
    Checked {
        count: plan.proxies.len() + plan.workers.len() + plan.clients.len() + usize::from(plan.key_manager.is_some()),
        violation,
    }
}

#[cfg(test)]
mod seen_tests;
#[cfg(test)]
mod tests;

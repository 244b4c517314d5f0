//! Counters of one node, made of what its role reports ([`crate::telemetry`]).
//!
//! Labels are names from this program and numbers of the protocol, never text of a peer or a user: the number of time
//! series is bounded whatever happens on the network.

use crate::telemetry::Role;
use chrysalis_env::{Observation, Value};
use chrysalis_wire::error_code::ErrorCode;
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use serde_json::{Map, json};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, PoisonError},
};

#[cfg(test)]
mod tests;

/// Media type of [`Metrics::to_text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Bounds of the histograms of durations, from a local model's answer to the longest request (spec §1.5).
const SECONDS: [f64; 14] = [
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
];
/// Requests whose start is remembered; beyond, the oldest is not timed.
const MAX_TIMED_REQUESTS: usize = 65_536;
/// For what has no name of its own.
const OTHER: &str = "other";

const ROLES: [&str; 3] = ["client", "proxy", "worker"];
const PAYMENTS: [&str; 3] = ["taken", "client_charge", "worker_payout"];
/// Field of `request.end`, and the class that it counts.
const TOKEN_CLASSES: [(&str, &str); 4] = [
    ("prompt_tokens", "prompt"),
    ("cached_tokens", "cached"),
    ("completion_tokens", "completion"),
    ("reasoning_tokens", "reasoning"),
];
/// Error codes of the protocol (spec §1.6) as labels.
const CODES: [(ErrorCode, &str); 8] = [
    (ErrorCode::Plain, "0"),
    (ErrorCode::Failure, "601"),
    (ErrorCode::Error, "602"),
    (ErrorCode::Warning, "603"),
    (ErrorCode::ProtocolViolation, "621"),
    (ErrorCode::NotReady, "651"),
    (ErrorCode::TimeOut, "652"),
    (ErrorCode::Cancelled, "653"),
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRole {
    role: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfCode {
    role: &'static str,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfClass {
    role: &'static str,
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPeer {
    role: &'static str,
    peer_kind: &'static str,
    verdict: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPayment {
    role: &'static str,
    payment: &'static str,
}

type Durations = Family<OfRole, Histogram, fn() -> Histogram>;

fn durations() -> Durations {
    Family::new_with_constructor(|| Histogram::new(SECONDS))
}

/// Starts of requests that run.
#[derive(Debug, Default)]
struct Running {
    /// Role and request, so that one process may hold several nodes.
    starts: BTreeMap<(&'static str, [u8; 32]), Start>,
    by_age: BTreeMap<u64, (&'static str, [u8; 32])>,
    next_age: u64,
}

#[derive(Debug, Clone, Copy)]
struct Start {
    at_ns: u64,
    age: u64,
}

impl Running {
    /// Remembers a start; how many requests of whose role that adds: none if it is known, and less the forgotten one.
    fn begin(&mut self, key: (&'static str, [u8; 32]), at_ns: u64) -> [(&'static str, i64); 2] {
        if self.starts.contains_key(&key) {
            return [(key.0, 0); 2];
        }
        let mut forgotten = (key.0, 0);
        if self.starts.len() >= MAX_TIMED_REQUESTS
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.starts.remove(&oldest);
            forgotten = (oldest.0, -1);
        }
        let age = self.next_age;
        self.next_age += 1;
        self.starts.insert(key, Start { at_ns, age });
        self.by_age.insert(age, key);
        [(key.0, 1), forgotten]
    }

    fn end(&mut self, key: &(&'static str, [u8; 32])) -> Option<u64> {
        let start = self.starts.remove(key)?;
        self.by_age.remove(&start.age);
        Some(start.at_ns)
    }
}

/// See the module.
pub struct Metrics {
    registry: Registry,
    requests: Family<OfCode, Counter>,
    tokens: Family<OfClass, Counter>,
    answer_parts: Family<OfRole, Counter>,
    answer_bytes: Family<OfRole, Counter>,
    tokens_adjusted: Family<OfRole, Counter>,
    peers: Family<OfPeer, Counter>,
    sessions_ready: Family<OfRole, Gauge>,
    ledger_writable: Gauge,
    connections_closed: Family<OfRole, Counter>,
    payments: Family<OfPayment, Counter>,
    notes: Family<OfRole, Counter>,
    ledgers_opened: Counter,
    accounts_restored: Counter,
    log_lines_dropped: Counter,
    requests_running: Family<OfRole, Gauge>,
    request_duration: Durations,
    head_duration: Durations,
    running: Mutex<Running>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All zero.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("chrysalis"),
            requests: Family::default(),
            tokens: Family::default(),
            answer_parts: Family::default(),
            answer_bytes: Family::default(),
            tokens_adjusted: Family::default(),
            peers: Family::default(),
            sessions_ready: Family::default(),
            ledger_writable: Gauge::default(),
            connections_closed: Family::default(),
            payments: Family::default(),
            notes: Family::default(),
            ledgers_opened: Counter::default(),
            accounts_restored: Counter::default(),
            log_lines_dropped: Counter::default(),
            requests_running: Family::default(),
            request_duration: durations(),
            head_duration: durations(),
            running: Mutex::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "requests",
            "Requests that ended, by error code; 0 is success",
            self.requests.clone(),
        );
        registry.register(
            "tokens",
            "Adjusted tokens of requests that ended, by class",
            self.tokens.clone(),
        );
        registry.register(
            "adjusted_tokens",
            "What requests that ended cost, in priced tokens: the sum over the classes",
            self.tokens_adjusted.clone(),
        );
        registry.register(
            "sessions_ready",
            "Connections to proxies whose hand-shake is complete",
            self.sessions_ready.clone(),
        );
        registry.register(
            "ledger_writable",
            "1 while the proxy's ledger can be written",
            self.ledger_writable.clone(),
        );
        registry.register(
            "answer_parts",
            "Pieces of answers that passed",
            self.answer_parts.clone(),
        );
        registry.register_with_unit(
            "answer",
            "Bytes of answers that passed",
            Unit::Bytes,
            self.answer_bytes.clone(),
        );
        registry.register(
            "peers",
            "Verdicts on peers: at hand-shakes, and in live sessions at renewals and checks",
            self.peers.clone(),
        );
        registry.register(
            "connections_closed",
            "Connections of accepted peers that ended",
            self.connections_closed.clone(),
        );
        registry.register("payments", "Signed payments made or taken", self.payments.clone());
        registry.register("notes", "Messages to the operator in the log", self.notes.clone());
        registry.register("ledgers_opened", "Ledgers opened", self.ledgers_opened.clone());
        registry.register(
            "accounts_restored",
            "Accounts found in the ledger",
            self.accounts_restored.clone(),
        );
        registry.register(
            "log_lines_dropped",
            "Log lines nobody read in time",
            self.log_lines_dropped.clone(),
        );
        registry.register(
            "requests_running",
            "Requests that have not ended",
            self.requests_running.clone(),
        );
        let seconds = || Unit::Seconds;
        registry.register_with_unit(
            "request_duration",
            "From a request's start to its end",
            seconds(),
            self.request_duration.clone(),
        );
        registry.register_with_unit(
            "request_head_duration",
            "From a request's start to the head of its answer",
            seconds(),
            self.head_duration.clone(),
        );
    }

    /// Counts what happened at `now_ns` of a monotonic clock.
    pub fn record(&self, now_ns: u64, observation: &Observation<'_>) {
        let role = known(&ROLES, observation.text("role"));
        match observation.kind {
            "request.stage" => self.stage(now_ns, role, observation),
            "request.part" => {
                self.answer_parts.get_or_create(&OfRole { role }).inc();
                self.answer_bytes
                    .get_or_create(&OfRole { role })
                    .inc_by(observation.u64("bytes").unwrap_or(0));
            }
            "request.end" => self.end(now_ns, role, observation),
            "peer" => {
                let verdict = match observation.field("accepted") {
                    Some(Value::Bool(true)) => "accepted",
                    _ => "refused",
                };
                let peer_kind = known(&ROLES, observation.text("peer_kind"));
                self.peers
                    .get_or_create(&OfPeer {
                        role,
                        peer_kind,
                        verdict,
                    })
                    .inc();
            }
            "payment" => {
                let payment = known(&PAYMENTS, observation.text("payment"));
                self.payments.get_or_create(&OfPayment { role, payment }).inc();
            }
            "note" => {
                self.notes.get_or_create(&OfRole { role }).inc();
            }
            "connection.closed" => {
                self.connections_closed.get_or_create(&OfRole { role }).inc();
            }
            "ledger.opened" => {
                self.ledgers_opened.inc();
                self.ledger_writable.set(1);
            }
            "ledger.state" => {
                let is_writable = matches!(observation.field("writable"), Some(Value::Bool(true)));
                self.ledger_writable.set(is_writable.into());
            }
            "session" => {
                let is_ready = matches!(observation.field("ready"), Some(Value::Bool(true)));
                let change = if is_ready { 1 } else { -1 };
                self.sessions_ready.get_or_create(&OfRole { role }).inc_by(change);
            }
            "ledger.restored" => {
                self.accounts_restored.inc();
            }
            _ => {}
        }
    }

    fn stage(&self, now_ns: u64, role: &'static str, observation: &Observation<'_>) {
        let Some(key) = request_key(role, observation) else {
            return;
        };
        let mut running = self.running();
        if observation.text("stage") == Some("head") {
            if let Some(start) = running.starts.get(&key) {
                self.head_duration
                    .get_or_create(&OfRole { role })
                    .observe(seconds(now_ns.saturating_sub(start.at_ns)));
            }
        } else {
            // The first stage that a role reports is its start.
            for (role, change) in running.begin(key, now_ns) {
                self.requests_running.get_or_create(&OfRole { role }).inc_by(change);
            }
        }
    }

    fn end(&self, now_ns: u64, role: &'static str, observation: &Observation<'_>) {
        self.requests
            .get_or_create(&OfCode {
                role,
                code: code_label(observation.field("code")),
            })
            .inc();
        for (field, class) in TOKEN_CLASSES {
            self.tokens
                .get_or_create(&OfClass { role, class })
                .inc_by(observation.u64(field).unwrap_or(0));
        }
        self.tokens_adjusted
            .get_or_create(&OfRole { role })
            .inc_by(observation.u64("adjusted_tokens").unwrap_or(0));
        let Some(key) = request_key(role, observation) else {
            return;
        };
        let start_ns = self.running().end(&key);
        if let Some(start_ns) = start_ns {
            self.request_duration
                .get_or_create(&OfRole { role })
                .observe(seconds(now_ns.saturating_sub(start_ns)));
            self.requests_running.get_or_create(&OfRole { role }).dec();
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Running> {
        // Critical sections are map operations on owned values.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A log line was lost because nobody read the log fast enough.
    pub fn log_line_dropped(&self) {
        self.log_lines_dropped.inc();
    }

    /// Connections to proxies whose hand-shake is complete.
    pub fn sessions_ready(&self, role: Role) -> i64 {
        let role = role.name();
        self.sessions_ready.get(&OfRole { role }).map_or(0, |gauge| gauge.get())
    }

    /// Whether the proxy's ledger was opened and can be written.
    pub fn is_ledger_writable(&self) -> bool {
        self.ledger_writable.get() == 1
    }

    /// The OpenMetrics text exposition.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = text::encode(&mut text, &self.registry);
        text
    }

    /// The counters of one role as JSON; what never happened is left out.
    pub fn to_json(&self, role: &'static str) -> serde_json::Value {
        let of_role = OfRole { role };
        let of = |family: &Family<OfRole, Counter>| family.get(&of_role).map_or(0, |counter| counter.get());
        let mut requests = Map::new();
        for code in CODES.map(|(_, label)| label).into_iter().chain([OTHER]) {
            if let Some(counter) = self.requests.get(&OfCode { role, code }) {
                requests.insert(code.to_owned(), counter.get().into());
            }
        }
        let mut tokens = Map::new();
        for (_, class) in TOKEN_CLASSES {
            if let Some(counter) = self.tokens.get(&OfClass { role, class }) {
                tokens.insert(class.to_owned(), counter.get().into());
            }
        }
        let mut peers = Map::new();
        for peer_kind in ROLES.into_iter().chain([OTHER]) {
            for verdict in ["accepted", "refused"] {
                if let Some(counter) = self.peers.get(&OfPeer {
                    role,
                    peer_kind,
                    verdict,
                }) {
                    peers.insert(format!("{peer_kind}_{verdict}"), counter.get().into());
                }
            }
        }
        let mut payments = Map::new();
        for payment in PAYMENTS.into_iter().chain([OTHER]) {
            if let Some(counter) = self.payments.get(&OfPayment { role, payment }) {
                payments.insert(payment.to_owned(), counter.get().into());
            }
        }
        json!({
            "requests_by_code": requests,
            "requests_running": self.requests_running.get(&of_role).map_or(0, |gauge| gauge.get()),
            "tokens": tokens,
            "answer_parts": of(&self.answer_parts),
            "answer_bytes": of(&self.answer_bytes),
            "peers": peers,
            "connections_closed": of(&self.connections_closed),
            "payments": payments,
            "notes": of(&self.notes),
            "ledgers_opened": self.ledgers_opened.get(),
            "accounts_restored": self.accounts_restored.get(),
            "log_lines_dropped": self.log_lines_dropped.get(),
        })
    }
}

/// The entry that equals `text`, else [`OTHER`]: the bound on labels.
fn known(names: &'static [&'static str], text: Option<&str>) -> &'static str {
    names.iter().copied().find(|name| Some(*name) == text).unwrap_or(OTHER)
}

fn code_label(code: Option<Value<'_>>) -> &'static str {
    let number = match code {
        Some(Value::I64(number)) => i32::try_from(number).ok(),
        Some(Value::U64(number)) => i32::try_from(number).ok(),
        _ => None,
    };
    CODES
        .into_iter()
        .find(|(code, _)| Some(code.number()) == number)
        .map_or(OTHER, |(_, label)| label)
}

fn request_key(role: &'static str, observation: &Observation<'_>) -> Option<(&'static str, [u8; 32])> {
    Some((role, observation.bytes("request")?.try_into().ok()?))
}

fn seconds(span_ns: u64) -> f64 {
    std::time::Duration::from_nanos(span_ns).as_secs_f64()
}

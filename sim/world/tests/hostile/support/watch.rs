//! What nodes observed, kept in order.

use chrysalis_env::{Observation, Value};
use chrysalis_sim::{NodeId, Tap};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// A peer that a node accepted or refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) node: String,
    /// What the peer said to be: `client`, `proxy`, `worker`.
    pub(crate) kind: String,
    pub(crate) accepted: bool,
    pub(crate) reason: String,
}

/// How a request ended at a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) at_ns: u64,
    pub(crate) node: String,
    pub(crate) request: Vec<u8>,
    pub(crate) code: i64,
    /// Booked (proxy), or heard of (client, worker).
    pub(crate) tokens: u64,
}

/// A signature that was made or taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paid {
    pub(crate) node: String,
    /// `client_charge`, `worker_payout`, or `taken`.
    pub(crate) kind: String,
    pub(crate) tokens: u64,
}

#[derive(Default)]
struct Seen {
    judged: Vec<Judged>,
    ended: Vec<Ended>,
    paid: Vec<Paid>,
    /// Node and reason of each connection that a proxy served and that ended.
    closed: Vec<(String, String)>,
    /// Node and text.
    notes: Vec<(String, String)>,
}

/// Keeps observations of all nodes.
#[derive(Default)]
pub(crate) struct Watch {
    seen: Mutex<Seen>,
    changed: Notify,
}

impl Watch {
    pub(crate) fn observe(&self, node: &str, at_ns: u64, observation: &Observation<'_>) {
        let text = |name: &str| observation.text(name).unwrap_or_default().to_owned();
        let node = node.to_owned();
        let mut seen = self.seen.lock().unwrap();
        match observation.kind {
            "peer" => seen.judged.push(Judged {
                node,
                kind: text("peer_kind"),
                accepted: observation.field("accepted") == Some(Value::Bool(true)),
                reason: text("reason"),
            }),
            "request.end" => {
                let code = match observation.field("code") {
                    Some(Value::I64(code)) => code,
                    _ => 0,
                };
                let request = observation.bytes("request").unwrap_or_default().to_vec();
                let tokens = observation.u64("adjusted_tokens").unwrap_or(0);
                seen.ended.push(Ended {
                    at_ns,
                    node,
                    request,
                    code,
                    tokens,
                });
            }
            "payment" => {
                let tokens = observation.u64("tokens").unwrap_or(0);
                seen.paid.push(Paid {
                    node,
                    kind: text("payment"),
                    tokens,
                });
            }
            "connection.closed" => seen.closed.push((node, text("reason"))),
            "note" => seen.notes.push((node, text("text"))),
            _ => {}
        }
        drop(seen);
        self.changed.notify_waiters();
    }

    /// Waits until `condition` holds.
    pub(crate) async fn until(&self, condition: impl Fn(&Self) -> bool) {
        loop {
            let changed = self.changed.notified();
            if condition(self) {
                return;
            }
            changed.await;
        }
    }

    /// Verdicts of `node` on peers of a kind.
    pub(crate) fn judged(&self, node: &str, kind: &str) -> Vec<Judged> {
        let seen = self.seen.lock().unwrap();
        seen.judged
            .iter()
            .filter(|judged| judged.node == node && judged.kind == kind)
            .cloned()
            .collect()
    }

    /// Reasons for which `node` refused peers of a kind.
    pub(crate) fn refusals(&self, node: &str, kind: &str) -> Vec<String> {
        self.judged(node, kind)
            .into_iter()
            .filter(|judged| !judged.accepted)
            .map(|judged| judged.reason)
            .collect()
    }

    /// How often `node` accepted a peer of a kind.
    pub(crate) fn accepted(&self, node: &str, kind: &str) -> usize {
        self.judged(node, kind).iter().filter(|judged| judged.accepted).count()
    }

    /// How requests ended at `node`.
    pub(crate) fn ended(&self, node: &str) -> Vec<Ended> {
        self.seen
            .lock()
            .unwrap()
            .ended
            .iter()
            .filter(|ended| ended.node == node)
            .cloned()
            .collect()
    }

    /// Tokens that `node` booked altogether.
    pub(crate) fn booked(&self, node: &str) -> u64 {
        self.ended(node).iter().map(|ended| ended.tokens).sum()
    }

    /// Payments of a kind that `node` made or took.
    pub(crate) fn paid(&self, node: &str, kind: &str) -> Vec<u64> {
        let seen = self.seen.lock().unwrap();
        let paid = seen.paid.iter().filter(|paid| paid.node == node && paid.kind == kind);
        paid.map(|paid| paid.tokens).collect()
    }

    /// Why connections that `node` served ended.
    pub(crate) fn closed(&self, node: &str) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.closed
            .iter()
            .filter(|(name, _)| name == node)
            .map(|(_, reason)| reason.clone())
            .collect()
    }

    /// Remarks of `node`.
    pub(crate) fn notes(&self, node: &str) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.notes
            .iter()
            .filter(|(name, _)| name == node)
            .map(|(_, text)| text.clone())
            .collect()
    }
}

/// The same watch in a simulated world.
pub(crate) struct WatchTap(pub(crate) Arc<Watch>);

impl Tap for WatchTap {
    fn on_observation(&self, _node: NodeId, name: &str, at_ns: u64, observation: &Observation<'_>) {
        self.0.observe(name, at_ns, observation);
    }
}

//! What happened in a run, as rows. Everything comes through two places: observations of nodes, and the network's tap.

mod chain;
mod keys;

pub use chain::{Attack, ChainTransaction, Claim, ClaimKind, Coins, ContractState, ContractView, OwnerOperation, Sent};
pub use keys::{KeyChanged, KeyReleased, KeysHeld};

use crate::moments::Moments;
use chrysalis_env::{Observation, Value};
use chrysalis_sim::{FaultEvent, NodeId, PacketEvent, Tap};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How much of a run is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// What verdicts need.
    Verdicts,
    /// Also parts, packets and every other row of a run store.
    Full,
}

/// A step in the life of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// True time since the start.
    pub at_ns: u64,
    /// Node.
    pub node: String,
    /// `client`, `proxy` or `worker`.
    pub role: String,
    /// Request identifier, hexadecimal.
    pub request_id: String,
    /// `received`, `assigned`, `start`, `head`, `end`, …
    pub stage: String,
}

/// A piece of an answer that passed a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// True time since the start.
    pub at_ns: u64,
    /// `client`, `proxy` or `worker`.
    pub role: String,
    /// Request identifier, hexadecimal.
    pub request_id: String,
    /// Size.
    pub bytes: u64,
}

/// How a request ended for a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// True time since the start.
    pub at_ns: u64,
    /// Node.
    pub node: String,
    /// `client`, `proxy` or `worker`.
    pub role: String,
    /// Request identifier, hexadecimal.
    pub request_id: String,
    /// 0, or a code of spec §1.6.
    pub code: i64,
    /// Adjusted tokens by class.
    pub prompt_tokens: u64,
    /// See `prompt_tokens`.
    pub cached_tokens: u64,
    /// See `prompt_tokens`.
    pub completion_tokens: u64,
    /// See `prompt_tokens`.
    pub reasoning_tokens: u64,
    /// What was booked (proxy) or claimed (worker).
    pub adjusted_tokens: u64,
}

/// A signature that was made or taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// True time since the start.
    pub at_ns: u64,
    /// Node.
    pub node: String,
    /// `client`, `proxy` or `worker`.
    pub role: String,
    /// `client_charge` or `worker_payout` where made, `taken` where taken.
    pub kind: String,
    /// Contract that it concerns.
    pub contract: String,
    /// Tokens that it covers.
    pub tokens: u64,
}

/// A peer that was accepted or refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// True time since the start.
    pub at_ns: u64,
    /// Node that judged.
    pub node: String,
    /// What the peer said to be.
    pub kind: String,
    /// The verdict.
    pub accepted: bool,
    /// Why not. May hold text of the peer's making.
    pub reason: String,
    /// Image hash of the evidence, zero without.
    pub image_hash: [u8; 32],
    /// What the peer was judged for: `certificate`, `session`, `renewal` or `recheck`.
    pub occasion: String,
    /// Whether an earlier verdict was used again.
    pub cached: bool,
    /// What its evidence says of the platform.
    pub platform: PlatformTrust,
}

/// What accepted evidence says of the platform behind a peer. Whether that platform was opened it does not say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlatformTrust {
    /// Kind of evidence: `tdx`, `snp`, `fake-tdx`; empty without.
    pub evidence: String,
    /// Whose root: `vendor` or `simulation`; empty if nobody vouches for it.
    pub anchor: String,
    /// The vendor's word for the state of its trusted computing base; empty where there is none.
    pub tcb_status: String,
    /// Pseudonym of the machine; empty if it is not named.
    pub pseudonym: Vec<u8>,
    /// GPUs that were shown and judged.
    pub gpus: u64,
    /// Last second for which the verdict holds; 0 without evidence.
    pub trusted_until_unix_s: u64,
}

/// A packet on the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// When it left.
    pub at_ns: u64,
    /// Sender.
    pub from_node: String,
    /// Receiver.
    pub to_node: String,
    /// Connection number.
    pub connection: u64,
    /// `syn`, `data`, `fin`, …
    pub kind: String,
    /// Payload size.
    pub bytes: u64,
}

/// A fault as it struck.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// True time since the start.
    pub at_ns: u64,
    /// What the plan calls it.
    pub kind: String,
    /// Node or places.
    pub target: String,
}

/// A free-text remark of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// True time since the start.
    pub at_ns: u64,
    /// Node.
    pub node: String,
    /// What it says.
    pub text: String,
}

/// A proxy opened its ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// True time since the start.
    pub at_ns: u64,
    /// Proxy.
    pub node: String,
}

/// Tokens of an account as a proxy found them on its disk when it started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// True time since the start.
    pub at_ns: u64,
    /// Proxy.
    pub node: String,
    /// Contract.
    pub contract: String,
    /// Tokens.
    pub tokens: i64,
}

/// Rows of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// See [`Stage`].
    pub stages: Vec<Stage>,
    /// See [`Part`].
    pub parts: Vec<Part>,
    /// See [`End`].
    pub ends: Vec<End>,
    /// See [`Payment`].
    pub payments: Vec<Payment>,
    /// See [`Peer`].
    pub peers: Vec<Peer>,
    /// See [`Packet`].
    pub packets: Vec<Packet>,
    /// See [`Fault`].
    pub faults: Vec<Fault>,
    /// See [`Note`].
    pub notes: Vec<Note>,
    /// See [`Restored`].
    pub restored: Vec<Restored>,
    /// See [`Start`].
    pub starts: Vec<Start>,
    /// See [`ChainTransaction`].
    pub transactions: Vec<ChainTransaction>,
    /// See [`ContractState`].
    pub contracts: Vec<ContractState>,
    /// Owners of contracts as their data tells, by address, both in raw form.
    pub owners: BTreeMap<String, String>,
    /// See [`Claim`].
    pub claims: Vec<Claim>,
    /// See [`Coins`].
    pub coins: Vec<Coins>,
    /// What the chain itself found wrong.
    pub chain_defects: Vec<Note>,
    /// See [`OwnerOperation`].
    pub operations: Vec<OwnerOperation>,
    /// See [`Attack`].
    pub attacks: Vec<Attack>,
    /// See [`KeyChanged`].
    pub keys_changed: Vec<KeyChanged>,
    /// See [`KeyReleased`].
    pub keys_released: Vec<KeyReleased>,
    /// See [`KeysHeld`].
    pub keys_held: Vec<KeysHeld>,
    /// Nodes whose role could not run.
    pub stopped: Vec<Note>,
}

/// Collects rows. One for a run; shared by the tap and the controller.
pub(crate) struct Recorder {
    detail: Detail,
    /// Names by node number; filled before nodes start.
    names: Mutex<BTreeMap<NodeId, String>>,
    rows: Mutex<Rows>,
    pub(crate) moments: Moments,
}

impl Recorder {
    pub(crate) fn new(detail: Detail) -> Self {
        Self {
            detail,
            names: Mutex::default(),
            rows: Mutex::default(),
            moments: Moments::default(),
        }
    }

    pub(crate) fn rows(&self) -> MutexGuard<'_, Rows> {
        // Rows are pushed whole.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn name(&self, id: NodeId, name: &str) {
        self.names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, name.to_owned());
    }

    pub(crate) fn fault(&self, at_ns: u64, kind: &str, target: String) {
        self.rows().faults.push(Fault {
            at_ns,
            kind: kind.to_owned(),
            target,
        });
    }

    /// A role ended although nobody asked it to.
    pub(crate) fn stopped(&self, at_ns: u64, node: &str, text: String) {
        self.rows().stopped.push(Note {
            at_ns,
            node: node.to_owned(),
            text,
        });
    }

    pub(crate) fn take(&self) -> Rows {
        std::mem::take(&mut *self.rows())
    }

    /// Sorts one observation into its table.
    pub(crate) fn observe(&self, node: &str, at_ns: u64, observation: &Observation<'_>) {
        let text = |name: &str| observation.text(name).unwrap_or_default().to_owned();
        let number = |name: &str| observation.u64(name).unwrap_or(0);
        let request = || hex(observation.bytes("request").unwrap_or_default());
        let node = node.to_owned();
        match observation.kind {
            "request.stage" if self.detail == Detail::Full => {
                let row = Stage {
                    at_ns,
                    node,
                    role: text("role"),
                    request_id: request(),
                    stage: text("stage"),
                };
                self.rows().stages.push(row);
            }
            "request.part" if self.detail == Detail::Full => {
                let row = Part {
                    at_ns,
                    role: text("role"),
                    request_id: request(),
                    bytes: number("bytes"),
                };
                self.rows().parts.push(row);
            }
            "request.end" => {
                let code = match observation.field("code") {
                    Some(Value::I64(code)) => code,
                    _ => 0,
                };
                let row = End {
                    at_ns,
                    node,
                    role: text("role"),
                    request_id: request(),
                    code,
                    prompt_tokens: number("prompt_tokens"),
                    cached_tokens: number("cached_tokens"),
                    completion_tokens: number("completion_tokens"),
                    reasoning_tokens: number("reasoning_tokens"),
                    adjusted_tokens: number("adjusted_tokens"),
                };
                self.rows().ends.push(row);
            }
            "payment" => {
                if text("role") == "proxy" {
                    self.moments.signed(&node, &text("owner"), number("tokens"), at_ns);
                }
                let row = Payment {
                    at_ns,
                    node,
                    role: text("role"),
                    kind: text("payment"),
                    contract: text("owner"),
                    tokens: number("tokens"),
                };
                self.rows().payments.push(row);
            }
            "peer" => {
                let accepted = matches!(observation.field("accepted"), Some(Value::Bool(true)));
                let row = Peer {
                    at_ns,
                    node,
                    kind: text("peer_kind"),
                    accepted,
                    reason: text("reason"),
                    image_hash: image_hash(observation),
                    occasion: text("occasion"),
                    cached: matches!(observation.field("cached"), Some(Value::Bool(true))),
                    platform: PlatformTrust {
                        evidence: text("evidence"),
                        anchor: text("anchor"),
                        tcb_status: text("tcb_status"),
                        pseudonym: observation.bytes("platform").unwrap_or_default().to_vec(),
                        gpus: number("gpus"),
                        trusted_until_unix_s: number("trusted_until_unix_s"),
                    },
                };
                self.rows().peers.push(row);
            }
            "ledger.restored" => {
                let tokens = match observation.field("tokens") {
                    Some(Value::I64(tokens)) => tokens,
                    _ => 0,
                };
                self.rows().restored.push(Restored {
                    at_ns,
                    node,
                    contract: text("owner"),
                    tokens,
                });
            }
            "keys.changed" => self
                .rows()
                .keys_changed
                .push(KeyChanged::read(node, at_ns, observation)),
            "keys.released" => self
                .rows()
                .keys_released
                .push(KeyReleased::read(node, at_ns, observation)),
            "keys.held" => self.rows().keys_held.push(KeysHeld::read(node, at_ns, observation)),
            "ledger.opened" => self.rows().starts.push(Start { at_ns, node }),
            "note" => self.rows().notes.push(Note {
                at_ns,
                node,
                text: text("text"),
            }),
            _ => {}
        }
    }
}

impl Tap for Recorder {
    fn on_packet(&self, packet: &PacketEvent) {
        if self.detail < Detail::Full {
            return;
        }
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let name = |id: Option<NodeId>| id.and_then(|id| names.get(&id)).cloned().unwrap_or_default();
        let row = Packet {
            at_ns: packet.at_ns,
            from_node: name(Some(packet.from_node)),
            to_node: name(packet.to_node),
            connection: packet.connection.0,
            kind: format!("{:?}", packet.kind).to_lowercase(),
            bytes: packet.length_bytes,
        };
        drop(names);
        self.rows().packets.push(row);
    }

    fn on_observation(&self, _node: NodeId, name: &str, at_ns: u64, observation: &Observation<'_>) {
        self.observe(name, at_ns, observation);
    }

    fn on_fault(&self, _fault: &FaultEvent) {
        // The controller notes faults by the names that the plan gives them.
    }
}

/// The field of this name; zero if it has none.
fn image_hash(observation: &Observation<'_>) -> [u8; 32] {
    let bytes = observation.bytes("image_hash").unwrap_or_default();
    bytes.try_into().unwrap_or([0; 32])
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

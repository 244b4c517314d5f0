//! Evidence of a run: what nodes show, what verifiers demand, what the vendor publishes, and who deceives them.

use super::{
    Profile,
    machine::{Flaw, GpusPlan},
};
use chrysalis_attest::{anchors::AnchorKind, gpu::GpuPolicy, policy::AppraisalRules, snp::SnpPolicy};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What evidence peers demand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttestationPlan {
    /// Kind of evidence that nodes carry.
    pub tee: TeeKind,
    /// Leading zero bits that an acceptor asks for before TLS (spec §3.2).
    pub proof_of_work_bits: u8,
    /// What evidence is bound to.
    #[serde(default, skip_serializing_if = "BindingPlan::is_default")]
    pub binding: BindingPlan,
    /// What verifiers accept.
    #[serde(default, skip_serializing_if = "PolicyPlan::is_default")]
    pub policy: PolicyPlan,
    /// What the vendor publishes, and when.
    #[serde(default, skip_serializing_if = "CollateralPlan::is_default")]
    pub collateral: CollateralPlan,
    /// What is wrong with machines of nodes, by name of the node; nothing with all others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub machines: BTreeMap<String, BTreeSet<Flaw>>,
    /// GPUs of workers, by name of the node; the machines of all others have none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub gpus: BTreeMap<String, GpusPlan>,
    /// Adversaries, ordered by time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attacks: Vec<EvidenceAttackPlan>,
}

impl AttestationPlan {
    /// Nodes with this kind of evidence, without anything that goes wrong.
    #[must_use]
    pub fn new(tee: TeeKind, proof_of_work_bits: u8) -> Self {
        Self {
            tee,
            proof_of_work_bits,
            binding: BindingPlan::default(),
            policy: PolicyPlan::default(),
            collateral: CollateralPlan::default(),
            machines: BTreeMap::new(),
            gpus: BTreeMap::new(),
            attacks: Vec::new(),
        }
    }

    /// The same nodes as the reference system would judge them: by certificates only, and by its own rules whatever
    /// the policy of hardened nodes is, because it has no other.
    #[must_use]
    pub fn of_profile(self, profile: Profile) -> Self {
        match profile {
            Profile::Hardened => self,
            Profile::Reference => Self {
                binding: BindingPlan::Certificate,
                policy: PolicyPlan::Reference,
                ..self
            },
        }
    }
}

/// What evidence of nodes is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BindingPlan {
    /// The key of the certificate, once: the reference system.
    Certificate,
    /// The key and the session, as long as that lives.
    Session {
        /// New evidence is asked for after this long.
        period_ns: u64,
        /// Changes of collateral and reference values reach a live session within this.
        recheck_ns: u64,
    },
}

impl Default for BindingPlan {
    fn default() -> Self {
        Self::session(None, None)
    }
}

impl BindingPlan {
    /// To the session, with the periods of daemons where none is given.
    pub fn session(period_ns: Option<u64>, recheck_ns: Option<u64>) -> Self {
        let timing = chrysalis_attest::session::SessionTiming::default();
        Self::Session {
            period_ns: period_ns.unwrap_or(timing.period_ns),
            recheck_ns: recheck_ns.unwrap_or(timing.recheck_ns),
        }
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Evidence of simulated nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TeeKind {
    /// TDX quotes in the real format under a simulation root.
    SimulatedTdx,
    /// Reports of SEV-SNP guests in the real format under simulation roots, with their certificates.
    SimulatedSnp,
    /// The reference system's 64-byte fake quote (spec §3.7).
    FakeTdx,
    /// No evidence, policy `any` everywhere.
    None,
}

impl TeeKind {
    /// Whether evidence comes of machines and is judged by rules.
    #[must_use]
    pub const fn has_machines(self) -> bool {
        matches!(self, Self::SimulatedTdx | Self::SimulatedSnp)
    }
}

/// What verifiers accept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PolicyPlan {
    /// What the reference system accepts (spec §3.5): nothing but a status that is up to date, and no look at
    /// attributes, numbers of collateral, machines or GPUs. It has TDs only; SNP guests are judged as it judges those: by
    /// signatures, revocation and image.
    Reference,
    /// What hardened nodes accept.
    Rules(Box<RulesPlan>),
}

impl Default for PolicyPlan {
    fn default() -> Self {
        Self::Rules(Box::default())
    }
}

impl PolicyPlan {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Rules of hardened nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulesPlan {
    /// Whose evidence.
    pub anchors: AnchorKind,
    /// Rules for TDs.
    pub tdx: AppraisalRules,
    /// Rules for SNP guests.
    #[serde(default, skip_serializing_if = "is_default")]
    pub snp: SnpPolicy,
    /// Nodes whose machines are listed, beside those of the rules; `None` if only the rules count.
    pub machines_of: Option<BTreeSet<String>>,
    /// What proxies demand of workers' GPUs; nothing if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus: Option<GpuRulesPlan>,
}

/// What proxies demand of workers' GPUs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuRulesPlan {
    /// How many each worker must show at least.
    pub min_gpus: u8,
    /// Rules for each.
    pub rules: GpuPolicy,
    /// Nodes whose GPUs are listed, beside those of the rules; `None` if only the rules count.
    pub gpus_of: Option<BTreeSet<String>>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Default for RulesPlan {
    /// The strictest that leaves machines open, for simulated evidence.
    fn default() -> Self {
        Self {
            anchors: AnchorKind::Simulation,
            tdx: AppraisalRules::default(),
            snp: SnpPolicy::default(),
            machines_of: None,
            gpus: None,
        }
    }
}

/// What the vendor publishes, and when.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollateralPlan {
    /// What is published counts for this long; 30 days, less an hour, if `None`.
    pub lasts_ns: Option<u64>,
    /// The vendor publishes anew this often; only when something happens if `None`.
    pub refresh_ns: Option<u64>,
}

impl CollateralPlan {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Somebody who wants to be taken for an attested peer, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceAttackPlan {
    /// When it begins.
    pub at_ns: u64,
    /// What is tried.
    pub attack: EvidenceAttack,
}

/// Somebody who wants to be taken for an attested peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceAttack {
    /// Its name in tables, unique in a plan.
    pub name: String,
    /// What the adversary does.
    pub technique: Technique,
    /// As what.
    pub pose: Pose,
    /// The node whose key, evidence or machine is abused.
    pub of: Option<String>,
    /// What is wrong with the adversary's own machine.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub flaws: BTreeSet<Flaw>,
}

/// As what an adversary wants to be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pose {
    /// By a proxy: it would be sent prompts.
    Worker,
    /// By a client, whom it has led to its own address: it would be sent secrets and prompts.
    Proxy,
}

impl Pose {
    /// Lower-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Proxy => "proxy",
        }
    }
}

/// What an adversary does to be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Technique {
    /// It has a node's TLS key and an old quote, but not the machine.
    LeakedKey,
    /// It shows a node's quote with a key of its own.
    StolenQuote,
    /// It shows no evidence at all.
    NoEvidence,
    /// It has a machine of its own, runs the network's image on it, and does everything as it should be.
    OwnMachine,
    /// It has the attestation key of a machine, and signs what it wants without any TD.
    ExtractedKey,
    /// It had a node's key and machine for one session, and shows the evidence of that again.
    ReplayedEvidence,
    /// It asks its verifier for evidence and gives that back.
    ReflectedEvidence,
    /// It has key and machine of a node with another role.
    OtherRole,
    /// It has a node's TLS key and asks the genuine machine, over a session of its own, for an answer to its victim's
    /// challenge.
    Relay,
    /// It forwards everything between its victim and the genuine node, and reads along.
    BlindRelay,
    /// It had a node's key and machine when the session began, and has the key only when evidence is renewed.
    LostMachine,
    /// It spells good evidence in other bytes.
    Malleated,
    /// It shows other things in the place of a quote: other versions, other kinds, wrong lengths.
    Confused,
    /// It resumes the TLS session of an attested peer, or sends data before the handshake is over.
    Resumption,
    /// It sends bad evidence of the greatest size on many connections at once.
    Flood,
    /// It opens many connections and says nothing.
    Silence,
    /// It has a machine of its own without the GPU that it should have.
    DroppedGpu,
    /// The GPU of its machine is a worker's, which answers whatever nonces are brought to it.
    RelayedGpu,
    /// It sells the one GPU of its machine twice at the same time, under two keys.
    ResoldGpu,
    /// It shows evidence that its GPU once made over another nonce.
    StaleGpu,
    /// It shows the evidence of its GPU for one session in another that lives at the same time.
    OtherSessionGpu,
    /// It shows new evidence of a GPU that its guest does not vouch for.
    UnvouchedGpu,
}

impl Technique {
    /// All of them, in order.
    pub const ALL: [Self; 22] = [
        Self::LeakedKey,
        Self::StolenQuote,
        Self::NoEvidence,
        Self::OwnMachine,
        Self::ExtractedKey,
        Self::ReplayedEvidence,
        Self::ReflectedEvidence,
        Self::OtherRole,
        Self::Relay,
        Self::BlindRelay,
        Self::LostMachine,
        Self::Malleated,
        Self::Confused,
        Self::Resumption,
        Self::Flood,
        Self::Silence,
        Self::DroppedGpu,
        Self::RelayedGpu,
        Self::ResoldGpu,
        Self::StaleGpu,
        Self::OtherSessionGpu,
        Self::UnvouchedGpu,
    ];

    /// Its name in scenarios and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LeakedKey => "leaked-key",
            Self::StolenQuote => "stolen-quote",
            Self::NoEvidence => "no-evidence",
            Self::OwnMachine => "own-machine",
            Self::ExtractedKey => "extracted-key",
            Self::ReplayedEvidence => "replayed-evidence",
            Self::ReflectedEvidence => "reflected-evidence",
            Self::OtherRole => "other-role",
            Self::Relay => "relay",
            Self::BlindRelay => "blind-relay",
            Self::LostMachine => "lost-machine",
            Self::Malleated => "malleated-evidence",
            Self::Confused => "confused-evidence",
            Self::Resumption => "resumption",
            Self::Flood => "flood",
            Self::Silence => "silence",
            Self::DroppedGpu => "dropped-gpu",
            Self::RelayedGpu => "relayed-gpu",
            Self::ResoldGpu => "resold-gpu",
            Self::StaleGpu => "stale-gpu",
            Self::OtherSessionGpu => "other-session-gpu",
            Self::UnvouchedGpu => "unvouched-gpu",
        }
    }

    /// Whether it is tried as this. What needs an answer of the verifier's own machine, or a verifier that accepts many
    /// connections, is tried on proxies; what needs a victim who can be led astray is tried on clients.
    #[must_use]
    pub const fn is_tried_as(self, pose: Pose) -> bool {
        match self {
            Self::ReflectedEvidence | Self::LostMachine | Self::Resumption | Self::Flood | Self::Silence => {
                matches!(pose, Pose::Worker)
            }
            Self::Relay | Self::BlindRelay => matches!(pose, Pose::Proxy),
            // Proxies have no GPUs.
            _ if self.is_about_gpus() => matches!(pose, Pose::Worker),
            _ => true,
        }
    }

    /// Whether it is about the GPU of a machine.
    #[must_use]
    pub const fn is_about_gpus(self) -> bool {
        matches!(
            self,
            Self::DroppedGpu
                | Self::RelayedGpu
                | Self::ResoldGpu
                | Self::StaleGpu
                | Self::OtherSessionGpu
                | Self::UnvouchedGpu
        )
    }

    /// Whether it abuses something of a node. An extracted key may be that of the adversary's own machine.
    #[must_use]
    pub const fn abuses_a_node(self) -> bool {
        matches!(
            self,
            Self::LeakedKey
                | Self::StolenQuote
                | Self::ExtractedKey
                | Self::ReplayedEvidence
                | Self::OtherRole
                | Self::Relay
                | Self::LostMachine
                | Self::RelayedGpu
        )
    }
}

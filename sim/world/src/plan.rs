//! A plan: everything that one run does, as plain data.
//!
//! A scenario and a seed give a plan, and the run replays it: arrivals, prompts and faults are drawn before the world
//! starts, never inside it. Deleting a line of a plan therefore disturbs nothing else, which is what makes a failing
//! run shrinkable (design §4).

mod attestation;
mod keys;
mod machine;
mod settlement;

pub use attestation::{
    AttestationPlan, BindingPlan, CollateralPlan, EvidenceAttack, EvidenceAttackPlan, GpuRulesPlan, PolicyPlan, Pose,
    RulesPlan, Technique, TeeKind,
};
pub use keys::{AskerImage, KeyAskerPlan, KeyManagerPlan, KeysOf, MAX_LIVE_KEYS};
pub use machine::{Flaw, GpusPlan};
pub use settlement::{
    AttackPlan, ChainFaults, CongestionPlan, ContractBuild, ContractName, ExternalFaultKind, ExternalFaultPlan,
    FeeChange, FeePlan, LieKind, LiePlan, MissedSlotsPlan, Operation, OperationPlan, Producer, Profile, ReaderPlan,
    SettlementPlan, SlowFinalityPlan, Threat, UserContractPlan, ViewPlan,
};

use serde::{Deserialize, Serialize};

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Name of the scenario.
    pub scenario: String,
    /// Root of every entropy stream of the run.
    pub seed: u64,
    /// Wall clock at the start of the run, seconds since the Unix epoch.
    pub start_unix_s: u64,
    /// When the run is over if the workload has not ended before: requests without an answer are then lost.
    pub duration_ns: u64,
    /// Links.
    pub network: NetworkPlan,
    /// Prices and protocol constants that the root contract publishes.
    pub economy: EconomyPlan,
    /// How peers prove what they are.
    pub attestation: AttestationPlan,
    /// Which behaviour is simulated (design §5).
    #[serde(default, skip_serializing_if = "Profile::is_hardened")]
    pub profile: Profile,
    /// The chain that accounts are on. Without it accounts are a list that never changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settlement: Option<SettlementPlan>,
    /// Proxies, in order.
    pub proxies: Vec<ProxyPlan>,
    /// Workers, in order.
    pub workers: Vec<WorkerPlan>,
    /// Clients, in order.
    pub clients: Vec<ClientPlan>,
    /// The key manager, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_manager: Option<KeyManagerPlan>,
    /// Users, each at one client.
    pub users: Vec<UserPlan>,
    /// Faults, ordered by time.
    pub faults: Vec<FaultPlan>,
    /// What must hold.
    pub expectations: Vec<Expectation>,
    /// `Some(reason)` if the outcome legitimately depends on the order of simultaneous events, so that engines need
    /// not agree on the application digest.
    pub race: Option<String>,
}

impl Plan {
    /// What owners do on the chain, and attacks of every kind: what a run waits for beside its users.
    #[must_use]
    pub fn scripts(&self) -> usize {
        let on_chain = self.settlement.as_ref();
        let on_chain = on_chain.map_or(0, |settlement| settlement.operations.len() + settlement.attacks.len());
        let askers = self
            .key_manager
            .as_ref()
            .map_or(0, |key_manager| key_manager.askers.len());
        on_chain + self.attestation.attacks.len() + askers
    }

    /// The name of each attack in tables.
    pub fn attacks(&self) -> impl Iterator<Item = String> {
        let on_chain = self.settlement.iter().flat_map(|settlement| &settlement.attacks);
        let on_evidence = self.attestation.attacks.iter();
        let askers = self.key_manager.iter().flat_map(|key_manager| &key_manager.askers);
        on_chain
            .map(|attack| attack.threat.name().to_owned())
            .chain(on_evidence.map(|planned| planned.attack.name.clone()))
            .chain(askers.map(KeyAskerPlan::threat))
    }
}

/// Links between regions, and exceptions between nodes. Region names are free; the first rule that fits counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkPlan {
    /// Exceptions, most specific first.
    pub rules: Vec<LinkRule>,
    /// Every other pair of nodes.
    pub default_link: LinkPlan,
}

/// A link for some pairs of nodes. It counts in both directions unless `one_way`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkRule {
    /// Where packets leave.
    pub from: Place,
    /// Where they arrive.
    pub to: Place,
    /// Whether the reverse direction is left alone.
    pub one_way: bool,
    /// The link.
    pub link: LinkPlan,
}

/// A node or all nodes of a region.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Place {
    /// A node by name.
    Node(String),
    /// Every node of a region.
    Region(String),
}

/// One direction of a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkPlan {
    /// One-way delay.
    pub latency_ns: SpanNs,
    /// Chance that a segment is lost and comes later by retransmission, parts per million.
    pub loss_ppm: u32,
    /// Capacity shared by all connections of the link; `None` is unlimited.
    pub bandwidth_bytes_per_s: Option<u64>,
    /// Bytes that a sender may have under way on one connection.
    pub socket_buffer_bytes: u32,
}

/// A span of time that is drawn anew each time it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SpanNs {
    /// Always the same.
    Constant(u64),
    /// Evenly from a range, ends included.
    Uniform {
        /// Smallest.
        low_ns: u64,
        /// Largest.
        high_ns: u64,
    },
    /// Bell-shaped (sum of twelve even draws), never below zero.
    Normal {
        /// Mean.
        mean_ns: u64,
        /// Standard deviation.
        deviation_ns: u64,
    },
    /// Memoryless.
    Exponential {
        /// Mean.
        mean_ns: u64,
    },
}

/// What the root contract of the deployment says (spec §6.2, §9.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EconomyPlan {
    /// Price of one adjusted token.
    pub price_per_token_nanoton: u64,
    /// The part of it that the worker gets.
    pub worker_fee_per_token_nanoton: u64,
    /// 10000 = 1.0.
    pub prompt_multiplier: u32,
    /// 10000 = 1.0.
    pub cached_multiplier: u32,
    /// 10000 = 1.0.
    pub completion_multiplier: u32,
    /// 10000 = 1.0.
    pub reasoning_multiplier: u32,
    /// Deposit that each client starts with.
    pub client_balance_nanoton: u64,
    /// Stake of each client.
    pub client_stake_nanoton: u64,
}

/// What every node has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePlan {
    /// Unique name.
    pub name: String,
    /// Region, for links.
    pub region: String,
    /// Wall clock minus true time at the start.
    pub clock_skew_ns: i64,
    /// Rate error of the clock, parts per thousand million.
    pub clock_drift_ppb: i64,
}

/// A proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyPlan {
    /// Name, region, clock.
    pub node: NodePlan,
}

/// A worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerPlan {
    /// Name, region, clock.
    pub node: NodePlan,
    /// Full model name, `name@commit:hash` or just a name.
    pub model: String,
    /// Price factor, 1000 = 1.0.
    pub coefficient: u32,
    /// Requests at once over all proxies.
    pub max_active_requests: u32,
    /// What produces answers.
    pub backend: BackendPlan,
    /// Proxies (indices) that the worker connects to; empty means all.
    pub proxies: Vec<usize>,
}

/// What a worker's answers come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BackendPlan {
    /// The embedded decoder; each token also takes `step_ns` of virtual time, each prompt token `prefill_token_ns`.
    Tiny {
        /// Size.
        size: TinySize,
        /// Virtual time of a decode step.
        step_ns: u64,
        /// Virtual time of a prompt token.
        prefill_token_ns: u64,
    },
    /// No model: service times and text of the asked length.
    ServiceTime {
        /// Decode step without load.
        step_base_ns: u64,
        /// What each further running sequence adds to a step.
        step_per_sequence_ns: u64,
        /// Virtual time of a prompt token.
        prefill_token_ns: u64,
        /// Sequences that run at once; more wait.
        max_batch: u32,
    },
}

/// Sizes of the embedded decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TinySize {
    /// 64 wide, 2 layers.
    Nano,
    /// 128 wide, 4 layers.
    Tiny,
}

/// A client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientPlan {
    /// Name, region, clock.
    pub node: NodePlan,
    /// Secret for short authorisation (spec §4.2). Without one the client authorises by registering a nonce on chain.
    pub secret: String,
    /// Proxies (indices) that the client may choose from; empty means all.
    pub proxies: Vec<usize>,
    /// Connections to keep.
    pub proxy_connections: u32,
}

/// Somebody who sends requests to a client's HTTP endpoint, from the client's own machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserPlan {
    /// Unique name.
    pub name: String,
    /// Index of the client.
    pub client: usize,
    /// When requests are sent.
    pub pace: Pace,
    /// The requests, in order.
    pub requests: Vec<RequestPlan>,
}

/// When a user sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pace {
    /// At each request's own time, whatever happened to earlier ones.
    Open,
    /// One after the other: the next is sent `think_ns` after the last answer ended. The first at its own time.
    Closed {
        /// Pause between an answer and the next request.
        think_ns: u64,
    },
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestPlan {
    /// Intended send time since the start of the run.
    pub at_ns: u64,
    /// Endpoint.
    pub endpoint: Endpoint,
    /// Model to ask for (base name).
    pub model: String,
    /// Text of the user.
    pub prompt: String,
    /// Most completion tokens.
    pub max_tokens: u32,
    /// Server-sent events, or one JSON object.
    pub stream: bool,
    /// The user's `timeout` field.
    pub timeout_ns: u64,
    /// The user hangs up this long after sending.
    pub hang_up_after_ns: Option<u64>,
    /// Pause of the user's reader after each piece of the answer: a slow reader.
    pub read_pause_ns: u64,
}

/// OpenAI-compatible endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Endpoint {
    /// `/v1/chat/completions`.
    Chat,
    /// `/v1/completions`.
    Completions,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultPlan {
    /// When it strikes.
    pub at_ns: u64,
    /// What happens.
    pub action: FaultAction,
}

/// What a fault does. Those with a length mend themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FaultAction {
    /// The process dies (kill -9): peers get resets, written files stay.
    Kill {
        /// Node name.
        node: String,
        /// Starts again after this long; never if `None`.
        restart_after_ns: Option<u64>,
        /// Files are wiped before the restart: the node comes back on a new disk.
        wipe: bool,
    },
    /// Power is cut: peers hear nothing, unsynchronised writes are lost or torn.
    PowerLoss {
        /// Node name.
        node: String,
        /// Starts again after this long; never if `None`.
        restart_after_ns: Option<u64>,
        /// Files are wiped before the restart.
        wipe: bool,
    },
    /// The process stands still.
    Pause {
        /// Node name.
        node: String,
        /// For this long.
        length_ns: u64,
    },
    /// Nothing passes between two groups of places.
    Partition {
        /// One side.
        left: Vec<Place>,
        /// The other side.
        right: Vec<Place>,
        /// Only packets from left to right are lost.
        one_way: bool,
        /// Heals after this long; never if `None`.
        length_ns: Option<u64>,
    },
    /// What is sent between two groups of places waits, and arrives in order when the time is over.
    Hold {
        /// One side.
        left: Vec<Place>,
        /// The other side.
        right: Vec<Place>,
        /// Only packets from left to right wait.
        one_way: bool,
        /// Released after this long; never if `None`.
        length_ns: Option<u64>,
    },
    /// A link changes.
    Link {
        /// Where packets leave.
        from: Place,
        /// Where they arrive.
        to: Place,
        /// Whether the reverse direction is left alone.
        one_way: bool,
        /// The new link.
        link: LinkPlan,
        /// Returns to the old one after this long; never if `None`.
        length_ns: Option<u64>,
    },
    /// A wall clock jumps.
    ClockJump {
        /// Node name.
        node: String,
        /// By this much.
        by_ns: i64,
    },
    /// The machine loses its power in the middle of its disk's work. What was not made durable is lost or torn.
    PowerLossInDiskWork {
        /// Node name.
        node: String,
        /// Disk operations that still succeed after the time of the fault.
        operations: u64,
        /// Back after this long, counted from the time of the fault; for good if `None`.
        restart_after_ns: Option<u64>,
    },
    /// The disk is full.
    DiskFull {
        /// Node name.
        node: String,
        /// For this long; for ever if `None`.
        length_ns: Option<u64>,
    },
    /// The process dies, and comes back with the files that its disk held at an earlier time.
    OldDisk {
        /// Node name.
        node: String,
        /// When the copy was made that comes back.
        copied_at_ns: u64,
        /// Starts again after this long.
        restart_after_ns: u64,
    },
    /// The vendor revokes the key of a node's machine.
    RevokePlatform {
        /// Node name.
        node: String,
    },
    /// The vendor finds a flaw in every machine of the run: from now on they are out of date.
    TcbRecovery,
    /// What the vendor publishes no longer reaches anybody.
    FreezeCollateral {
        /// For this long; for ever if `None`.
        length_ns: Option<u64>,
    },
    /// The vendor revokes the certificate of an authority, and with it everything that it has signed.
    RevokeAuthority {
        /// Whose.
        authority: Authority,
    },
    /// Whoever stands between verifiers and vendor serves what was published before, with lower numbers and nothing
    /// revoked.
    OldCollateral {
        /// All of it, or only a part.
        parts: CollateralParts,
        /// For this long; for ever if `None`.
        length_ns: Option<u64>,
    },
    /// The root contract's owner, or whoever has its key, allows an image of the adversary's.
    AllowForeignImage {
        /// As whose.
        image: ImageOf,
    },
    /// The process dies, and its host starts another image on the same disk.
    OtherImage {
        /// Node name: a proxy.
        node: String,
        /// After this long.
        restart_after_ns: u64,
    },
    /// The operator of the key manager revokes the newest key of a kind of node.
    RevokeKey {
        /// Whose.
        of: KeysOf,
    },
    /// The root contract no longer names an image.
    RemoveImage {
        /// Whose.
        image: ImageOf,
    },
    /// The root contract no longer names a model.
    RemoveModel {
        /// Its full name.
        model: String,
    },
    /// The process dies as soon as something happens, if it happens.
    KillAt {
        /// Node name.
        node: String,
        /// What must happen.
        moment: Moment,
        /// Starts again this long after it.
        restart_after_ns: u64,
    },
}

/// Whose image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ImageOf {
    /// That of all proxies.
    Proxies,
    /// That of all workers.
    Workers,
}

/// Who signs for the vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Authority {
    /// The certificates of machines.
    PlatformCa,
    /// TCB levels, and the identity of the quoting enclave.
    TcbSigner,
}

/// Parts of what a vendor publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CollateralParts {
    /// All of it.
    All,
    /// Revocation lists. TCB levels are the newest.
    RevocationLists,
}

/// A moment in a proxy's work that a fault waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Moment {
    /// It has signed for more tokens than before, and has told nobody yet.
    Signed,
    /// A commit of its ledger is on the chain, and it has not seen it yet.
    Committed,
}

/// What must hold after a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expectation {
    /// A built-in property by name (`chrysalis_world::properties`); judged from everything that the run left.
    Property {
        /// Its name.
        name: String,
    },
    /// A bound on a counted share or number of requests.
    Requests {
        /// Which requests are counted.
        outcome: RequestOutcome,
        /// The bound.
        bound: CountBound,
    },
    /// A bound on a percentile of a latency.
    Latency {
        /// Which latency.
        metric: LatencyMetric,
        /// Percentile in hundredths of a per cent: 9900 is p99.
        percentile_bp: u32,
        /// At most this.
        max_ns: u64,
    },
    /// A built-in property must be seen not to hold: a weak point that shows.
    Violated {
        /// Its name.
        name: String,
    },
    /// Every attack of the plan must come to its end, and must be seen to work, or must not work.
    Attack {
        /// Whether it must work.
        works: bool,
    },
    /// A node must end by itself, and may.
    Stops {
        /// Node name.
        node: String,
    },
    /// A contract must be seen frozen: it could not pay its storage.
    Frozen {
        /// Which.
        contract: ContractName,
    },
    /// Messages with an operation that contracts must have carried out, as often as this at least.
    Operations {
        /// Operation code.
        op: u32,
        /// At least this many.
        at_least: u64,
    },
}

/// How a request ended, seen from the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RequestOutcome {
    /// A complete answer with status 200.
    Succeeded,
    /// Any answer with another status, or an answer that broke off.
    Failed,
    /// The user hung up.
    Cancelled,
    /// No answer at all when the run ended.
    Lost,
}

/// A bound on requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CountBound {
    /// At least this many.
    AtLeast(u64),
    /// At most this many.
    AtMost(u64),
    /// Exactly this many.
    Exactly(u64),
    /// At least this share of all requests, in hundredths of a per cent.
    ShareAtLeastBp(u32),
    /// At most this share of all requests, in hundredths of a per cent.
    ShareAtMostBp(u32),
}

/// Latencies of a request, seen from the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LatencyMetric {
    /// From sending to the first part of the answer with text in it: a part that only names a role does not count.
    TimeToFirstToken,
    /// Between two pieces of a streamed answer.
    InterToken,
    /// From sending to the end of the answer.
    EndToEnd,
    /// From the moment at which the plan wanted the request sent to the end of the answer: waiting for earlier requests
    /// counts (coordinated omission).
    EndToEndFromIntended,
}

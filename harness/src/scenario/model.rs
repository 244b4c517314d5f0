//! A validated scenario: every name resolved, every unit gone, every limit checked.

use chrysalis_world::plan::{
    AttestationPlan, Authority, ClientPlan, CollateralParts, EconomyPlan, Endpoint, EvidenceAttack, Expectation,
    ImageOf, KeyManagerPlan, KeysOf, LinkPlan, Moment, NetworkPlan, Operation, Place, ProxyPlan, SettlementPlan,
    SpanNs, Threat, WorkerPlan,
};

use std::path::PathBuf;

use super::scalar::{Rate, SeedRange};
use super::threat::ThreatClass;
use crate::diagnostic::Position;

/// A scenario. Together with a seed it gives a plan (`crate::plan`), always and without errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// Name.
    pub name: String,
    /// What it shows.
    pub description: String,
    /// Words to select it by.
    pub tags: Vec<String>,
    /// How the threat is classified that it is about.
    pub threat: Option<ThreatClass>,
    /// Seeds to run if nobody says otherwise.
    pub seeds: SeedRange,
    /// Wall clock at the start, seconds since the Unix epoch.
    pub start_unix_s: u64,
    /// End of the run.
    pub duration_ns: u64,
    /// Links.
    pub network: NetworkPlan,
    /// Prices.
    pub economy: EconomyPlan,
    /// Evidence, without adversaries.
    pub attestation: AttestationPlan,
    /// Adversaries against evidence.
    pub evidence_attacks: Vec<Timed<EvidenceAttack>>,
    /// Proxies.
    pub proxies: Vec<ProxyPlan>,
    /// Workers.
    pub workers: Vec<WorkerPlan>,
    /// Clients.
    pub clients: Vec<ClientPlan>,
    /// The key manager.
    pub key_manager: Option<KeyManagerPlan>,
    /// The chain, if accounts are on one.
    pub settlement: Option<SettlementTemplate>,
    /// Groups of users.
    pub workload: Vec<UserGroup>,
    /// Faults in the order of the file.
    pub faults: Vec<FaultTemplate>,
    /// What must hold in both profiles.
    pub expectations: Vec<Expectation>,
    /// What must hold in one profile besides: reference, hardened.
    pub expectations_of_profile: [Vec<Expectation>; 2],
    /// Why the outcome may depend on the order of simultaneous events.
    pub race: Option<String>,
}

/// The chain of a scenario; times of operations and attacks are still to be drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettlementTemplate {
    /// Where contract codes are that are to be used instead of the project's.
    pub contracts: Option<ContractsFolder>,
    /// Everything that is not drawn, without operations and attacks.
    pub fixed: SettlementPlan,
    /// What owners do.
    pub operations: Vec<Timed<Operation>>,
    /// Adversaries.
    pub attacks: Vec<Timed<Threat>>,
}

/// A folder with contract codes, as a scenario names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractsFolder {
    /// The folder; a relative path begins at that of the scenario file.
    pub path: PathBuf,
    /// Where it is named.
    pub position: Position,
}

/// Something that happens at a time still to be drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timed<T> {
    /// Labels its entropy stream.
    pub label: String,
    /// When.
    pub at: SpanNs,
    /// What.
    pub what: T,
}

/// Users who send alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserGroup {
    /// Name; labels the group's entropy streams.
    pub name: String,
    /// The client (index) of each user.
    pub clients: Vec<usize>,
    /// When requests are sent.
    pub arrivals: Arrivals,
    /// First moment of sending.
    pub start_ns: u64,
    /// Sending happens before this.
    pub stop_ns: u64,
    /// Requests at most.
    pub requests_max: u64,
    /// What they ask.
    pub prompts: Prompts,
    /// Most tokens of an answer; a draw of zero counts as one.
    pub tokens: SpanNs,
    /// Server-sent events.
    pub stream: bool,
    /// Endpoint.
    pub endpoint: Endpoint,
    /// Model to ask for (base name).
    pub model: String,
    /// The user's time-out.
    pub timeout_ns: u64,
    /// Users who give up.
    pub hang_up: Option<HangUp>,
    /// Pause of the reader after each piece.
    pub read_pause_ns: u64,
}

/// When requests of a group are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrivals {
    /// At random and independently.
    Poisson(Rate),
    /// At even distances.
    Uniform(Rate),
    /// One after the other for each user, with this pause.
    Closed {
        /// Pause between an answer and the next request.
        think_ns: u64,
    },
    /// At these times, in order.
    At(Vec<u64>),
}

/// What users ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompts {
    /// These texts, in turn; never empty.
    Texts(Vec<String>),
    /// Random words.
    Generated {
        /// How many; a draw of zero counts as one.
        words: SpanNs,
    },
}

/// Users who give up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HangUp {
    /// How long after sending.
    pub after: SpanNs,
    /// Share of requests in hundredths of a per cent.
    pub share_bp: u32,
}

/// A fault whose times are still to be drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultTemplate {
    /// Labels the fault's entropy stream: its action and target, and how many like it come before.
    pub label: String,
    /// When it strikes.
    pub at: SpanNs,
    /// What happens.
    pub action: ActionTemplate,
}

/// What a fault does, with lengths still to be drawn; see `chrysalis_world::plan::FaultAction`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields are those of FaultAction, where they are documented"
)]
pub enum ActionTemplate {
    /// The process dies.
    Kill {
        node: String,
        restart_after: Option<SpanNs>,
        wipe: bool,
    },
    /// Power is cut.
    PowerLoss {
        node: String,
        restart_after: Option<SpanNs>,
        wipe: bool,
    },
    /// The process stands still.
    Pause { node: String, length: SpanNs },
    /// Nothing passes between two groups of places.
    Partition {
        left: Vec<Place>,
        right: Vec<Place>,
        one_way: bool,
        length: Option<SpanNs>,
    },
    /// What is sent between two groups of places waits.
    Hold {
        left: Vec<Place>,
        right: Vec<Place>,
        one_way: bool,
        length: Option<SpanNs>,
    },
    /// A link changes.
    Link {
        from: Place,
        to: Place,
        one_way: bool,
        link: LinkPlan,
        length: Option<SpanNs>,
    },
    /// A wall clock jumps.
    ClockJump { node: String, by_ns: i64 },
    /// The disk is full.
    DiskFull { node: String, length: Option<SpanNs> },
    /// The process dies, and comes back with earlier files.
    OldDisk {
        node: String,
        copied_at_ns: u64,
        restart_after: SpanNs,
    },
    /// The vendor revokes the key of a node's machine.
    RevokePlatform { node: String },
    /// The vendor declares every machine out of date.
    TcbRecovery,
    /// What the vendor publishes reaches nobody.
    FreezeCollateral { length: Option<SpanNs> },
    /// The vendor revokes the certificate of an authority.
    RevokeAuthority { authority: Authority },
    /// What was published before is served.
    OldCollateral {
        parts: CollateralParts,
        length: Option<SpanNs>,
    },
    /// The root contract names an adversary's image.
    AllowForeignImage { image: ImageOf },
    /// The process dies, and another image starts on its disk.
    OtherImage { node: String, restart_after: SpanNs },
    /// A key of the key manager is revoked.
    RevokeKey { of: KeysOf },
    /// The root contract no longer names an image.
    RemoveImage { image: ImageOf },
    /// The root contract no longer names a model.
    RemoveModel { model: String },
    /// The process dies as soon as something happens.
    KillAt {
        node: String,
        moment: Moment,
        restart_after: SpanNs,
    },
}

//! The scenario file as it is written: version 1 of the scenario language.
//!
//! Everything here is what a person may type, with its place in the file; nothing is checked yet beyond its shape. The
//! comments are the documentation that an editor shows, by way of the JSON Schema.
//!
//! Enums are externally tagged and nothing is flattened or untagged, because the YAML reader then knows the exact place
//! of every mistake.

pub mod attestation;
pub mod keys;
pub mod settlement;

use chrysalis_world::plan::{Endpoint, TinySize};
use schemars::JsonSchema;
use serde::Deserialize;

use super::located::{At, Key, Text};
use super::scalar::{
    Bandwidth, Choice, Coins, Count, Distribution, Drift, Duration, Factor, LatencyBound, Line, Loss, ModelName, Name,
    Prompt, Rate, RequestBound, Seed, SeedRange, Share, SignedDuration, Size, WallClock,
};

pub use attestation::{
    AttestationFile, CollateralFile, EvidenceAttackFile, FreezeCollateralFile, GpuDemandFile, GpuRules, GpusFile,
    ImageFile, MachineFile, OldCollateralFile, PolicyFile, RemoveModelFile, RevokeAuthorityFile, RevokePlatformFile,
    SnpRules, TcbRecoveryFile, TdxRules, ThreatFile,
};
pub use keys::{KeyAskerFile, KeyManagerFile, OtherImageFile, RevokeKeyFile};
pub use settlement::{
    AccountFile, AmountFile, AttackFile, ChainFaultsFile, CongestionFile, ContractFile, DoneFile, ExternalFile,
    FeeChangeFile, KillAtFile, LieFile, MissedSlotsFile, OldDiskFile, OperationFile, OwnedFile, PriceFile,
    ProfileExpectFile, ReaderFile, SettlementFile, SlowFinalityFile, StakeFile, TouchFile,
};

/// A list of single values.
pub type List<T> = Key<Vec<At<Text<T>>>>;

/// A scenario: a small world, people who use it, what goes wrong, and what must hold all the same.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Chrysalis scenario, version 1", extend("required" = ["version", "name", "description", "duration", "workload", "expect"]))]
pub struct ScenarioFile {
    /// Version of the scenario language: 1.
    pub version: Key<Text<Count>>,
    /// Name of the scenario; runs are stored under it.
    pub name: Key<Text<Name>>,
    /// What the scenario shows, in a sentence or two.
    pub description: Key<Text<Line>>,
    /// Words to select scenarios by.
    pub tags: List<Name>,
    /// The threat that the scenario is about, as security teams classify it.
    pub threat: Key<ThreatFile>,
    /// The one seed to run. Default: 0.
    pub seed: Key<Text<Seed>>,
    /// The seeds to run: `0..100` (without 100), or `100` for the same.
    pub seeds: Key<Text<SeedRange>>,
    /// Wall clock at the start. Default: 2026-01-01T00:00:00Z.
    pub start: Key<Text<WallClock>>,
    /// When the run is over at the latest; requests without an answer are then lost.
    pub duration: Key<Text<Duration>>,
    /// Nodes, links, models, prices. Default: one client, one proxy, one worker.
    pub world: Key<WorldFile>,
    /// A simulated chain with the contracts on it. Default: none; accounts are then a list that never changes.
    pub settlement: Key<SettlementFile>,
    /// Groups of users and what they send.
    pub workload: Key<Vec<At<GroupFile>>>,
    /// What goes wrong, and when.
    pub faults: Key<Vec<At<FaultFile>>>,
    /// What must hold.
    pub expect: Key<ExpectFile>,
    /// Why the outcome legitimately depends on the order of simultaneous events. Leave it out unless it does.
    pub race: Key<Text<Line>>,
}

/// Nodes, links, models, prices.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WorldFile {
    /// Names of regions. Nodes are in the first one unless they say otherwise. Default: one region, `local`.
    pub regions: List<Name>,
    /// The link between any two nodes that no entry of `links` is about.
    pub default_link: Key<LinkFile>,
    /// Links between regions or nodes; the most specific one counts.
    pub links: Key<Vec<At<LinkRuleFile>>>,
    /// Models that workers serve. Default: one embedded model, `tiny-nano`.
    pub models: Key<Vec<At<ModelFile>>>,
    /// Proxies. Default: one, `proxy-1`.
    pub proxies: Key<Vec<At<ProxyFile>>>,
    /// Workers. Default: one, `worker-1`.
    pub workers: Key<Vec<At<WorkerFile>>>,
    /// Clients. Default: one, `client-1`.
    pub clients: Key<Vec<At<ClientFile>>>,
    /// A key manager, which proxies and workers then get keys from. Default: none.
    pub key_manager: Key<KeyManagerFile>,
    /// Prices and deposits.
    pub economy: Key<EconomyFile>,
    /// How peers prove what they are.
    pub attestation: Key<AttestationFile>,
}

/// What a link is like, in each direction.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LinkFile {
    /// One-way delay. Default: 10ms.
    pub latency: Key<Text<Distribution<Duration>>>,
    /// Chance that a segment is lost and comes later by retransmission. Default: 0%.
    pub loss: Key<Text<Loss>>,
    /// Capacity shared by all connections of the link. Default: unlimited.
    pub bandwidth: Key<Text<Bandwidth>>,
    /// Bytes that a sender may have under way on one connection. Default: 256 KiB.
    pub buffer: Key<Text<Size>>,
}

/// A link between two places. What is not said is as in `default_link`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LinkRuleFile {
    /// Two regions or nodes; the link is the same in both directions. `[eu, eu]` is the link inside a region.
    pub between: List<Name>,
    /// Where packets leave, for one direction only.
    pub from: Key<Text<Name>>,
    /// Where they arrive, for one direction only.
    pub to: Key<Text<Name>>,
    /// One-way delay.
    pub latency: Key<Text<Distribution<Duration>>>,
    /// Chance that a segment is lost and comes later by retransmission.
    pub loss: Key<Text<Loss>>,
    /// Capacity shared by all connections of the link.
    pub bandwidth: Key<Text<Bandwidth>>,
    /// Bytes that a sender may have under way on one connection.
    pub buffer: Key<Text<Size>>,
}

/// A model.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["name"]))]
pub struct ModelFile {
    /// `name`, or `name@commit:hash`; users ask for the part before the `@`.
    pub name: Key<Text<ModelName>>,
    /// What produces answers. Default: the embedded model, size nano.
    pub backend: Key<BackendFile>,
}

/// What produces answers.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BackendFile {
    /// The embedded decoder: real tokens from a real, very small model.
    Tiny(At<TinyFile>),
    /// No model: service times, and text of the length asked for.
    ServiceTime(At<ServiceTimeFile>),
}

/// The embedded decoder.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TinyFile {
    /// nano (64 wide, 2 layers) or tiny (128 wide, 4 layers). Default: nano.
    pub size: Key<Text<Choice<TinySize>>>,
    /// Virtual time of a decode step. Default: 5ms.
    pub step: Key<Text<Duration>>,
    /// Virtual time of a prompt token. Default: 100us.
    pub prefill_token: Key<Text<Duration>>,
}

/// Service times instead of a model.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceTimeFile {
    /// Decode step without load. Default: 10ms.
    pub step: Key<Text<Duration>>,
    /// What each further running sequence adds to a step. Default: 200us.
    pub step_per_sequence: Key<Text<Duration>>,
    /// Virtual time of a prompt token. Default: 100us.
    pub prefill_token: Key<Text<Duration>>,
    /// Sequences that run at once; more wait. Default: 32.
    pub max_batch: Key<Text<Count>>,
}

/// A wall clock that is not right.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClockFile {
    /// Wall clock minus true time at the start. Default: 0ns.
    pub skew: Key<Text<SignedDuration>>,
    /// Rate error. Default: 0 ppm.
    pub drift: Key<Text<Drift>>,
}

/// One or more proxies.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProxyFile {
    /// Name; with `count`, numbers are added. Default: proxy, with a number.
    pub name: Key<Text<Name>>,
    /// How many. Default: 1.
    pub count: Key<Text<Count>>,
    /// Where. Default: the first region.
    pub region: Key<Text<Name>>,
    /// Clock error.
    pub clock: Key<ClockFile>,
}

/// One or more workers.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerFile {
    /// Name; with `count`, numbers are added. Default: worker, with a number.
    pub name: Key<Text<Name>>,
    /// How many. Default: 1.
    pub count: Key<Text<Count>>,
    /// Where. Default: the first region.
    pub region: Key<Text<Name>>,
    /// Clock error.
    pub clock: Key<ClockFile>,
    /// Full name of the model that it serves. Default: the first of `models`.
    pub model: Key<Text<ModelName>>,
    /// Factor on the price of a token. Default: 1.
    pub coefficient: Key<Text<Factor<1_000>>>,
    /// Requests at once over all proxies. Default: 4.
    pub max_active_requests: Key<Text<Count>>,
    /// Proxies that it connects to. Default: all.
    pub proxies: List<Name>,
    /// GPUs of its machine, of which sessions show evidence. Default: none.
    pub gpus: Key<GpusFile>,
}

/// One or more clients.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClientFile {
    /// Name; with `count`, numbers are added. Default: client, with a number.
    pub name: Key<Text<Name>>,
    /// How many. Default: 1.
    pub count: Key<Text<Count>>,
    /// Where. Default: the first region.
    pub region: Key<Text<Name>>,
    /// Clock error.
    pub clock: Key<ClockFile>,
    /// Secret for short authorisation. Default: made from the name.
    pub secret: Key<Text<Name>>,
    /// Proxies that it may choose from. Default: all.
    pub proxies: List<Name>,
    /// Connections to proxies that it keeps. Default: 1.
    pub connections: Key<Text<Count>>,
}

/// Prices and deposits.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EconomyFile {
    /// What a client pays for an adjusted token. Default: 20 nanoTON.
    pub price_per_token: Key<Text<Coins>>,
    /// The part of it that the worker gets. Default: 16 nanoTON.
    pub worker_fee_per_token: Key<Text<Coins>>,
    /// What a prompt token counts. Default: 1.
    pub prompt_multiplier: Key<Text<Factor<10_000>>>,
    /// What a cached prompt token counts. Default: 0.2.
    pub cached_multiplier: Key<Text<Factor<10_000>>>,
    /// What a completion token counts. Default: 8.
    pub completion_multiplier: Key<Text<Factor<10_000>>>,
    /// What a reasoning token counts. Default: 8.
    pub reasoning_multiplier: Key<Text<Factor<10_000>>>,
    /// Deposit that each client starts with. Default: 15 TON.
    pub client_balance: Key<Text<Coins>>,
    /// Stake of each client. Default: 1 TON.
    pub client_stake: Key<Text<Coins>>,
}

/// A group of users who send alike.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["name", "arrivals"]))]
pub struct GroupFile {
    /// Name. What the group draws from the seed depends on its name and on no other group.
    pub name: Key<Text<Name>>,
    /// How many users. Default: one at each client.
    pub users: Key<Text<Count>>,
    /// Clients that the users are at, one after the other. Default: all.
    pub clients: List<Name>,
    /// When requests are sent.
    pub arrivals: Key<ArrivalsFile>,
    /// How many requests the whole group sends at most. Required with `closed`.
    pub requests: Key<Text<Count>>,
    /// When the group starts to send. Default: 0s.
    pub start: Key<Text<Duration>>,
    /// When the group stops to send. Default: the end of the run.
    pub stop: Key<Text<Duration>>,
    /// What they ask. Default: 12 words.
    pub prompts: Key<PromptsFile>,
    /// Most tokens of an answer. Default: 16.
    pub tokens: Key<Text<Distribution<Count>>>,
    /// Whether answers are streamed. Default: true.
    pub stream: Key<bool>,
    /// chat or completions. Default: chat.
    pub endpoint: Key<Text<Choice<Endpoint>>>,
    /// Model to ask for. Default: the only one that is served.
    pub model: Key<Text<ModelName>>,
    /// How long the user's request may take. Default: 60s.
    pub timeout: Key<Text<Duration>>,
    /// Users who give up.
    pub hang_up: Key<HangUpFile>,
    /// Pause of the reader after each piece of an answer: a slow reader. Default: 0s.
    pub read_pause: Key<Text<Duration>>,
}

/// When requests are sent.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ArrivalsFile {
    /// At random and independently, at a mean rate of the whole group; whatever happened to earlier requests.
    Poisson(At<RateFile>),
    /// At even distances, at a rate of the whole group.
    Uniform(At<RateFile>),
    /// Each user sends the next request some time after the last answer ended.
    Closed(At<ThinkFile>),
    /// At these times, users taking turns.
    At(Vec<At<Text<Duration>>>),
}

/// A rate.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["rate"]))]
pub struct RateFile {
    /// Requests per time.
    pub rate: Key<Text<Rate>>,
}

/// A pause.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["think"]))]
pub struct ThinkFile {
    /// Pause between an answer and the next request.
    pub think: Key<Text<Duration>>,
}

/// What users ask.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PromptsFile {
    /// These texts, in turn.
    Texts(Vec<At<Text<Prompt>>>),
    /// Words drawn from the seed.
    Generated(At<GeneratedFile>),
}

/// Prompts of random words.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["words"]))]
pub struct GeneratedFile {
    /// How many words.
    pub words: Key<Text<Distribution<Count>>>,
}

/// Users who give up.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["after"]))]
pub struct HangUpFile {
    /// How long after sending.
    pub after: Key<Text<Distribution<Duration>>>,
    /// Share of requests that this happens to. Default: 100%.
    pub share: Key<Text<Share>>,
}

/// A fault: a time and exactly one action.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["at"], "minProperties" = 2, "maxProperties" = 2))]
pub struct FaultFile {
    /// When it strikes; a span is drawn from the seed.
    pub at: Key<Text<Distribution<Duration>>>,
    /// The process dies (kill -9): peers get resets, written files stay.
    pub kill: Key<KillFile>,
    /// Power is cut: peers hear nothing, unsynchronised writes are lost or torn.
    pub power_loss: Key<PowerLossFile>,
    /// The process stands still for a while.
    pub pause: Key<PauseFile>,
    /// Nothing passes between two groups of places.
    pub partition: Key<PartitionFile>,
    /// What is sent between two groups of places waits, and arrives in order when it is let go.
    pub hold: Key<HoldFile>,
    /// A link changes.
    pub link: Key<LinkFaultFile>,
    /// A wall clock jumps.
    pub clock_jump: Key<ClockJumpFile>,
    /// The disk is full.
    pub disk_full: Key<DiskFullFile>,
    /// The process dies, and comes back with the files that its disk held at an earlier time.
    pub old_disk: Key<OldDiskFile>,
    /// The process dies as soon as something happens.
    pub kill_at: Key<KillAtFile>,
    /// The vendor revokes the key of a node's machine.
    pub revoke_platform: Key<RevokePlatformFile>,
    /// The vendor finds a flaw in every machine of the run: from now on they are out of date.
    pub tcb_recovery: Key<TcbRecoveryFile>,
    /// The vendor revokes the certificate of one of its authorities.
    pub revoke_authority: Key<RevokeAuthorityFile>,
    /// What the vendor publishes no longer reaches anybody.
    pub freeze_collateral: Key<FreezeCollateralFile>,
    /// Somebody between verifiers and vendor serves what was published before, with lower numbers and nothing
    /// revoked.
    pub old_collateral: Key<OldCollateralFile>,
    /// Whoever has the key of the root contract's owner allows an adversary's image. Only without `settlement`.
    pub allow_foreign_image: Key<ImageFile>,
    /// The process of a proxy dies, and its host starts another image on the same disk.
    pub other_image: Key<OtherImageFile>,
    /// The operator of the key manager revokes the newest key of a kind of node. Only with `world.key_manager`.
    pub revoke_key: Key<RevokeKeyFile>,
    /// The root contract no longer names an image. Only without `settlement`.
    pub remove_image: Key<ImageFile>,
    /// The root contract no longer names a model. Only without `settlement`.
    pub remove_model: Key<RemoveModelFile>,
}

/// The process dies.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["node"]))]
pub struct KillFile {
    /// Which node.
    pub node: Key<Text<Name>>,
    /// Starts again after this long. Default: never.
    pub restart_after: Key<Text<Distribution<Duration>>>,
    /// Whether its files are wiped before the restart. Default: false.
    pub wipe: Key<bool>,
}

/// Power is cut.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["node"]))]
pub struct PowerLossFile {
    /// Which node.
    pub node: Key<Text<Name>>,
    /// Starts again after this long. Default: never.
    pub restart_after: Key<Text<Distribution<Duration>>>,
    /// Whether its files are wiped before the restart. Default: false.
    pub wipe: Key<bool>,
}

/// The process stands still.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["node", "length"]))]
pub struct PauseFile {
    /// Which node.
    pub node: Key<Text<Name>>,
    /// For how long.
    pub length: Key<Text<Distribution<Duration>>>,
}

/// Nothing passes between two groups of places.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["left", "right"]))]
pub struct PartitionFile {
    /// Regions or nodes of one side.
    pub left: List<Name>,
    /// Regions or nodes of the other side.
    pub right: List<Name>,
    /// Whether only packets from left to right are lost. Default: false.
    pub one_way: Key<bool>,
    /// Heals after this long. Default: never.
    pub length: Key<Text<Distribution<Duration>>>,
}

/// What is sent between two groups of places waits: nothing is lost, and everything arrives in order afterwards.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["left", "right"]))]
pub struct HoldFile {
    /// Regions or nodes of one side.
    pub left: List<Name>,
    /// Regions or nodes of the other side.
    pub right: List<Name>,
    /// Whether only packets from left to right wait. Default: false.
    pub one_way: Key<bool>,
    /// Released after this long. Default: never.
    pub length: Key<Text<Distribution<Duration>>>,
}

/// A link changes. What is not said stays as it was.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LinkFaultFile {
    /// Two regions or nodes, both directions.
    pub between: List<Name>,
    /// Where packets leave, for one direction only.
    pub from: Key<Text<Name>>,
    /// Where they arrive, for one direction only.
    pub to: Key<Text<Name>>,
    /// One-way delay.
    pub latency: Key<Text<Distribution<Duration>>>,
    /// Chance that a segment is lost and comes later by retransmission.
    pub loss: Key<Text<Loss>>,
    /// Capacity shared by all connections of the link.
    pub bandwidth: Key<Text<Bandwidth>>,
    /// Bytes that a sender may have under way on one connection.
    pub buffer: Key<Text<Size>>,
    /// Returns to what it was after this long. Default: never.
    pub length: Key<Text<Distribution<Duration>>>,
}

/// A wall clock jumps.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["node", "by"]))]
pub struct ClockJumpFile {
    /// Which node.
    pub node: Key<Text<Name>>,
    /// By how much.
    pub by: Key<Text<SignedDuration>>,
}

/// The disk is full.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["node"]))]
pub struct DiskFullFile {
    /// Which node.
    pub node: Key<Text<Name>>,
    /// For this long. Default: for ever.
    pub length: Key<Text<Distribution<Duration>>>,
}

/// What must hold.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExpectFile {
    /// Built-in properties by name; see `chrysalis list --properties`.
    pub properties: List<Name>,
    /// Bounds on how requests ended.
    pub requests: Key<RequestsFile>,
    /// Bounds on latencies.
    pub latency: Key<LatencyFile>,
    /// Operations that contracts must have carried out.
    pub operations: Key<Vec<At<DoneFile>>>,
    /// Nodes that must end by themselves.
    pub stops: List<Name>,
    /// Contracts that must be seen frozen, because they cannot pay their storage.
    pub frozen: Key<Vec<At<ContractFile>>>,
    /// What must hold with the contracts of `--profile reference` besides.
    pub reference: Key<ProfileExpectFile>,
    /// What must hold with the contracts of `--profile hardened` besides.
    pub hardened: Key<ProfileExpectFile>,
}

/// Bounds on how requests ended, seen from the user: `at least 95%`, `at most 3`, `exactly 2`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RequestsFile {
    /// A complete answer with status 200.
    pub succeeded: Key<Text<RequestBound>>,
    /// An answer with another status, or one that broke off.
    pub failed: Key<Text<RequestBound>>,
    /// The user hung up.
    pub cancelled: Key<Text<RequestBound>>,
    /// No answer at all when the run ended.
    pub lost: Key<Text<RequestBound>>,
}

/// Bounds on latencies, seen from the user: lists of `p99 at most 800ms`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LatencyFile {
    /// From sending to the first part with text; a part that only names a role does not count.
    pub time_to_first_token: List<LatencyBound>,
    /// Between two pieces of a streamed answer.
    pub inter_token: List<LatencyBound>,
    /// From sending to the end of the answer.
    pub end_to_end: List<LatencyBound>,
    /// From the moment at which the workload meant to send to the end of the answer: waiting for earlier requests counts.
    pub end_to_end_from_intended: List<LatencyBound>,
}

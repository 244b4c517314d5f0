//! What the command line needs from the rest of the system, behind small traits: it is complete and testable without a
//! world, and the binary decides which world it gets.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;

use chrysalis_bench_sim::{GateOptions, Part};
use chrysalis_world::plan::Plan;
use serde::{Deserialize, Serialize};

use crate::scenario::threat::ThreatClass;

/// What executes a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// The deterministic executor of madsim: the default where it is built in.
    Madsim,
    /// This project's own deterministic executor.
    Native,
    /// Real sockets and clocks on the loopback interface.
    Tokio,
}

impl Engine {
    /// Its name on the command line and in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Madsim => "madsim",
            Self::Native => "native",
            Self::Tokio => "tokio",
        }
    }

    /// Whether the same plan gives the same run to the byte.
    #[must_use]
    pub fn is_deterministic(self) -> bool {
        !matches!(self, Self::Tokio)
    }
}

/// One run to carry out.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// Everything that happens.
    pub plan: &'a Plan,
    /// Text of the scenario file that the plan was drawn from.
    pub scenario_source: &'a str,
    /// What threat the scenario is about, if it is about one.
    pub threat: Option<&'a ThreatClass>,
    /// What executes it.
    pub engine: Engine,
    /// An existing folder for the run store; `None` keeps verdicts only.
    pub store: Option<&'a Path>,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunResult {
    /// Verdicts, in the order of the plan's expectations.
    pub assertions: Vec<Assertion>,
    /// How requests ended.
    pub requests: RequestCounts,
    /// Virtual time at the end.
    pub virtual_ns: u64,
    /// Events of the world.
    pub events: u64,
    /// Digest of every event, hexadecimal: equal for equal runs on one deterministic engine.
    pub world_digest: String,
    /// Digest of what users got, hexadecimal: equal on every engine where the plan has no race.
    pub application_digest: String,
}

impl RunResult {
    /// Whether nothing was violated.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.assertions
            .iter()
            .all(|assertion| assertion.verdict != AssertionVerdict::Violated)
    }

    /// Names of expectations that had nothing to check.
    #[must_use]
    pub fn unchecked(&self) -> Vec<String> {
        self.assertions
            .iter()
            .filter(|assertion| assertion.verdict == AssertionVerdict::NothingToCheck)
            .map(|assertion| assertion.name.clone())
            .collect()
    }

    /// Each expectation that did not hold, in one line.
    pub fn failures(&self) -> impl Iterator<Item = String> + '_ {
        self.assertions
            .iter()
            .filter(|assertion| assertion.verdict == AssertionVerdict::Violated)
            .map(|assertion| match assertion.at_ns {
                Some(at_ns) => {
                    let (seconds, rest) = (at_ns / 1_000_000_000, at_ns % 1_000_000_000);
                    format!("{}: {} (at {seconds}.{rest:09} s)", assertion.name, assertion.detail)
                }
                None => format!("{}: {}", assertion.name, assertion.detail),
            })
    }
}

/// What became of an expectation in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssertionVerdict {
    /// It was checked and held.
    Held,
    /// It did not hold.
    Violated,
    /// The run left nothing that it says anything about.
    NothingToCheck,
}

/// A judged expectation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assertion {
    /// Name of the property, or the bound in words.
    pub name: String,
    /// Kind of claim: `always`, `eventually`, `slo`.
    pub class: String,
    /// What became of it.
    pub verdict: AssertionVerdict,
    /// What was found.
    pub detail: String,
    /// When it first did not hold, if that has a time.
    pub at_ns: Option<u64>,
}

/// How requests ended, seen from users.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestCounts {
    /// Complete answers.
    pub succeeded: u64,
    /// Errors and broken answers.
    pub failed: u64,
    /// The user hung up.
    pub cancelled: u64,
    /// No answer at the end.
    pub lost: u64,
}

/// Why something could not be carried out; a run that fails its expectations is no such error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// Not in this build or not on this machine.
    #[error("{0}")]
    Unavailable(String),
    /// Files, ports, memory.
    #[error("{0}")]
    Environment(String),
    /// The input is not what it should be.
    #[error("{0}")]
    Input(String),
}

/// Carries out runs. Called from several threads at once, each with a plan of its own.
pub trait Execute: Sync {
    /// Whether an engine can be used.
    ///
    /// # Errors
    /// One sentence that says why not.
    fn check(&self, engine: Engine) -> Result<(), String>;

    /// Runs a plan and fills the store, if there is one.
    ///
    /// # Errors
    /// The run could not be set up or stored.
    fn run(&self, job: &Job<'_>) -> Result<RunResult, ServiceError>;

    /// What tells this build of the program from every other; `None` if that cannot be told. The same for each call.
    fn build(&self) -> Option<String>;

    /// Whether the store in a run folder is whole and is the one that came with this result.
    ///
    /// # Errors
    /// One sentence that says what is wrong with it.
    fn check_store(&self, run: &Path, result: &RunResult) -> Result<(), String>;

    /// Runs a plan again and says where it first differs from a recorded store; `None` if the recording has no event
    /// log or if nothing differs.
    ///
    /// # Errors
    /// The run could not be set up, or the recording cannot be read.
    fn first_divergence(&self, job: &Job<'_>, recorded: &Path) -> Result<Option<String>, ServiceError>;
}

/// A run folder to report on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunFolder {
    /// Where it is.
    pub path: PathBuf,
    /// As the user named it, for messages.
    pub shown: PathBuf,
}

/// What to do about runs that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damaged {
    /// There is no report.
    Refuse,
    /// The report is on the others, and says how many are left out.
    Skip,
}

/// A report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HtmlReport {
    /// One self-contained file.
    pub html: String,
    /// Verdicts, flows of coins and costs of operations as plain text.
    pub text: String,
    /// Runs that are not in it: which and why, one line each.
    pub left_out: Vec<String>,
}

/// Makes reports from run stores.
pub trait Report: Sync {
    /// One self-contained HTML file about these runs.
    ///
    /// # Errors
    /// A store cannot be read, and damaged ones are refused; or none can be read. The error names every one.
    fn html(&self, runs: &[RunFolder], damaged: Damaged) -> Result<HtmlReport, ServiceError>;
}

/// Where a network that is up can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Endpoints {
    /// HTTP endpoint (`127.0.0.1:PORT`) of each client by name.
    pub clients: Vec<(String, String)>,
    /// Ports of each proxy for clients and for workers, by name.
    pub proxies: Vec<(String, String, String)>,
    /// A model that can be asked for.
    pub model: String,
}

/// What there is to tell about a network that is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkEvent<'a> {
    /// It can be used now.
    Ready(&'a Endpoints),
    /// Something happened, in one line.
    Line(&'a str),
}

/// A chain to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainOptions {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Virtual seconds to a second of the clock.
    pub speed: u32,
    /// Test wallets that a new chain begins with.
    pub accounts: u32,
    /// What each of them has.
    pub balance_nanoton: u128,
    /// Most that one call of the faucet gives; `None` for no faucet.
    pub faucet_nanoton: Option<u128>,
    /// Seed of the test wallets' keys.
    pub seed: u64,
    /// The prices until April 2026 instead of today's.
    pub old_fees: bool,
    /// Unix time at which it starts; `None` for this machine's.
    pub now_unix_s: Option<u32>,
    /// File that the chain is taken up from and left in.
    pub state: Option<PathBuf>,
    /// Largest body of a request.
    pub max_body_bytes: usize,
}

/// A wallet whose key everybody may know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TestAccount {
    /// Its address, friendly.
    pub address: String,
    /// `v4r2` or `v5r1`.
    pub wallet: &'static str,
    /// Ed25519, hexadecimal.
    pub public_key: String,
    /// The 32 bytes that the key is made of, hexadecimal.
    pub secret_seed: String,
}

/// A chain that can be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChainReady {
    /// Where, without a path.
    pub url: String,
    /// The test wallets.
    pub accounts: Vec<TestAccount>,
    /// Whether it goes on from a file.
    pub is_restored: bool,
    /// Whether it has a faucet.
    pub has_faucet: bool,
    /// Unix time on the chain.
    pub now_unix_s: u32,
}

/// What there is to tell about a chain that is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainEvent<'a> {
    /// It can be used now.
    Ready(&'a ChainReady),
    /// Something happened, in one line.
    Line(&'a str),
}

/// Things on real sockets that last until somebody ends them.
pub trait Serve: Sync {
    /// Starts the nodes of a plan on loopback, tells where they are, and returns once `stop` is not zero. With
    /// `verbose`, everything that nodes report is told too, as JSON lines.
    ///
    /// # Errors
    /// A port is taken, an identity cannot be made.
    fn up(
        &self,
        plan: &Plan,
        verbose: bool,
        tell: &mut dyn FnMut(NetworkEvent<'_>),
        stop: &AtomicUsize,
    ) -> Result<(), ServiceError>;

    /// Opens a port on loopback behind which the proof of work of `target` is done, tells its address, and returns once
    /// `stop` is not zero. Lines are about connections that failed.
    ///
    /// # Errors
    /// No port can be opened.
    fn tunnel(
        &self,
        target: SocketAddr,
        ready: &mut dyn FnMut(SocketAddr),
        tell: &mut dyn FnMut(&str),
        stop: &AtomicUsize,
    ) -> Result<(), ServiceError>;

    /// Serves a simulated chain, tells where it is, and returns once `stop` is not zero.
    ///
    /// # Errors
    /// The port is taken, the state file is none.
    fn chain(
        &self,
        options: &ChainOptions,
        tell: &mut dyn FnMut(ChainEvent<'_>),
        stop: &AtomicUsize,
    ) -> Result<(), ServiceError>;
}

/// What `bench` measures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BenchOptions {
    /// What is measured.
    pub parts: Vec<Part>,
    /// Runs of each measurement; the median counts.
    pub runs: usize,
    /// A tenth of the work.
    pub is_quick: bool,
}

/// What `bench attest` measures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttestBenchOptions {
    /// Runs of each measurement; the median counts.
    pub runs: usize,
    /// A tenth of the work.
    pub is_quick: bool,
    /// Mutants to judge as well.
    pub gate: Option<GateOptions>,
}

/// What `bench` measured, for people and for programs.
#[derive(Debug, Clone, PartialEq)]
pub struct BenchReport {
    /// Whether a gate that was part of it blocks.
    pub is_blocked: bool,
    /// Tables.
    pub text: String,
    /// The same and every single run.
    pub json: serde_json::Value,
}

/// Measures the speed of the simulator.
pub trait Measure: Sync {
    /// Runs the benchmarks and tells what is measured next, in one line each.
    ///
    /// # Errors
    /// A benchmark could not be set up.
    fn sim(&self, options: BenchOptions, progress: &mut dyn FnMut(&str)) -> Result<BenchReport, ServiceError>;

    /// Measures the simulated chain, with the recorded traffic of the checkout in `repository`; parts are not told apart.
    ///
    /// # Errors
    /// It is no checkout.
    fn chain(
        &self,
        options: BenchOptions,
        repository: &Path,
        progress: &mut dyn FnMut(&str),
    ) -> Result<BenchReport, ServiceError>;

    /// Measures attestation, and judges mutants until all are judged or `stop` is not zero.
    ///
    /// # Errors
    /// None in practice.
    fn attest(
        &self,
        options: &AttestBenchOptions,
        stop: &AtomicUsize,
        progress: &mut dyn FnMut(&str),
    ) -> Result<BenchReport, ServiceError>;
}

/// The services that a program has.
#[derive(Clone, Copy, Default)]
pub struct Services<'a> {
    /// Runs plans.
    pub execute: Option<&'a dyn Execute>,
    /// Makes reports.
    pub report: Option<&'a dyn Report>,
    /// Keeps networks up.
    pub serve: Option<&'a dyn Serve>,
    /// Measures speed.
    pub measure: Option<&'a dyn Measure>,
}

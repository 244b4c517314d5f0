//! All commands, as `clap` sees them.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use chrysalis_bench_sim::Part;
use chrysalis_world::chain_server::ServerOptions;
use clap::{Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

use chrysalis_world::plan::Profile;

use super::attest::args::AttestCommand;
use crate::scenario::scalar::{Coins, Scalar as _, SeedRange};
use crate::services::Engine;

/// Deterministic simulation and verification of confidential inference networks on TON.
#[derive(Debug, Parser)]
#[command(
    name = "chrysalis",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
#[command(
    after_help = "Exit codes: 0 pass, 1 refused, 2 usage, 3 invalid scenario, 4 nothing selected, 5 environment,\n\
    6 non-determinism, 10 a gate blocks, 100 scenario failures, 101 internal error, 130/143 signals.\n\
    Of several, `run` ends with the first of: signal, 101, 6, 100, 5."
)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
}

/// Options of every command.
#[derive(Debug, Clone, clap::Args)]
pub struct Global {
    /// Machine-readable output on stdout.
    #[arg(long, global = true)]
    pub json: bool,
    /// Only results and errors on stderr.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// More on stderr: every run as it ends.
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run scenarios with their seeds and judge them.
    Run(Run),
    /// Run a recorded run again and compare it with the record.
    Replay(Replay),
    /// Check scenario files without running them.
    Lint(Paths),
    /// Print the JSON Schema of scenario files.
    Schema,
    /// List scenarios, or the properties that scenarios may expect.
    List(List),
    /// Explain a diagnostic code, or list all codes.
    Explain(Explain),
    /// Check that this machine and this build can run scenarios.
    Doctor,
    /// Keep the network of a scenario up on loopback sockets until Ctrl-C.
    Up(Up),
    /// Open a port behind which a node's proof of work is done, for ordinary TLS tools.
    Tunnel(Tunnel),
    /// A simulated TON chain for ordinary TON clients.
    #[command(subcommand)]
    Chain(ChainCommand),
    /// Evidence of confidential machines: judge it, show it, make simulated evidence and mutants.
    #[command(subcommand)]
    Attest(AttestCommand),
    /// Make a report of recorded runs.
    Report(Report),
    /// Measure speed: of the simulator, of the simulated chain, of attestation.
    Bench(Bench),
    /// Print a completion script for a shell.
    Completions(Completions),
}

/// Scenario files and folders of them.
#[derive(Debug, Clone, clap::Args)]
pub struct Paths {
    /// Scenario files, or folders that are searched for `*.yaml`.
    #[arg(value_name = "PATH", default_value = "scenarios", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    /// Only scenarios whose name contains this.
    #[arg(short = 'k', long, value_name = "TEXT")]
    pub filter: Option<String>,
    /// Only scenarios with this tag.
    #[arg(short, long)]
    pub tag: Option<String>,
}

/// Options of `run`.
#[derive(Debug, Clone, clap::Args)]
pub struct Run {
    /// What to run.
    #[command(flatten)]
    pub select: Paths,
    /// Seeds: `A..B` (without B), or `N` for `0..N`. Default: what each scenario says.
    #[arg(short, long, value_name = "A..B")]
    pub seeds: Option<SeedRange>,
    /// What executes plans. Default: madsim where it is built in, else native.
    #[arg(short, long)]
    pub engine: Option<Engine>,
    /// Behaviour: hardened, or reference, which has the documented weak points. Scenarios may expect other things of each.
    #[arg(short, long, default_value = "hardened", value_parser = profile)]
    pub profile: Profile,
    /// Folder with contract codes to use instead of the project's: root.boc, proxy.boc, client.boc, worker.boc, wallet.boc,
    /// all or some.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub contracts: Option<PathBuf>,
    /// Threads. Default: one for each core.
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
    /// Folder of run folders: `DIR/<scenario>/<seed>`, and `DIR/<scenario>@reference/<seed>` for the other profile.
    #[arg(short, long, value_name = "DIR", default_value = "runs", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
    /// Keep verdicts only.
    #[arg(long, conflicts_with_all = ["resume", "html"])]
    pub no_store: bool,
    /// Take runs that are stored already, whole and of the same plan, engine and build of the program, as they are.
    #[arg(long)]
    pub resume: bool,
    /// Run every plan twice and compare.
    #[arg(long)]
    pub twice: bool,
    /// Write a JUnit report.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub junit: Option<PathBuf>,
    /// Write an HTML report on all runs.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub html: Option<PathBuf>,
}

/// Options of `replay`.
#[derive(Debug, Clone, clap::Args)]
pub struct Replay {
    /// A run folder, such as `runs/hello/0`.
    #[arg(value_name = "RUN", value_hint = ValueHint::DirPath)]
    pub run: PathBuf,
    /// Another engine than the recorded one; then only what users got is compared.
    #[arg(short, long)]
    pub engine: Option<Engine>,
}

/// Options of `list`.
#[derive(Debug, Clone, clap::Args)]
pub struct List {
    /// What to list.
    #[command(flatten)]
    pub select: Paths,
    /// List the built-in properties instead.
    #[arg(long)]
    pub properties: bool,
}

/// Options of `explain`.
#[derive(Debug, Clone, clap::Args)]
pub struct Explain {
    /// A code such as CHR-S031; none lists all.
    #[arg(value_name = "CODE")]
    pub code: Option<String>,
}

/// Options of `up`.
#[derive(Debug, Clone, clap::Args)]
pub struct Up {
    /// A scenario whose network to keep up; its workload and faults are left out. Default: one client, proxy and worker.
    #[arg(value_name = "SCENARIO", value_hint = ValueHint::FilePath)]
    pub scenario: Option<PathBuf>,
    /// Seed of identities and model weights.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// Options of `tunnel`.
#[derive(Debug, Clone, clap::Args)]
pub struct Tunnel {
    /// Where the node listens for attested TLS.
    #[arg(value_name = "ADDRESS:PORT")]
    pub node: SocketAddr,
}

/// What to do with a simulated chain.
#[derive(Debug, Clone, Subcommand)]
pub enum ChainCommand {
    /// Serve a chain over a toncenter-compatible HTTP API (v2, v3) until Ctrl-C.
    Serve(ChainServe),
}

/// Options of `chain serve`.
#[derive(Debug, Clone, clap::Args)]
pub struct ChainServe {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8081")]
    pub listen: SocketAddr,
    /// Allow an address that other machines can reach.
    #[arg(long)]
    pub beyond_loopback: bool,
    /// Virtual seconds to a second of the clock.
    #[arg(long, value_name = "FACTOR", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(ServerOptions::MAX_SPEED)))]
    pub speed: u32,
    /// Test wallets that the chain begins with, v4r2 and v5r1 in turn. Their keys are printed.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub accounts: u32,
    /// What each test wallet has.
    #[arg(long, value_name = "AMOUNT", default_value = "1000 TON", value_parser = coins)]
    pub balance: u64,
    /// Seed of the test wallets' keys.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Let `POST /faucet` give up to this much at once.
    #[arg(long, value_name = "AMOUNT", value_parser = coins)]
    pub faucet: Option<u64>,
    /// The prices until April 2026 instead of today's.
    #[arg(long)]
    pub old_fees: bool,
    /// Unix time at which the chain starts to be served. Default: the clock of this machine.
    #[arg(long, value_name = "SECONDS")]
    pub now: Option<u32>,
    /// Keep the chain in a file: taken up if it is there, written at the end. Then `--accounts` are not made anew.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub state: Option<PathBuf>,
    /// Largest body of a request.
    #[arg(long, value_name = "BYTES", default_value_t = ServerOptions::MAX_BODY_BYTES, value_parser = body_bytes)]
    pub max_body_bytes: usize,
}

fn coins(text: &str) -> Result<u64, String> {
    Coins::parse(text)
        .map(|coins| coins.0)
        .map_err(|error| format!("{error}: an amount such as `15 TON`"))
}

fn body_bytes(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1_024..=67_108_864) => Ok(number),
        _ => Err("a number from 1024 to 67108864".to_owned()),
    }
}

/// Options of `report`.
#[derive(Debug, Clone, clap::Args)]
pub struct Report {
    /// Run folders, or folders of run folders.
    #[arg(value_name = "RUN", required = true, value_hint = ValueHint::DirPath)]
    pub runs: Vec<PathBuf>,
    /// Report on the runs that can be read and leave the others out, instead of making no report.
    #[arg(long)]
    pub skip_damaged: bool,
    /// Where to write it; `-` is stdout.
    #[arg(long, value_name = "FILE", default_value = "report.html", value_hint = ValueHint::FilePath)]
    pub html: PathBuf,
    /// Where to write flows of coins and costs of operations as plain text; `-` is stdout.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub text: Option<PathBuf>,
}

/// Options of `bench`.
#[derive(Debug, Clone, clap::Args)]
pub struct Bench {
    /// What to measure.
    #[arg(value_enum)]
    pub subject: BenchSubject,
    /// Runs of each benchmark; the median counts.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = repetitions)]
    pub repetitions: usize,
    /// A tenth of the work, for a first look.
    #[arg(long)]
    pub quick: bool,
    /// Only this part of `sim`: memory, echo, tls, threads or scenarios. May be given several times. Default: all.
    #[arg(long = "part", value_name = "PART", value_parser = part)]
    pub parts: Vec<Part>,
    /// With `attest`: judge so many mutants as well. Exit code 10 if one is not judged as declared, makes the verifier panic or
    /// takes it more than 50 ms.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub mutations: Option<u64>,
    /// Number of the first mutant: where a run that was stopped goes on, or another machine's share begins.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "mutations")]
    pub first: u64,
    /// What the mutants follow from.
    #[arg(long, value_name = "S", default_value_t = 0, requires = "mutations")]
    pub seed: u64,
    /// Threads that judge mutants. Default: one for each core.
    #[arg(long, value_name = "N", requires = "mutations")]
    pub threads: Option<NonZeroUsize>,
}

fn part(text: &str) -> Result<Part, String> {
    Part::from_name(text).ok_or_else(|| format!("one of {}", Part::ALL.map(Part::name).join(", ")))
}

fn profile(text: &str) -> Result<Profile, String> {
    let names = || Profile::ALL.map(Profile::name).join(" or ");
    let found = Profile::ALL.into_iter().find(|profile| profile.name() == text);
    found.ok_or_else(names)
}

fn repetitions(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=1_000) => Ok(number),
        _ => Err("a number from 1 to 1000".to_owned()),
    }
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BenchSubject {
    /// The simulator.
    Sim,
    /// The simulated chain; from the root of a checkout, where its recorded traffic is.
    Chain,
    /// Evidence: making and verifying it, and the gate of mutations.
    Attest,
}

/// Options of `completions`.
#[derive(Debug, Clone, clap::Args)]
pub struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

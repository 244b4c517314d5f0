//! Measures the simulated world: messages, memory, hand-shakes and threads, against itself and against others.
//!
//! [`run`] measures what [`Options`] ask for and gives a [`Report`]: rates per CPU-second (user and system time of the
//! process), each the median of several runs after a warm-up, and the verdict on each [`Target`]. What is compared is
//! measured in turns, so that a busy machine slows both sides down.
//!
//! Whole scenarios are measured by whoever can run them: as [`Series`] of the part [`Part::Scenarios`].
//!
//! The other simulators are behind the feature `rivals`: without it they are not built, and targets that need them are
//! not measured.
//!
//! | module | holds |
//! |---|---|
//! | [`attest`] | evidence: issue, verification, and the gate of mutations |
//! | [`chain`] | the simulated chain |
//! | [`report`] | what was measured, targets, the table |
//! | `echo` | request and response in the simulated world; memory of its idle nodes |
//! | `rivals` | the same work on real sockets, turmoil and madsim |
//! | `tls` | attested TLS between simulated nodes |
//! | `threads` | a seed per thread |
//! | `measure` | CPU time, memory |

pub mod attest;
pub mod chain;
mod echo;
mod measure;
pub mod report;
mod rivals;
mod threads;
mod tls;

pub use attest::{AttestOptions, GateOptions, GateOutcome, run_attest, run_gate};
pub use chain::{ChainOptions, run_chain};
pub use measure::{cpu_seconds, per_cpu_second};
pub use report::{Bound, Measurement, Report, Target, Verdict};

use chrysalis_sim::{CryptoMode, EngineKind, MADSIM_AVAILABLE};
use std::sync::Arc;

/// A part of the measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Memory of idle nodes; it comes first, while no memory that was freed can be used again.
    Memory,
    /// Messages between 100, 1,000 and 10,000 clients and a server, and the rivals' with 100.
    Echo,
    /// Hand-shakes and messages of attested TLS.
    Tls,
    /// Two threads with a seed each.
    Threads,
    /// Whole scenarios, given by the caller.
    Scenarios,
}

impl Part {
    /// All, in the order in which they are measured.
    pub const ALL: [Self; 5] = [Self::Memory, Self::Echo, Self::Tls, Self::Threads, Self::Scenarios];

    /// As it is written on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Echo => "echo",
            Self::Tls => "tls",
            Self::Threads => "threads",
            Self::Scenarios => "scenarios",
        }
    }

    /// The part with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }
}

/// What to measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Runs of each measurement after its warm-up; the median counts.
    pub runs: usize,
    /// Work of a run, percent of the full work.
    pub work_percent: usize,
    /// Parts to measure.
    pub parts: Vec<Part>,
}

impl Default for Options {
    /// Everything, in full, five times.
    fn default() -> Self {
        Self {
            runs: 5,
            work_percent: 100,
            parts: Part::ALL.to_vec(),
        }
    }
}

impl Options {
    fn scaled(&self, full: usize) -> usize {
        (full * self.work_percent / 100).max(2)
    }
}

/// How far [`run`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// What is measured next.
    pub name: &'a str,
    /// Runs of this part that are done, warm-ups included.
    pub done: usize,
    /// Runs of this part.
    pub total: usize,
}

/// One thing to measure, and how: a run gives one number.
pub struct Series {
    name: String,
    unit: &'static str,
    run: Box<dyn Fn() -> f64>,
}

impl std::fmt::Debug for Series {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Series")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Series {
    /// What is measured (as [`report`] names it), what its numbers count, and a run; one that fails gives 0.
    pub fn new(name: impl Into<String>, unit: &'static str, run: impl Fn() -> f64 + 'static) -> Self {
        Self {
            name: name.into(),
            unit,
            run: Box::new(run),
        }
    }
}

/// Measures what `options` ask for. A measurement that fails counts as 0.
pub fn run(options: &Options, scenarios: &[Series], progress: &mut dyn FnMut(Progress<'_>)) -> Report {
    let mut measurements = Vec::new();
    for part in Part::ALL.into_iter().filter(|part| options.parts.contains(part)) {
        match part {
            Part::Memory => measurements.push(memory(progress)),
            Part::Echo => {
                for clients in [100, 1_000, 10_000] {
                    measurements.extend(in_turns(&echo_series(options, clients), options.runs, progress));
                }
            }
            Part::Tls => measurements.extend(in_turns(&tls_series(options), options.runs, progress)),
            Part::Threads => measurements.extend(in_turns(&thread_series(options), options.runs, progress)),
            Part::Scenarios => measurements.extend(in_turns(scenarios, options.runs, progress)),
        }
    }
    Report::new(measurements)
}

/// Runs each series once to warm up, then all of them in turns.
fn in_turns(all: &[Series], runs: usize, progress: &mut dyn FnMut(Progress<'_>)) -> Vec<Measurement> {
    let total = all.len() * (runs + 1);
    let mut samples = vec![Vec::with_capacity(runs); all.len()];
    for round in 0..=runs {
        for (index, series) in all.iter().enumerate() {
            progress(Progress {
                name: &series.name,
                done: round * all.len() + index,
                total,
            });
            let sample = (series.run)();
            if round > 0 {
                samples[index].push(sample);
            }
        }
    }
    all.iter()
        .zip(samples)
        .map(|(series, samples)| Measurement::new(series.name.clone(), series.unit, samples))
        .collect()
}

/// Once: a second world would live in the memory of the first.
fn memory(progress: &mut dyn FnMut(Progress<'_>)) -> Measurement {
    let name = "memory/native/10000";
    progress(Progress {
        name,
        done: 0,
        total: 1,
    });
    let bytes = echo::bytes_per_client(EngineKind::Native, 10_000);
    Measurement::new(name.into(), "resident bytes per idle client", vec![bytes])
}

fn engines() -> impl Iterator<Item = (&'static str, EngineKind)> {
    let madsim = MADSIM_AVAILABLE.then_some(("madsim", EngineKind::Madsim));
    [("native", EngineKind::Native)].into_iter().chain(madsim)
}

const MESSAGES: &str = "messages per CPU-second";

fn echo_series(options: &Options, clients: usize) -> Vec<Series> {
    // The same number of messages, whatever the number of clients.
    let rounds = options.scaled(500_000 / clients);
    let mut all: Vec<Series> = engines()
        .map(|(name, engine)| {
            Series::new(format!("echo/{name}/{clients}"), MESSAGES, move || {
                echo::rate(engine, clients, rounds)
            })
        })
        .collect();
    if clients == 100 {
        all.extend(rivals::all().into_iter().map(|rival| {
            let rounds = options.scaled(rival.rounds);
            Series::new(format!("echo/{}/{clients}", rival.name), MESSAGES, move || {
                (rival.rate)(clients, rounds)
            })
        }));
    }
    all
}

fn tls_series(options: &Options) -> Vec<Series> {
    let Some(evidence) = tls::Evidence::new() else {
        return Vec::new();
    };
    let handshakes = tls::Work {
        clients: 100,
        connections: options.scaled(20),
        rounds: 0,
        message_bytes: echo::MESSAGE_BYTES,
        bound_to_session: false,
    };
    let sessions = tls::Work {
        bound_to_session: true,
        ..handshakes
    };
    let messages = tls::Work {
        connections: 1,
        rounds: options.scaled(2_000),
        ..handshakes
    };
    let mut all = Vec::new();
    for (kind, unit, work) in [
        ("handshakes", "hand-shakes per CPU-second", handshakes),
        ("sessions", "attested sessions per CPU-second", sessions),
        ("tls", MESSAGES, messages),
    ] {
        for (engine_name, engine) in engines() {
            for (crypto_name, crypto) in [
                ("deterministic", CryptoMode::Deterministic),
                ("ring", CryptoMode::StockRing),
            ] {
                let evidence = evidence.clone();
                all.push(Series::new(
                    format!("{kind}/{engine_name}/{crypto_name}"),
                    unit,
                    move || tls::rate(engine, crypto, &evidence, work),
                ));
            }
        }
    }
    all
}

fn thread_series(options: &Options) -> Vec<Series> {
    let Some(evidence) = tls::Evidence::new() else {
        return Vec::new();
    };
    let seeds = options.scaled(400) as u64;
    engines()
        .map(|(name, engine)| {
            let evidence = Arc::clone(&evidence);
            Series::new(
                format!("threads/{name}"),
                "times as fast as one thread, by the wall clock",
                move || threads::speed_up(engine, &evidence, seeds),
            )
        })
        .collect()
}

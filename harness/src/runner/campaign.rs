//! Scenarios × seeds on threads. One seed is never shared between threads, and nothing that a thread does depends on
//! what the others do: the verdicts are those of a run on one thread.

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use chrysalis_world::plan::Profile;

use super::elapsed::Watch;
use super::record::{PendingFolder, Record};
use super::select::Selected;
use crate::cli::problem::CommandError;
use crate::plan::{digest, plan_in};
use crate::scenario::scalar::SeedRange;
use crate::services::{Engine, Execute, Job, RunResult, ServiceError};

/// Stack of a thread that runs worlds.
const STACK_BYTES: usize = 16 << 20;

/// How often the caller hears of the time passing.
const TICK: Duration = Duration::from_millis(100);

/// How a campaign is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// What executes plans.
    pub engine: Engine,
    /// Threads.
    pub jobs: NonZeroUsize,
    /// Folder of run folders (`<out>/<scenario>/<seed>`); `None` keeps verdicts only.
    pub out: Option<PathBuf>,
    /// Whether runs that are stored already are taken as they are.
    pub resume: bool,
    /// Whether each plan is run a second time to compare.
    pub twice: bool,
}

/// A scenario with the seeds to run.
#[derive(Debug, Clone, Copy)]
pub struct Suite<'a> {
    /// The scenario.
    pub selected: &'a Selected,
    /// Its seeds.
    pub seeds: SeedRange,
    /// Which behaviour is simulated.
    pub profile: Profile,
    /// The folder of contract codes on the command line.
    pub contracts: Option<&'a Path>,
}

impl Suite<'_> {
    /// Name of the folder of its runs. No scenario has a name with `@` in it.
    #[must_use]
    pub fn folder(&self) -> String {
        match self.profile {
            Profile::Hardened => self.selected.scenario.name.clone(),
            Profile::Reference => format!("{}@reference", self.selected.scenario.name),
        }
    }
}

/// What became of a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Everything held.
    Passed,
    /// What did not hold, one line each.
    Failed(Vec<String>),
    /// There is no verdict.
    Broken(CommandError),
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedOutcome {
    /// Index of the suite.
    pub suite: usize,
    /// The seed.
    pub seed: u64,
    /// What became of it.
    pub verdict: Verdict,
    /// Names of expectations that had nothing to check in it.
    pub unchecked: Vec<String>,
    /// Virtual time that passed.
    pub virtual_ns: u64,
    /// Real time that it took; zero if it was taken from an earlier campaign.
    pub elapsed: Duration,
    /// Whether it was taken from an earlier campaign.
    pub resumed: bool,
    /// The run folder, if there is one.
    pub folder: Option<PathBuf>,
}

/// All runs.
#[derive(Debug)]
pub struct Campaign {
    /// Runs that ended, by suite and seed.
    pub outcomes: Vec<SeedOutcome>,
    /// How many there were to run.
    pub total: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// The signal that ended it early.
    pub signal: Option<u8>,
}

/// What the caller hears while a campaign goes on.
#[derive(Debug)]
pub enum Notice<'a> {
    /// A run ended.
    Ended(&'a SeedOutcome),
    /// Some time has passed.
    Tick,
}

/// Runs every seed of every suite, unless a signal comes or output cannot be written: then the runs under way are
/// finished and no more are begun.
pub fn run(
    execute: &dyn Execute,
    suites: &[Suite<'_>],
    options: &Options,
    stop: &AtomicUsize,
    mut notice: impl FnMut(Notice<'_>),
) -> Campaign {
    let watch = Watch::start();
    let total: u64 = suites.iter().map(|suite| length(suite.seeds)).sum();
    let next = AtomicU64::new(0);
    let halted = AtomicBool::new(false);
    let mut outcomes = Vec::new();
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        let (next, halted) = (&next, &halted);
        for _ in 0..options
            .jobs
            .get()
            .min(usize::try_from(total).unwrap_or(usize::MAX))
            .max(1)
        {
            let sender = sender.clone();
            let work = move || {
                while stop.load(Ordering::Relaxed) == 0 && !halted.load(Ordering::Relaxed) {
                    let Some((index, suite, seed)) = task(suites, next.fetch_add(1, Ordering::Relaxed)) else {
                        break;
                    };
                    let outcome = one(execute, index, suite, seed, options);
                    if matches!(outcome.verdict, Verdict::Broken(CommandError::OutputFolder { .. })) {
                        halted.store(true, Ordering::Relaxed);
                    }
                    if sender.send(outcome).is_err() {
                        break;
                    }
                }
            };
            if std::thread::Builder::new()
                .stack_size(STACK_BYTES)
                .spawn_scoped(scope, work)
                .is_err()
            {
                // The threads that could be started do the work; this one would only have been faster.
                break;
            }
        }
        drop(sender);
        loop {
            match receiver.recv_timeout(TICK) {
                Ok(outcome) => {
                    notice(Notice::Ended(&outcome));
                    outcomes.push(outcome);
                }
                Err(mpsc::RecvTimeoutError::Timeout) => notice(Notice::Tick),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
        }
    });
    outcomes.sort_by_key(|outcome: &SeedOutcome| (outcome.suite, outcome.seed));
    let ended = u64::try_from(outcomes.len()).unwrap_or(u64::MAX);
    let signal = match stop.load(Ordering::Relaxed) {
        0 => None,
        // Everything was finished all the same.
        _ if ended == total => None,
        number => Some(u8::try_from(number).unwrap_or(u8::MAX)),
    };
    Campaign {
        outcomes,
        total,
        elapsed: watch.elapsed(),
        signal,
    }
}

fn length(seeds: SeedRange) -> u64 {
    let range = seeds.seeds();
    range.end - range.start
}

/// The run with this number.
fn task<'a>(suites: &'a [Suite<'a>], number: u64) -> Option<(usize, &'a Suite<'a>, u64)> {
    let mut left = number;
    for (index, suite) in suites.iter().enumerate() {
        let seeds = length(suite.seeds);
        if left < seeds {
            return Some((index, suite, suite.seeds.seeds().start + left));
        }
        left -= seeds;
    }
    None
}

fn one(execute: &dyn Execute, index: usize, suite: &Suite<'_>, seed: u64, options: &Options) -> SeedOutcome {
    let scenario = &suite.selected.scenario;
    let folder = options
        .out
        .as_ref()
        .map(|out| out.join(suite.folder()).join(seed.to_string()));
    let watch = Watch::start();
    let what = format!("{} with seed {seed}", scenario.name);
    let ran = guarded(&what, || {
        let plan = plan_in(scenario, seed, suite.profile);
        let hash = digest::of(&plan).map_err(|error| CommandError::ExecutionFailed {
            what: what.clone(),
            error: ServiceError::Environment(error.to_string()),
        })?;
        if options.resume
            && let Some(result) = folder
                .as_deref()
                .and_then(|folder| stored(execute, folder, &hash, options.engine))
        {
            return Ok((result, true));
        }
        let job = Job {
            plan: &plan,
            scenario_source: &suite.selected.source,
            threat: scenario.threat.as_ref(),
            engine: options.engine,
            store: None,
        };
        let result = execute_and_store(execute, &job, hash, folder.as_deref(), &what)?;
        if options.twice {
            compare(execute, &job, &result, &what)?;
        }
        Ok((result, false))
    });
    let elapsed = watch.elapsed();
    let outcome = |verdict, unchecked, virtual_ns, elapsed, resumed, folder| SeedOutcome {
        suite: index,
        seed,
        verdict,
        unchecked,
        virtual_ns,
        elapsed,
        resumed,
        folder,
    };
    match ran {
        Ok((result, resumed)) => {
            let verdict = if result.passed() {
                Verdict::Passed
            } else {
                Verdict::Failed(result.failures().collect())
            };
            let elapsed = if resumed { Duration::ZERO } else { elapsed };
            let unchecked = result.unchecked();
            outcome(verdict, unchecked, result.virtual_ns, elapsed, resumed, folder)
        }
        Err(error) => {
            // What an earlier campaign left there is not this run's; only the second of two runs comes after the first
            // is stored.
            let folder = folder.filter(|_| matches!(error, CommandError::NotDeterministic { .. }));
            outcome(Verdict::Broken(error), Vec::new(), 0, elapsed, false, folder)
        }
    }
}

/// The result in a run folder, if it is what this build would make of the plan and everything of the run is there.
fn stored(execute: &dyn Execute, folder: &Path, plan_sha256: &str, engine: Engine) -> Option<RunResult> {
    let (record, _) = Record::open(folder, folder).ok()?;
    let is_current = record.is_of(plan_sha256, engine, execute.build().as_deref());
    let is_whole = is_current && execute.check_store(folder, &record.result).is_ok();
    is_whole.then_some(record.result)
}

/// Runs a plan; what it leaves gets the name of its folder only when it is whole.
fn execute_and_store(
    execute: &dyn Execute,
    job: &Job<'_>,
    plan_sha256: String,
    folder: Option<&Path>,
    what: &str,
) -> Result<RunResult, CommandError> {
    let failed = |error| CommandError::ExecutionFailed {
        what: what.to_owned(),
        error,
    };
    let Some(folder) = folder else {
        return execute.run(job).map_err(failed);
    };
    let pending = PendingFolder::create(folder)?;
    let stored = Job {
        store: Some(pending.path()),
        ..*job
    };
    match guarded(what, || execute.run(&stored).map_err(failed)) {
        Ok(result) => {
            let record = Record::new(job.plan, plan_sha256, job.engine, execute.build(), result);
            pending.finish(&record, job.plan)?;
            Ok(record.result)
        }
        Err(error) => {
            pending.discard();
            Err(error)
        }
    }
}

/// Runs a plan again and compares the digests.
///
/// # Errors
/// They differ, or the second run could not be carried out.
pub fn compare(execute: &dyn Execute, job: &Job<'_>, first: &RunResult, what: &str) -> Result<(), CommandError> {
    let second = execute.run(job).map_err(|error| CommandError::ExecutionFailed {
        what: what.to_owned(),
        error,
    })?;
    match difference(first, &second, job.engine) {
        None => Ok(()),
        Some(detail) => Err(CommandError::NotDeterministic {
            what: what.to_owned(),
            detail,
        }),
    }
}

/// What differs between two runs of one plan on one engine.
#[must_use]
pub fn difference(first: &RunResult, second: &RunResult, engine: Engine) -> Option<String> {
    // On real sockets only what users got can be the same.
    if engine.is_deterministic() && first.world_digest != second.world_digest {
        let (first, second) = (&first.world_digest, &second.world_digest);
        return Some(format!("the digest of all events was {first} and is now {second}"));
    }
    if first.application_digest != second.application_digest {
        let (first, second) = (&first.application_digest, &second.application_digest);
        return Some(format!("the digest of what users got was {first} and is now {second}"));
    }
    None
}

/// Turns a panic into an error: other seeds go on.
pub fn guarded<T>(what: &str, work: impl FnOnce() -> Result<T, CommandError>) -> Result<T, CommandError> {
    // Nothing that the closure touches is used after a panic: the run is given up as a whole.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let message = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        Err(CommandError::Panicked {
            what: what.to_owned(),
            message,
        })
    })
}

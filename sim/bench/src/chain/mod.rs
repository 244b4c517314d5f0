//! Measures the simulated chain: the settlement contracts' recorded traffic through the executor here and through that of
//! `@ton/sandbox`, a mix of messages through a whole chain, hours of virtual time, saving and going back.
//!
//! | module | holds |
//! |---|---|
//! | [`vectors`] | the recorded calls, ready to be run |
//! | `sandbox` | the same calls in a child process of Node |

mod sandbox;
pub mod vectors;

use std::{
    path::{Path, PathBuf},
    rc::Rc,
};

use chrysalis_chain::bench::{Mix, SnapshotBench, idle_hour, loaded_hour};

use crate::{
    Progress, Report, Series, in_turns,
    measure::{cpu_ns, per_cpu_second, rate},
    report::CHAIN_TARGETS,
};
use vectors::Vectors;

pub use vectors::VectorsError;

/// Where the recorded calls are in a checkout of the project.
const VECTORS: &str = "sim/chain/tests/conformance";
/// The two builds of the contracts.
const PROFILES: [&str; 2] = ["hardened", "reference"];
/// Accounts of the mix: an eighth of a block's worth of messages a round.
const MIX_ACCOUNTS: u32 = 1_024;
/// Rounds of the mix at full work.
const MIX_ROUNDS: usize = 40;
/// Accounts of an hour.
const HOUR_ACCOUNTS: u32 = 1_000;
/// Orders a block of a loaded hour: each makes two transactions.
const HOUR_ORDERS: u32 = 10;
/// Accounts of a chain that is saved.
const SNAPSHOT_ACCOUNTS: u32 = 10_000;
/// Orders between saving and going back: a going back that has something to undo.
const SNAPSHOT_ORDERS: u32 = 20;

/// What to measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainOptions {
    /// Root of a checkout: the recorded calls, and Node's packages, are read from there.
    pub repository: PathBuf,
    /// Runs of each measurement after its warm-up; the median counts.
    pub runs: usize,
    /// Work of a run, percent of the full work.
    pub work_percent: usize,
}

/// Measures the chain.
///
/// # Errors
/// The recorded calls are not there.
pub fn run_chain(
    options: &ChainOptions,
    progress: &mut dyn FnMut(Progress<'_>),
    tell: &mut dyn FnMut(&str),
) -> Result<Report, VectorsError> {
    let share = |full: usize| (full * options.work_percent / 100).max(1);
    let mut executors = Vec::new();
    let rival = sandbox::Sandbox::find(&options.repository);
    if let Err(why) = &rival {
        tell(&format!("@ton/sandbox is not measured: {why}"));
    }
    for profile in PROFILES {
        let path = vectors_path(&options.repository, profile);
        let vectors = Rc::new(Vectors::read(&path)?);
        let calls = share(vectors.len());
        let passes = share(20);
        let own = vectors.clone();
        executors.push(Series::new(
            format!("executor/{profile}"),
            "transactions per CPU-second",
            move || rate(|| (0..passes).map(|_| own.replay(calls)).sum::<Option<u64>>().unwrap_or(0)),
        ));
        if let Ok(sandbox) = &rival {
            let (sandbox, calls) = (sandbox.clone(), share(vectors.len() / 2));
            executors.push(Series::new(
                format!("sandbox/{profile}"),
                "transactions per CPU-second",
                move || sandbox.rate(&path, calls).unwrap_or(0.0),
            ));
        }
    }
    let mut measurements = in_turns(&executors, options.runs, progress);
    measurements.extend(in_turns(&chain_series(share(MIX_ROUNDS)), options.runs, progress));
    Ok(Report::with_targets(measurements, &CHAIN_TARGETS))
}

fn vectors_path(repository: &Path, profile: &str) -> PathBuf {
    repository.join(VECTORS).join(format!("{profile}.json.gz"))
}

/// What a whole chain does.
fn chain_series(rounds: usize) -> Vec<Series> {
    let rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
    let per_hour = |run: fn() -> Option<u64>| move || per_cpu_second(|| f64::from(u8::from(run().is_some()))).recip();
    vec![
        Series::new("chain/mix", "transactions per CPU-second", move || {
            // Signing and encoding are the work of clients: done before the clock starts.
            let Ok(mix) = Mix::new(MIX_ACCOUNTS, rounds) else {
                return 0.0;
            };
            rate(|| mix.run().unwrap_or(0))
        }),
        Series::new(
            format!("chain/idle-hour/{HOUR_ACCOUNTS}"),
            "CPU-seconds per virtual hour",
            per_hour(|| idle_hour(HOUR_ACCOUNTS).ok()),
        ),
        Series::new(
            format!("chain/loaded-hour/{HOUR_ACCOUNTS}"),
            "CPU-seconds per virtual hour, 50 transactions/s",
            per_hour(|| loaded_hour(HOUR_ACCOUNTS, HOUR_ORDERS).ok()),
        ),
        Series::new(
            format!("chain/snapshot-revert/{SNAPSHOT_ACCOUNTS}"),
            "CPU-milliseconds, 20 accounts changed",
            || {
                let Ok(mut bench) = SnapshotBench::new(SNAPSHOT_ACCOUNTS) else {
                    return 0.0;
                };
                let times = 200;
                let spent_ns = bench.run_timed(times, SNAPSHOT_ORDERS, &mut cpu_ns);
                spent_ns.map_or(0.0, |spent_ns| spent_ns as f64 / f64::from(times) / 1e6)
            },
        ),
    ]
}

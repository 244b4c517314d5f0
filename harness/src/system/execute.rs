//! Running a plan on any engine.

use std::hash::Hasher as _;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use chrysalis_reports::store::{self as run_store, RunStoreWriter, RunVerdict};
use chrysalis_world::{
    Detail, EngineKind, MADSIM_AVAILABLE, Outcome, RunOptions, live,
    plan::{Plan, RequestOutcome},
    properties::Verdict,
    run,
};

use super::{STORE_FOLDER, System, store};
use crate::services::{Assertion, AssertionVerdict, Engine, Execute, Job, RequestCounts, RunResult, ServiceError};

impl Execute for System {
    fn check(&self, engine: Engine) -> Result<(), String> {
        match engine {
            Engine::Madsim if !MADSIM_AVAILABLE => Err(
                "this program was built without `--cfg madsim` (a RUSTFLAGS variable in the environment takes it away): \
                 build it from the workspace without RUSTFLAGS, or use `--engine native`"
                    .to_owned(),
            ),
            Engine::Madsim | Engine::Native | Engine::Tokio => Ok(()),
        }
    }

    fn run(&self, job: &Job<'_>) -> Result<RunResult, ServiceError> {
        let detail = if job.store.is_some() {
            Detail::Full
        } else {
            Detail::Verdicts
        };
        let plan = Arc::new(job.plan.clone());
        let outcome = self.outcome(&plan, job.engine, detail, false)?;
        if let Some(folder) = job.store {
            write_store(folder, job, &plan, &outcome)?;
        }
        Ok(result(&outcome))
    }

    fn build(&self) -> Option<String> {
        self.build.get_or_init(|| executable_identity().ok()).clone()
    }

    fn check_store(&self, run: &Path, result: &RunResult) -> Result<(), String> {
        let manifest = run_store::verify(run.join(STORE_FOLDER)).map_err(|error| error.to_string())?;
        let (described, digests) = (
            &manifest.run,
            (&manifest.run.world_digest, &manifest.run.application_digest),
        );
        let passed = described.verdict == RunVerdict::Pass;
        if digests != (&result.world_digest, &result.application_digest) || passed != result.passed() {
            return Err("the store is that of another run".to_owned());
        }
        Ok(())
    }

    fn first_divergence(&self, job: &Job<'_>, _recorded: &Path) -> Result<Option<String>, ServiceError> {
        // Stores hold digests, not event logs: whether the present program agrees with itself is what can be told.
        let plan = Arc::new(job.plan.clone());
        let a = self.outcome(&plan, job.engine, Detail::Verdicts, true)?;
        let b = self.outcome(&plan, job.engine, Detail::Verdicts, true)?;
        Ok(run::first_divergence(a.log.as_ref(), b.log.as_ref()))
    }
}

impl System {
    /// Runs a plan and gives everything that it left.
    ///
    /// # Errors
    /// The plan cannot be set up, or its world stopped.
    pub fn outcome(
        &self,
        plan: &Arc<Plan>,
        engine: Engine,
        detail: Detail,
        record_events: bool,
    ) -> Result<Outcome, ServiceError> {
        let engine = match engine {
            Engine::Madsim => EngineKind::Madsim,
            Engine::Native => EngineKind::Native,
            Engine::Tokio => return self.live_outcome(plan),
        };
        let options = RunOptions {
            detail,
            record_events,
            ..RunOptions::verdicts(engine)
        };
        chrysalis_world::run(plan, options, &self.workshop)
            .map_err(|error| ServiceError::Environment(error.to_string()))
    }

    fn live_outcome(&self, plan: &Arc<Plan>) -> Result<Outcome, ServiceError> {
        let environment = |error: &dyn std::fmt::Display| ServiceError::Environment(error.to_string());
        let data = tempfile::tempdir().map_err(|error| environment(&error))?;
        let runtime = runtime()?;
        runtime
            .block_on(live::run_live(plan, &self.workshop, data.path()))
            .map_err(|error| environment(&error))
    }
}

/// Length and a 64-bit hash of the program that runs: another build is another program, whatever its version says. This
/// tells builds of friends apart and defends against nobody, and it is part of every command that stores runs: SHA-256
/// of a hundred megabytes would take ten times as long as a small scenario.
fn executable_identity() -> std::io::Result<String> {
    let mut file = std::fs::File::open(std::env::current_exe()?)?;
    // Its algorithm is that of the standard library, which is part of the build.
    let mut hash = std::hash::DefaultHasher::new();
    let mut block = vec![0; 1 << 20];
    let mut length: u64 = 0;
    loop {
        match file.read(&mut block)? {
            0 => return Ok(format!("{length:x}-{:016x}", hash.finish())),
            count => {
                hash.write(&block[..count]);
                length += count as u64;
            }
        }
    }
}

/// A runtime for real sockets.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, ServiceError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| ServiceError::Environment(error.to_string()))
}

fn write_store(folder: &Path, job: &Job<'_>, plan: &Plan, outcome: &Outcome) -> Result<(), ServiceError> {
    let environment = |error: &dyn std::fmt::Display| ServiceError::Environment(error.to_string());
    let target = folder.join(STORE_FOLDER);
    if target.exists() {
        // The folder is this run's own: what an earlier attempt left is replaced as a whole.
        std::fs::remove_dir_all(&target).map_err(|error| environment(&error))?;
    }
    let tables = store::tables(plan, outcome);
    let description = store::description(job, plan, outcome);
    let writer = RunStoreWriter::create(&target).map_err(|error| environment(&error))?;
    writer
        .write(&tables, description)
        .map_err(|error| environment(&error))?;
    Ok(())
}

fn result(outcome: &Outcome) -> RunResult {
    let count = |kind| {
        outcome
            .requests
            .iter()
            .filter(|request| request.outcome == kind)
            .count() as u64
    };
    RunResult {
        assertions: outcome
            .assertions
            .iter()
            .map(|assertion| Assertion {
                name: assertion.name.clone(),
                class: assertion.class.name().to_owned(),
                verdict: match assertion.verdict {
                    Verdict::Held => AssertionVerdict::Held,
                    Verdict::Violated => AssertionVerdict::Violated,
                    Verdict::NothingToCheck => AssertionVerdict::NothingToCheck,
                },
                detail: assertion.detail.clone(),
                at_ns: assertion.at_ns,
            })
            .collect(),
        requests: RequestCounts {
            succeeded: count(RequestOutcome::Succeeded),
            failed: count(RequestOutcome::Failed),
            cancelled: count(RequestOutcome::Cancelled),
            lost: count(RequestOutcome::Lost),
        },
        virtual_ns: outcome.stats.virtual_ns,
        events: outcome.stats.events,
        world_digest: hex::encode(outcome.stats.world_digest),
        application_digest: hex::encode(outcome.application_digest),
    }
}

//! What a run folder says about its run: `run.json`, and `plan.json` to run it again without its scenario.

use std::path::{Path, PathBuf};

use chrysalis_world::plan::Plan;
use serde::{Deserialize, Serialize};

use crate::cli::problem::CommandError;
use crate::plan::digest;
use crate::services::{Engine, RunResult};

/// Names the record of a run.
pub const RECORD_FILE: &str = "run.json";

/// Names its plan.
pub const PLAN_FILE: &str = "plan.json";

/// Bytes of a record or plan that are read.
const RECORD_BYTES_MAX: u64 = 1 << 30;

/// Version of the form of records.
const FORMAT: &str = "chrysalis run 2";

/// The record of a run. Nothing here differs between two runs of one plan: no wall clock, no host, no path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Version of the form.
    pub format: String,
    /// Version of the program that ran it.
    pub program: String,
    /// What tells the build of that program from others of its version; absent if that could not be told.
    pub build: Option<String>,
    /// Name of the scenario.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// The engine.
    pub engine: Engine,
    /// Hash of the plan.
    pub plan_sha256: String,
    /// What it came to.
    pub result: RunResult,
}

impl Record {
    /// A record made by this program.
    #[must_use]
    pub fn new(plan: &Plan, plan_sha256: String, engine: Engine, build: Option<String>, result: RunResult) -> Self {
        Self {
            format: FORMAT.to_owned(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            build,
            scenario: plan.scenario.clone(),
            seed: plan.seed,
            engine,
            plan_sha256,
            result,
        }
    }

    /// Whether the recorded run is the one that this build of the program would make of a plan. A build that cannot be
    /// told from others is never the same.
    #[must_use]
    pub fn is_of(&self, plan_sha256: &str, engine: Engine, build: Option<&str>) -> bool {
        self.plan_sha256 == plan_sha256 && self.engine == engine && self.is_by(build)
    }

    /// Whether this build of the program made it.
    #[must_use]
    pub fn is_by(&self, build: Option<&str>) -> bool {
        build.is_some() && self.build.as_deref() == build && self.program == env!("CARGO_PKG_VERSION")
    }

    /// The record and plan in a run folder, checked against each other.
    ///
    /// # Errors
    /// The folder is not that of a run.
    pub fn open(folder: &Path, shown: &Path) -> Result<(Self, Plan), CommandError> {
        let not_a_run = |why: String| CommandError::NotARun {
            path: shown.to_owned(),
            why,
        };
        let bytes = read(&folder.join(RECORD_FILE)).map_err(|error| not_a_run(format!("{RECORD_FILE}: {error}")))?;
        let record: Self =
            serde_json::from_slice(&bytes).map_err(|error| not_a_run(format!("{RECORD_FILE}: {error}")))?;
        if record.format != FORMAT {
            return Err(not_a_run(format!(
                "{RECORD_FILE} is of another version: this program reads `{FORMAT}`"
            )));
        }
        let bytes = read(&folder.join(PLAN_FILE)).map_err(|error| not_a_run(format!("{PLAN_FILE}: {error}")))?;
        let plan: Plan = serde_json::from_slice(&bytes).map_err(|error| not_a_run(format!("{PLAN_FILE}: {error}")))?;
        let hash = digest::of(&plan).map_err(|error| not_a_run(error.to_string()))?;
        if hash != record.plan_sha256 {
            return Err(not_a_run(format!(
                "{PLAN_FILE} is not the plan that {RECORD_FILE} is about"
            )));
        }
        if (&record.scenario, record.seed) != (&plan.scenario, plan.seed) {
            return Err(not_a_run(format!(
                "{RECORD_FILE} says {} with seed {}, and {PLAN_FILE} is of {} with seed {}",
                record.scenario, record.seed, plan.scenario, plan.seed
            )));
        }
        Ok((record, plan))
    }
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(RECORD_BYTES_MAX)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A run folder while its run goes on: it gets its name when everything is in it, so that whatever has the name is whole.
#[derive(Debug)]
pub struct PendingFolder {
    partial: PathBuf,
    folder: PathBuf,
}

impl PendingFolder {
    /// Starts a folder.
    ///
    /// # Errors
    /// It cannot be made, or something that is not a run has its name.
    pub fn create(folder: &Path) -> Result<Self, CommandError> {
        let failed = |error: std::io::Error| CommandError::OutputFolder {
            path: folder.to_owned(),
            why: error.to_string(),
        };
        if folder.exists() && !is_replaceable(folder) {
            let why = "something that is not a run is there already".to_owned();
            return Err(CommandError::OutputFolder {
                path: folder.to_owned(),
                why,
            });
        }
        let name = folder
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let partial = folder.with_file_name(format!(".{name}.partial"));
        if partial.exists() {
            std::fs::remove_dir_all(&partial).map_err(failed)?;
        }
        std::fs::create_dir_all(&partial).map_err(failed)?;
        Ok(Self {
            partial,
            folder: folder.to_owned(),
        })
    }

    /// Where to write.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.partial
    }

    /// Adds record and plan and gives the folder its name.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn finish(self, record: &Record, plan: &Plan) -> Result<(), CommandError> {
        self.write(record, plan).map_err(|error| CommandError::OutputFolder {
            path: self.folder.clone(),
            why: error.to_string(),
        })
    }

    fn write(&self, record: &Record, plan: &Plan) -> std::io::Result<()> {
        std::fs::write(self.partial.join(PLAN_FILE), serde_json::to_vec(plan)?)?;
        let mut text = serde_json::to_vec_pretty(record)?;
        text.push(b'\n');
        std::fs::write(self.partial.join(RECORD_FILE), text)?;
        if self.folder.exists() {
            std::fs::remove_dir_all(&self.folder)?;
        }
        std::fs::rename(&self.partial, &self.folder)
    }

    /// Removes what is there.
    pub fn discard(self) {
        // Nothing depends on it: the next run of this seed removes it as well.
        let _ = std::fs::remove_dir_all(&self.partial);
    }
}

/// Whether a folder holds a run or nothing, so that a new run may take its place.
fn is_replaceable(folder: &Path) -> bool {
    folder.is_dir()
        && (folder.join(RECORD_FILE).is_file()
            || std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none()))
}

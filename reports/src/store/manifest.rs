//! `manifest.json`: what a run was, and the digests that make its tables tamper-evident.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::schema::SCHEMA_VERSION;

/// Marks a folder as a run store.
pub const FORMAT: &str = "chrysalis-run-store";

/// Largest manifest that is read, in bytes.
pub(crate) const MAX_MANIFEST_BYTES: u64 = 16 << 20;

/// Outcome of a run as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunVerdict {
    /// Every property that must hold in each run held.
    Pass,
    /// At least one did not.
    Fail,
    /// Repeating the run gave another result: a bug of the simulator, not of the simulated network.
    NonDeterministic,
}

/// What the runner knows about a run. Nothing here may differ between two runs of one seed: no wall clock, no host
/// name, no path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunDescription {
    /// Name of the scenario.
    pub scenario: String,
    /// Source text of the scenario, as it was read.
    pub scenario_source: String,
    /// Seed from which everything followed.
    pub seed: u64,
    /// Profile of behaviour: `reference` or `hardened`.
    pub profile: String,
    /// Engine that ran it: `madsim`, `native` or `tokio`.
    pub engine: String,
    /// Versions of what the result depends on, by name.
    pub versions: BTreeMap<String, String>,
    /// Length of the run in virtual time.
    pub virtual_ns: u64,
    /// Hash of every event of the world, hexadecimal: equal for equal runs on one engine.
    pub world_digest: String,
    /// Hash of what the application did, hexadecimal: equal on every engine where the scenario has no race.
    pub application_digest: String,
    /// Outcome.
    pub verdict: RunVerdict,
    /// What threat the scenario is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threat: Option<ThreatDescription>,
}

/// How a threat is classified.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThreatDescription {
    /// Rows of the project's own catalogue.
    pub catalogue: Vec<NamedThreat>,
    /// Categories of STRIDE.
    pub stride: Vec<String>,
    /// Categories of LINDDUN.
    pub linddun: Vec<String>,
    /// Techniques of MITRE ATT&CK.
    pub attack: Vec<NamedThreat>,
    /// Techniques of MITRE ATLAS.
    pub atlas: Vec<NamedThreat>,
    /// Risks of OWASP's Top 10 for LLM applications.
    pub owasp: Vec<NamedThreat>,
}

/// An entry of a public list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedThreat {
    /// Its identifier there.
    pub id: String,
    /// Its name there.
    pub name: String,
}

/// Size and digest of a table's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableRecord {
    /// Number of rows.
    pub rows: u64,
    /// Size of the file.
    pub bytes: u64,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
}

/// The manifest of a run store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The run.
    pub run: RunDescription,
    /// SHA-256 of the scenario's source text, hexadecimal.
    pub scenario_sha256: String,
    /// Every table by name.
    pub tables: BTreeMap<String, TableRecord>,
}

impl Manifest {
    pub(crate) fn new(run: RunDescription, tables: BTreeMap<String, TableRecord>) -> Self {
        Self {
            format: FORMAT.to_owned(),
            schema_version: SCHEMA_VERSION,
            scenario_sha256: sha256_hex(run.scenario_source.as_bytes()),
            run,
            tables,
        }
    }
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(bytes))
}

//! attest issue.

use std::path::{Path, PathBuf};

use chrysalis_attest::files::{self, FoundEvidence};
use chrysalis_attest::sim_pki::{IssueOptions, Issued, SimulatedTee, SimulatedVendors};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::args::{Issue, Judgement, Tee};
use super::input::{Judge, read};
use super::line;
use super::mutate::write_bytes;
use crate::cli::args::Global;
use crate::cli::problem::CommandError;
use crate::exit::Exit;
use crate::host::Host;
use crate::services::ServiceError;

/// What makes a folder one of simulated vendors.
const DESCRIPTION: &str = "simulation.json";
const ROOTS: &str = "roots";
const EVIDENCE: &str = "evidence";
const WARNING: &str = "SIMULATION ONLY: all keys follow from the seed and are no secret";

/// How long before the first evidence new vendors begin.
const VENDORS_BEFORE_S: u64 = 30 * 86_400;

/// Content of [`DESCRIPTION`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    version: u32,
    warning: String,
    seed: u64,
    start_unix_s: u64,
}

/// `chrysalis attest issue`
///
/// # Errors
/// The folder is something else, or cannot be written.
pub fn issue(host: &mut Host<'_>, global: &Global, command: &Issue) -> Result<Exit, CommandError> {
    let vendors = vendors(host, command)?;
    let options = IssueOptions {
        tee: match command.tee {
            Tee::Tdx => SimulatedTee::Tdx(command.form.into()),
            Tee::Snp => SimulatedTee::Snp(command.family.into()),
            Tee::Gpu => SimulatedTee::Gpu(command.generation.into()),
        },
        machine: command.machine,
        image: command.image.clone(),
        debug: command.debug,
        report_data: command.report_data.unwrap_or([0; 64]),
        nonce: command.nonce.unwrap_or([0; 32]),
        issue_unix_s: command.at,
    };
    let issued = vendors.issue(&options).map_err(|error| CommandError::ExecutionFailed {
        what: "the evidence".to_owned(),
        error: ServiceError::Environment(error.to_string()),
    })?;
    let files = write(host, command, &issued)?;
    let judgement = judgement(command, &files);
    let next = next_command(command, &files);
    if global.json {
        let shown = |paths: &[PathBuf]| paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        host.data(
            &json!({
                "evidence": files.evidence.display().to_string(),
                "certificates": files.certificates.as_ref().map(|path| path.display().to_string()),
                "collateral": shown(&files.collateral),
                "roots": shown(&files.roots),
                "verify": next,
            })
            .to_string(),
        );
    } else {
        host.data(&next);
    }
    // What was written is judged as the next command would, so that nobody is surprised.
    let judge = Judge::read(host, &judgement)?;
    let bytes = read(host, &files.evidence, files::MAX_FILE_LEN_BYTES)?;
    let verdict = judge.appraise(&FoundEvidence {
        bytes,
        certificates: Vec::new(),
    });
    if !global.quiet {
        match &verdict.outcome {
            Ok(_) => host.say("SIMULATED evidence, which this command accepts"),
            Err(reason) => host.say(&format!(
                "SIMULATED evidence, which this command refuses: {}",
                line(&reason.to_string())
            )),
        }
    }
    Ok(Exit::Pass)
}

/// Vendors of the folder, which is made if it is not there.
fn vendors(host: &Host<'_>, command: &Issue) -> Result<SimulatedVendors, CommandError> {
    let folder = &command.sim_root;
    let unusable = |why: String| CommandError::SimulatedVendors {
        path: folder.clone(),
        why,
    };
    let description = folder.join(DESCRIPTION);
    if host.resolve(&description).exists() {
        let bytes = read(host, &description, files::MAX_FILE_LEN_BYTES)?;
        let found: Description =
            serde_json::from_slice(&bytes).map_err(|error| unusable(format!("{DESCRIPTION}: {error}")))?;
        if found.version != 1 {
            return Err(unusable(format!(
                "{DESCRIPTION} has version {}, and 1 is read",
                found.version
            )));
        }
        if let Some(seed) = command.seed.filter(|seed| *seed != found.seed) {
            return Err(unusable(format!("its seed is {} and not {seed}", found.seed)));
        }
        return Ok(SimulatedVendors {
            seed: found.seed,
            start_unix_s: found.start_unix_s,
        });
    }
    let is_taken = std::fs::read_dir(host.resolve(folder)).is_ok_and(|mut entries| entries.next().is_some());
    if is_taken {
        return Err(unusable(format!("it holds other things and no {DESCRIPTION}")));
    }
    let vendors = SimulatedVendors {
        seed: command.seed.unwrap_or(0),
        start_unix_s: command.at.saturating_sub(VENDORS_BEFORE_S),
    };
    for (name, der) in vendors.roots() {
        write_bytes(host, &folder.join(ROOTS).join(format!("{name}.der")), &der)?;
    }
    let text = serde_json::to_string_pretty(&Description {
        version: 1,
        warning: WARNING.to_owned(),
        seed: vendors.seed,
        start_unix_s: vendors.start_unix_s,
    })
    .map_err(|error| unusable(error.to_string()))?;
    // Last, so that a folder with a description is whole.
    write_bytes(host, &description, format!("{text}\n").as_bytes())?;
    Ok(vendors)
}

/// Files that were written, as the user would name them.
struct Files {
    evidence: PathBuf,
    certificates: Option<PathBuf>,
    collateral: Vec<PathBuf>,
    roots: Vec<PathBuf>,
}

fn write(host: &Host<'_>, command: &Issue, issued: &Issued) -> Result<Files, CommandError> {
    let folder = command.out.clone().unwrap_or_else(|| command.sim_root.join(EVIDENCE));
    let kind = match command.tee {
        Tee::Tdx => "tdx",
        Tee::Snp => "snp",
        Tee::Gpu => "gpu",
    };
    let stem = command
        .name
        .clone()
        .unwrap_or_else(|| format!("{kind}-{}", command.machine));
    let file = |ending: &str| folder.join(format!("{stem}.{ending}"));
    let evidence = file("evidence.bin");
    write_bytes(host, &evidence, &issued.evidence)?;
    let certificates = if issued.certificates.is_empty() {
        None
    } else {
        let pem: String = issued
            .certificates
            .iter()
            .map(|der| pem::encode(&pem::Pem::new("CERTIFICATE", der.as_slice())))
            .collect();
        let path = file("certificates.pem");
        write_bytes(host, &path, pem.as_bytes())?;
        Some(path)
    };
    let mut collateral = Vec::new();
    for (ending, bytes) in &issued.endorsements {
        let path = file(ending);
        write_bytes(host, &path, bytes)?;
        collateral.push(path);
    }
    let root = |name: &&str| command.sim_root.join(ROOTS).join(format!("{name}.der"));
    Ok(Files {
        evidence,
        certificates,
        collateral,
        roots: issued.roots.iter().map(root).collect(),
    })
}

fn judgement(command: &Issue, files: &Files) -> Judgement {
    Judgement {
        collateral: files.collateral.clone(),
        certs: files.certificates.iter().cloned().collect(),
        root: files.roots.clone(),
        at: command.at,
        policy: None,
        event_log: None,
        report_data: command.report_data.filter(|_| command.tee != Tee::Gpu),
        nonce: command.nonce.filter(|_| command.tee == Tee::Gpu),
        challenged_at: None,
    }
}

/// The command that a person types next.
fn next_command(command: &Issue, files: &Files) -> String {
    let quoted = |path: &Path| {
        let text = line(&path.display().to_string());
        let is_plain = text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
        if is_plain {
            text
        } else {
            format!("'{}'", text.replace('\'', "'\\''"))
        }
    };
    let list = |paths: &[PathBuf]| paths.iter().map(|path| quoted(path)).collect::<Vec<_>>().join(" ");
    let mut words = format!("chrysalis attest verify --evidence {}", quoted(&files.evidence));
    for (option, paths) in [
        ("--collateral", files.collateral.as_slice()),
        ("--certs", files.certificates.as_slice()),
        ("--root", files.roots.as_slice()),
    ] {
        if !paths.is_empty() {
            words.push_str(&format!(" {option} {}", list(paths)));
        }
    }
    words.push_str(&format!(" --at {}", chrysalis_attest::calendar::rfc3339(command.at)));
    let judgement = judgement(command, files);
    if let Some(data) = judgement.report_data {
        words.push_str(&format!(" --report-data {}", hex::encode(data)));
    }
    if let Some(nonce) = judgement.nonce {
        words.push_str(&format!(" --nonce {}", hex::encode(nonce)));
    }
    words
}

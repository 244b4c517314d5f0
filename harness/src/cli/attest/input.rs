//! Files, read as what they must be.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use chrysalis_attest::anchors::{SimulationOnly, TrustStore};
use chrysalis_attest::appraise::{Appraisal, Context, Endorsements, Policy, Reason, appraise};
use chrysalis_attest::evidence::{Evidence, EvidenceKind};
use chrysalis_attest::files::{self, FoundEndorsement, FoundEvidence};
use chrysalis_attest::freshness::Expected;
use chrysalis_attest::gpu::ManifestMemo;
use chrysalis_attest::inspect::Unreadable;
use chrysalis_attest::rego::{self, RegoPolicy};
use chrysalis_attest::{Collateral, tdx};

use super::args::Judgement;
use crate::cli::problem::CommandError;
use crate::host::Host;
use crate::scenario::yaml_options;

/// Longest policy that is read.
const POLICY_BYTES_MAX: usize = 1024 * 1024;

/// Everything besides evidence that a verdict depends on, read.
pub struct Judge {
    pub(super) policy: Policy,
    pub(super) trust: TrustStore,
    pub(super) collateral: Vec<Collateral>,
    pub(super) revocation_list: Option<Vec<u8>>,
    pub(super) manifests: Vec<Vec<u8>>,
    /// The GPUs of a machine have one driver.
    pub(super) manifest_memo: ManifestMemo,
    pub(super) certificates: Vec<Vec<u8>>,
    pub(super) event_log: Option<Vec<u8>>,
    pub(super) report_data: Option<[u8; 64]>,
    pub(super) nonce: Option<[u8; 32]>,
    pub(super) challenged_unix_s: Option<u64>,
    pub(super) now_unix_s: u64,
}

/// Reads a file that may have so many bytes.
///
/// # Errors
/// It cannot be read. Of a longer file the first byte too many is read too, so that its reader refuses it.
pub fn read(host: &Host<'_>, path: &Path, bytes_max: usize) -> Result<Vec<u8>, CommandError> {
    let failed = |error: std::io::Error| CommandError::PathNotFound {
        path: path.to_owned(),
        why: error.to_string(),
    };
    let file = std::fs::File::open(host.resolve(path)).map_err(failed)?;
    let mut bytes = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Reads a file as what it must be.
///
/// # Errors
/// It cannot be read, or is something else.
pub fn read_as<T>(
    host: &Host<'_>,
    path: &Path,
    parse: impl FnOnce(&[u8]) -> Result<T, Unreadable>,
) -> Result<T, CommandError> {
    let bytes = read(host, path, files::MAX_FILE_LEN_BYTES)?;
    parse(&bytes).map_err(|problem| CommandError::Unreadable {
        path: path.to_owned(),
        problem: problem.to_string(),
    })
}

impl Judge {
    /// Reads all files.
    ///
    /// # Errors
    /// The first that cannot be read or is something else.
    pub fn read(host: &mut Host<'_>, options: &Judgement) -> Result<Self, CommandError> {
        let trust = roots(host, &options.root)?;
        let policy = match &options.policy {
            Some(path) => policy(host, path)?,
            None => Policy::strict(trust.kind()),
        };
        let (mut collateral, mut revocation_list, mut manifests) = (Vec::new(), None, Vec::new());
        for path in &options.collateral {
            match read_as(host, path, files::endorsement)? {
                FoundEndorsement::Collateral(found) => collateral.push(*found),
                FoundEndorsement::Manifest(found) => manifests.push(found),
                FoundEndorsement::RevocationList(found) => {
                    if revocation_list.replace(found).is_some() {
                        return Err(CommandError::Unreadable {
                            path: path.clone(),
                            problem: "a second revocation list, where a chain of SNP has one".to_owned(),
                        });
                    }
                }
            }
        }
        let mut certificates = Vec::new();
        for path in &options.certs {
            certificates.extend(read_as(host, path, files::certificates)?);
        }
        let log_bytes_max = tdx::event_log::MAX_EVENT_LOG_LEN_BYTES;
        let event_log = match &options.event_log {
            Some(path) => Some(read(host, path, log_bytes_max)?),
            None => None,
        };
        Ok(Self {
            policy,
            trust,
            collateral,
            revocation_list,
            manifest_memo: ManifestMemo::new(manifests.len()),
            manifests,
            certificates,
            event_log,
            report_data: options.report_data,
            nonce: options.nonce,
            challenged_unix_s: options.challenged_at,
            now_unix_s: options.at,
        })
    }

    /// Intel's collateral for this evidence: that of its family if it is there, or any, so that the verdict names both.
    pub(super) fn collateral_for(&self, evidence: &FoundEvidence) -> Option<&Collateral> {
        let family = tdx::appraise::claimed_fmspc(&evidence.bytes).ok();
        let fits = |collateral: &&Collateral| Some(collateral.fmspc()) == family;
        self.collateral.iter().find(fits).or(self.collateral.first())
    }

    /// Certificates of the command line, or those that came with the evidence.
    pub(super) fn certificates_for<'a>(&'a self, evidence: &'a FoundEvidence) -> &'a [Vec<u8>] {
        if self.certificates.is_empty() {
            &evidence.certificates
        } else {
            &self.certificates
        }
    }

    /// Appraises evidence.
    pub fn appraise(&self, evidence: &FoundEvidence) -> Appraisal {
        self.with(evidence, appraise)
    }

    /// Why the policy in Rego refuses this evidence; empty if it accepts.
    pub(super) fn rego(&self, policy: &RegoPolicy, evidence: &FoundEvidence) -> BTreeSet<String> {
        self.with(evidence, |evidence, context| policy.appraise(evidence, context))
            .unwrap_or_else(|refusal| BTreeSet::from([refusal.to_string()]))
    }

    /// What a policy in Rego is asked about.
    ///
    /// # Errors
    /// Why every policy must refuse the evidence.
    pub(super) fn claims(&self, evidence: &FoundEvidence) -> Result<serde_json::Value, Reason> {
        self.with(evidence, rego::input)
    }

    /// Calls a judge with evidence and all that is known besides.
    fn with<T>(&self, evidence: &FoundEvidence, judge: impl FnOnce(&Evidence<'_>, &Context<'_>) -> T) -> T {
        judge(
            &Evidence {
                bytes: &evidence.bytes,
                certificates: self.certificates_for(evidence),
                event_log: self.event_log.as_deref(),
            },
            &Context {
                now_unix_s: self.now_unix_s,
                trust: &self.trust,
                endorsements: Endorsements {
                    tdx_collateral: self.collateral_for(evidence),
                    snp_revocation_list: self.revocation_list.as_deref(),
                    gpu_manifests: &self.manifests,
                    gpu_manifest_memo: Some(&self.manifest_memo),
                },
                policy: &self.policy,
                expected: Expected {
                    report_data: self.report_data.as_ref(),
                    nonce: self.nonce.as_ref(),
                    challenged_unix_s: self.challenged_unix_s,
                },
            },
        )
    }

    /// What a person should know about the verdict that is in no reason.
    pub(super) fn notes(&self, kind: Option<EvidenceKind>) -> Vec<String> {
        let mut notes = Vec::new();
        if let Err(error) = self.policy.lint() {
            notes.push(format!("the policy refuses everything of a kind: {error}"));
        }
        match kind {
            Some(EvidenceKind::Tdx | EvidenceKind::Snp) if self.report_data.is_none() => {
                notes
                    .push("report data were not compared (`--report-data`): this evidence may be anybody's".to_owned());
            }
            Some(EvidenceKind::NvidiaGpu) if self.nonce.is_none() => {
                notes.push("the nonce was not compared (`--nonce`): this evidence may be old".to_owned());
            }
            _ => {}
        }
        notes
    }
}

/// Reads a policy in Rego.
///
/// # Errors
/// It cannot be read, or is not Rego.
pub(super) fn rego_policy(host: &Host<'_>, path: &Path) -> Result<RegoPolicy, CommandError> {
    let unreadable = |problem: String| CommandError::Unreadable {
        path: path.to_owned(),
        problem,
    };
    let bytes = read(host, path, rego::MAX_POLICY_LEN_BYTES)?;
    let text = String::from_utf8(bytes).map_err(|error| unreadable(error.to_string()))?;
    RegoPolicy::read(&path.display().to_string(), &text).map_err(|error| unreadable(error.to_string()))
}

fn roots(host: &Host<'_>, paths: &[PathBuf]) -> Result<TrustStore, CommandError> {
    let is_vendor = |path: &PathBuf| path.as_os_str() == "vendor";
    if let [only] = paths
        && is_vendor(only)
    {
        return Ok(TrustStore::vendor());
    }
    if let Some(path) = paths.iter().find(|path| is_vendor(path)) {
        return Err(CommandError::Unreadable {
            path: path.clone(),
            problem: "vendors' roots and simulated ones are never trusted together".to_owned(),
        });
    }
    // Roots that a command line names prove nothing about hardware; the verdict says that it was made with them.
    let marker = SimulationOnly::accept_no_security();
    let mut ders = Vec::new();
    for path in paths {
        let found = read_as(host, path, files::certificates)?;
        // Each is looked at alone first, so that the error names its file. Roots of GPUs come in pairs.
        for der in &found {
            use chrysalis_attest::anchors::AnchorError;
            match TrustStore::of_simulated_roots(marker, std::slice::from_ref(der)) {
                Ok(_) | Err(AnchorError::HalfOfGpu) => {}
                Err(error) => return Err(unusable_root(path, &error)),
            }
        }
        ders.extend(found);
    }
    let last = paths.last().map_or(Path::new("vendor"), PathBuf::as_path);
    TrustStore::of_simulated_roots(marker, &ders).map_err(|error| unusable_root(last, &error))
}

fn unusable_root(path: &Path, error: &chrysalis_attest::anchors::AnchorError) -> CommandError {
    let advice = match error {
        chrysalis_attest::anchors::AnchorError::VendorKey => ": vendors' roots are pinned, `--root vendor` trusts them",
        _ => "",
    };
    CommandError::Unreadable {
        path: path.to_owned(),
        problem: format!("{error}{advice}"),
    }
}

fn policy(host: &Host<'_>, path: &Path) -> Result<Policy, CommandError> {
    let bytes = read(host, path, POLICY_BYTES_MAX)?;
    let unreadable = |problem: String| CommandError::PolicyFile {
        path: path.to_owned(),
        problem,
    };
    if bytes.len() > POLICY_BYTES_MAX {
        return Err(unreadable(format!("more than {POLICY_BYTES_MAX} bytes")));
    }
    let text = std::str::from_utf8(&bytes)
        .map_err(|error| unreadable(format!("at offset {}: expected UTF-8", error.valid_up_to())))?;
    if text.trim().is_empty() {
        return Err(unreadable("nothing in it".to_owned()));
    }
    serde_saphyr::from_str_with_options(text, yaml_options()).map_err(|error| unreadable(error.to_string()))
}

//! Evidence of any kind in, verdict out.
//!
//! [`appraise`] is pure: the time, the trusted roots, what vendors publish, the policy and the expected binding are
//! arguments. It never panics, and every refusal has a typed [`Reason`]. The kinds have a module each, which this one
//! dispatches to: [`crate::tdx::appraise`], [`crate::snp::appraise`], [`crate::gpu::appraise`].

mod document;
mod reason;

#[cfg(test)]
mod tests;

pub use document::{Policy, PolicyError};
pub use reason::{Reason, ReasonClass};

use crate::{
    anchors::{AnchorKind, TrustStore},
    collateral::Collateral,
    evidence::{Evidence, EvidenceId, EvidenceKind},
    freshness::Expected,
    gpu::{self, GpuAppraised, GpuInput},
    snp::{self, SnpAppraised, SnpInput},
    tdx::appraise::{self as tdx, Endorsement, TcbStatus, Verdict},
};
use serde::Serialize;

/// What vendors publish about their platforms. It is signed, and whoever brings it need not be trusted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Endorsements<'a> {
    /// Intel's collateral for the family of the TD's machine.
    pub tdx_collateral: Option<&'a Collateral>,
    /// Revocation list of the root of the SNP chain, in DER.
    pub snp_revocation_list: Option<&'a [u8]>,
    /// Manifests of GPU drivers and VBIOSes.
    pub gpu_manifests: &'a [Vec<u8>],
    /// Remembers manifests that were verified, for a verifier that sees many GPUs; none verifies them each time.
    pub gpu_manifest_memo: Option<&'a gpu::ManifestMemo>,
}

/// Everything besides the evidence that an appraisal depends on.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The verifier's wall clock, Unix seconds.
    pub now_unix_s: u64,
    /// Whose evidence is accepted.
    pub trust: &'a TrustStore,
    /// What vendors say about platforms.
    pub endorsements: Endorsements<'a>,
    /// What else is demanded.
    pub policy: &'a Policy,
    /// What the evidence must be bound to.
    pub expected: Expected<'a>,
}

/// The result of an appraisal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appraisal {
    /// What the evidence is; none if it was not recognised.
    pub kind: Option<EvidenceKind>,
    /// Names the evidence, accepted or not; none if it is not in canonical form.
    pub identity: Option<EvidenceId>,
    /// What is known if it was accepted, or why it was refused.
    pub outcome: Result<Accepted, Reason>,
}

/// Accepted evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// A TD.
    Tdx(Box<Verdict>),
    /// An SNP guest.
    Snp(Box<SnpAppraised>),
    /// A GPU.
    Gpu(Box<GpuAppraised>),
}

impl Accepted {
    /// First and last second for which the verdict holds.
    pub fn window_unix_s(&self) -> (u64, u64) {
        match self {
            Self::Tdx(verdict) => (verdict.valid_from_unix_s, verdict.expires_unix_s),
            Self::Snp(verdict) => (verdict.valid_from_unix_s, verdict.expires_unix_s),
            Self::Gpu(verdict) => (verdict.valid_from_unix_s, verdict.expires_unix_s),
        }
    }

    /// Kind of the root behind the evidence.
    pub fn anchor(&self) -> Option<AnchorKind> {
        match self {
            Self::Tdx(verdict) => verdict.anchor(),
            Self::Snp(verdict) => Some(verdict.anchor),
            Self::Gpu(verdict) => Some(verdict.anchor),
        }
    }

    /// State of the platform's trusted computing base, where the vendor publishes one.
    pub fn tcb_status(&self) -> Option<TcbStatus> {
        match self {
            Self::Tdx(verdict) => match &verdict.endorsement {
                Endorsement::Tdx(endorsement) => Some(endorsement.tcb_status),
                Endorsement::Fake => None,
            },
            Self::Snp(_) | Self::Gpu(_) => None,
        }
    }
}

impl Appraisal {
    /// Whether the evidence was accepted.
    pub fn is_accepted(&self) -> bool {
        self.outcome.is_ok()
    }

    /// What machines read: the contract of `chrysalis attest verify --json`.
    pub fn report(&self) -> AppraisalReport {
        let accepted = self.outcome.as_ref().ok();
        let refused_tcb = match &self.outcome {
            Err(Reason::Tdx(tdx::Reason::Tcb { status })) => Some(*status),
            _ => None,
        };
        AppraisalReport {
            verdict: if accepted.is_some() { "accepted" } else { "refused" },
            kind: self.kind.map(EvidenceKind::name),
            tcb_status: accepted
                .and_then(Accepted::tcb_status)
                .or(refused_tcb)
                .map(|status| format!("{status:?}")),
            reasons: self
                .outcome
                .as_ref()
                .err()
                .map(ToString::to_string)
                .into_iter()
                .collect(),
            identity: self.identity.map(|id| hex::encode(id.0)),
            anchor: accepted.and_then(Accepted::anchor).map(|anchor| match anchor {
                AnchorKind::Vendor => "vendor",
                AnchorKind::Simulation => "simulation",
            }),
            expires: accepted.map(|accepted| accepted.window_unix_s().1),
        }
    }
}

/// An appraisal for machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AppraisalReport {
    /// `accepted` or `refused`.
    pub verdict: &'static str,
    /// `tdx`, `sgx`, `snp` or `gpu`.
    pub kind: Option<&'static str>,
    /// Intel's word for the state of the platform.
    pub tcb_status: Option<String>,
    /// Why it was refused; empty if it was not.
    pub reasons: Vec<String>,
    /// Name of the evidence in hexadecimal.
    pub identity: Option<String>,
    /// `vendor` or `simulation`, if it was accepted.
    pub anchor: Option<&'static str>,
    /// Last second, in Unix time, for which the verdict holds.
    pub expires: Option<u64>,
}

/// Appraises evidence of any kind.
pub fn appraise(evidence: &Evidence<'_>, context: &Context<'_>) -> Appraisal {
    let kind = match evidence.kind() {
        Ok(kind) => kind,
        Err(unrecognised) => {
            return Appraisal {
                kind: None,
                identity: None,
                outcome: Err(unrecognised.into()),
            };
        }
    };
    let identity = match kind {
        EvidenceKind::Tdx => tdx::Quote::read(evidence.bytes).ok().map(|quote| quote.evidence_id()),
        EvidenceKind::Sgx => None,
        EvidenceKind::Snp => snp::appraise::evidence_id(evidence.bytes),
        EvidenceKind::NvidiaGpu => gpu::appraise::evidence_id(evidence.bytes, evidence.certificates),
    };
    Appraisal {
        kind: Some(kind),
        identity,
        outcome: judge(kind, evidence, context),
    }
}

fn judge(kind: EvidenceKind, evidence: &Evidence<'_>, context: &Context<'_>) -> Result<Accepted, Reason> {
    let Context {
        now_unix_s,
        trust,
        endorsements,
        policy,
        expected,
    } = *context;
    if trust.kind() != policy.anchors {
        return Err(Reason::AnchorsNotAllowed {
            allowed: policy.anchors,
        });
    }
    let no_policy = Reason::NoPolicy { kind };
    match kind {
        EvidenceKind::Sgx => Err(Reason::Sgx),
        EvidenceKind::Tdx => {
            if !evidence.certificates.is_empty() {
                return Err(Reason::SurplusCertificates);
            }
            let rules = policy.tdx.as_ref().ok_or(no_policy)?;
            let anchors = trust.tdx().ok_or(Reason::NoAnchors { kind })?;
            let quote = tdx::Quote::read(evidence.bytes)?;
            let collateral = endorsements
                .tdx_collateral
                .ok_or(Reason::Tdx(tdx::Reason::NoCollateral { fmspc: *quote.fmspc() }))?;
            let verdict = quote.appraise(&tdx::Context {
                now_unix_s,
                anchors,
                collateral,
                policy: rules,
                event_log: evidence.event_log,
                expected,
            })?;
            Ok(Accepted::Tdx(Box::new(verdict)))
        }
        EvidenceKind::Snp => {
            let appraised = snp::appraise::appraise(&SnpInput {
                report: evidence.bytes,
                certificates: evidence.certificates,
                revocation_list: endorsements.snp_revocation_list,
                anchors: trust.snp(),
                policy: policy.snp.as_ref().ok_or(no_policy)?,
                expected,
                now_unix_s,
            })?;
            Ok(Accepted::Snp(Box::new(appraised)))
        }
        EvidenceKind::NvidiaGpu => {
            let appraised = gpu::appraise::appraise(&GpuInput {
                measurements: evidence.bytes,
                certificates: evidence.certificates,
                manifests: endorsements.gpu_manifests,
                manifest_memo: endorsements.gpu_manifest_memo,
                anchors: trust.gpu(),
                policy: policy.gpu.as_ref().ok_or(no_policy)?,
                expected,
                now_unix_s,
            })?;
            Ok(Accepted::Gpu(Box::new(appraised)))
        }
    }
}

//! Why a peer is refused.

use crate::{
    certificate::{CertificateForm, CertificateReason},
    gpu::GpuReason,
    snp::{ExtendedReportFault, SnpReason},
    tdx::appraise::Reason,
};

/// Why a peer was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerReason {
    /// It showed no certificate.
    #[error("the peer showed no certificate")]
    NoCertificate,
    /// It showed more than one: a self-signed certificate has no chain.
    #[error("the peer showed a chain of {certificates} certificates")]
    Chain {
        /// How many.
        certificates: usize,
    },
    /// Its certificate.
    #[error("peer certificate: {0}")]
    Certificate(#[from] CertificateReason),
    /// The policy demands evidence and the certificate has none.
    #[error("the peer showed no evidence")]
    NoEvidence,
    /// Its evidence.
    #[error("peer evidence: {0}")]
    Evidence(#[from] Reason),
    /// Its evidence, which is an SNP guest's.
    #[error("peer evidence: {0}")]
    Snp(#[from] SnpReason),
    /// Its evidence is no report with certificates.
    #[error("peer evidence: {0}")]
    ExtendedReport(#[from] ExtendedReportFault),
    /// The evidence of one of its GPUs.
    #[error("evidence of GPU {gpu}: {reason}")]
    Gpu {
        /// Which, counted from 0.
        gpu: usize,
        /// Why.
        reason: Box<GpuReason>,
    },
    /// The evidence of one of its GPUs has no name, so the guest cannot have vouched for it.
    #[error("the evidence of GPU {gpu} is not in canonical form")]
    GpuForm {
        /// Which, counted from 0.
        gpu: usize,
    },
    /// It shows fewer GPUs than it must have.
    #[error("the peer shows {found} GPUs and {demanded} are demanded")]
    Gpus {
        /// How many.
        found: usize,
        /// How many it must have.
        demanded: usize,
    },
    /// It shows one GPU twice.
    #[error("the peer shows one GPU twice")]
    GpuTwice,
    /// One of its GPUs serves a peer with another key at this time.
    #[error("GPU {gpu} serves another peer")]
    GpuServesAnother {
        /// Which, counted from 0.
        gpu: usize,
    },
    /// Its certificate carries evidence in another form than this verifier reads.
    #[error("the peer's certificate carries evidence in the form {found:?}")]
    Form {
        /// Which.
        found: CertificateForm,
    },
    /// The evidence of its session is not of the TD or not of the machine that its certificate names.
    #[error("the evidence of the session is of another machine or image than the certificate")]
    OtherMachine,
}

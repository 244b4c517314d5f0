//! Why evidence of any kind was refused.

use crate::{
    anchors::AnchorKind,
    chain::ChainFault,
    evidence::{EvidenceKind, Unrecognised},
    gpu::{GpuReason, RimFault},
    snp::SnpReason,
    tdx::appraise::Reason as TdxReason,
};

/// The first reason to refuse evidence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// It is of no known kind.
    #[error(transparent)]
    Unrecognised(#[from] Unrecognised),
    /// A quote of an SGX enclave, which no policy here accepts.
    #[error("a quote of an SGX enclave, where a confidential machine is demanded")]
    Sgx,
    /// The policy says nothing about this kind, and so refuses it.
    #[error("the policy does not accept evidence of kind {}", kind.name())]
    NoPolicy {
        /// Which kind.
        kind: EvidenceKind,
    },
    /// No root is trusted for this kind.
    #[error("no root is trusted for evidence of kind {}", kind.name())]
    NoAnchors {
        /// Which kind.
        kind: EvidenceKind,
    },
    /// The trusted roots are not of the kind that the policy demands: simulated roots in production.
    #[error("the policy demands roots of kind {allowed:?}")]
    AnchorsNotAllowed {
        /// What the policy demands.
        allowed: AnchorKind,
    },
    /// Certificates came beside evidence that carries its own.
    #[error("certificates beside a quote that carries its own")]
    SurplusCertificates,
    /// Of a TD.
    #[error(transparent)]
    Tdx(#[from] TdxReason),
    /// Of an SNP guest.
    #[error(transparent)]
    Snp(#[from] SnpReason),
    /// Of a GPU.
    #[error(transparent)]
    Gpu(#[from] GpuReason),
}

/// What a reason is about. Evidence that fails before `Policy` is not valid; evidence that fails there is valid evidence
/// of a platform that is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReasonClass {
    /// Its form.
    Encoding,
    /// The root of its chain, or the configuration of roots.
    Root,
    /// Certificates, revocation, what vendors publish.
    Endorsement,
    /// Signatures, and identities that signatures speak of.
    Signature,
    /// Dates.
    Time,
    /// The platform's security versions.
    Tcb,
    /// What the policy demands.
    Policy,
    /// Report data, nonce, age.
    Binding,
}

impl Reason {
    /// What it is about.
    pub fn class(&self) -> ReasonClass {
        match self {
            Self::Unrecognised(_) | Self::SurplusCertificates => ReasonClass::Encoding,
            Self::Sgx | Self::NoPolicy { .. } => ReasonClass::Policy,
            Self::NoAnchors { .. } | Self::AnchorsNotAllowed { .. } => ReasonClass::Root,
            Self::Tdx(reason) => of_tdx(reason),
            Self::Snp(reason) => of_snp(reason),
            Self::Gpu(reason) => of_gpu(reason),
        }
    }
}

fn of_chain(fault: &ChainFault) -> ReasonClass {
    match fault {
        ChainFault::Length { .. } | ChainFault::Malformed { .. } | ChainFault::Repeated { .. } => ReasonClass::Encoding,
        ChainFault::UntrustedRoot => ReasonClass::Root,
        ChainFault::Signature { .. } => ReasonClass::Signature,
        ChainFault::NotYetValid { .. } | ChainFault::Expired { .. } => ReasonClass::Time,
        _ => ReasonClass::Endorsement,
    }
}

fn of_tdx(reason: &TdxReason) -> ReasonClass {
    use TdxReason as R;
    match reason {
        R::TooLong { .. }
        | R::Malformed
        | R::NotTdx
        | R::NotCanonical { .. }
        | R::ChainShape
        | R::PlatformCertificate
        | R::NotFake { .. }
        | R::EventLog(_) => ReasonClass::Encoding,
        R::UntrustedRoot { .. } => ReasonClass::Root,
        R::NoCollateral { .. }
        | R::CollateralForOtherFamily { .. }
        | R::PceIdMismatch
        | R::CollateralSignature { .. }
        | R::CertificateChain { .. }
        | R::CertificateRevoked
        | R::CollateralRolledBack { .. } => ReasonClass::Endorsement,
        R::NotYetValid { .. } | R::Expired { .. } | R::CollateralTooOld { .. } => ReasonClass::Time,
        R::QuotingEnclave { .. } | R::QuoteSignature | R::NotVerified { .. } => ReasonClass::Signature,
        R::TcbUnknown { .. } | R::Tcb { .. } | R::Advisory { .. } => ReasonClass::Tcb,
        R::PlatformFlag { .. }
        | R::Attributes(_)
        | R::NotAllowed { .. }
        | R::PlatformNotAllowed
        | R::NoEventLog
        | R::EventLogMismatch { .. }
        | R::EventMissing { .. } => ReasonClass::Policy,
        R::ReportData | R::Freshness(_) => ReasonClass::Binding,
    }
}

fn of_snp(reason: &SnpReason) -> ReasonClass {
    use SnpReason as R;
    match reason {
        R::Report(_) => ReasonClass::Encoding,
        R::Chain(fault) => of_chain(fault),
        R::UntrustedRoot { .. } => ReasonClass::Root,
        R::Endorsement { .. } | R::NoRevocationList | R::RevocationListRolledBack { .. } => ReasonClass::Endorsement,
        R::Product { .. } | R::SigningKey | R::CertifiedTcb { .. } | R::Chip | R::Signature => ReasonClass::Signature,
        R::Tcb { .. } => ReasonClass::Tcb,
        R::ProductNotAllowed { .. }
        | R::SigningKeyNotAllowed { .. }
        | R::Guest(_)
        | R::NotAllowed { .. }
        | R::PlatformNotAllowed => ReasonClass::Policy,
        R::Freshness(_) => ReasonClass::Binding,
    }
}

fn of_gpu(reason: &GpuReason) -> ReasonClass {
    use GpuReason as R;
    match reason {
        R::Spdm(_) | R::ManyManifests { .. } => ReasonClass::Encoding,
        R::Chain(fault) | R::Manifest(RimFault::Chain(fault)) => of_chain(fault),
        R::UntrustedRoot { .. } => ReasonClass::Root,
        R::Device { .. } | R::Manifest(_) | R::NoManifest { .. } | R::ManifestConflict { .. } => {
            ReasonClass::Endorsement
        }
        R::Signature | R::Firmware => ReasonClass::Signature,
        R::FirmwareUnstated
        | R::ArchitectureNotAllowed { .. }
        | R::ModeNotAllowed { .. }
        | R::ModeUnstated
        | R::NotAllowed { .. }
        | R::DeviceNotAllowed
        | R::Measurement { .. } => ReasonClass::Policy,
        R::Freshness(_) => ReasonClass::Binding,
    }
}

//! What is known of the guest that a peer runs in.

use crate::{
    anchors::AnchorKind,
    collateral::{CollateralId, Fmspc},
    evidence::EvidenceKind,
    snp::{self, Product, SnpAppraised},
    tdx::{
        ImageHash,
        appraise::{Endorsement, TcbStatus, Verdict, pseudonym},
    },
};
use std::sync::Arc;

/// Accepted evidence of a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GuestVerdict {
    /// A TD, or the fake one of test networks.
    Tdx(Arc<Verdict>),
    /// An SNP guest.
    Snp(Arc<SnpAppraised>),
}

/// What of a vendor's publications a verdict was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Used {
    /// Collateral of a family of platforms.
    Collateral(Fmspc, CollateralId),
    /// SHA-256 of the revocation list of a family of processors, if there was one.
    RevocationList(Product, Option<[u8; 32]>),
}

impl GuestVerdict {
    /// The 64 bytes that the guest had signed.
    pub fn report_data(&self) -> &[u8; 64] {
        match self {
            Self::Tdx(verdict) => &verdict.report.report_data,
            Self::Snp(verdict) => &verdict.report.report_data,
        }
    }

    /// Names the image that runs in it.
    pub fn image_hash(&self) -> ImageHash {
        match self {
            Self::Tdx(verdict) => verdict.image_hash,
            Self::Snp(verdict) => snp::image_hash(&verdict.report.measurement),
        }
    }

    /// First and last second for which this holds.
    pub fn window_unix_s(&self) -> (u64, u64) {
        match self {
            Self::Tdx(verdict) => (verdict.valid_from_unix_s, verdict.expires_unix_s),
            Self::Snp(verdict) => (verdict.valid_from_unix_s, verdict.expires_unix_s),
        }
    }

    /// The kind of root behind the evidence; none for fake evidence.
    pub fn anchor(&self) -> Option<AnchorKind> {
        match self {
            Self::Tdx(verdict) => verdict.anchor(),
            Self::Snp(verdict) => Some(verdict.anchor),
        }
    }

    /// What kind of guest it is.
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Tdx(verdict) if verdict.endorsement == Endorsement::Fake => "fake-tdx",
            Self::Tdx(_) => EvidenceKind::Tdx.name(),
            Self::Snp(_) => EvidenceKind::Snp.name(),
        }
    }

    /// State of the platform's trusted computing base, where the vendor publishes one.
    pub fn tcb_status(&self) -> Option<TcbStatus> {
        match self {
            Self::Tdx(verdict) => match &verdict.endorsement {
                Endorsement::Tdx(endorsement) => Some(endorsement.tcb_status),
                Endorsement::Fake => None,
            },
            Self::Snp(_) => None,
        }
    }

    /// A name of the machine for logs, which can be compared within one network and not across networks; none if the
    /// evidence does not name one.
    pub fn platform_pseudonym(&self, network_salt: &[u8]) -> Option<[u8; 16]> {
        match self {
            Self::Tdx(verdict) => match &verdict.endorsement {
                Endorsement::Tdx(endorsement) => Some(pseudonym(network_salt, &endorsement.platform.ppid)),
                Endorsement::Fake => None,
            },
            Self::Snp(verdict) => {
                let chip = &verdict.report.chip_id;
                (*chip != [0; 64]).then(|| pseudonym(network_salt, chip))
            }
        }
    }

    /// Whether this is the same image on the same machine as `other` is about.
    pub(crate) fn is_of_the_guest_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tdx(verdict), Self::Tdx(other)) => verdict.is_of_the_td_of(other),
            (Self::Snp(verdict), Self::Snp(other)) => {
                let guest = |verdict: &SnpAppraised| {
                    let report = &verdict.report;
                    (report.measurement, report.host_data, report.chip_id, verdict.product)
                };
                guest(verdict) == guest(other)
            }
            (Self::Tdx(_), Self::Snp(_)) | (Self::Snp(_), Self::Tdx(_)) => false,
        }
    }
}

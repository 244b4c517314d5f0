//! AMD SEV-SNP: attestation reports of versions 2, 3 and 5 of Milan, Genoa and Turin, signed by a chip's key (VCEK) or
//! by one loaded for a cloud provider (VLEK).
//!
//! The verifier reads raw bytes. The `sev` crate parses reports and encodes them again before it hashes them, so that
//! signed reserved bytes can be altered unseen (128 bits of them, measured), and its `verify` checks signatures only:
//! no dates, revocation, authority, TCB, chip, debugging or privilege level. It serves the tests as a second opinion on
//! the meaning of fields. Its calculator of launch measurements comes only together with the `rsa` crate, which has a
//! standing advisory (RUSTSEC-2023-0071), and is not used.
//!
//! | module | holds |
//! |---|---|
//! | [`report`] | fields of a report, the canonical form |
//! | [`extended`] | a report with its certificates in one blob |
//! | [`attester`] | a guest of the simulated AMD |
//! | [`endorsement`] | what the certificate of a signing key says about chip and TCB |
//! | [`policy`] | what is demanded of a guest |
//! | [`revocations`] | where lists of revoked certificates come from |
//! | [`mod@appraise`] | all of it together |

pub mod appraise;
pub mod attester;
pub mod endorsement;
pub mod extended;
pub mod policy;
pub mod report;
pub mod revocations;

#[cfg(test)]
mod tests;

pub use appraise::{SnpAppraised, SnpInput, SnpReason};
pub use attester::SimSnpAttester;
pub use endorsement::{Product, SigningKey};
pub use extended::{ExtendedReport, ExtendedReportFault};
pub use policy::SnpPolicy;
pub use report::{GuestPolicy, PlatformInfo, REPORT_LEN_BYTES, ReportFault, SnpReport, SnpTcb};
pub use revocations::{RevocationListSource, RevocationListStore};

use crate::{hash::sha256, tdx::ImageHash};

/// Names the image of a guest by its launch measurement, as [`crate::tdx::image_hash`] does that of a TD.
pub fn image_hash(measurement: &[u8; 48]) -> ImageHash {
    sha256(&[b"chrysalis snp image v1\0", measurement])
}

//! The signature engine answers in prose. Its version is pinned exactly, so the prose can be read; a test provokes each
//! class, and what is not recognised stays refused as [`Reason::NotVerified`].

use super::{attributes, reason::Reason, verdict::TcbStatus};
use crate::tdx::TdReport;

/// Takes the engine's error by its texts, outermost first, and the report that it was about.
pub(super) fn classify(error: &impl std::fmt::Display, report: &TdReport) -> Reason {
    // The alternate form of the engine's error type joins all causes with colons.
    let detail = format!("{error:#}");
    let says = |text: &str| detail.contains(text);

    if says("CertRevoked") {
        return Reason::CertificateRevoked;
    }
    if says("TCB status is invalid: Revoked") {
        return Reason::Tcb {
            status: TcbStatus::Revoked,
        };
    }
    if says("ISV enclave report signature is invalid") {
        return Reason::QuoteSignature;
    }
    if [
        "CRL",
        "Crl",
        "tcb_info in",
        "qe_identity in",
        "TCB Info signer",
        "QE Identity signer",
        "issuer chain",
    ]
    .into_iter()
    .any(says)
    {
        return Reason::CollateralSignature { detail };
    }
    if says("Failed to verify certificate chain") || says("PCK certificate") {
        return Reason::CertificateChain { detail };
    }
    if says("No matching TCB level") || says("TDX module") || says("TEE_TCB_SVN2") {
        return Reason::TcbUnknown { detail };
    }
    // Attributes are the engine's last check, so that all signatures are good when they are its complaint.
    if [
        "Debug mode",
        "profiling",
        "TD attributes",
        "migration",
        "SERVTD_EXT",
        "SEPT_VE_DISABLE",
        "MR service TD",
    ]
    .into_iter()
    .any(says)
        && !says("QE report validation failed")
    {
        return attributes::fault(report).map_or(Reason::NotVerified { detail }, Reason::Attributes);
    }
    if says("QE ") || says("qe_report") {
        return Reason::QuotingEnclave { detail };
    }
    Reason::NotVerified { detail }
}

//! Why evidence was refused.

use super::TcbStatus;
use crate::{
    collateral::Fmspc,
    freshness::FreshnessFault,
    policy::AnchorKind,
    tdx::{Measurement, event_log::EventLogFault},
};

/// The first reason to refuse a quote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Longer than [`super::MAX_QUOTE_LEN_BYTES`].
    #[error("quote of {len_bytes} bytes")]
    TooLong {
        /// Its length.
        len_bytes: usize,
    },
    /// Not a quote.
    #[error("malformed quote")]
    Malformed,
    /// A quote of another technology, such as an SGX enclave's.
    #[error("not a TDX quote")]
    NotTdx,
    /// A second encoding of the same content.
    #[error("quote is not in canonical form: {what}")]
    NotCanonical {
        /// What differs from the canonical form.
        what: &'static str,
    },
    /// The platform's certificate chain is not leaf, intermediate and root.
    #[error("certificate chain of the quote does not have three members")]
    ChainShape,
    /// The platform's certificate lacks what a platform certificate has.
    #[error("malformed platform certificate")]
    PlatformCertificate,
    /// The chain ends in a root that is not the trusted one.
    #[error("the quote chains to another root than the trusted one ({trusted:?})")]
    UntrustedRoot {
        /// What kind of root is trusted.
        trusted: AnchorKind,
    },
    /// There is no collateral for this family of platforms.
    #[error("no collateral for FMSPC {}", hex::encode(fmspc))]
    NoCollateral {
        /// The family.
        fmspc: Fmspc,
    },
    /// The collateral is for another family of platforms.
    #[error(
        "collateral for FMSPC {}, platform of {}",
        hex::encode(collateral),
        hex::encode(platform)
    )]
    CollateralForOtherFamily {
        /// Of the platform.
        platform: Fmspc,
        /// Of the collateral.
        collateral: Fmspc,
    },
    /// The collateral is for another provisioning enclave.
    #[error("PCE id of platform and collateral differ")]
    PceIdMismatch,
    /// A part of collateral or chains is dated in the future.
    #[error("not valid before {from_unix_s} (Unix seconds)")]
    NotYetValid {
        /// When it will be valid.
        from_unix_s: u64,
    },
    /// A part of collateral or chains has expired.
    #[error("expired at {at_unix_s} (Unix seconds)")]
    Expired {
        /// Last second of validity.
        at_unix_s: u64,
    },
    /// Signature or issuer of TCB info, QE identity or a revocation list.
    #[error("collateral is not signed by the trusted root: {detail}")]
    CollateralSignature {
        /// In the words of the signature engine.
        detail: String,
    },
    /// The platform's certificate chain does not verify.
    #[error("platform certificate chain: {detail}")]
    CertificateChain {
        /// In the words of the signature engine.
        detail: String,
    },
    /// A certificate of platform, intermediate or signer is revoked.
    #[error("certificate revoked")]
    CertificateRevoked,
    /// The quoting enclave is not the vendor's, or did not certify the attestation key.
    #[error("quoting enclave: {detail}")]
    QuotingEnclave {
        /// In the words of the signature engine.
        detail: String,
    },
    /// The attestation key did not sign this report.
    #[error("quote signature")]
    QuoteSignature,
    /// No TCB level of the collateral fits the platform.
    #[error("unknown TCB level: {detail}")]
    TcbUnknown {
        /// In the words of the signature engine.
        detail: String,
    },
    /// The platform's TCB status is not accepted.
    #[error("TCB status {status:?}")]
    Tcb {
        /// Its status.
        status: TcbStatus,
    },
    /// Collateral is older than the rules demand.
    #[error("collateral rolled back: {field} below the minimum")]
    CollateralRolledBack {
        /// Which number.
        field: &'static str,
    },
    /// The platform is affected by an advisory that the rules refuse.
    #[error("advisory {advisory}")]
    Advisory {
        /// Its name.
        advisory: String,
    },
    /// A platform flag that the rules do not allow.
    #[error("platform flag: {flag}")]
    PlatformFlag {
        /// Which.
        flag: &'static str,
    },
    /// An attribute of the TD.
    #[error("TD attributes: {0}")]
    Attributes(AttributeFault),
    /// A measurement that is not in its list.
    #[error("{field:?} is not in the list of allowed values")]
    NotAllowed {
        /// Which.
        field: MeasuredField,
    },
    /// A machine that is not in its list.
    #[error("platform is not in the list of allowed machines")]
    PlatformNotAllowed,
    /// The report data are not those of the peer's key.
    #[error("report data do not bind the peer's key")]
    ReportData,
    /// Report data or age.
    #[error("{0}")]
    Freshness(#[from] FreshnessFault),
    /// Collateral was issued too long ago for the policy.
    #[error("collateral was issued {age_s} s ago")]
    CollateralTooOld {
        /// Its age.
        age_s: u64,
    },
    /// The policy demands an event log and there is none.
    #[error("no event log")]
    NoEventLog,
    /// The event log is malformed.
    #[error("{0}")]
    EventLog(#[from] EventLogFault),
    /// The event log does not replay to a register of the quote.
    #[error("event log does not replay to RTMR {register}")]
    EventLogMismatch {
        /// Which.
        register: usize,
    },
    /// An event that the policy demands was not measured.
    #[error("event {} was not measured", hex::encode(digest))]
    EventMissing {
        /// Its digest.
        digest: Measurement,
    },
    /// Not a fake quote, where only that is accepted.
    #[error("fake quotes have 64 bytes, this one {len_bytes}")]
    NotFake {
        /// Its length.
        len_bytes: usize,
    },
    /// Refused by the signature engine for another reason.
    #[error("not verified: {detail}")]
    NotVerified {
        /// In the words of the signature engine.
        detail: String,
    },
}

/// A field of the report that is compared with a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MeasuredField {
    /// The TDX module.
    MrSeam,
    /// Initial contents of the TD.
    MrTd,
    /// Run-time registers.
    Rtmr,
    /// SHA-256 over the measurements.
    ImageHash,
}

/// What is wrong with attribute bits or XFAM (Intel TDX module ABI specification, TD attributes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum AttributeFault {
    /// The host may read and change the TD's memory.
    #[error("debug mode")]
    Debug,
    /// The host may profile the TD.
    #[error("profiling")]
    Profiling,
    /// Bits that must be zero.
    #[error("reserved bits set")]
    Reserved,
    /// The host can inject exceptions by withdrawing pages.
    #[error("SEPT_VE_DISABLE off")]
    SeptVeEnabled,
    /// The TD can be moved to another machine.
    #[error("migratable")]
    Migratable,
    /// Another TD has power over this one.
    #[error("bound to a service TD")]
    ServiceTd,
    /// Performance counters are exposed.
    #[error("performance monitoring")]
    Perfmon,
    /// Features that must be on are off, or unknown ones are on.
    #[error("XFAM")]
    Xfam,
}

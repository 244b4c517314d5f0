//! Verifier bugs that can be switched on, so that tests can show that the gate of mutations finds them.
//!
//! Every bug is one that a real verifier has had, or one that stands a line away from the code. Outside tests and the
//! feature `planted-bugs` there is no switch: [`planted`] is the constant `false` and the branches vanish.

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Bug {
    /// An empty list allows everything (the reference system, spec §3.5).
    EmptyListAllowsAll,
    /// Listed values are compared by their first byte.
    ComparePrefix,
    /// Evidence is named by all of its bytes, so that padding makes new evidence.
    NameWholeBlob,
    /// Report data are not compared.
    IgnoreReportData,
    /// Certificates are good for ever.
    IgnoreCertificateDates,
    /// The second certificate is taken as it comes.
    SkipIntermediateSignature,
    /// Revocation lists are not looked at.
    IgnoreRevocation,
    /// Revocation lists dated in the future count.
    AcceptFutureRevocationList,
    /// Rolled-back collateral is not noticed.
    IgnoreCollateralNumbers,
    /// TDX: bytes after the structure are ignored.
    TdxTrailingBytes,
    /// TDX: the outer type of the certification data is ignored.
    TdxOuterType,
    /// TDX: text around PEM blocks is ignored.
    TdxPemText,
    /// TDX: the provisioning enclave's id is not compared.
    TdxPceId,
    /// TDX: attribute bits are ignored.
    TdxAttributes,
    /// TDX: outdated platforms pass.
    TdxTcbStatus,
    /// TDX: the event log is not replayed.
    TdxEventLog,
    /// SNP: unsigned bytes may have any value.
    SnpPadding,
    /// SNP: reserved bytes are cleared before the signature is checked, as when a parsed report is encoded again.
    SnpReencode,
    /// SNP: the report's TCB is not compared with the certificate's.
    SnpTcb,
    /// SNP: the report's chip is not compared with the certificate's.
    SnpChipId,
    /// SNP: debugging is ignored.
    SnpDebug,
    /// SNP: the privilege level is ignored.
    SnpVmpl,
    /// SNP: the committed TCB may be below the minimum.
    SnpCommittedTcb,
    /// GPU: the firmware of the report is not compared with the certificate's.
    GpuFirmware,
    /// GPU: the nonce is not compared.
    GpuNonce,
    /// GPU: the mode is ignored.
    GpuMode,
    /// GPU: a root is recognised by its name.
    GpuRootByName,
    /// GPU: measurements are not compared with the manifest.
    GpuManifest,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 28] = [
        Self::EmptyListAllowsAll,
        Self::ComparePrefix,
        Self::NameWholeBlob,
        Self::IgnoreReportData,
        Self::IgnoreCertificateDates,
        Self::SkipIntermediateSignature,
        Self::IgnoreRevocation,
        Self::AcceptFutureRevocationList,
        Self::IgnoreCollateralNumbers,
        Self::TdxTrailingBytes,
        Self::TdxOuterType,
        Self::TdxPemText,
        Self::TdxPceId,
        Self::TdxAttributes,
        Self::TdxTcbStatus,
        Self::TdxEventLog,
        Self::SnpPadding,
        Self::SnpReencode,
        Self::SnpTcb,
        Self::SnpChipId,
        Self::SnpDebug,
        Self::SnpVmpl,
        Self::SnpCommittedTcb,
        Self::GpuFirmware,
        Self::GpuNonce,
        Self::GpuMode,
        Self::GpuRootByName,
        Self::GpuManifest,
    ];
}

#[cfg(any(test, feature = "planted-bugs"))]
mod switch {
    use super::Bug;
    use std::cell::Cell;

    thread_local! {
        static ACTIVE: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Runs `with` while this thread's verifier has `bug`.
    pub fn with_bug<T>(bug: Bug, with: impl FnOnce() -> T) -> T {
        /// Switches off on every way out, a panic of an assertion included.
        struct Off;
        impl Drop for Off {
            fn drop(&mut self) {
                ACTIVE.set(None);
            }
        }
        ACTIVE.set(Some(bug));
        let _off = Off;
        with()
    }

    pub(crate) fn planted(bug: Bug) -> bool {
        ACTIVE.get() == Some(bug)
    }
}

#[cfg(any(test, feature = "planted-bugs"))]
pub(crate) use switch::planted;
#[cfg(any(test, feature = "planted-bugs"))]
pub use switch::with_bug;

#[cfg(not(any(test, feature = "planted-bugs")))]
pub(crate) const fn planted(_: Bug) -> bool {
    false
}

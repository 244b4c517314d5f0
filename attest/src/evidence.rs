//! Evidence of any kind: recognised by its bytes, named by what is signed.

use crate::hash::sha384;
use std::fmt;

/// Bytes from an attester with what travels beside them. Nothing of it is trusted.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// A TDX quote, an SNP report, or request and response of a GPU's measurements.
    pub bytes: &'a [u8],
    /// Certificates in DER from the leaf to the root. A TDX quote carries its own.
    pub certificates: &'a [Vec<u8>],
    /// Log of the events that a TD extended its registers with ([`crate::tdx::event_log`]).
    pub event_log: Option<&'a [u8]>,
}

impl<'a> Evidence<'a> {
    /// Evidence that carries all it needs.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            certificates: &[],
            event_log: None,
        }
    }

    /// Evidence with the chain of the key that signed it.
    pub fn with_certificates(bytes: &'a [u8], certificates: &'a [Vec<u8>]) -> Self {
        Self {
            certificates,
            ..Self::new(bytes)
        }
    }

    /// What it is.
    ///
    /// # Errors
    /// It is none of the kinds.
    pub fn kind(&self) -> Result<EvidenceKind, Unrecognised> {
        EvidenceKind::of(self.bytes)
    }
}

/// Kinds of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EvidenceKind {
    /// A quote of an Intel TD.
    Tdx,
    /// A quote of an Intel SGX enclave; recognised so that it can be refused by name.
    Sgx,
    /// An attestation report of an AMD SEV-SNP guest.
    Snp,
    /// Measurements of an NVIDIA GPU over SPDM.
    NvidiaGpu,
}

impl EvidenceKind {
    /// The name in policies and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tdx => "tdx",
            Self::Sgx => "sgx",
            Self::Snp => "snp",
            Self::NvidiaGpu => "gpu",
        }
    }

    /// Recognises evidence by its first bytes and its length. That it is of this kind does not say that it is well
    /// formed.
    ///
    /// # Errors
    /// It is none of the kinds.
    pub fn of(bytes: &[u8]) -> Result<Self, Unrecognised> {
        // SPDM: version 1.x, request code GET_MEASUREMENTS.
        if let [0x10..=0x1f, 0xe0, ..] = bytes {
            return Ok(Self::NvidiaGpu);
        }
        let word = |at: usize| {
            let word = bytes.get(at..at + 4)?.try_into().ok()?;
            Some(u32::from_le_bytes(word))
        };
        let (Some(head), Some(tee)) = (word(0), word(4)) else {
            return Err(Unrecognised { len_bytes: bytes.len() });
        };
        let (version, key_type) = (head & 0xffff, head >> 16);
        // Quotes are of version 3 to 5 with an ECDSA key, of P-256 (2) or P-384 (3); the TEE type follows.
        match (version, key_type, tee) {
            (3..=5, 2 | 3, 0) => Ok(Self::Sgx),
            (3..=5, 2 | 3, 0x81) => Ok(Self::Tdx),
            (_, 0, _) if bytes.len() == crate::snp::REPORT_LEN_BYTES => Ok(Self::Snp),
            _ => Err(Unrecognised { len_bytes: bytes.len() }),
        }
    }
}

/// Bytes that are no evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{len_bytes} bytes are neither a TDX quote (bytes 0 to 7: version 3 to 5, key type 2 or 3, TEE type 0x81), nor an \
     SNP report (1184 bytes, bytes 2 and 3 zero), nor GPU measurements (bytes 0 and 1: 0x1x, 0xe0)"
)]
pub struct Unrecognised {
    /// How many bytes there are.
    pub len_bytes: usize,
}

/// Names evidence by what is signed and by the platform. Encodings that differ in unsigned bytes (padding, the twin
/// `n - s` of a signature) have the same id, so that replay tables and caches count them as one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EvidenceId(pub [u8; 48]);

impl EvidenceId {
    pub(crate) fn of_tdx(signed: &[u8], ppid: &[u8; 16]) -> Self {
        Self(sha384(&[b"chrysalis evidence tdx v1", ppid, signed]))
    }

    pub(crate) fn of_fake(report_data: &[u8; 64]) -> Self {
        Self(sha384(&[b"chrysalis evidence fake v1", report_data]))
    }

    /// The platform is in the signed part, or masked by its owner's choice.
    pub(crate) fn of_snp(signed: &[u8]) -> Self {
        Self(sha384(&[b"chrysalis evidence snp v1", signed]))
    }

    /// The signed part has no identity of the device: its key has.
    pub(crate) fn of_gpu(signed: &[u8], device_key: &[u8]) -> Self {
        Self(sha384(&[b"chrysalis evidence gpu v1", device_key, signed]))
    }
}

impl fmt::Debug for EvidenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EvidenceId({})", hex::encode(&self.0[..8]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_apart_by_their_first_bytes() {
        let mut quote = vec![0; 700];
        let head = |quote: &mut Vec<u8>, head: [u8; 8]| quote[..8].copy_from_slice(&head);
        for version in 3..=5 {
            head(&mut quote, [version, 0, 2, 0, 0x81, 0, 0, 0]);
            assert_eq!(EvidenceKind::of(&quote), Ok(EvidenceKind::Tdx));
            head(&mut quote, [version, 0, 2, 0, 0, 0, 0, 0]);
            assert_eq!(EvidenceKind::of(&quote), Ok(EvidenceKind::Sgx));
        }
        head(&mut quote, [6, 0, 2, 0, 0x81, 0, 0, 0]);
        assert_eq!(EvidenceKind::of(&quote), Err(Unrecognised { len_bytes: 700 }));
        let mut report = vec![0; 1_184];
        report[0] = 5;
        assert_eq!(EvidenceKind::of(&report), Ok(EvidenceKind::Snp));
        report.push(0);
        assert!(EvidenceKind::of(&report).is_err());
        assert_eq!(EvidenceKind::of(&[0x11, 0xe0]), Ok(EvidenceKind::NvidiaGpu));
        assert!(EvidenceKind::of(&[0x11, 0x60]).is_err());
        for len in 0..8 {
            assert!(EvidenceKind::of(&vec![3; len]).is_err());
        }
    }
}

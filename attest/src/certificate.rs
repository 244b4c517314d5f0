//! The certificate of spec §3.4: self-signed Ed25519, good for a day, the quote in a critical extension; or the same
//! certificate with the quote in the extension of other implementations.
//!
//! A quote is bound to the certificate by its report data, which cover the certificate's public key. That says that the
//! key was made inside the TD; it does not say when.
//!
//! | module | holds |
//! |---|---|
//! | [`ccc`] | the extension of interoperable RA-TLS |
//! | [`identity`] | issuing: key, quote and time in, [`Identity`] out |
//! | [`mod@check`] | verifying: the order of checks, one form accepted |

mod cbor;
pub mod ccc;
pub mod check;
pub mod identity;

#[cfg(test)]
mod tests;

pub use cbor::CborReason;
pub use check::{CertificateReason, CertifiedEvidence, CheckedCertificate, check};
pub use identity::{Identity, IdentityKey, IssueError, PublicKey};

use crate::{der::Oid, hash::sha512};

/// Longest quote that a certificate may carry (spec §3.4).
pub const MAX_EVIDENCE_LEN_BYTES: usize = 32_768;

/// Longest certificate that is read: the longest quote and some 500 bytes around it.
pub const MAX_CERTIFICATE_LEN_BYTES: usize = MAX_EVIDENCE_LEN_BYTES + 2_048;

/// Validity of a certificate.
pub const VALIDITY_S: u64 = 86_400;

/// Report data that bind a quote to a key: SHA-512 of its 32 bytes (spec §3.4).
pub fn report_data_for(public_key: &PublicKey) -> [u8; 64] {
    sha512(&[public_key])
}

/// In which form a certificate carries evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum CertificateForm {
    /// The reference system's (spec §3.4).
    #[default]
    Reference,
    /// Interoperable RA-TLS ([`ccc`]).
    Ccc,
}

const CCC_EVIDENCE: &Oid = &[2, 23, 133, 5, 4, 9];
const EVIDENCE: &Oid = &[1, 3, 6, 1, 4, 1, 12_345, 1];
const CLAIMS: &Oid = &[1, 3, 6, 1, 4, 1, 12_345, 2];
const BASIC_CONSTRAINTS: &Oid = &[2, 5, 29, 19];
const KEY_USAGE: &Oid = &[2, 5, 29, 15];
const EXTENDED_KEY_USAGE: &Oid = &[2, 5, 29, 37];
const SUBJECT_KEY_ID: &Oid = &[2, 5, 29, 14];
const SUBJECT_ALT_NAME: &Oid = &[2, 5, 29, 17];
const ED25519: &Oid = &[1, 3, 101, 112];
const SERVER_AUTH: &Oid = &[1, 3, 6, 1, 5, 5, 7, 3, 1];
const CLIENT_AUTH: &Oid = &[1, 3, 6, 1, 5, 5, 7, 3, 2];

/// The host name that diallers of the reference system verify, as a DNS name (spec §3.3).
const VERIFIED_NAME: &str = "127.0.0.1";

/// Contents of the extensions that have one form only.
mod contents {
    use super::{CLIENT_AUTH, SERVER_AUTH};
    use crate::der::{element, named_bits, oid, sequence};

    pub(super) fn not_a_ca() -> Vec<u8> {
        element(0x30, &[])
    }

    pub(super) fn digital_signature() -> Vec<u8> {
        named_bits(0x80)
    }

    pub(super) fn both_ends_of_tls() -> Vec<u8> {
        sequence(&[oid(SERVER_AUTH), oid(CLIENT_AUTH)])
    }
}

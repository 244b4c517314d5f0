//! Evidence in certificates as other implementations of RA-TLS carry it (Confidential Computing Consortium,
//! "interoperable RA-TLS"): one extension, 2.23.133.5.4.9, with a DICE conceptual message wrapper in CBOR.
//!
//! ```text
//! 60000([ quote: bstr, claims: bstr ])
//! claims = { ? "nonce": bstr, "pubkey-hash": [ algorithm: uint, hash of the SubjectPublicKeyInfo: bstr ] }
//! report data = SHA-256(claims) and 32 zero bytes
//! ```
//!
//! Algorithms are those of IANA's registry of named information hashes: 1, 7, 8 for SHA-256, SHA-384, SHA-512. As in
//! the reference's form, evidence is bound to a key and has no time.

use super::{
    CertificateReason, MAX_EVIDENCE_LEN_BYTES,
    cbor::{CborReader, CborReason, CborWriter},
    check::public_key_info,
    identity::PublicKey,
};
use crate::hash::{sha256, sha384, sha512};

/// CBOR tag of the wrapper.
const TAG: u64 = 60_000;
const NONCE: &str = "nonce";
const PUBKEY_HASH: &str = "pubkey-hash";
const SHA_256: u64 = 1;
const SHA_384: u64 = 7;
const SHA_512: u64 = 8;

/// Longest nonce that is read.
pub const MAX_NONCE_LEN_BYTES: usize = 64;

/// What such an extension says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrapped {
    pub(super) quote: Vec<u8>,
    pub(super) report_data: [u8; 64],
    pub(super) nonce: Option<Vec<u8>>,
}

/// Report data for claims.
fn report_data(claims: &[u8]) -> [u8; 64] {
    let mut data = [0; 64];
    data[..32].copy_from_slice(&sha256(&[claims]));
    data
}

fn claims(public_key: &PublicKey, nonce: Option<&[u8]>) -> Vec<u8> {
    let writer = CborWriter::default().map(1 + u64::from(nonce.is_some()));
    // In the order of their encodings, as the deterministic form wants it: the shorter text first.
    let writer = match nonce {
        Some(nonce) => writer.text(NONCE).bytes(nonce),
        None => writer,
    };
    writer
        .text(PUBKEY_HASH)
        .array(2)
        .unsigned(SHA_256)
        .bytes(&sha256(&[&public_key_info(public_key)]))
        .finish()
}

/// Report data that a quote for such a certificate must have.
pub fn report_data_for(public_key: &PublicKey, nonce: Option<&[u8]>) -> [u8; 64] {
    report_data(&claims(public_key, nonce))
}

/// Contents of the extension.
pub(super) fn wrap(quote: &[u8], public_key: &PublicKey, nonce: Option<&[u8]>) -> Vec<u8> {
    CborWriter::default()
        .tag(TAG)
        .array(2)
        .bytes(quote)
        .bytes(&claims(public_key, nonce))
        .finish()
}

/// Reads the extension of a certificate with this key.
pub(super) fn unwrap(extension: &[u8], public_key: &PublicKey) -> Result<Wrapped, CertificateReason> {
    let (quote, claims) = parts(extension)?;
    if quote.len() > MAX_EVIDENCE_LEN_BYTES {
        return Err(CertificateReason::EvidenceTooLong { len_bytes: quote.len() });
    }
    let (nonce, algorithm, hash) = read_claims(claims)?;
    let key = public_key_info(public_key);
    let is_of_the_key = match algorithm {
        SHA_256 => hash == sha256(&[&key]),
        SHA_384 => hash == sha384(&[&key]),
        SHA_512 => hash == sha512(&[&key]),
        _ => false,
    };
    if !is_of_the_key {
        return Err(CertificateReason::Claims);
    }
    Ok(Wrapped {
        quote: quote.to_vec(),
        report_data: report_data(claims),
        nonce: nonce.map(<[u8]>::to_vec),
    })
}

fn parts(extension: &[u8]) -> Result<(&[u8], &[u8]), CborReason> {
    let mut reader = CborReader::new(extension);
    reader.tagged(TAG)?;
    reader.array_of(2)?;
    let parts = (reader.byte_string()?, reader.byte_string()?);
    reader.end()?;
    Ok(parts)
}

type Claims<'a> = (Option<&'a [u8]>, u64, &'a [u8]);

fn read_claims(claims: &[u8]) -> Result<Claims<'_>, CertificateReason> {
    let mut reader = CborReader::new(claims);
    let nonce = match reader.map()? {
        1 => None,
        2 => {
            if reader.text()? != NONCE {
                return Err(CertificateReason::Claims);
            }
            let nonce = reader.byte_string()?;
            if nonce.len() > MAX_NONCE_LEN_BYTES {
                return Err(CertificateReason::Claims);
            }
            Some(nonce)
        }
        _ => return Err(CertificateReason::Claims),
    };
    if reader.text()? != PUBKEY_HASH {
        return Err(CertificateReason::Claims);
    }
    reader.array_of(2)?;
    let (algorithm, hash) = (reader.unsigned()?, reader.byte_string()?);
    reader.end()?;
    Ok((nonce, algorithm, hash))
}

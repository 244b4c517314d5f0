//! Keys of simulated vendors, each derived from a label and numbers, and how each signs certificates.

use super::rsa::SimRsaKey;
use crate::{
    chain::AMD_PSS_ALGORITHM,
    der::{Oid, bits, oid, sequence},
    hash::{sha256, sha384},
};
use p256::ecdsa::signature::Signer;

const ECDSA_WITH_SHA256: &Oid = &[1, 2, 840, 10_045, 4, 3, 2];
const ECDSA_WITH_SHA384: &Oid = &[1, 2, 840, 10_045, 4, 3, 3];
const EC_PUBLIC_KEY: &Oid = &[1, 2, 840, 10_045, 2, 1];
const SECP256R1: &Oid = &[1, 2, 840, 10_045, 3, 1, 7];
const SECP384R1: &Oid = &[1, 3, 132, 0, 34];

/// A P-256 key: what Intel signs with.
pub(super) struct SimKey256(p256::ecdsa::SigningKey);

/// A P-384 key: what AMD's chips and NVIDIA's devices sign with.
pub(crate) struct SimKey384(p384::ecdsa::SigningKey);

/// The first of a sequence of digests that is a key: one in 2^32 (P-256) or 2^190 (P-384) is not below the order of
/// the group.
fn derive<const N: usize, K>(
    domain: &[u8],
    (label, seed, n): (&str, u64, u64),
    hash: impl Fn(&[&[u8]]) -> [u8; N],
    key: impl Fn(&[u8]) -> Option<K>,
) -> K {
    let mut attempt = 0u32;
    loop {
        let candidate = hash(&[
            domain,
            label.as_bytes(),
            b"\0",
            &seed.to_le_bytes(),
            &n.to_le_bytes(),
            &attempt.to_le_bytes(),
        ]);
        if let Some(key) = key(&candidate) {
            return key;
        }
        attempt += 1;
    }
}

fn elliptic_key_info(curve: &Oid, point: &[u8]) -> Vec<u8> {
    sequence(&[sequence(&[oid(EC_PUBLIC_KEY), oid(curve)]), bits(point)])
}

impl SimKey256 {
    pub(super) fn derive(label: &str, seed: u64, n: u64) -> Self {
        let key = |candidate: &[u8]| p256::ecdsa::SigningKey::from_slice(candidate).ok();
        Self(derive(b"chrysalis SIM key v1\0", (label, seed, n), sha256, key))
    }

    /// Coordinates x and y.
    pub(super) fn public_point(&self) -> [u8; 64] {
        let point = self.0.verifying_key().to_encoded_point(false);
        let mut out = [0; 64];
        // An uncompressed point is 0x04 and the coordinates.
        out.copy_from_slice(&point.as_bytes()[1..]);
        out
    }

    pub(super) fn subject_public_key_info(&self) -> Vec<u8> {
        let point = self.0.verifying_key().to_encoded_point(false);
        elliptic_key_info(SECP256R1, point.as_bytes())
    }

    /// `r` and `s`, as quotes and collateral carry them.
    pub(super) fn sign_raw(&self, message: &[u8]) -> [u8; 64] {
        let signature: p256::ecdsa::Signature = self.0.sign(message);
        signature.to_bytes().into()
    }
}

impl SimKey384 {
    pub(crate) fn derive(label: &str, seed: u64, n: u64) -> Self {
        let key = |candidate: &[u8]| p384::ecdsa::SigningKey::from_slice(candidate).ok();
        Self(derive(b"chrysalis SIM P-384 key v1\0", (label, seed, n), sha384, key))
    }

    /// Uncompressed.
    pub(crate) fn public_point(&self) -> Vec<u8> {
        self.0.verifying_key().to_encoded_point(false).as_bytes().to_vec()
    }

    pub(super) fn subject_public_key_info(&self) -> Vec<u8> {
        elliptic_key_info(SECP384R1, &self.public_point())
    }

    /// `r` and `s`, big-endian.
    pub(crate) fn sign_raw(&self, message: &[u8]) -> [u8; 96] {
        let signature: p384::ecdsa::Signature = self.0.sign(message);
        let mut out = [0; 96];
        out.copy_from_slice(&signature.to_bytes());
        out
    }
}

/// Who signs certificates and lists.
#[derive(Clone, Copy)]
pub(super) enum SignedBy<'a> {
    P256(&'a SimKey256),
    P384(&'a SimKey384),
    Rsa(&'a SimRsaKey),
}

impl SignedBy<'_> {
    pub(super) fn algorithm(self) -> Vec<u8> {
        match self {
            Self::P256(_) => sequence(&[oid(ECDSA_WITH_SHA256)]),
            Self::P384(_) => sequence(&[oid(ECDSA_WITH_SHA384)]),
            Self::Rsa(_) => AMD_PSS_ALGORITHM.to_vec(),
        }
    }

    pub(super) fn sign(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::P256(SimKey256(key)) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
            Self::P384(SimKey384(key)) => {
                let signature: p384::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
            Self::Rsa(key) => key.sign(message),
        }
    }

    pub(super) fn subject_public_key_info(self) -> Vec<u8> {
        match self {
            Self::P256(key) => key.subject_public_key_info(),
            Self::P384(key) => key.subject_public_key_info(),
            Self::Rsa(key) => key.subject_public_key_info(),
        }
    }
}

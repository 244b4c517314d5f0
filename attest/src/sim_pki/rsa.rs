//! RSA-4096 signatures of the simulated AMD, in the format of the real one: RSASSA-PSS with SHA-384.
//!
//! Making such keys takes seconds, so there are three fixed ones and every seed shares them: seeds differ in the names
//! of their roots. Nothing here is secret (the primes are in the source), which is why plain big-number arithmetic does
//! and `rsa`, with its standing advisory about timing, is not needed. The salt is derived from the message, so that
//! equal messages have equal signatures.

use crate::{
    der::{bits, element, oid, sequence, unsigned},
    hash::sha384,
};
use num_bigint::BigUint;
use std::sync::LazyLock;

const MODULUS_LEN_BYTES: usize = 512;
const HASH_LEN_BYTES: usize = 48;

/// A fixed key of the simulation.
pub(super) struct SimRsaKey {
    modulus: BigUint,
    p: BigUint,
    q: BigUint,
    d_p: BigUint,
    d_q: BigUint,
    q_inverse: BigUint,
}

/// Of the root.
pub(super) static ARK: LazyLock<SimRsaKey> = LazyLock::new(|| SimRsaKey::read(include_str!("rsa_keys/ark.hex")));
/// Of what certifies chips.
pub(super) static ASK: LazyLock<SimRsaKey> = LazyLock::new(|| SimRsaKey::read(include_str!("rsa_keys/ask.hex")));
/// Of what certifies keys that are loaded for providers.
pub(super) static ASVK: LazyLock<SimRsaKey> = LazyLock::new(|| SimRsaKey::read(include_str!("rsa_keys/asvk.hex")));

impl SimRsaKey {
    /// Two primes in hexadecimal, one a line.
    #[expect(clippy::expect_used, reason = "three constant files, read by a test")]
    fn read(primes: &str) -> Self {
        let mut lines = primes
            .lines()
            .map(|line| BigUint::parse_bytes(line.as_bytes(), 16).expect("a prime in hexadecimal"));
        let (p, q) = (lines.next().expect("first prime"), lines.next().expect("second prime"));
        let exponent = BigUint::from(65_537u32);
        let one = BigUint::from(1u32);
        let (p_less, q_less) = (&p - &one, &q - &one);
        Self {
            modulus: &p * &q,
            d_p: exponent.modinv(&p_less).expect("the exponent has an inverse"),
            d_q: exponent.modinv(&q_less).expect("the exponent has an inverse"),
            q_inverse: q.modinv(&p).expect("primes differ"),
            p,
            q,
        }
    }

    pub(super) fn subject_public_key_info(&self) -> Vec<u8> {
        let key = sequence(&[unsigned(&self.modulus.to_bytes_be()), unsigned(&[1, 0, 1])]);
        sequence(&[
            sequence(&[oid(&[1, 2, 840, 113_549, 1, 1, 1]), element(0x05, &[])]),
            bits(&key),
        ])
    }

    /// RFC 8017 §8.1.1 with a salt as long as the hash.
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let encoded = BigUint::from_bytes_be(&encode(message));
        let (m_p, m_q) = (encoded.modpow(&self.d_p, &self.p), encoded.modpow(&self.d_q, &self.q));
        // Chinese remainders; `+ p` twice keeps the difference from going below zero (q may exceed p).
        let difference = (&m_p + &self.p + &self.p - (&m_q % &self.p)) % &self.p;
        let signature = m_q + (difference * &self.q_inverse % &self.p) * &self.q;
        let bytes = signature.to_bytes_be();
        let mut out = vec![0; MODULUS_LEN_BYTES - bytes.len()];
        out.extend_from_slice(&bytes);
        out
    }
}

/// EMSA-PSS (RFC 8017 §9.1.1) for a modulus of 4096 bits.
fn encode(message: &[u8]) -> [u8; MODULUS_LEN_BYTES] {
    const DB_LEN_BYTES: usize = MODULUS_LEN_BYTES - HASH_LEN_BYTES - 1;
    let digest = sha384(&[message]);
    let salt = sha384(&[b"SIM PSS salt v1", &digest]);
    let hash = sha384(&[&[0; 8], &digest, &salt]);
    let mut encoded = [0; MODULUS_LEN_BYTES];
    encoded[DB_LEN_BYTES - HASH_LEN_BYTES - 1] = 1;
    encoded[DB_LEN_BYTES - HASH_LEN_BYTES..DB_LEN_BYTES].copy_from_slice(&salt);
    for (counter, block) in (0u32..).zip(encoded[..DB_LEN_BYTES].chunks_mut(HASH_LEN_BYTES)) {
        let mask = sha384(&[&hash, &counter.to_be_bytes()]);
        for (byte, mask) in block.iter_mut().zip(mask) {
            *byte ^= mask;
        }
    }
    // The encoded message has one bit less than the modulus.
    encoded[0] &= 0x7f;
    encoded[DB_LEN_BYTES..DB_LEN_BYTES + HASH_LEN_BYTES].copy_from_slice(&hash);
    encoded[MODULUS_LEN_BYTES - 1] = 0xbc;
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{RSA_PSS_2048_8192_SHA384, UnparsedPublicKey};

    #[test]
    fn an_independent_verifier_accepts_the_signatures_and_no_others() {
        for key in [&*ARK, &*ASK, &*ASVK] {
            let public = sequence(&[unsigned(&key.modulus.to_bytes_be()), unsigned(&[1, 0, 1])]);
            let verify = |message: &[u8], signature: &[u8]| {
                UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA384, &public)
                    .verify(message, signature)
                    .is_ok()
            };
            for message in [&b""[..], b"a", &[7; 5_000]] {
                let mut signature = key.sign(message);
                assert_eq!(signature, key.sign(message));
                assert!(verify(message, &signature));
                assert!(!verify(b"another", &signature));
                signature[100] ^= 1;
                assert!(!verify(message, &signature));
            }
        }
    }
}

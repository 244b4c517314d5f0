//! Ed25519 keys. Signing is deterministic; seeds come from the caller, never from the operating system.

use std::fmt;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

/// A signing key, made of a 32-byte seed.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// Derives the key of a seed (RFC 8032 private key).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        #[expect(
            clippy::expect_used,
            reason = "ring refuses a seed only for its length, which the type fixes"
        )]
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("a seed of 32 bytes");
        let mut public = [0; 32];
        public.copy_from_slice(pair.public_key().as_ref());
        Self {
            pair,
            public: PublicKey(public),
        }
    }

    /// The key that verifies what this one signs.
    pub const fn public(&self) -> PublicKey {
        self.public
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> Signature {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.pair.sign(message).as_ref());
        Signature(signature)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

/// A public key as it travels: 32 bytes that need not be a point of the curve, in which case nothing verifies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether `signature` is this key's signature of `message`. Refuses malleated signatures (S not reduced).
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &Signature) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(message, &signature.0)
            .is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature(pub [u8; 64]);

impl Signature {
    /// The 64 bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032 §7.1, test 3.
    #[test]
    fn signs_as_the_standard_says() {
        let bytes = |text: &str| hex::decode(text).unwrap();
        let seed = bytes("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7");
        let key = SigningKey::from_seed(&seed.try_into().unwrap());
        let public = bytes("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");
        assert_eq!(key.public().as_bytes().as_slice(), public);
        let signature = key.sign(&[0xaf, 0x82]);
        let expected = bytes(
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
             18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        );
        assert_eq!(signature.as_bytes().as_slice(), expected);
    }

    #[test]
    fn verifies_its_own_signature_and_nothing_else() {
        let key = SigningKey::from_seed(&[7; 32]);
        let signature = key.sign(b"pay 5");
        assert!(key.public().verifies(b"pay 5", &signature));
        assert!(!key.public().verifies(b"pay 6", &signature));
        assert!(!SigningKey::from_seed(&[8; 32]).public().verifies(b"pay 5", &signature));
        assert!(
            !PublicKey([2; 32]).verifies(b"pay 5", &signature),
            "not a point of the curve"
        );
        for bit in 0..512 {
            let mut other = signature;
            other.0[bit / 8] ^= 1 << (bit % 8);
            assert!(!key.public().verifies(b"pay 5", &other));
        }
    }

    #[test]
    fn a_seed_is_never_printed() {
        let printed = format!("{:?}", SigningKey::from_seed(&[0x42; 32]));
        assert!(!printed.contains("4242"), "{printed}");
        assert!(printed.contains("2152f8d1"), "{printed}");
    }
}

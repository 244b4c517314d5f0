//! The proof of work in front of every connection (spec §3.2): the acceptor asks, the dialer pays.

use std::ops::Range;

use sha2::{Digest, Sha256};

/// Length of an encoded [`Challenge`].
pub const CHALLENGE_BYTES: usize = 24;
/// Length of an encoded [`Response`].
pub const RESPONSE_BYTES: usize = 12;

const CHALLENGE_MARK: u32 = 0x418e_1291;
const RESPONSE_MARK: u32 = 0x0182_7319;

/// Leading zero bits that a hash must have: 0 to 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difficulty(u8);

impl Difficulty {
    /// What an acceptor asks unless configured otherwise.
    pub const DEFAULT_ASKED: Self = Self(20);
    /// What a dialer pays at most unless configured otherwise.
    pub const DEFAULT_MAX_PAID: Self = Self(28);
    /// Only 64 bits of the hash are looked at.
    pub const MAX_BITS: u8 = 64;

    /// A difficulty in bits.
    ///
    /// # Errors
    /// More than 64 bits.
    pub const fn new(bits: u8) -> Result<Self, ProofOfWorkError> {
        if bits <= Self::MAX_BITS {
            Ok(Self(bits))
        } else {
            Err(ProofOfWorkError::DifficultyOutOfRange { bits: bits as i32 })
        }
    }

    /// In bits.
    pub const fn bits(self) -> u8 {
        self.0
    }
}

/// What the acceptor asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// How hard it is.
    pub difficulty: Difficulty,
    /// 16 random bytes, fresh for each connection.
    pub salt: [u8; 16],
}

/// What the dialer answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// The number that solves the challenge; signed on the wire.
    pub nonce: i64,
}

/// Why a proof of work was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofOfWorkError {
    /// The first four bytes are not those of a challenge or response.
    #[error("proof of work starts with {found:#010x} where {expected:#010x} is due")]
    WrongMark {
        /// The number that was read.
        found: u32,
        /// The number that was due.
        expected: u32,
    },
    /// The difficulty is not between 0 and 64.
    #[error("difficulty of {bits} bits is not between 0 and 64")]
    DifficultyOutOfRange {
        /// The difficulty that was asked.
        bits: i32,
    },
    /// The acceptor asks for more than the dialer pays.
    #[error("difficulty of {asked_bits} bits exceeds the maximum of {max_bits}")]
    TooDifficult {
        /// The difficulty that was asked.
        asked_bits: u8,
        /// The most that is paid.
        max_bits: u8,
    },
    /// No nonce solves the challenge; only possible for difficulties near 64.
    #[error("no nonce solves the challenge")]
    NoSolution,
    /// The response does not solve the challenge.
    #[error("nonce {nonce} gives {found_bits} zero bits, {asked_bits} are asked")]
    NotSolved {
        /// The nonce of the response.
        nonce: i64,
        /// Zero bits that it gives.
        found_bits: u8,
        /// Zero bits that were asked.
        asked_bits: u8,
    },
}

impl Challenge {
    /// The bytes on the wire.
    pub fn encode(&self) -> [u8; CHALLENGE_BYTES] {
        let mut bytes = [0; CHALLENGE_BYTES];
        bytes[..4].copy_from_slice(&CHALLENGE_MARK.to_le_bytes());
        bytes[4..8].copy_from_slice(&i32::from(self.difficulty.0).to_le_bytes());
        bytes[8..].copy_from_slice(&self.salt);
        bytes
    }

    /// Reads the bytes on the wire.
    ///
    /// # Errors
    /// Wrong mark, or a difficulty outside 0..=64.
    pub fn decode(bytes: &[u8; CHALLENGE_BYTES]) -> Result<Self, ProofOfWorkError> {
        let [m0, m1, m2, m3, d0, d1, d2, d3, salt @ ..] = *bytes;
        check_mark([m0, m1, m2, m3], CHALLENGE_MARK)?;
        let bits = i32::from_le_bytes([d0, d1, d2, d3]);
        let difficulty = u8::try_from(bits)
            .ok()
            .and_then(|bits| Difficulty::new(bits).ok())
            .ok_or(ProofOfWorkError::DifficultyOutOfRange { bits })?;
        Ok(Self { difficulty, salt })
    }

    /// The smallest nonce from 0 upward that solves the challenge.
    ///
    /// Takes 2^difficulty hashes on average. To share a thread, use [`Challenge::search`] slice by slice.
    ///
    /// # Errors
    /// The challenge is harder than `max_paid`, or has no solution.
    pub fn solve(&self, max_paid: Difficulty) -> Result<Response, ProofOfWorkError> {
        self.check_payable(max_paid)?;
        self.search(0..i64::MAX).ok_or(ProofOfWorkError::NoSolution)
    }

    /// Whether a dialer that pays at most `max_paid` takes this challenge.
    ///
    /// # Errors
    /// It is harder.
    pub const fn check_payable(&self, max_paid: Difficulty) -> Result<(), ProofOfWorkError> {
        if self.difficulty.0 > max_paid.0 {
            return Err(ProofOfWorkError::TooDifficult {
                asked_bits: self.difficulty.0,
                max_bits: max_paid.0,
            });
        }
        Ok(())
    }

    /// The smallest solution among `nonces`.
    pub fn search(&self, nonces: Range<i64>) -> Option<Response> {
        nonces
            .into_iter()
            .find(|nonce| self.zero_bits(*nonce) >= self.difficulty.0)
            .map(|nonce| Response { nonce })
    }

    /// Checks a response: one hash.
    ///
    /// # Errors
    /// It does not solve the challenge.
    pub fn verify(&self, response: Response) -> Result<(), ProofOfWorkError> {
        let found_bits = self.zero_bits(response.nonce);
        if found_bits < self.difficulty.0 {
            return Err(ProofOfWorkError::NotSolved {
                nonce: response.nonce,
                found_bits,
                asked_bits: self.difficulty.0,
            });
        }
        Ok(())
    }

    /// SHA-256 over salt and nonce.
    fn hash(&self, nonce: i64) -> [u8; 32] {
        Sha256::new()
            .chain_update(self.salt)
            .chain_update(nonce.to_le_bytes())
            .finalize()
            .into()
    }

    /// Zeros are counted in the first eight bytes of the hash as a little-endian number: from the eighth byte downwards.
    fn zero_bits(&self, nonce: i64) -> u8 {
        let [h0, h1, h2, h3, h4, h5, h6, h7, ..] = self.hash(nonce);
        u64::from_le_bytes([h0, h1, h2, h3, h4, h5, h6, h7]).leading_zeros() as u8
    }
}

impl Response {
    /// The bytes on the wire.
    pub fn encode(&self) -> [u8; RESPONSE_BYTES] {
        let mut bytes = [0; RESPONSE_BYTES];
        bytes[..4].copy_from_slice(&RESPONSE_MARK.to_le_bytes());
        bytes[4..].copy_from_slice(&self.nonce.to_le_bytes());
        bytes
    }

    /// Reads the bytes on the wire.
    ///
    /// # Errors
    /// Wrong mark.
    pub fn decode(bytes: &[u8; RESPONSE_BYTES]) -> Result<Self, ProofOfWorkError> {
        let [m0, m1, m2, m3, nonce @ ..] = *bytes;
        check_mark([m0, m1, m2, m3], RESPONSE_MARK)?;
        Ok(Self {
            nonce: i64::from_le_bytes(nonce),
        })
    }
}

fn check_mark(found: [u8; 4], expected: u32) -> Result<(), ProofOfWorkError> {
    let found = u32::from_le_bytes(found);
    if found == expected {
        Ok(())
    } else {
        Err(ProofOfWorkError::WrongMark { found, expected })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn salt() -> [u8; 16] {
        std::array::from_fn(|index| index as u8)
    }

    fn vector() -> Challenge {
        Challenge {
            difficulty: Difficulty::DEFAULT_ASKED,
            salt: salt(),
        }
    }

    #[test]
    fn smallest_nonce_hash_and_bytes_match_the_reference() {
        let challenge = vector();
        assert_eq!(
            hex::encode(challenge.encode()),
            "91128e4114000000000102030405060708090a0b0c0d0e0f"
        );
        let response = challenge.solve(Difficulty::DEFAULT_MAX_PAID).unwrap();
        assert_eq!(response.nonce, 303_607);
        assert_eq!(
            hex::encode(challenge.hash(response.nonce)),
            "54378ad121060000ba597989a471b66e37d747b5c7118a54a5be0fc97f4caa48"
        );
        assert_eq!(hex::encode(response.encode()), "19738201f7a1040000000000");
        assert_eq!(challenge.verify(response), Ok(()));
    }

    #[test]
    fn codecs_are_inverse_and_refuse_other_marks() {
        let challenge = vector();
        assert_eq!(Challenge::decode(&challenge.encode()), Ok(challenge));
        let response = Response { nonce: -7 };
        assert_eq!(Response::decode(&response.encode()), Ok(response));

        let mut bytes = challenge.encode();
        bytes[0] ^= 1;
        assert!(matches!(
            Challenge::decode(&bytes),
            Err(ProofOfWorkError::WrongMark { .. })
        ));
        let mut bytes = response.encode();
        bytes[3] ^= 1;
        assert!(matches!(
            Response::decode(&bytes),
            Err(ProofOfWorkError::WrongMark { .. })
        ));
    }

    #[test]
    fn difficulties_outside_64_bits_are_refused() {
        let mut bytes = vector().encode();
        for (bits, accepted) in [
            (0, true),
            (64, true),
            (65, false),
            (-1, false),
            (276, false),
            (i32::MIN, false),
        ] {
            bytes[4..8].copy_from_slice(&bits.to_le_bytes());
            assert_eq!(Challenge::decode(&bytes).is_ok(), accepted, "{bits} bits");
        }
        assert!(Difficulty::new(65).is_err());
    }

    #[test]
    fn a_dialer_does_not_pay_more_than_its_maximum() {
        let challenge = Challenge {
            difficulty: Difficulty::new(29).unwrap(),
            salt: salt(),
        };
        assert_eq!(
            challenge.solve(Difficulty::DEFAULT_MAX_PAID),
            Err(ProofOfWorkError::TooDifficult {
                asked_bits: 29,
                max_bits: 28
            })
        );
    }

    #[test]
    fn each_bit_of_difficulty_counts() {
        for bits in 0..=12 {
            let challenge = Challenge {
                difficulty: Difficulty::new(bits).unwrap(),
                salt: salt(),
            };
            let response = challenge.solve(Difficulty::DEFAULT_MAX_PAID).unwrap();
            assert_eq!(challenge.verify(response), Ok(()));
            // The solution is the first: the one before it, and any unsolved nonce, must be refused.
            if response.nonce > 0 {
                assert!(
                    challenge
                        .verify(Response {
                            nonce: response.nonce - 1
                        })
                        .is_err()
                );
            }
            let exact_bits = challenge.zero_bits(response.nonce);
            let harder = Challenge {
                difficulty: Difficulty::new(exact_bits + 1).unwrap(),
                ..challenge
            };
            assert!(harder.verify(response).is_err());
        }
    }

    #[test]
    fn search_stays_within_its_slice() {
        let challenge = vector();
        assert_eq!(challenge.search(0..303_607), None);
        assert_eq!(challenge.search(303_607..303_608), Some(Response { nonce: 303_607 }));
        assert_eq!(challenge.search(5..5), None);
    }
}

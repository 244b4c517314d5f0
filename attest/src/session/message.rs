//! What the two ends of a session say to each other, as bytes.
//!
//! ```text
//! message   = version(1) kind(1) body
//! hello     = kind 1: role(1) demands(1) nonce(32)     nonce only if demands is 1
//! evidence  = kind 2: round(4) shown(rest)             round big-endian, shown as [`super::shown`] says
//! challenge = kind 3: round(4) nonce(32)
//! ```
//!
//! Each message has one encoding. Before the first frame of a connection a message has its length in front of it, four
//! bytes, little-endian, as the attestation record of the reference (spec §2.3); later it travels in a packet.

use super::{
    binding::Role,
    shown::{MAX_SHOWN_LEN_BYTES, Shown},
};

/// Version of messages and binding.
pub const VERSION: u8 = 1;

/// Longest message: the longest evidence and what stands before it.
pub const MAX_MESSAGE_LEN_BYTES: usize = EVIDENCE_HEAD_LEN_BYTES + MAX_SHOWN_LEN_BYTES;

const EVIDENCE_HEAD_LEN_BYTES: usize = 6;
const HELLO: u8 = 1;
const EVIDENCE: u8 = 2;
const CHALLENGE: u8 = 3;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The first one in each direction.
    Hello {
        /// What the sender is.
        role: Role,
        /// Challenge of round 0, if the sender asks for evidence.
        nonce: Option<[u8; 32]>,
    },
    /// Answer to a challenge.
    Evidence {
        /// Which challenge.
        round: u32,
        /// The evidence.
        shown: Shown,
    },
    /// A later challenge.
    Challenge {
        /// Its number, from 1.
        round: u32,
        /// What the evidence must cover.
        nonce: [u8; 32],
    },
}

/// Why bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Longer than [`MAX_MESSAGE_LEN_BYTES`], or with a part that is longer than such parts are.
    #[error("a message or a part of it of {len_bytes} bytes")]
    TooLong {
        /// Its length.
        len_bytes: usize,
    },
    /// More GPUs, or certificates of one, than anybody has.
    #[error("{found} GPUs or certificates in a message")]
    TooMany {
        /// How many.
        found: usize,
    },
    /// It ends too early.
    #[error("a message ends too early")]
    Short,
    /// Another version: not this protocol, or a later one.
    #[error("a message of version {version}")]
    Version {
        /// The first byte.
        version: u8,
    },
    /// An unknown kind.
    #[error("a message of unknown kind {kind}")]
    Kind {
        /// The second byte.
        kind: u8,
    },
    /// An unknown role.
    #[error("unknown role {code}")]
    Role {
        /// The byte.
        code: u8,
    },
    /// A flag that is neither 0 nor 1.
    #[error("a flag is {value}")]
    Flag {
        /// The byte.
        value: u8,
    },
    /// Round 0 has no challenge of its own.
    #[error("a challenge of round 0")]
    RoundZero,
    /// Bytes after the message.
    #[error("bytes after a message")]
    Trailing,
}

impl Message {
    /// The message as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        match self {
            Self::Hello { role, nonce } => {
                out.extend_from_slice(&[HELLO, role.code(), u8::from(nonce.is_some())]);
                out.extend_from_slice(nonce.as_ref().map_or(&[], |nonce| nonce));
            }
            Self::Evidence { round, shown } => {
                out.push(EVIDENCE);
                out.extend_from_slice(&round.to_be_bytes());
                shown.encode_to(&mut out);
            }
            Self::Challenge { round, nonce } => {
                out.push(CHALLENGE);
                out.extend_from_slice(&round.to_be_bytes());
                out.extend_from_slice(nonce);
            }
        }
        out
    }

    /// Reads exactly one message.
    ///
    /// # Errors
    /// The bytes are not the one encoding of a message.
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        if bytes.len() > MAX_MESSAGE_LEN_BYTES {
            return Err(MessageError::TooLong { len_bytes: bytes.len() });
        }
        let mut rest = Rest(bytes);
        let [version] = rest.take()?;
        if version != VERSION {
            return Err(MessageError::Version { version });
        }
        let [kind] = rest.take()?;
        let message = match kind {
            HELLO => {
                let [role, demands] = rest.take()?;
                let role = Role::from_code(role).ok_or(MessageError::Role { code: role })?;
                let nonce = match demands {
                    0 => None,
                    1 => Some(rest.take()?),
                    value => return Err(MessageError::Flag { value }),
                };
                Self::Hello { role, nonce }
            }
            EVIDENCE => Self::Evidence {
                round: u32::from_be_bytes(rest.take()?),
                shown: Shown::decode(std::mem::take(&mut rest.0))?,
            },
            CHALLENGE => {
                let round = u32::from_be_bytes(rest.take()?);
                if round == 0 {
                    return Err(MessageError::RoundZero);
                }
                let nonce = rest.take()?;
                Self::Challenge { round, nonce }
            }
            kind => return Err(MessageError::Kind { kind }),
        };
        if rest.0.is_empty() {
            Ok(message)
        } else {
            Err(MessageError::Trailing)
        }
    }
}

struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], MessageError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(MessageError::Short)?;
        self.0 = rest;
        Ok(*taken)
    }
}

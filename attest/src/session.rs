//! Evidence that is bound to a TLS session, asked for again and again while the session lives.
//!
//! Evidence in a certificate says that a key was made in a TD at some time. It does not say that the other end of this
//! connection is in that TD now: whoever has a leaked key and an old quote makes a new certificate around both. So after
//! the handshake, and before the first byte of the application, each end sends a nonce, and the other answers with
//! evidence whose report data cover the secret of the session, that nonce, both keys and both roles ([`binding`]). While
//! the session lives the evidence is asked for anew, and what was shown is judged again whenever collateral changes.
//!
//! Everything here is a pure state machine: messages, clocks and nonces in, messages and reasons to close out.
//!
//! | module | holds |
//! |---|---|
//! | [`binding`] | what report data cover |
//! | [`message`] | what the ends say, as bytes |
//! | [`shown`] | the evidence in it: of a guest and of its GPUs |
//! | [`exchange`] | one end of a session |

pub mod binding;
pub mod exchange;
pub mod message;
pub mod shown;

#[cfg(test)]
mod tests;

pub use binding::{Exporter, Role, SessionBinding, Side, exporter};
pub use exchange::{Action, Judgement, Now, Occasion, Session, SessionParties, SessionReason, Step};
pub use message::{MAX_MESSAGE_LEN_BYTES, Message, MessageError};
pub use shown::Shown;

/// When a session asks, answers and judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTiming {
    /// New evidence is asked for this long after the last was.
    pub period_ns: u64,
    /// How long the peer may take to answer a challenge.
    pub answer_limit_ns: u64,
    /// How often what was shown is judged again. No change of collateral, policy or reference values takes longer to
    /// reach a session that lives.
    pub recheck_ns: u64,
}

impl Default for SessionTiming {
    fn default() -> Self {
        const S: u64 = 1_000_000_000;
        Self {
            period_ns: 600 * S,
            answer_limit_ns: 20 * S,
            recheck_ns: 15 * S,
        }
    }
}

//! One end of a session: whom it asks, what it answers, how it judges.

use super::{
    SessionTiming,
    binding::{Exporter, Role, SessionBinding, Side},
    message::{Message, MessageError},
    shown::Shown,
};
use crate::{
    certificate::PublicKey,
    tdx::{AttestError, Attester},
    verifier::{AttestedPeer, Origin, PeerReason, PeerVerifier, SessionClaim, SessionVerdict},
};
use std::{fmt, sync::Arc};

/// A peer that asks more often than this is not served: each answer is a quote, and quotes are dear.
const MIN_CHALLENGE_GAP_NS: u64 = 1_000_000_000;

/// Both clocks of a node at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The clock that never jumps, for limits of time.
    pub monotonic_ns: u64,
    /// The wall clock, for certificates and collateral.
    pub unix_s: u64,
}

/// Who is at the two ends.
#[derive(Clone)]
pub struct SessionParties {
    /// What this end is.
    pub role: Role,
    /// What the peer must be.
    pub peer_role: Role,
    /// Which end this is.
    pub side: Side,
    /// The key of this end's certificate.
    pub own_key: PublicKey,
    /// Who the peer is by its certificate.
    pub peer: AttestedPeer,
    /// The TLS session.
    pub exporter: Exporter,
    /// Makes this end's evidence; none where this end runs outside of any TEE.
    pub attester: Option<Arc<dyn Attester>>,
    /// Judges the peer's evidence.
    pub verifier: Arc<PeerVerifier>,
}

/// What evidence was judged for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// A session begins.
    Begin,
    /// The peer answered a later challenge.
    Renewal,
    /// Collateral changed.
    Recheck,
}

/// Evidence was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement {
    /// What for.
    pub occasion: Occasion,
    /// How the verdict came about.
    pub origin: Origin,
}

/// What came of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Step {
    /// To be sent now.
    pub reply: Option<Vec<u8>>,
    /// The peer's evidence was accepted.
    pub judged: Option<Judgement>,
}

/// What is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing before this time on the clock that never jumps.
    Wait {
        /// When to ask again.
        until_ns: u64,
    },
    /// Call [`Session::challenge`] and send what it says.
    Challenge,
    /// The peer's evidence was judged again and still holds. Ask again at once.
    Judged(Judgement),
}

/// Why a session must close.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionReason {
    /// The peer sent what is no message.
    #[error("session evidence: {0}")]
    Message(#[from] MessageError),
    /// The peer sent a message that was not due.
    #[error("session evidence: {what} that was not due")]
    NotDue {
        /// Which.
        what: &'static str,
    },
    /// The peer is something else.
    #[error("the peer is a {} and should be a {}", found.name(), expected.name())]
    Role {
        /// What it should be.
        expected: Role,
        /// What it says to be.
        found: Role,
    },
    /// The peer answered another challenge than the last.
    #[error("session evidence for round {found}, not {expected}")]
    Round {
        /// The last challenge.
        expected: u32,
        /// The one it answers.
        found: u32,
    },
    /// The peer asks too often.
    #[error("the peer asks for evidence too often")]
    TooOften,
    /// The peer asks and this end has no TEE.
    #[error("the peer asks for evidence and this node has none")]
    NoAttester,
    /// This end's TEE failed.
    #[error("own evidence: {0}")]
    Attester(#[from] AttestError),
    /// The peer's evidence is refused.
    #[error("session evidence: {0}")]
    Refused(#[from] PeerReason),
    /// The peer did not answer in time.
    #[error("the peer did not answer a challenge in time")]
    NoAnswer,
}

/// What the peer showed, for another look.
struct Judged {
    shown: Shown,
    binding: [u8; 64],
    challenged_unix_s: u64,
    verdict: SessionVerdict,
}

/// A challenge without an answer.
#[derive(Clone, Copy)]
struct Asked {
    round: u32,
    nonce: [u8; 32],
    at: Now,
}

/// One end of a session.
pub struct Session {
    parties: SessionParties,
    timing: SessionTiming,
    is_greeted: bool,
    asked: Option<Asked>,
    next_round: u32,
    next_challenge_ns: u64,
    next_look_ns: u64,
    judged: Option<Judged>,
    /// Number and time of the last challenge of the peer.
    answered: Option<(u32, u64)>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("role", &self.parties.role)
            .field("peer_role", &self.parties.peer_role)
            .field("next_round", &self.next_round)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// One end after its handshake, and the first message to the other. `nonce` is entropy.
    pub fn open(parties: SessionParties, timing: SessionTiming, nonce: [u8; 32], now: Now) -> (Self, Vec<u8>) {
        let demands = parties.verifier.demands_evidence();
        let hello = Message::Hello {
            role: parties.role,
            nonce: demands.then_some(nonce),
        };
        let session = Self {
            timing,
            is_greeted: false,
            asked: demands.then_some(Asked {
                round: 0,
                nonce,
                at: now,
            }),
            next_round: 1,
            next_challenge_ns: now.monotonic_ns.saturating_add(timing.period_ns),
            next_look_ns: now.monotonic_ns.saturating_add(timing.recheck_ns),
            judged: None,
            answered: None,
            parties,
        };
        (session, hello.encode())
    }

    /// Whether all that must be said before the application may begin was said, and accepted.
    pub fn is_established(&self) -> bool {
        self.is_greeted && (self.judged.is_some() || !self.parties.verifier.demands_evidence())
    }

    /// The peer, with what is known of its evidence by now.
    pub fn peer(&self) -> AttestedPeer {
        match &self.judged {
            None => self.parties.peer.clone(),
            Some(judged) => AttestedPeer {
                evidence: Some(judged.verdict.guest.clone()),
                gpus: judged.verdict.gpus.iter().map(|gpu| gpu.device).collect(),
                trusted_until_unix_s: judged.verdict.trusted_until_unix_s,
                ..self.parties.peer.clone()
            },
        }
    }

    /// How long the peer has for what is due, counted from its challenge.
    pub fn timing(&self) -> SessionTiming {
        self.timing
    }

    /// Takes a message of the peer.
    ///
    /// # Errors
    /// The session must close.
    pub fn receive(&mut self, bytes: &[u8], now: Now) -> Result<Step, SessionReason> {
        match Message::decode(bytes)? {
            Message::Hello { role, nonce } => {
                if self.is_greeted {
                    return Err(SessionReason::NotDue { what: "a greeting" });
                }
                let expected = self.parties.peer_role;
                if role != expected {
                    return Err(SessionReason::Role { expected, found: role });
                }
                self.is_greeted = true;
                let reply = nonce.map(|nonce| self.answer(0, &nonce, now)).transpose()?;
                Ok(Step { reply, judged: None })
            }
            _ if !self.is_greeted => Err(SessionReason::NotDue {
                what: "a message before the greeting",
            }),
            Message::Challenge { round, nonce } => {
                if !self.is_established() {
                    return Err(SessionReason::NotDue { what: "a challenge" });
                }
                Ok(Step {
                    reply: Some(self.answer(round, &nonce, now)?),
                    judged: None,
                })
            }
            Message::Evidence { round, shown } => Ok(Step {
                reply: None,
                judged: Some(self.judge(round, shown, now)?),
            }),
        }
    }

    /// What is due at `now`.
    ///
    /// # Errors
    /// The peer did not answer, or what it showed no longer holds: the session must close.
    pub fn poll(&mut self, now: Now) -> Result<Action, SessionReason> {
        let answer_limit_ns = self.timing.answer_limit_ns;
        let answer_end_ns = |asked: &Asked| asked.at.monotonic_ns.saturating_add(answer_limit_ns);
        if self
            .asked
            .as_ref()
            .is_some_and(|asked| now.monotonic_ns >= answer_end_ns(asked))
        {
            return Err(SessionReason::NoAnswer);
        }
        if now.monotonic_ns >= self.next_look_ns {
            self.next_look_ns = now.monotonic_ns.saturating_add(self.timing.recheck_ns);
            if let Some(judgement) = self.look_again(now)? {
                return Ok(Action::Judged(judgement));
            }
        }
        let demands = self.parties.verifier.demands_evidence();
        let challenge_ns = if demands && self.asked.is_none() && self.is_established() {
            self.next_challenge_ns
        } else {
            u64::MAX
        };
        if now.monotonic_ns >= challenge_ns {
            return Ok(Action::Challenge);
        }
        let answer_ns = self.asked.as_ref().map_or(u64::MAX, answer_end_ns);
        let look_ns = if demands { self.next_look_ns } else { u64::MAX };
        Ok(Action::Wait {
            until_ns: challenge_ns.min(answer_ns).min(look_ns),
        })
    }

    /// Asks for new evidence. `nonce` is entropy. None while the peer owes an answer.
    pub fn challenge(&mut self, nonce: [u8; 32], now: Now) -> Option<Vec<u8>> {
        if self.asked.is_some() || !self.is_established() {
            return None;
        }
        let round = self.next_round;
        self.next_round = round.checked_add(1)?;
        self.next_challenge_ns = now.monotonic_ns.saturating_add(self.timing.period_ns);
        self.asked = Some(Asked { round, nonce, at: now });
        Some(Message::Challenge { round, nonce }.encode())
    }

    fn answer(&mut self, round: u32, nonce: &[u8; 32], now: Now) -> Result<Vec<u8>, SessionReason> {
        if let Some((last, at_ns)) = self.answered {
            if round <= last {
                return Err(SessionReason::NotDue {
                    what: "an old challenge",
                });
            }
            if now.monotonic_ns < at_ns.saturating_add(MIN_CHALLENGE_GAP_NS) {
                return Err(SessionReason::TooOften);
            }
        }
        self.answered = Some((round, now.monotonic_ns));
        let parties = &self.parties;
        let attester = parties.attester.as_ref().ok_or(SessionReason::NoAttester)?;
        let session = SessionBinding {
            exporter: &parties.exporter,
            nonce,
            round,
            prover_key: &parties.own_key,
            verifier_key: &parties.peer.public_key,
            prover_role: parties.role,
            verifier_role: parties.peer_role,
            prover_side: parties.side,
        };
        let shown = Shown::by(&**attester, &session.report_data())?;
        Ok(Message::Evidence { round, shown }.encode())
    }

    fn judge(&mut self, round: u32, shown: Shown, now: Now) -> Result<Judgement, SessionReason> {
        let asked = self.asked.ok_or(SessionReason::NotDue { what: "evidence" })?;
        if round != asked.round {
            return Err(SessionReason::Round {
                expected: asked.round,
                found: round,
            });
        }
        if now.monotonic_ns >= asked.at.monotonic_ns.saturating_add(self.timing.answer_limit_ns) {
            return Err(SessionReason::NoAnswer);
        }
        let parties = &self.parties;
        let binding = SessionBinding {
            exporter: &parties.exporter,
            nonce: &asked.nonce,
            round,
            prover_key: &parties.peer.public_key,
            verifier_key: &parties.own_key,
            prover_role: parties.peer_role,
            verifier_role: parties.role,
            prover_side: parties.side.other(),
        }
        .report_data();
        let claim = SessionClaim {
            peer: &parties.peer,
            binding: &binding,
            challenged_unix_s: asked.at.unix_s,
        };
        let verdict = parties.verifier.session(&shown, &claim, now.unix_s)?;
        let origin = verdict.origin;
        self.asked = None;
        self.judged = Some(Judged {
            shown,
            binding,
            challenged_unix_s: asked.at.unix_s,
            verdict,
        });
        let occasion = if round == 0 { Occasion::Begin } else { Occasion::Renewal };
        Ok(Judgement { occasion, origin })
    }

    /// Judges what was shown again, unless the last verdict on it still holds as it is.
    fn look_again(&mut self, now: Now) -> Result<Option<Judgement>, SessionReason> {
        let Some(judged) = &mut self.judged else {
            return Ok(None);
        };
        let parties = &self.parties;
        if parties.verifier.still_holds(&judged.verdict, now.unix_s) {
            return Ok(None);
        }
        let claim = SessionClaim {
            peer: &parties.peer,
            binding: &judged.binding,
            challenged_unix_s: judged.challenged_unix_s,
        };
        judged.verdict = parties.verifier.session(&judged.shown, &claim, now.unix_s)?;
        Ok(Some(Judgement {
            occasion: Occasion::Recheck,
            origin: judged.verdict.origin,
        }))
    }
}

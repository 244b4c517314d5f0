//! A connection's evidence while the connection lives: asked for again, judged again, and the end of it.
//!
//! The rules are those of [`chrysalis_attest::session`]; here stand the clock, the root contract and the reports.

use crate::{
    connection::CloseReason,
    secure,
    telemetry::{self, Decision, Occasion, Role},
    trust::{AllowedImages, Trust},
};
use chrysalis_attest::{
    Origin,
    session::{Action, Judgement, Session, SessionReason},
};
use chrysalis_env::Env;
use chrysalis_settlement::Hash256;

/// See the module.
pub(crate) struct LiveSession {
    pub(crate) session: Session,
    pub(crate) trust: Trust,
    pub(crate) role: Role,
    pub(crate) peer_kind: &'static str,
    /// None where peers may run anything, or the policy says what.
    pub(crate) allowed: Option<AllowedImages>,
    /// What pseudonyms of machines are salted with.
    pub(crate) network_salt: Hash256,
}

/// What to do at a tick.
pub(crate) struct Tick {
    /// To be sent now.
    pub(crate) message: Option<Vec<u8>>,
    /// The next tick.
    pub(crate) until_ns: u64,
}

impl LiveSession {
    /// Takes a message of the peer; what it returns is to be sent.
    pub(crate) fn receive(&mut self, env: &Env, message: &[u8]) -> Result<Option<Vec<u8>>, CloseReason> {
        match self.session.receive(message, secure::now(env)) {
            Ok(step) => {
                if let Some(judged) = step.judged {
                    self.accepted(env, judged);
                }
                Ok(step.reply)
            }
            Err(reason) => Err(self.refused(env, Occasion::Renewal, &reason)),
        }
    }

    /// Does what is due. `can_send` is false before the transport's handshake is over. `refusal` is a reason of the role
    /// to refuse a peer that it once accepted.
    pub(crate) fn tick(
        &mut self,
        env: &Env,
        can_send: bool,
        refusal: impl FnOnce() -> Option<&'static str>,
    ) -> Result<Tick, CloseReason> {
        let image_hash = self.session.peer().image_hash;
        let allowed = self.allowed.as_ref();
        let refusal = allowed
            .and_then(|allowed| self.trust.refuses_image(&image_hash, allowed))
            .or_else(refusal);
        if let Some(refusal) = refusal {
            self.report(env, Occasion::Recheck, None, Some(refusal));
            return Err(CloseReason::Attestation(refusal.to_owned()));
        }
        let now = secure::now(env);
        let look_ns = now.monotonic_ns.saturating_add(self.session.timing().recheck_ns);
        let mut message = None;
        loop {
            match self.session.poll(now) {
                Ok(Action::Wait { until_ns }) => {
                    let until_ns = until_ns.min(look_ns);
                    return Ok(Tick { message, until_ns });
                }
                Ok(Action::Judged(judged)) => self.accepted(env, judged),
                Ok(Action::Challenge) if can_send => message = self.session.challenge(env.random(), now),
                Ok(Action::Challenge) => {
                    return Ok(Tick {
                        message,
                        until_ns: look_ns,
                    });
                }
                Err(reason @ SessionReason::NoAnswer) => return Err(self.refused(env, Occasion::Renewal, &reason)),
                Err(reason) => return Err(self.refused(env, Occasion::Recheck, &reason)),
            }
        }
    }

    fn accepted(&self, env: &Env, judged: Judgement) {
        self.report(env, judged.occasion.into(), Some(judged.origin), None);
    }

    fn refused(&self, env: &Env, occasion: Occasion, reason: &SessionReason) -> CloseReason {
        let text = reason.to_string();
        self.report(env, occasion, None, Some(&text));
        CloseReason::Attestation(text)
    }

    fn report(&self, env: &Env, occasion: Occasion, origin: Option<Origin>, refusal: Option<&str>) {
        let peer = self.session.peer();
        let decision = Decision {
            peer_kind: self.peer_kind,
            occasion,
            origin,
            refusal,
            peer: Some((&peer, &self.network_salt)),
        };
        telemetry::peer(env, self.role, &decision);
        self.trust.report_mismatches(env, self.role);
    }
}

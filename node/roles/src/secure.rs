//! From a raw connection to an attested one: proof of work, then mutual TLS with evidence (spec §3.2–3.5), then, unless
//! evidence is to be bound to the certificate only, evidence that is bound to the session.
//! The whole exchange has one time limit: a silent peer costs a slot, not for ever.

use crate::{telemetry::Role, trust::Trust};
use chrysalis_attest::{
    AttestedPeer, Binding, Identity, Origin, PeerReason,
    certificate::PublicKey,
    ra_tls,
    session::{
        self, Exporter, MAX_MESSAGE_LEN_BYTES, MessageError, Now, Session, SessionParties, SessionReason,
        SessionTiming, Side,
    },
};
use chrysalis_env::{Elapsed, Env, Stream};
use chrysalis_wire::proof_of_work::{
    CHALLENGE_BYTES, Challenge, Difficulty, ProofOfWorkError, RESPONSE_BYTES, Response,
};
use rustls::{ClientConfig, ServerConfig};
use std::{io, sync::Arc, time::Duration};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

/// Why a peer did not become an attested one.
#[derive(Debug, thiserror::Error)]
pub enum SecureError {
    /// The socket failed, or TLS refused the peer: the text says which evidence check failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Proof of work is malformed, wrong, or asks for too much.
    #[error("proof of work: {0}")]
    ProofOfWork(#[from] ProofOfWorkError),
    /// The peer was too slow.
    #[error("hand-shake: {0}")]
    TimedOut(#[from] Elapsed),
    /// The peer's evidence ran out between its check and the end of the hand-shake.
    #[error("{0}")]
    Peer(#[from] PeerReason),
    /// The peer's evidence for this session.
    #[error("{0}")]
    Session(#[from] SessionReason),
    /// TLS cannot be set up with this node's own certificate and providers.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// Limits of a hand-shake.
#[derive(Debug, Clone, Copy)]
pub struct SecureLimits {
    /// Leading zero bits that this node asks for when it accepts.
    pub asked_difficulty: Difficulty,
    /// Most leading zero bits that this node works for when it dials.
    pub max_paid_difficulty: Difficulty,
    /// Time for everything before the first frame.
    pub time_limit: Duration,
}

impl Default for SecureLimits {
    fn default() -> Self {
        Self {
            asked_difficulty: Difficulty::DEFAULT_ASKED,
            max_paid_difficulty: Difficulty::DEFAULT_MAX_PAID,
            time_limit: Duration::from_secs(30),
        }
    }
}

/// Everything to accept peers on one port.
#[derive(Clone)]
pub(crate) struct SecureAcceptor {
    pub(crate) trust: Trust,
    pub(crate) identity: Arc<Identity>,
    pub(crate) role: Role,
    pub(crate) peer_role: Role,
    pub(crate) tls: Arc<ServerConfig>,
}

/// Everything to dial peers of a kind.
#[derive(Clone)]
pub(crate) struct SecureDialer {
    pub(crate) trust: Trust,
    pub(crate) identity: Arc<Identity>,
    pub(crate) role: Role,
    pub(crate) peer_role: Role,
    pub(crate) tls: Arc<ClientConfig>,
}

/// A connection whose peer is known. Its first frame comes next.
pub(crate) struct Secured {
    pub(crate) stream: TlsStream<Stream>,
    pub(crate) peer: AttestedPeer,
    /// How the verdict on its evidence came about; none if no evidence is demanded.
    pub(crate) origin: Option<Origin>,
    /// The exchange of evidence, which goes on; none where evidence is bound to the certificate.
    pub(crate) session: Option<Session>,
}

/// Both clocks of the node.
pub(crate) fn now(env: &Env) -> Now {
    Now {
        monotonic_ns: env.now_ns(),
        unix_s: env.unix_s(),
    }
}

impl SecureAcceptor {
    /// Whether it shows the certificate that the node has now.
    pub(crate) fn is_current(&self, env: &Env) -> bool {
        Arc::ptr_eq(&self.identity, &self.trust.own.current(env, self.role))
    }

    pub(crate) async fn accept(&self, env: &Env, mut stream: Stream) -> Result<Secured, SecureError> {
        let limits = self.trust.limits;
        env.timeout(limits.time_limit, async {
            let challenge = Challenge {
                difficulty: limits.asked_difficulty,
                salt: env.random(),
            };
            stream.write_all(&challenge.encode()).await?;
            stream.flush().await?;
            let mut bytes = [0; RESPONSE_BYTES];
            stream.read_exact(&mut bytes).await?;
            challenge.verify(Response::decode(&bytes)?)?;
            let tls = TlsAcceptor::from(self.tls.clone()).accept(stream).await?;
            let connection = tls.get_ref().1;
            let (peer, origin) = ra_tls::peer(connection, &self.trust.verifier, env.unix_s())?;
            let ends = Ends {
                own_key: *self.identity.public_key(),
                role: self.role,
                peer_role: self.peer_role,
                side: Side::Acceptor,
                exporter: session::exporter(connection)?,
            };
            self.trust.secure(env, tls.into(), peer, origin, ends).await
        })
        .await?
    }
}

struct Ends {
    own_key: PublicKey,
    role: Role,
    peer_role: Role,
    side: Side,
    exporter: Exporter,
}

impl Trust {
    /// What comes after TLS.
    async fn secure(
        &self,
        env: &Env,
        mut stream: TlsStream<Stream>,
        peer: AttestedPeer,
        origin: Origin,
        ends: Ends,
    ) -> Result<Secured, SecureError> {
        let Binding::Session(timing) = self.verifier.binding() else {
            return Ok(Secured {
                stream,
                origin: self.verifier.demands_evidence().then_some(origin),
                peer,
                session: None,
            });
        };
        let parties = SessionParties {
            role: ends.role.into(),
            peer_role: ends.peer_role.into(),
            side: ends.side,
            own_key: ends.own_key,
            peer,
            exporter: ends.exporter,
            attester: self.own.attester(),
            verifier: self.verifier.clone(),
        };
        let (session, origin) = establish(env, &mut stream, parties, timing).await?;
        Ok(Secured {
            stream,
            peer: session.peer(),
            origin,
            session: Some(session),
        })
    }
}

/// The exchange of evidence after TLS and before the first frame. Says how the verdict on the peer's came about, if any
/// was demanded.
///
/// # Errors
/// The socket failed, or the peer did not answer, answered something else, or was refused.
pub async fn establish<S: AsyncRead + AsyncWrite + Unpin>(
    env: &Env,
    stream: &mut S,
    parties: SessionParties,
    timing: SessionTiming,
) -> Result<(Session, Option<Origin>), SecureError> {
    let exchange = async {
        let (mut session, hello) = Session::open(parties, timing, env.random(), now(env));
        write_record(stream, &hello).await?;
        let mut origin = None;
        while !session.is_established() {
            let message = read_record(stream).await?;
            let step = session.receive(&message, now(env))?;
            if let Some(reply) = step.reply {
                write_record(stream, &reply).await?;
            }
            origin = origin.or(step.judged.map(|judged| judged.origin));
        }
        Ok((session, origin))
    };
    let limit = Duration::from_nanos(timing.answer_limit_ns);
    env.timeout(limit, exchange)
        .await
        .unwrap_or(Err(SessionReason::NoAnswer.into()))
}

/// A message before the first frame, after its length (as in spec §2.3).
async fn write_record(stream: &mut (impl AsyncWrite + Unpin), message: &[u8]) -> io::Result<()> {
    // No message is longer than 2^16.
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    stream.write_all(&[&length.to_le_bytes()[..], message].concat()).await?;
    stream.flush().await
}

async fn read_record(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, SecureError> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await?;
    let len_bytes = u32::from_le_bytes(length) as usize;
    if len_bytes > MAX_MESSAGE_LEN_BYTES {
        return Err(SessionReason::from(MessageError::TooLong { len_bytes }).into());
    }
    let mut message = vec![0; len_bytes];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

/// Nonces tried at a stretch: about ten milliseconds of work, so that other tasks of the node get their turn.
const NONCES_PER_TURN: i64 = 1 << 15;

/// Does the work that the acceptor at the other end of `stream` asks for. What follows on the stream is TLS.
///
/// # Errors
/// The socket failed, the challenge is malformed, or it asks for more than `max_paid`.
pub async fn pay(env: &Env, stream: &mut Stream, max_paid: Difficulty) -> Result<(), SecureError> {
    let mut bytes = [0; CHALLENGE_BYTES];
    stream.read_exact(&mut bytes).await?;
    let challenge = Challenge::decode(&bytes)?;
    challenge.check_payable(max_paid)?;
    let mut first = 0;
    let response = loop {
        if let Some(response) = challenge.search(first..first + NONCES_PER_TURN) {
            break response;
        }
        first = first.checked_add(NONCES_PER_TURN).ok_or(ProofOfWorkError::NoSolution)?;
        env.sleep(Duration::ZERO).await;
    };
    stream.write_all(&response.encode()).await?;
    stream.flush().await?;
    Ok(())
}

impl SecureDialer {
    pub(crate) async fn dial(&self, env: &Env, mut stream: Stream) -> Result<Secured, SecureError> {
        let limits = self.trust.limits;
        env.timeout(limits.time_limit, async {
            pay(env, &mut stream, limits.max_paid_difficulty).await?;
            let tls = TlsConnector::from(self.tls.clone())
                .connect(ra_tls::server_name(), stream)
                .await?;
            let connection = tls.get_ref().1;
            let (peer, origin) = ra_tls::peer(connection, &self.trust.verifier, env.unix_s())?;
            let ends = Ends {
                own_key: *self.identity.public_key(),
                role: self.role,
                peer_role: self.peer_role,
                side: Side::Dialer,
                exporter: session::exporter(connection)?,
            };
            self.trust.secure(env, tls.into(), peer, origin, ends).await
        })
        .await?
    }
}

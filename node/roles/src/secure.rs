//! From a raw connection to an attested one: proof of work, then mutual TLS with evidence (spec §3.2–3.5).
//! The whole exchange has one time limit: a silent peer costs a slot, not for ever.

use chrysalis_attest::{AttestedPeer, PeerReason, PeerVerifier, ra_tls};
use chrysalis_env::{Elapsed, Env, Stream};
use chrysalis_wire::proof_of_work::{
    CHALLENGE_BYTES, Challenge, Difficulty, ProofOfWorkError, RESPONSE_BYTES, Response,
};
use rustls::{ClientConfig, ServerConfig};
use std::{io, sync::Arc, time::Duration};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
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
    /// Time for everything up to the end of TLS.
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
    pub(crate) limits: SecureLimits,
    pub(crate) tls: Arc<ServerConfig>,
    pub(crate) verifier: Arc<PeerVerifier>,
}

/// Everything to dial peers of one kind.
#[derive(Clone)]
pub(crate) struct SecureDialer {
    pub(crate) limits: SecureLimits,
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) verifier: Arc<PeerVerifier>,
}

impl SecureAcceptor {
    pub(crate) async fn accept(
        &self,
        env: &Env,
        mut stream: Stream,
    ) -> Result<(TlsStream<Stream>, AttestedPeer), SecureError> {
        env.timeout(self.limits.time_limit, async {
            let challenge = Challenge {
                difficulty: self.limits.asked_difficulty,
                salt: env.random(),
            };
            stream.write_all(&challenge.encode()).await?;
            stream.flush().await?;
            let mut bytes = [0; RESPONSE_BYTES];
            stream.read_exact(&mut bytes).await?;
            challenge.verify(Response::decode(&bytes)?)?;
            let tls = TlsAcceptor::from(self.tls.clone()).accept(stream).await?;
            let peer = ra_tls::peer(tls.get_ref().1, &self.verifier, env.unix_s())?;
            Ok((tls.into(), peer))
        })
        .await?
    }
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
    pub(crate) async fn dial(
        &self,
        env: &Env,
        mut stream: Stream,
    ) -> Result<(TlsStream<Stream>, AttestedPeer), SecureError> {
        env.timeout(self.limits.time_limit, async {
            pay(env, &mut stream, self.limits.max_paid_difficulty).await?;
            let tls = TlsConnector::from(self.tls.clone())
                .connect(ra_tls::server_name(), stream)
                .await?;
            let peer = ra_tls::peer(tls.get_ref().1, &self.verifier, env.unix_s())?;
            Ok((tls.into(), peer))
        })
        .await?
    }
}

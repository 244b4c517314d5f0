//! How proxies and workers get their keys: one attested connection each time, so that each answer follows an appraisal.
//!
//! No message of this version is encrypted with these keys: the protocol that would (spec §12.3) belongs to a later
//! revision of the reference. A node holds them, and reports which.

use super::ring::KeyHolder;
use crate::{
    connection::{self, CloseReason, Connection, Handler, Inbound, Next, QueryError},
    extension::KeyWitness,
    live_session::LiveSession,
    secure::SecureError,
    shutdown::Shutdown,
    telemetry::{self, Role},
    trust::Trust,
};
use chrysalis_env::{Either, Elapsed, Env, race};
use chrysalis_settlement::{Hash256, PublicKey, RootSource, SigningKey};
use chrysalis_wire::{
    connection::Side,
    error_code::ErrorCode,
    keep_alive::KeepAlivePolicy,
    objects::{KeyManagerGetProxyPrivateKeys, KeyManagerGetWorkerPrivateKeys, KeyManagerPrivateKeys},
    query::Query,
    tl::Secret,
};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::sync::Notify;

/// Pause between two questions (spec §12.3): as long as there are no keys, and afterwards.
const FIRST_PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(10));
const PAUSE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(120));
/// Time for a TCP connection to come up.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Time for everything else together, beyond the limits of its parts.
const ASK_LIMIT: Duration = Duration::from_secs(90);
/// Longest token that is kept; a sealed number has about a hundred bytes.
const MAX_TOKEN_LEN_BYTES: usize = 1_024;
const PEER_KIND: &str = "key_manager";

/// Where a node gets its keys.
#[derive(Debug, Clone)]
pub struct KeySource {
    /// The key manager's port for nodes of this kind.
    pub address: SocketAddr,
    /// Own identity, and what the key manager must show.
    pub trust: Trust,
    /// Hash of the root contract's address: what pseudonyms of machines are salted with.
    pub network_salt: Hash256,
}

/// A key that a node was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldKey {
    /// End of its life, Unix seconds. The protocol has no other name for an epoch.
    pub until_unix_s: i64,
    /// Ed25519 private key.
    pub secret: Secret<[u8; 32]>,
}

impl HeldKey {
    /// What may be told of it.
    pub fn public(&self) -> PublicKey {
        SigningKey::from_seed(self.secret.expose()).public()
    }
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No connection.
    #[error("no connection: {0}")]
    Connect(#[from] io::Error),
    /// Too slow.
    #[error("{0}")]
    TimedOut(#[from] Elapsed),
    /// The peer is not an attested key manager, or refuses this node.
    #[error("{0}")]
    Secure(#[from] SecureError),
    /// The connection ended.
    #[error("{0}")]
    Closed(CloseReason),
    /// The key manager refuses.
    #[error("{0}")]
    Query(#[from] QueryError),
}

/// What a question is about.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// What the asker says to be.
    pub role: Role,
    /// Whose keys it asks for.
    pub asks_for: KeyHolder,
    /// Version of the root contract that it knows.
    pub config_version: u32,
    /// What the last answer came with; empty if there was none.
    pub token: &'a [u8],
}

/// What a key manager answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyAnswer {
    /// The keys, oldest first.
    pub keys: Vec<HeldKey>,
    /// To be brought along with the next question.
    pub token: Vec<u8>,
}

/// Asks once.
///
/// # Errors
/// There is no answer, or not from an attested key manager.
pub async fn ask(env: &Env, source: &KeySource, question: Question<'_>) -> Result<KeyAnswer, AskError> {
    env.timeout(ASK_LIMIT, ask_unbounded(env, source, question)).await?
}

async fn ask_unbounded(env: &Env, source: &KeySource, question: Question<'_>) -> Result<KeyAnswer, AskError> {
    let (trust, role) = (&source.trust, question.role);
    let stream = env.timeout(CONNECT_LIMIT, env.connect(source.address)).await??;
    let dialer = trust.dialer(env, role, Role::KeyManager)?;
    let secured = match dialer.dial(env, stream).await {
        Ok(secured) => secured,
        Err(error) => {
            trust.report_refusal(env, role, PEER_KIND, &error.to_string());
            return Err(error.into());
        }
    };
    trust.accepts(env, role, PEER_KIND, &secured, &source.network_salt);
    let connection = Connection::new(env.clone(), 0, source.address);
    let live = secured.session.map(|session| LiveSession {
        session,
        trust: trust.clone(),
        role,
        peer_kind: PEER_KIND,
        // What key managers may run is in the policy: the root contract does not name it.
        allowed: None,
        network_salt: source.network_salt,
    });
    let ready = Arc::new(Notify::new());
    let driving = connection::drive(
        env.clone(),
        secured.stream,
        connection.clone(),
        Side::Dialer,
        KeepAlivePolicy::default(),
        live,
        ReadyHandler(ready.clone()),
    );
    let asking = async {
        ready.notified().await;
        let answer = converse(&connection, question).await;
        connection.close(CloseReason::Local("there is no further question".to_owned()));
        answer
    };
    let mut driving = Box::pin(driving);
    match race(Box::pin(asking), driving.as_mut()).await {
        Either::Left(answer) => {
            driving.await;
            Ok(answer?)
        }
        Either::Right(reason) => Err(AskError::Closed(reason)),
    }
}

async fn converse(connection: &Connection, question: Question<'_>) -> Result<KeyAnswer, QueryError> {
    let token = question.token.to_vec();
    let token = match connection.query(&KeyWitness { token }).await {
        Ok(witnessed) if witnessed.token.len() <= MAX_TOKEN_LEN_BYTES => witnessed.token,
        Ok(_) => return Err(QueryError::Malformed("a token that is too long".to_owned())),
        // A key manager that has no use for witnesses does not know the question.
        Err(QueryError::Refused { code, .. }) if code == ErrorCode::ProtocolViolation.number() => Vec::new(),
        Err(error) => return Err(error),
    };
    let min_config_version = i32::try_from(question.config_version).unwrap_or(i32::MAX);
    let answer = match question.asks_for {
        KeyHolder::Proxies => keys(connection, KeyManagerGetProxyPrivateKeys { min_config_version }).await?,
        KeyHolder::Workers => keys(connection, KeyManagerGetWorkerPrivateKeys { min_config_version }).await?,
    };
    let keys = answer.keys.into_iter().map(|key| HeldKey {
        until_unix_s: key.valid_until_utime.into(),
        secret: key.private_key,
    });
    Ok(KeyAnswer {
        keys: keys.collect(),
        token,
    })
}

async fn keys<Q>(connection: &Connection, query: Q) -> Result<KeyManagerPrivateKeys, QueryError>
where
    Q: Query<Answer = KeyManagerPrivateKeys>,
{
    connection.query(&query).await
}

/// Says when questions can be asked. A key manager sends nothing by itself.
struct ReadyHandler(Arc<Notify>);

impl Handler for ReadyHandler {
    fn handle(&mut self, _connection: &Connection, inbound: Inbound) -> Next {
        match inbound {
            Inbound::Ready => {
                self.0.notify_one();
                Next::Continue
            }
            Inbound::Message(_) | Inbound::Query { .. } => Next::Close(CloseReason::Violation(
                "a key manager asks and says nothing by itself".into(),
            )),
        }
    }
}

/// Keeps the keys of a node up to date until shut down.
pub(crate) async fn keep_keys(
    env: Env,
    source: KeySource,
    holder: KeyHolder,
    root: Arc<dyn RootSource>,
    mut shutdown: Shutdown,
) {
    let role = holder.role();
    let mut held = KeyAnswer::default();
    let mut said = String::new();
    loop {
        let question = Question {
            role,
            asks_for: holder,
            config_version: root.current().version,
            token: &held.token,
        };
        let asked = race(Box::pin(ask(&env, &source, question)), shutdown.requested()).await;
        match asked {
            Either::Left(Ok(answer)) => {
                if answer.keys != held.keys {
                    telemetry::keys_held(&env, role, &answer.keys);
                }
                held = answer;
                said.clear();
            }
            Either::Left(Err(error)) => {
                let text = format!("no keys: {error}");
                if text != said {
                    telemetry::note(&env, role, &text);
                    said = text;
                }
                // What has ended is not to be used, whether or not somebody says so.
                let now_unix_s = i64::try_from(env.unix_s()).unwrap_or(i64::MAX);
                held.keys.retain(|key| key.until_unix_s > now_unix_s);
            }
            Either::Right(()) => return,
        }
        let (low, high) = if held.keys.is_empty() { FIRST_PAUSE } else { PAUSE };
        match race(env.sleep(env.random_span(low, high)), shutdown.requested()).await {
            Either::Left(()) => {}
            Either::Right(()) => return,
        }
    }
}

//! Hand-shake with a proxy, payments, and the answers that come back.

use super::{
    ClientChain, ClientSettings, onchain,
    requests::{RequestFailure, Requests, SharedRequests, Taken},
};
use crate::{
    connection::{CloseReason, Connection, Handler, Inbound, Next, QueryError},
    dialing::Dials,
    extension::CancelQuery,
    receipts::{ProxyAccount, ProxyMismatch},
    telemetry::{self, Role},
};
use chrysalis_env::Env;
use chrysalis_settlement::{Address, PaymentKind, VerifiedPayment, receipts::Receipts};
use chrysalis_wire::{
    error_code::ErrorCode,
    messages::ProxyToClientMessage,
    objects::{
        AuthorizationWithProxy, ClientAuthorizeWithProxyLong, ClientAuthorizeWithProxyShort, ClientConnectToProxy,
        ClientGetWorkerTypesV2, ClientParams, ClientProxyConnectionAuthLong, ClientProxyConnectionAuthShort,
        ClientQueryFinalInfo, ClientUpdatePaymentStatus, ClientWorkerTypesV2, HttpResponse, ProxyConnectionAuth,
        TokensUsed,
    },
    protocol_version::VersionRange,
    tl::{Boxed, RequestId, Secret},
};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::Notify;

/// What all connections of a client share.
pub(super) struct Shared {
    pub(super) env: Env,
    pub(super) settings: ClientSettings,
    pub(super) requests: SharedRequests,
    state: Mutex<State>,
    became_ready: Notify,
}

#[derive(Default)]
struct State {
    sessions: BTreeMap<u64, Arc<Session>>,
    /// What each proxy contract is known to have charged; outlives connections.
    accounts: BTreeMap<Address, ProxyAccount>,
    /// Accounts whose contract is being looked after.
    kept: BTreeSet<Address>,
}

/// One connection to a proxy.
pub(super) struct Session {
    pub(super) connection: Connection,
    account: Mutex<Option<Address>>,
    ready: AtomicBool,
}

#[derive(Debug, thiserror::Error)]
enum HandshakeError {
    #[error("{0}")]
    Query(#[from] QueryError),
    #[error("{0}")]
    Mismatch(#[from] ProxyMismatch),
    #[error("{0}")]
    Unregistered(String),
    #[error("the proxy refused the authorisation with code {0}")]
    Unauthorised(i32),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Critical sections are map operations on owned values.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(env: Env, settings: ClientSettings) -> Self {
        Self {
            requests: Arc::new(Requests::new(env.clone())),
            env,
            settings,
            state: Mutex::default(),
            became_ready: Notify::new(),
        }
    }

    /// The ready connection with the fewest running requests.
    pub(super) fn ready_connection(&self) -> Option<Connection> {
        let sessions: Vec<_> = lock(&self.state).sessions.values().cloned().collect();
        sessions
            .into_iter()
            .filter(|session| session.ready.load(Ordering::Relaxed))
            .map(|session| session.connection.clone())
            .min_by_key(|connection| (self.requests.running_on(connection.id()), connection.id()))
    }

    /// The same, as soon as there is one.
    pub(super) async fn wait_until_ready(&self) -> Connection {
        loop {
            let became_ready = self.became_ready.notified();
            if let Some(connection) = self.ready_connection() {
                return connection;
            }
            became_ready.await;
        }
    }

    /// Asks a ready proxy which models it serves.
    pub(super) async fn worker_types(&self) -> Result<ClientWorkerTypesV2, RequestFailure> {
        let connection = self.ready_connection().ok_or_else(no_proxy)?;
        connection
            .query(&ClientGetWorkerTypesV2 {})
            .await
            .map_err(|error| RequestFailure::new(ErrorCode::NotReady, error.to_string()))
    }

    /// Tokens that the proxy of an account has counted, and its largest signature.
    pub(super) fn account_state(&self, contract: Address) -> (u64, Option<VerifiedPayment>) {
        let state = lock(&self.state);
        let account = state.accounts.get(&contract);
        account.map_or((0, None), |account| (account.max_tokens(), account.payment().cloned()))
    }

    pub(super) fn ask_payment_status(self: &Arc<Self>) {
        let sessions: Vec<_> = lock(&self.state).sessions.values().cloned().collect();
        for session in sessions
            .into_iter()
            .filter(|session| session.ready.load(Ordering::Relaxed))
        {
            let shared = self.clone();
            self.env.spawn("client: payment status query", async move {
                let Ok(asked) = shared.with_account(&session, |account| Ok(account.receipts().clone())) else {
                    return;
                };
                if let Ok(status) = session.connection.query(&ClientUpdatePaymentStatus {}).await {
                    let data = status.signed_payment.data();
                    shared.take_payment(&session, Some(&asked), data, status.db_tokens, status.max_tokens);
                }
            });
        }
    }

    async fn handshake(self: Arc<Self>, session: Arc<Session>) {
        match self.try_handshake(&session).await {
            Ok(()) => {
                session.ready.store(true, Ordering::Relaxed);
                telemetry::session(&self.env, Role::Client, true);
                self.became_ready.notify_waiters();
                telemetry::note(&self.env, Role::Client, "a proxy is ready");
            }
            Err(error) => session
                .connection
                .close(CloseReason::Local(format!("hand-shake: {error}"))),
        }
    }

    async fn try_handshake(self: &Arc<Self>, session: &Session) -> Result<(), HandshakeError> {
        let settings = &self.settings;
        let root = settings.root.current();
        let range = VersionRange::CLIENT_AND_WORKER;
        let connected = session
            .connection
            .query(&ClientConnectToProxy {
                params: ClientParams {
                    client_owner_address: settings.owner.to_wire(settings.network),
                    is_test: Some(settings.is_test),
                    protocol: Some(range.to_announcement()),
                },
                min_config_version: i32::try_from(root.version).unwrap_or(i32::MAX),
            })
            .await?;
        let account = ProxyAccount::open(
            &root,
            &connected.params,
            &connected.client_sc_address,
            &settings.owner,
            PaymentKind::ClientCharge,
            settings.is_test,
        )?;
        let key = account.contract();
        let proxy = account.proxy();
        let is_new = {
            let mut state = lock(&self.state);
            state.accounts.entry(key).or_insert(account);
            state.kept.insert(key)
        };
        *lock(&session.account) = Some(key);
        if let (true, ClientChain::Live { settlement, wallet }) = (is_new, &settings.chain) {
            let keeper = onchain::keep_account(self.clone(), settlement.clone(), wallet.clone(), root.clone(), proxy);
            self.env.spawn("client: account", keeper);
        }

        let own_hash: [u8; 32] = Sha256::digest(settings.secret.as_bytes()).into();
        let authorised = match connected.auth {
            ProxyConnectionAuth::Short(short) if short.secret_hash == own_hash => {
                let data = Secret::new(settings.secret.clone().into_bytes());
                session
                    .connection
                    .query(&ClientAuthorizeWithProxyShort { data })
                    .await?
            }
            ProxyConnectionAuth::Short(ClientProxyConnectionAuthShort { nonce, .. })
            | ProxyConnectionAuth::Long(ClientProxyConnectionAuthLong { nonce }) => {
                let registration = settings.chain.registrar(&self.env).register(key, nonce.cast_unsigned());
                registration.await.map_err(HandshakeError::Unregistered)?;
                session.connection.query(&ClientAuthorizeWithProxyLong {}).await?
            }
        };
        match authorised {
            AuthorizationWithProxy::Success(success) => {
                self.with_account(session, |account| {
                    account.restart(
                        success.signed_payment.data(),
                        success.tokens_committed_to_db,
                        success.max_tokens,
                    )
                })?;
            }
            AuthorizationWithProxy::Failed(failed) => return Err(HandshakeError::Unauthorised(failed.error_code)),
        }
        Ok(())
    }

    fn with_account<T>(
        &self,
        session: &Session,
        action: impl FnOnce(&mut ProxyAccount) -> Result<T, ProxyMismatch>,
    ) -> Result<T, ProxyMismatch> {
        let key = lock(&session.account).ok_or(ProxyMismatch::NoHandshake)?;
        let mut state = lock(&self.state);
        action(state.accounts.get_mut(&key).ok_or(ProxyMismatch::NoHandshake)?)
    }

    fn take_payment(
        &self,
        session: &Session,
        asked: Option<&Receipts>,
        payment: Option<&[u8]>,
        db_tokens: i64,
        max_tokens: i64,
    ) {
        let taken = self.with_account(session, |account| {
            let grew = account.take(asked, payment, db_tokens, max_tokens)?;
            Ok(grew.then(|| (account.contract(), account.signed_tokens())))
        });
        match taken {
            Ok(None) => {}
            Ok(Some((contract, tokens))) => {
                let contract = contract.to_wire(self.settings.network);
                telemetry::payment(&self.env, Role::Client, "taken", &contract, tokens);
            }
            Err(mismatch) => session.connection.close(CloseReason::Violation(mismatch.to_string())),
        }
    }
}

pub(super) fn no_proxy() -> RequestFailure {
    RequestFailure::new(ErrorCode::NotReady, "no proxy is connected")
}

impl Dials for Shared {
    type Handler = SessionHandler;

    fn opened(self: &Arc<Self>, connection: &Connection, _address: SocketAddr) -> SessionHandler {
        let session = Arc::new(Session {
            connection: connection.clone(),
            account: Mutex::new(None),
            ready: AtomicBool::new(false),
        });
        lock(&self.state).sessions.insert(connection.id(), session.clone());
        SessionHandler {
            shared: self.clone(),
            session,
        }
    }

    fn closed(self: &Arc<Self>, connection: &Connection, reason: &CloseReason) {
        let session = lock(&self.state).sessions.remove(&connection.id());
        if session.is_some_and(|session| session.ready.load(Ordering::Relaxed)) {
            telemetry::session(&self.env, Role::Client, false);
        }
        let failure = RequestFailure::new(
            ErrorCode::Failure,
            format!("the connection to the proxy ended: {reason}"),
        );
        self.requests.fail_connection(connection.id(), &failure);
    }
}

pub(super) struct SessionHandler {
    shared: Arc<Shared>,
    session: Arc<Session>,
}

impl Handler for SessionHandler {
    fn handle(&mut self, _connection: &Connection, inbound: Inbound) -> Next {
        match inbound {
            Inbound::Ready => {
                let (shared, session) = (self.shared.clone(), self.session.clone());
                self.shared.env.spawn("client: hand-shake", shared.handshake(session));
                Next::Continue
            }
            Inbound::Message(data) => match ProxyToClientMessage::decode(&data) {
                Ok(message) => self.message(message),
                Err(error) => Next::Close(CloseReason::Violation(error.to_string())),
            },
            Inbound::Query { id, .. } => {
                let code = ErrorCode::ProtocolViolation.number();
                let _ = self
                    .session
                    .connection
                    .refuse(id, code, "a client answers no queries".into());
                Next::Continue
            }
        }
    }
}

impl SessionHandler {
    fn message(&self, message: ProxyToClientMessage) -> Next {
        match message {
            ProxyToClientMessage::AnswerEx(answer) => {
                self.answer(answer.request_id, &answer.answer, answer.final_info.as_ref())
            }
            ProxyToClientMessage::AnswerPartEx(part) => self.part(
                part.request_id,
                part.answer,
                part.final_info.map(|info| info.tokens_used),
            ),
            ProxyToClientMessage::AnswerErrorEx(error) => self.error(error.request_id, error.error_code, error.error),
            // The reference proxy uses the older forms for its own errors whatever was agreed (spec §5.2), and drops
            // of them leave users hanging (T34): take them all.
            ProxyToClientMessage::Answer(answer) => {
                let info = answer.is_completed.then(|| final_info(answer.request_tokens_used));
                self.answer(answer.request_id, &answer.answer, info.as_ref())
            }
            ProxyToClientMessage::AnswerPart(part) => {
                let used = part.is_completed.then_some(part.request_tokens_used);
                self.part(part.request_id, part.answer, used)
            }
            ProxyToClientMessage::AnswerError(error) => self.error(error.request_id, error.error_code, error.error),
            ProxyToClientMessage::AnswerPartError(error) => self.error(error.request_id, error.error_code, error.error),
            ProxyToClientMessage::SignedPayment(payment) => {
                let result = self
                    .shared
                    .with_account(&self.session, |account| account.take_signature(&payment.data));
                match result {
                    Ok(_) => Next::Continue,
                    Err(mismatch) => Next::Close(CloseReason::Violation(mismatch.to_string())),
                }
            }
            ProxyToClientMessage::RequestPayment(payment) => {
                let data = payment.signed_payment.data();
                self.shared
                    .take_payment(&self.session, None, data, payment.db_tokens, payment.max_tokens);
                Next::Continue
            }
        }
    }

    fn answer(&self, id: RequestId, answer: &[u8], final_info: Option<&ClientQueryFinalInfo>) -> Next {
        let connection = self.session.connection.id();
        let requests = &self.shared.requests;
        match HttpResponse::decode(answer) {
            Ok(response) => {
                requests.head(connection, id, response);
                if let Some(info) = final_info {
                    requests.finish(connection, id, &info.tokens_used);
                }
            }
            Err(error) => {
                let failure = RequestFailure::new(ErrorCode::ProtocolViolation, format!("unreadable answer: {error}"));
                requests.fail_from(connection, id, &failure);
            }
        }
        Next::Continue
    }

    fn part(&self, id: RequestId, bytes: Vec<u8>, used: Option<TokensUsed>) -> Next {
        let connection = self.session.connection.id();
        let requests = self.shared.requests.clone();
        let taken = requests.part(connection, id, bytes);
        if let Some(used) = used {
            requests.finish(connection, id, &used);
            return Next::Continue;
        }
        match taken {
            Taken::Room => Next::Continue,
            Taken::Unknown => {
                // Whoever asked has left and the proxy does not know: tell it once more.
                let _ = self.session.connection.send(&CancelQuery { request_id: id });
                Next::Continue
            }
            // Waiting for this user would stop the other users of the connection (docs/decisions/0007).
            Taken::TooMuch => {
                let failure = RequestFailure::new(ErrorCode::TimeOut, "the answer is read too slowly");
                requests.fail(id, &failure);
                let _ = self.session.connection.send(&CancelQuery { request_id: id });
                Next::Continue
            }
        }
    }

    fn error(&self, id: RequestId, code: i32, message: String) -> Next {
        let failure = RequestFailure { code, message };
        self.shared
            .requests
            .fail_from(self.session.connection.id(), id, &failure);
        Next::Continue
    }
}

fn final_info(tokens_used: TokensUsed) -> ClientQueryFinalInfo {
    ClientQueryFinalInfo {
        tokens_used,
        debug: None,
        times: None,
    }
}

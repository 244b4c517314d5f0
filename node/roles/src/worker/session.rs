//! Hand-shake with a proxy, payments, and the requests that it sends.

use super::{WorkerChain, WorkerSettings, answer, onchain};
use crate::{
    connection::{CloseReason, Connection, Handler, Inbound, Next, QueryError},
    dialing::Dials,
    extension::CancelQuery,
    receipts::{ProxyAccount, ProxyMismatch},
    telemetry::{self, Role},
};
use chrysalis_env::Env;
use chrysalis_settlement::{Address, PaymentKind, VerifiedPayment, base_name, receipts::Receipts};
use chrysalis_wire::{
    error_code::ErrorCode,
    messages::ProxyToWorkerMessage,
    objects::{
        ProxyQueryAnswerErrorEx, ProxyRunQueryEx, WorkerCapacity, WorkerCompareBalanceWithProxy, WorkerConnectToProxy,
        WorkerEnabledDisabled, WorkerExtendedCompareBalanceWithProxy, WorkerParams, WorkerProxyHandshakeComplete,
        WorkerUpdatePaymentStatus,
    },
    protocol_version::{Version, VersionRange},
    tl::{Boxed, RequestId},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::{Notify, watch};

/// Most parallel connections to proxies that slots are divided by.
const MAX_PROXIES: usize = 1024;

/// What all connections of a worker share.
pub(super) struct Shared {
    pub(super) env: Env,
    pub(super) settings: WorkerSettings,
    disabled: AtomicBool,
    state: Mutex<State>,
    drained: Notify,
}

#[derive(Default)]
struct State {
    sessions: BTreeMap<u64, Arc<Session>>,
    /// What each proxy contract is known to owe; outlives connections.
    accounts: BTreeMap<Address, ProxyAccount>,
    /// Accounts whose contract is being looked after.
    kept: BTreeSet<Address>,
    running: u32,
}

/// One connection to a proxy.
pub(super) struct Session {
    pub(super) connection: Connection,
    pub(super) version: Mutex<Version>,
    /// Where the account of this proxy stands in [`State::accounts`], once its identity is known.
    account: Mutex<Option<Address>>,
    /// Requests that are running, with what stops each.
    requests: Mutex<BTreeMap<RequestId, watch::Sender<bool>>>,
    complete: AtomicBool,
    /// The proxy has confirmed that.
    served: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Critical sections are map operations on owned values.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why a proxy is not served.
#[derive(Debug, thiserror::Error)]
enum HandshakeError {
    #[error("{0}")]
    Query(#[from] QueryError),
    #[error("{0}")]
    Mismatch(#[from] ProxyMismatch),
    #[error("{0}")]
    Refused(&'static str),
}

impl Shared {
    pub(super) fn new(env: Env, settings: WorkerSettings) -> Self {
        Self {
            env,
            settings,
            disabled: AtomicBool::new(true),
            state: Mutex::default(),
            drained: Notify::new(),
        }
    }

    /// Tells every proxy whether to send work.
    pub(super) fn set_disabled(&self, disabled: bool) {
        self.disabled.store(disabled, Ordering::Relaxed);
        for session in lock(&self.state).sessions.values() {
            if session.complete.load(Ordering::Relaxed) {
                // A connection that is closing hears it at its next hand-shake.
                let _ = session.connection.send(&WorkerEnabledDisabled {
                    disabled: disabled.into(),
                });
            }
        }
    }

    /// The largest signature of an account, and whether no request runs.
    pub(super) fn account_state(&self, contract: Address) -> (Option<VerifiedPayment>, bool) {
        let state = lock(&self.state);
        let payment = state
            .accounts
            .get(&contract)
            .and_then(|account| account.payment().cloned());
        (payment, state.running == 0)
    }

    /// Waits until no request runs.
    pub(super) async fn drained(&self) {
        loop {
            let notified = self.drained.notified();
            if lock(&self.state).running == 0 {
                return;
            }
            notified.await;
        }
    }

    /// Asks each proxy what it owes.
    pub(super) fn ask_payment_status(self: &Arc<Self>) {
        let sessions: Vec<_> = lock(&self.state).sessions.values().cloned().collect();
        for session in sessions
            .into_iter()
            .filter(|session| session.complete.load(Ordering::Relaxed))
        {
            let shared = self.clone();
            self.env.spawn("worker: payment status query", async move {
                let Ok(asked) = shared.with_account(&session, |account| Ok(account.receipts().clone())) else {
                    return;
                };
                let query = WorkerUpdatePaymentStatus {};
                if let Ok(status) = session.connection.query(&query).await {
                    let data = status.signed_payment.data();
                    shared.take_payment(&session, Some(&asked), data, status.db_tokens, status.max_tokens);
                }
            });
        }
    }

    async fn handshake(self: Arc<Self>, session: Arc<Session>) {
        match self.try_handshake(&session).await {
            Ok(()) => {
                session.served.store(true, Ordering::Relaxed);
                telemetry::session(&self.env, Role::Worker, true);
                telemetry::note(&self.env, Role::Worker, "a proxy is being served");
            }
            Err(error) => session
                .connection
                .close(CloseReason::Local(format!("hand-shake: {error}"))),
        }
    }

    async fn try_handshake(self: &Arc<Self>, session: &Session) -> Result<(), HandshakeError> {
        let settings = &self.settings;
        let connection = &session.connection;
        let range = VersionRange::CLIENT_AND_WORKER;
        let proxy_count = settings.proxies.len().clamp(1, MAX_PROXIES);
        let connected = connection
            .query(&WorkerConnectToProxy {
                params: WorkerParams {
                    worker_owner_address: settings.owner.to_wire(settings.network),
                    model: settings.model.clone(),
                    coefficient: i32::try_from(settings.coefficient).unwrap_or(i32::MAX),
                    capacity: Some(WorkerCapacity {
                        is_test: settings.is_test,
                        proxy_cnt: i32::try_from(proxy_count).unwrap_or(i32::MAX),
                        max_active_requests: i32::try_from(settings.max_active_requests).unwrap_or(i32::MAX),
                    }),
                    protocol: Some(range.to_announcement()),
                },
            })
            .await?;

        let root = settings.root.current();
        let account = ProxyAccount::open(
            &root,
            &connected.params,
            &connected.worker_sc_address,
            &settings.owner,
            PaymentKind::WorkerPayout,
            settings.is_test,
        )?;
        *lock(&session.version) = account.version();
        let (key, proxy) = (account.contract(), account.proxy());
        let (known, is_new) = {
            let mut state = lock(&self.state);
            let is_new = state.kept.insert(key);
            let known = state.accounts.entry(key).or_insert(account);
            ((known.signed_tokens(), known.db_tokens(), known.max_tokens()), is_new)
        };
        *lock(&session.account) = Some(key);
        if let (true, WorkerChain::Live { settlement, wallet }) = (is_new, &settings.chain) {
            let keeper = onchain::keep_account(self.clone(), settlement.clone(), wallet.clone(), root.clone(), proxy);
            self.env.spawn("worker: account", keeper);
        }

        let compared = connection
            .query(&WorkerCompareBalanceWithProxy {
                tokens_committed_to_blockchain: wire_tokens(known.0),
                tokens_committed_to_db: wire_tokens(known.1),
                max_tokens: wire_tokens(known.2),
            })
            .await?;
        if compared.error_code != 0 {
            // The proxy lost tokens that it had not promised to keep: agree on what it has (the reference declares this
            // step and never finishes it, spec §4.3).
            let extended = WorkerExtendedCompareBalanceWithProxy {
                tokens_committed_to_db: wire_tokens(known.1),
                other: Vec::new(),
            };
            if connection.query(&extended).await?.error_code != 0 {
                return Err(HandshakeError::Refused("the proxy does not agree on the balance"));
            }
        }
        let lost = self.with_account(session, |account| {
            account.restart(
                compared.signed_payment.data(),
                compared.tokens_committed_to_db,
                compared.max_tokens,
            )
        })?;
        if lost > 0 {
            telemetry::note(
                &self.env,
                Role::Worker,
                "the proxy lost tokens that were not yet durable",
            );
        }

        session.complete.store(true, Ordering::Relaxed);
        let is_disabled = self.disabled.load(Ordering::Relaxed);
        connection.query(&WorkerProxyHandshakeComplete { is_disabled }).await?;
        // It may have changed while the proxy answered.
        if self.disabled.load(Ordering::Relaxed) != is_disabled {
            self.set_disabled(!is_disabled);
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
                telemetry::payment(&self.env, Role::Worker, "taken", &contract, tokens);
            }
            Err(mismatch) => session.connection.close(CloseReason::Violation(mismatch.to_string())),
        }
    }

    fn run(self: &Arc<Self>, session: &Arc<Session>, query: ProxyRunQueryEx) {
        let refusal = {
            let mut state = lock(&self.state);
            if !session.complete.load(Ordering::Relaxed) {
                Some((ErrorCode::NotReady, "the hand-shake is not complete"))
            } else if state.running >= self.settings.max_active_requests {
                Some((ErrorCode::Error, "this worker is full"))
            } else if lock(&session.requests).contains_key(&query.request_id) {
                Some((ErrorCode::ProtocolViolation, "a request with this id is running"))
            } else {
                state.running += 1;
                None
            }
        };
        if let Some((code, error)) = refusal {
            let refused = ProxyQueryAnswerErrorEx {
                request_id: query.request_id,
                error_code: code.number(),
                error: error.into(),
                final_info: Some(answer::nothing_used()),
            };
            let _ = session.connection.send(&refused);
            return;
        }
        let (cancel, cancelled) = watch::channel(false);
        lock(&session.requests).insert(query.request_id, cancel);
        let guard = Running {
            shared: self.clone(),
            session: session.clone(),
            id: query.request_id,
        };
        let (shared, session) = (self.clone(), session.clone());
        self.env.spawn("worker: request", async move {
            answer::run(&shared, &session, query, cancelled).await;
            drop(guard);
        });
    }
}

/// Gives the slot back however the request ends, also when its task is dropped.
struct Running {
    shared: Arc<Shared>,
    session: Arc<Session>,
    id: RequestId,
}

impl Drop for Running {
    fn drop(&mut self) {
        lock(&self.session.requests).remove(&self.id);
        let mut state = lock(&self.shared.state);
        state.running = state.running.saturating_sub(1);
        if state.running == 0 {
            self.shared.drained.notify_waiters();
        }
    }
}

/// Token counts are signed on the wire; a ledger never gets near the limit.
fn wire_tokens(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX)
}

impl Dials for Shared {
    type Handler = SessionHandler;

    fn opened(self: &Arc<Self>, connection: &Connection, _address: SocketAddr) -> SessionHandler {
        let session = Arc::new(Session {
            connection: connection.clone(),
            version: Mutex::new(Version::NEWEST),
            account: Mutex::new(None),
            requests: Mutex::default(),
            complete: AtomicBool::new(false),
            served: AtomicBool::new(false),
        });
        lock(&self.state).sessions.insert(connection.id(), session.clone());
        SessionHandler {
            shared: self.clone(),
            session,
        }
    }

    fn closed(self: &Arc<Self>, connection: &Connection, _reason: &CloseReason) {
        let session = lock(&self.state).sessions.remove(&connection.id());
        // Nobody is left to answer: stop generating.
        if let Some(session) = session {
            if session.served.load(Ordering::Relaxed) {
                telemetry::session(&self.env, Role::Worker, false);
            }
            for cancel in lock(&session.requests).values() {
                cancel.send_replace(true);
            }
        }
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
                self.shared.env.spawn("worker: hand-shake", shared.handshake(session));
                Next::Continue
            }
            Inbound::Message(data) => self.message(&data),
            // A worker serves no queries (spec §2.7); an answer spares the proxy its time-out.
            Inbound::Query { id, .. } => {
                let code = ErrorCode::ProtocolViolation.number();
                let _ = self
                    .session
                    .connection
                    .refuse(id, code, "a worker answers no queries".into());
                Next::Continue
            }
        }
    }
}

impl SessionHandler {
    fn message(&self, data: &[u8]) -> Next {
        let message = match ProxyToWorkerMessage::decode(data) {
            Ok(message) => message,
            Err(error) => {
                if let Some(CancelQuery { request_id }) = CancelQuery::from_message(data) {
                    if let Some(cancel) = lock(&self.session.requests).get(&request_id) {
                        cancel.send_replace(true);
                    }
                    return Next::Continue;
                }
                return Next::Close(CloseReason::Violation(error.to_string()));
            }
        };
        match message {
            ProxyToWorkerMessage::RunQuery(query) => {
                // The older form: the same without flags.
                let query = ProxyRunQueryEx {
                    query: query.query,
                    signed_payment: query.signed_payment,
                    coefficient: query.coefficient,
                    timeout: query.timeout,
                    request_id: query.request_id,
                    enable_debug: None,
                };
                self.shared.run(&self.session, query);
            }
            ProxyToWorkerMessage::RunQueryEx(query) => self.shared.run(&self.session, query),
            ProxyToWorkerMessage::RequestPayment(payment) => {
                let data = payment.signed_payment.data();
                self.shared
                    .take_payment(&self.session, None, data, payment.db_tokens, payment.max_tokens);
            }
            ProxyToWorkerMessage::SignedPayment(payment) => {
                // Alone it says nothing of the counters: they stay as they are.
                let data = &payment.data;
                let result = self
                    .shared
                    .with_account(&self.session, |account| account.take_signature(data));
                if let Err(mismatch) = result {
                    return Next::Close(CloseReason::Violation(mismatch.to_string()));
                }
            }
        }
        Next::Continue
    }
}

impl Session {
    pub(super) fn version(&self) -> Version {
        *lock(&self.version)
    }
}

impl WorkerSettings {
    /// The name that requests carry.
    pub(super) fn base_name(&self) -> &str {
        base_name(&self.model)
    }
}

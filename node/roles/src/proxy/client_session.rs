//! What a client may ask and send (spec §4.2).

use super::state::{ClientSession, Shared};
use crate::{
    connection::{CloseReason, Connection, Handler, Inbound, Next},
    extension::CancelQuery,
};
use chrysalis_settlement::Address;
use chrysalis_wire::{
    error_code::ErrorCode,
    messages::{ClientQuery, ClientToProxyMessage},
    objects::{
        AuthorizationWithProxy, ClientAuthorizationWithProxySuccess, ClientConnectToProxy, ClientConnectedToProxy,
        ClientPaymentStatus, ClientProxyConnectionAuthLong, ClientProxyConnectionAuthShort, ClientRunQueryEx,
        ClientWorkerInstanceV2, ClientWorkerType, ClientWorkerTypeV2, ClientWorkerTypes, ClientWorkerTypesV2,
        ProxyConnectionAuth, SignedPayment,
    },
    protocol_version::{Version, VersionRange},
    tl::Boxed,
};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// A refused query: code and text.
struct Refusal(ErrorCode, String);

impl Refusal {
    fn new(code: ErrorCode, text: impl Into<String>) -> Self {
        Self(code, text.into())
    }
}

enum Phase {
    New,
    /// Connected, not yet authorised.
    Connected {
        owner: Address,
        version: Version,
        nonce: u64,
    },
    /// Authorised, or waiting for the chain to say so: the rest of the hand-shake is not this handler's.
    Decided,
}

/// How long a client's contract may take to register a nonce (spec §1.5, §4.2).
const LONG_AUTHORISATION_LIMIT: Duration = Duration::from_secs(300);
/// Pause between two looks for the nonce.
const REGISTRATION_PAUSE: Duration = Duration::from_secs(1);

pub(super) struct ClientHandler {
    shared: Arc<Shared>,
    connection: Connection,
    phase: Phase,
}

impl ClientHandler {
    pub(super) fn new(shared: Arc<Shared>, connection: &Connection) -> Self {
        Self {
            shared,
            connection: connection.clone(),
            phase: Phase::New,
        }
    }
}

fn not_authorised() -> Refusal {
    Refusal::new(ErrorCode::Error, "not authorised")
}

/// Opens the session of a client that has proven to be `owner`.
fn admit(
    shared: &Shared,
    connection: &Connection,
    owner: Address,
    version: Version,
) -> Result<AuthorizationWithProxy, Refusal> {
    let mut state = shared.lock();
    // Sessions of closed connections are removed once, so none may be added afterwards.
    if !connection.is_open() {
        return Err(not_authorised());
    }
    let account = shared.client_account(&mut state, &owner).ok_or_else(not_authorised)?;
    let (signed_payment, tokens_committed_to_db, max_tokens) = shared.client_bill(account);
    let session = ClientSession {
        connection: connection.clone(),
        owner,
        version,
    };
    state.client_sessions.insert(connection.id(), session);
    drop(state);
    Ok(AuthorizationWithProxy::Success(ClientAuthorizationWithProxySuccess {
        signed_payment,
        tokens_committed_to_db,
        max_tokens,
    }))
}

/// Answers the query `id` when the owner's contract has registered this connection's nonce (spec §4.2).
async fn authorise_by_chain(
    shared: Arc<Shared>,
    connection: Connection,
    id: i64,
    owner: Address,
    version: Version,
    nonce: u64,
) {
    let env = shared.env.clone();
    let registered = async {
        while connection.is_open() && !shared.chain.is_registered(&owner, nonce) {
            env.sleep(REGISTRATION_PAUSE).await;
        }
    };
    let answer = match env.timeout(LONG_AUTHORISATION_LIMIT, registered).await {
        Ok(()) => admit(&shared, &connection, owner, version),
        Err(_elapsed) => Err(not_authorised()),
    };
    match answer {
        // An answer that cannot be queued belongs to a connection that is closing.
        Ok(answer) => drop(connection.answer(id, &answer)),
        Err(Refusal(code, text)) => {
            let _ = connection.refuse(id, code.number(), text.clone());
            connection.close(CloseReason::Local(text));
        }
    }
}

impl Handler for ClientHandler {
    fn handle(&mut self, connection: &Connection, inbound: Inbound) -> Next {
        match inbound {
            Inbound::Ready => Next::Continue,
            Inbound::Query { id, data } => {
                let is_handshake = !matches!(self.phase, Phase::Decided);
                match self.query(id, &data) {
                    Ok(()) => Next::Continue,
                    Err(Refusal(code, text)) => {
                        // A refusal that cannot be queued belongs to a connection that is closing.
                        let _ = connection.refuse(id, code.number(), text.clone());
                        // Any error of the hand-shake ends the connection (spec §4.2).
                        if is_handshake {
                            Next::Close(CloseReason::Local(text))
                        } else {
                            Next::Continue
                        }
                    }
                }
            }
            Inbound::Message(data) => self.message(&data),
        }
    }
}

impl ClientHandler {
    fn query(&mut self, id: i64, data: &[u8]) -> Result<(), Refusal> {
        let query =
            ClientQuery::decode(data).map_err(|error| Refusal::new(ErrorCode::ProtocolViolation, error.to_string()))?;
        // An answer that cannot be queued belongs to a connection that is closing.
        let _ = match query {
            ClientQuery::ConnectToProxy(connect) => {
                let answer = self.connect(&connect)?;
                self.connection.answer(id, &answer)
            }
            ClientQuery::AuthorizeWithProxyShort(short) => {
                let hash: [u8; 32] = Sha256::digest(short.data.expose()).into();
                let (owner, version, _) = self.connected()?;
                // The hash of an empty secret authorises nobody: it is public (T17).
                let empty: [u8; 32] = Sha256::digest(b"").into();
                let chain = self.shared.chain.client(&owner);
                if hash == empty || chain.is_none_or(|chain| chain.secret_hash != hash) {
                    return Err(not_authorised());
                }
                let answer = admit(&self.shared, &self.connection, owner, version)?;
                self.phase = Phase::Decided;
                self.connection.answer(id, &answer)
            }
            ClientQuery::AuthorizeWithProxyLong(_) => {
                let (owner, version, nonce) = self.connected()?;
                self.phase = Phase::Decided;
                let task = authorise_by_chain(self.shared.clone(), self.connection.clone(), id, owner, version, nonce);
                self.shared.env.spawn("proxy: long authorisation", task);
                Ok(())
            }
            ClientQuery::UpdatePaymentStatus(_) => {
                let owner = self.owner()?;
                let mut state = self.shared.lock();
                let account = self
                    .shared
                    .client_account(&mut state, &owner)
                    .ok_or_else(|| Refusal::new(ErrorCode::NotReady, "no account"))?;
                let (signed_payment, db_tokens, max_tokens) = self.shared.client_bill(account);
                drop(state);
                self.connection.answer(
                    id,
                    &ClientPaymentStatus {
                        signed_payment,
                        db_tokens,
                        max_tokens,
                    },
                )
            }
            ClientQuery::GetWorkerTypes(_) => {
                self.owner()?;
                self.connection.answer(id, &self.worker_types())
            }
            ClientQuery::GetWorkerTypesV2(_) => {
                self.owner()?;
                self.connection.answer(id, &self.worker_types_v2())
            }
            // Declared by the protocol and served by nobody (spec §2.6): refunds go through the chain.
            ClientQuery::RequestRefund(_) => {
                return Err(Refusal::new(ErrorCode::Error, "ask the client contract for a refund"));
            }
        };
        Ok(())
    }

    fn owner(&self) -> Result<Address, Refusal> {
        self.shared
            .lock()
            .client_sessions
            .get(&self.connection.id())
            .map(|session| session.owner)
            .ok_or_else(|| Refusal::new(ErrorCode::ProtocolViolation, "not authorised"))
    }

    fn connect(&mut self, connect: &ClientConnectToProxy) -> Result<ClientConnectedToProxy, Refusal> {
        let violation = |text: String| Refusal::new(ErrorCode::ProtocolViolation, text);
        if !matches!(self.phase, Phase::New) {
            return Err(violation("already connected".into()));
        }
        let settings = &self.shared.settings;
        let root = settings.root.current();
        if connect.params.is_test != Some(settings.is_test) {
            return Err(violation("this proxy belongs to another kind of deployment".into()));
        }
        let owner: Address = connect
            .params
            .client_owner_address
            .parse()
            .map_err(|error| violation(format!("owner: {error}")))?;
        if i64::from(connect.min_config_version) > i64::from(root.version) {
            return Err(Refusal::new(
                ErrorCode::Error,
                "the proxy has not seen that configuration yet",
            ));
        }
        let version = VersionRange::announced(connect.params.protocol.as_ref())
            .and_then(|remote| VersionRange::PROXY.negotiate(remote))
            .map_err(|error| violation(error.to_string()))?;
        let nonce = self.shared.env.random_u64();
        // An account's payment is shown only to its owner: before authorisation there is none to see (T19).
        let auth = match self.shared.chain.client(&owner) {
            Some(chain) if chain.secret_hash != [0; 32] => ProxyConnectionAuth::Short(ClientProxyConnectionAuthShort {
                secret_hash: chain.secret_hash,
                nonce: nonce.cast_signed(),
            }),
            _ => ProxyConnectionAuth::Long(ClientProxyConnectionAuthLong {
                nonce: nonce.cast_signed(),
            }),
        };
        self.phase = Phase::Connected { owner, version, nonce };
        let contract = self.shared.root.client_address(&self.shared.identity, &owner);
        Ok(ClientConnectedToProxy {
            params: self.shared.params(version),
            client_sc_address: contract.to_wire(settings.network),
            auth,
            signed_payment: SignedPayment::EMPTY,
        })
    }

    fn connected(&self) -> Result<(Address, Version, u64), Refusal> {
        match self.phase {
            Phase::Connected { owner, version, nonce } => Ok((owner, version, nonce)),
            Phase::New | Phase::Decided => Err(Refusal::new(ErrorCode::ProtocolViolation, "connect first")),
        }
    }

    fn worker_types_v2(&self) -> ClientWorkerTypesV2 {
        let mut types: BTreeMap<String, Vec<ClientWorkerInstanceV2>> = BTreeMap::new();
        for load in self.shared.lock().loads.values().filter(|load| !load.disabled) {
            let int = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
            types
                .entry(load.model.clone())
                .or_default()
                .push(ClientWorkerInstanceV2 {
                    coefficient: int(load.coefficient),
                    active_requests: int(load.running),
                    max_active_requests: int(load.slots),
                });
        }
        let types = types.into_iter().map(|(name, mut workers)| {
            workers.sort_by_key(|worker| worker.coefficient);
            ClientWorkerTypeV2 { name, workers }
        });
        ClientWorkerTypesV2 { types: types.collect() }
    }

    fn worker_types(&self) -> ClientWorkerTypes {
        let types = self.worker_types_v2().types.into_iter().map(|kind| {
            // Sorted and not empty by construction.
            let coefficient = |index: usize| kind.workers.get(index).map_or(0, |worker| worker.coefficient);
            ClientWorkerType {
                active_workers: i32::try_from(kind.workers.len()).unwrap_or(i32::MAX),
                coefficient_min: coefficient(0),
                coefficient_bucket50: coefficient(kind.workers.len() / 2),
                coefficient_max: coefficient(kind.workers.len().saturating_sub(1)),
                name: kind.name,
            }
        });
        ClientWorkerTypes { types: types.collect() }
    }

    fn message(&self, data: &[u8]) -> Next {
        if let Some(cancel) = CancelQuery::from_message(data) {
            self.shared.cancel(self.connection.id(), cancel.request_id);
            return Next::Continue;
        }
        let query = match ClientToProxyMessage::decode(data) {
            Ok(ClientToProxyMessage::RunQueryEx(query)) => query,
            // The older form: the same without flags.
            Ok(ClientToProxyMessage::RunQuery(query)) => ClientRunQueryEx {
                model_name: query.model_name,
                query: query.query,
                max_coefficient: query.max_coefficient,
                max_tokens: query.max_tokens,
                timeout: query.timeout,
                request_id: query.request_id,
                min_config_version: query.min_config_version,
                enable_debug: None,
            },
            Err(error) => return Next::Close(CloseReason::Violation(error.to_string())),
        };
        let session = self.shared.lock().client_sessions.get(&self.connection.id()).cloned();
        match session {
            Some(session) => {
                self.shared.begin(&session, query);
                Next::Continue
            }
            None => Next::Close(CloseReason::Violation("a request before authorisation".into())),
        }
    }
}

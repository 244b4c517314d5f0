//! What a worker may ask and send (spec §4.3).

use super::{
    requests::WorkerAnswer,
    selection::WorkerLoad,
    state::{Shared, WorkerSession},
};
use crate::connection::{CloseReason, Connection, Handler, Inbound, Next};
use chrysalis_settlement::{Address, base_name};
use chrysalis_wire::{
    error_code::ErrorCode,
    messages::{WorkerQuery, WorkerToProxyMessage},
    objects::{
        WorkerCompareBalanceWithProxy, WorkerCompareBalanceWithProxyResult, WorkerConnectToProxy,
        WorkerConnectedToProxy, WorkerExtendedCompareBalanceWithProxyResult, WorkerPaymentStatus,
        WorkerProxyHandshakeCompleted,
    },
    protocol_version::VersionRange,
    tl::Boxed,
};
use std::sync::Arc;

/// Coefficients are below this (spec §1.5).
const COEFFICIENT_LIMIT: i32 = 1_000_000_000;
/// Longest model name.
const MAX_MODEL_BYTES: usize = 512;

/// What a refusal says when the root contract does not name the worker's model, or no longer does.
const MODEL_NOT_IN_ROOT: &str = "the model is not in the root contract";

/// A refused query: code and text. Every refusal ends the connection.
struct Refusal(ErrorCode, String);

impl Refusal {
    fn violation(text: impl Into<String>) -> Self {
        Self(ErrorCode::ProtocolViolation, text.into())
    }
}

enum Phase {
    New,
    /// Parameters accepted; balances not yet compared.
    Connected(WorkerLoad),
    /// The worker remembers tokens that this proxy lost before they were durable: it has to agree.
    MustAgree(WorkerLoad),
    Compared(WorkerLoad),
    Complete,
}

pub(super) struct WorkerHandler {
    shared: Arc<Shared>,
    connection: Connection,
    phase: Phase,
    /// Full name of the model that the worker serves, once it said so.
    model: Option<String>,
}

impl WorkerHandler {
    pub(super) fn new(shared: Arc<Shared>, connection: &Connection) -> Self {
        Self {
            shared,
            connection: connection.clone(),
            phase: Phase::New,
            model: None,
        }
    }
}

impl Handler for WorkerHandler {
    fn refusal(&self) -> Option<&'static str> {
        let model = self.model.as_deref()?;
        let is_allowed = self.shared.settings.root.current().allows_model(model);
        (!is_allowed).then_some(MODEL_NOT_IN_ROOT)
    }

    fn handle(&mut self, connection: &Connection, inbound: Inbound) -> Next {
        match inbound {
            Inbound::Ready => Next::Continue,
            Inbound::Query { id, data } => match self.query(id, &data) {
                Ok(()) => Next::Continue,
                Err(Refusal(code, text)) => {
                    let _ = connection.refuse(id, code.number(), text.clone());
                    Next::Close(CloseReason::Local(text))
                }
            },
            Inbound::Message(data) => self.message(&data),
        }
    }
}

impl WorkerHandler {
    fn query(&mut self, id: i64, data: &[u8]) -> Result<(), Refusal> {
        let query = WorkerQuery::decode(data).map_err(|error| Refusal::violation(error.to_string()))?;
        // An answer that cannot be queued belongs to a connection that is closing.
        let _ = match query {
            WorkerQuery::ConnectToProxy(connect) => {
                let answer = self.connect(&connect)?;
                self.connection.answer(id, &answer)
            }
            WorkerQuery::CompareBalanceWithProxy(compare) => {
                let answer = self.compare(&compare)?;
                self.connection.answer(id, &answer)
            }
            WorkerQuery::ExtendedCompareBalanceWithProxy(_) => {
                self.phase = match std::mem::replace(&mut self.phase, Phase::New) {
                    Phase::MustAgree(load) => Phase::Compared(load),
                    _ => return Err(Refusal::violation("nothing to agree on")),
                };
                self.connection
                    .answer(id, &WorkerExtendedCompareBalanceWithProxyResult { error_code: 0 })
            }
            WorkerQuery::ProxyHandshakeComplete(complete) => {
                let Phase::Compared(mut load) = std::mem::replace(&mut self.phase, Phase::Complete) else {
                    return Err(Refusal::violation("the hand-shake has other steps first"));
                };
                load.disabled = complete.is_disabled;
                let sent = self.connection.answer(id, &WorkerProxyHandshakeCompleted {});
                self.shared.lock().loads.insert(self.connection.id(), load);
                sent
            }
            WorkerQuery::UpdatePaymentStatus(_) => {
                let owner = self.owner()?;
                let mut state = self.shared.lock();
                let account = self.shared.worker_account(&mut state, &owner);
                let (signed_payment, db_tokens, max_tokens) = self.shared.worker_bill(account);
                drop(state);
                self.connection.answer(
                    id,
                    &WorkerPaymentStatus {
                        signed_payment,
                        db_tokens,
                        max_tokens,
                    },
                )
            }
        };
        Ok(())
    }

    fn owner(&self) -> Result<Address, Refusal> {
        self.shared
            .lock()
            .worker_sessions
            .get(&self.connection.id())
            .map(|session| session.owner)
            .ok_or_else(|| Refusal::violation("not connected"))
    }

    fn connect(&mut self, connect: &WorkerConnectToProxy) -> Result<WorkerConnectedToProxy, Refusal> {
        if !matches!(self.phase, Phase::New) {
            return Err(Refusal::violation("already connected"));
        }
        let settings = &self.shared.settings;
        let root = settings.root.current();
        let params = &connect.params;
        let capacity = params
            .capacity
            .as_ref()
            .ok_or_else(|| Refusal::violation("the capacity is missing"))?;
        if capacity.is_test != settings.is_test {
            return Err(Refusal::violation("this proxy belongs to another kind of deployment"));
        }
        if params.model.is_empty() || params.model.len() > MAX_MODEL_BYTES || !root.allows_model(&params.model) {
            return Err(Refusal::violation(MODEL_NOT_IN_ROOT));
        }
        if !(0..COEFFICIENT_LIMIT).contains(&params.coefficient) {
            return Err(Refusal::violation("the price factor is out of range"));
        }
        let positive = |number: i32| u32::try_from(number).ok().filter(|number| *number > 0);
        let (Some(active), Some(proxies)) = (positive(capacity.max_active_requests), positive(capacity.proxy_cnt))
        else {
            return Err(Refusal::violation("the capacity is out of range"));
        };
        let slots = active.div_ceil(proxies).min(settings.limits.slots_per_worker);
        let version = VersionRange::announced(params.protocol.as_ref())
            .and_then(|remote| VersionRange::PROXY.negotiate(remote))
            .map_err(|error| Refusal::violation(error.to_string()))?;
        let owner: Address = params
            .worker_owner_address
            .parse()
            .map_err(|error| Refusal::violation(format!("owner: {error}")))?;

        let mut state = self.shared.lock();
        let of_owner = state
            .worker_sessions
            .values()
            .filter(|session| session.owner == owner)
            .count();
        if of_owner >= settings.limits.connections_per_owner {
            return Err(Refusal(ErrorCode::Error, "too many connections of one owner".into()));
        }
        let contract = self.shared.worker_account(&mut state, &owner).contract();
        let session = WorkerSession {
            connection: self.connection.clone(),
            owner,
            version,
        };
        state.worker_sessions.insert(self.connection.id(), session);
        drop(state);
        let coefficient = params.coefficient.unsigned_abs();
        self.model = Some(params.model.clone());
        self.phase = Phase::Connected(WorkerLoad::new(base_name(&params.model).to_owned(), coefficient, slots));
        Ok(WorkerConnectedToProxy {
            params: self.shared.params(version),
            worker_sc_address: contract.to_wire(settings.network),
        })
    }

    fn compare(
        &mut self,
        compare: &WorkerCompareBalanceWithProxy,
    ) -> Result<WorkerCompareBalanceWithProxyResult, Refusal> {
        let Phase::Connected(load) = std::mem::replace(&mut self.phase, Phase::New) else {
            return Err(Refusal::violation("connect first"));
        };
        let owner = self.owner()?;
        let mut state = self.shared.lock();
        let account = self.shared.worker_account(&mut state, &owner);
        let ledger = account.ledger();
        // The reference stops the whole proxy here (T30): whoever says such a thing is not believed, that is all.
        if compare.tokens_committed_to_blockchain > ledger.committed_to_chain()
            || compare.tokens_committed_to_db > ledger.committed_to_db()
        {
            return Err(Refusal::violation(
                "the worker remembers more durable tokens than this proxy has",
            ));
        }
        let has_lost = compare.max_tokens > ledger.tokens_max();
        let (signed_payment, tokens_committed_to_db, max_tokens) = self.shared.worker_bill(account);
        drop(state);
        self.phase = if has_lost {
            Phase::MustAgree(load)
        } else {
            Phase::Compared(load)
        };
        Ok(WorkerCompareBalanceWithProxyResult {
            signed_payment,
            tokens_committed_to_db,
            max_tokens,
            error_code: i32::from(has_lost),
        })
    }

    fn message(&self, data: &[u8]) -> Next {
        let message = match WorkerToProxyMessage::decode(data) {
            Ok(message) => message,
            Err(error) => return Next::Close(CloseReason::Violation(error.to_string())),
        };
        if !matches!(self.phase, Phase::Complete) {
            return Next::Close(CloseReason::Violation(
                "a message before the hand-shake was complete".into(),
            ));
        }
        let id = self.connection.id();
        let answer = match message {
            WorkerToProxyMessage::EnabledDisabled(change) => {
                if let Some(load) = self.shared.lock().loads.get_mut(&id) {
                    load.disabled = change.disabled != 0;
                }
                return Next::Continue;
            }
            WorkerToProxyMessage::NewCoefficient(change) => {
                if !(0..COEFFICIENT_LIMIT).contains(&change.new_coefficient) {
                    return Next::Close(CloseReason::Violation("the price factor is out of range".into()));
                }
                if let Some(load) = self.shared.lock().loads.get_mut(&id) {
                    load.coefficient = change.new_coefficient.unsigned_abs();
                }
                return Next::Continue;
            }
            WorkerToProxyMessage::AnswerEx(answer) => WorkerAnswer::head(answer),
            WorkerToProxyMessage::AnswerPartEx(part) => WorkerAnswer::part(part),
            WorkerToProxyMessage::AnswerErrorEx(error) => WorkerAnswer::error(error),
            WorkerToProxyMessage::Answer(answer) => WorkerAnswer::old_head(answer),
            WorkerToProxyMessage::AnswerPart(part) => WorkerAnswer::old_part(part),
            WorkerToProxyMessage::AnswerError(error) => WorkerAnswer::old_error(error),
            WorkerToProxyMessage::AnswerPartError(error) => WorkerAnswer::old_part_error(error),
        };
        self.shared.take_answer(id, answer)
    }
}

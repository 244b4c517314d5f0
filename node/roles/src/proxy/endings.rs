//! How requests end. Each ending books what was used, gives the reservation back and frees the worker's slot.

use super::{
    forwarding::{self, reported, wire_tokens},
    requests::Running,
    state::{ClientSession, Shared, State, WorkerSession},
};
use crate::{
    connection::Next,
    extension::CancelQuery,
    telemetry::{self, Role, Usage},
};
use chrysalis_settlement::{
    Address, AdjustedUsage, ReportedUsage, UsageTokens,
    ledger::{Verdict, WorkerAccount},
};
use chrysalis_wire::{
    answer_stream::debug::NO_DEBUG,
    error_code::ErrorCode,
    objects::{
        ClientAnswerTimes, ClientDebugInfo, ClientQueryFinalInfo, ProxyClientRequestPayment, ProxyQueryFinalInfo,
        ProxyWorkerRequestPayment, TokensUsed,
    },
    tl::{RequestId, Seconds},
};
use std::{sync::Arc, time::Duration};

/// How long a worker may take to say what was used, after it was told to stop.
const FINAL_WORD_LIMIT: Duration = Duration::from_secs(5);

/// What is booked of an ended request, and for whom bills are due.
pub(super) struct Booked {
    client: ClientSession,
    worker: WorkerSession,
    tokens: i64,
    used: AdjustedUsage,
}

impl Shared {
    /// The worker's last word came: books what it says, within what was reserved.
    pub(super) fn end_complete(
        &self,
        state: &mut State,
        worker_id: u64,
        id: RequestId,
        info: ProxyQueryFinalInfo,
    ) -> Option<(ClientQueryFinalInfo, Booked)> {
        let running = self.take(state, worker_id, id, true)?;
        let now = Seconds::from_ns(self.env.unix_ns());
        let mut final_info = ClientQueryFinalInfo {
            tokens_used: info.tokens_used.clone(),
            debug: running.enable_debug.then(|| ClientDebugInfo {
                worker_debug: info.worker_debug.unwrap_or_else(|| NO_DEBUG.to_owned()),
                proxy_debug: NO_DEBUG.to_owned(),
            }),
            times: info
                .times
                .filter(|_| running.client.version.carries_times())
                .map(|times| ClientAnswerTimes {
                    proxy_start_time: Seconds::from_ns(running.started_unix_ns),
                    proxy_end_time: now,
                    worker_start_time: times.worker_start_time,
                    worker_end_time: times.worker_end_time,
                }),
        };
        let code = if running.is_wanted {
            0
        } else {
            ErrorCode::Cancelled.number()
        };
        let booked = self.book(state, running, id, code, Ending::Complete(reported(&info.tokens_used)))?;
        // The client is told what it is charged, not what the worker claims.
        final_info.tokens_used = wire_tokens(booked.used);
        Some((final_info, booked))
    }

    /// The request failed; `used` is the worker's word on what was used, if it gave one.
    pub(super) fn end_failed(
        &self,
        state: &mut State,
        worker_id: u64,
        id: RequestId,
        code: i32,
        text: String,
        used: Option<TokensUsed>,
    ) {
        let Some(running) = self.take(state, worker_id, id, false) else {
            return;
        };
        // What the proxy itself passed on bounds what a failed request can cost: a worker cannot claim more.
        let seen = self.passed_on(&running);
        let delivered = match used.and_then(|used| AdjustedUsage::try_from(reported(&used)).ok()) {
            Some(claimed) if claimed.total() <= seen.total() => claimed,
            _ => seen,
        };
        if running.is_wanted {
            forwarding::error(&running.client, id, code, text, delivered);
        }
        if let Some(booked) = self.book(state, running, id, code, Ending::Failed(delivered)) {
            self.send_bills(state, id, &booked);
        }
    }

    /// The usage of what went to the client so far, by the proxy's own count of events.
    fn passed_on(&self, running: &Running) -> AdjustedUsage {
        let events = UsageTokens::clamped(0, 0, running.events, 0);
        let multipliers = self.root.params.prices.multipliers;
        events.adjusted(running.coefficient, &multipliers)
    }

    /// The worker broke the order of answers (spec §2.10): the request fails.
    pub(super) fn break_off(&self, state: &mut State, worker_id: u64, id: RequestId, what: &str) -> Next {
        let code = ErrorCode::ProtocolViolation.number();
        if let Some(running) = state.requests.get(&(worker_id, id)) {
            let _ = running.worker.connection.send(&CancelQuery { request_id: id });
        }
        self.end_failed(state, worker_id, id, code, format!("the worker sent {what}"), None);
        Next::Continue
    }

    /// Takes a request out of every table.
    fn take(&self, state: &mut State, worker_id: u64, id: RequestId, succeeded: bool) -> Option<Running> {
        let running = state.requests.remove(&(worker_id, id))?;
        state.routes.remove(&(running.client.connection.id(), id));
        running.deadline.abort();
        if let Some(load) = state.loads.get_mut(&worker_id) {
            load.finish(self.env.now_ns().saturating_sub(running.started_ns), succeeded);
        }
        self.request_ended(state);
        Some(running)
    }

    fn book(&self, state: &mut State, running: Running, id: RequestId, code: i32, ending: Ending) -> Option<Booked> {
        let Running {
            client,
            worker,
            reservation,
            ..
        } = running;
        // Accounts are never removed while requests run on them.
        let account = state.clients.get_mut(&client.owner)?;
        let (completion, usage) = match ending {
            Ending::Complete(reported) => (
                account.complete(reservation, reported),
                AdjustedUsage::try_from(reported).unwrap_or(AdjustedUsage::ZERO),
            ),
            Ending::Failed(delivered) => (account.fail(reservation, delivered), delivered),
        };
        let completion = match completion {
            Ok(completion) => completion,
            Err(error) => {
                // Another account's reservation: impossible, since it was made on this one.
                telemetry::note(&self.env, Role::Proxy, &format!("a request cannot be booked: {error}"));
                return None;
            }
        };
        if let Verdict::Overrun { .. } | Verdict::Refused(_) = completion.verdict {
            let text = format!("a worker's count was not taken as it was: {:?}", completion.verdict);
            telemetry::note(&self.env, Role::Proxy, &text);
        }
        let tokens = completion.charge.tokens();
        if let Some(account) = state.workers.get_mut(&worker.owner) {
            account.book(completion.charge);
        }
        if tokens != 0 {
            state.dirty.clients.insert(client.owner);
            state.dirty.workers.insert(worker.owner);
        }
        let used = cut_to(usage, u64::try_from(tokens).unwrap_or(0));
        let usage = Usage {
            prompt: used.prompt(),
            cached: used.cached(),
            completion: used.completion(),
            reasoning: used.reasoning(),
            total: used.total(),
        };
        telemetry::end(&self.env, Role::Proxy, &id.0, code, &usage);
        Some(Booked {
            client,
            worker,
            tokens,
            used,
        })
    }

    /// Tells both sides of an ended request what is signed, durable and counted (spec §1.4). One that is gone asks at
    /// its next hand-shake.
    pub(super) fn send_bills(&self, state: &mut State, id: RequestId, booked: &Booked) {
        let Booked {
            client, worker, tokens, ..
        } = booked;
        if let Some(account) = state.workers.get_mut(&worker.owner) {
            let (signed_payment, db_tokens, max_tokens) = self.worker_bill(account);
            let _ = worker.connection.send(&ProxyWorkerRequestPayment {
                request_id: id,
                signed_payment,
                db_tokens,
                max_tokens,
                request_tokens: *tokens,
                request_client_owner: client.owner.to_wire(self.settings.network),
            });
        }
        if let Some(account) = state.clients.get_mut(&client.owner) {
            let (signed_payment, db_tokens, max_tokens) = self.client_bill(account);
            let _ = client.connection.send(&ProxyClientRequestPayment {
                request_id: id,
                signed_payment,
                db_tokens,
                max_tokens,
                request_tokens: *tokens,
            });
        }
    }

    /// The time limit of a request passed.
    pub(super) fn time_out(self: &Arc<Self>, worker_id: u64, id: RequestId) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(running) = state.requests.get_mut(&(worker_id, id)) else {
            return;
        };
        if running.is_wanted {
            running.is_wanted = false;
            let running = &*running;
            let code = ErrorCode::TimeOut.number();
            let text = "the answer took too long".to_owned();
            // The worker's final word can still lower what is charged for it.
            let passed_on = self.passed_on(running);
            forwarding::error(&running.client, id, code, text, passed_on);
            self.await_final_word(state, worker_id, id);
        } else {
            // The worker had its time for a final word as well.
            let code = ErrorCode::Cancelled.number();
            self.end_failed(state, worker_id, id, code, String::new(), None);
        }
    }

    /// Nobody waits for a client's request any more.
    pub(super) fn cancel(self: &Arc<Self>, client_connection: u64, id: RequestId) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(worker_id) = state.routes.get(&(client_connection, id)).copied() else {
            return;
        };
        // Said twice it must not give the worker more time.
        if let Some(running) = state
            .requests
            .get_mut(&(worker_id, id))
            .filter(|running| running.is_wanted)
        {
            running.is_wanted = false;
            self.await_final_word(state, worker_id, id);
        }
    }

    /// Tells the worker to stop, and waits a little for what it has used.
    fn await_final_word(self: &Arc<Self>, state: &mut State, worker_id: u64, id: RequestId) {
        let Some(running) = state.requests.get_mut(&(worker_id, id)) else {
            return;
        };
        let _ = running.worker.connection.send(&CancelQuery { request_id: id });
        let shared = self.clone();
        let deadline = self.env.spawn("proxy: final word", async move {
            shared.env.sleep(FINAL_WORD_LIMIT).await;
            shared.time_out(worker_id, id);
        });
        std::mem::replace(&mut running.deadline, deadline).abort();
    }

    /// A client connection is gone: its requests are nobody's.
    pub(super) fn client_gone(self: &Arc<Self>, connection: u64) {
        let requests: Vec<RequestId> = {
            let mut state = self.lock();
            state.client_sessions.remove(&connection);
            let all = (connection, RequestId([0; 32]))..=(connection, RequestId([255; 32]));
            state.routes.range(all).map(|((_, id), _)| *id).collect()
        };
        for id in requests {
            self.cancel(connection, id);
        }
    }

    /// A worker connection is gone: its requests fail at once, not at their time limit.
    pub(super) fn worker_gone(&self, connection: u64) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let session = state.worker_sessions.remove(&connection);
        state.loads.remove(&connection);
        let all = (connection, RequestId([0; 32]))..=(connection, RequestId([255; 32]));
        let requests: Vec<RequestId> = state.requests.range(all).map(|((_, id), _)| *id).collect();
        for id in requests {
            let code = ErrorCode::Failure.number();
            self.end_failed(state, connection, id, code, "the worker is gone".into(), None);
        }
        if let Some(WorkerSession { owner, .. }) = session {
            self.forget_idle_worker(state, &owner);
        }
    }
}

impl Shared {
    /// Drops the account of an owner who earned nothing and has no connection: names cost nothing, memory does.
    fn forget_idle_worker(&self, state: &mut State, owner: &Address) {
        let is_connected = state.worker_sessions.values().any(|session| session.owner == *owner);
        let is_empty = |account: &WorkerAccount| account.ledger().tokens_max() == 0 && account.tokens_paid() == 0;
        if !is_connected && !state.dirty.workers.contains(owner) && state.workers.get(owner).is_some_and(is_empty) {
            state.workers.remove(owner);
        }
    }
}

/// Classes of a usage, cut from the last until they add up to what was booked.
fn cut_to(usage: AdjustedUsage, booked: u64) -> AdjustedUsage {
    let mut left = booked;
    let mut take = |tokens: u64| {
        let taken = tokens.min(left);
        left -= taken;
        taken
    };
    let (prompt, cached) = (take(usage.prompt()), take(usage.cached()));
    let (completion, reasoning) = (take(usage.completion()), take(usage.reasoning()));
    // No class is larger than it was, so none is too large.
    AdjustedUsage::new(prompt, cached, completion, reasoning).unwrap_or(AdjustedUsage::ZERO)
}

#[derive(Clone, Copy)]
enum Ending {
    Complete(ReportedUsage),
    Failed(AdjustedUsage),
}

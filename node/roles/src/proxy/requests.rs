//! The life of one request between a client and a worker (spec §5.2, §5.3).
//!
//! A request holds a reservation from its beginning to its end, whichever end that is: complete, failed, out of time,
//! given up by the user, or orphaned by a worker that went away. Each ending gives the reservation back once; the type
//! of the reservation sees to that.

use super::{
    forwarding,
    selection::{self, SelectionError},
    state::{ClientSession, Shared, WorkerSession},
};
use crate::{
    connection::{CloseReason, Next},
    request_rules,
    telemetry::{self, Role, Usage},
};
use chrysalis_env::TaskHandle;
use chrysalis_settlement::{AdjustedUsage, ReservationError, ReservationRequest, ReservationRule, ledger::Reservation};
use chrysalis_wire::{
    error_code::ErrorCode,
    http::{Hop, HopTimes},
    objects::{
        ClientRunQueryEx, HttpRequest, HttpResponse, ProxyQueryAnswer, ProxyQueryAnswerError, ProxyQueryAnswerErrorEx,
        ProxyQueryAnswerEx, ProxyQueryAnswerPart, ProxyQueryAnswerPartError, ProxyQueryAnswerPartEx,
        ProxyQueryFinalInfo, ProxyRunQueryEx, SignedPayment, TokensUsed,
    },
    tl::{Boxed, RequestId, Seconds},
};
use std::{sync::Arc, time::Duration};

/// Longest that a request may run, whatever the client asks for (the reference has no limit: T37).
const LONGEST: Duration = Duration::from_secs(3600);

/// A request that a worker has.
pub(super) struct Running {
    /// Where the answer and the bill go.
    pub(super) client: ClientSession,
    /// Whether somebody still waits for the answer.
    pub(super) is_wanted: bool,
    pub(super) worker: WorkerSession,
    pub(super) coefficient: u32,
    pub(super) reservation: Reservation,
    pub(super) started_ns: u64,
    pub(super) started_unix_ns: u64,
    pub(super) enable_debug: bool,
    pub(super) has_head: bool,
    /// Events that went to the client: what is booked if the worker never says what was used.
    pub(super) events: u64,
    pub(super) deadline: TaskHandle,
}

/// Where an answer of a worker belongs in it.
enum Place {
    Head,
    Part,
    Error { code: i32, text: String },
}

/// An answer of a worker, of either form.
pub(super) struct WorkerAnswer {
    id: RequestId,
    bytes: Vec<u8>,
    place: Place,
    final_info: Option<ProxyQueryFinalInfo>,
}

impl WorkerAnswer {
    pub(super) fn head(answer: ProxyQueryAnswerEx) -> Self {
        let ProxyQueryAnswerEx {
            request_id: id,
            answer: bytes,
            final_info,
        } = answer;
        Self {
            id,
            bytes,
            place: Place::Head,
            final_info,
        }
    }

    pub(super) fn part(part: ProxyQueryAnswerPartEx) -> Self {
        let ProxyQueryAnswerPartEx {
            request_id: id,
            answer: bytes,
            final_info,
        } = part;
        Self {
            id,
            bytes,
            place: Place::Part,
            final_info,
        }
    }

    pub(super) fn error(error: ProxyQueryAnswerErrorEx) -> Self {
        let ProxyQueryAnswerErrorEx {
            request_id: id,
            error_code: code,
            error: text,
            final_info,
        } = error;
        Self {
            id,
            bytes: Vec::new(),
            place: Place::Error { code, text },
            final_info,
        }
    }

    pub(super) fn old_head(answer: ProxyQueryAnswer) -> Self {
        let final_info = answer.is_completed.then(|| only_tokens(answer.tokens_used));
        Self {
            id: answer.request_id,
            bytes: answer.answer,
            place: Place::Head,
            final_info,
        }
    }

    pub(super) fn old_part(part: ProxyQueryAnswerPart) -> Self {
        let final_info = part.is_completed.then(|| only_tokens(part.tokens_used));
        Self {
            id: part.request_id,
            bytes: part.answer,
            place: Place::Part,
            final_info,
        }
    }

    pub(super) fn old_error(error: ProxyQueryAnswerError) -> Self {
        let place = Place::Error {
            code: error.error_code,
            text: error.error,
        };
        Self {
            id: error.request_id,
            bytes: Vec::new(),
            place,
            final_info: Some(only_tokens(error.tokens_used)),
        }
    }

    pub(super) fn old_part_error(error: ProxyQueryAnswerPartError) -> Self {
        let place = Place::Error {
            code: error.error_code,
            text: error.error,
        };
        Self {
            id: error.request_id,
            bytes: Vec::new(),
            place,
            final_info: Some(only_tokens(error.tokens_used)),
        }
    }
}

fn only_tokens(tokens_used: TokensUsed) -> ProxyQueryFinalInfo {
    ProxyQueryFinalInfo {
        tokens_used,
        worker_debug: None,
        times: None,
    }
}

/// Why a request is not begun.
struct Refusal(ErrorCode, String);

impl Refusal {
    fn new(code: ErrorCode, text: impl Into<String>) -> Self {
        Self(code, text.into())
    }
}

impl Shared {
    /// Begins a request of a client, or says why not.
    pub(super) fn begin(self: &Arc<Self>, client: &ClientSession, query: ClientRunQueryEx) {
        let id = query.request_id;
        telemetry::stage(&self.env, Role::Proxy, &id.0, "received");
        match self.try_begin(client, query) {
            Ok(()) => telemetry::stage(&self.env, Role::Proxy, &id.0, "assigned"),
            Err(Refusal(code, text)) => {
                telemetry::end(&self.env, Role::Proxy, &id.0, code.number(), &Usage::default());
                forwarding::error(client, id, code.number(), text, AdjustedUsage::ZERO);
            }
        }
    }

    fn try_begin(self: &Arc<Self>, client: &ClientSession, query: ClientRunQueryEx) -> Result<(), Refusal> {
        let root = self.settings.root.current();
        let prices = self.root.params.prices;
        let id = query.request_id;
        if i64::from(query.min_config_version) > i64::from(root.version) {
            return Err(Refusal::new(
                ErrorCode::Error,
                "the proxy has not seen that configuration yet",
            ));
        }
        let timeout = query
            .timeout
            .to_ns()
            .map(Duration::from_nanos)
            .filter(|timeout| !timeout.is_zero())
            .ok_or_else(|| Refusal::new(ErrorCode::ProtocolViolation, "the time limit is no span of time"))?
            .min(LONGEST);
        let forwarded = with_token_bound(query.query, query.max_tokens)?;
        let asked = ReservationRequest::single(query.max_tokens, forwarded.len() as u64, query.max_coefficient);
        let violation = |error: ReservationError| Refusal::new(ErrorCode::ProtocolViolation, error.to_string());
        let tokens = ReservationRule::Sound
            .tokens(&asked, &prices.multipliers)
            .map_err(violation)?;

        let mut guard = self.lock();
        let state = &mut *guard;
        if let Some(reason) = state.closed_for() {
            return Err(Refusal::new(ErrorCode::NotReady, reason));
        }
        let own_requests =
            (client.connection.id(), RequestId([0; 32]))..=(client.connection.id(), RequestId([255; 32]));
        if state.routes.range(own_requests).count() >= self.settings.limits.requests_per_client {
            return Err(Refusal::new(ErrorCode::NotReady, "too many requests at once"));
        }
        if state.routes.contains_key(&(client.connection.id(), id)) {
            return Err(Refusal::new(
                ErrorCode::ProtocolViolation,
                "a request with this id is running",
            ));
        }
        let account = self
            .client_account(state, &client.owner)
            .ok_or_else(|| Refusal::new(ErrorCode::NotReady, "no account"))?;
        let mut reservation = account
            .reserve(tokens)
            .map_err(|error| Refusal::new(ErrorCode::Error, error.to_string()))?;

        let max_coefficient = query.max_coefficient.unsigned_abs();
        let chosen = selection::select(&state.loads, &query.model_name, max_coefficient)
            .map_err(|error| match error {
                SelectionError::UnknownModel => Refusal::new(ErrorCode::ProtocolViolation, error.to_string()),
                SelectionError::TooExpensive { .. } | SelectionError::Busy => {
                    Refusal::new(ErrorCode::NotReady, error.to_string())
                }
            })
            .and_then(|worker_id| {
                let lost = || Refusal::new(ErrorCode::NotReady, "the worker has just left");
                let session = state.worker_sessions.get(&worker_id).cloned().ok_or_else(lost)?;
                let load = state.loads.get(&worker_id).ok_or_else(lost)?;
                if state.requests.contains_key(&(worker_id, id)) {
                    return Err(Refusal::new(
                        ErrorCode::ProtocolViolation,
                        "a request with this id is running",
                    ));
                }
                Ok((worker_id, session, load.coefficient))
            });
        // `client_account` above borrowed the whole state; the account is there.
        let account = state.clients.get_mut(&client.owner);
        let (worker_id, worker, coefficient) = match (chosen, account) {
            (Ok(chosen), Some(account)) => {
                // The worker that was found may be cheaper than the limit: give the difference back now.
                let bound = ReservationRequest {
                    max_coefficient: i32::try_from(chosen.2).unwrap_or(i32::MAX),
                    ..asked
                };
                let needed = ReservationRule::Sound
                    .tokens(&bound, &prices.multipliers)
                    .map_err(violation)?;
                account.narrow(&mut reservation, needed.unsigned_abs());
                chosen
            }
            (Err(refusal), account) => {
                if let Some(account) = account {
                    release(account, reservation);
                }
                return Err(refusal);
            }
            (Ok(_), None) => return Err(Refusal::new(ErrorCode::Failure, "the account is gone")),
        };
        let (signed_payment, ..) = match state.workers.get_mut(&worker.owner) {
            Some(account) => self.worker_bill(account),
            None => (SignedPayment::EMPTY, 0, 0),
        };
        let sent = forwarding::query(
            &worker,
            ProxyRunQueryEx {
                query: forwarded,
                signed_payment,
                coefficient: i64::from(coefficient),
                timeout: Seconds::from_ns(u64::try_from(timeout.mul_f64(0.95).as_nanos()).unwrap_or(u64::MAX)),
                request_id: id,
                enable_debug: query.enable_debug,
            },
        );
        if let Err(error) = sent {
            if let Some(account) = state.clients.get_mut(&client.owner) {
                release(account, reservation);
            }
            return Err(Refusal::new(
                ErrorCode::Error,
                format!("the worker cannot be reached: {error}"),
            ));
        }
        if let Some(load) = state.loads.get_mut(&worker_id) {
            load.start();
        }
        let shared = self.clone();
        let deadline = self.env.spawn("proxy: request time limit", async move {
            shared.env.sleep(timeout).await;
            shared.time_out(worker_id, id);
        });
        state.routes.insert((client.connection.id(), id), worker_id);
        state.requests.insert(
            (worker_id, id),
            Running {
                client: client.clone(),
                is_wanted: true,
                worker,
                coefficient,
                reservation,
                started_ns: self.env.now_ns(),
                started_unix_ns: self.env.unix_ns(),
                enable_debug: query.enable_debug.unwrap_or(false),
                has_head: false,
                events: 0,
                deadline,
            },
        );
        Ok(())
    }

    /// Takes an answer from the worker connection `worker_id`; requests of other connections are out of its reach.
    pub(super) fn take_answer(self: &Arc<Self>, worker_id: u64, answer: WorkerAnswer) -> Next {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(running) = state.requests.get_mut(&(worker_id, answer.id)) else {
            // It was ended here already.
            return Next::Continue;
        };
        let client = running.client.clone();
        let (is_wanted, id) = (running.is_wanted, answer.id);
        let mut bytes = answer.bytes;
        let is_head = match answer.place {
            Place::Error { code, text } => {
                let used = answer.final_info.map(|info| info.tokens_used);
                self.end_failed(state, worker_id, id, code, text, used);
                return Next::Continue;
            }
            Place::Head if running.has_head => return self.break_off(state, worker_id, id, "a second answer"),
            Place::Part if !running.has_head => {
                return self.break_off(state, worker_id, id, "a part before the answer");
            }
            Place::Head => {
                running.has_head = true;
                let times = HopTimes {
                    hop: Hop::Proxy,
                    start_unix_ns: running.started_unix_ns,
                    end_unix_ns: self.env.unix_ns(),
                };
                let Ok(mut response) = HttpResponse::decode(&bytes) else {
                    return self.break_off(state, worker_id, id, "an answer that is not HTTP");
                };
                response.headers.extend(times.to_headers());
                bytes = response.encode();
                telemetry::stage(&self.env, Role::Proxy, &id.0, "head");
                true
            }
            Place::Part => {
                running.events += request_rules::count_events(&bytes);
                telemetry::part(&self.env, Role::Proxy, &id.0, bytes.len());
                false
            }
        };
        let ended = answer
            .final_info
            .and_then(|info| self.end_complete(state, worker_id, id, info));
        let (final_info, booked) = ended.unzip();
        if is_wanted && is_head {
            forwarding::head(&client, id, bytes, final_info);
        } else if is_wanted {
            forwarding::part(&client, id, bytes, final_info);
        }
        if let Some(booked) = booked {
            self.send_bills(state, id, &booked);
        }
        // Waiting for this client would stop the other clients of the worker (docs/decisions/0007).
        if client.connection.is_far_behind() {
            let reason = CloseReason::Local("the client reads too slowly".into());
            client.connection.close(reason);
        }
        Next::Continue
    }
}

fn release(account: &mut chrysalis_settlement::ledger::ClientAccount, reservation: Reservation) {
    // It was made on this very account a moment ago.
    let _ = account.release(reservation);
}

/// The query as it is forwarded: a body without a limit gets the envelope's, one with a higher limit is refused. The
/// reference reserves by the envelope and lets the body say something else (T10).
fn with_token_bound(query: Vec<u8>, max_tokens: i32) -> Result<Vec<u8>, Refusal> {
    let violation = |text: String| Refusal::new(ErrorCode::ProtocolViolation, text);
    let mut request = HttpRequest::decode(&query).map_err(|error| violation(error.to_string()))?;
    let mut body = request_rules::parse_body(&request.payload).map_err(|error| violation(error.message))?;
    let reserved = u64::try_from(max_tokens).map_err(|_| violation("max_tokens is negative".into()))?;
    match request_rules::token_bound(&body) {
        Some(bound) if bound <= reserved => Ok(query),
        Some(bound) => Err(violation(format!(
            "the body asks for {bound} tokens and reserves {reserved}"
        ))),
        None => {
            let alternatives = request_rules::alternatives(&body);
            body.remove("max_completion_tokens");
            body.insert("max_tokens".into(), (reserved / alternatives).into());
            let payload = serde_json::to_vec(&body).map_err(|error| violation(error.to_string()))?;
            for header in &mut request.headers {
                if header.name.eq_ignore_ascii_case("content-length") {
                    header.value = payload.len().to_string();
                }
            }
            request.payload = payload;
            Ok(request.encode())
        }
    }
}

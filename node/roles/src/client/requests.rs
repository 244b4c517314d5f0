//! Running requests of a client, and where their answers go.

use crate::{
    body::{BodyReader, BodyWriter, BrokenBody, body_pipe},
    telemetry::{self, Role, Usage},
};
use bytes::Bytes;
use chrysalis_env::{Env, TaskHandle};
use chrysalis_wire::{
    error_code::ErrorCode,
    objects::{HttpResponse, TokensUsed},
    tl::RequestId,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{Notify, oneshot};

/// Bytes of an answer that wait for its user before the request is given up: some 16,000 tokens.
const BODY_LIMIT_BYTES: usize = 4 * 1024 * 1024;

/// Why a request has no complete answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct RequestFailure {
    /// Code of spec §1.6; from a proxy it may be any number.
    pub(super) code: i32,
    /// Text for the user; untrusted if it came from a proxy.
    pub(super) message: String,
}

impl RequestFailure {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code: code.number(),
            message: message.into(),
        }
    }
}

/// The beginning of an answer.
pub(super) struct Head {
    pub(super) response: HttpResponse,
    pub(super) body: BodyReader,
}

struct Slot {
    connection: u64,
    head: Option<(oneshot::Sender<Result<Head, RequestFailure>>, BodyReader)>,
    body: BodyWriter,
    is_event_stream: bool,
    deadline: Option<TaskHandle>,
}

/// What to do after an answer was taken in.
pub(super) enum Taken {
    /// Go on.
    Room,
    /// The user is so far behind that nothing more is kept for this request.
    TooMuch,
    /// Nobody waits for this request here.
    Unknown,
}

/// See the module.
pub(super) struct Requests {
    env: Env,
    slots: Mutex<BTreeMap<RequestId, Slot>>,
    drained: Notify,
}

impl Requests {
    pub(super) fn new(env: Env) -> Self {
        Self {
            env,
            slots: Mutex::default(),
            drained: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RequestId, Slot>> {
        // Critical sections are map operations; no user code runs in them.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a request that goes out on `connection`. `on_hang_up` runs if the user leaves before the end.
    pub(super) fn open(
        &self,
        id: RequestId,
        connection: u64,
        on_hang_up: impl FnOnce() + Send + 'static,
    ) -> oneshot::Receiver<Result<Head, RequestFailure>> {
        let (body, reader) = body_pipe(BODY_LIMIT_BYTES, on_hang_up);
        let (sender, receiver) = oneshot::channel();
        let slot = Slot {
            connection,
            head: Some((sender, reader)),
            body,
            is_event_stream: false,
            deadline: None,
        };
        self.lock().insert(id, slot);
        receiver
    }

    /// Notes the task that ends the request at its time limit.
    pub(super) fn set_deadline(&self, id: RequestId, deadline: TaskHandle) {
        match self.lock().get_mut(&id) {
            Some(slot) => slot.deadline = Some(deadline),
            None => deadline.abort(),
        }
    }

    /// How many requests run on a connection.
    pub(super) fn running_on(&self, connection: u64) -> usize {
        self.lock()
            .values()
            .filter(|slot| slot.connection == connection)
            .count()
    }

    /// Takes in the head of an answer, and its end if it has no body.
    pub(super) fn head(&self, connection: u64, id: RequestId, response: HttpResponse) -> Taken {
        let mut slots = self.lock();
        let Some(slot) = slots.get_mut(&id).filter(|slot| slot.connection == connection) else {
            return Taken::Unknown;
        };
        let Some((sender, body)) = slot.head.take() else {
            drop(slots);
            self.fail(
                id,
                &RequestFailure::new(ErrorCode::ProtocolViolation, "the proxy answered twice"),
            );
            return Taken::Room;
        };
        slot.is_event_stream = response.headers.iter().any(|header| {
            header.name.eq_ignore_ascii_case("content-type") && header.value.starts_with("text/event-stream")
        });
        let writer = slot.body.clone();
        drop(slots);
        telemetry::stage(&self.env, Role::Client, &id.0, "head");
        let payload = response.payload.clone();
        // A user who has left drops the receiver; the body's reader inside then reports the hang-up.
        let _ = sender.send(Ok(Head { response, body }));
        writer.push(payload.into());
        Taken::Room
    }

    /// Takes in a piece of the body.
    pub(super) fn part(&self, connection: u64, id: RequestId, bytes: Vec<u8>) -> Taken {
        let slots = self.lock();
        let Some(slot) = slots.get(&id).filter(|slot| slot.connection == connection) else {
            return Taken::Unknown;
        };
        if slot.head.is_some() {
            drop(slots);
            self.fail(
                id,
                &RequestFailure::new(ErrorCode::ProtocolViolation, "a part came before the answer"),
            );
            return Taken::Room;
        }
        let body = slot.body.clone();
        drop(slots);
        telemetry::part(&self.env, Role::Client, &id.0, bytes.len());
        // Looked at before, so that one large part is not taken for a slow user.
        let is_behind = body.is_full();
        body.push(Bytes::from(bytes));
        if is_behind { Taken::TooMuch } else { Taken::Room }
    }

    /// The answer is complete.
    pub(super) fn finish(&self, connection: u64, id: RequestId, used: &TokensUsed) {
        let is_ours = self.lock().get(&id).is_some_and(|slot| slot.connection == connection);
        if !is_ours {
            return;
        }
        if let Some(slot) = self.remove(id) {
            telemetry::end(&self.env, Role::Client, &id.0, 0, &usage(used));
            slot.body.finish(Ok(()));
        }
    }

    /// The answer will not come, or breaks off.
    pub(super) fn fail(&self, id: RequestId, failure: &RequestFailure) {
        let Some(mut slot) = self.remove(id) else { return };
        telemetry::end(&self.env, Role::Client, &id.0, failure.code, &Usage::default());
        match slot.head.take() {
            Some((sender, body)) => {
                // End the body first: its drop must not count as the user's hang-up.
                slot.body.finish(Ok(()));
                drop(body);
                let _ = sender.send(Err(failure.clone()));
            }
            None => {
                if slot.is_event_stream {
                    // Breaking off would lose the event with the reason: streams end in order and without `[DONE]`.
                    let error = serde_json::json!({ "error_code": failure.code, "error": failure.message });
                    slot.body.push(format!("data: {error}\n\n").into());
                    slot.body.finish(Ok(()));
                } else {
                    slot.body.finish(Err(BrokenBody {
                        reason: failure.message.clone(),
                    }));
                }
            }
        }
    }

    /// As [`Self::fail`], for an answer from a proxy.
    pub(super) fn fail_from(&self, connection: u64, id: RequestId, failure: &RequestFailure) {
        let is_ours = self.lock().get(&id).is_some_and(|slot| slot.connection == connection);
        if is_ours {
            self.fail(id, failure);
        }
    }

    /// Forgets a request whose user has left; says whether it was still running.
    pub(super) fn abandon(&self, id: RequestId) -> bool {
        match self.remove(id) {
            Some(slot) => {
                telemetry::end(
                    &self.env,
                    Role::Client,
                    &id.0,
                    ErrorCode::Cancelled.number(),
                    &Usage::default(),
                );
                slot.body.finish(Ok(()));
                true
            }
            None => false,
        }
    }

    /// Fails everything that ran on a connection.
    pub(super) fn fail_connection(&self, connection: u64, failure: &RequestFailure) {
        let lost: Vec<_> = self
            .lock()
            .iter()
            .filter(|(_, slot)| slot.connection == connection)
            .map(|(id, _)| *id)
            .collect();
        for id in lost {
            self.fail(id, failure);
        }
    }

    fn remove(&self, id: RequestId) -> Option<Slot> {
        let mut slots = self.lock();
        let slot = slots.remove(&id)?;
        if slots.is_empty() {
            self.drained.notify_waiters();
        }
        drop(slots);
        if let Some(deadline) = &slot.deadline {
            deadline.abort();
        }
        Some(slot)
    }

    /// Waits until no request runs.
    pub(super) async fn drained(&self) {
        loop {
            let notified = self.drained.notified();
            if self.lock().is_empty() {
                return;
            }
            notified.await;
        }
    }
}

fn usage(used: &TokensUsed) -> Usage {
    let count = |tokens: i64| u64::try_from(tokens).unwrap_or(0);
    Usage {
        prompt: count(used.prompt_tokens_used),
        cached: count(used.cached_tokens_used),
        completion: count(used.completion_tokens_used),
        reasoning: count(used.reasoning_tokens_used),
        total: count(used.total_tokens_used),
    }
}

/// Shared by everything that touches running requests.
pub(super) type SharedRequests = Arc<Requests>;

//! One request at a worker: from the backend's bytes to the protocol's parts (spec §2.10, §8.3).

use super::session::{Session, Shared};
use crate::{
    outbox::SendError,
    request_rules::{count_events, forwarded_request},
    telemetry::{self, Role, Usage},
};
use chrysalis_env::{Either, race};
use chrysalis_inference::{BackendError, BackendRequest, BodyStream};
use chrysalis_settlement::{AdjustedUsage, Prices, UsageTokens};
use chrysalis_wire::{
    answer_stream::{AnswerLimits, AnswerStream, BodyKind, Cost, RawUsage, debug::DebugStats},
    error_code::ErrorCode,
    http::{self, Hop, HopTimes, ResponseBody},
    objects::{
        HttpRequest, ProxyQueryAnswerErrorEx, ProxyQueryAnswerEx, ProxyQueryAnswerPartEx, ProxyQueryFinalInfo,
        ProxyRunQueryEx, TokensUsed, WorkerAnswerTimes,
    },
    tl::{Boxed, RequestId, Seconds},
};
use futures_util::StreamExt as _;
use std::time::Duration;
use tokio::sync::watch;

/// Longest that a request may run whatever the proxy asks for.
const LONGEST: Duration = Duration::from_secs(3600);
/// How long the connection to the proxy may be full before the request is given up.
const SLOW_PROXY_LIMIT: Duration = Duration::from_secs(60);

/// The final information of a request that used nothing.
pub(super) fn nothing_used() -> ProxyQueryFinalInfo {
    ProxyQueryFinalInfo {
        tokens_used: tokens_used(&AdjustedUsage::ZERO),
        worker_debug: None,
        times: None,
    }
}

/// Why a request ends without a complete answer.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Failure {
    code: ErrorCode,
    message: String,
}

impl Failure {
    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Self {
        Self::new(ErrorCode::Failure, format!("the inference server: {error}"))
    }
}

/// Runs a request and sends its answer, or why there is none; `cancelled` ends it early.
pub(super) async fn run(
    shared: &Shared,
    session: &Session,
    query: ProxyRunQueryEx,
    mut cancelled: watch::Receiver<bool>,
) {
    let id = query.request_id;
    telemetry::stage(&shared.env, Role::Worker, &id.0, "start");
    let asked = query.timeout.to_ns().map_or(LONGEST, Duration::from_nanos).min(LONGEST);
    let mut answer = Answer::new(shared, session, &query);
    let outcome = if query.coefficient != i64::from(shared.settings.coefficient) {
        // The reference works at whatever price it is told (spec §7): for nothing, if a proxy says so.
        Err(Failure::new(ErrorCode::Error, "the price factor is not this worker's"))
    } else {
        let work = answer.produce(&query.query, asked);
        let stop = async {
            // A sender that is gone means that the session is: the same.
            let _ = cancelled.wait_for(|cancelled| *cancelled).await;
        };
        match race(race(work, stop), shared.env.sleep(asked)).await {
            Either::Left(Either::Left(outcome)) => outcome,
            Either::Left(Either::Right(())) => Err(Failure::new(ErrorCode::Cancelled, "nobody waits for the answer")),
            Either::Right(()) => Err(Failure::new(ErrorCode::TimeOut, "the answer took too long")),
        }
    };
    let code = match outcome {
        Ok(()) => 0,
        Err(failure) => {
            answer.fail(&failure);
            failure.code.number()
        }
    };
    telemetry::end(&shared.env, Role::Worker, &id.0, code, &usage_for_report(&answer.used));
}

struct Answer<'a> {
    shared: &'a Shared,
    session: &'a Session,
    id: RequestId,
    coefficient: u32,
    prices: Prices,
    enable_debug: bool,
    start_unix_ns: u64,
    first_byte_unix_ns: Option<u64>,
    /// Events that went out: at least one token each, should the backend's own count never come.
    events: u64,
    reported: RawUsage,
    used: AdjustedUsage,
    is_ended: bool,
}

impl<'a> Answer<'a> {
    fn new(shared: &'a Shared, session: &'a Session, query: &ProxyRunQueryEx) -> Self {
        Self {
            shared,
            session,
            id: query.request_id,
            coefficient: shared.settings.coefficient,
            prices: shared.settings.root.current().params.prices,
            enable_debug: query.enable_debug.unwrap_or(false),
            start_unix_ns: shared.env.unix_ns(),
            first_byte_unix_ns: None,
            events: 0,
            reported: RawUsage::default(),
            used: AdjustedUsage::ZERO,
            is_ended: false,
        }
    }

    async fn produce(&mut self, query: &[u8], limit: Duration) -> Result<(), Failure> {
        let violation = |message: String| Failure::new(ErrorCode::ProtocolViolation, message);
        let request = HttpRequest::decode(query).map_err(|error| violation(error.to_string()))?;
        let forwarded = forwarded_request(&request.url, &request.payload, self.shared.settings.base_name())
            .map_err(|error| violation(error.message))?;
        let body = serde_json::to_vec(&forwarded.body).map_err(|error| violation(error.to_string()))?;
        let mut backend_request = BackendRequest::json(forwarded.endpoint.path(), body);
        backend_request.timeout = Some(limit.mul_f64(0.95));
        let response = self.shared.settings.backend.call(backend_request).await?;

        let kind = BodyKind::from_content_type(response.header("content-type"));
        let times = HopTimes {
            hop: Hop::Worker,
            start_unix_ns: self.start_unix_ns,
            end_unix_ns: self.shared.env.unix_ns(),
        };
        let head = http::response(
            "HTTP/1.1",
            response.status,
            "",
            response
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_bytes())),
            times,
            ResponseBody::Follows,
        );
        telemetry::stage(&self.shared.env, Role::Worker, &self.id.0, "head");
        self.send(&ProxyQueryAnswerEx {
            request_id: self.id,
            answer: head.encode(),
            final_info: None,
        })?;
        self.relay(response.body, kind).await
    }

    async fn relay(&mut self, mut body: BodyStream, kind: BodyKind) -> Result<(), Failure> {
        let (coefficient, prices) = (self.coefficient, self.prices);
        let mut stream = AnswerStream::new(kind, AnswerLimits::default(), move |raw| {
            cost(raw, coefficient, &prices)
        });
        let malformed = |error: chrysalis_wire::answer_stream::AnswerStreamError| {
            Failure::new(ErrorCode::Failure, error.to_string())
        };
        while let Some(chunk) = body.next().await {
            let chunk = chunk?;
            self.first_byte_unix_ns.get_or_insert_with(|| self.shared.env.unix_ns());
            let mut part = Vec::with_capacity(chunk.len() + 64);
            stream.push(&chunk, &mut part).map_err(malformed)?;
            self.note_usage(stream.usage(), kind, &part);
            if part.is_empty() {
                continue;
            }
            telemetry::part(&self.shared.env, Role::Worker, &self.id.0, part.len());
            self.send(&ProxyQueryAnswerPartEx {
                request_id: self.id,
                answer: part,
                final_info: None,
            })?;
            if self.session.connection.is_full()
                && self.session.connection.wait_for_room(SLOW_PROXY_LIMIT).await.is_err()
            {
                return Err(Failure::new(ErrorCode::TimeOut, "the proxy reads too slowly"));
            }
        }
        let mut last = Vec::new();
        let summary = stream.finish(&mut last).map_err(malformed)?;
        self.reported = summary.usage;
        self.used = adjusted(&summary.usage, self.coefficient, &self.prices);
        self.is_ended = true;
        let final_info = Some(self.final_info());
        self.send(&ProxyQueryAnswerPartEx {
            request_id: self.id,
            answer: last,
            final_info,
        })
    }

    fn note_usage(&mut self, usage: RawUsage, kind: BodyKind, part: &[u8]) {
        if kind == BodyKind::Events {
            self.events += count_events(part);
        }
        self.reported = usage;
    }

    /// Ends the request early; what went out until then is reported as used.
    fn fail(&mut self, failure: &Failure) {
        if self.is_ended {
            return;
        }
        self.is_ended = true;
        let delivered = RawUsage {
            completion: self.reported.completion.max(self.events),
            ..self.reported
        };
        self.used = adjusted(&delivered, self.coefficient, &self.prices);
        let error = ProxyQueryAnswerErrorEx {
            request_id: self.id,
            error_code: failure.code.number(),
            error: failure.message.clone(),
            final_info: Some(self.final_info()),
        };
        // A connection that is gone has nobody to tell.
        let _ = self.send(&error);
    }

    fn final_info(&self) -> ProxyQueryFinalInfo {
        let now = self.shared.env.unix_ns();
        let debug = DebugStats {
            hop: Hop::Worker,
            start_unix_ns: self.start_unix_ns,
            answer_receive_start_unix_ns: self.first_byte_unix_ns.unwrap_or(now),
            answer_receive_end_unix_ns: now,
        };
        ProxyQueryFinalInfo {
            tokens_used: tokens_used(&self.used),
            worker_debug: self
                .enable_debug
                .then(|| String::from_utf8_lossy(&debug.to_json().to_compact()).into_owned()),
            times: self.session.version().carries_times().then(|| WorkerAnswerTimes {
                worker_start_time: Seconds::from_ns(self.start_unix_ns),
                worker_end_time: Seconds::from_ns(now),
            }),
        }
    }

    fn send(&self, message: &impl Boxed) -> Result<(), Failure> {
        self.session.connection.send(message).map_err(|error| match error {
            // The proxy is gone, or leaves: the same as a request that it cancels.
            SendError::Closed | SendError::NotRead => Failure::new(ErrorCode::Cancelled, error.to_string()),
            SendError::Frame(_) => Failure::new(ErrorCode::Failure, error.to_string()),
        })
    }
}

fn adjusted(raw: &RawUsage, coefficient: u32, prices: &Prices) -> AdjustedUsage {
    UsageTokens::clamped(raw.prompt, raw.cached, raw.completion, raw.reasoning)
        .adjusted(coefficient, &prices.multipliers)
}

fn cost(raw: &RawUsage, coefficient: u32, prices: &Prices) -> Cost {
    let used = adjusted(raw, coefficient, prices);
    let prompt = prices.cost_nanoton(used.prompt() + used.cached());
    let completion = prices.cost_nanoton(used.completion() + used.reasoning());
    Cost {
        prompt_nanoton: prompt,
        completion_nanoton: completion,
        total_nanoton: prompt + completion,
    }
}

fn tokens_used(used: &AdjustedUsage) -> TokensUsed {
    let reported = used.to_reported();
    TokensUsed {
        prompt_tokens_used: reported.prompt,
        cached_tokens_used: reported.cached,
        completion_tokens_used: reported.completion,
        reasoning_tokens_used: reported.reasoning,
        total_tokens_used: reported.total,
    }
}

fn usage_for_report(used: &AdjustedUsage) -> Usage {
    Usage {
        prompt: used.prompt(),
        cached: used.cached(),
        completion: used.completion(),
        reasoning: used.reasoning(),
        total: used.total(),
    }
}

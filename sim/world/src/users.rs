//! Users: they send what the plan says to a client's HTTP endpoint, and note what comes back and when.

use crate::plan::{Endpoint, Pace, RequestOutcome, RequestPlan, UserPlan};
use bytes::Bytes;
use chrysalis_env::{AbortOnDrop, Either, Env, http::HyperIo, race};
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::{
    borrow::Cow,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;

/// Bytes of answer text that are kept to compare it with what the model gives.
const MAX_KEPT_BYTES: usize = 1 << 20;

/// What became of one request, seen from its user. Times count from the start of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRecord {
    /// Name of the user.
    pub user: String,
    /// Index among the user's requests.
    pub index: usize,
    /// Identifier that the client gave it (hexadecimal), if it answered.
    pub request_id: Option<String>,
    /// When the plan wanted it sent.
    pub intended_ns: u64,
    /// When it was sent.
    pub sent_ns: u64,
    /// First byte of the body.
    pub first_byte_ns: Option<u64>,
    /// First text of the answer: the first event of a stream with text in it (one that only names a role has none), or
    /// the end of an answer that is one object.
    pub first_text_ns: Option<u64>,
    /// Last byte, or when the user knew that there will be no more.
    pub end_ns: Option<u64>,
    /// HTTP status.
    pub http_status: Option<u16>,
    /// Code in an error body (spec §1.6).
    pub error_code: i64,
    /// Pieces of the body as they came: time and size.
    pub parts: Vec<(u64, u64)>,
    /// The body, up to its first mebibyte.
    pub body: Vec<u8>,
    /// Size of the request body.
    pub request_bytes: u64,
    /// How it ended.
    pub outcome: RequestOutcome,
}

impl RequestRecord {
    /// SHA-256 of the body as far as it is kept: its first mebibyte.
    #[must_use]
    pub fn body_digest(&self) -> [u8; 32] {
        Sha256::digest(&self.body).into()
    }
}

/// Where users write what happened.
#[derive(Debug, Default)]
pub(crate) struct Diary {
    entries: Mutex<Vec<RequestRecord>>,
    finished: Mutex<usize>,
    changed: Notify,
}

impl Diary {
    fn entries(&self) -> MutexGuard<'_, Vec<RequestRecord>> {
        // Entries are whole when they are written.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `users` users have nothing more to send.
    pub(crate) async fn all_finished(&self, users: usize) {
        loop {
            let changed = self.changed.notified();
            if *self.finished.lock().unwrap_or_else(PoisonError::into_inner) >= users {
                return;
            }
            changed.await;
        }
    }

    fn finish_one(&self) {
        *self.finished.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_waiters();
    }

    /// What is in the diary, by user and index.
    pub(crate) fn take(&self) -> Vec<RequestRecord> {
        let mut entries = std::mem::take(&mut *self.entries());
        entries.sort_by(|a, b| (&a.user, a.index).cmp(&(&b.user, b.index)));
        entries
    }
}

/// One user's life. `origin_unix_ns` is the start of the run on the wall clock.
pub(crate) async fn live(env: Env, plan: Arc<UserPlan>, client: SocketAddr, origin_unix_ns: u64, diary: Arc<Diary>) {
    let now_ns = |env: &Env| env.unix_ns().saturating_sub(origin_unix_ns);
    match plan.pace {
        Pace::Closed { think_ns } => {
            for (index, request) in plan.requests.iter().enumerate() {
                let wait = if index == 0 {
                    request.at_ns.saturating_sub(now_ns(&env))
                } else {
                    think_ns
                };
                env.sleep(Duration::from_nanos(wait)).await;
                let intended_ns = now_ns(&env);
                let record = send(&env, &plan.name, index, request, intended_ns, client, origin_unix_ns).await;
                diary.entries().push(record);
            }
            diary.finish_one();
        }
        Pace::Open => {
            let left = Arc::new(Mutex::new(plan.requests.len()));
            if plan.requests.is_empty() {
                diary.finish_one();
            }
            for index in 0..plan.requests.len() {
                let at_ns = plan.requests[index].at_ns;
                env.sleep(Duration::from_nanos(at_ns.saturating_sub(now_ns(&env))))
                    .await;
                let (env_, plan, diary, left) = (env.clone(), plan.clone(), diary.clone(), left.clone());
                env.spawn("user: request", async move {
                    let request = &plan.requests[index];
                    let record = send(&env_, &plan.name, index, request, at_ns, client, origin_unix_ns).await;
                    diary.entries().push(record);
                    let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
                    *left -= 1;
                    if *left == 0 {
                        diary.finish_one();
                    }
                });
            }
        }
    }
}

async fn send(
    env: &Env,
    user: &str,
    index: usize,
    request: &RequestPlan,
    intended_ns: u64,
    client: SocketAddr,
    origin_unix_ns: u64,
) -> RequestRecord {
    let now_ns = || env.unix_ns().saturating_sub(origin_unix_ns);
    let (path, body) = http_request(request);
    let mut record = RequestRecord {
        user: user.to_owned(),
        index,
        request_id: None,
        intended_ns,
        sent_ns: now_ns(),
        first_byte_ns: None,
        first_text_ns: None,
        end_ns: None,
        http_status: None,
        error_code: 0,
        parts: Vec::new(),
        body: Vec::new(),
        request_bytes: body.len() as u64,
        outcome: RequestOutcome::Failed,
    };
    let pause = Duration::from_nanos(request.read_pause_ns);
    let exchange = exchange(env, client, path, body, pause, &mut record, origin_unix_ns);
    let outcome = match request.hang_up_after_ns {
        None => exchange.await,
        Some(after_ns) => match race(exchange, env.sleep(Duration::from_nanos(after_ns))).await {
            Either::Left(outcome) => outcome,
            Either::Right(()) => RequestOutcome::Cancelled,
        },
    };
    record.end_ns = Some(now_ns());
    record.outcome = outcome;
    if record.http_status != Some(200) {
        let error: Option<serde_json::Value> = serde_json::from_slice(&record.body).ok();
        record.error_code = error.and_then(|error| error.get("error_code")?.as_i64()).unwrap_or(0);
    }
    record
}

/// Sends one request on a connection of its own, which lasts as long as what comes second.
async fn ask(
    env: &Env,
    client: SocketAddr,
    request: Result<Request<Full<Bytes>>, http::Error>,
) -> Option<(Response<Incoming>, AbortOnDrop)> {
    let stream = env.connect(client).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(HyperIo(stream)).await.ok()?;
    let connection = env
        .spawn("user: http connection", async move {
            // What goes wrong on it shows in the response.
            let _ = connection.await;
        })
        .abort_on_drop();
    let response = sender.send_request(request.ok()?).await.ok()?;
    Some((response, connection))
}

/// Whether a client knows a model that it can ask for.
pub(crate) async fn has_models(env: &Env, client: SocketAddr) -> bool {
    let request = Request::get("/v1/models")
        .header(header::HOST, "client")
        .body(Full::default());
    let Some((response, _connection)) = ask(env, client, request).await else {
        return false;
    };
    let Ok(body) = response.into_body().collect().await else {
        return false;
    };
    let listed: Option<serde_json::Value> = serde_json::from_slice(&body.to_bytes()).ok();
    listed.is_some_and(|listed| listed["data"].as_array().is_some_and(|models| !models.is_empty()))
}

async fn exchange(
    env: &Env,
    client: SocketAddr,
    path: &'static str,
    body: Vec<u8>,
    read_pause: Duration,
    record: &mut RequestRecord,
    origin_unix_ns: u64,
) -> RequestOutcome {
    let request = Request::post(path)
        .header(header::HOST, "client")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)));
    let Some((response, _connection)) = ask(env, client, request).await else {
        return RequestOutcome::Failed;
    };
    record.http_status = Some(response.status().as_u16());
    record.request_id = response
        .headers()
        .get("x-request-id")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let content_type = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let is_event_stream = content_type.is_some_and(|kind| kind.starts_with("text/event-stream"));
    let mut body = response.into_body();
    let mut is_whole = true;
    let mut text = TextWatch::default();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            is_whole = false;
            break;
        };
        let Ok(data) = frame.into_data() else { continue };
        let at_ns = env.unix_ns().saturating_sub(origin_unix_ns);
        record.first_byte_ns.get_or_insert(at_ns);
        record.parts.push((at_ns, data.len() as u64));
        let room = MAX_KEPT_BYTES - record.body.len();
        record.body.extend_from_slice(&data[..data.len().min(room)]);
        if is_event_stream && text.begins_in(&record.body) {
            record.first_text_ns = Some(at_ns);
        }
        if !read_pause.is_zero() {
            env.sleep(read_pause).await;
        }
    }
    if !is_event_stream && answer_text(&record.body).is_some_and(|text| !text.is_empty()) {
        // One object can only be read when it is complete.
        record.first_text_ns = record.parts.last().map(|(at_ns, _)| *at_ns);
    }
    // A stream that is not closed by its last event ended early, however orderly.
    is_whole &= !is_event_stream || record.body.trim_ascii_end().ends_with(b"data: [DONE]");
    if is_whole && record.http_status == Some(200) {
        RequestOutcome::Succeeded
    } else {
        RequestOutcome::Failed
    }
}

/// Path and body of a request.
pub(crate) fn http_request(request: &RequestPlan) -> (&'static str, Vec<u8>) {
    let timeout_ms = request.timeout_ns / 1_000_000;
    let timeout = serde_json::Number::from_f64(timeout_ms as f64 / 1000.0);
    let (path, mut body) = match request.endpoint {
        Endpoint::Chat => (
            "/v1/chat/completions",
            serde_json::json!({ "messages": [{ "role": "user", "content": request.prompt }] }),
        ),
        Endpoint::Completions => ("/v1/completions", serde_json::json!({ "prompt": request.prompt })),
    };
    body["model"] = request.model.as_str().into();
    body["max_tokens"] = request.max_tokens.into();
    // Greedy, so that the right answer is known.
    body["temperature"] = 0.into();
    body["timeout"] = timeout.map_or(serde_json::Value::Null, serde_json::Value::Number);
    if request.stream {
        body["stream"] = true.into();
    }
    (path, body.to_string().into_bytes())
}

/// One event of a stream, or a whole answer: of what it holds, only the text is looked at.
#[derive(Deserialize)]
struct Piece<'a> {
    #[serde(borrow, default)]
    choices: Vec<Choice<'a>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow, alias = "message")]
    delta: Option<Content<'a>>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow)]
    content: Option<Cow<'a, str>>,
}

/// Looks for the first event of a stream that has text, as the stream comes.
#[derive(Debug, Default)]
struct TextWatch {
    /// Bytes that were looked at: whole lines.
    read: usize,
    found: bool,
}

impl TextWatch {
    /// Whether the first text is in the lines that are new in `body`; true once at most.
    fn begins_in(&mut self, body: &[u8]) -> bool {
        if self.found {
            return false;
        }
        // An event may come in several pieces: it counts when its line is whole.
        let new = body.get(self.read..).unwrap_or_default();
        let Some(end) = new.iter().rposition(|byte| *byte == b'\n') else {
            return false;
        };
        self.read += end + 1;
        self.found = new[..end]
            .split(|byte| *byte == b'\n')
            .filter_map(|line| line.strip_prefix(b"data:"))
            .any(|data| answer_text(data).is_some_and(|text| !text.is_empty()));
        self.found
    }
}

/// The text of an answer: the pieces of its first choice, from events or from one object. `None` if it is no answer.
pub(crate) fn answer_text(body: &[u8]) -> Option<String> {
    let body = std::str::from_utf8(body).ok()?;
    let mut text = String::new();
    let mut take = |data: &str| -> Option<()> {
        let piece: Piece<'_> = serde_json::from_str(data).ok()?;
        if let Some(choice) = piece.choices.into_iter().next() {
            let content = choice.delta.and_then(|delta| delta.content).or(choice.text);
            text.push_str(content.as_deref().unwrap_or_default());
        }
        Some(())
    };
    if body.trim_start().starts_with('{') {
        take(body.trim())?;
    } else {
        for data in body
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(str::trim)
            .filter(|data| *data != "[DONE]")
        {
            take(data)?;
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::TextWatch;

    #[test]
    fn the_first_text_is_not_the_first_event() {
        let role = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n";
        let empty = "data: {\"choices\":[{\"delta\":{\"content\":\"\"}}]}\n\n";
        let word = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n";
        let mut watch = TextWatch::default();
        let mut body = role.as_bytes().to_vec();
        assert!(!watch.begins_in(&body));
        body.extend_from_slice(empty.as_bytes());
        assert!(!watch.begins_in(&body));
        // An event that is cut in two.
        let (head, tail) = word.split_at(20);
        body.extend_from_slice(head.as_bytes());
        assert!(!watch.begins_in(&body));
        body.extend_from_slice(tail.as_bytes());
        assert!(watch.begins_in(&body));
        body.extend_from_slice(word.as_bytes());
        assert!(!watch.begins_in(&body), "there is one first text");
        // Text of the completions endpoint, and everything in one piece.
        assert!(TextWatch::default().begins_in(b"data: {\"choices\":[{\"text\":\"Hi\"}]}\n\ndata: [DONE]\n\n"));
        assert!(!TextWatch::default().begins_in(b"data: [DONE]\n\n: a comment\n\n"));
    }
}

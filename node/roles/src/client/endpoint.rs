//! What users see: an OpenAI-compatible HTTP endpoint (spec §8.2).

use super::{
    requests::{Head, RequestFailure},
    session::{Shared, no_proxy},
};
use crate::{
    connection::Connection,
    extension::CancelQuery,
    http_server::{NodeBody, Service, json_response},
    request_rules::{self, UserRequest},
    telemetry::{self, Role},
};
use bytes::Bytes;
use chrysalis_env::BoxFuture;
use chrysalis_wire::{
    error_code::ErrorCode,
    http::{self as wire_http, Hop, HopTimes},
    objects::ClientRunQueryEx,
    tl::{Boxed, RequestId, Seconds},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde_json::json;
use std::{fmt::Write as _, sync::Arc, time::Duration};

/// Largest request body: what a frame can carry, less the envelope.
const MAX_BODY_BYTES: usize = 15 * 1024 * 1024;
/// Time for a user to send a request body (spec §1.5).
const BODY_LIMIT: Duration = Duration::from_secs(60);
/// The part of a user's time limit that goes to the proxy (spec §1.5).
const PROXY_SHARE: f64 = 0.95;

/// See the module.
pub(super) struct Endpoint {
    shared: Arc<Shared>,
}

impl Endpoint {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl Service for Endpoint {
    fn call(self: Arc<Self>, request: Request<Incoming>) -> BoxFuture<'static, Response<NodeBody>> {
        Box::pin(async move {
            let origin = match allowed_origin(&self.shared.settings.allowed_origins, request.headers()) {
                Ok(origin) => origin,
                Err(refused) => return failure_response(StatusCode::FORBIDDEN, &refused),
            };
            let mut response = match (request.method(), request.uri().path()) {
                (&Method::OPTIONS, _) => json_response(StatusCode::OK, &json!({})),
                (&Method::GET, "/v1/models") => self.models().await,
                (&Method::POST, _) => self.run(request).await,
                _ => failure_response(
                    StatusCode::NOT_FOUND,
                    &RequestFailure::new(
                        ErrorCode::ProtocolViolation,
                        "POST /v1/chat/completions or /v1/completions",
                    ),
                ),
            };
            if let Some(origin) = origin {
                allow_origin(response.headers_mut(), origin);
            }
            response
        })
    }
}

impl Endpoint {
    async fn models(&self) -> Response<NodeBody> {
        let types = match self.shared.worker_types().await {
            Ok(types) => types,
            Err(failure) => return failed(&failure),
        };
        let models: Vec<_> = types
            .types
            .into_iter()
            .map(|kind| {
                let workers: Vec<_> = kind
                    .workers
                    .iter()
                    .map(|worker| {
                        json!({
                            "coefficient": worker.coefficient,
                            "running_requests": worker.active_requests,
                            "max_running_requests": worker.max_active_requests,
                        })
                    })
                    .collect();
                json!({ "id": kind.name, "object": "model", "created": 0, "owned_by": "?", "workers": workers })
            })
            .collect();
        json_response(StatusCode::OK, &json!({ "object": "list", "data": models }))
    }

    async fn run(&self, request: Request<Incoming>) -> Response<NodeBody> {
        let (parts, body) = request.into_parts();
        let env = &self.shared.env;
        let body = match env
            .timeout(BODY_LIMIT, Limited::new(body, MAX_BODY_BYTES).collect())
            .await
        {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                let failure = RequestFailure::new(ErrorCode::ProtocolViolation, "the body is too long");
                return failure_response(StatusCode::PAYLOAD_TOO_LARGE, &failure);
            }
            Ok(Err(_)) | Err(_) => {
                let failure = RequestFailure::new(ErrorCode::TimeOut, "the body did not come");
                return failure_response(StatusCode::REQUEST_TIMEOUT, &failure);
            }
        };
        let user = match request_rules::user_request(&body) {
            Ok(user) => user,
            Err(error) => return failed(&RequestFailure::new(error.code(), error.message)),
        };
        // A proxy that restarts is back in seconds: a request that can wait for it need not fail.
        let patience = READY_WAIT.min(Duration::from_nanos(user.timeout_ns));
        let Ok(connection) = env.timeout(patience, self.shared.wait_until_ready()).await else {
            return failure_response(StatusCode::SERVICE_UNAVAILABLE, &no_proxy());
        };
        let id = RequestId(env.random());
        let start_unix_ns = env.unix_ns();
        let message = match self.message(&parts, user, id) {
            Ok(message) => message,
            Err(failure) => return failed(&failure),
        };
        match self.exchange(&connection, message.0, message.1).await {
            Ok(head) => self.answer(head, id, start_unix_ns),
            Err(failure) => with_request_id(failed(&failure), id),
        }
    }

    fn message(
        &self,
        parts: &http::request::Parts,
        user: UserRequest,
        id: RequestId,
    ) -> Result<(ClientRunQueryEx, Duration), RequestFailure> {
        let violation = |text: String| RequestFailure::new(ErrorCode::ProtocolViolation, text);
        // Keys in lexicographic order (spec §2.9), whatever order the map keeps.
        let mut body = serde_json::Value::Object(user.body);
        body.sort_all_objects();
        let payload = serde_json::to_vec(&body).map_err(|error| violation(error.to_string()))?;
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        // Only what the answer depends on travels: a user's other headers say who and where the user is.
        let headers = parts
            .headers
            .iter()
            .filter(|(name, _)| FORWARDED_HEADERS.contains(&name.as_str()))
            .map(|(name, value)| (name.as_str(), value.as_bytes()));
        let query = wire_http::request(parts.method.as_str(), target, "HTTP/1.1", headers, payload);
        let limit = Duration::from_nanos(user.timeout_ns);
        let proxy_limit = u64::try_from(limit.mul_f64(PROXY_SHARE).as_nanos()).unwrap_or(u64::MAX);
        let int = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let root = self.shared.settings.root.current();
        Ok((
            ClientRunQueryEx {
                model_name: user.model,
                query: query.encode(),
                max_coefficient: int(user.max_coefficient),
                max_tokens: int(user.max_tokens),
                timeout: Seconds::from_ns(proxy_limit),
                request_id: id,
                min_config_version: int(root.version),
                enable_debug: Some(user.enable_debug),
            },
            limit,
        ))
    }

    async fn exchange(
        &self,
        connection: &Connection,
        message: ClientRunQueryEx,
        limit: Duration,
    ) -> Result<Head, RequestFailure> {
        let shared = &self.shared;
        let id = message.request_id;
        telemetry::stage(&shared.env, Role::Client, &id.0, "sent");
        let hang_up = HangUp {
            shared: shared.clone(),
            connection: connection.clone(),
            id,
        };
        let mut guard = ArmedHangUp(Some(hang_up.clone()));
        let head = shared.requests.open(id, connection.id(), move || hang_up.run());
        if let Err(error) = connection.send(&message) {
            shared
                .requests
                .fail(id, &RequestFailure::new(ErrorCode::Error, error.to_string()));
        }
        let (requests, late_connection) = (shared.requests.clone(), connection.clone());
        let sleep = shared.env.sleep(limit);
        let deadline = shared.env.spawn("client: request time limit", async move {
            sleep.await;
            requests.fail(id, &RequestFailure::new(ErrorCode::TimeOut, "the answer took too long"));
            // A connection that is closing needs no word.
            let _ = late_connection.send(&CancelQuery { request_id: id });
        });
        shared.requests.set_deadline(id, deadline);
        let head = head.await;
        // From here on the body notices when the user leaves.
        guard.0 = None;
        head.unwrap_or_else(|_| Err(RequestFailure::new(ErrorCode::Failure, "the client is stopping")))
    }

    fn answer(&self, head: Head, id: RequestId, start_unix_ns: u64) -> Response<NodeBody> {
        let Head { response, body } = head;
        let status = u16::try_from(response.status_code)
            .ok()
            .and_then(|status| StatusCode::from_u16(status).ok())
            .filter(|status| !status.is_informational());
        let Some(status) = status else {
            return failed(&RequestFailure::new(
                ErrorCode::ProtocolViolation,
                "the answer has no valid status",
            ));
        };
        let mut answer = Response::new(NodeBody::Pipe(body));
        *answer.status_mut() = status;
        let times = HopTimes {
            hop: Hop::Client,
            start_unix_ns,
            end_unix_ns: self.shared.env.unix_ns(),
        };
        let mut kept = wire_http::end_to_end(response.headers.iter().map(|header| (&header.name, &header.value)));
        // More headers than any server sends: a header map that grows without bound would panic.
        kept.truncate(MAX_ANSWER_HEADERS);
        for header in kept.iter().chain(&times.to_headers()) {
            // Names and values are legal by the cleaning above; what http refuses all the same is left out.
            if let (Ok(name), Ok(value)) = (
                HeaderName::try_from(header.name.as_str()),
                HeaderValue::try_from(header.value.as_str()),
            ) {
                answer.headers_mut().append(name, value);
            }
        }
        with_request_id(answer, id)
    }
}

/// Headers of an answer that reach the user.
const MAX_ANSWER_HEADERS: usize = 256;
/// How long a request waits for a proxy while none is connected.
const READY_WAIT: Duration = Duration::from_secs(5);

/// Headers of a user that travel with the request.
const FORWARDED_HEADERS: [&str; 2] = ["content-type", "accept"];

/// The user has left: forget the request and tell the proxy.
#[derive(Clone)]
struct HangUp {
    shared: Arc<Shared>,
    connection: Connection,
    id: RequestId,
}

impl HangUp {
    fn run(self) {
        if self.shared.requests.abandon(self.id) {
            // A connection that is closing ends the request anyway.
            let _ = self.connection.send(&CancelQuery { request_id: self.id });
        }
    }
}

/// Runs when the response future is dropped before there was an answer.
struct ArmedHangUp(Option<HangUp>);

impl Drop for ArmedHangUp {
    fn drop(&mut self) {
        if let Some(hang_up) = self.0.take() {
            hang_up.run();
        }
    }
}

fn with_request_id(mut response: Response<NodeBody>, id: RequestId) -> Response<NodeBody> {
    let mut text = String::with_capacity(64);
    for byte in id.0 {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(text)) {
        response.headers_mut().insert("x-request-id", value);
    }
    response
}

fn failed(failure: &RequestFailure) -> Response<NodeBody> {
    let code = ErrorCode::try_from(failure.code).unwrap_or(ErrorCode::Plain);
    failure_response(
        StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        failure,
    )
}

fn failure_response(status: StatusCode, failure: &RequestFailure) -> Response<NodeBody> {
    json_response(status, &json!({ "error_code": failure.code, "error": failure.message }))
}

/// The origin to answer to, if a web page asks. The reference lets pages from anywhere spend the deposit of whoever
/// opens them (spec §8.1); here only listed ones may. A page that is not listed is refused, not just kept from reading:
/// a browser sends plain POSTs without asking first.
fn allowed_origin(allowed: &[String], headers: &HeaderMap) -> Result<Option<HeaderValue>, RequestFailure> {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(None);
    };
    if allowed
        .iter()
        .any(|allowed| allowed == "*" || allowed.as_bytes() == origin.as_bytes())
    {
        return Ok(Some(origin.clone()));
    }
    let text = "web pages of this origin may not use the endpoint: list it in `allowed_origins`";
    Err(RequestFailure::new(ErrorCode::Error, text))
}

fn allow_origin(headers: &mut HeaderMap, origin: HeaderValue) {
    let any = HeaderValue::from_static("*");
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, any.clone());
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, any);
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_unlisted_origins_are_refused() {
        let listed = ["https://chat.example".to_owned()];
        let mut headers = HeaderMap::new();
        assert_eq!(allowed_origin(&[], &headers), Ok(None), "curl has no origin");
        for (origin, allowed) in [
            ("https://chat.example", true),
            ("https://chat.example.evil", false),
            ("http://chat.example", false),
            ("null", false),
        ] {
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            assert_eq!(allowed_origin(&listed, &headers).is_ok(), allowed, "{origin}");
            assert!(allowed_origin(&["*".to_owned()], &headers).is_ok());
            assert!(allowed_origin(&[], &headers).is_err());
        }
    }
}

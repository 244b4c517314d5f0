//! One connection: limits, bodies, responses.

use std::{
    convert::Infallible,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use chrysalis_chain::api::{
    Answer,
    http::{HttpRequest, answer_http, failure},
};
use chrysalis_env::{
    Env, Stream,
    http::{HyperIo, HyperTimer},
};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};

use super::Shared;

/// Largest block of request headers, the request line with its query included.
const MAX_HEADER_BYTES: usize = 32 * 1024;
/// Time to send headers, and between two requests.
const HEADER_LIMIT: Duration = Duration::from_secs(30);
/// Time to send a body.
const BODY_LIMIT: Duration = Duration::from_secs(10);
/// Time of one connection, whatever it does.
const CONNECTION_LIMIT: Duration = Duration::from_secs(600);

/// A place among the open connections; free again when it is dropped.
pub(super) struct Place(Arc<AtomicUsize>);

impl Place {
    /// One of `limit` places; none if all are taken.
    pub(super) fn take(open: &Arc<AtomicUsize>, limit: usize) -> Option<Self> {
        let place = Self(open.clone());
        (open.fetch_add(1, Ordering::AcqRel) < limit).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Answers the requests of a connection until it ends.
pub(super) async fn answer(env: Env, stream: Stream, shared: Arc<Shared>) {
    let timer = HyperTimer::new(env.clone());
    let clock = env.clone();
    let service = service_fn(move |request| {
        let (env, shared) = (clock.clone(), shared.clone());
        async move { Ok::<_, Infallible>(respond(&env, &shared, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(timer)
        .header_read_timeout(HEADER_LIMIT)
        .max_buf_size(MAX_HEADER_BYTES)
        .half_close(false)
        .auto_date_header(false)
        .serve_connection(HyperIo(stream), service);
    // A connection that breaks or stays too long concerns its user only.
    let _ = env.timeout(CONNECTION_LIMIT, pin!(connection)).await;
}

async fn respond(env: &Env, shared: &Shared, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let reading = Limited::new(body, shared.max_body_bytes).collect();
    let answer = match env.timeout(BODY_LIMIT, reading).await {
        Err(_) => failure(408, "the body did not come in time"),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            failure(413, &format!("a body of more than {} bytes", shared.max_body_bytes))
        }
        Ok(Err(error)) => failure(400, &format!("the body cannot be read: {error}")),
        Ok(Ok(body)) => {
            let request = HttpRequest {
                method: head.method.as_str(),
                path: head.uri.path(),
                query: head.uri.query().unwrap_or_default(),
                body: &body.to_bytes(),
            };
            answer_http(&mut shared.chain(), &shared.provider, shared.rules, request)
        }
    };
    shared.requests.fetch_add(1, Ordering::Relaxed);
    response(&answer)
}

fn response(answer: &Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(answer.body.to_string())));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if answer.status == 405 {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
    }
    // A body that was not read to its end leaves nothing to read the next request from.
    if matches!(answer.status, 408 | 413) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

//! HTTP/1.1 on a node's own clock and connections.

use crate::{
    body::{BodyReader, BrokenBody},
    shutdown::Shutdown,
};
use bytes::Bytes;
use chrysalis_env::{
    BoxFuture, Either, Env, Listener,
    http::{HyperIo, HyperTimer},
    race,
};
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{
    body::{Body, Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use std::{
    convert::Infallible,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

/// Open connections on one port; more are closed at once.
const MAX_CONNECTIONS: usize = 4096;
/// Largest block of request headers (spec §1.5).
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// Time for a client to send its request headers.
const HEADER_LIMIT: Duration = Duration::from_secs(30);

/// A response body: complete, or fed from elsewhere.
pub(crate) enum NodeBody {
    /// All of it.
    Full(Full<Bytes>),
    /// As it comes.
    Pipe(BodyReader),
}

impl Body for NodeBody {
    type Data = Bytes;
    type Error = BrokenBody;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenBody>>> {
        match &mut *self {
            Self::Full(body) => pin!(body).poll_frame(cx).map_err(|never: Infallible| match never {}),
            Self::Pipe(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(body) => body.is_end_stream(),
            Self::Pipe(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(body) => body.size_hint(),
            Self::Pipe(_) => SizeHint::default(),
        }
    }
}

/// What answers requests.
pub(crate) trait Service: Send + Sync + 'static {
    /// Answers one request.
    fn call(self: Arc<Self>, request: Request<Incoming>) -> BoxFuture<'static, Response<NodeBody>>;
}

/// A complete response.
pub(crate) fn full_response(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<NodeBody> {
    let mut response = Response::new(NodeBody::Full(Full::new(body.into())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}

/// A JSON response.
pub(crate) fn json_response(status: StatusCode, value: &serde_json::Value) -> Response<NodeBody> {
    full_response(status, "application/json", value.to_string())
}

/// Serves until shut down; connections that are open then may finish their request.
pub(crate) async fn serve(env: Env, mut listener: Listener, service: Arc<dyn Service>, mut shutdown: Shutdown) {
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let accepted = match race(listener.accept(), shutdown.requested()).await {
            Either::Left(accepted) => accepted,
            Either::Right(()) => return,
        };
        let Ok(stream) = accepted else {
            // Out of descriptors, say: a pause keeps the loop from spinning.
            env.sleep(Duration::from_millis(100)).await;
            continue;
        };
        if open.fetch_add(1, Ordering::Relaxed) >= MAX_CONNECTIONS {
            open.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (env_, open, service, mut shutdown) = (env.clone(), open.clone(), service.clone(), shutdown.clone());
        env.spawn("http connection", async move {
            let answer = service_fn(move |request| {
                let answer = service.clone().call(request);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            let connection = http1::Builder::new()
                .timer(HyperTimer::new(env_))
                .header_read_timeout(HEADER_LIMIT)
                .max_buf_size(MAX_HEADER_BYTES.max(8192))
                .half_close(false)
                // The header would come from the host's clock, not the node's.
                .auto_date_header(false)
                .serve_connection(HyperIo(stream), answer);
            let mut connection = pin!(connection);
            // A connection that breaks concerns its user only: there is nobody to tell.
            if let Either::Right(()) = race(connection.as_mut(), shutdown.requested()).await {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
            open.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

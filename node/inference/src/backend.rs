//! The seam between a worker and whatever answers its requests: HTTP-shaped on purpose, because a worker relays bytes.

use crate::error::BackendError;
use bytes::Bytes;
use chrysalis_env::BoxFuture;
use futures_util::{Stream, StreamExt as _, stream};
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// Something that answers OpenAI-like requests for one or more models.
///
/// A request that the backend understands but refuses (unknown model, prompt too long) is an `Ok` response with a
/// status of 400 or above, as an upstream server would send it. `Err` means that there is no response.
pub trait Backend: Send + Sync {
    /// Base names of the models that it serves, as the `model` field of a request names them.
    fn models(&self) -> Vec<String>;

    /// The uplink probe (spec §1.3): whether the backend is there and ready to be called.
    fn probe(&self) -> BoxFuture<'_, Result<(), BackendError>>;

    /// Answers one request. Dropping the future, or later the response's body, cancels the generation.
    fn call(&self, request: BackendRequest) -> BoxFuture<'_, Result<BackendResponse, BackendError>>;
}

/// A request as the worker hands it on, after its own validation (spec §8.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendRequest {
    /// `/v1/chat/completions` or `/v1/completions`.
    pub path: String,
    /// Value of the `Content-Type` header.
    pub content_type: String,
    /// The JSON body.
    pub body: Bytes,
    /// Limit on connecting plus the head, and again on the body (spec §1.5: 0.95 of the worker's alarm). It only
    /// narrows an upstream's own limits. Backends inside the process have none: their caller drops the call.
    pub timeout: Option<Duration>,
}

impl BackendRequest {
    /// A JSON request without a time limit of its own.
    pub fn json(path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self {
            path: path.into(),
            content_type: "application/json".to_owned(),
            body: body.into(),
            timeout: None,
        }
    }
}

/// A response whose body may still be on its way.
#[derive(Debug)]
pub struct BackendResponse {
    /// HTTP status.
    pub status: u16,
    /// Header names in lower case and values, in the order of arrival. Message framing (`content-length`,
    /// `transfer-encoding`, `connection`) is left in where an upstream sent it.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: BodyStream,
}

impl BackendResponse {
    /// A complete JSON response.
    pub fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: BodyStream::once(body.into()),
        }
    }

    /// Value of the first header called `name`, which must be in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// A body as a stream of byte chunks, each as the backend made it.
///
/// Nothing is generated or read before the stream is polled; dropping it cancels the generation.
pub struct BodyStream(Pin<Box<dyn Stream<Item = Result<Bytes, BackendError>> + Send>>);

impl BodyStream {
    /// Wraps a stream of chunks.
    pub fn new(chunks: impl Stream<Item = Result<Bytes, BackendError>> + Send + 'static) -> Self {
        Self(Box::pin(chunks))
    }

    /// A body of one chunk; none if `bytes` is empty.
    pub fn once(bytes: Bytes) -> Self {
        Self::new(stream::iter((!bytes.is_empty()).then_some(Ok(bytes))))
    }

    /// Waits for the whole body.
    ///
    /// # Errors
    /// The stream failed, or the body is longer than `limit_bytes`.
    pub async fn collect(mut self, limit_bytes: usize) -> Result<Bytes, BackendError> {
        let mut whole = Vec::new();
        while let Some(chunk) = self.next().await {
            let chunk = chunk?;
            if chunk.len() > limit_bytes - whole.len() {
                return Err(BackendError::BodyTooLong { limit_bytes });
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.into())
    }
}

impl Stream for BodyStream {
    type Item = Result<Bytes, BackendError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for BodyStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyStream").finish_non_exhaustive()
    }
}

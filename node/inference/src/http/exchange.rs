//! One request and its response on one connection.

use super::BaseUrl;
use crate::{
    backend::{BackendResponse, BodyStream},
    error::BackendError,
};
use bytes::Bytes;
use chrysalis_env::{BoxFuture, Elapsed, Env, Stream as Socket, http::HyperIo};
use futures_util::Stream;
use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request, Response,
    body::{Body as _, Incoming},
    client::conn::http1,
    header,
};
use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Buffer for a response's head and for reading its body; also bounds how far a read may run ahead of the consumer.
const BUFFER_BYTES: usize = 64 * 1024;

type Connection = http1::Connection<HyperIo<Socket>, Full<Bytes>>;

/// The terms of one exchange.
pub(super) struct Exchange<'a> {
    pub(super) env: &'a Env,
    pub(super) base_url: &'a BaseUrl,
    pub(super) head_limit: Duration,
    pub(super) body_limit: Duration,
    pub(super) silence_limit: Duration,
    pub(super) slots: Option<&'a Arc<Semaphore>>,
}

impl Exchange<'_> {
    /// Sends the request and waits for the response's head. `content` is a type and a body.
    pub(super) async fn run(
        self,
        method: Method,
        path: &str,
        content: Option<(&str, Bytes)>,
    ) -> Result<BackendResponse, BackendError> {
        // A connection per request is said so, lest an upstream keep it open for a next one.
        let mut request = Request::builder()
            .method(method)
            .uri(self.base_url.target(path))
            .header(header::HOST, self.base_url.authority())
            .header(header::CONNECTION, "close");
        let mut body = Bytes::new();
        if let Some((content_type, bytes)) = content {
            request = request.header(header::CONTENT_TYPE, content_type);
            body = bytes;
        }
        let request = request.body(Full::new(body)).map_err(BackendError::InvalidRequest)?;
        let limit = self.head_limit;
        let head = match self.env.timeout(limit, self.head(request)).await {
            Ok(head) => head?,
            Err(Elapsed { limit }) => return Err(BackendError::HeadTimeout { limit }),
        };
        let (parts, body) = head.response.into_parts();
        Ok(BackendResponse {
            status: parts.status.as_u16(),
            headers: texts(&parts.headers),
            body: BodyStream::new(UpstreamBody {
                env: self.env.clone(),
                connection: head.connection,
                body: Some(body),
                whole: self.env.sleep(self.body_limit),
                whole_limit: self.body_limit,
                silence: None,
                silence_limit: self.silence_limit,
                slot: head.slot,
            }),
        })
    }

    async fn head(&self, request: Request<Full<Bytes>>) -> Result<Head, BackendError> {
        let slot = match self.slots {
            // The semaphore is never closed: an error would only mean an exchange without a slot.
            Some(slots) => slots.clone().acquire_owned().await.ok(),
            None => None,
        };
        let address = self.base_url.address();
        let socket = self.env.connect(address).await;
        let socket = socket.map_err(|source| BackendError::Connect { address, source })?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(BUFFER_BYTES)
            .handshake(HyperIo(socket))
            .await
            .map_err(BackendError::Head)?;
        let mut connection = Some(Box::pin(connection));
        let mut response = pin!(sender.send_request(request));
        let response = poll_fn(|cx| {
            if let Poll::Ready(response) = response.as_mut().poll(cx) {
                return Poll::Ready(response);
            }
            drive(&mut connection, cx);
            response.as_mut().poll(cx)
        })
        .await
        .map_err(BackendError::Head)?;
        Ok(Head {
            response,
            connection,
            slot,
        })
    }
}

struct Head {
    response: Response<Incoming>,
    connection: Option<Pin<Box<Connection>>>,
    slot: Option<OwnedSemaphorePermit>,
}

/// Lets the connection read and write. Its own result is of no interest: hyper gives failures to the response or body.
fn drive(connection: &mut Option<Pin<Box<Connection>>>, cx: &mut Context<'_>) {
    if let Some(running) = connection
        && running.as_mut().poll(cx).is_ready()
    {
        *connection = None;
    }
}

/// Header values are octets; those above ASCII become the Latin-1 characters of the same number.
fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &header::HeaderValue| value.as_bytes().iter().copied().map(char::from).collect();
    headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), text(value)))
        .collect()
}

/// A response's body together with the connection that feeds it.
struct UpstreamBody {
    env: Env,
    connection: Option<Pin<Box<Connection>>>,
    /// None after the end or the first failure.
    body: Option<Incoming>,
    whole: BoxFuture<'static, ()>,
    whole_limit: Duration,
    /// Runs only while the consumer is waiting, so that a slow consumer does not look like a silent upstream.
    silence: Option<BoxFuture<'static, ()>>,
    silence_limit: Duration,
    slot: Option<OwnedSemaphorePermit>,
}

impl UpstreamBody {
    /// The next chunk; `None` at the end of the body.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BackendError>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        loop {
            let mut frame = Pin::new(&mut *body).poll_frame(cx);
            if frame.is_pending() {
                drive(&mut self.connection, cx);
                frame = Pin::new(&mut *body).poll_frame(cx);
            }
            match frame {
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers carry nothing that a worker relays; empty chunks would look like an end to some readers.
                    if let Ok(chunk) = frame.into_data()
                        && !chunk.is_empty()
                    {
                        return Poll::Ready(Some(Ok(chunk)));
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(BackendError::Body(error)))),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn poll_limits(&mut self, cx: &mut Context<'_>) -> Poll<BackendError> {
        if self.whole.as_mut().poll(cx).is_ready() {
            return Poll::Ready(BackendError::BodyTimeout {
                limit: self.whole_limit,
            });
        }
        let silence = self.silence.get_or_insert_with(|| self.env.sleep(self.silence_limit));
        silence.as_mut().poll(cx).map(|()| BackendError::BodyStalled {
            limit: self.silence_limit,
        })
    }
}

impl Stream for UpstreamBody {
    type Item = Result<Bytes, BackendError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let item = match this.poll_chunk(cx) {
            Poll::Ready(item) => item,
            Poll::Pending => match this.poll_limits(cx) {
                Poll::Ready(error) => Some(Err(error)),
                Poll::Pending => return Poll::Pending,
            },
        };
        this.silence = None;
        if !matches!(item, Some(Ok(_))) {
            // Closes the connection and makes room for the next request.
            this.body = None;
            this.connection = None;
            this.slot = None;
        }
        Poll::Ready(item)
    }
}

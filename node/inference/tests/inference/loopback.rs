//! Servers on this machine's loopback for tests of the HTTP backend.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test binary uses a part of it, and a test has nothing better to do than to fail"
)]

use bytes::Bytes;
use chrysalis_env::{Env, Listener, Stream, http::HyperIo, tokio_engine::TokioNode};
use chrysalis_inference::{BackendRequest, HttpBackend, HttpConfig, HttpLimits};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{Request, Response, body::Frame, body::Incoming, server::conn::http1, service::service_fn};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::mpsc,
};

pub const CHAT: &str = "/v1/chat/completions";
/// Longer than any healthy exchange on loopback takes, also on a busy machine; short enough to wait for.
pub const SHORT: Duration = Duration::from_millis(400);
pub const LONG: Duration = Duration::from_secs(30);

pub fn env() -> Env {
    TokioNode {
        name: "test".to_owned(),
        data_directory: std::env::temp_dir(),
        sink: Arc::new(|_, _, _| {}),
    }
    .into_env()
}

pub async fn listen(env: &Env) -> Listener {
    env.listen("127.0.0.1:0".parse().unwrap()).await.unwrap()
}

pub fn backend(env: &Env, listener: &Listener, limits: HttpLimits) -> HttpBackend {
    let config = HttpConfig {
        base_url: format!("http://{}", listener.local_address()).parse().unwrap(),
        models: vec!["m".to_owned()],
        limits,
    };
    HttpBackend::new(env.clone(), config)
}

pub fn patient() -> HttpLimits {
    HttpLimits {
        head: LONG,
        body: LONG,
        silence: LONG,
        ..HttpLimits::default()
    }
}

pub fn request() -> BackendRequest {
    BackendRequest::json(CHAT, r#"{"model":"m"}"#)
}

/// Reads a request to its end: all of the head and as much of a body as it announces.
pub async fn read_request(stream: &mut Stream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let announced = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= announced.map_or(0, |length| length.parse().unwrap()) {
                return text.into_owned();
            }
        }
        assert_ne!(
            stream.read_buf(&mut bytes).await.unwrap(),
            0,
            "the request is cut short"
        );
    }
}

/// Accepts connections one after the other, reads a request from each, and leaves the rest to `serve`.
pub fn serve<F: Future<Output = ()> + Send>(
    env: &Env,
    mut listener: Listener,
    mut serve: impl FnMut(Stream, String) -> F + Send + 'static,
) {
    env.spawn("server", async move {
        loop {
            let mut stream = listener.accept().await.unwrap();
            let request = read_request(&mut stream).await;
            serve(stream, request).await;
        }
    });
}

/// A server that answers each request with these bytes and closes.
pub fn serve_bytes(env: &Env, listener: Listener, response: &'static [u8]) {
    serve(env, listener, move |mut stream, _| async move {
        // The client may close as soon as it has seen enough.
        let _ = stream.write_all(response).await;
        let _ = stream.shutdown().await;
    });
}

/// A proper server whose body is what the test sends.
pub fn serve_channel(env: &Env, mut listener: Listener) -> mpsc::Sender<Bytes> {
    let (sender, receiver) = mpsc::channel::<Bytes>(1);
    let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
    env.spawn("server", async move {
        let stream = listener.accept().await.unwrap();
        let service = service_fn(move |request: Request<Incoming>| {
            let receiver = receiver.clone();
            async move {
                request.into_body().collect().await.unwrap();
                let chunks = futures_util::stream::unfold(receiver, |receiver| async move {
                    let chunk = receiver.lock().await.recv().await?;
                    Some((Ok::<_, Infallible>(Frame::data(chunk)), receiver))
                });
                let response = Response::builder().header("content-type", "text/event-stream");
                Ok::<_, Infallible>(response.body(StreamBody::new(chunks)).unwrap())
            }
        });
        // The client may close at any time.
        let _ = http1::Builder::new().serve_connection(HyperIo(stream), service).await;
    });
    sender
}

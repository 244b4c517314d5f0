//! The HTTP backend against servers on this machine's loopback: a proper one, and ones that break off, lie or sleep.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test has nothing better to do than to fail"
)]

use bytes::Bytes;
use chrysalis_env::{Env, Listener, Stream, http::HyperIo, tokio_engine::TokioNode};
use chrysalis_inference::{
    Backend, BackendError, BackendRequest, HttpBackend, HttpConfig, HttpLimits, TinyBackend, TinyConfig, TinyModel,
    TinyOptions,
};
use futures_util::StreamExt as _;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{Request, Response, body::Frame, body::Incoming, server::conn::http1, service::service_fn};
use serde_json::{Value, json};
use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::mpsc,
};

const CHAT: &str = "/v1/chat/completions";
/// Longer than any healthy exchange on loopback takes, also on a busy machine; short enough to wait for.
const SHORT: Duration = Duration::from_millis(400);
const LONG: Duration = Duration::from_secs(30);

fn env() -> Env {
    TokioNode {
        name: "test".to_owned(),
        data_directory: std::env::temp_dir(),
        sink: Arc::new(|_, _, _| {}),
    }
    .into_env()
}

async fn listen(env: &Env) -> Listener {
    env.listen("127.0.0.1:0".parse().unwrap()).await.unwrap()
}

fn backend(env: &Env, listener: &Listener, limits: HttpLimits) -> HttpBackend {
    let config = HttpConfig {
        base_url: format!("http://{}", listener.local_address()).parse().unwrap(),
        models: vec!["m".to_owned()],
        limits,
    };
    HttpBackend::new(env.clone(), config)
}

fn patient() -> HttpLimits {
    HttpLimits {
        head: LONG,
        body: LONG,
        silence: LONG,
        ..HttpLimits::default()
    }
}

fn request() -> BackendRequest {
    BackendRequest::json(CHAT, r#"{"model":"m"}"#)
}

/// Reads a request to its end: all of the head and as much of a body as it announces.
async fn read_request(stream: &mut Stream) -> String {
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
fn serve<F: Future<Output = ()> + Send>(
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
fn serve_bytes(env: &Env, listener: Listener, response: &'static [u8]) {
    serve(env, listener, move |mut stream, _| async move {
        // The client may close as soon as it has seen enough.
        let _ = stream.write_all(response).await;
        let _ = stream.shutdown().await;
    });
}

#[tokio::test]
async fn request_and_response_pass_untouched() {
    let env = env();
    let listener = listen(&env).await;
    let address = listener.local_address();
    let backend = backend(&env, &listener, patient());
    let (seen, mut requests) = mpsc::unbounded_channel();
    serve(&env, listener, move |mut stream, request| {
        seen.send(request).unwrap();
        async move {
            let response = b"HTTP/1.1 418 Teapot\r\nX-One: a\xe9b\r\nx-one: c\r\ncontent-length: 5\r\n\r\n{\xff\0}\n";
            stream.write_all(response).await.unwrap();
        }
    });
    let mut response = backend.call(request()).await.unwrap();
    let request = requests.recv().await.unwrap();
    let expected = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: 13\r\n\r\n{{\"model\":\"m\"}}"
    );
    assert_eq!(request, expected);
    assert_eq!(response.status, 418);
    let headers: Vec<(&str, &str)> = response
        .headers
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    assert_eq!(headers, [("x-one", "aéb"), ("x-one", "c"), ("content-length", "5")]);
    assert_eq!(response.body.next().await.unwrap().unwrap(), &b"{\xff\0}\n"[..]);
    assert!(response.body.next().await.is_none());
    assert!(response.body.next().await.is_none());
}

/// A proper server whose body is what the test sends.
fn serve_channel(env: &Env, mut listener: Listener) -> mpsc::Sender<Bytes> {
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

#[tokio::test]
async fn chunks_arrive_as_they_were_sent_and_when() {
    let env = env();
    let listener = listen(&env).await;
    let backend = backend(&env, &listener, patient());
    let sender = serve_channel(&env, listener);
    let mut response = backend.call(request()).await.unwrap();
    assert_eq!(response.header("content-type"), Some("text/event-stream"));
    // Ends of chunks are nowhere near ends of events or characters.
    for chunk in [&b"data: {\"a\""[..], b":1}\n\nda", b"ta: \xc3", b"\xa9\n\n", b"\n"] {
        sender.send(Bytes::from_static(chunk)).await.unwrap();
        assert_eq!(response.body.next().await.unwrap().unwrap(), chunk);
    }
    // Nothing was sent, so nothing arrives.
    assert!(env.timeout(SHORT, response.body.next()).await.is_err());
    // An empty chunk would end a chunked body; hyper leaves it out, and the next one arrives.
    sender.send(Bytes::new()).await.unwrap();
    sender.send(Bytes::from_static(b"end")).await.unwrap();
    assert_eq!(response.body.next().await.unwrap().unwrap(), "end");
    drop(sender);
    assert!(response.body.next().await.is_none());
}

#[tokio::test]
async fn an_upstream_that_is_a_tiny_model_answers_as_the_model_does() {
    let env = env();
    let mut listener = listen(&env).await;
    let backend = backend(&env, &listener, patient());
    let model = Arc::new(TinyModel::generate(TinyConfig::nano(), 42));
    let tiny = TinyBackend::new(env.clone(), "m", model, TinyOptions::default());
    let upstream = tiny.clone();
    env.spawn("server", async move {
        loop {
            let stream = listener.accept().await.unwrap();
            let upstream = upstream.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let upstream = upstream.clone();
                async move {
                    let path = request.uri().path().to_owned();
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    let response = upstream.call(BackendRequest::json(path, body)).await.unwrap();
                    let body = StreamBody::new(response.body.map(|chunk| chunk.map(Frame::data)));
                    Ok::<_, Infallible>(Response::new(body))
                }
            });
            let connection = http1::Builder::new().serve_connection(HyperIo(stream), service);
            connection.await.unwrap();
        }
    });
    for stream in [false, true] {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "temperature": 0,
            "max_tokens": 50, "ignore_eos": true, "stream": stream, "stream_options": {"include_usage": true}});
        let request = BackendRequest::json(CHAT, body.to_string());
        let mut answers = Vec::new();
        for backend in [&backend as &dyn Backend, &tiny] {
            let response = backend.call(request.clone()).await.unwrap();
            answers.push(without_id(&response.body.collect(1 << 20).await.unwrap()));
        }
        assert!(answers[0].contains("completion_tokens\":50"), "{}", answers[0]);
        assert_eq!(answers[0], answers[1]);
    }
}

/// An answer without its identifier and time, which differ from call to call.
fn without_id(body: &[u8]) -> String {
    let text = std::str::from_utf8(body).unwrap();
    let strip = |line: &str| {
        let json = line.strip_prefix("data: ").unwrap_or(line);
        serde_json::from_str::<Value>(json).map_or(line.to_owned(), |mut value| {
            value["id"] = Value::Null;
            value["created"] = Value::Null;
            value.to_string()
        })
    };
    text.lines().map(strip).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error_after_what_was_there() {
    let endings: [(&[u8], bool); 5] = [
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
            false,
        ),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            true,
        ),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzzz\r\n",
            false,
        ),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhello", false),
        // Without a length, the end of the connection is the end of the body.
        (b"HTTP/1.1 200 OK\r\n\r\nhello", true),
    ];
    for (bytes, whole) in endings {
        let env = env();
        let listener = listen(&env).await;
        let backend = backend(&env, &listener, patient());
        serve_bytes(&env, listener, bytes);
        let mut response = backend.call(request()).await.unwrap();
        assert_eq!(response.body.next().await.unwrap().unwrap(), "hello");
        match response.body.next().await {
            None => assert!(whole),
            Some(Err(BackendError::Body(_))) => assert!(!whole),
            other => panic!("{other:?}"),
        }
        assert!(response.body.next().await.is_none());
    }
}

#[tokio::test]
async fn a_head_that_makes_no_sense_is_an_error() {
    let long: &'static str = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(100_000)).leak();
    let heads = [
        "",
        "HTTP/1.1 2",
        "SSH-2.0-x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        long,
    ];
    for head in heads {
        let env = env();
        let listener = listen(&env).await;
        let backend = backend(&env, &listener, patient());
        serve_bytes(&env, listener, head.as_bytes());
        let error = backend.call(request()).await.unwrap_err();
        assert!(matches!(error, BackendError::Head(_)), "{error:?}");
    }
}

#[tokio::test]
async fn nothing_listens() {
    let env = env();
    let listener = listen(&env).await;
    let address = listener.local_address();
    let backend = backend(&env, &listener, patient());
    drop(listener);
    for error in [
        backend.call(request()).await.unwrap_err(),
        backend.probe().await.unwrap_err(),
    ] {
        match error {
            BackendError::Connect { address: at, source } => {
                assert_eq!(at, address);
                assert_eq!(source.kind(), std::io::ErrorKind::ConnectionRefused);
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A server that takes its time: before the head, then before each of three bytes.
fn serve_slowly(env: &Env, listener: Listener, head: Duration, byte: Duration) {
    let clock = env.clone();
    serve(env, listener, move |mut stream, _| {
        let clock = clock.clone();
        async move {
            clock.sleep(head).await;
            // The client may have had enough at any point.
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n").await;
            for _ in 0..3 {
                clock.sleep(byte).await;
                let _ = stream.write_all(b"x").await;
            }
        }
    });
}

/// The outcome of a call and of reading its body against a server of these delays.
async fn slow(
    limits: HttpLimits,
    timeout: Option<Duration>,
    head: Duration,
    byte: Duration,
) -> Result<Bytes, BackendError> {
    let env = env();
    let listener = listen(&env).await;
    let backend = backend(&env, &listener, limits);
    serve_slowly(&env, listener, head, byte);
    let request = BackendRequest { timeout, ..request() };
    backend.call(request).await?.body.collect(100).await
}

#[tokio::test]
async fn a_slow_head_is_given_up() {
    let limits = HttpLimits {
        head: SHORT,
        ..patient()
    };
    let result = slow(limits, None, SHORT * 3, Duration::ZERO).await;
    assert!(
        matches!(result, Err(BackendError::HeadTimeout { limit: SHORT })),
        "{result:?}"
    );
    // A request's own limit narrows, and never widens.
    let result = slow(patient(), Some(SHORT), SHORT * 3, Duration::ZERO).await;
    assert!(
        matches!(result, Err(BackendError::HeadTimeout { limit: SHORT })),
        "{result:?}"
    );
    let result = slow(limits, Some(LONG), SHORT * 3, Duration::ZERO).await;
    assert!(
        matches!(result, Err(BackendError::HeadTimeout { limit: SHORT })),
        "{result:?}"
    );
    assert_eq!(slow(patient(), None, SHORT * 2, Duration::ZERO).await.unwrap(), "xxx");
}

#[tokio::test]
async fn a_slow_body_is_given_up() {
    let limits = HttpLimits {
        body: SHORT,
        ..patient()
    };
    let result = slow(limits, None, Duration::ZERO, SHORT / 2).await;
    assert!(
        matches!(result, Err(BackendError::BodyTimeout { limit: SHORT })),
        "{result:?}"
    );
    let result = slow(patient(), Some(SHORT), Duration::ZERO, SHORT / 2).await;
    assert!(
        matches!(result, Err(BackendError::BodyTimeout { limit: SHORT })),
        "{result:?}"
    );
    // Silence is not the same as slowness.
    let limits = HttpLimits {
        silence: SHORT,
        ..patient()
    };
    assert_eq!(slow(limits, None, Duration::ZERO, SHORT / 2).await.unwrap(), "xxx");
    let result = slow(limits, None, Duration::ZERO, SHORT * 2).await;
    assert!(
        matches!(result, Err(BackendError::BodyStalled { limit: SHORT })),
        "{result:?}"
    );
}

#[tokio::test]
async fn a_slow_consumer_is_not_a_silent_upstream() {
    let env = env();
    let listener = listen(&env).await;
    let limits = HttpLimits {
        silence: SHORT,
        ..patient()
    };
    let backend = backend(&env, &listener, limits);
    let sender = serve_channel(&env, listener);
    let mut response = backend.call(request()).await.unwrap();
    sender.send(Bytes::from_static(b"a")).await.unwrap();
    assert_eq!(response.body.next().await.unwrap().unwrap(), "a");
    sender.send(Bytes::from_static(b"b")).await.unwrap();
    env.sleep(SHORT * 2).await;
    assert_eq!(response.body.next().await.unwrap().unwrap(), "b");
    // Now the upstream is silent, with the consumer waiting.
    let silence = response.body.next().await.unwrap();
    assert!(matches!(silence, Err(BackendError::BodyStalled { .. })), "{silence:?}");
}

#[tokio::test]
async fn dropping_a_body_or_a_call_closes_the_connection() {
    let env = env();
    let listener = listen(&env).await;
    let backend = backend(&env, &listener, patient());
    let (closed, mut closures) = mpsc::unbounded_channel();
    let with_head = Arc::new(AtomicUsize::new(1));
    let heads = with_head.clone();
    serve(&env, listener, move |mut stream, _| {
        let (closed, heads) = (closed.clone(), heads.load(Relaxed));
        async move {
            if heads > 0 {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n")
                    .await
                    .unwrap();
            }
            let end = stream.read(&mut [0; 16]).await;
            closed.send(matches!(end, Ok(0) | Err(_))).unwrap();
        }
    });
    let mut response = backend.call(request()).await.unwrap();
    response.body.next().await.unwrap().unwrap();
    assert!(
        env.timeout(SHORT, closures.recv()).await.is_err(),
        "open while it is held"
    );
    drop(response);
    assert_eq!(closures.recv().await, Some(true));

    with_head.store(0, Relaxed);
    assert!(env.timeout(SHORT, backend.call(request())).await.is_err());
    assert_eq!(closures.recv().await, Some(true));
}

#[tokio::test]
async fn an_upstream_is_not_read_ahead_of_the_consumer() {
    const CHUNK_BYTES: usize = 256 * 1024;
    let env = env();
    let listener = listen(&env).await;
    let backend = backend(&env, &listener, patient());
    let sender = serve_channel(&env, listener);
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    env.spawn("producer", async move {
        while sender.send(Bytes::from(vec![7; CHUNK_BYTES])).await.is_ok() {
            count.fetch_add(1, Relaxed);
        }
    });
    let mut response = backend.call(request()).await.unwrap();
    response.body.next().await.unwrap().unwrap();
    env.sleep(SHORT).await;
    let before = sent.load(Relaxed);
    env.sleep(SHORT).await;
    assert_eq!(
        sent.load(Relaxed),
        before,
        "what the sockets hold is full, and the producer waits"
    );
    // It goes on as the consumer does.
    let mut taken_bytes = 0;
    while taken_bytes < (before + 10) * CHUNK_BYTES {
        taken_bytes += response.body.next().await.unwrap().unwrap().len();
    }
    assert!(sent.load(Relaxed) > before);
}

#[tokio::test]
async fn requests_beyond_the_connections_wait_for_one() {
    for (connections, waits) in [(1, true), (2, false)] {
        let env = env();
        let listener = listen(&env).await;
        let limits = HttpLimits {
            connections,
            ..patient()
        };
        let backend = backend(&env, &listener, limits);
        serve_bytes(&env, listener, b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx");
        let mut first = backend.call(request()).await.unwrap();
        let narrow = BackendRequest {
            timeout: Some(SHORT),
            ..request()
        };
        let second = backend.call(narrow.clone()).await;
        assert_eq!(
            matches!(second, Err(BackendError::HeadTimeout { .. })),
            waits,
            "{second:?}"
        );
        drop(second);
        // A probe does not wait.
        backend.probe().await.unwrap();
        // The end of the body frees the connection, even while the body is still held.
        while first.body.next().await.is_some() {}
        assert!(backend.call(narrow).await.is_ok());
    }
}

#[tokio::test]
async fn a_probe_asks_for_the_models_and_wants_success() {
    let env = env();
    let listener = listen(&env).await;
    let address = listener.local_address();
    let healthy = backend(&env, &listener, patient());
    assert_eq!(healthy.models(), ["m"]);
    let (seen, mut requests) = mpsc::unbounded_channel();
    serve(&env, listener, move |mut stream, request| {
        seen.send(request).unwrap();
        async move {
            let response = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
            stream.write_all(response).await.unwrap();
        }
    });
    healthy.probe().await.unwrap();
    let expected = format!("GET /v1/models HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    assert_eq!(requests.recv().await.unwrap(), expected);

    let failing = listen(&env).await;
    let backend_of_failing = backend(&env, &failing, patient());
    serve_bytes(&env, failing, b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n");
    let error = backend_of_failing.probe().await.unwrap_err();
    assert!(matches!(error, BackendError::Probe { status: 503 }), "{error:?}");

    let cut = listen(&env).await;
    let backend_of_cut = backend(&env, &cut, patient());
    serve_bytes(&env, cut, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}");
    let error = backend_of_cut.probe().await.unwrap_err();
    assert!(matches!(error, BackendError::Body(_)), "{error:?}");

    // Accepted by the kernel, never by the server.
    let silent = listen(&env).await;
    let limits = HttpLimits {
        probe_head: SHORT,
        ..patient()
    };
    let error = backend(&env, &silent, limits).probe().await.unwrap_err();
    assert!(matches!(error, BackendError::HeadTimeout { limit: SHORT }), "{error:?}");
}

#[tokio::test]
async fn what_cannot_be_written_as_http_is_not_sent() {
    let env = env();
    let listener = listen(&env).await;
    let backend = backend(&env, &listener, patient());
    let smuggled = "/v1/models HTTP/1.1\r\nx: y";
    for path in ["/v1/chat completions", smuggled, "/v1/\u{7f}"] {
        let error = backend.call(BackendRequest::json(path, "{}")).await.unwrap_err();
        assert!(matches!(error, BackendError::InvalidRequest(_)), "{path}: {error:?}");
    }
    let typed = BackendRequest {
        content_type: "application/json\r\nx: y".to_owned(),
        ..request()
    };
    let error = backend.call(typed).await.unwrap_err();
    assert!(matches!(error, BackendError::InvalidRequest(_)), "{error:?}");
}

#[tokio::test]
async fn a_body_longer_than_asked_for_is_not_collected() {
    for (limit_bytes, fits) in [(4, false), (5, true)] {
        let env = env();
        let listener = listen(&env).await;
        let backend = backend(&env, &listener, patient());
        serve_bytes(&env, listener, b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
        let body = backend.call(request()).await.unwrap().body.collect(limit_bytes).await;
        match body {
            Ok(body) => assert!(fits && body == "hello"),
            Err(BackendError::BodyTooLong { limit_bytes: 4 }) => assert!(!fits),
            Err(other) => panic!("{other:?}"),
        }
    }
}

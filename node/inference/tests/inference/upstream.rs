//! The HTTP backend against servers on this machine's loopback: a proper one, and ones that break off or lie.

use crate::loopback;

use bytes::Bytes;
use chrysalis_env::http::HyperIo;
use chrysalis_inference::{
    Backend, BackendError, BackendRequest, HttpLimits, TinyBackend, TinyConfig, TinyModel, TinyOptions,
};
use futures_util::StreamExt as _;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{Request, Response, body::Frame, body::Incoming, server::conn::http1, service::service_fn};
use loopback::{CHAT, SHORT, backend, env, listen, patient, request, serve, serve_bytes, serve_channel};
use serde_json::{Value, json};
use std::{convert::Infallible, sync::Arc};
use tokio::{io::AsyncWriteExt as _, sync::mpsc};

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

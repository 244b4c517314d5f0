//! Limits on an upstream: time, silence, connections, back-pressure, cancellation.

use crate::loopback;

use bytes::Bytes;
use chrysalis_env::{Env, Listener};
use chrysalis_inference::{Backend, BackendError, BackendRequest, HttpLimits};
use futures_util::StreamExt as _;
use loopback::{LONG, SHORT, backend, env, listen, patient, request, serve, serve_bytes, serve_channel};
use std::{
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

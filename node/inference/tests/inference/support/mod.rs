//! A small world for tests: one node, one thread, a clock that jumps to the next timer.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test binary uses a part of it, and a test has nothing better to do than to fail"
)]

use bytes::Bytes;
use chrysalis_env::{BoxFuture, Engine, Env, Files, Listener, Observation, Stream, files::OsFiles, tls};
use chrysalis_inference::{Backend, BackendRequest, BackendResponse};
use futures_util::StreamExt as _;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
};

pub const START_UNIX_S: u64 = 1_760_000_000;

/// A world with one node. Its entropy follows from a seed.
#[derive(Clone)]
pub struct World(Arc<Node>);

struct Node {
    now_ns: AtomicU64,
    timers: Mutex<BTreeMap<(u64, u64), Waker>>,
    timer_count: AtomicU64,
    entropy: AtomicU64,
    observations: Mutex<Vec<Value>>,
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Node {
            now_ns: AtomicU64::new(0),
            timers: Mutex::default(),
            timer_count: AtomicU64::new(0),
            entropy: AtomicU64::new(seed << 32),
            observations: Mutex::default(),
        }))
    }

    pub fn env(&self) -> Env {
        Env::new(Arc::new(self.clone()))
    }

    pub fn now_ns(&self) -> u64 {
        self.0.now_ns.load(Relaxed)
    }

    /// What the node had to say, as JSON.
    pub fn observations(&self) -> Vec<Value> {
        self.0.observations.lock().unwrap().clone()
    }

    /// Runs a future to its end. The clock moves only when nothing else can.
    pub fn run<F: Future>(&self, future: F) -> F::Output {
        let mut future = std::pin::pin!(future);
        let ready = Arc::new(Ready(AtomicBool::new(true)));
        let waker = Waker::from(ready.clone());
        let mut cx = Context::from_waker(&waker);
        loop {
            while ready.0.swap(false, Relaxed) {
                if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                    return output;
                }
            }
            let next = self.0.timers.lock().unwrap().pop_first();
            let ((at_ns, _), waker) = next.expect("something is ready or a timer runs");
            self.0.now_ns.fetch_max(at_ns, Relaxed);
            waker.wake();
        }
    }
}

struct Ready(AtomicBool);

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

/// A timer that leaves no trace when it is dropped.
struct Timer {
    world: World,
    key: (u64, u64),
}

impl Future for Timer {
    type Output = ();
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.world.now_ns() >= self.key.0 {
            return Poll::Ready(());
        }
        let mut timers = self.world.0.timers.lock().unwrap();
        timers.insert(self.key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.world.0.timers.lock().unwrap().remove(&self.key);
    }
}

impl Engine for World {
    fn node_name(&self) -> &str {
        "test"
    }

    fn now_ns(&self) -> u64 {
        World::now_ns(self)
    }

    fn unix_ns(&self) -> u64 {
        START_UNIX_S * 1_000_000_000 + self.now_ns()
    }

    fn sleep_until(&self, at_ns: u64) -> BoxFuture<'static, ()> {
        Box::pin(Timer {
            world: self.clone(),
            key: (at_ns, self.0.timer_count.fetch_add(1, Relaxed)),
        })
    }

    fn spawn(&self, label: &'static str, _task: BoxFuture<'static, ()>) {
        panic!("nothing here starts tasks: {label}");
    }

    fn listen(&self, _address: SocketAddr) -> BoxFuture<'_, io::Result<Listener>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }

    fn connect(&self, _address: SocketAddr) -> BoxFuture<'_, io::Result<Stream>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }

    fn fill_entropy(&self, bytes: &mut [u8]) {
        for byte in bytes {
            let state = self.0.entropy.fetch_add(1, Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            *byte = (state >> 56) as u8;
        }
    }

    fn files(&self) -> Arc<dyn Files> {
        Arc::new(OsFiles::new("unused".into()))
    }

    fn crypto_provider(&self) -> Arc<rustls::crypto::CryptoProvider> {
        tls::stock_provider()
    }

    fn observe(&self, observation: &Observation<'_>) {
        let line = observation.to_json_line(self.unix_ns(), "test");
        self.0
            .observations
            .lock()
            .unwrap()
            .push(serde_json::from_str(&line).unwrap());
    }
}

pub const CHAT: &str = "/v1/chat/completions";
pub const COMPLETIONS: &str = "/v1/completions";

pub fn request(path: &str, body: &Value) -> BackendRequest {
    BackendRequest::json(path, body.to_string())
}

/// Sends a request and waits for the head.
pub async fn call(backend: &dyn Backend, path: &str, body: Value) -> BackendResponse {
    backend.call(request(path, &body)).await.unwrap()
}

/// Sends a request and waits for a whole JSON body.
pub async fn ask(backend: &dyn Backend, path: &str, body: Value) -> (u16, Value) {
    let response = call(backend, path, body).await;
    let status = response.status;
    let body = response.body.collect(1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

/// Sends a request for a stream and waits for all of its chunks.
pub async fn stream(backend: &dyn Backend, path: &str, body: Value) -> Vec<Bytes> {
    let response = call(backend, path, body).await;
    assert_eq!(response.status, 200);
    response.body.map(Result::unwrap).collect().await
}

/// The values of server-sent events; the last one must be the end mark.
pub fn events(chunks: &[Bytes]) -> Vec<Value> {
    let whole = String::from_utf8(chunks.concat()).unwrap();
    let events = whole.strip_suffix("data: [DONE]\n\n").unwrap();
    let data = |event: &str| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap();
    events.split_terminator("\n\n").map(data).collect()
}

/// All text of one choice of a streamed answer, and why it ended.
pub fn streamed_text(events: &[Value], index: u64) -> (String, String) {
    let mut text = String::new();
    let mut finish = None;
    for choice in events.iter().flat_map(|event| event["choices"].as_array().unwrap()) {
        if choice["index"] == index {
            assert_eq!(finish, None, "nothing comes after the end of a choice");
            let piece = choice["delta"]["content"].as_str().or(choice["text"].as_str());
            text.push_str(piece.unwrap_or_default());
            finish = choice["finish_reason"].as_str().map(str::to_owned);
        }
    }
    (text, finish.unwrap())
}

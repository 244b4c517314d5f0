//! One framed connection after its TLS handshake (spec §2.2, §2.4): reading, writing, keep-alive, queries.
//!
//! [`Connection`] is the handle through which everything sends; [`drive`] is the one task that moves bytes. Incoming
//! messages go to a [`Handler`], which may ask the reader to wait: that is how a slow receiver slows its sender.

use crate::{
    extension::SessionEvidence,
    live_session::LiveSession,
    outbox::{Outbox, SendError},
};
use chrysalis_env::{BoxFuture, Elapsed, Env};
use chrysalis_wire::{
    connection::{Connection as Protocol, Received, Side},
    frame::{FrameError, FrameReader, FrameWriter},
    keep_alive::{KeepAlive, KeepAliveAction, KeepAlivePolicy},
    packet::{Packet, TcpPing, TcpQuery, TcpQueryAnswer, TcpQueryError},
    query::{Query, QueryTimeouts},
    tl::Boxed,
};
use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot,
};

/// Bytes queued for one peer above which producers wait.
pub(crate) const OUTBOX_HIGH_WATER_BYTES: usize = 256 * 1024;
/// Bytes queued for one peer above which it counts as not reading: 200 answers that come at 50 tokens a second fill it
/// in five seconds.
const FAR_BEHIND_BYTES: usize = 16 * 1024 * 1024;
/// Bytes that one read takes at most: a TLS record.
const READ_BUFFER_BYTES: usize = 16 * 1024;
/// How long a closing connection may take to write what is queued.
const CLOSE_GRACE: Duration = Duration::from_secs(5);

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// The peer closed in order.
    #[error("the peer closed the connection")]
    PeerClosed,
    /// The socket failed.
    #[error("the connection failed: {0}")]
    Io(io::ErrorKind),
    /// Nothing was received for too long.
    #[error("nothing was received for too long")]
    Idle,
    /// The peer broke the protocol.
    #[error("protocol violation: {0}")]
    Violation(String),
    /// The peer's evidence was refused, withdrawn or not renewed.
    #[error("{0}")]
    Attestation(String),
    /// This end closed it.
    #[error("closed here: {0}")]
    Local(String),
}

/// Why a query has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The peer refused.
    #[error("refused with code {code}: {message}")]
    Refused {
        /// Error code (spec §1.6).
        code: i32,
        /// The peer's text: untrusted.
        message: String,
    },
    /// No answer in time.
    #[error("{0}")]
    TimedOut(#[from] Elapsed),
    /// The query could not be sent, or the connection ended first.
    #[error("{0}")]
    Send(#[from] SendError),
    /// The answer is not what was asked for.
    #[error("the answer cannot be read: {0}")]
    Malformed(String),
}

/// What a peer sent.
#[derive(Debug)]
pub(crate) enum Inbound {
    /// The transport is up (the dialer's turn to start the hand-shake).
    Ready,
    /// An application message.
    Message(Vec<u8>),
    /// An application query; answer it by [`Connection::answer`] or [`Connection::refuse`].
    Query {
        /// Identifier chosen by the peer.
        id: i64,
        /// The boxed query.
        data: Vec<u8>,
    },
}

/// What the handler wants after an incoming item.
pub(crate) enum Next {
    /// Read on.
    Continue,
    /// Close.
    Close(CloseReason),
}

/// Receives what the peer sends, in order.
pub(crate) trait Handler: Send {
    /// Handles one item.
    fn handle(&mut self, connection: &Connection, inbound: Inbound) -> Next;

    /// Why a peer that was accepted is to be refused from now on, if it is: asked now and again while evidence is judged.
    fn refusal(&self) -> Option<&'static str> {
        None
    }
}

type Pending = BTreeMap<i64, oneshot::Sender<Result<Vec<u8>, QueryError>>>;

struct Inner {
    env: Env,
    id: u64,
    peer_address: SocketAddr,
    outbox: Outbox,
    queries: Mutex<Option<Pending>>,
    reason: Mutex<Option<CloseReason>>,
}

/// A handle on one connection. Clones refer to the same one.
#[derive(Clone)]
pub(crate) struct Connection(Arc<Inner>);

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.0.id)
            .field("peer", &self.0.peer_address)
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Critical sections here are single map or option operations.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Connection {
    /// A connection with a node-wide unique `id`.
    pub(crate) fn new(env: Env, id: u64, peer_address: SocketAddr) -> Self {
        Self(Arc::new(Inner {
            env,
            id,
            peer_address,
            outbox: Outbox::new(OUTBOX_HIGH_WATER_BYTES),
            queries: Mutex::new(Some(Pending::new())),
            reason: Mutex::new(None),
        }))
    }

    pub(crate) fn id(&self) -> u64 {
        self.0.id
    }

    /// Queues a frame. A peer that has not read what was sent before is cut off.
    fn queue(
        &self,
        encode: impl FnOnce(&mut FrameWriter, &mut Vec<u8>) -> Result<(), FrameError>,
    ) -> Result<(), SendError> {
        let sent = self.0.outbox.send(encode);
        if let Err(error @ SendError::NotRead) = sent {
            self.close(CloseReason::Local(error.to_string()));
        }
        sent
    }

    fn send_packet(&self, packet: &Packet) -> Result<(), SendError> {
        self.queue(|frames, buffer| frames.packet(packet, buffer))
    }

    /// Queues an application message.
    pub(crate) fn send(&self, message: &impl Boxed) -> Result<(), SendError> {
        self.queue(|frames, buffer| frames.message(message, buffer))
    }

    /// Answers a query of the peer.
    pub(crate) fn answer(&self, id: i64, answer: &impl Boxed) -> Result<(), SendError> {
        self.queue(|frames, buffer| frames.query_answer(id, answer, buffer))
    }

    /// Refuses a query of the peer.
    pub(crate) fn refuse(&self, id: i64, code: i32, message: String) -> Result<(), SendError> {
        self.send_packet(&Packet::QueryError(TcpQueryError { id, code, message }))
    }

    /// Asks the peer and waits for its answer, as long as the protocol grants (spec §1.5).
    pub(crate) async fn query<Q: Query>(&self, query: &Q) -> Result<Q::Answer, QueryError> {
        let limit = Duration::from_nanos(QueryTimeouts::default().of(Q::PURPOSE));
        let (sender, receiver) = oneshot::channel();
        let id = i64::from_le_bytes(self.0.env.random());
        match lock(&self.0.queries).as_mut() {
            Some(pending) => pending.insert(id, sender),
            None => return Err(SendError::Closed.into()),
        };
        let _forget = Forget { connection: self, id };
        self.queue(|frames, buffer| frames.query(id, query, buffer))?;
        let answer = match self.0.env.timeout(limit, receiver).await? {
            Ok(result) => result?,
            Err(_dropped) => return Err(SendError::Closed.into()),
        };
        Q::Answer::decode(&answer).map_err(|error| QueryError::Malformed(error.to_string()))
    }

    /// Waits until the peer's queue is below its mark, at most `limit`. For tasks of one request: whoever reads a
    /// connection that several share must not wait for one of them.
    pub(crate) fn wait_for_room(&self, limit: Duration) -> impl Future<Output = Result<(), Elapsed>> + use<> {
        let connection = self.clone();
        async move { connection.0.env.timeout(limit, connection.0.outbox.room()).await }
    }

    /// Whether producers should wait.
    pub(crate) fn is_full(&self) -> bool {
        self.0.outbox.is_full()
    }

    /// Whether frames can still be queued.
    pub(crate) fn is_open(&self) -> bool {
        self.0.outbox.is_open()
    }

    /// Whether the peer is so far behind that nothing more should be kept for it.
    pub(crate) fn is_far_behind(&self) -> bool {
        self.0.outbox.queued_bytes() > FAR_BEHIND_BYTES
    }

    /// Closes after what is queued has been written.
    pub(crate) fn close(&self, reason: CloseReason) {
        lock(&self.0.reason).get_or_insert(reason);
        self.0.outbox.close();
    }

    fn resolve(&self, id: i64, result: Result<Vec<u8>, QueryError>) {
        // An unknown id is an answer that came after its time-out.
        if let Some(sender) = lock(&self.0.queries).as_mut().and_then(|pending| pending.remove(&id)) {
            let _ = sender.send(result);
        }
    }
}

struct Forget<'a> {
    connection: &'a Connection,
    id: i64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        if let Some(pending) = lock(&self.connection.0.queries).as_mut() {
            pending.remove(&self.id);
        }
    }
}

/// Moves bytes between `stream` and `connection` until either ends; says why it did.
pub(crate) async fn drive<S, H>(
    env: Env,
    stream: S,
    connection: Connection,
    side: Side,
    policy: KeepAlivePolicy,
    live: Option<LiveSession>,
    handler: H,
) -> CloseReason
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    H: Handler + Unpin,
{
    let protocol = match side {
        Side::Dialer => {
            let (protocol, connect) = Protocol::dial(i64::from_le_bytes(env.random()));
            // The queue of a new connection is open and empty.
            let _ = connection.send_packet(&connect);
            protocol
        }
        Side::Acceptor => Protocol::accept(),
    };
    let keep_alive = KeepAlive::new(side, policy, env.now_ns());
    // The first tick is at once: it says when the next is due.
    let live_until_ns = live.as_ref().map_or(u64::MAX, |_| env.now_ns());
    let timer = env.sleep_until(keep_alive.next_deadline_ns().min(live_until_ns));
    let driver = Driver {
        env,
        stream,
        connection: connection.clone(),
        protocol,
        handler,
        frames: FrameReader::default(),
        read_buffer: vec![0; READ_BUFFER_BYTES].into_boxed_slice(),
        unread: 0..0,
        writing: Vec::new(),
        written: 0,
        flushing: false,
        keep_alive,
        live,
        live_until_ns,
        timer,
        closing: None,
    };
    let reason = driver.await;
    let reason = lock(&connection.0.reason).get_or_insert(reason).clone();
    connection.0.outbox.close();
    // Dropping the senders tells everyone who still waits for an answer.
    drop(lock(&connection.0.queries).take());
    reason
}

struct Driver<S, H> {
    env: Env,
    stream: S,
    connection: Connection,
    protocol: Protocol,
    handler: H,
    frames: FrameReader,
    read_buffer: Box<[u8]>,
    /// What of the buffer was read and not yet taken apart.
    unread: std::ops::Range<usize>,
    writing: Vec<u8>,
    written: usize,
    flushing: bool,
    keep_alive: KeepAlive,
    /// The exchange of evidence, and when it has something to do.
    live: Option<LiveSession>,
    live_until_ns: u64,
    timer: BoxFuture<'static, ()>,
    closing: Option<BoxFuture<'static, ()>>,
}

impl<S, H> Future for Driver<S, H>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    H: Handler + Unpin,
{
    type Output = CloseReason;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CloseReason> {
        let this = &mut *self;
        if let Poll::Ready(reason) = this.poll_timer(cx) {
            return Poll::Ready(reason);
        }
        // Reading comes first so that answers to what was read leave in the same pass.
        let read = this.poll_inbound(cx);
        let write = this.poll_outbound(cx);
        match (read, write) {
            (Poll::Ready(reason), _) | (Poll::Pending, Poll::Ready(reason)) => Poll::Ready(reason),
            (Poll::Pending, Poll::Pending) => Poll::Pending,
        }
    }
}

impl<S, H> Driver<S, H>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    H: Handler + Unpin,
{
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        while self.timer.as_mut().poll(cx).is_ready() {
            match self.keep_alive.poll(self.env.now_ns()) {
                KeepAliveAction::Close => return Poll::Ready(CloseReason::Idle),
                KeepAliveAction::SendPing => {
                    let id = i64::from_le_bytes(self.env.random());
                    // On a closing connection nobody waits for the answer.
                    let _ = self.connection.send_packet(&Packet::Ping(TcpPing { id }));
                }
                KeepAliveAction::Wait { .. } => {}
            }
            if let Err(reason) = self.tick() {
                return Poll::Ready(reason);
            }
            let until_ns = self.keep_alive.next_deadline_ns().min(self.live_until_ns);
            self.timer = self.env.sleep_until(until_ns);
        }
        Poll::Pending
    }

    /// What is due for the evidence of the session. A peer that is refused here hears nothing more.
    fn tick(&mut self) -> Result<(), CloseReason> {
        let Some(live) = self.live.as_mut() else {
            return Ok(());
        };
        if self.env.now_ns() < self.live_until_ns {
            return Ok(());
        }
        let handler = &self.handler;
        let tick = live.tick(&self.env, self.protocol.is_ready(), || handler.refusal())?;
        self.live_until_ns = tick.until_ns;
        if let Some(data) = tick.message {
            // On a closing connection nobody waits for the answer.
            let _ = self.connection.send(&SessionEvidence { data });
        }
        Ok(())
    }

    fn poll_inbound(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        loop {
            // What comes after the reason to close is not looked at.
            if lock(&self.connection.0.reason).is_some() {
                return Poll::Pending;
            }
            let mut input = &self.read_buffer[self.unread.clone()];
            let frame = self.frames.next_payload(&mut input);
            self.unread.start = self.unread.end - input.len();
            match frame {
                Ok(Some(frame)) => {
                    self.keep_alive.received(self.env.now_ns());
                    match self.dispatch(&frame) {
                        Next::Continue => {}
                        Next::Close(reason) => {
                            // What is queued (an error answer, say) still goes out.
                            self.connection.close(reason);
                            return Poll::Pending;
                        }
                    }
                    continue;
                }
                Ok(None) => {}
                Err(error) => return Poll::Ready(CloseReason::Violation(error.to_string())),
            }
            if self.closing.is_some() {
                return Poll::Pending;
            }
            let mut buffer = ReadBuf::new(&mut self.read_buffer);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => return Poll::Ready(CloseReason::PeerClosed),
                Poll::Ready(Ok(())) => self.unread = 0..buffer.filled().len(),
                Poll::Ready(Err(error)) => return Poll::Ready(CloseReason::Io(error.kind())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn dispatch(&mut self, frame: &[u8]) -> Next {
        let received = Packet::decode(frame)
            .map_err(|error| error.to_string())
            .and_then(|packet| self.protocol.receive(packet).map_err(|error| error.to_string()));
        // A reply that cannot be queued any more belongs to a connection that is closing.
        let reply = |packet: &Packet| {
            let _ = self.connection.send_packet(packet);
        };
        match received {
            Ok(Received::Ready { reply: answer }) => {
                answer.iter().for_each(reply);
                self.handler.handle(&self.connection, Inbound::Ready)
            }
            Ok(Received::Reply(packet)) => {
                reply(&packet);
                Next::Continue
            }
            Ok(Received::Nothing) => Next::Continue,
            Ok(Received::Message(data)) => match self.live.as_mut().zip(SessionEvidence::from_message(&data)) {
                Some((live, message)) => match live.receive(&self.env, &message.data) {
                    Ok(answer) => {
                        if let Some(data) = answer {
                            let _ = self.connection.send(&SessionEvidence { data });
                        }
                        Next::Continue
                    }
                    Err(reason) => Next::Close(reason),
                },
                None => self.handler.handle(&self.connection, Inbound::Message(data)),
            },
            Ok(Received::Query(TcpQuery { id, data })) => {
                self.handler.handle(&self.connection, Inbound::Query { id, data })
            }
            Ok(Received::QueryAnswer(TcpQueryAnswer { id, data })) => {
                self.connection.resolve(id, Ok(data));
                Next::Continue
            }
            Ok(Received::QueryError(TcpQueryError { id, code, message })) => {
                self.connection.resolve(id, Err(QueryError::Refused { code, message }));
                Next::Continue
            }
            Err(error) => Next::Close(CloseReason::Violation(error)),
        }
    }

    fn poll_outbound(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        if let Some(grace) = &mut self.closing
            && grace.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(CloseReason::Local("the peer did not read what was queued".into()));
        }
        loop {
            while self.written < self.writing.len() {
                match Pin::new(&mut self.stream).poll_write(cx, &self.writing[self.written..]) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(CloseReason::Io(io::ErrorKind::WriteZero)),
                    Poll::Ready(Ok(written)) => {
                        self.written += written;
                        self.flushing = true;
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(CloseReason::Io(error.kind())),
                    Poll::Pending => return self.note_closing(cx),
                }
            }
            self.writing.clear();
            self.written = 0;
            match self.connection.0.outbox.poll_take(cx, &mut self.writing) {
                Poll::Ready(true) => continue,
                Poll::Ready(false) => {}
                Poll::Pending if !self.flushing => return Poll::Pending,
                Poll::Pending => {}
            }
            if self.flushing {
                match Pin::new(&mut self.stream).poll_flush(cx) {
                    Poll::Ready(Ok(())) => self.flushing = false,
                    Poll::Ready(Err(error)) => return Poll::Ready(CloseReason::Io(error.kind())),
                    Poll::Pending => return self.note_closing(cx),
                }
            }
            // Closed and empty: say so to the peer (TLS close_notify), then end.
            let reason = lock(&self.connection.0.reason).clone();
            let Some(reason) = reason else {
                return Poll::Pending;
            };
            return match Pin::new(&mut self.stream).poll_shutdown(cx) {
                Poll::Ready(_) => Poll::Ready(reason),
                Poll::Pending => self.note_closing(cx),
            };
        }
    }

    /// A closing connection that cannot write is given a limited time.
    fn note_closing(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        // Registered before the look at the reason, so that one that comes in between is not missed.
        self.connection.0.outbox.wake_on_close(cx);
        if self.closing.is_none() && lock(&self.connection.0.reason).is_some() {
            let mut grace = self.env.sleep(CLOSE_GRACE);
            // A fresh timer of five seconds is not over yet; polling it registers the waker.
            let _ = grace.as_mut().poll(cx);
            self.closing = Some(grace);
        }
        Poll::Pending
    }
}

//! What is known about a connection: two ends, and for each the pipe towards it.

use super::{NetTimer, link::Link, ring::Ring};
use crate::{
    log::EventKind,
    node::NodeId,
    slab::Key,
    task::{Tasks, WakeSlot},
    timer::{TimerKey, Wheel},
    world::{State, Timer},
};
use std::{collections::VecDeque, io, net::SocketAddrV4};

/// Bytes that arrive together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    pub(super) at_ns: u64,
    pub(super) length: usize,
}

/// Where the end of a pipe's data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Fin {
    /// More may be written.
    #[default]
    Open,
    /// The writer shut down, but the FIN could not leave yet.
    Waiting,
    /// The FIN arrives then.
    Arrives(u64),
}

/// Data that got no acknowledgement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retry {
    pub(super) timer: TimerKey,
    pub(super) since_ns: u64,
    pub(super) interval_ns: u64,
}

/// One direction of a connection, seen from its reader.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    /// Arrived bytes, then bytes under way, then bytes that wait for a way.
    pub(super) bytes: Ring,
    pub(super) arrived: usize,
    pub(super) segments: VecDeque<Segment>,
    pub(super) waiting: usize,
    pub(super) fin: Fin,
    /// Nothing arrives before what was sent before it.
    pub(super) last_ns: u64,
    /// Window space that the writer will know of, and when.
    pub(super) credits: VecDeque<Segment>,
    /// Window space of which the news was lost.
    pub(super) credit_lost: usize,
    /// Bytes that count against the window.
    pub(super) outstanding: usize,
    pub(super) retry: Option<Retry>,
    /// The tail is in its link's list of held packets.
    pub(super) held: bool,
}

impl Pipe {
    /// Counts what has arrived by now.
    #[inline]
    pub(super) fn absorb(&mut self, now_ns: u64) {
        while let Some(segment) = self.segments.front()
            && segment.at_ns <= now_ns
        {
            self.arrived += segment.length;
            self.segments.pop_front();
        }
    }

    /// When the reader will next see something, if that is known.
    #[inline]
    pub(super) fn next_arrival_ns(&self) -> Option<u64> {
        match (self.segments.front(), self.fin) {
            (Some(segment), _) => Some(segment.at_ns),
            (None, Fin::Arrives(at_ns)) if self.waiting == 0 => Some(at_ns),
            _ => None,
        }
    }

    pub(super) fn fin_arrived(&self, now_ns: u64) -> bool {
        matches!(self.fin, Fin::Arrives(at_ns) if at_ns <= now_ns)
    }

    /// Gives the writer the window space it knows of by now.
    #[inline]
    pub(super) fn mature(&mut self, now_ns: u64) {
        while let Some(credit) = self.credits.front()
            && credit.at_ns <= now_ns
        {
            self.outstanding -= credit.length;
            self.credits.pop_front();
        }
    }

    /// Forgets what has not left yet.
    pub(super) fn drop_waiting(&mut self) {
        self.bytes.truncate_by(self.waiting);
        self.outstanding = self.outstanding.saturating_sub(self.waiting);
        self.waiting = 0;
        if self.fin == Fin::Waiting {
            self.fin = Fin::Open;
        }
    }
}

/// Who holds an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// Nobody yet: the server's end before `accept`.
    Backlog,
    /// A socket of a live process.
    Socket,
    /// Nobody any more; the operating system answers with RST.
    Closed,
    /// Nobody, and nobody answers: the machine lost its power.
    Silent,
}

/// Why a socket failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    Refused = 1,
    TimedOut = 2,
    Reset = 3,
    BrokenPipe = 4,
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused => io::ErrorKind::ConnectionRefused,
            Failure::TimedOut => io::ErrorKind::TimedOut,
            Failure::Reset => io::ErrorKind::ConnectionReset,
            Failure::BrokenPipe => io::ErrorKind::BrokenPipe,
        }
        .into()
    }
}

pub(super) struct End {
    pub(super) node: NodeId,
    pub(super) address: SocketAddrV4,
    pub(super) holder: Holder,
    /// Link to the other end.
    pub(super) out: u32,
    /// A failure that the socket has not been told yet.
    pub(super) failure: Option<Failure>,
    /// The connection is void for this end.
    pub(super) broken: bool,
    /// A RST is on its way to this end.
    pub(super) reset_sent: bool,
    pub(super) read_wake: WakeSlot,
    pub(super) write_wake: WakeSlot,
    pub(super) read_timer: Option<TimerKey>,
    pub(super) write_timer: Option<TimerKey>,
    /// What comes to this end.
    pub(super) inbound: Pipe,
}

impl End {
    pub(super) fn new(node: NodeId, address: SocketAddrV4, holder: Holder, out: u32) -> Self {
        Self {
            node,
            address,
            holder,
            out,
            failure: None,
            broken: false,
            reset_sent: false,
            read_wake: WakeSlot::Empty,
            write_wake: WakeSlot::Empty,
            read_timer: None,
            write_timer: None,
            inbound: Pipe::default(),
        }
    }

    /// Whether data for this end is of use to anybody.
    #[inline]
    pub(super) fn receives(&self) -> bool {
        !self.broken && matches!(self.holder, Holder::Socket | Holder::Backlog)
    }
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The client waits for an answer to its SYN.
    SynSent,
    /// The client knows that it is connected.
    Established,
}

/// How far its server's end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerPhase {
    /// No SYN has arrived.
    None,
    /// The SYN-ACK has not been answered.
    HalfOpen,
    /// In the backlog or accepted.
    Established,
}

pub(super) struct Connection {
    pub(super) id: u64,
    /// The client's end, then the server's.
    pub(super) ends: [End; 2],
    pub(super) phase: Phase,
    pub(super) server: ServerPhase,
    pub(super) listener: Key,
    pub(super) syn_attempts: u32,
    pub(super) syn_ack_attempts: u32,
    pub(super) syn_timer: Option<TimerKey>,
    pub(super) syn_ack_timer: Option<TimerKey>,
}

/// A connection's parts and the parts of the world that they need, borrowed apart.
pub(super) struct Parts<'a> {
    pub(super) connection: &'a mut Connection,
    pub(super) links: &'a mut [Link],
    pub(super) wheel: &'a mut Wheel<Timer>,
    pub(super) tasks: &'a mut Tasks,
    pub(super) now_ns: u64,
}

impl State {
    #[inline]
    pub(super) fn parts(&mut self, key: Key) -> Option<Parts<'_>> {
        Some(Parts {
            connection: self.net.connections.get_mut(key)?,
            links: &mut self.net.links,
            wheel: &mut self.wheel,
            tasks: &mut self.tasks,
            now_ns: self.now_ns,
        })
    }

    /// Fails a socket of a live process by itself: nobody else is told.
    pub(super) fn fail_socket(&mut self, key: Key, end: usize, failure: Failure) {
        let Some(parts) = self.parts(key) else { return };
        let id = parts.connection.id;
        let socket = &mut parts.connection.ends[end];
        let node = socket.node;
        socket.failure = Some(failure);
        socket.broken = true;
        parts.tasks.wake(&mut socket.read_wake);
        parts.tasks.wake(&mut socket.write_wake);
        let outbound = &mut parts.connection.ends[1 - end].inbound;
        outbound.drop_waiting();
        if let Some(retry) = outbound.retry.take() {
            parts.wheel.cancel(retry.timer);
        }
        self.event(EventKind::SocketFailed, node, id, failure as u64, 0);
    }

    /// Frees a connection that no process holds or will hold.
    pub(super) fn free_if_unheld(&mut self, key: Key) {
        let Some(connection) = self.net.connections.get(key) else {
            return;
        };
        if connection
            .ends
            .iter()
            .any(|end| matches!(end.holder, Holder::Socket | Holder::Backlog))
        {
            return;
        }
        let Some(connection) = self.net.connections.remove(key) else {
            return;
        };
        let timers = [connection.syn_timer, connection.syn_ack_timer];
        for timer in timers.into_iter().flatten() {
            self.wheel.cancel(timer);
        }
        for end in &connection.ends {
            let timers = [
                end.read_timer,
                end.write_timer,
                end.inbound.retry.map(|retry| retry.timer),
            ];
            for timer in timers.into_iter().flatten() {
                self.wheel.cancel(timer);
            }
        }
        let [client, server] = connection.ends;
        if let Some(node) = self.nodes.get_mut(client.node.index()) {
            node.ports.outgoing.remove(&(client.address.port(), server.address));
        }
        // Wakers of closed sockets may be foreign: they are woken outside the lock, which does no harm.
        for mut slot in [client.read_wake, client.write_wake, server.read_wake, server.write_wake] {
            self.tasks.wake(&mut slot);
        }
    }

    pub(crate) fn on_net_timer(&mut self, key: Key, what: NetTimer) {
        match what {
            NetTimer::Readable(end) => {
                if let Some(parts) = self.parts(key) {
                    let socket = &mut parts.connection.ends[end];
                    socket.read_timer = None;
                    parts.tasks.wake(&mut socket.read_wake);
                }
            }
            NetTimer::Writable(end) => self.on_writable(key, end),
            NetTimer::Answer(end) => self.on_answer(key, end),
            NetTimer::Reset(end) => self.on_reset(key, end),
            NetTimer::Retransmit(end) => self.on_retransmit(key, end),
            NetTimer::Syn => self.on_syn(key),
            NetTimer::SynAck => self.on_syn_ack(key),
            NetTimer::Ack => self.on_ack(key),
            NetTimer::Refusal => self.on_refusal(key),
            NetTimer::SynRetry => self.on_syn_retry(key),
            NetTimer::SynAckRetry => self.on_syn_ack_retry(key),
        }
    }
}

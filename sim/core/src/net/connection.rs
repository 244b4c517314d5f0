//! What is known about a connection: two ends, and for each the pipe towards it.

use super::{
    NetTimer,
    link::{Link, Path},
    ring::Ring,
    segments::Segments,
};
use crate::{
    log::{EventKind, EventWriter},
    node::NodeId,
    slab::Key,
    task::{Tasks, WakeSlot},
    timer::{TimerKey, Wheel},
    world::{State, Timer},
};
use std::{io, net::SocketAddrV4};

/// Data that got no acknowledgement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retry {
    pub(super) timer: TimerKey,
    pub(super) since_ns: u64,
    pub(super) interval_ns: u64,
}

/// Where the end of a pipe's data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fin {
    /// More may be written.
    Open,
    /// The writer shut down, but the FIN could not leave yet.
    Waiting,
    /// The FIN is under way or has arrived: [`Pipe::fin_ns`].
    Sent,
}

/// One direction of a connection, seen from its reader. Of the order of `bytes`: arrived, then under way, then
/// waiting for a way.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) bytes: Ring,
    pub(super) segments: Segments,
    /// Window space that the writer will know of, and when.
    pub(super) credits: Segments,
    /// Nothing arrives before what was sent before it.
    pub(super) last_ns: u64,
    pub(super) arrived: u32,
    pub(super) waiting: u32,
    /// Bytes that count against the window.
    pub(super) outstanding: u32,
    /// Window space of which the news was lost.
    pub(super) credit_lost: u32,
    /// Bytes written since the connection was opened.
    pub(super) written: u64,
    /// When the FIN arrives.
    pub(super) fin_ns: u64,
    pub(super) retry: Option<Box<Retry>>,
    pub(super) fin: Fin,
    /// The tail is in its link's list of held packets.
    pub(super) held: bool,
}

impl Pipe {
    fn new() -> Self {
        Self {
            bytes: Ring::default(),
            segments: Segments::default(),
            credits: Segments::default(),
            last_ns: 0,
            arrived: 0,
            waiting: 0,
            outstanding: 0,
            credit_lost: 0,
            written: 0,
            fin_ns: 0,
            retry: None,
            fin: Fin::Open,
            held: false,
        }
    }

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
        match self.segments.front() {
            Some(segment) => Some(segment.at_ns),
            None if self.fin == Fin::Sent && self.waiting == 0 => Some(self.fin_ns),
            None => None,
        }
    }

    #[inline]
    pub(super) fn fin_arrived(&self, now_ns: u64) -> bool {
        self.fin == Fin::Sent && self.fin_ns <= now_ns
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

    /// Takes what the writer hands over.
    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.push(bytes);
        self.outstanding += bytes.len() as u32;
        self.written += bytes.len() as u64;
    }

    /// Forgets what has not left yet.
    pub(super) fn drop_waiting(&mut self) {
        self.bytes.truncate_by(self.waiting as usize);
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

/// What the links mean for one end, worked out once and good until any link changes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// [`super::Net::epoch`] at that time.
    epoch: u32,
    /// Window of what this end writes.
    pub(super) window: u32,
    /// Delay of what this end writes; [`Plan::LOOK`] where it is not simply that.
    pub(super) delay_ns: u64,
    /// Delay of news about window space from this end; [`Plan::LOOK`] where it does not get through.
    pub(super) credit_ns: u64,
}

impl Plan {
    /// The links have to be asked.
    pub(super) const LOOK: u64 = u64::MAX;
}

pub(super) struct End {
    pub(super) plan: Plan,
    /// Link to the other end.
    pub(super) out: u32,
    pub(super) node: NodeId,
    pub(super) holder: Holder,
    /// A failure that the socket has not been told yet.
    pub(super) failure: Option<Failure>,
    /// The connection is void for this end.
    pub(super) broken: bool,
    /// A RST is on its way to this end.
    pub(super) reset_sent: bool,
    pub(super) read_wake: WakeSlot,
    pub(super) read_timer: TimerKey,
    /// What comes to this end.
    pub(super) inbound: Pipe,
    pub(super) write_wake: WakeSlot,
    pub(super) write_timer: TimerKey,
    pub(super) address: SocketAddrV4,
}

impl End {
    pub(super) fn new(node: NodeId, address: SocketAddrV4, holder: Holder, out: u32) -> Self {
        Self {
            plan: Plan {
                epoch: 0,
                window: 0,
                delay_ns: Plan::LOOK,
                credit_ns: Plan::LOOK,
            },
            out,
            node,
            holder,
            failure: None,
            broken: false,
            reset_sent: false,
            read_wake: WakeSlot::Empty,
            read_timer: TimerKey::NONE,
            inbound: Pipe::new(),
            write_wake: WakeSlot::Empty,
            write_timer: TimerKey::NONE,
            address,
        }
    }

    /// Whether data for this end is of use to anybody.
    #[inline]
    pub(super) fn receives(&self) -> bool {
        !self.broken && matches!(self.holder, Holder::Socket | Holder::Backlog)
    }

    /// Whether a process holds it, or will once it accepts.
    pub(super) fn is_held(&self) -> bool {
        matches!(self.holder, Holder::Socket | Holder::Backlog)
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
    pub(super) syn_attempts: u32,
    pub(super) syn_ack_attempts: u32,
    pub(super) listener: Key,
    pub(super) syn_timer: TimerKey,
    pub(super) syn_ack_timer: TimerKey,
}

impl Connection {
    /// One end and the other.
    #[inline]
    pub(super) fn from(&mut self, end: usize) -> (&mut End, &mut End) {
        let [client, server] = &mut self.ends;
        if end == 0 { (client, server) } else { (server, client) }
    }
}

/// A connection's parts and the parts of the world that they need, borrowed apart.
pub(super) struct Parts<'a> {
    pub(super) connection: &'a mut Connection,
    pub(super) links: &'a mut [Link],
    pub(super) wheel: &'a mut Wheel<Timer>,
    pub(super) tasks: &'a mut Tasks,
    pub(super) log: &'a mut EventWriter,
    pub(super) now_ns: u64,
    pub(super) has_tap: bool,
    epoch: u32,
}

impl Parts<'_> {
    /// What the links mean for `end`.
    #[inline]
    pub(super) fn plan(&mut self, end: usize) -> Plan {
        let plan = self.connection.ends[end].plan;
        if plan.epoch == self.epoch {
            plan
        } else {
            self.make_plan(end)
        }
    }

    #[cold]
    fn make_plan(&mut self, end: usize) -> Plan {
        let (socket, peer) = self.connection.from(end);
        let (out, back) = (&self.links[socket.out as usize], &self.links[peer.out as usize]);
        socket.plan = Plan {
            epoch: self.epoch,
            window: out.buffer_bytes,
            delay_ns: match (out.path(), back.path()) {
                (Path::Up, Path::Up | Path::Held) => out.simple_delay_ns().unwrap_or(Plan::LOOK),
                _ => Plan::LOOK,
            },
            credit_ns: match out.path() {
                Path::Up => out.typical_ns,
                Path::Cut | Path::Held => Plan::LOOK,
            },
        };
        socket.plan
    }
}

impl State {
    #[inline]
    pub(super) fn parts(&mut self, key: Key) -> Option<Parts<'_>> {
        Some(Parts {
            connection: self.net.connections.get_mut(key)?,
            links: &mut self.net.links,
            wheel: &mut self.wheel,
            tasks: &mut self.tasks,
            log: &mut self.log,
            now_ns: self.now_ns,
            has_tap: self.tap.is_some(),
            epoch: self.net.epoch,
        })
    }

    /// Fails a socket of a live process by itself: nobody else is told.
    pub(super) fn fail_socket(&mut self, key: Key, end: usize, failure: Failure) {
        let Some(parts) = self.parts(key) else { return };
        let id = parts.connection.id;
        let (socket, peer) = parts.connection.from(end);
        let node = socket.node;
        socket.failure = Some(failure);
        socket.broken = true;
        parts.tasks.wake(&mut socket.read_wake);
        parts.tasks.wake(&mut socket.write_wake);
        let outbound = &mut peer.inbound;
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
        if connection.ends.iter().any(End::is_held) {
            return;
        }
        let Some(connection) = self.net.connections.remove(key) else {
            return;
        };
        self.wheel.cancel(connection.syn_timer);
        self.wheel.cancel(connection.syn_ack_timer);
        for end in &connection.ends {
            self.wheel.cancel(end.read_timer);
            self.wheel.cancel(end.write_timer);
            if let Some(retry) = &end.inbound.retry {
                self.wheel.cancel(retry.timer);
            }
        }
        let [client, server] = connection.ends;
        if let Some(node) = self.nodes.get_mut(client.node.index()) {
            node.ports.outgoing.remove(&(client.address.port(), server.address));
        }
        // Wakers of closed sockets may be foreign: they are woken where nothing is borrowed, which does no harm.
        for mut slot in [client.read_wake, client.write_wake, server.read_wake, server.write_wake] {
            self.tasks.wake(&mut slot);
        }
    }

    pub(crate) fn on_net_timer(&mut self, key: Key, what: NetTimer) {
        match what {
            NetTimer::Readable(end) => {
                if let Some(parts) = self.parts(key) {
                    let socket = &mut parts.connection.ends[end as usize];
                    socket.read_timer = TimerKey::NONE;
                    parts.tasks.wake(&mut socket.read_wake);
                }
            }
            NetTimer::Writable(end) => self.on_writable(key, end as usize),
            NetTimer::Answer(end) => self.on_answer(key, end as usize),
            NetTimer::Reset(end) => self.on_reset(key, end as usize),
            NetTimer::Retransmit(end) => self.on_retransmit(key, end as usize),
            NetTimer::Syn => self.on_syn(key),
            NetTimer::SynAck => self.on_syn_ack(key),
            NetTimer::Ack => self.on_ack(key),
            NetTimer::Refusal => self.on_refusal(key),
            NetTimer::SynRetry => self.on_syn_retry(key),
            NetTimer::SynAckRetry => self.on_syn_ack_retry(key),
        }
    }
}

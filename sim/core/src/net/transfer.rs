//! Moving bytes: write, read, shutdown, close, reset.

use super::{
    NetTimer,
    connection::{Failure, Fin, Holder, Parts, Phase, Plan, ServerPhase},
    link::{HeldPacket, Path},
    segments::Segment,
};
use crate::{
    log::{EventKind, mix},
    slab::Key,
    tap::PacketKind,
    timer::TimerKey,
    world::{State, Timer},
};
use std::{
    io,
    task::{Context, Poll, Waker},
};
use tokio::io::ReadBuf;

/// What one write puts on the wire at most, as with generic segmentation offload.
const SEGMENT_BYTES_MAX: usize = 64 * 1024;

fn gone() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

impl Parts<'_> {
    /// Wakes the reader at `end` when there will be something for it.
    #[inline]
    pub(super) fn arm_reader(&mut self, key: Key, end: usize) {
        let socket = &mut self.connection.ends[end];
        if socket.read_timer == TimerKey::NONE
            && !socket.read_wake.is_empty()
            && let Some(at_ns) = socket.inbound.next_arrival_ns()
        {
            let what = NetTimer::Readable(end as u8);
            socket.read_timer = self.wheel.insert(at_ns, Timer::Net { connection: key, what });
        }
    }

    /// Logs data that `end` sends.
    #[inline]
    fn log_data(&mut self, end: usize, arrives_ns: u64, length: usize, digest: u64) {
        let (from, to) = (self.connection.ends[end].node.0, self.connection.ends[1 - end].node.0);
        let digest = digest ^ arrives_ns.rotate_left(32);
        let id = self.connection.id;
        self.log
            .push(self.now_ns, EventKind::Data, from, to, id, length as u64, digest);
    }
}

impl State {
    /// Whether the connection is open, at its client.
    pub(crate) fn socket_connected(
        &mut self,
        key: Key,
        context: &Context<'_>,
        stale: &mut Option<Box<Waker>>,
    ) -> Poll<io::Result<()>> {
        let Some(parts) = self.parts(key) else {
            return Poll::Ready(Err(gone()));
        };
        let phase = parts.connection.phase;
        let socket = &mut parts.connection.ends[0];
        if socket.holder != Holder::Socket {
            return Poll::Ready(Err(gone()));
        }
        match (socket.failure.take(), phase) {
            (Some(failure), _) => Poll::Ready(Err(failure.into())),
            (None, Phase::Established) => Poll::Ready(Ok(())),
            (None, Phase::SynSent) => {
                *stale = parts.tasks.current.park(context, &mut socket.write_wake);
                Poll::Pending
            }
        }
    }

    /// Writes at `end`.
    #[inline]
    pub(crate) fn socket_write(
        &mut self,
        key: Key,
        end: usize,
        context: &Context<'_>,
        bytes: &[u8],
        stale: &mut Option<Box<Waker>>,
    ) -> Poll<io::Result<usize>> {
        let Some(mut parts) = self.parts(key) else {
            return Poll::Ready(Err(gone()));
        };
        let (now_ns, plan) = (parts.now_ns, parts.plan(end));
        let (socket, peer) = parts.connection.from(end);
        if socket.holder != Holder::Socket {
            return Poll::Ready(Err(gone()));
        }
        if socket.broken || peer.inbound.fin != Fin::Open {
            let failure = socket.failure.take().unwrap_or(Failure::BrokenPipe);
            return Poll::Ready(Err(failure.into()));
        }
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if !peer.receives() {
            return Poll::Ready(Ok(self.write_to_nobody(key, end, bytes)));
        }
        let outbound = &mut peer.inbound;
        outbound.mature(now_ns);
        let room = plan.window.saturating_sub(outbound.outstanding) as usize;
        if room == 0 {
            *stale = parts.tasks.current.park(context, &mut socket.write_wake);
            self.arm_writer(key, end);
            return Poll::Pending;
        }
        let length = bytes.len().min(room).min(SEGMENT_BYTES_MAX);
        let sent = &bytes[..length];
        if plan.delay_ns == Plan::LOOK || outbound.waiting > 0 || parts.has_tap {
            self.write_looking(key, end, sent);
            return Poll::Ready(Ok(length));
        }
        // The short way: nothing random, nothing in the way, nobody watching.
        outbound.push(sent);
        let at_ns = now_ns.saturating_add(plan.delay_ns).max(outbound.last_ns);
        outbound.last_ns = at_ns;
        outbound.segments.push_back(Segment {
            at_ns,
            length: length as u32,
        });
        parts.arm_reader(key, 1 - end);
        parts.log_data(end, at_ns, length, mix::bytes(sent));
        Poll::Ready(Ok(length))
    }

    /// Writes where the links have to be asked, or somebody watches.
    fn write_looking(&mut self, key: Key, end: usize, sent: &[u8]) {
        let config = self.net.config;
        let Some(mut parts) = self.parts(key) else { return };
        let outbound = &mut parts.connection.ends[1 - end].inbound;
        let offset = outbound.written;
        let follows = outbound.waiting > 0;
        outbound.push(sent);
        let path = parts.path_from(end);
        let arrives_ns = if path == Path::Up && !follows {
            let at_ns = parts.arrival_ns(end, sent.len(), &config);
            parts.connection.ends[1 - end].inbound.segments.push_back(Segment {
                at_ns,
                length: sent.len() as u32,
            });
            parts.arm_reader(key, 1 - end);
            if parts.path_from(1 - end) == Path::Cut {
                // It arrives, but no acknowledgement comes back.
                parts.arm_retry(key, end, &config);
            }
            Some(at_ns)
        } else {
            parts.connection.ends[1 - end].inbound.waiting += sent.len() as u32;
            if !follows {
                parts.stop_tail(key, end, path, &config);
            }
            None
        };
        parts.log_data(end, arrives_ns.unwrap_or(u64::MAX), sent.len(), mix::bytes(sent));
        self.show(key, end, PacketKind::Data, arrives_ns, offset, sent);
    }

    /// Data for an end that nobody holds: it is thrown away, and answered with RST if there is anybody to answer.
    #[cold]
    fn write_to_nobody(&mut self, key: Key, end: usize, bytes: &[u8]) -> usize {
        let config = self.net.config;
        let sent = &bytes[..bytes.len().min(SEGMENT_BYTES_MAX)];
        let Some(connection) = self.net.connections.get(key) else {
            return sent.len();
        };
        let peer = &connection.ends[1 - end];
        let is_dark = peer.holder == Holder::Silent && !self.nodes[peer.node.index()].powered;
        let Some(mut parts) = self.parts(key) else {
            return sent.len();
        };
        let path = match parts.links[parts.connection.ends[end].out as usize].path() {
            Path::Up if is_dark => Path::Cut,
            path => path,
        };
        let offset = parts.connection.ends[1 - end].inbound.written;
        let arrives_ns = if path == Path::Up {
            parts.connection.ends[1 - end].inbound.written += sent.len() as u64;
            Some(parts.arrival_ns(end, sent.len(), &config))
        } else {
            let outbound = &mut parts.connection.ends[1 - end].inbound;
            outbound.push(sent);
            outbound.waiting += sent.len() as u32;
            parts.stop_tail(key, end, path, &config);
            None
        };
        parts.log_data(end, arrives_ns.unwrap_or(u64::MAX), sent.len(), mix::bytes(sent));
        self.show(key, end, PacketKind::Data, arrives_ns, offset, sent);
        if let Some(at_ns) = arrives_ns {
            self.answer_with_reset(key, 1 - end, at_ns);
        }
        sent.len()
    }

    /// The operating system of `end` will answer a packet that arrives at `at_ns` with RST, once.
    pub(super) fn answer_with_reset(&mut self, key: Key, end: usize, at_ns: u64) {
        let Some(parts) = self.parts(key) else { return };
        if !std::mem::replace(&mut parts.connection.ends[1 - end].reset_sent, true) {
            let what = NetTimer::Answer(end as u8);
            parts.wheel.insert(at_ns, Timer::Net { connection: key, what });
        }
    }

    /// A packet reached `end`, which nobody holds.
    pub(super) fn on_answer(&mut self, key: Key, end: usize) {
        let Some(connection) = self.net.connections.get(key) else {
            return;
        };
        let node = connection.ends[end].node;
        if self.nodes[node.index()].powered {
            self.send_reset(key, end);
        } else if let Some(connection) = self.net.connections.get_mut(key) {
            connection.ends[1 - end].reset_sent = false;
        }
    }

    /// Wakes the writer at `end` when it will have window space, if that is known.
    #[cold]
    fn arm_writer(&mut self, key: Key, end: usize) {
        let probe_ns = self.net.config.retransmit_min_ns;
        let Some(parts) = self.parts(key) else { return };
        let (socket, peer) = parts.connection.from(end);
        let at_ns = match peer.inbound.credits.front() {
            Some(credit) => credit.at_ns,
            // The news got lost: the writer probes for it.
            None if peer.inbound.credit_lost > 0 => parts.now_ns.saturating_add(probe_ns),
            None => return,
        };
        if socket.write_timer == TimerKey::NONE {
            let what = NetTimer::Writable(end as u8);
            socket.write_timer = parts.wheel.insert(at_ns, Timer::Net { connection: key, what });
        }
    }

    pub(super) fn on_writable(&mut self, key: Key, end: usize) {
        let Some(mut parts) = self.parts(key) else { return };
        let now_ns = parts.now_ns;
        let window = parts.plan(end).window;
        let is_up = parts.path_from(1 - end) == Path::Up && parts.path_from(end) == Path::Up;
        let (socket, peer) = parts.connection.from(end);
        socket.write_timer = TimerKey::NONE;
        let outbound = &mut peer.inbound;
        outbound.mature(now_ns);
        if is_up {
            outbound.outstanding -= std::mem::take(&mut outbound.credit_lost);
        }
        if outbound.outstanding < window {
            parts.tasks.wake(&mut socket.write_wake);
        } else {
            self.arm_writer(key, end);
        }
    }

    /// Reads at `end`.
    #[inline]
    pub(crate) fn socket_read(
        &mut self,
        key: Key,
        end: usize,
        context: &Context<'_>,
        buffer: &mut ReadBuf<'_>,
        stale: &mut Option<Box<Waker>>,
    ) -> Poll<io::Result<()>> {
        let Some(mut parts) = self.parts(key) else {
            return Poll::Ready(Err(gone()));
        };
        let now_ns = parts.now_ns;
        let socket = &mut parts.connection.ends[end];
        if socket.holder != Holder::Socket {
            return Poll::Ready(Err(gone()));
        }
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let inbound = &mut socket.inbound;
        inbound.absorb(now_ns);
        if inbound.arrived > 0 {
            let length = (inbound.arrived as usize).min(buffer.remaining());
            inbound.bytes.pop(length, |part| buffer.put_slice(part));
            let length = length as u32;
            inbound.arrived -= length;
            let credit_ns = parts.plan(end).credit_ns;
            let (socket, peer) = parts.connection.from(end);
            let inbound = &mut socket.inbound;
            if credit_ns == Plan::LOOK {
                inbound.credit_lost += length;
            } else {
                inbound.mature(now_ns);
                let at_ns = now_ns.saturating_add(credit_ns);
                match inbound.credits.back_mut() {
                    Some(credit) if credit.at_ns >= at_ns => credit.length += length,
                    _ => inbound.credits.push_back(Segment { at_ns, length }),
                }
            }
            if !peer.write_wake.is_empty() {
                self.arm_writer(key, 1 - end);
            }
            return Poll::Ready(Ok(()));
        }
        if inbound.fin_arrived(now_ns) {
            return Poll::Ready(Ok(()));
        }
        if socket.broken {
            return Poll::Ready(socket.failure.take().map_or(Ok(()), |failure| Err(failure.into())));
        }
        *stale = parts.tasks.current.park(context, &mut socket.read_wake);
        parts.arm_reader(key, end);
        Poll::Pending
    }

    /// Sends FIN from `end` after everything that was written.
    pub(crate) fn socket_shutdown(&mut self, key: Key, end: usize) {
        let Some(connection) = self.net.connections.get(key) else {
            return;
        };
        let socket = &connection.ends[end];
        let outbound = &connection.ends[1 - end].inbound;
        if socket.holder == Holder::Socket && !socket.broken && outbound.fin == Fin::Open {
            self.send_fin(key, end);
        }
    }

    pub(super) fn send_fin(&mut self, key: Key, end: usize) {
        let config = self.net.config;
        let Some(mut parts) = self.parts(key) else { return };
        let outbound = &mut parts.connection.ends[1 - end].inbound;
        outbound.fin = Fin::Waiting;
        if outbound.waiting > 0 {
            // It follows the data.
            return;
        }
        let path = parts.path_from(end);
        if path != Path::Up {
            return parts.stop_tail(key, end, path, &config);
        }
        let at_ns = parts.arrival_ns(end, 0, &config);
        let outbound = &mut parts.connection.ends[1 - end].inbound;
        outbound.fin = Fin::Sent;
        outbound.fin_ns = at_ns;
        parts.arm_reader(key, 1 - end);
        self.control_packet(key, end, PacketKind::Fin, Some(at_ns));
    }

    /// Sends RST from `end`. Nobody sends it again.
    pub(super) fn send_reset(&mut self, key: Key, end: usize) {
        let Some(parts) = self.parts(key) else { return };
        let now_ns = parts.now_ns;
        let out = parts.connection.ends[end].out as usize;
        let Some(link) = parts.links.get_mut(out) else { return };
        let arrives_ns = match link.path() {
            Path::Up => link.control_arrival_ns(now_ns),
            Path::Cut => None,
            Path::Held => return link.held.push(HeldPacket::Rst(key, end)),
        };
        let peer = &mut parts.connection.ends[1 - end];
        let arrives_ns = arrives_ns.map(|at_ns| at_ns.max(peer.inbound.last_ns));
        if let Some(at_ns) = arrives_ns {
            peer.inbound.last_ns = at_ns;
            let what = NetTimer::Reset((1 - end) as u8);
            parts.wheel.insert(at_ns, Timer::Net { connection: key, what });
        } else {
            // A later packet to this end may be answered again.
            peer.reset_sent = false;
        }
        self.control_packet(key, end, PacketKind::Rst, arrives_ns);
    }

    /// A RST reaches `end`.
    pub(super) fn on_reset(&mut self, key: Key, end: usize) {
        let now_ns = self.now_ns;
        let Some(connection) = self.net.connections.get_mut(key) else {
            return;
        };
        if end == 1 && connection.server == ServerPhase::HalfOpen {
            self.forget_half_open(key);
            return self.free_if_unheld(key);
        }
        let socket = &mut connection.ends[end];
        if !socket.receives() {
            return;
        }
        socket.inbound.absorb(now_ns);
        // As Linux: after FIN the reader keeps its end of file, and only the writer learns of the RST.
        let failure = if socket.inbound.fin_arrived(now_ns) {
            Failure::BrokenPipe
        } else {
            Failure::Reset
        };
        self.fail_socket(key, end, failure);
    }

    /// The socket at `end` is dropped.
    pub(crate) fn socket_close(&mut self, key: Key, end: usize) {
        self.close_end(key, end, Closing::AsLinux);
    }

    /// Takes an end from whoever holds it.
    pub(super) fn close_end(&mut self, key: Key, end: usize, closing: Closing) {
        let now_ns = self.now_ns;
        let Some(connection) = self.net.connections.get_mut(key) else {
            return;
        };
        let server = connection.server;
        let is_established = match end {
            0 => connection.phase == Phase::Established,
            _ => server == ServerPhase::Established,
        };
        let (socket, peer) = connection.from(end);
        if !socket.is_held() {
            return;
        }
        socket.holder = Holder::Closed;
        socket.inbound.absorb(now_ns);
        let (was_broken, unread) = (socket.broken, socket.inbound.arrived > 0);
        let under_way_ns = socket.inbound.segments.front().map(|segment| segment.at_ns);
        if is_established && !was_broken {
            if unread || closing == Closing::Reset {
                peer.inbound.drop_waiting();
                peer.reset_sent = true;
                self.send_reset(key, end);
            } else {
                if peer.inbound.fin == Fin::Open {
                    self.send_fin(key, end);
                }
                if let Some(at_ns) = under_way_ns {
                    self.answer_with_reset(key, end, at_ns);
                }
            }
        } else if end == 0 && server == ServerPhase::Established && !was_broken {
            // It gave up before it knew that it was connected.
            self.send_reset(key, end);
        } else if end == 1 && server == ServerPhase::HalfOpen {
            // Its listener is closed.
            self.send_reset(key, end);
            self.forget_half_open(key);
        }
        self.free_if_unheld(key);
    }
}

/// How an end is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closing {
    /// FIN, or RST if data waits unread.
    AsLinux,
    /// RST in any case.
    Reset,
}

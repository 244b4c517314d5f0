//! Moving bytes: write, read, shutdown, close, reset, retransmission.

use super::{
    NetTimer, PacketFrom,
    connection::{Connection, Failure, Fin, Holder, Parts, Phase, Retry, Segment, ServerPhase},
    link::{HeldPacket, Path},
};
use crate::{
    log::{EventKind, mix},
    slab::Key,
    tap::PacketKind,
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

fn packet_from(connection: &Connection, end: usize) -> PacketFrom<'_> {
    let (from, to) = (&connection.ends[end], &connection.ends[1 - end]);
    PacketFrom {
        id: connection.id,
        from_node: from.node,
        to_node: to.node,
        from: &from.address,
        to: &to.address,
        attempt: 0,
    }
}

impl Parts<'_> {
    /// What data from `end` meets. A silent machine is as good as a cut.
    #[inline]
    fn path_from(&self, end: usize) -> Path {
        let sender = &self.connection.ends[end];
        if self.connection.ends[1 - end].holder == Holder::Silent {
            return Path::Cut;
        }
        self.links[sender.out as usize].path()
    }

    /// When data that leaves now arrives.
    #[inline]
    fn arrival_ns(&mut self, end: usize, length: usize, config: &crate::TransportConfig) -> u64 {
        let out = self.connection.ends[end].out as usize;
        let round_trip = self.links[out].typical_ns.saturating_mul(2);
        let timeout = config.retransmit_min_ns.saturating_add(round_trip);
        let at_ns = self.links[out].data_arrival_ns(self.now_ns, length, timeout, config.retransmit_max_ns);
        let inbound = &mut self.connection.ends[1 - end].inbound;
        inbound.last_ns = inbound.last_ns.max(at_ns);
        inbound.last_ns
    }

    /// Wakes the reader at `end` when there will be something for it.
    #[inline]
    fn arm_reader(&mut self, key: Key, end: usize) {
        let socket = &mut self.connection.ends[end];
        if socket.read_timer.is_none()
            && !socket.read_wake.is_empty()
            && let Some(at_ns) = socket.inbound.next_arrival_ns()
        {
            let what = NetTimer::Readable(end);
            socket.read_timer = Some(self.wheel.insert(at_ns, Timer::Net { connection: key, what }));
        }
    }

    /// Remembers that what `end` sent has no answer.
    fn arm_retry(&mut self, key: Key, end: usize, config: &crate::TransportConfig) {
        let out = self.connection.ends[end].out as usize;
        let round_trip = self.links[out].typical_ns.saturating_mul(2);
        let outbound = &mut self.connection.ends[1 - end].inbound;
        if outbound.retry.is_some() {
            return;
        }
        let interval_ns = config.retransmit_min_ns.saturating_add(round_trip);
        let what = NetTimer::Retransmit(end);
        let at_ns = self.now_ns.saturating_add(interval_ns);
        outbound.retry = Some(Retry {
            timer: self.wheel.insert(at_ns, Timer::Net { connection: key, what }),
            since_ns: self.now_ns,
            interval_ns,
        });
    }

    /// What `end` has waiting could not leave.
    fn stop_tail(&mut self, key: Key, end: usize, path: Path, config: &crate::TransportConfig) {
        match path {
            Path::Up => {}
            Path::Cut => self.arm_retry(key, end, config),
            Path::Held => {
                let out = self.connection.ends[end].out as usize;
                let outbound = &mut self.connection.ends[1 - end].inbound;
                if !std::mem::replace(&mut outbound.held, true) {
                    self.links[out].held.push(HeldPacket::Tail(key, end));
                }
            }
        }
    }
}

impl State {
    /// Whether the connection is open, at its client.
    pub(crate) fn socket_connected(
        &mut self,
        key: Key,
        end: usize,
        context: &Context<'_>,
        stale: &mut Option<Waker>,
    ) -> Poll<io::Result<()>> {
        let Some(parts) = self.parts(key) else {
            return Poll::Ready(Err(gone()));
        };
        let phase = parts.connection.phase;
        let socket = &mut parts.connection.ends[end];
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

    /// What `end` sent will have no answer for a while.
    pub(super) fn await_answer(&mut self, key: Key, end: usize) {
        let config = self.net.config;
        if let Some(mut parts) = self.parts(key)
            && parts.connection.ends[end].holder != Holder::Silent
        {
            parts.arm_retry(key, end, &config);
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
        stale: &mut Option<Waker>,
    ) -> Poll<io::Result<usize>> {
        let config = self.net.config;
        let Some(mut parts) = self.parts(key) else {
            return Poll::Ready(Err(gone()));
        };
        let now_ns = parts.now_ns;
        let [client, server] = &mut parts.connection.ends;
        let (socket, peer) = if end == 0 { (client, server) } else { (server, client) };
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
        let window = parts.links[socket.out as usize].buffer_bytes;
        let outbound = &mut peer.inbound;
        outbound.mature(now_ns);
        let room = window.saturating_sub(outbound.outstanding);
        if room == 0 {
            *stale = parts.tasks.current.park(context, &mut socket.write_wake);
            self.arm_writer(key, end);
            return Poll::Pending;
        }
        let length = bytes.len().min(room).min(SEGMENT_BYTES_MAX);
        let sent = &bytes[..length];
        outbound.bytes.push(sent);
        outbound.outstanding += length;
        let in_order = outbound.waiting == 0;
        let path = if in_order { parts.path_from(end) } else { Path::Cut };
        let digest = mix::bytes(sent);
        if path == Path::Up {
            let at_ns = parts.arrival_ns(end, length, &config);
            parts.connection.ends[1 - end]
                .inbound
                .segments
                .push_back(Segment { at_ns, length });
            parts.arm_reader(key, 1 - end);
            let back = parts.connection.ends[1 - end].out as usize;
            if parts.links[back].path() == Path::Cut {
                parts.arm_retry(key, end, &config);
            }
            self.data_packet(key, end, Some(at_ns), sent, digest);
        } else {
            parts.connection.ends[1 - end].inbound.waiting += length;
            if in_order {
                parts.stop_tail(key, end, path, &config);
                self.data_packet(key, end, None, sent, digest);
            }
        }
        Poll::Ready(Ok(length))
    }

    #[inline]
    fn data_packet(&mut self, key: Key, end: usize, arrives_ns: Option<u64>, sent: &[u8], digest: u64) {
        let Some(connection) = self.net.connections.get(key) else {
            return;
        };
        if self.tap.is_none() {
            // The short way: no need to put a packet together.
            let (node, peer) = (connection.ends[end].node.0, connection.ends[1 - end].node.0);
            let arrival = arrives_ns.unwrap_or(u64::MAX);
            self.log.push(
                self.now_ns,
                EventKind::Data,
                node,
                peer,
                connection.id,
                sent.len() as u64,
                digest ^ arrival.rotate_left(32),
            );
            return;
        }
        let (from, to) = (connection.ends[end].address, connection.ends[1 - end].address);
        let packet = PacketFrom {
            from: &from,
            to: &to,
            ..packet_from_ids(connection, end)
        };
        self.packet(&packet, PacketKind::Data, arrives_ns, sent, digest);
    }

    /// Data for an end that nobody holds: it is thrown away, and answered with RST if there is anybody to answer.
    #[cold]
    fn write_to_nobody(&mut self, key: Key, end: usize, bytes: &[u8]) -> usize {
        let config = self.net.config;
        let length = bytes.len().min(SEGMENT_BYTES_MAX);
        let digest = mix::bytes(&bytes[..length]);
        let Some(connection) = self.net.connections.get(key) else {
            return length;
        };
        let peer = &connection.ends[1 - end];
        let (is_silent, powered) = (peer.holder == Holder::Silent, self.nodes[peer.node.index()].powered);
        let Some(mut parts) = self.parts(key) else {
            return length;
        };
        let path = match parts.links[parts.connection.ends[end].out as usize].path() {
            Path::Up if is_silent && !powered => Path::Cut,
            path => path,
        };
        if path != Path::Up {
            let outbound = &mut parts.connection.ends[1 - end].inbound;
            outbound.bytes.push(&bytes[..length]);
            outbound.outstanding += length;
            outbound.waiting += length;
            parts.stop_tail(key, end, path, &config);
            self.data_packet(key, end, None, &bytes[..length], digest);
            return length;
        }
        let at_ns = parts.arrival_ns(end, length, &config);
        self.data_packet(key, end, Some(at_ns), &bytes[..length], digest);
        self.answer_with_reset(key, 1 - end, at_ns);
        length
    }

    /// The operating system of `end` will answer a packet that arrives at `at_ns` with RST, once.
    fn answer_with_reset(&mut self, key: Key, end: usize, at_ns: u64) {
        let Some(parts) = self.parts(key) else { return };
        if !std::mem::replace(&mut parts.connection.ends[1 - end].reset_sent, true) {
            let what = NetTimer::Answer(end);
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
    fn arm_writer(&mut self, key: Key, end: usize) {
        let probe_ns = self.net.config.retransmit_min_ns;
        let Some(parts) = self.parts(key) else { return };
        let now_ns = parts.now_ns;
        let peer = &parts.connection.ends[1 - end];
        let at_ns = match peer.inbound.credits.front() {
            Some(credit) => credit.at_ns,
            // The news got lost: the writer probes for it.
            None if peer.inbound.credit_lost > 0 => now_ns.saturating_add(probe_ns),
            None => return,
        };
        let socket = &mut parts.connection.ends[end];
        if socket.write_timer.is_none() {
            let what = NetTimer::Writable(end);
            socket.write_timer = Some(parts.wheel.insert(at_ns, Timer::Net { connection: key, what }));
        }
    }

    pub(super) fn on_writable(&mut self, key: Key, end: usize) {
        let Some(parts) = self.parts(key) else { return };
        let now_ns = parts.now_ns;
        parts.connection.ends[end].write_timer = None;
        let is_up = parts.path_from(1 - end) == Path::Up && parts.path_from(end) == Path::Up;
        let [client, server] = &mut parts.connection.ends;
        let (socket, peer) = if end == 0 { (client, server) } else { (server, client) };
        let outbound = &mut peer.inbound;
        outbound.mature(now_ns);
        if is_up {
            outbound.outstanding -= std::mem::take(&mut outbound.credit_lost);
        }
        let window = parts.links[socket.out as usize].buffer_bytes;
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
        stale: &mut Option<Waker>,
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
            let length = inbound.arrived.min(buffer.remaining());
            inbound.bytes.pop(length, |part| buffer.put_slice(part));
            inbound.arrived -= length;
            let back = &parts.links[socket.out as usize];
            match back.path() {
                Path::Up => {
                    inbound.mature(now_ns);
                    let at_ns = now_ns.saturating_add(back.typical_ns);
                    match inbound.credits.back_mut() {
                        Some(credit) if credit.at_ns >= at_ns => credit.length += length,
                        _ => inbound.credits.push_back(Segment { at_ns, length }),
                    }
                }
                _ => inbound.credit_lost += length,
            }
            if !parts.connection.ends[1 - end].write_wake.is_empty() {
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

    fn send_fin(&mut self, key: Key, end: usize) {
        let config = self.net.config;
        let Some(mut parts) = self.parts(key) else { return };
        parts.connection.ends[1 - end].inbound.fin = Fin::Waiting;
        if parts.connection.ends[1 - end].inbound.waiting > 0 {
            // It follows the data.
            return;
        }
        let path = parts.path_from(end);
        if path != Path::Up {
            return parts.stop_tail(key, end, path, &config);
        }
        let at_ns = parts.arrival_ns(end, 0, &config);
        parts.connection.ends[1 - end].inbound.fin = Fin::Arrives(at_ns);
        parts.arm_reader(key, 1 - end);
        self.control_packet(key, end, PacketKind::Fin, Some(at_ns));
    }

    fn control_packet(&mut self, key: Key, end: usize, kind: PacketKind, arrives_ns: Option<u64>) {
        if let Some(connection) = self.net.connections.get(key) {
            let (from, to) = (connection.ends[end].address, connection.ends[1 - end].address);
            let packet = PacketFrom {
                from: &from,
                to: &to,
                ..packet_from_ids(connection, end)
            };
            self.packet(&packet, kind, arrives_ns, &[], 0);
        }
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
        let inbound = &mut parts.connection.ends[1 - end].inbound;
        let arrives_ns = arrives_ns.map(|at_ns| at_ns.max(inbound.last_ns));
        if let Some(at_ns) = arrives_ns {
            inbound.last_ns = at_ns;
            let what = NetTimer::Reset(1 - end);
            parts.wheel.insert(at_ns, Timer::Net { connection: key, what });
        } else {
            // A later packet to this end may be answered again.
            parts.connection.ends[1 - end].reset_sent = false;
        }
        self.control_packet(key, end, PacketKind::Rst, arrives_ns);
    }

    /// A RST reaches `end`.
    pub(super) fn on_reset(&mut self, key: Key, end: usize) {
        let Some(connection) = self.net.connections.get_mut(key) else {
            return;
        };
        let now_ns = self.now_ns;
        let socket = &mut connection.ends[end];
        if end == 1 && connection.server == ServerPhase::HalfOpen {
            connection.server = ServerPhase::None;
            socket.holder = Holder::Closed;
            let listener = connection.listener;
            if let Some(timer) = connection.syn_ack_timer.take() {
                self.wheel.cancel(timer);
            }
            if let Some(listener) = self.net.listeners.get_mut(listener) {
                listener.half_open -= 1;
            }
            return self.free_if_unheld(key);
        }
        if !socket.receives() {
            return;
        }
        socket.inbound.absorb(now_ns);
        let half_closed = socket.inbound.fin_arrived(now_ns);
        // As Linux: after FIN the reader keeps its end of file, and only the writer learns of the RST.
        let failure = if half_closed {
            Failure::BrokenPipe
        } else {
            Failure::Reset
        };
        // In order means that nothing is under way behind it.
        self.fail_socket(key, end, failure);
    }

    /// What `end` sent has had no answer for a while.
    pub(super) fn on_retransmit(&mut self, key: Key, end: usize) {
        let config = self.net.config;
        let Some(connection) = self.net.connections.get_mut(key) else {
            return;
        };
        let peer_node = connection.ends[1 - end].node;
        let peer_holder = connection.ends[1 - end].holder;
        let Some(retry) = connection.ends[1 - end].inbound.retry.take() else {
            return;
        };
        let (now_ns, gives_up_ns) = (self.now_ns, retry.since_ns.saturating_add(config.retransmit_total_ns));
        if now_ns >= gives_up_ns {
            return self.fail_socket(key, end, Failure::TimedOut);
        }
        let powered = self.nodes[peer_node.index()].powered;
        if peer_holder == Holder::Silent && powered {
            // The machine is back and knows nothing of the connection.
            if let Some(connection) = self.net.connections.get_mut(key) {
                connection.ends[1 - end].holder = Holder::Closed;
            }
        }
        let Some(parts) = self.parts(key) else { return };
        let path = parts.path_from(end);
        let acknowledged = parts.path_from(1 - end) != Path::Cut;
        if path == Path::Up {
            self.send_tail(key, end);
            if acknowledged {
                return;
            }
        }
        let Some(mut parts) = self.parts(key) else { return };
        if path == Path::Held {
            return parts.stop_tail(key, end, path, &config);
        }
        let interval_ns = retry.interval_ns.saturating_mul(2).min(config.retransmit_max_ns);
        let at_ns = now_ns.saturating_add(interval_ns).min(gives_up_ns);
        let what = NetTimer::Retransmit(end);
        parts.connection.ends[1 - end].inbound.retry = Some(Retry {
            timer: parts.wheel.insert(at_ns, Timer::Net { connection: key, what }),
            since_ns: retry.since_ns,
            interval_ns,
        });
    }

    /// Sends what `end` has waiting: the way is free.
    pub(super) fn send_tail(&mut self, key: Key, end: usize) {
        let config = self.net.config;
        let Some(mut parts) = self.parts(key) else { return };
        let peer = &mut parts.connection.ends[1 - end];
        let (waiting, receives, fin) = (peer.inbound.waiting, peer.receives(), peer.inbound.fin);
        peer.inbound.held = false;
        if waiting > 0 {
            let at_ns = parts.arrival_ns(end, waiting, &config);
            let inbound = &mut parts.connection.ends[1 - end].inbound;
            if receives {
                inbound.waiting = 0;
                inbound.segments.push_back(Segment { at_ns, length: waiting });
                parts.arm_reader(key, 1 - end);
            } else {
                inbound.drop_waiting();
            }
            self.retransmitted(key, end, at_ns, waiting);
            if !receives {
                return self.answer_with_reset(key, 1 - end, at_ns);
            }
        }
        if fin == Fin::Waiting {
            self.send_fin(key, end);
        }
    }

    fn retransmitted(&mut self, key: Key, end: usize, at_ns: u64, length: usize) {
        if let Some(connection) = self.net.connections.get(key) {
            let (node, peer) = (connection.ends[end].node, connection.ends[1 - end].node);
            let id = connection.id;
            self.log.push(
                self.now_ns,
                EventKind::Retransmit,
                node.0,
                peer.0,
                id,
                length as u64,
                at_ns,
            );
        }
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
        let socket = &mut connection.ends[end];
        if !matches!(socket.holder, Holder::Socket | Holder::Backlog) {
            return;
        }
        socket.holder = Holder::Closed;
        socket.inbound.absorb(now_ns);
        let (was_broken, unread) = (socket.broken, socket.inbound.arrived > 0);
        let under_way_ns = socket.inbound.segments.front().map(|segment| segment.at_ns);
        if is_established && !was_broken {
            if unread || closing == Closing::Reset {
                if let Some(connection) = self.net.connections.get_mut(key) {
                    connection.ends[1 - end].inbound.drop_waiting();
                    connection.ends[1 - end].reset_sent = true;
                }
                self.send_reset(key, end);
            } else {
                if self
                    .net
                    .connections
                    .get(key)
                    .is_some_and(|connection| connection.ends[1 - end].inbound.fin == Fin::Open)
                {
                    self.send_fin(key, end);
                }
                if let Some(at_ns) = under_way_ns {
                    self.answer_with_reset(key, end, at_ns);
                }
            }
        } else if end == 0 && server == ServerPhase::Established && !was_broken {
            // It gave up before it knew that it was connected.
            self.send_reset(key, end);
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

fn packet_from_ids(connection: &Connection, end: usize) -> PacketFrom<'static> {
    const NOWHERE: &std::net::SocketAddrV4 = &std::net::SocketAddrV4::new(std::net::Ipv4Addr::UNSPECIFIED, 0);
    let packet = packet_from(connection, end);
    PacketFrom {
        id: packet.id,
        from_node: packet.from_node,
        to_node: packet.to_node,
        from: NOWHERE,
        to: NOWHERE,
        attempt: packet.attempt,
    }
}

//! Opening connections.
//!
//! SYN, SYN-ACK and ACK each take one latency. `connect` returns after one round trip, `accept` half a round trip
//! later. A SYN that nobody answers is sent again after 1, 2, 4, ... s; a port where nothing listens answers with RST.

use super::{
    NetTimer,
    connection::{Connection, End, Failure, Holder, Phase, ServerPhase},
    link::{HeldPacket, Path},
};
use crate::{
    log::EventKind,
    node::NodeId,
    slab::Key,
    tap::PacketKind,
    timer::TimerKey,
    world::{State, Timer},
};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4},
};

/// Linux's default range of local ports for connects.
pub(super) const EPHEMERAL_FIRST: u16 = 32_768;
pub(super) const EPHEMERAL_LAST: u16 = 60_999;
/// The link of a connection to an address that no node has.
const NO_LINK: u32 = u32::MAX;

/// A connection that was begun.
pub(crate) struct Opened {
    pub(crate) key: Key,
    pub(crate) local: SocketAddrV4,
    pub(crate) peer: SocketAddrV4,
}

impl State {
    /// Begins to connect.
    pub(crate) fn connect(&mut self, node: NodeId, incarnation: u32, address: SocketAddr) -> io::Result<Opened> {
        if !self.is_alive(node, incarnation) {
            return Err(io::ErrorKind::NetworkDown.into());
        }
        let Some(own) = self.nodes[node.index()].ip else {
            // The controller has no address.
            return Err(io::ErrorKind::Unsupported.into());
        };
        let IpAddr::V4(ip) = address.ip() else {
            return Err(io::ErrorKind::NetworkUnreachable.into());
        };
        let is_loopback = ip.is_loopback() || ip.is_unspecified();
        let (source, ip) = if is_loopback {
            (Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST)
        } else {
            (own, ip)
        };
        let peer = SocketAddrV4::new(ip, address.port());
        let local = SocketAddrV4::new(source, self.ephemeral_port(node, peer)?);
        let server = if is_loopback {
            Some(node)
        } else {
            self.net.addresses.get(&ip).copied()
        };
        let seed = self.seed;
        let (out, back) = match server {
            Some(server) => (
                self.link_between(node, server, seed),
                self.link_between(server, node, seed),
            ),
            None => (NO_LINK, NO_LINK),
        };
        let id = self.net.opened;
        self.net.opened += 1;
        let key = self.net.connections.insert(Connection {
            id,
            ends: [
                End::new(node, local, Holder::Socket, out),
                End::new(server.unwrap_or(NodeId::CONTROLLER), peer, Holder::Closed, back),
            ],
            phase: Phase::SynSent,
            server: ServerPhase::None,
            listener: Key::NONE,
            syn_attempts: 0,
            syn_ack_attempts: 0,
            syn_timer: TimerKey::NONE,
            syn_ack_timer: TimerKey::NONE,
        });
        self.send_syn(key);
        Ok(Opened { key, local, peer })
    }

    fn ephemeral_port(&mut self, node: NodeId, peer: SocketAddrV4) -> io::Result<u16> {
        let ports = &mut self.nodes[node.index()].ports;
        for _ in EPHEMERAL_FIRST..=EPHEMERAL_LAST {
            let port = ports.next_ephemeral.max(EPHEMERAL_FIRST);
            ports.next_ephemeral = if port == EPHEMERAL_LAST {
                EPHEMERAL_FIRST
            } else {
                port + 1
            };
            if !ports.listeners.contains_key(&port) && ports.outgoing.insert((port, peer)) {
                return Ok(port);
            }
        }
        Err(io::ErrorKind::AddrNotAvailable.into())
    }

    /// Sends a packet without data. `None`: it is lost or held.
    fn send_control(&mut self, key: Key, end: usize, kind: PacketKind, held: HeldPacket) -> Option<u64> {
        let out = self.net.connections.get(key)?.ends[end].out as usize;
        let now_ns = self.now_ns;
        let arrives_ns = match self.net.links.get_mut(out) {
            None => None,
            Some(link) => match link.path() {
                Path::Up => link.control_arrival_ns(now_ns),
                Path::Cut => None,
                Path::Held => {
                    link.held.push(held);
                    return None;
                }
            },
        };
        self.control_packet(key, end, kind, arrives_ns);
        arrives_ns
    }

    fn arm(&mut self, key: Key, at_ns: u64, what: NetTimer) -> TimerKey {
        self.wheel.insert(at_ns, Timer::Net { connection: key, what })
    }

    /// The client sends its SYN and gets ready to send it again.
    pub(super) fn send_syn(&mut self, key: Key) {
        let config = self.net.config;
        let Some(connection) = self.net.connections.get(key) else {
            return;
        };
        let wait_ns = config
            .syn_timeout_ns
            .saturating_mul(1 << connection.syn_attempts.min(30));
        let retry_ns = self.now_ns.saturating_add(wait_ns);
        let timer = self.arm(key, retry_ns, NetTimer::SynRetry);
        if let Some(connection) = self.net.connections.get_mut(key) {
            connection.syn_timer = timer;
        }
        self.transmit_syn(key);
    }

    pub(super) fn transmit_syn(&mut self, key: Key) {
        if let Some(at_ns) = self.send_control(key, 0, PacketKind::Syn, HeldPacket::Syn(key)) {
            self.arm(key, at_ns, NetTimer::Syn);
        }
    }

    pub(super) fn on_syn_retry(&mut self, key: Key) {
        let retries = self.net.config.syn_retries;
        let Some(connection) = self.net.connections.get_mut(key) else {
            return;
        };
        connection.syn_timer = TimerKey::NONE;
        connection.syn_attempts += 1;
        if connection.syn_attempts > retries {
            self.fail_socket(key, 0, Failure::TimedOut);
        } else {
            self.send_syn(key);
        }
    }

    /// A SYN reaches the address it was sent to.
    pub(super) fn on_syn(&mut self, key: Key) {
        let backlog = self.net.config.backlog;
        let Some(connection) = self.net.connections.get(key) else {
            return;
        };
        let (node, address) = (connection.ends[1].node, connection.ends[1].address);
        if !self.nodes[node.index()].powered {
            return;
        }
        match connection.server {
            ServerPhase::None => {}
            // The client has not got the SYN-ACK yet.
            ServerPhase::HalfOpen | ServerPhase::Established => return self.transmit_syn_ack(key),
        }
        let Some(listener_key) = self.listener_at(node, address) else {
            return self.transmit_refusal(key);
        };
        let Some(listener) = self.net.listeners.get_mut(listener_key) else {
            return;
        };
        if listener.half_open + listener.queue.len() >= backlog {
            // As Linux does: drop it, the client will try again.
            return;
        }
        listener.half_open += 1;
        if let Some(connection) = self.net.connections.get_mut(key) {
            connection.listener = listener_key;
            connection.server = ServerPhase::HalfOpen;
            connection.ends[1].holder = Holder::Backlog;
        }
        self.send_syn_ack(key);
    }

    fn listener_at(&self, node: NodeId, address: SocketAddrV4) -> Option<Key> {
        let listeners = self.nodes[node.index()].ports.listeners.get(&address.port())?;
        let exact = listeners.iter().find(|(ip, _)| ip == address.ip());
        exact
            .or_else(|| listeners.iter().find(|(ip, _)| ip.is_unspecified()))
            .map(|(_, key)| *key)
    }

    pub(super) fn transmit_refusal(&mut self, key: Key) {
        if let Some(at_ns) = self.send_control(key, 1, PacketKind::Rst, HeldPacket::Refusal(key)) {
            self.arm(key, at_ns, NetTimer::Refusal);
        }
    }

    pub(super) fn on_refusal(&mut self, key: Key) {
        let Some(connection) = self.net.connections.get_mut(key) else {
            return;
        };
        if connection.phase == Phase::SynSent && !connection.ends[0].broken {
            self.wheel
                .cancel(std::mem::replace(&mut connection.syn_timer, TimerKey::NONE));
            self.fail_socket(key, 0, Failure::Refused);
        }
    }

    fn send_syn_ack(&mut self, key: Key) {
        let config = self.net.config;
        let Some(connection) = self.net.connections.get(key) else {
            return;
        };
        let wait_ns = config
            .syn_timeout_ns
            .saturating_mul(1 << connection.syn_ack_attempts.min(30));
        let timer = self.arm(key, self.now_ns.saturating_add(wait_ns), NetTimer::SynAckRetry);
        if let Some(connection) = self.net.connections.get_mut(key) {
            connection.syn_ack_timer = timer;
        }
        self.transmit_syn_ack(key);
    }

    pub(super) fn transmit_syn_ack(&mut self, key: Key) {
        if let Some(at_ns) = self.send_control(key, 1, PacketKind::SynAck, HeldPacket::SynAck(key)) {
            self.arm(key, at_ns, NetTimer::SynAck);
        }
    }

    pub(super) fn on_syn_ack_retry(&mut self, key: Key) {
        let retries = self.net.config.syn_ack_retries;
        let Some(connection) = self.net.connections.get_mut(key) else {
            return;
        };
        connection.syn_ack_timer = TimerKey::NONE;
        connection.syn_ack_attempts += 1;
        if connection.server != ServerPhase::HalfOpen {
            return;
        }
        if connection.syn_ack_attempts <= retries {
            return self.send_syn_ack(key);
        }
        // A client that thinks it is connected will get RST for its data.
        self.forget_half_open(key);
        self.free_if_unheld(key);
    }

    /// The server forgets a connection of which the handshake was going on.
    pub(super) fn forget_half_open(&mut self, key: Key) {
        let Some(connection) = self.net.connections.get_mut(key) else {
            return;
        };
        connection.server = ServerPhase::None;
        connection.ends[1].holder = Holder::Closed;
        self.wheel
            .cancel(std::mem::replace(&mut connection.syn_ack_timer, TimerKey::NONE));
        if let Some(listener) = self.net.listeners.get_mut(connection.listener) {
            listener.half_open -= 1;
        }
    }

    /// A SYN-ACK reaches the client.
    pub(super) fn on_syn_ack(&mut self, key: Key) {
        let Some(connection) = self.net.connections.get_mut(key) else {
            return;
        };
        let (id, client) = (connection.id, &mut connection.ends[0]);
        if client.holder == Holder::Silent {
            return;
        }
        if client.holder == Holder::Closed || client.broken {
            // The client gave up meanwhile.
            return self.send_reset(key, 0);
        }
        let (node, is_new) = (client.node, connection.phase == Phase::SynSent);
        if is_new {
            connection.phase = Phase::Established;
            self.tasks.wake(&mut client.write_wake);
            self.wheel
                .cancel(std::mem::replace(&mut connection.syn_timer, TimerKey::NONE));
            self.event(EventKind::Connected, node, id, 0, 0);
        }
        self.transmit_ack(key);
    }

    pub(super) fn transmit_ack(&mut self, key: Key) {
        if let Some(at_ns) = self.send_control(key, 0, PacketKind::Ack, HeldPacket::Ack(key)) {
            if let Some(connection) = self.net.connections.get_mut(key) {
                // Data cannot overtake it: it would carry the acknowledgement itself.
                let inbound = &mut connection.ends[1].inbound;
                inbound.last_ns = inbound.last_ns.max(at_ns);
            }
            self.arm(key, at_ns, NetTimer::Ack);
        }
    }

    /// The handshake is complete for the server.
    pub(super) fn on_ack(&mut self, key: Key) {
        let Some(connection) = self.net.connections.get_mut(key) else {
            return;
        };
        if connection.server != ServerPhase::HalfOpen {
            return;
        }
        connection.server = ServerPhase::Established;
        self.wheel
            .cancel(std::mem::replace(&mut connection.syn_ack_timer, TimerKey::NONE));
        let listener = connection.listener;
        let State { net, tasks, .. } = self;
        if let Some(listener) = net.listeners.get_mut(listener) {
            listener.half_open -= 1;
            listener.queue.push_back(key);
            tasks.wake(&mut listener.wake);
        }
    }
}

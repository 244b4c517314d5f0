//! Listening sockets.

use super::{
    connection::{Holder, ServerPhase},
    socket::Socket,
    transfer::Closing,
};
use crate::{
    log::EventKind,
    node::NodeId,
    slab::Key,
    task::WakeSlot,
    world::{State, World},
};
use chrysalis_env::{BoxFuture, Stream, stream::Acceptor};
use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, SocketAddr, SocketAddrV4},
    sync::Arc,
    task::{Context, Poll, Waker},
};

pub(super) struct ListenerState {
    pub(super) node: NodeId,
    pub(super) address: SocketAddrV4,
    /// Connections that wait for `accept`.
    pub(super) queue: VecDeque<Key>,
    /// Connections whose handshake is going on.
    pub(super) half_open: usize,
    pub(super) wake: WakeSlot,
}

impl State {
    /// Opens a listener and says where.
    pub(crate) fn listen(
        &mut self,
        node: NodeId,
        incarnation: u32,
        address: SocketAddr,
    ) -> io::Result<(Key, SocketAddrV4)> {
        if !self.is_alive(node, incarnation) {
            return Err(io::ErrorKind::NetworkDown.into());
        }
        let Some(own) = self.nodes[node.index()].ip else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip == own || ip.is_unspecified() || ip.is_loopback() => ip,
            _ => return Err(io::ErrorKind::AddrNotAvailable.into()),
        };
        let ports = &mut self.nodes[node.index()].ports;
        let overlaps = |port: u16| {
            ports.listeners.get(&port).is_some_and(|taken| {
                taken
                    .iter()
                    .any(|(other, _)| *other == ip || other.is_unspecified() || ip.is_unspecified())
            })
        };
        let port = match address.port() {
            0 => (super::handshake::EPHEMERAL_FIRST..=super::handshake::EPHEMERAL_LAST)
                .find(|port| !overlaps(*port))
                .ok_or(io::ErrorKind::AddrInUse)?,
            port if overlaps(port) => return Err(io::ErrorKind::AddrInUse.into()),
            port => port,
        };
        let local = SocketAddrV4::new(ip, port);
        let key = self.net.listeners.insert(ListenerState {
            node,
            address: local,
            queue: VecDeque::new(),
            half_open: 0,
            wake: WakeSlot::Empty,
        });
        ports.listeners.entry(port).or_default().push((ip, key));
        self.event(EventKind::Listening, node, u64::from(port), 0, 0);
        Ok((key, local))
    }

    /// Hands the next connection to a socket.
    fn accept(
        &mut self,
        key: Key,
        context: &Context<'_>,
        stale: &mut Option<Box<Waker>>,
    ) -> Poll<io::Result<(Key, SocketAddrV4, SocketAddrV4)>> {
        let State { net, tasks, .. } = self;
        let Some(listener) = net.listeners.get_mut(key) else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let Some(accepted) = listener.queue.pop_front() else {
            *stale = tasks.current.park(context, &mut listener.wake);
            return Poll::Pending;
        };
        let node = listener.node;
        let Some(connection) = net.connections.get_mut(accepted) else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        };
        connection.ends[1].holder = Holder::Socket;
        let (local, peer) = (connection.ends[1].address, connection.ends[0].address);
        let id = connection.id;
        self.event(EventKind::Accepted, node, id, 0, 0);
        Poll::Ready(Ok((accepted, local, peer)))
    }

    /// Closes a listener; what waits in its backlog is reset.
    pub(crate) fn close_listener(&mut self, key: Key) {
        for connection in self.unlist(key) {
            self.close_end(connection, 1, Closing::Reset);
        }
    }

    /// Forgets a listener whose machine has no power: its backlog is silenced with all other connections.
    pub(super) fn forget_listener(&mut self, key: Key) {
        self.unlist(key);
    }

    /// Removes a listener and says which connections belonged to it.
    fn unlist(&mut self, key: Key) -> Vec<Key> {
        let Some(mut listener) = self.net.listeners.remove(key) else {
            return Vec::new();
        };
        self.tasks.wake(&mut listener.wake);
        if let Some(node) = self.nodes.get_mut(listener.node.index()) {
            let port = listener.address.port();
            if let Some(taken) = node.ports.listeners.get_mut(&port) {
                taken.retain(|(_, other)| *other != key);
                if taken.is_empty() {
                    node.ports.listeners.remove(&port);
                }
            }
        }
        let mut waiting: Vec<Key> = listener.queue.into();
        if listener.half_open > 0 {
            waiting.extend(
                self.net
                    .connections
                    .iter()
                    .filter(|(_, connection)| connection.listener == key && connection.server == ServerPhase::HalfOpen)
                    .map(|(connection, _)| connection),
            );
        }
        waiting
    }
}

/// The listening socket that a node holds. Dropping it closes the port.
pub(crate) struct ListenerSocket {
    world: Arc<World>,
    key: Key,
}

impl ListenerSocket {
    pub(crate) fn new(world: Arc<World>, key: Key) -> Self {
        Self { world, key }
    }
}

impl Acceptor for ListenerSocket {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Stream>> {
        Box::pin(std::future::poll_fn(|context| {
            let mut stale = None;
            let accepted = self.world.with(|state| state.accept(self.key, context, &mut stale));
            let accepted = accepted.unwrap_or_else(|| Poll::Ready(Err(io::ErrorKind::NetworkDown.into())));
            accepted.map_ok(|(key, local, peer)| {
                let socket = Socket::new(self.world.clone(), key, 1);
                Stream::new(Box::new(socket), local.into(), peer.into())
            })
        }))
    }
}

impl Drop for ListenerSocket {
    fn drop(&mut self) {
        self.world.with(|state| state.close_listener(self.key));
    }
}

//! The network between nodes.
//!
//! Connections are pairs of byte pipes. A write puts its bytes into the pipe together with the time at which they
//! arrive; a reader that waits is woken by exactly one timer. There are no ticks and no pump tasks: a link costs
//! nothing while nothing crosses it.
//!
//! What is modelled is what a program can see of TCP: handshake with SYN retries and backlog, latency, bandwidth that
//! connections share, loss as retransmission delay with head-of-line blocking, a window that stops the writer, FIN and
//! half-close, RST, silence and time-outs. A cut works where a packet enters the link: what is under way arrives, what
//! is sent later does not, and data is sent again with growing intervals until it gets through or the socket gives up.
//!
//! | module | holds |
//! |---|---|
//! | `link` | one direction between two nodes |
//! | `connection` | what is known about a connection and its two ends |
//! | `handshake` | connect, SYN and SYN-ACK with their retries, refusal |
//! | `transfer` | write, read, shutdown, close, reset |
//! | `retransmission` | what could not leave, or got no answer |
//! | `faults` | cut, hold, machines that lose power |
//! | `socket`, `listener` | the futures that nodes poll |
//! | `ring`, `segments` | the queues of bytes and of arrival times |

mod connection;
mod faults;
mod handshake;
mod link;
pub(crate) mod listener;
mod retransmission;
mod ring;
mod segments;
pub(crate) mod socket;
mod transfer;

pub use link::LinkSpec;

use crate::{
    config::TransportConfig,
    log::EventKind,
    node::{NodeHandle, NodeId},
    slab::{Key, Slab},
    tap::{ConnectionId, FaultKind, PacketEvent, PacketKind},
    world::{Notice, State, World},
};
use connection::Connection;
use link::Link;
use listener::ListenerState;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{Ipv4Addr, SocketAddrV4},
    sync::Arc,
};

/// What a connection's timer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NetTimer {
    /// A SYN reaches the server.
    Syn,
    /// A SYN-ACK reaches the client.
    SynAck,
    /// The ACK of the SYN-ACK reaches the server.
    Ack,
    /// A RST in answer to a SYN reaches the client.
    Refusal,
    /// The client sends its SYN again, or gives up.
    SynRetry,
    /// The server sends its SYN-ACK again, or gives up.
    SynAckRetry,
    /// Something to read reaches this end.
    Readable(u8),
    /// Window space for this end's writer.
    Writable(u8),
    /// Data reaches this end, which nobody holds: it is answered with RST.
    Answer(u8),
    /// A RST reaches this end.
    Reset(u8),
    /// This end sends again what got no answer.
    Retransmit(u8),
}

/// Ports of one node.
#[derive(Debug, Default)]
pub(crate) struct NodePorts {
    /// Listeners by port; several may share one on different addresses.
    listeners: BTreeMap<u16, Vec<(Ipv4Addr, Key)>>,
    /// Outgoing connections by local port and peer.
    outgoing: BTreeSet<(u16, SocketAddrV4)>,
    next_ephemeral: u16,
}

pub(crate) struct Net {
    config: TransportConfig,
    connections: Slab<Connection>,
    listeners: Slab<ListenerState>,
    links: Vec<Link>,
    link_index: BTreeMap<(NodeId, NodeId), u32>,
    pub(crate) addresses: BTreeMap<Ipv4Addr, NodeId>,
    regions: BTreeMap<String, u32>,
    default_spec: Arc<LinkSpec>,
    loopback_spec: Arc<LinkSpec>,
    region_specs: BTreeMap<(u32, u32), Arc<LinkSpec>>,
    pair_specs: BTreeMap<(NodeId, NodeId), Arc<LinkSpec>>,
    opened: u64,
    /// Changes with any link, so that what was worked out from links is worked out again.
    epoch: u32,
}

impl Net {
    pub(crate) fn new(config: TransportConfig) -> Self {
        Self {
            config,
            connections: Slab::new(),
            listeners: Slab::new(),
            links: Vec::new(),
            link_index: BTreeMap::new(),
            addresses: BTreeMap::new(),
            regions: BTreeMap::new(),
            default_spec: Arc::new(LinkSpec::default()),
            loopback_spec: Arc::new(LinkSpec::loopback()),
            region_specs: BTreeMap::new(),
            pair_specs: BTreeMap::new(),
            opened: 0,
            epoch: 1,
        }
    }

    pub(crate) fn connection_count(&self) -> usize {
        self.connections.iter().count()
    }

    pub(crate) fn listener_count(&self) -> usize {
        self.listeners.iter().count()
    }

    /// Index of a region; the name is learned if it is new.
    pub(crate) fn region(&mut self, name: &str) -> u32 {
        if let Some(index) = self.regions.get(name) {
            return *index;
        }
        let index = self.regions.len() as u32;
        self.regions.insert(name.to_owned(), index);
        index
    }
}

impl State {
    fn link_spec(&self, from: NodeId, to: NodeId) -> Arc<LinkSpec> {
        let net = &self.net;
        if let Some(spec) = net.pair_specs.get(&(from, to)) {
            return spec.clone();
        }
        if from == to {
            return net.loopback_spec.clone();
        }
        let regions = (self.nodes[from.index()].region, self.nodes[to.index()].region);
        net.region_specs.get(&regions).unwrap_or(&net.default_spec).clone()
    }

    /// The link from one node to another, made on first use.
    fn link_between(&mut self, from: NodeId, to: NodeId, seed: u64) -> u32 {
        if let Some(index) = self.net.link_index.get(&(from, to)) {
            return *index;
        }
        let spec = self.link_spec(from, to);
        let names = (&*self.nodes[from.index()].name, &*self.nodes[to.index()].name);
        let link = Link::new(from, to, spec, seed, names);
        let index = self.net.links.len() as u32;
        self.net.links.push(link);
        self.net.link_index.insert((from, to), index);
        index
    }

    /// Lets existing links see a changed specification.
    fn refresh_links(&mut self) {
        for index in 0..self.net.links.len() {
            let (from, to) = (self.net.links[index].from, self.net.links[index].to);
            let spec = self.link_spec(from, to);
            self.net.links[index].set_spec(spec);
        }
        self.net.epoch += 1;
        self.fault(FaultKind::LinkChanged);
    }

    /// Logs a packet without data and shows it to the tap.
    fn control_packet(&mut self, key: Key, end: usize, kind: PacketKind, arrives_ns: Option<u64>) {
        let Some(connection) = self.net.connections.get(key) else {
            return;
        };
        let (event, attempt) = match kind {
            PacketKind::Syn => (EventKind::Syn, connection.syn_attempts),
            PacketKind::SynAck => (EventKind::SynAck, connection.syn_ack_attempts),
            PacketKind::Ack => (EventKind::Ack, 0),
            PacketKind::Data => (EventKind::Data, 0),
            PacketKind::Fin => (EventKind::Fin, 0),
            PacketKind::Rst => (EventKind::Rst, 0),
        };
        let (from, to) = (connection.ends[end].node.0, connection.ends[1 - end].node.0);
        let digest = arrives_ns.unwrap_or(u64::MAX).rotate_left(32);
        let offset = connection.ends[1 - end].inbound.written;
        self.log
            .push(self.now_ns, event, from, to, connection.id, u64::from(attempt), digest);
        self.show(key, end, kind, arrives_ns, offset, &[]);
    }

    /// Shows a packet to the tap, if there is one.
    fn show(
        &mut self,
        key: Key,
        end: usize,
        kind: PacketKind,
        arrives_ns: Option<u64>,
        offset_bytes: u64,
        payload: &[u8],
    ) {
        if self.tap.is_none() {
            return;
        }
        let Some(connection) = self.net.connections.get(key) else {
            return;
        };
        let (from, to) = (&connection.ends[end], &connection.ends[1 - end]);
        self.notices.push(Notice::Packet(PacketEvent {
            at_ns: self.now_ns,
            arrives_ns,
            from_node: from.node,
            to_node: (to.node != NodeId::CONTROLLER).then_some(to.node),
            from: from.address,
            to: to.address,
            connection: ConnectionId(connection.id),
            kind,
            offset_bytes,
            length_bytes: payload.len() as u64,
            payload: (self.wants_payload && !payload.is_empty()).then(|| payload.into()),
        }));
    }
}

/// The controller's handle on all links.
///
/// Links have two directions. Precedence of their properties: the pair of nodes, then the pair of regions, then the
/// default. Cuts and holds are counted, so that faults which overlap stay independent: a link that two faults cut is
/// up again when both are healed.
#[derive(Clone)]
pub struct Network {
    pub(crate) world: Arc<World>,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Network")
    }
}

impl Network {
    /// Works on a world that is not over.
    fn change(&self, action: impl FnOnce(&mut State)) {
        self.world.with(action);
    }

    /// Properties of links between nodes of regions for which nothing else is set. Initially [`LinkSpec::default`].
    pub fn set_default_link(&self, spec: LinkSpec) {
        self.change(|state| {
            state.net.default_spec = Arc::new(spec);
            state.refresh_links();
        });
    }

    /// Properties of both directions between two regions, or within one.
    pub fn set_region_link(&self, a: &str, b: &str, spec: LinkSpec) {
        let spec = Arc::new(spec);
        self.set_region_specs(&[(a, b), (b, a)], &spec);
    }

    /// Properties of the direction from one region to another.
    pub fn set_region_link_one_way(&self, from: &str, to: &str, spec: LinkSpec) {
        self.set_region_specs(&[(from, to)], &Arc::new(spec));
    }

    fn set_region_specs(&self, directions: &[(&str, &str)], spec: &Arc<LinkSpec>) {
        self.change(|state| {
            for (from, to) in directions {
                let pair = (state.net.region(from), state.net.region(to));
                state.net.region_specs.insert(pair, spec.clone());
            }
            state.refresh_links();
        });
    }

    /// Properties of both directions between two nodes; of its loopback, if they are the same.
    pub fn set_link(&self, a: &NodeHandle, b: &NodeHandle, spec: LinkSpec) {
        let spec = Arc::new(spec);
        self.set_pair_specs(&[(a.id, b.id), (b.id, a.id)], &spec);
    }

    /// Properties of the direction from one node to another.
    pub fn set_link_one_way(&self, from: &NodeHandle, to: &NodeHandle, spec: LinkSpec) {
        self.set_pair_specs(&[(from.id, to.id)], &Arc::new(spec));
    }

    fn set_pair_specs(&self, directions: &[(NodeId, NodeId)], spec: &Arc<LinkSpec>) {
        self.change(|state| {
            for pair in directions {
                state.net.pair_specs.insert(*pair, spec.clone());
            }
            state.refresh_links();
        });
    }

    /// Takes the properties of a pair of nodes back: those of their regions count again.
    pub fn unset_link(&self, a: &NodeHandle, b: &NodeHandle) {
        self.change(|state| {
            state.net.pair_specs.remove(&(a.id, b.id));
            state.net.pair_specs.remove(&(b.id, a.id));
            state.refresh_links();
        });
    }

    /// Drops what either node sends to the other from now on.
    pub fn cut(&self, a: &NodeHandle, b: &NodeHandle) {
        self.cut_one_way(a, b);
        self.cut_one_way(b, a);
    }

    /// Drops what `from` sends to `to` from now on.
    pub fn cut_one_way(&self, from: &NodeHandle, to: &NodeHandle) {
        self.change(|state| state.cut(from.id, to.id));
    }

    /// Takes back one [`Network::cut`].
    pub fn heal(&self, a: &NodeHandle, b: &NodeHandle) {
        self.heal_one_way(a, b);
        self.heal_one_way(b, a);
    }

    /// Takes back one [`Network::cut_one_way`].
    pub fn heal_one_way(&self, from: &NodeHandle, to: &NodeHandle) {
        self.change(|state| state.heal(from.id, to.id));
    }

    /// Lets what either node sends to the other wait from now on.
    pub fn hold(&self, a: &NodeHandle, b: &NodeHandle) {
        self.hold_one_way(a, b);
        self.hold_one_way(b, a);
    }

    /// Lets what `from` sends to `to` wait from now on.
    pub fn hold_one_way(&self, from: &NodeHandle, to: &NodeHandle) {
        self.change(|state| state.hold(from.id, to.id));
    }

    /// Takes back one [`Network::hold`]; what waited goes on its way now, in order.
    pub fn release(&self, a: &NodeHandle, b: &NodeHandle) {
        self.release_one_way(a, b);
        self.release_one_way(b, a);
    }

    /// Takes back one [`Network::hold_one_way`].
    pub fn release_one_way(&self, from: &NodeHandle, to: &NodeHandle) {
        self.change(|state| state.release(from.id, to.id));
    }

    /// Cuts every pair of nodes that are in different groups. Nodes in no group keep all their links.
    pub fn partition(&self, groups: &[&[NodeHandle]]) {
        self.for_each_crossing(groups, |a, b| self.cut(a, b));
    }

    /// Takes back one [`Network::partition`] of the same groups.
    pub fn heal_partition(&self, groups: &[&[NodeHandle]]) {
        self.for_each_crossing(groups, |a, b| self.heal(a, b));
    }

    fn for_each_crossing(&self, groups: &[&[NodeHandle]], action: impl Fn(&NodeHandle, &NodeHandle)) {
        for (index, group) in groups.iter().enumerate() {
            for other in &groups[index + 1..] {
                for a in *group {
                    for b in *other {
                        action(a, b);
                    }
                }
            }
        }
    }

    /// Takes back all cuts and all holds.
    pub fn heal_all(&self) {
        self.change(State::heal_all);
    }
}

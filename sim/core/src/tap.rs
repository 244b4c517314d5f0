//! Watching a world from outside.
//!
//! A tap sees what a wire-tapper, an operator or a fault log would see. It cannot change anything. What a given
//! adversary may see is decided by whoever puts taps together, not here; contents of packets are handed out only where
//! a tap asks for them with [`Tap::wants_payload`].

use crate::node::{KillMode, NodeId};
use chrysalis_env::Observation;
use std::{fmt, net::SocketAddrV4};

/// Watches one world. Calls come in the order of events, outside any lock of the world.
pub trait Tap: Send + Sync {
    /// A packet left its sender.
    fn on_packet(&self, _packet: &PacketEvent) {}
    /// A node observed something.
    fn on_observation(&self, _node: NodeId, _name: &str, _at_ns: u64, _observation: &Observation<'_>) {}
    /// A fault was injected or healed.
    fn on_fault(&self, _fault: &FaultEvent) {}
    /// Whether packets are to carry their contents, which costs a copy each.
    fn wants_payload(&self) -> bool {
        false
    }
}

/// Names a connection over the whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PacketKind {
    /// Opens a connection.
    Syn,
    /// Agrees to open it.
    SynAck,
    /// Completes the handshake. Acknowledgements of data are not modelled as packets.
    Ack,
    /// Data: what one write put on the wire, at most 64 KiB.
    Data,
    /// The sender will send no more.
    Fin,
    /// The connection is void.
    Rst,
}

/// A packet that leaves its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketEvent {
    /// True time of departure.
    pub at_ns: u64,
    /// True time of arrival; `None` if the network drops or holds it. What is sent again, or let go, is another event.
    pub arrives_ns: Option<u64>,
    /// The sender.
    pub from_node: NodeId,
    /// The node that has the destination address; `None` if there is none.
    pub to_node: Option<NodeId>,
    /// Source address.
    pub from: SocketAddrV4,
    /// Destination address.
    pub to: SocketAddrV4,
    /// The connection.
    pub connection: ConnectionId,
    /// What it is.
    pub kind: PacketKind,
    /// Bytes of data that its sender put into the connection before those in it: its sequence number without the random
    /// start. Data that is sent again has the offset it had before.
    pub offset_bytes: u64,
    /// Bytes of data in it, without headers.
    pub length_bytes: u64,
    pub(crate) payload: Option<Box<[u8]>>,
}

impl PacketEvent {
    /// The data, if the tap [wants it](Tap::wants_payload) and the packet has any.
    pub fn payload(&self) -> Option<&[u8]> {
        self.payload.as_deref()
    }
}

/// A fault that was injected or healed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultEvent {
    /// True time.
    pub at_ns: u64,
    /// Which.
    pub kind: FaultKind,
}

/// The faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// Packets from one node to another are dropped from now on.
    Cut {
        /// Sender.
        from: NodeId,
        /// Receiver.
        to: NodeId,
    },
    /// They are no longer dropped.
    Heal {
        /// Sender.
        from: NodeId,
        /// Receiver.
        to: NodeId,
    },
    /// Packets from one node to another wait from now on.
    Hold {
        /// Sender.
        from: NodeId,
        /// Receiver.
        to: NodeId,
    },
    /// They go on.
    Release {
        /// Sender.
        from: NodeId,
        /// Receiver.
        to: NodeId,
    },
    /// The properties of a link, or of all links between two regions, changed.
    LinkChanged,
    /// A node died.
    Kill {
        /// Which.
        node: NodeId,
        /// How.
        mode: KillMode,
    },
    /// A node started again.
    Restart {
        /// Which.
        node: NodeId,
    },
    /// A node's tasks stand still.
    Pause {
        /// Which.
        node: NodeId,
    },
    /// They go on.
    Resume {
        /// Which.
        node: NodeId,
    },
    /// A node lost its disk's contents.
    WipeDisk {
        /// Which.
        node: NodeId,
    },
    /// A node's disk holds what an earlier copy of it held.
    RestoreDisk {
        /// Which.
        node: NodeId,
    },
    /// A node's clock was changed.
    Clock {
        /// Which.
        node: NodeId,
    },
    /// A disk fault was armed or disarmed.
    Disk {
        /// Which.
        node: NodeId,
    },
}

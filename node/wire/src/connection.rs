//! The handshake of a transport connection and the sorting of its packets, as a pure state machine (spec §2.4).

use crate::packet::{Packet, TcpConnect, TcpConnected, TcpPong, TcpQuery, TcpQueryAnswer, TcpQueryError};

/// Who opened the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Opened it, says `tcp.connect`, pings.
    Dialer,
    /// Accepted it, says `tcp.connected`, answers pings.
    Acceptor,
}

/// What to do with a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// The connection became ready: the dialer starts the application handshake, the acceptor first sends `reply`.
    Ready {
        /// To be sent now.
        reply: Option<Packet>,
    },
    /// To be sent now: the answer to a ping.
    Reply(Packet),
    /// Nothing: a pong, or a repeated part of the handshake.
    Nothing,
    /// An application message, boxed.
    Message(Vec<u8>),
    /// An application query.
    Query(TcpQuery),
    /// Answer to an application query.
    QueryAnswer(TcpQueryAnswer),
    /// Refusal of an application query.
    QueryError(TcpQueryError),
}

/// Why the connection must close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// The first packet was not the one that starts the handshake.
    #[error("first packet is {found}, not {expected}")]
    WrongFirstPacket {
        /// Constructor that came.
        found: &'static str,
        /// Constructor that was due.
        expected: &'static str,
    },
    /// The acceptor confirmed another id. The reference dialer does not compare it.
    #[error("tcp.connected repeats id {found}, not {expected}")]
    WrongConnectId {
        /// The id that was sent.
        expected: i64,
        /// The id that came back.
        found: i64,
    },
}

/// Handshake state of one connection.
#[derive(Clone, Debug)]
pub struct Connection {
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// The dialer sent `tcp.connect` with this id.
    AwaitsConnected {
        id: i64,
    },
    AwaitsConnect,
    Ready,
}

impl Connection {
    /// The dialer's end, and the packet that it sends first. `id` is random.
    pub const fn dial(id: i64) -> (Self, Packet) {
        (
            Self {
                state: State::AwaitsConnected { id },
            },
            Packet::Connect(TcpConnect { id }),
        )
    }

    /// The acceptor's end.
    pub const fn accept() -> Self {
        Self {
            state: State::AwaitsConnect,
        }
    }

    /// Whether application packets may be sent.
    pub const fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready)
    }

    /// Takes a packet from the peer.
    ///
    /// # Errors
    /// The handshake is broken; the connection must close.
    pub fn receive(&mut self, packet: Packet) -> Result<Received, ConnectionError> {
        match self.state {
            State::AwaitsConnect => {
                let Packet::Connect(TcpConnect { id }) = packet else {
                    return Err(ConnectionError::WrongFirstPacket {
                        found: packet.name(),
                        expected: "tcp.connect",
                    });
                };
                self.state = State::Ready;
                Ok(Received::Ready {
                    reply: Some(Packet::Connected(TcpConnected { id })),
                })
            }
            State::AwaitsConnected { id: expected } => {
                let Packet::Connected(TcpConnected { id: found }) = packet else {
                    return Err(ConnectionError::WrongFirstPacket {
                        found: packet.name(),
                        expected: "tcp.connected",
                    });
                };
                if found != expected {
                    return Err(ConnectionError::WrongConnectId { expected, found });
                }
                self.state = State::Ready;
                Ok(Received::Ready { reply: None })
            }
            State::Ready => Ok(match packet {
                Packet::Connect(_) | Packet::Connected(_) | Packet::Pong(_) => Received::Nothing,
                Packet::Ping(ping) => Received::Reply(Packet::Pong(TcpPong { id: ping.id })),
                Packet::Packet(packet) => Received::Message(packet.data),
                Packet::Query(query) => Received::Query(query),
                Packet::QueryAnswer(answer) => Received::QueryAnswer(answer),
                Packet::QueryError(error) => Received::QueryError(error),
            }),
        }
    }
}

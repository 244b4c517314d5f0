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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{TcpPacket, TcpPing};

    fn ready_pair() -> (Connection, Connection) {
        let (mut dialer, hello) = Connection::dial(7);
        let mut acceptor = Connection::accept();
        assert!(!dialer.is_ready() && !acceptor.is_ready());
        assert_eq!(hello, Packet::Connect(TcpConnect { id: 7 }));
        let Ok(Received::Ready { reply: Some(reply) }) = acceptor.receive(hello) else {
            panic!("the acceptor is not ready");
        };
        assert_eq!(dialer.receive(reply), Ok(Received::Ready { reply: None }));
        assert!(dialer.is_ready() && acceptor.is_ready());
        (dialer, acceptor)
    }

    #[test]
    fn both_ends_become_ready_and_sort_packets() {
        let (mut dialer, acceptor) = ready_pair();
        assert_eq!(
            dialer.receive(TcpPing { id: 3 }.into()),
            Ok(Received::Reply(Packet::Pong(TcpPong { id: 3 })))
        );
        for mut connection in [dialer, acceptor] {
            for ignored in [
                TcpConnect { id: 1 }.into(),
                TcpConnected { id: 1 }.into(),
                Packet::Pong(TcpPong { id: 1 }),
            ] {
                assert_eq!(connection.receive(ignored), Ok(Received::Nothing));
            }
            let message = TcpPacket { data: vec![1] };
            assert_eq!(connection.receive(message.into()), Ok(Received::Message(vec![1])));
            let query = TcpQuery { id: 1, data: vec![2] };
            assert_eq!(connection.receive(query.clone().into()), Ok(Received::Query(query)));
            let answer = TcpQueryAnswer { id: 1, data: vec![3] };
            assert_eq!(
                connection.receive(answer.clone().into()),
                Ok(Received::QueryAnswer(answer))
            );
            let error = TcpQueryError {
                id: 1,
                code: 602,
                message: "no".into(),
            };
            assert_eq!(
                connection.receive(error.clone().into()),
                Ok(Received::QueryError(error))
            );
        }
    }

    #[test]
    fn nothing_is_taken_before_the_handshake() {
        let premature: [Packet; 7] = [
            TcpPing { id: 1 }.into(),
            TcpPong { id: 1 }.into(),
            TcpPacket { data: Vec::new() }.into(),
            TcpQuery {
                id: 1,
                data: Vec::new(),
            }
            .into(),
            TcpQueryAnswer {
                id: 1,
                data: Vec::new(),
            }
            .into(),
            TcpQueryError {
                id: 1,
                code: 0,
                message: String::new(),
            }
            .into(),
            TcpConnected { id: 1 }.into(),
        ];
        for packet in premature {
            let mut acceptor = Connection::accept();
            let found = packet.name();
            assert_eq!(
                acceptor.receive(packet.clone()),
                Err(ConnectionError::WrongFirstPacket {
                    found,
                    expected: "tcp.connect"
                })
            );
            assert!(!acceptor.is_ready());
            let (mut dialer, _) = Connection::dial(2);
            assert!(dialer.receive(packet).is_err());
        }
        let (mut dialer, _) = Connection::dial(2);
        assert_eq!(
            dialer.receive(TcpConnected { id: 1 }.into()),
            Err(ConnectionError::WrongConnectId { expected: 2, found: 1 })
        );
    }
}

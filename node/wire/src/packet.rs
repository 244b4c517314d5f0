//! Transport packets: what stands inside a frame (spec §2.4).

use crate::tl::define::{constructors, one_of};

constructors! {
    /// First packet of the dialer.
    struct TcpConnect = 0xa57c_4261 "tcp.connect" => "tcp.Packet" {
        /// Random; comes back in [`TcpConnected`].
        id: i64,
    }

    /// First packet of the acceptor.
    struct TcpConnected = 0x636d_41d6 "tcp.connected" => "tcp.Packet" {
        /// From [`TcpConnect`].
        id: i64,
    }

    /// Asks for a sign of life.
    struct TcpPing = 0xbbe9_627c "tcp.ping" => "tcp.Packet" {
        /// Random; comes back in [`TcpPong`].
        id: i64,
    }

    /// A sign of life.
    struct TcpPong = 0x0bd4_302c "tcp.pong" => "tcp.Packet" {
        /// From [`TcpPing`].
        id: i64,
    }

    /// An application message; nothing answers it.
    struct TcpPacket = 0x9c17_baf8 "tcp.packet" => "tcp.Packet" {
        /// A boxed object of the connection's direction.
        data: Vec<u8>,
    }

    /// An application query.
    struct TcpQuery = 0x3af5_1908 "tcp.query" => "tcp.Packet" {
        /// Random; the answer carries it.
        id: i64,
        /// A boxed query of the connection's direction.
        data: Vec<u8>,
    }

    /// Answer to a query.
    struct TcpQueryAnswer = 0xc048_c311 "tcp.queryAnswer" => "tcp.Packet" {
        /// From [`TcpQuery`].
        id: i64,
        /// The boxed answer.
        data: Vec<u8>,
    }

    /// Refusal of a query.
    struct TcpQueryError = 0x4cd2_f602 "tcp.queryError" => "tcp.Packet" {
        /// From [`TcpQuery`].
        id: i64,
        /// See [`crate::error_code`].
        code: i32,
        /// For people.
        message: String,
    }
}

one_of! {
    /// What one frame carries.
    enum Packet = "tcp.Packet" {
        /// First packet of the dialer.
        Connect(TcpConnect),
        /// First packet of the acceptor.
        Connected(TcpConnected),
        /// Asks for a sign of life.
        Ping(TcpPing),
        /// A sign of life.
        Pong(TcpPong),
        /// An application message.
        Packet(TcpPacket),
        /// An application query.
        Query(TcpQuery),
        /// Answer to a query.
        QueryAnswer(TcpQueryAnswer),
        /// Refusal of a query.
        QueryError(TcpQueryError),
    }
}

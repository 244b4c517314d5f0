//! The protocol between client, proxy and worker: TL objects, frames, proof of work, HTTP in TL; no I/O.
//!
//! Everything here is a pure function or a state machine that is fed bytes and times. Bytes on the wire are those of the
//! reference system; where its decoders are lax, these are strict, and the module says so.
//!
//! From the socket upward:
//!
//! | module | holds |
//! |---|---|
//! | [`proof_of_work`] | what a dialer pays before TLS |
//! | [`attestation_record`] | what a router tells its runner about the peer |
//! | [`frame`] | length, sequence number, payload |
//! | [`packet`] | the payload: handshake, keep-alive, messages, queries |
//! | [`connection`] | the transport handshake |
//! | [`keep_alive`] | when to ping and when to give up |
//! | [`tl`] | the serialisation, strict and bounded |
//! | [`objects`] | every constructor of the application |
//! | [`messages`] | which of them may travel in which direction |
//! | [`query`] | which answer belongs to which query, and how long to wait |
//! | [`protocol_version`] | what two sides agree on |
//! | [`error_code`] | why something failed |
//! | [`http`] | building and cleaning HTTP messages |
//! | [`json`] | JSON as it travels, numbers unchanged |
//! | [`answer_stream`] | a worker's metering of the backend's body |

pub mod answer_stream;
pub mod attestation_record;
pub mod connection;
pub mod error_code;
pub mod frame;
pub mod http;
pub mod json;
pub mod keep_alive;
pub mod messages;
pub mod objects;
pub mod packet;
pub mod proof_of_work;
pub mod protocol_version;
pub mod query;
pub mod tl;

pub use tl::{Boxed, DecodeError, RequestId, Seconds, TlObject};

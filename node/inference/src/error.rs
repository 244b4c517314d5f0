//! Why there is no response, or only part of one.

use std::{io, net::SocketAddr, time::Duration};

/// What keeps a backend from answering. Refusals are not errors but responses with a status.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The request cannot be written as HTTP (a path with a space, a header with a line break).
    #[error("the request cannot be written as HTTP")]
    InvalidRequest(#[source] hyper::http::Error),
    /// No connection to the upstream.
    #[error("no connection to the upstream at {address}")]
    Connect {
        /// Where it should listen.
        address: SocketAddr,
        /// Refused, timed out, reset.
        #[source]
        source: io::Error,
    },
    /// Connecting, sending the request and waiting for the response's head took too long together.
    #[error("no response head within {limit:?}")]
    HeadTimeout {
        /// The limit.
        limit: Duration,
    },
    /// The upstream closed or broke the protocol before the response's head was complete.
    #[error("the upstream failed before the response head")]
    Head(#[source] hyper::Error),
    /// The body was not complete in time.
    #[error("body not complete within {limit:?} of the head")]
    BodyTimeout {
        /// The limit.
        limit: Duration,
    },
    /// The upstream fell silent in the middle of the body.
    #[error("no byte of the body for {limit:?}")]
    BodyStalled {
        /// The limit.
        limit: Duration,
    },
    /// The upstream closed or broke the protocol in the middle of the body.
    #[error("the upstream failed in the middle of the body")]
    Body(#[source] hyper::Error),
    /// A body that had to be read whole is too long.
    #[error("body longer than {limit_bytes} bytes")]
    BodyTooLong {
        /// The limit.
        limit_bytes: usize,
    },
    /// The machine is down.
    #[error("the machine is down")]
    Unavailable,
    /// The upstream answered the probe, but not with success.
    #[error("the upstream answered the probe with status {status}")]
    Probe {
        /// HTTP status.
        status: u16,
    },
}

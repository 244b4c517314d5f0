//! Every constructor that travels between client, proxy, worker and key manager (spec §2.6).
//!
//! | module | holds |
//! |---|---|
//! | [`common`] | token counts, block ids, test objects |
//! | [`params`] | what each role announces of itself |
//! | [`http`] | HTTP requests and responses |
//! | [`payment`] | signed payments and the messages that carry them |
//! | [`client_handshake`] | client → proxy connection and authorisation |
//! | [`client_status`] | a client's other queries: payment status, worker types, refund |
//! | [`client_inference`] | inference requests and answers between client and proxy |
//! | [`worker_handshake`] | worker → proxy connection, comparison of balances, switching on and off |
//! | [`worker_inference`] | inference requests and answers between proxy and worker |
//! | [`key_manager`] | message keys |
//!
//! Type and field names are those of the scheme in Rust spelling: `client.connectToProxy` is [`ClientConnectToProxy`].
//! The transport constructors `tcp.*` are in [`crate::packet`].

pub mod client_handshake;
pub mod client_inference;
pub mod client_status;
pub mod common;
pub mod http;
pub mod key_manager;
pub mod params;
pub mod payment;
#[cfg(test)]
pub(crate) mod round_trip;
pub mod worker_handshake;
pub mod worker_inference;

pub use client_handshake::*;
pub use client_inference::*;
pub use client_status::*;
pub use common::*;
pub use http::*;
pub use key_manager::*;
pub use params::*;
pub use payment::*;
pub use worker_handshake::*;
pub use worker_inference::*;

use crate::tl::Constructor;

/// All constructors, in the order of their modules.
pub fn constructors() -> impl Iterator<Item = &'static Constructor> {
    [
        crate::packet::CONSTRUCTORS,
        common::CONSTRUCTORS,
        params::CONSTRUCTORS,
        http::CONSTRUCTORS,
        payment::CONSTRUCTORS,
        client_handshake::CONSTRUCTORS,
        client_status::CONSTRUCTORS,
        client_inference::CONSTRUCTORS,
        worker_handshake::CONSTRUCTORS,
        worker_inference::CONSTRUCTORS,
        key_manager::CONSTRUCTORS,
    ]
    .into_iter()
    .flatten()
}

/// The name of a constructor in the scheme, for traces.
pub fn constructor_name(id: u32) -> Option<&'static str> {
    constructors()
        .find(|constructor| constructor.id == id)
        .map(|constructor| constructor.name)
}

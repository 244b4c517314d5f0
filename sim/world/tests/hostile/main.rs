//! Hostile peers and refused evidence: real roles in a simulated world, and peers that no daemon can be.
//!
//! | module | holds |
//! |---|---|
//! | [`attestation`] | nobody gets in without evidence, and with good evidence everybody does |
//! | [`client`] | a real proxy and clients that wish it ill |
//! | [`proxy`] | a real client and a real worker, and a proxy that cheats |
//! | [`session`] | evidence bound to sessions: what passes without it, and how sessions end |
//! | [`worker`] | a real proxy, a real client, and workers that cheat |
//! | [`support`] | the small network with room for raw peers |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says where"
)]

mod attestation;
mod client;
mod proxy;
mod session;
mod support;
mod worker;

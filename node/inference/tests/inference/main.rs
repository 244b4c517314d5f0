//! Backends: answers, timing, servers of others.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says so and stops"
)]

mod answers;
mod loopback;
mod support;
mod timing;
mod upstream;
mod upstream_limits;

//! Whole simulated networks: faults, settlement, evidence.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says so and stops"
)]

mod adversaries;
mod chain_server;
mod common;
mod faults;
mod hello;
mod keys;
mod settlement;
#[cfg(feature = "toncenter")]
mod toncenter;
mod trust;

//! The command line and what it writes. One program, because linking a dozen of this size takes minutes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says so and stops"
)]

mod attest;
mod attest_scenarios;
mod attest_vectors;
mod bad_scenarios;
mod binary;
mod chain_serve;
mod cli;
mod common;
mod determinism;
mod mutations;
mod network;
mod outputs;
mod plans;
mod recorded;
mod robustness;
mod settlement;

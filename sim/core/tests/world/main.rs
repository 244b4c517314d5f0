//! What loopback sockets cannot show, on both simulated engines.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "helpers of tests fail like tests"
)]

mod clocks;
mod determinism;
mod disks;
mod faults;
mod limits;
mod links;
mod nodes;
mod pipes;
mod support;
mod taps;

//! Run stores, statistics, analyses and reports.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says so and stops"
)]

mod analyses;
mod report;
mod schema;
mod security;
mod statistics;
mod store;
mod support;

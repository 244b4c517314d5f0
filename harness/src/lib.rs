//! Scenario files, the runner, and the command line.
//!
//! | module | holds |
//! |---|---|
//! | [`scenario`] | scenario files, version 1: YAML to a validated scenario |
//! | [`plan`] | a scenario and a seed to the plan of one run |
//! | [`diagnostic`] | error codes, places in files, and how they are shown |
//! | [`runner`] | scenarios × seeds on threads; run folders; summaries |
//! | [`cli`] | the command line |
//! | [`services`] | what the command line needs from the rest of the system |
//! | [`system`] | those services: worlds, run stores, reports, live networks |
//! | [`host`] | streams, folder, terminal, signals |
//! | [`exit`](mod@exit) | exit codes |

pub mod cli;
pub mod diagnostic;
pub mod exit;
pub mod host;
pub mod plan;
pub mod runner;
pub mod scenario;
pub mod services;
pub mod system;

pub use cli::run_with;

//! Scenario files, the runner, and the command line.
//!
//! | module | holds |
//! |---|---|
//! | [`scenario`] | scenario files, version 1: YAML to a validated scenario |
//! | [`plan`] | a scenario and a seed to the plan of one run |
//! | [`diagnostic`] | error codes, places in files, and how they are shown |

pub mod diagnostic;
pub mod plan;
pub mod scenario;

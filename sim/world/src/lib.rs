//! Puts a plan together: nodes, network, TEEs, workload, faults; runs it and says what happened.
//!
//! | module | holds |
//! |---|---|
//! | [`plan`] | everything that one run does, as plain data |

pub mod plan;

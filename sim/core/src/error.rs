//! How a run can fail.

use crate::sim::SimReport;
use std::fmt;

/// A run that did not return a value.
#[derive(Debug)]
pub struct SimError {
    /// What went wrong.
    pub kind: SimErrorKind,
    /// The run up to then; `None` if it never started.
    pub report: Option<Box<SimReport>>,
}

impl fmt::Display for SimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for SimError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.kind)
    }
}

/// The ways in which a run fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SimErrorKind {
    /// This build lacks the engine.
    #[error("the madsim engine is not in this build: it needs --cfg madsim for all crates (is RUSTFLAGS set?)")]
    EngineUnavailable,
    /// No task can go on and no timer is armed.
    #[error(
        "deadlock at {at_ns} ns: nothing is ready and no timer is armed; waiting: {}",
        list(waiting)
    )]
    Deadlock {
        /// True time.
        at_ns: u64,
        /// All tasks.
        waiting: Vec<WaitingTask>,
    },
    /// A bound of [`crate::Limits`] was reached.
    #[error("the run reached its limit of {limit} at {at_ns} ns; waiting: {}", list(waiting))]
    LimitReached {
        /// Which one.
        limit: LimitKind,
        /// True time.
        at_ns: u64,
        /// All tasks.
        waiting: Vec<WaitingTask>,
    },
    /// Node code panicked under [`crate::PanicPolicy::FailRun`].
    #[error("task {label} of node {node} panicked at {at_ns} ns: {message}")]
    NodePanicked {
        /// Name of the node.
        node: String,
        /// Label of the task.
        label: &'static str,
        /// True time.
        at_ns: u64,
        /// What it said.
        message: String,
    },
}

fn list(tasks: &[WaitingTask]) -> String {
    const SHOWN: usize = 20;
    let mut text = tasks
        .iter()
        .take(SHOWN)
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    if tasks.len() > SHOWN {
        text.push_str(&format!(" and {} more", tasks.len() - SHOWN));
    }
    text
}

/// A task that has not finished.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WaitingTask {
    /// Name of its node.
    pub node: String,
    /// Its label.
    pub label: &'static str,
    /// Whether its node is paused.
    pub paused: bool,
}

impl fmt::Display for WaitingTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.node, self.label)?;
        if self.paused {
            f.write_str(" (paused)")?;
        }
        Ok(())
    }
}

/// A bound of [`crate::Limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitKind {
    /// [`crate::Limits::events`].
    Events,
    /// [`crate::Limits::virtual_ns`].
    VirtualTime,
    /// [`crate::Limits::polls_at_one_instant`]: a live-lock.
    PollsAtOneInstant,
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Events => "events",
            Self::VirtualTime => "virtual time",
            Self::PollsAtOneInstant => "polls at one instant (live-lock)",
        })
    }
}

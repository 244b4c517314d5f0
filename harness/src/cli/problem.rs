//! What can go wrong with a command, other than the content of a scenario file.

use std::path::PathBuf;

use crate::diagnostic::Code;
use crate::diagnostic::source::printable;
use crate::exit::Exit;
use crate::services::ServiceError;

/// A command that cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No such file or folder.
    #[error("cannot read {}: {why}", path.display())]
    PathNotFound {
        /// As it was given.
        path: PathBuf,
        /// The operating system's words.
        why: String,
    },
    /// Nothing to do.
    #[error("no scenario was selected")]
    NothingSelected,
    /// Not a run folder.
    #[error("{} is not the folder of a run: {why}", path.display())]
    NotARun {
        /// As it was given.
        path: PathBuf,
        /// What is missing.
        why: String,
    },
    /// No such engine here.
    #[error("the {engine} engine is not available: {why}")]
    EngineUnavailable {
        /// Its name.
        engine: &'static str,
        /// One sentence.
        why: String,
    },
    /// Output.
    #[error("cannot write {}: {why}", path.display())]
    OutputFolder {
        /// Where.
        path: PathBuf,
        /// The operating system's words.
        why: String,
    },
    /// Digests differ.
    #[error("{what} is not deterministic: {detail}")]
    NotDeterministic {
        /// Scenario and seed.
        what: String,
        /// What differs, and where first if that is known.
        detail: String,
    },
    /// A service failed.
    #[error("{what} could not be carried out: {error}")]
    ExecutionFailed {
        /// The task.
        what: String,
        /// Why.
        error: ServiceError,
    },
    /// A panic.
    #[error("{what} ended in a panic: {message}")]
    Panicked {
        /// The task.
        what: String,
        /// The panic's message.
        message: String,
    },
    /// No such code.
    #[error("there is no diagnostic `{code}`")]
    UnknownCode {
        /// As it was given.
        code: String,
    },
    /// Faults on real sockets.
    #[error("these scenarios have faults, and real sockets have none: {names}")]
    NeedsSimulation {
        /// The scenarios.
        names: String,
    },
    /// A folder of contract codes that is not taken.
    #[error("{why}")]
    Contracts {
        /// What is wrong.
        why: String,
    },
    /// Contract codes for scenarios without a chain.
    #[error("`--contracts` is for scenarios on a chain, and these have no section `settlement`: {names}")]
    NoChain {
        /// The scenarios.
        names: String,
    },
    /// A file is not what it must be.
    #[error("cannot read {} {problem}", path.display())]
    Unreadable {
        /// As it was given.
        path: PathBuf,
        /// What was expected, and where.
        problem: String,
    },
    /// A policy is none.
    #[error("{} is no policy: {problem}", path.display())]
    PolicyFile {
        /// As it was given.
        path: PathBuf,
        /// What is wrong, and where.
        problem: String,
    },
    /// A folder is not one of simulated vendors.
    #[error("{} is no folder of simulated vendors: {why}", path.display())]
    SimulatedVendors {
        /// As it was given.
        path: PathBuf,
        /// What it is instead.
        why: String,
    },
    /// Two scenarios of one name.
    #[error("{} and {} are both named `{name}`", first.display(), second.display())]
    NameTaken {
        /// The name.
        name: String,
        /// The first file.
        first: PathBuf,
        /// The second.
        second: PathBuf,
    },
}

impl CommandError {
    /// Its diagnostic code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::PathNotFound { .. } => Code::PathNotFound,
            Self::NothingSelected => Code::NothingSelected,
            Self::NotARun { .. } => Code::NotARun,
            Self::EngineUnavailable { .. } => Code::EngineUnavailable,
            Self::OutputFolder { .. } => Code::OutputFolder,
            Self::NotDeterministic { .. } => Code::NotDeterministic,
            Self::ExecutionFailed { .. } => Code::ExecutionFailed,
            Self::Panicked { .. } => Code::Panicked,
            Self::UnknownCode { .. } => Code::UnknownCode,
            Self::NeedsSimulation { .. } => Code::NeedsSimulation,
            Self::Contracts { .. } => Code::Contracts,
            Self::NoChain { .. } => Code::NoChain,
            Self::NameTaken { .. } => Code::NameTaken,
            Self::Unreadable { .. } => Code::Unreadable,
            Self::PolicyFile { .. } => Code::PolicyFile,
            Self::SimulatedVendors { .. } => Code::SimulatedVendors,
        }
    }

    /// How a program that stops here ends.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::PathNotFound { .. }
            | Self::NotARun { .. }
            | Self::UnknownCode { .. }
            | Self::NeedsSimulation { .. }
            | Self::NoChain { .. }
            | Self::Unreadable { .. }
            | Self::PolicyFile { .. }
            | Self::SimulatedVendors { .. } => Exit::Usage,
            Self::ExecutionFailed {
                error: ServiceError::Input(_),
                ..
            } => Exit::Usage,
            Self::NameTaken { .. } | Self::Contracts { .. } => Exit::Invalid,
            Self::NothingSelected => Exit::NothingSelected,
            Self::EngineUnavailable { .. } | Self::OutputFolder { .. } | Self::ExecutionFailed { .. } => {
                Exit::Environment
            }
            Self::NotDeterministic { .. } => Exit::NotDeterministic,
            Self::Panicked { .. } => Exit::Internal,
        }
    }

    /// The error as text for people.
    #[must_use]
    pub fn render(&self) -> String {
        let code = self.code();
        format!(
            "error[{code}]: {}\n = more: chrysalis explain {code}\n",
            printable(&self.to_string())
        )
    }
}

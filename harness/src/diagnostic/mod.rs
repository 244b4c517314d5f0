//! Diagnostics: what is wrong with an input, where, and what to do about it.
//!
//! | module | holds |
//! |---|---|
//! | [`code`] | the one table of codes, titles and explanations |
//! | [`source`] | the text that a diagnostic points into |
//! | [`render`] | plain text for logs, drawings for terminals, JSON for machines |

pub mod code;
pub mod render;
pub mod source;

use std::sync::Arc;

pub use code::Code;
pub use source::{Position, Source};

/// One error with a place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What it is about.
    pub code: Code,
    /// One line, a lower-case fragment without a full stop.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// Where.
    pub position: Position,
    /// An earlier place that matters, with a word on why.
    pub note: Option<(Position, String)>,
    /// The file.
    pub source: Arc<Source>,
}

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Position { line, column, .. } = self.position;
        write!(
            formatter,
            "{}:{line}:{column}: {} [{}]",
            self.source.name(),
            self.message,
            self.code
        )
    }
}

impl std::error::Error for Diagnostic {}

//! The surroundings of a command: streams, folder, terminal, signals. Tests pass their own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::diagnostic::render::Style;

/// Where a command runs.
pub struct Host<'a> {
    /// For data.
    pub stdout: &'a mut (dyn Write + Send),
    /// For people.
    pub stderr: &'a mut (dyn Write + Send),
    /// How diagnostics look on `stderr`.
    pub style: Style,
    /// Whether `stderr` is a terminal on which a bar may move.
    pub live: bool,
    /// Relative paths start here.
    pub folder: PathBuf,
    /// The number of the signal that asked the program to end; zero while there was none.
    pub stop: &'a AtomicUsize,
}

impl Host<'_> {
    /// A path as the operating system needs it.
    #[must_use]
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }

    /// The signal that asked the program to end.
    #[must_use]
    pub fn signal(&self) -> Option<u8> {
        match self.stop.load(Ordering::Relaxed) {
            0 => None,
            number => Some(u8::try_from(number).unwrap_or(u8::MAX)),
        }
    }

    /// Writes a line of data. A closed pipe is how the reader says that it has enough.
    pub fn data(&mut self, text: &str) {
        let _ = self.stdout.write_all(text.as_bytes());
        if !text.ends_with('\n') {
            let _ = self.stdout.write_all(b"\n");
        }
        let _ = self.stdout.flush();
    }

    /// Writes a line for people.
    pub fn say(&mut self, text: &str) {
        let _ = self.stderr.write_all(text.as_bytes());
        if !text.ends_with('\n') {
            let _ = self.stderr.write_all(b"\n");
        }
        let _ = self.stderr.flush();
    }
}

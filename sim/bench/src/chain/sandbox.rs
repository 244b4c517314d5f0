//! The same calls in the executor of `@ton/sandbox`, in a child process of Node.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::Deserialize;

/// Where its packages are in a checkout of the project.
const FOLDER: &str = "node/settlement/contracts";

/// What the child prints.
#[derive(Deserialize)]
struct Printed {
    transactions: u64,
    cpu_s: f64,
}

/// A rival that can be started.
#[derive(Debug, Clone)]
pub(super) struct Sandbox {
    folder: PathBuf,
}

impl Sandbox {
    /// Looks for it; tells what is missing.
    pub(super) fn find(repository: &Path) -> Result<Self, String> {
        let folder = repository.join(FOLDER);
        let node = Command::new("node")
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !node.is_ok_and(|status| status.success()) {
            return Err("Node is not installed".to_owned());
        }
        if !folder.join("node_modules/@ton/sandbox").is_dir() {
            return Err(format!("its packages are not installed: `npm ci` in {FOLDER}"));
        }
        Ok(Self { folder })
    }

    /// Transactions per CPU-second of the first `calls` calls of a file; none if the child failed.
    pub(super) fn rate(&self, vectors: &Path, calls: usize) -> Option<f64> {
        let vectors = vectors.canonicalize().ok()?;
        let output = Command::new("node")
            .arg("conformance/bench.mjs")
            .arg(vectors)
            .arg(calls.to_string())
            .current_dir(&self.folder)
            .stderr(Stdio::inherit())
            .output()
            .ok()?;
        let printed: Printed = serde_json::from_slice(&output.stdout).ok()?;
        (output.status.success() && printed.cpu_s > 0.0).then(|| printed.transactions as f64 / printed.cpu_s)
    }
}

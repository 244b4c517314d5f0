//! What can be wrong with a run store.

use std::path::PathBuf;

/// Why a run store could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is nothing at this path.
    #[error("no run store at {}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Something is there, but not a run store.
    #[error("{} is not a run store: {reason}", path.display())]
    NotARunStore {
        /// Path of the folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The store was written with another schema.
    #[error("run store of schema version {found}; this program reads version {supported}")]
    WrongSchemaVersion {
        /// Version of the store.
        found: u64,
        /// The version that can be read.
        supported: u32,
    },
    /// A table is absent, damaged, changed since it was written, or not of the schema.
    #[error("table {table}: {reason}")]
    CorruptTable {
        /// Name of the table.
        table: String,
        /// What is wrong.
        reason: String,
    },
    /// A file is larger than any that this program writes.
    #[error("{file} exceeds the limit of {limit} {unit}")]
    TooLarge {
        /// File or table.
        file: String,
        /// The limit.
        limit: u64,
        /// Unit of the limit.
        unit: &'static str,
    },
    /// The folder to be written exists already.
    #[error("{} exists already", path.display())]
    AlreadyExists {
        /// Path of the folder.
        path: PathBuf,
    },
    /// A table could not be encoded.
    #[error("table {table} could not be encoded: {reason}")]
    Encoding {
        /// Name of the table.
        table: String,
        /// What the encoder said.
        reason: String,
    },
    /// The operating system refused.
    #[error("{}", path.display())]
    Io {
        /// Path that was being used.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

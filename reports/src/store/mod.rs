//! Run stores: one folder for each run, `manifest.json` and one Parquet file for each table.
//!
//! Equal inputs give byte-identical stores. A store read from disk is untrusted input: it may have been made by anyone.
//!
//! Writing uses polars, which keeps a thread pool: call it outside a simulated world.

mod error;
mod manifest;
mod parquet;
mod reader;
mod writer;

pub use error::StoreError;
pub use manifest::{FORMAT, Manifest, NamedThreat, RunDescription, RunVerdict, TableRecord, ThreatDescription};
pub(crate) use reader::inputs_digest;
pub use reader::{RunStore, read_manifest, verify};
pub use writer::RunStoreWriter;

/// Name of the manifest's file.
const MANIFEST_FILE: &str = "manifest.json";
/// Largest table file, in bytes.
const MAX_TABLE_BYTES: u64 = 1 << 30;
/// Most rows of a table.
const MAX_TABLE_ROWS: u64 = 20_000_000;
/// Most memory for the tables of a store while they are read, in bytes.
const MAX_STORE_MEMORY_BYTES: u64 = 8 << 30;

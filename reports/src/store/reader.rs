//! Reading a run store that anybody may have made.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::manifest::{FORMAT, MAX_MANIFEST_BYTES, Manifest, RunDescription, sha256_hex};
use super::{MANIFEST_FILE, MAX_STORE_MEMORY_BYTES, MAX_TABLE_BYTES, MAX_TABLE_ROWS, StoreError, parquet, writer};
use crate::schema::{Row, SCHEMA_VERSION, Table, Tables, for_each_table};

/// A run: its manifest and its tables, checked against each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunStore {
    manifest: Manifest,
    tables: Tables,
}

impl RunStore {
    /// Reads the store in `dir`.
    ///
    /// Each file is checked against the digest in the manifest before it is decoded. That detects damage, not malice:
    /// whoever can write the tables can write the manifest. Therefore nothing in a table is believed either: every
    /// length is checked, and files, rows and memory are limited.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, StoreError> {
        let dir = dir.as_ref();
        let manifest = read_manifest(dir)?;
        let mut tables = Tables::default();
        let mut budget = parquet::Budget::new(MAX_STORE_MEMORY_BYTES);
        macro_rules! read_each {
            ($($field:ident : $row:ident),+ $(,)?) => {$(
                tables.$field = read_table::<crate::schema::$row>(dir, &manifest, &mut budget)?;
            )+};
        }
        for_each_table!(read_each);
        Ok(Self { manifest, tables })
    }

    /// A run that was never on a disk: for a report right after a run. Its manifest is the one that
    /// [`super::RunStoreWriter::write`] would have written.
    pub fn in_memory(tables: Tables, run: RunDescription) -> Result<Self, StoreError> {
        let manifest = writer::encode(&tables, run)?.manifest;
        Ok(Self { manifest, tables })
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What the run was.
    pub fn run(&self) -> &RunDescription {
        &self.manifest.run
    }

    /// The tables.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }
}

/// Reads only the manifest of the store in `dir`: enough to list runs, without decoding tables.
pub fn read_manifest(dir: impl AsRef<Path>) -> Result<Manifest, StoreError> {
    let dir = dir.as_ref();
    match fs::metadata(dir) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return Err(not_a_run_store(dir, "it is not a folder")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(StoreError::Missing {
                path: dir.to_path_buf(),
            });
        }
        Err(source) => {
            return Err(StoreError::Io {
                path: dir.to_path_buf(),
                source,
            });
        }
    }
    let bytes = match read_file(&dir.join(MANIFEST_FILE), MAX_MANIFEST_BYTES) {
        Ok(bytes) => bytes,
        Err(FileError::Absent) => return Err(not_a_run_store(dir, "it has no manifest.json")),
        Err(FileError::NotAFile) => return Err(not_a_run_store(dir, "manifest.json is not a plain file")),
        Err(FileError::TooLarge) => {
            return Err(StoreError::TooLarge {
                file: MANIFEST_FILE.to_owned(),
                limit: MAX_MANIFEST_BYTES,
                unit: "bytes",
            });
        }
        Err(FileError::Io(path, source)) => return Err(StoreError::Io { path, source }),
    };
    parse_manifest(dir, &bytes)
}

/// Checks that every table of the store in `dir` is there and is the one whose digest the manifest gives, without
/// decoding any. Gives the manifest.
pub fn verify(dir: impl AsRef<Path>) -> Result<Manifest, StoreError> {
    let dir = dir.as_ref();
    let manifest = read_manifest(dir)?;
    for table in Tables::ALL {
        read_table_file(dir, &manifest, table)?;
    }
    Ok(manifest)
}

/// The two fields that are the same in every version.
#[derive(Deserialize)]
struct Header {
    format: String,
    schema_version: u64,
}

fn parse_manifest(dir: &Path, bytes: &[u8]) -> Result<Manifest, StoreError> {
    let header: Header = serde_json::from_slice(bytes)
        .map_err(|error| not_a_run_store(dir, &format!("manifest.json cannot be read: {error}")))?;
    if header.format != FORMAT {
        return Err(not_a_run_store(dir, "manifest.json is of another program"));
    }
    if header.schema_version != u64::from(SCHEMA_VERSION) {
        return Err(StoreError::WrongSchemaVersion {
            found: header.schema_version,
            supported: SCHEMA_VERSION,
        });
    }
    let manifest: Manifest = serde_json::from_slice(bytes)
        .map_err(|error| not_a_run_store(dir, &format!("manifest.json cannot be read: {error}")))?;
    if sha256_hex(manifest.run.scenario_source.as_bytes()) != manifest.scenario_sha256 {
        return Err(not_a_run_store(
            dir,
            "the scenario is not the one whose digest is given",
        ));
    }
    if let Some(unknown) = manifest
        .tables
        .keys()
        .find(|name| Tables::ALL.iter().all(|table| table.name != **name))
    {
        return Err(not_a_run_store(
            dir,
            &format!("table {unknown:?} is not of schema version {SCHEMA_VERSION}"),
        ));
    }
    Ok(manifest)
}

fn read_table<R: Row>(dir: &Path, manifest: &Manifest, budget: &mut parquet::Budget) -> Result<Vec<R>, StoreError> {
    let (bytes, rows) = read_table_file(dir, manifest, &R::TABLE)?;
    parquet::decode(&bytes, rows, budget).map_err(|error| StoreError::CorruptTable {
        table: R::TABLE.name.to_owned(),
        reason: error.to_string(),
    })
}

/// The bytes of a table and the number of its rows, as the manifest has them.
fn read_table_file(dir: &Path, manifest: &Manifest, table: &Table) -> Result<(Vec<u8>, u64), StoreError> {
    let corrupt = |reason: String| StoreError::CorruptTable {
        table: table.name.to_owned(),
        reason,
    };
    let Some(record) = manifest.tables.get(table.name) else {
        return Err(corrupt("absent from the manifest".to_owned()));
    };
    if record.rows > MAX_TABLE_ROWS {
        return Err(StoreError::TooLarge {
            file: table.file_name(),
            limit: MAX_TABLE_ROWS,
            unit: "rows",
        });
    }
    let bytes = match read_file(&dir.join(table.file_name()), MAX_TABLE_BYTES) {
        Ok(bytes) => bytes,
        Err(FileError::Absent) => return Err(corrupt("its file is absent".to_owned())),
        Err(FileError::NotAFile) => return Err(corrupt("its file is not a plain file".to_owned())),
        Err(FileError::TooLarge) => {
            return Err(StoreError::TooLarge {
                file: table.file_name(),
                limit: MAX_TABLE_BYTES,
                unit: "bytes",
            });
        }
        Err(FileError::Io(path, source)) => return Err(StoreError::Io { path, source }),
    };
    if bytes.len() as u64 != record.bytes || sha256_hex(&bytes) != record.sha256 {
        return Err(corrupt(
            "its file is not the one whose digest is in the manifest".to_owned(),
        ));
    }
    Ok((bytes, record.rows))
}

enum FileError {
    Absent,
    NotAFile,
    TooLarge,
    Io(PathBuf, io::Error),
}

/// Reads a plain file of at most `limit` bytes. Links, pipes and devices are refused: a store holds none.
fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let io = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => FileError::Absent,
        _ => FileError::Io(path.to_path_buf(), source),
    };
    let metadata = fs::symlink_metadata(path).map_err(io)?;
    if !metadata.is_file() {
        return Err(FileError::NotAFile);
    }
    if metadata.len() > limit {
        return Err(FileError::TooLarge);
    }
    let mut bytes = Vec::new();
    // The file may grow between the check and the read.
    File::open(path)
        .and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
        .map_err(io)?;
    if bytes.len() as u64 > limit {
        Err(FileError::TooLarge)
    } else {
        Ok(bytes)
    }
}

fn not_a_run_store(dir: &Path, reason: &str) -> StoreError {
    StoreError::NotARunStore {
        path: dir.to_path_buf(),
        reason: reason.to_owned(),
    }
}

/// Digest that identifies a sequence of run stores: of their manifests, which hold the digests of everything else.
pub(crate) fn inputs_digest(runs: &[RunStore]) -> String {
    let mut lines = String::new();
    for run in runs {
        // A manifest is a tree of strings and integers, which JSON can always express.
        lines.push_str(&serde_json::to_string(run.manifest()).unwrap_or_default());
        lines.push('\n');
    }
    sha256_hex(lines.as_bytes())
}

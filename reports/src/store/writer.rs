//! Writing a run store: all of it or nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::manifest::{Manifest, RunDescription, TableRecord, sha256_hex};
use super::{MANIFEST_FILE, MAX_STORE_MEMORY_BYTES, MAX_TABLE_BYTES, MAX_TABLE_ROWS, StoreError, parquet};
use crate::schema::{Row, Tables, for_each_table};

/// Hidden folders of one run and process that may be left over.
const MAX_PARTIAL_ATTEMPTS: u32 = 1_000;

/// Tables as files, with the manifest that names their digests.
pub(super) struct Encoded {
    pub(super) manifest: Manifest,
    files: Vec<(String, Vec<u8>)>,
}

/// Encodes everything without touching a disk.
pub(super) fn encode(tables: &Tables, run: RunDescription) -> Result<Encoded, StoreError> {
    let mut files = Vec::new();
    let mut records = BTreeMap::new();
    let mut budget = parquet::Budget::new(MAX_STORE_MEMORY_BYTES);
    macro_rules! encode_each {
        ($($field:ident : $row:ident),+ $(,)?) => {$(
            let (record, bytes) = encode_table(&tables.$field, &mut budget)?;
            files.push((crate::schema::$row::TABLE.file_name(), bytes));
            records.insert(crate::schema::$row::TABLE.name.to_owned(), record);
        )+};
    }
    for_each_table!(encode_each);
    let manifest = Manifest::new(run, records);
    let mut json = serde_json::to_vec_pretty(&manifest).map_err(|error| StoreError::Encoding {
        table: MANIFEST_FILE.to_owned(),
        reason: error.to_string(),
    })?;
    json.push(b'\n');
    files.push((MANIFEST_FILE.to_owned(), json));
    Ok(Encoded { manifest, files })
}

fn encode_table<R: Row>(rows: &[R], budget: &mut parquet::Budget) -> Result<(TableRecord, Vec<u8>), StoreError> {
    let table = R::TABLE.name;
    if rows.len() as u64 > MAX_TABLE_ROWS {
        return Err(StoreError::TooLarge {
            file: R::TABLE.file_name(),
            limit: MAX_TABLE_ROWS,
            unit: "rows",
        });
    }
    let bytes = parquet::encode(rows, budget).map_err(|error| StoreError::Encoding {
        table: table.to_owned(),
        reason: error.to_string(),
    })?;
    if bytes.len() as u64 > MAX_TABLE_BYTES {
        return Err(StoreError::TooLarge {
            file: R::TABLE.file_name(),
            limit: MAX_TABLE_BYTES,
            unit: "bytes",
        });
    }
    let record = TableRecord {
        rows: rows.len() as u64,
        bytes: bytes.len() as u64,
        sha256: sha256_hex(&bytes),
    };
    Ok((record, bytes))
}

/// Writes one run store.
///
/// Files go to a hidden folder beside the final one, which is then renamed: whoever looks sees a whole store or none.
/// Dropping the writer before [`RunStoreWriter::write`] removes the hidden folder.
#[derive(Debug)]
pub struct RunStoreWriter {
    target: PathBuf,
    partial: PathBuf,
    renamed: bool,
}

impl RunStoreWriter {
    /// Prepares to write to `dir`, which must not exist yet. Missing parent folders are made.
    pub fn create(dir: impl AsRef<Path>) -> Result<Self, StoreError> {
        let target = dir.as_ref().to_path_buf();
        if fs::symlink_metadata(&target).is_ok() {
            return Err(StoreError::AlreadyExists { path: target });
        }
        let Some(name) = target.file_name().map(|name| name.to_string_lossy().into_owned()) else {
            return Err(StoreError::NotARunStore {
                path: target,
                reason: "the path has no last part".to_owned(),
            });
        };
        let parent = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
            _ => PathBuf::from("."),
        };
        fs::create_dir_all(&parent).map_err(|source| StoreError::Io {
            path: parent.clone(),
            source,
        })?;
        let partial = create_partial(&parent, &name)?;
        Ok(Self {
            target,
            partial,
            renamed: false,
        })
    }

    /// Writes the run and gives back its manifest, with the digest of every table.
    pub fn write(mut self, tables: &Tables, run: RunDescription) -> Result<Manifest, StoreError> {
        let encoded = encode(tables, run)?;
        for (name, bytes) in &encoded.files {
            let path = self.partial.join(name);
            fs::write(&path, bytes).map_err(|source| StoreError::Io { path, source })?;
        }
        match fs::rename(&self.partial, &self.target) {
            Ok(()) => {
                self.renamed = true;
                Ok(encoded.manifest)
            }
            Err(source)
                if matches!(
                    source.kind(),
                    io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
                ) =>
            {
                Err(StoreError::AlreadyExists {
                    path: self.target.clone(),
                })
            }
            Err(source) => Err(StoreError::Io {
                path: self.target.clone(),
                source,
            }),
        }
    }
}

/// Makes the hidden folder. Names differ between processes and, by the last number, within one and after a crash.
fn create_partial(parent: &Path, name: &str) -> Result<PathBuf, StoreError> {
    let mut attempt: u32 = 0;
    loop {
        let path = parent.join(format!(".{name}.partial-{}-{attempt}", std::process::id()));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists && attempt < MAX_PARTIAL_ATTEMPTS => {
                attempt += 1;
            }
            Err(source) => return Err(StoreError::Io { path, source }),
        }
    }
}

impl Drop for RunStoreWriter {
    fn drop(&mut self) {
        if !self.renamed {
            // Best effort: what remains is hidden and never taken for a store.
            let _ = fs::remove_dir_all(&self.partial);
        }
    }
}

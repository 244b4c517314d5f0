//! A file that only this guest on this machine can read and write ([`chrysalis_attest::sealing`]). What is written takes
//! the place of what was there whole: after a crash either one is there.

use chrysalis_attest::sealing::{
    self, KeyRole, MachineSecret, Newest, NoKey, Opened, PersistentKey, SealError, SealingIdentity,
};
use chrysalis_env::{Env, OpenMode};
use std::{fmt, io, path::Path, sync::Arc};

/// What a guest's persistent keys come from.
#[derive(Clone)]
pub struct Sealing {
    /// The machine's secret.
    pub machine: Arc<dyn MachineSecret + Send + Sync>,
    /// What the guest is.
    pub identity: SealingIdentity,
}

impl fmt::Debug for Sealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealing")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// Why sealed state cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SealedError {
    /// The disk failed.
    #[error("the sealed file: {0}")]
    Io(#[from] io::Error),
    /// What is there cannot be opened here.
    #[error("the sealed file: {0}")]
    Seal(#[from] SealError),
}

impl From<NoKey> for SealedError {
    fn from(error: NoKey) -> Self {
        Self::Seal(error.into())
    }
}

impl Sealing {
    /// Seals a record of `name` that is to leave the node.
    pub(crate) fn seal(
        &self,
        env: &Env,
        role: KeyRole,
        name: &str,
        number: u64,
        content: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let key = PersistentKey::current(&*self.machine, &self.identity, role)?;
        sealing::seal(&key, name, number, content, env.random())
    }

    /// Opens one. Whether it is the newest is for the caller to say.
    pub(crate) fn open(&self, role: KeyRole, name: &str, record: &[u8]) -> Result<Opened, SealError> {
        sealing::open(&*self.machine, &self.identity, role, name, record, Newest::Unknown)
    }
}

/// See the module.
pub(crate) struct SealedFile {
    pub(crate) env: Env,
    pub(crate) sealing: Sealing,
    pub(crate) role: KeyRole,
    /// Name of the file, and of the record in it.
    pub(crate) name: &'static str,
}

impl SealedFile {
    /// The record; `None` if there is no file.
    pub(crate) fn read(&self) -> Result<Option<Opened>, SealedError> {
        let (files, path) = (self.env.files(), Path::new(self.name));
        if !files.exists(path) {
            return Ok(None);
        }
        let file = files.open(path, OpenMode::Existing)?;
        let len_bytes = usize::try_from(file.len_bytes()?)
            .ok()
            .filter(|len_bytes| *len_bytes <= sealing::record::MAX_RECORD_LEN_BYTES)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "too long for a sealed record"))?;
        let mut record = vec![0; len_bytes];
        file.read_exact_at(&mut record, 0)?;
        Ok(Some(self.sealing.open(self.role, self.name, &record)?))
    }

    /// Replaces the record, durably.
    pub(crate) fn write(&self, number: u64, content: &[u8]) -> Result<(), SealedError> {
        let record = self.sealing.seal(&self.env, self.role, self.name, number, content)?;
        let (files, path) = (self.env.files(), Path::new(self.name));
        let new = path.with_extension("new");
        let file = files.open(&new, OpenMode::Truncate)?;
        file.write_all_at(&record, 0)?;
        file.sync()?;
        files.rename(&new, path)?;
        files.sync_names(Path::new(""))?;
        Ok(())
    }
}

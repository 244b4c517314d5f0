//! The proxy's durable ledger: one signed record a client and a worker, in redb on the node's own files.
//!
//! A transaction is durable when [`LedgerStore::commit`] returns, and all or nothing whatever happens before. Records
//! carry the proxy's signature over their key and value: whoever can write the disk cannot invent, swap or edit one
//! (the reference leaves the key out, spec §4.5). Whose disk it is, the seal beside it says ([`super::anchor`]). An older
//! copy of the whole disk is a matter for the chain (§4.6).

use super::{
    anchor::{Anchor, AnchorError},
    records::SEQNO_KEY,
};
use crate::sealed_file::Sealing;
use chrysalis_env::{Env, File, OpenMode};
use chrysalis_settlement::{PublicKey, Signature, SigningKey};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::{fmt, io, path::Path, sync::Arc};

const TABLE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("ledger");
const FILE_NAME: &str = "ledger.redb";
const DOMAIN: &[u8] = b"chrysalis ledger record 1\0";
const SIGNATURE_BYTES: usize = 64;
/// Pages kept in memory; ledgers are small.
const CACHE_BYTES: usize = 4 * 1024 * 1024;

/// Why the ledger cannot be read or written. A proxy that meets one stops: it must not sign what it cannot keep.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The disk failed.
    #[error("the ledger file: {0}")]
    Io(#[from] io::Error),
    /// The store is damaged or failed.
    #[error("the ledger store: {0}")]
    Store(#[from] redb::Error),
    /// A record is not what this proxy wrote.
    #[error("the ledger record {key:?} is not signed by this proxy")]
    Forged {
        /// The record's key.
        key: String,
    },
    /// The ledger is not this guest's.
    #[error("{0}")]
    Anchor(#[from] AnchorError),
    /// A record of another version or a damaged one that is signed all the same.
    #[error("the ledger record {key:?} cannot be read")]
    Unreadable {
        /// The record's key.
        key: String,
    },
}

macro_rules! from_redb {
    ($($error:ty),*) => {$(
        impl From<$error> for LedgerError {
            fn from(error: $error) -> Self {
                Self::Store(error.into())
            }
        }
    )*};
}
from_redb!(
    redb::DatabaseError,
    redb::TransactionError,
    redb::TableError,
    redb::StorageError,
    redb::CommitError,
    redb::SetDurabilityError
);

/// Records to write and to remove, together or not at all.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) put: Vec<(String, Vec<u8>)>,
    pub(crate) remove: Vec<String>,
}

/// See the module.
pub(crate) struct LedgerStore {
    database: Database,
    key: Arc<SigningKey>,
    public: PublicKey,
    anchor: Anchor,
}

impl LedgerStore {
    /// Opens or creates the ledger of the proxy that holds `key`.
    pub(crate) fn open(env: &Env, key: Arc<SigningKey>, sealing: Option<&Sealing>) -> Result<Self, LedgerError> {
        let files = env.files();
        let path = Path::new(FILE_NAME);
        let is_new = !files.exists(path);
        let file = files.open(path, OpenMode::CreateIfMissing)?;
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create_with_backend(Backend(file))?;
        let transaction = database.begin_write()?;
        transaction.open_table(TABLE)?;
        transaction.commit()?;
        if is_new {
            files.sync_names(Path::new(""))?;
        }
        let public = key.public();
        let records = load(&database, &public)?;
        let anchor = Anchor::open(env, sealing, public, records.is_empty(), flush_seqno(&records)?)?;
        Ok(Self {
            database,
            key,
            public,
            anchor,
        })
    }

    /// From now on a ledger without this flush, which is durable, is an older copy.
    pub(crate) fn seal(&self, flush_seqno: u32) -> Result<(), LedgerError> {
        Ok(self.anchor.seal(flush_seqno)?)
    }

    /// Every record, in key order.
    pub(crate) fn load(&self) -> Result<Vec<(String, Vec<u8>)>, LedgerError> {
        load(&self.database, &self.public)
    }

    /// Makes changes in one durable transaction.
    pub(crate) fn commit(&self, changes: &Changes) -> Result<(), LedgerError> {
        let mut transaction = self.database.begin_write()?;
        if cfg!(feature = "planted-ledger-bug") {
            // The defect: what is signed next does not survive a crash.
            transaction.set_durability(redb::Durability::None)?;
        }
        {
            let mut table = transaction.open_table(TABLE)?;
            for key in &changes.remove {
                table.remove(key.as_str())?;
            }
            for (key, value) in &changes.put {
                let mut stored = value.clone();
                stored.extend_from_slice(self.key.sign(&signed_bytes(key, value)).as_bytes());
                table.insert(key.as_str(), stored.as_slice())?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

fn load(database: &Database, public: &PublicKey) -> Result<Vec<(String, Vec<u8>)>, LedgerError> {
    let transaction = database.begin_read()?;
    let table = transaction.open_table(TABLE)?;
    let mut records = Vec::new();
    for entry in table.iter()? {
        let (key, stored) = entry?;
        let key = key.value().to_owned();
        let stored = stored.value();
        let value = stored
            .split_last_chunk::<SIGNATURE_BYTES>()
            .filter(|(value, signature)| public.verifies(&signed_bytes(&key, value), &Signature(**signature)))
            .map(|(value, _)| value.to_vec());
        match value {
            Some(value) => records.push((key, value)),
            None => return Err(LedgerError::Forged { key }),
        }
    }
    Ok(records)
}

/// Number of the last flush that the records hold.
pub(super) fn flush_seqno(records: &[(String, Vec<u8>)]) -> Result<u32, LedgerError> {
    let Some((key, value)) = records.iter().find(|(key, _)| key == SEQNO_KEY) else {
        return Ok(0);
    };
    let bytes = value.as_slice().try_into();
    let bytes = bytes.map_err(|_| LedgerError::Unreadable { key: key.clone() })?;
    Ok(u32::from_le_bytes(bytes))
}

fn signed_bytes(key: &str, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(DOMAIN.len() + 8 + key.len() + value.len());
    bytes.extend_from_slice(DOMAIN);
    // The length keeps the border between key and value unambiguous.
    bytes.extend_from_slice(&(key.len() as u64).to_le_bytes());
    bytes.extend_from_slice(key.as_bytes());
    bytes.extend_from_slice(value);
    bytes
}

/// redb on the files of a node.
struct Backend(Box<dyn File>);

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Backend")
    }
}

impl redb::StorageBackend for Backend {
    fn len(&self) -> Result<u64, io::Error> {
        self.0.len_bytes()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.0.read_exact_at(out, offset)
    }

    fn set_len(&self, length_bytes: u64) -> Result<(), io::Error> {
        self.0.set_len(length_bytes)
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.0.write_all_at(data, offset)
    }
}

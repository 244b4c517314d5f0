//! The recorded calls of the settlement contracts, ready to be run: everything is decoded before a clock starts.
//! `node/settlement/contracts/conformance/README.md` has the format.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use chrysalis_chain::exec::{BlockContext, Config, ExecError, StorageDictCache, execute_message};
use flate2::read::GzDecoder;
use serde::Deserialize;
use tycho_types::{
    boc::Boc,
    cell::{Cell, HashBytes},
    models::{IntAddr, MsgInfo, OwnedMessage, ShardAccount, StdAddr},
};

/// Largest file after unpacking.
const MAX_BYTES: u64 = 1 << 28;

/// Why there are no calls.
#[derive(Debug, thiserror::Error)]
pub enum VectorsError {
    /// Not in a checkout, usually.
    #[error("{}: {error} (run it in the root of a checkout)", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Another format.
    #[error("{}: {what}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

#[derive(Deserialize)]
struct Recorded {
    configs: Vec<String>,
    random_seed: String,
    states: BTreeMap<String, String>,
    calls: Vec<RecordedCall>,
}

/// Fields by position; those after the account's hash are not needed here.
#[derive(Deserialize)]
struct RecordedCall(
    u32,
    u32,
    u64,
    usize,
    String,
    String,
    Option<String>,
    Option<String>,
    serde::de::IgnoredAny,
    serde::de::IgnoredAny,
);

/// One call.
struct Call {
    account: usize,
    address: StdAddr,
    message: Cell,
    block: BlockContext,
    lt: u64,
    /// A state that follows from no earlier call.
    start: Option<ShardAccount>,
    is_accepted: bool,
}

/// All calls of a file.
pub struct Vectors {
    calls: Vec<Call>,
    accounts: usize,
}

impl std::fmt::Debug for Vectors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vectors")
            .field("calls", &self.calls.len())
            .finish_non_exhaustive()
    }
}

impl Vectors {
    /// Reads a file.
    ///
    /// # Errors
    /// It is not there, or of another format.
    pub fn read(path: &Path) -> Result<Self, VectorsError> {
        let unreadable = |error| VectorsError::Read {
            path: path.to_owned(),
            error,
        };
        let mut text = String::new();
        GzDecoder::new(File::open(path).map_err(unreadable)?)
            .take(MAX_BYTES)
            .read_to_string(&mut text)
            .map_err(unreadable)?;
        let parsed = serde_json::from_str(&text).map_err(|error| error.to_string());
        parsed
            .and_then(|recorded| Self::decode(&recorded))
            .map_err(|what| VectorsError::Format {
                path: path.to_owned(),
                what,
            })
    }

    fn decode(recorded: &Recorded) -> Result<Self, String> {
        let seed = hex::decode(&recorded.random_seed)
            .ok()
            .and_then(|bytes| bytes.try_into().ok());
        let seed = HashBytes(seed.ok_or("a random seed that is none")?);
        let now = recorded.calls.first().map_or(0, |call| call.1);
        let configs: Result<Vec<Arc<Config>>, String> = recorded
            .configs
            .iter()
            .map(|text| {
                let config = Config::from_root(cell(text)?, now).map_err(|error| error.to_string())?;
                Ok(Arc::new(config))
            })
            .collect();
        let configs = configs?;
        let mut places: BTreeMap<u32, usize> = BTreeMap::new();
        let mut hashes: BTreeMap<u32, &str> = BTreeMap::new();
        let mut calls = Vec::with_capacity(recorded.calls.len());
        for RecordedCall(account, now, lt, config, before, message, transaction, after, ..) in &recorded.calls {
            let next = places.len();
            let place = *places.entry(*account).or_insert(next);
            let start = if hashes.get(account) == Some(&before.as_str()) {
                None
            } else {
                let state = recorded.states.get(before).ok_or("a state that is not there")?;
                Some(cell(state)?.parse().map_err(|error| format!("a state: {error}"))?)
            };
            hashes.insert(*account, after.as_ref().unwrap_or(before));
            let message = cell(message)?;
            let config = configs.get(*config).ok_or("a configuration that is not there")?;
            calls.push(Call {
                account: place,
                address: destination(&message)?,
                message,
                block: BlockContext::new(config.clone(), *now, *lt, seed, None),
                lt: *lt,
                start,
                is_accepted: transaction.is_some(),
            });
        }
        Ok(Self {
            calls,
            accounts: places.len(),
        })
    }

    /// How many calls there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Runs the first `limit` calls; tells the number of transactions, none if one ended otherwise than recorded.
    #[must_use]
    pub fn replay(&self, limit: usize) -> Option<u64> {
        let mut cache = StorageDictCache::default();
        let mut accounts: Vec<Option<ShardAccount>> = vec![None; self.accounts];
        let mut transactions = 0;
        for call in self.calls.iter().take(limit) {
            let place = accounts.get_mut(call.account)?;
            if let Some(start) = &call.start {
                *place = Some(start.clone());
            }
            let account = place.as_ref()?;
            match execute_message(&call.block, &mut cache, &call.address, &call.message, account, call.lt) {
                Ok(executed) if call.is_accepted => {
                    *place = Some(executed.state);
                    transactions += 1;
                }
                Err(ExecError::NotAccepted { .. }) if !call.is_accepted => {}
                Ok(_) | Err(_) => return None,
            }
        }
        Some(transactions)
    }
}

fn cell(base64: &str) -> Result<Cell, String> {
    let bytes = BASE64_STANDARD.decode(base64).map_err(|error| error.to_string())?;
    Boc::decode(bytes).map_err(|error| error.to_string())
}

fn destination(message: &Cell) -> Result<StdAddr, String> {
    let message: OwnedMessage = message.parse().map_err(|error| format!("a message: {error}"))?;
    let to = match message.info {
        MsgInfo::Int(info) => info.dst,
        MsgInfo::ExtIn(info) => info.dst,
        MsgInfo::ExtOut(_) => return Err("a message to nobody".to_owned()),
    };
    match to {
        IntAddr::Std(address) => Ok(address),
        IntAddr::Var(_) => Err("a variable address".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_calls_run_as_recorded_and_others_do_not_count() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let path = super::super::vectors_path(&root, "hardened");
        let mut vectors = Vectors::read(&path).unwrap();
        assert!(vectors.len() > 2_000 && !vectors.is_empty());
        let transactions = vectors.replay(200).unwrap();
        assert!((150..=200).contains(&transactions), "{transactions}");
        vectors.calls[10].is_accepted = !vectors.calls[10].is_accepted;
        assert_eq!(vectors.replay(200), None);
        assert!(matches!(Vectors::read(&root), Err(VectorsError::Read { .. })));
        assert!(matches!(
            Vectors::read(Path::new("nowhere")),
            Err(VectorsError::Read { .. })
        ));
    }
}

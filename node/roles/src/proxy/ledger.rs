//! From accounts to the ledger file and back. An amount is signed only after the transaction that holds it returned.

use super::{
    ChainSource,
    ledger_store::{LedgerError, LedgerStore},
    onchain::Commits,
    state::{Shared, State},
};
use crate::telemetry::{self, Role};
use chrysalis_settlement::{
    Address, Prices,
    ledger::{
        ClientAccount, ClientChainState, ClientRecord, ClientStatus, DbSnapshot, LedgerPolicy, TokenLedger,
        WorkerAccount, WorkerRecord,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError},
    time::Duration,
};

/// Pause between two flushes (spec §1.3).
const FLUSH_PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(2));
const RECORD_VERSION: u8 = 1;
const SEQNO_KEY: &str = "seqno";
const COMMITS_KEY: &str = "commits";
const CLIENT_PREFIX: &str = "client/";
const WORKER_PREFIX: &str = "worker/";

/// Accounts that changed since the last flush.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    pub(super) clients: BTreeSet<Address>,
    pub(super) workers: BTreeSet<Address>,
}

/// Flushes for as long as it is polled.
pub(super) async fn keep_flushing(shared: Arc<Shared>) {
    loop {
        shared
            .env
            .sleep(shared.env.random_span(FLUSH_PAUSE.0, FLUSH_PAUSE.1))
            .await;
        match shared.flush() {
            Ok(()) => {}
            Err(error) => telemetry::note(&shared.env, Role::Proxy, &format!("nothing is signed: {error}")),
        }
    }
}

impl Shared {
    /// Writes every account that changed in one transaction. Where there is no chain, signatures cover it from then on
    /// (spec §9.4).
    ///
    /// # Errors
    /// The ledger cannot be written: the accounts stay due, and no request is begun until it can be.
    pub(super) fn flush(&self) -> Result<(), LedgerError> {
        self.flush_with(None).map(|_seqno| ())
    }

    /// As [`Self::flush`], for a commit of its number to the chain that this `session` is about to send (spec §4.6):
    /// the ledger knows of it before anybody else does.
    pub(super) fn flush_for_commit(&self, session: [u8; 32]) -> Result<u32, LedgerError> {
        self.flush_with(Some(session))
    }

    fn flush_with(&self, session: Option<[u8; 32]>) -> Result<u32, LedgerError> {
        let (seqno, records, clients, workers, commits) = {
            let mut state = self.lock();
            let state = &mut *state;
            let seqno = state.flush_seqno + 1;
            let clients: Vec<(Address, DbSnapshot)> = state
                .dirty
                .clients
                .iter()
                .filter_map(|owner| Some((*owner, state.clients.get(owner)?.ledger().snapshot())))
                .collect();
            let workers: Vec<(Address, DbSnapshot)> = state
                .dirty
                .workers
                .iter()
                .filter_map(|owner| Some((*owner, state.workers.get(owner)?.ledger().snapshot())))
                .collect();
            let mut records = vec![(SEQNO_KEY.to_owned(), seqno.to_le_bytes().to_vec())];
            records.extend(clients.iter().filter_map(|(owner, _)| {
                let record = state.clients.get(owner)?.to_record();
                Some((key(CLIENT_PREFIX, owner), encode_client(&record)))
            }));
            records.extend(workers.iter().filter_map(|(owner, _)| {
                let record = state.workers.get(owner)?.to_record();
                Some((key(WORKER_PREFIX, owner), encode_worker(&record)))
            }));
            let mut commits = state.commits.clone();
            if let Some(session) = session {
                commits.pending.insert(seqno, session);
            }
            if session.is_some() || state.commits_are_dirty {
                records.push((COMMITS_KEY.to_owned(), encode_commits(&commits)));
            }
            (seqno, records, clients, workers, commits)
        };
        if records.len() == 1 && seqno > 1 && !self.lock().ledger_is_stuck {
            return Ok(seqno - 1);
        }
        let written = self.write(&records);
        let mut state = self.lock();
        let state = &mut *state;
        let was_stuck = std::mem::replace(&mut state.ledger_is_stuck, written.is_err());
        if was_stuck != state.ledger_is_stuck {
            telemetry::ledger(&self.env, !state.ledger_is_stuck);
        }
        written?;
        state.flush_seqno = seqno;
        // What the chain said meanwhile is not written yet.
        state.commits_are_dirty = state.commits.last_lt != commits.last_lt;
        if let Some(session) = session {
            state.commits.pending.insert(seqno, session);
        }
        let at_once = self.commits_at_once();
        for (owner, snapshot) in clients {
            if let Some(account) = state.clients.get_mut(&owner) {
                settle(account.ledger_mut(), seqno, snapshot, at_once);
                if account.ledger().tokens_max() == account.ledger().committed_to_db() {
                    state.dirty.clients.remove(&owner);
                }
            }
        }
        for (owner, snapshot) in workers {
            if let Some(account) = state.workers.get_mut(&owner) {
                settle(account.ledger_mut(), seqno, snapshot, at_once);
                if account.ledger().tokens_max() == account.ledger().committed_to_db() {
                    state.dirty.workers.remove(&owner);
                }
            }
        }
        Ok(seqno)
    }

    fn write(&self, records: &[(String, Vec<u8>)]) -> Result<(), LedgerError> {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        // redb refuses everything after an I/O error: the file is opened anew, and redb repairs it.
        let open = match store.take() {
            Some(open) => open,
            None => LedgerStore::open(&*self.env.files(), self.settings.key.clone())?,
        };
        open.commit(records)?;
        *store = Some(open);
        Ok(())
    }
}

fn settle(ledger: &mut TokenLedger, seqno: u32, snapshot: DbSnapshot, at_once: bool) {
    // Flush numbers only grow, so the ledger cannot refuse this one.
    let _ = ledger.commit_to_db(seqno, snapshot);
    if at_once {
        ledger.commit_to_chain(seqno);
    }
}

/// Rebuilds accounts from the ledger's records.
pub(super) fn restore(
    state: &mut State,
    records: &[(String, Vec<u8>)],
    prices: &Prices,
    policy: LedgerPolicy,
    chain: &dyn ChainSource,
) -> Result<(), LedgerError> {
    let unreadable = |key: &str| LedgerError::Unreadable { key: key.to_owned() };
    if let Some((key, value)) = records.iter().find(|(key, _)| key == SEQNO_KEY) {
        let bytes: [u8; 4] = value.as_slice().try_into().map_err(|_| unreadable(key))?;
        state.flush_seqno = u32::from_le_bytes(bytes);
    }
    for (key, value) in records {
        if key.starts_with(CLIENT_PREFIX) {
            let mut record = decode_client(value).ok_or_else(|| unreadable(key))?;
            // The chain knows its own state best, if it answers.
            record.chain = chain.client(&record.owner).unwrap_or(record.chain);
            let price = prices.price_per_token_nanoton;
            let account = ClientAccount::restored(&record, state.flush_seqno, price, policy);
            state.dirty.clients.insert(record.owner);
            state.clients.insert(record.owner, account);
        } else if key.starts_with(WORKER_PREFIX) {
            let record = decode_worker(value).ok_or_else(|| unreadable(key))?;
            let fee = prices.worker_fee_per_token_nanoton;
            let account = WorkerAccount::restored(&record, state.flush_seqno, fee, policy);
            state.dirty.workers.insert(record.owner);
            state.workers.insert(record.owner, account);
        } else if key == COMMITS_KEY {
            state.commits = decode_commits(value).ok_or_else(|| unreadable(key))?;
        } else if key != SEQNO_KEY {
            return Err(unreadable(key));
        }
    }
    Ok(())
}

fn key(prefix: &str, owner: &Address) -> String {
    format!("{prefix}{owner}")
}

/// Fixed-size fields, little endian, behind a version byte.
fn encode_client(record: &ClientRecord) -> Vec<u8> {
    let mut bytes = vec![RECORD_VERSION];
    put_address(&mut bytes, &record.owner);
    put_address(&mut bytes, &record.contract);
    bytes.push(record.chain.status.number());
    bytes.extend_from_slice(&record.chain.balance_nanoton.to_le_bytes());
    bytes.extend_from_slice(&record.chain.stake_nanoton.to_le_bytes());
    bytes.extend_from_slice(&record.chain.tokens_used.to_le_bytes());
    bytes.extend_from_slice(&record.chain.secret_hash);
    bytes.extend_from_slice(&record.tokens_max.to_le_bytes());
    bytes
}

fn decode_client(bytes: &[u8]) -> Option<ClientRecord> {
    let mut fields = Fields(bytes);
    fields.version()?;
    let record = ClientRecord {
        owner: fields.address()?,
        contract: fields.address()?,
        chain: ClientChainState {
            status: ClientStatus::from_number(u8::from_le_bytes(fields.take()?))?,
            balance_nanoton: u128::from_le_bytes(fields.take()?),
            stake_nanoton: u128::from_le_bytes(fields.take()?),
            tokens_used: u64::from_le_bytes(fields.take()?),
            secret_hash: fields.take()?,
        },
        tokens_max: i64::from_le_bytes(fields.take()?),
    };
    fields.end().then_some(record)
}

fn encode_worker(record: &WorkerRecord) -> Vec<u8> {
    let mut bytes = vec![RECORD_VERSION];
    put_address(&mut bytes, &record.owner);
    put_address(&mut bytes, &record.contract);
    bytes.extend_from_slice(&record.tokens_paid.to_le_bytes());
    bytes.extend_from_slice(&record.tokens_max.to_le_bytes());
    bytes
}

fn decode_worker(bytes: &[u8]) -> Option<WorkerRecord> {
    let mut fields = Fields(bytes);
    fields.version()?;
    let record = WorkerRecord {
        owner: fields.address()?,
        contract: fields.address()?,
        tokens_paid: u64::from_le_bytes(fields.take()?),
        tokens_max: i64::from_le_bytes(fields.take()?),
    };
    fields.end().then_some(record)
}

fn encode_commits(commits: &Commits) -> Vec<u8> {
    let mut bytes = vec![RECORD_VERSION];
    bytes.extend_from_slice(&commits.last_lt.to_le_bytes());
    for (seqno, session) in &commits.pending {
        bytes.extend_from_slice(&seqno.to_le_bytes());
        bytes.extend_from_slice(session);
    }
    bytes
}

fn decode_commits(bytes: &[u8]) -> Option<Commits> {
    let mut fields = Fields(bytes);
    fields.version()?;
    let mut commits = Commits {
        last_lt: u64::from_le_bytes(fields.take()?),
        pending: BTreeMap::new(),
    };
    while !fields.end() {
        commits
            .pending
            .insert(u32::from_le_bytes(fields.take()?), fields.take()?);
    }
    Some(commits)
}

fn put_address(bytes: &mut Vec<u8>, address: &Address) {
    bytes.extend_from_slice(&address.workchain().to_le_bytes());
    bytes.extend_from_slice(address.hash());
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    fn version(&mut self) -> Option<()> {
        (self.take()? == [RECORD_VERSION]).then_some(())
    }

    fn address(&mut self) -> Option<Address> {
        Some(Address::new(i8::from_le_bytes(self.take()?), self.take()?))
    }

    fn end(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(byte: u8) -> Address {
        Address::new(0, [byte; 32])
    }

    #[test]
    fn records_survive_the_ledger_and_damaged_ones_are_refused() {
        let client = ClientRecord {
            owner: address(1),
            contract: address(2),
            chain: ClientChainState {
                status: ClientStatus::Normal,
                balance_nanoton: u128::MAX,
                stake_nanoton: 15,
                tokens_used: 7,
                secret_hash: [9; 32],
            },
            tokens_max: 1234,
        };
        let bytes = encode_client(&client);
        assert_eq!(decode_client(&bytes), Some(client));
        assert_eq!(decode_client(&bytes[..bytes.len() - 1]), None);
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(decode_client(&longer), None);
        let other_version = [&[RECORD_VERSION + 1], &bytes[1..]].concat();
        assert_eq!(decode_client(&other_version), None);

        let worker = WorkerRecord {
            owner: address(3),
            contract: address(4),
            tokens_paid: 5,
            tokens_max: 6,
        };
        let bytes = encode_worker(&worker);
        assert_eq!(decode_worker(&bytes), Some(worker));
        assert_eq!(decode_worker(&bytes[1..]), None);

        let commits = Commits {
            last_lt: 7,
            pending: [(1, [2; 32]), (u32::MAX, [3; 32])].into(),
        };
        let bytes = encode_commits(&commits);
        assert_eq!(decode_commits(&bytes), Some(commits));
        assert_eq!(decode_commits(&bytes[..bytes.len() - 1]), None);
    }
}

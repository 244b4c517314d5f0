//! From accounts to the ledger file and back. An amount is signed only after the transaction that holds it returned.

use super::{
    ChainSource,
    commits::Commits,
    ledger_store::{self, Changes, LedgerError, LedgerStore},
    records::{
        self, CLIENT_PREFIX, COMMITS_KEY, DISABLED_KEY, INSTANCE_KEY, InstanceRecord, OLD_PREFIX, SEQNO_KEY,
        WORKER_PREFIX,
    },
    state::{Shared, State},
};
use crate::telemetry::{self, Role};
use chrysalis_settlement::{
    Address, Prices,
    ledger::{ClientAccount, ClientStatus, DbSnapshot, LedgerPolicy, TokenLedger, WorkerAccount},
    onchain::policy::{OldAccount, OldInstance, OldStage},
};
use std::{
    collections::BTreeSet,
    convert::Infallible,
    io,
    sync::{Arc, PoisonError},
    time::Duration,
};

/// Pause between two flushes (spec §1.3).
const FLUSH_PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(2));

/// Accounts that changed since the last flush.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    pub(super) clients: BTreeSet<Address>,
    pub(super) workers: BTreeSet<Address>,
    /// Contracts of older parameters.
    pub(super) old: BTreeSet<Address>,
}

/// Flushes for as long as it is polled.
pub(super) async fn keep_flushing(shared: Arc<Shared>) -> Infallible {
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
        let (seqno, changes, clients, workers, commits, old) = {
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
            let mut changes = Changes::default();
            let records = &mut changes.put;
            records.push((SEQNO_KEY.to_owned(), seqno.to_le_bytes().to_vec()));
            records.extend(clients.iter().filter_map(|(owner, _)| {
                let record = state.clients.get(owner)?.to_record();
                Some((records::key(CLIENT_PREFIX, owner), records::encode_client(&record)))
            }));
            records.extend(workers.iter().filter_map(|(owner, _)| {
                let record = state.workers.get(owner)?.to_record();
                Some((records::key(WORKER_PREFIX, owner), records::encode_worker(&record)))
            }));
            let mut commits = state.commits.clone();
            if let Some(session) = session {
                commits.pending.insert(seqno, session);
            }
            if session.is_some() || state.commits_are_dirty {
                records.push((COMMITS_KEY.to_owned(), records::encode_commits(&commits)));
            }
            let old = std::mem::take(&mut state.dirty.old);
            for contract in &old {
                let key = records::key(OLD_PREFIX, contract);
                match state.old.get(contract) {
                    Some(instance) => records.push((key, records::encode_old(instance))),
                    None => changes.remove.push(key),
                }
            }
            (seqno, changes, clients, workers, commits, old)
        };
        let is_empty = changes.put.len() == 1 && changes.remove.is_empty();
        if is_empty && seqno > 1 && !self.lock().ledger_is_stuck {
            return Ok(seqno - 1);
        }
        let written = self.write(&changes);
        let mut state = self.lock();
        let state = &mut *state;
        if written.is_err() {
            state.dirty.old.extend(old);
        }
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

    /// As [`Self::flush_for_commit`], and seals that flush, so that no older ledger can take its place unseen.
    pub(super) fn seal_for_commit(&self, session: [u8; 32]) -> Result<u32, LedgerError> {
        let seqno = self.flush_for_commit(session)?;
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = &*store {
            store.seal(seqno)?;
        }
        Ok(seqno)
    }

    fn write(&self, changes: &Changes) -> Result<(), LedgerError> {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        if self.lock().has_ended {
            return Err(io::Error::other("the next instance of the proxy has it").into());
        }
        // redb refuses everything after an I/O error: the file is opened anew, and redb repairs it.
        let open = match store.take() {
            Some(open) => open,
            None => LedgerStore::open(&self.env, self.settings.key.clone(), self.settings.sealing.as_ref())?,
        };
        open.commit(changes)?;
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

/// What the ledger's records say.
#[derive(Default)]
pub(super) struct Loaded {
    pub(super) state: State,
    /// The contract that the accounts belong to.
    pub(super) instance: Option<InstanceRecord>,
    /// Parameters below this version are not served.
    pub(super) disabled_until_params_version: Option<u32>,
}

/// The contract that the accounts of a ledger belong to, and what was committed to it.
pub(super) fn instance_and_commits(
    records: &[(String, Vec<u8>)],
) -> Result<Option<(InstanceRecord, Commits)>, LedgerError> {
    let unreadable = |key: &str| LedgerError::Unreadable { key: key.to_owned() };
    let find = |wanted: &str| records.iter().find(|(key, _)| key == wanted);
    let Some((key, value)) = find(INSTANCE_KEY) else {
        return Ok(None);
    };
    let instance = records::decode_instance(value).ok_or_else(|| unreadable(key))?;
    let commits = match find(COMMITS_KEY) {
        Some((key, value)) => records::decode_commits(value).ok_or_else(|| unreadable(key))?,
        None => Commits::default(),
    };
    Ok(Some((instance, commits)))
}

/// Rebuilds accounts from the ledger's records.
pub(super) fn restore(
    records: &[(String, Vec<u8>)],
    prices: &Prices,
    policy: LedgerPolicy,
    chain: &dyn ChainSource,
) -> Result<Loaded, LedgerError> {
    let unreadable = |key: &str| LedgerError::Unreadable { key: key.to_owned() };
    let mut loaded = Loaded::default();
    let state = &mut loaded.state;
    state.flush_seqno = ledger_store::flush_seqno(records)?;
    for (key, value) in records {
        if key.starts_with(CLIENT_PREFIX) {
            let mut record = records::decode_client(value).ok_or_else(|| unreadable(key))?;
            // The chain knows its own state best, if it answers.
            record.chain = chain.client(&record.owner).unwrap_or(record.chain);
            let price = prices.price_per_token_nanoton;
            let account = ClientAccount::restored(&record, state.flush_seqno, price, policy);
            state.dirty.clients.insert(record.owner);
            state.clients.insert(record.owner, account);
        } else if key.starts_with(WORKER_PREFIX) {
            let record = records::decode_worker(value).ok_or_else(|| unreadable(key))?;
            let fee = prices.worker_fee_per_token_nanoton;
            let account = WorkerAccount::restored(&record, state.flush_seqno, fee, policy);
            state.dirty.workers.insert(record.owner);
            state.workers.insert(record.owner, account);
        } else if key.starts_with(OLD_PREFIX) {
            let old = records::decode_old(value).ok_or_else(|| unreadable(key))?;
            state.old.insert(old.contract, old);
        } else if key == COMMITS_KEY {
            state.commits = records::decode_commits(value).ok_or_else(|| unreadable(key))?;
        } else if key == INSTANCE_KEY {
            loaded.instance = Some(records::decode_instance(value).ok_or_else(|| unreadable(key))?);
        } else if key == DISABLED_KEY {
            let version = records::decode_disabled(value).ok_or_else(|| unreadable(key))?;
            loaded.disabled_until_params_version = Some(version);
        } else if key != SEQNO_KEY {
            return Err(unreadable(key));
        }
    }
    Ok(loaded)
}

/// The accounts of `instance` become an old instance's (spec §4.7): in memory, and as changes of the ledger that are to
/// be written together.
pub(super) fn retire(state: &mut State, instance: &InstanceRecord) -> Changes {
    let mut changes = Changes::default();
    let account = |contract: Address, tokens: i64| OldAccount {
        contract,
        tokens: u64::try_from(tokens).unwrap_or(0),
        attempts: 0,
    };
    let clients = std::mem::take(&mut state.clients);
    let workers = std::mem::take(&mut state.workers);
    changes
        .remove
        .extend(clients.keys().map(|owner| records::key(CLIENT_PREFIX, owner)));
    changes
        .remove
        .extend(workers.keys().map(|owner| records::key(WORKER_PREFIX, owner)));
    changes.remove.push(INSTANCE_KEY.to_owned());
    let old = OldInstance {
        contract: instance.contract,
        price_per_token_nanoton: instance.price_per_token_nanoton,
        stage: OldStage::Open,
        clients: clients
            .values()
            .filter(|client| client.chain().status != ClientStatus::Closed)
            .map(|client| account(client.contract(), client.ledger().tokens_max()))
            .collect(),
        workers: workers
            .values()
            .map(|worker| account(worker.contract(), worker.ledger().tokens_max()))
            .collect(),
        attempts: 0,
    };
    changes
        .put
        .push((records::key(OLD_PREFIX, &old.contract), records::encode_old(&old)));
    state.old.insert(old.contract, old);
    state.dirty = Dirty::default();
    // Commits belong to the contract that they were sent to.
    state.commits = Commits::default();
    changes
        .put
        .push((COMMITS_KEY.to_owned(), records::encode_commits(&state.commits)));
    changes
}

//! What the chain has said of clients' and workers' contracts.

use super::{ChainSource, state::State};
use chrysalis_settlement::{Address, ledger::ClientChainState};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Registered nonces that are remembered. They belong to open connections, so a few are enough.
const MAX_NONCES: usize = 4096;

/// What the chain has said so far.
#[derive(Default)]
pub(super) struct Observed(Mutex<Seen>);

#[derive(Default)]
pub(super) struct Seen {
    pub(super) clients: BTreeMap<Address, ClientChainState>,
    pub(super) workers: BTreeMap<Address, u64>,
    nonces: BTreeSet<(Address, u64)>,
    /// In the order in which they came, so that the oldest is forgotten.
    nonces_by_age: VecDeque<(Address, u64)>,
}

impl Observed {
    /// What the ledger has kept of the contracts.
    pub(super) fn restore(&self, state: &State) {
        let mut seen = self.lock();
        seen.clients = state
            .clients
            .iter()
            .map(|(owner, account)| (*owner, *account.chain()))
            .collect();
        seen.workers = state
            .workers
            .iter()
            .map(|(owner, account)| (*owner, account.tokens_paid()))
            .collect();
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn register(&self, owner: Address, nonce: u64) {
        let mut seen = self.lock();
        if seen.nonces.insert((owner, nonce)) {
            seen.nonces_by_age.push_back((owner, nonce));
        }
        if seen.nonces_by_age.len() > MAX_NONCES
            && let Some(oldest) = seen.nonces_by_age.pop_front()
        {
            seen.nonces.remove(&oldest);
        }
    }
}

impl ChainSource for Observed {
    fn client(&self, owner: &Address) -> Option<ClientChainState> {
        self.lock().clients.get(owner).copied()
    }

    fn worker_tokens_paid(&self, owner: &Address) -> u64 {
        self.lock().workers.get(owner).copied().unwrap_or(0)
    }

    fn is_registered(&self, owner: &Address, nonce: u64) -> bool {
        self.lock().nonces.contains(&(*owner, nonce))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_nonces_are_forgotten() {
        let observed = Observed::default();
        let owner = Address::new(0, [1; 32]);
        for nonce in 0..=MAX_NONCES as u64 {
            observed.register(owner, nonce);
            observed.register(owner, nonce);
        }
        assert!(!observed.is_registered(&owner, 0));
        assert!(observed.is_registered(&owner, 1) && observed.is_registered(&owner, MAX_NONCES as u64));
    }
}

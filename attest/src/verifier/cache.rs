//! What verifiers remember.
//!
//! Each verifier has tables of its own: what it has judged itself. Behind them may stand a [`VerdictCache`] that several
//! share, which only saves time: whether a verdict counts as cached does not depend on it, so that a node of a simulated
//! world says the same whatever other worlds did before.

use super::{
    AttestedPeer, Origin,
    guest::{GuestVerdict, Used},
};
use crate::{
    certificate::PublicKey,
    collateral::CollateralId,
    lru::Lru,
    tdx::appraise::{Stem, Verdict},
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// Policies that one cache serves; the least recently asked for is forgotten.
const MAX_POLICIES: usize = 64;

/// Verdicts that several verifiers may share: all nodes of a world, or all runs of one seed. They are pure functions of
/// what they are stored under, so only time is saved.
pub struct VerdictCache {
    capacity_per_policy: usize,
    by_policy: Mutex<Lru<[u8; 32], Arc<Mutex<Tables>>>>,
}

impl VerdictCache {
    /// Remembers this many certificates and as many verdicts for each policy; zero remembers nothing.
    pub fn new(capacity_per_policy: usize) -> Self {
        Self {
            capacity_per_policy,
            by_policy: Mutex::new(Lru::new(MAX_POLICIES)),
        }
    }

    pub(super) fn tables(&self, policy: [u8; 32]) -> Arc<Mutex<Tables>> {
        let mut by_policy = self.by_policy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tables) = by_policy.get(&policy) {
            return tables.clone();
        }
        let tables = Arc::new(Mutex::new(Tables::new(self.capacity_per_policy)));
        by_policy.insert(policy, tables.clone());
        tables
    }
}

/// A certificate that was accepted, and until when that holds.
pub(super) struct Checked {
    pub(super) peer: AttestedPeer,
    pub(super) trusted_from_unix_s: u64,
    pub(super) used: Option<Used>,
    /// The TD that its evidence is of.
    pub(super) stem: Option<Stem>,
    origin: Origin,
    /// Whether somebody was told of this check. Whoever asks later is told that it is remembered.
    is_told: AtomicBool,
}

impl Checked {
    pub(super) fn new(
        peer: AttestedPeer,
        trusted_from_unix_s: u64,
        used: Option<Used>,
        stem: Option<Stem>,
        origin: Origin,
    ) -> Self {
        Self {
            peer,
            trusted_from_unix_s,
            used,
            stem,
            origin,
            is_told: AtomicBool::new(false),
        }
    }

    /// The same check for a verifier that has made none like it.
    pub(super) fn again(&self) -> Self {
        Self::new(
            self.peer.clone(),
            self.trusted_from_unix_s,
            self.used,
            self.stem,
            Origin::Fresh,
        )
    }

    /// What is known of the TD behind it.
    pub(super) fn verdict(&self) -> Option<(Stem, RememberedVerdict)> {
        let (Some(Used::Collateral(_, collateral)), Some(GuestVerdict::Tdx(verdict))) =
            (self.used, &self.peer.evidence)
        else {
            return None;
        };
        let verdict = verdict.clone();
        Some((self.stem?, RememberedVerdict { collateral, verdict }))
    }

    /// Where the verdict comes from, as seen by the next who asks.
    pub(super) fn tell(&self) -> Origin {
        if self.is_told.swap(true, Ordering::Relaxed) {
            Origin::Cached
        } else {
            self.origin
        }
    }

    pub(super) fn holds_at(&self, now_unix_s: u64) -> bool {
        (self.trusted_from_unix_s..=self.peer.trusted_until_unix_s).contains(&now_unix_s)
    }
}

/// A verdict on one quote of a TD, for the others that it makes.
#[derive(Clone)]
pub(super) struct RememberedVerdict {
    pub(super) collateral: CollateralId,
    pub(super) verdict: Arc<Verdict>,
}

/// Memory of one policy.
///
/// Certificates are found by their bytes rather than by a digest of them: comparing 5 kB that differ early (at the
/// serial number) takes less than hashing them, and three look-ups are made for each handshake and side.
pub(super) struct Tables {
    capacity: usize,
    certificates: Lru<Arc<[u8]>, Arc<Checked>>,
    /// The one certificate that is remembered for each key.
    by_key: BTreeMap<PublicKey, Arc<[u8]>>,
    verdicts: Lru<Stem, RememberedVerdict>,
}

impl Tables {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            certificates: Lru::new(capacity),
            by_key: BTreeMap::new(),
            verdicts: Lru::new(capacity),
        }
    }

    pub(super) fn certificate(&mut self, der: &[u8]) -> Option<Arc<Checked>> {
        self.certificates.get(der).cloned()
    }

    pub(super) fn remember_certificate(&mut self, der: &[u8], checked: &Arc<Checked>) {
        if self.capacity == 0 {
            return;
        }
        let der: Arc<[u8]> = der.into();
        let key = checked.peer.public_key;
        if let Some(previous) = self.by_key.insert(key, der.clone()) {
            self.certificates.remove(&previous);
        }
        let evicted = self.certificates.insert(der, checked.clone());
        if let Some((_, evicted)) = evicted {
            self.by_key.remove(&evicted.peer.public_key);
        }
    }

    pub(super) fn verdict(&mut self, stem: Stem) -> Option<RememberedVerdict> {
        self.verdicts.get(&stem).cloned()
    }

    pub(super) fn remember_verdict(&mut self, stem: Stem, remembered: RememberedVerdict) {
        self.verdicts.insert(stem, remembered);
    }

    pub(super) fn forget_certificate(&mut self, der: &[u8]) {
        if let Some(checked) = self.certificates.remove(der) {
            self.by_key.remove(&checked.peer.public_key);
        }
    }

    pub(super) fn forget_verdict(&mut self, stem: Stem) {
        self.verdicts.remove(&stem);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize, usize) {
        (self.certificates.len(), self.by_key.len(), self.verdicts.len())
    }
}

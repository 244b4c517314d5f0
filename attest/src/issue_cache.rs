//! An explicit memo for processes that issue the same evidence many times.
//!
//! A campaign replays one seed on two engines, in child processes and hundreds of times while shrinking. Everything
//! here is a pure function of its arguments, so sharing it between worlds cannot be observed; it is an object and not a
//! global so that whoever wants worlds without anything shared can have them.

use crate::{
    collateral::Collateral,
    lru::Lru,
    sim_pki::{CollateralOptions, SimPki, SimPlatform},
};
use std::sync::{Arc, Mutex, PoisonError};

/// Vendors, machines, collateral and quotes made before.
pub struct IssueCache {
    vendors: Mutex<Lru<(u64, u64), Arc<SimPki>>>,
    platforms: Mutex<Lru<PlatformKey, Arc<SimPlatform>>>,
    collateral: Mutex<Lru<(u64, u64, u64), Arc<Collateral>>>,
    quotes: Mutex<Lru<[u8; 32], Arc<[u8]>>>,
}

/// Seed and beginning of the vendor, number of the machine.
type PlatformKey = (u64, u64, u64);

impl IssueCache {
    /// Keeps `capacity` quotes (about 5 kB each) and as many machines, and a tenth as many vendors and collaterals.
    pub fn new(capacity: usize) -> Self {
        let few = capacity.div_ceil(10);
        Self {
            vendors: Mutex::new(Lru::new(few)),
            platforms: Mutex::new(Lru::new(capacity)),
            collateral: Mutex::new(Lru::new(few)),
            quotes: Mutex::new(Lru::new(capacity)),
        }
    }

    /// See [`SimPki::new`].
    pub fn pki(&self, seed: u64, not_before_unix_s: u64) -> Arc<SimPki> {
        remember(&self.vendors, (seed, not_before_unix_s), || {
            Arc::new(SimPki::new(seed, not_before_unix_s))
        })
    }

    /// See [`SimPki::platform`].
    pub fn platform(&self, pki: &SimPki, n: u64) -> Arc<SimPlatform> {
        let (seed, not_before_unix_s) = pki.identity();
        remember(&self.platforms, (seed, not_before_unix_s, n), || {
            Arc::new(pki.platform(n))
        })
    }

    /// See [`SimPki::collateral`]. Collateral with [`CollateralOptions`] of its own is not kept.
    pub fn collateral(&self, pki: &SimPki, issue_unix_s: u64) -> Arc<Collateral> {
        let (seed, not_before_unix_s) = pki.identity();
        remember(&self.collateral, (seed, not_before_unix_s, issue_unix_s), || {
            Arc::new(pki.collateral_with(issue_unix_s, &CollateralOptions::default()))
        })
    }

    /// `key` must cover everything that `make` depends on.
    pub(crate) fn quote(&self, key: [u8; 32], make: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
        remember(&self.quotes, key, || make().into()).to_vec()
    }
}

fn remember<K: Ord + Clone, V: Clone>(memo: &Mutex<Lru<K, V>>, key: K, make: impl FnOnce() -> V) -> V {
    if let Some(value) = memo.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return value.clone();
    }
    // Made outside the lock: two threads may make the same value, which is harmless; neither waits for the other.
    let value = make();
    memo.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(key, value.clone());
    value
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tdx::{Attester, SimTdxAttester, TdMeasurements};

    const START: u64 = 1_790_000_000;

    #[test]
    fn what_is_remembered_is_what_would_be_made() {
        let cache = Arc::new(IssueCache::new(20));
        for seed in [7, 8, 7] {
            let (fresh, kept) = (SimPki::new(seed, START), cache.pki(seed, START));
            assert_eq!(kept.root_der(), fresh.root_der());
            assert_eq!(cache.collateral(&kept, START).id(), fresh.collateral(START).id());
            for (machine, image) in [(1, "a"), (2, "a"), (1, "b")] {
                let td = TdMeasurements::of_image(image);
                let plain = SimTdxAttester::new(Arc::new(fresh.platform(machine)), td);
                let cached = SimTdxAttester::new(cache.platform(&kept, machine), td).with_cache(cache.clone());
                for report_data in [[1; 64], [2; 64], [1; 64]] {
                    assert_eq!(cached.quote(&report_data), plain.quote(&report_data));
                }
            }
        }
    }

    #[test]
    fn it_is_remembered_until_there_is_no_room() {
        let cache = IssueCache::new(2);
        let made = std::cell::Cell::new(0);
        let ask = |key: u8| {
            cache.quote([key; 32], || {
                made.set(made.get() + 1);
                vec![key]
            })
        };
        for key in [1, 2, 1, 2] {
            assert_eq!(ask(key), [key]);
        }
        assert_eq!(made.get(), 2);
        ask(3);
        ask(1);
        assert_eq!(made.get(), 4, "the third pushed out the first");
        assert!(Arc::ptr_eq(&cache.pki(7, START), &cache.pki(7, START)));
        let pki = cache.pki(7, START);
        assert!(Arc::ptr_eq(&cache.platform(&pki, 1), &cache.platform(&pki, 1)));
        assert!(!Arc::ptr_eq(&cache.platform(&pki, 1), &cache.platform(&pki, 2)));
    }
}

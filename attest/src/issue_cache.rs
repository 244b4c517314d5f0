//! An explicit memo for processes that issue the same evidence many times.
//!
//! A campaign replays one seed on two engines, in child processes and hundreds of times while shrinking. Everything
//! here is a pure function of its arguments, so sharing it between worlds cannot be observed; it is an object and not a
//! global so that whoever wants worlds without anything shared can have them.

use crate::{
    collateral::Collateral,
    gpu::Architecture,
    lru::Lru,
    sim_pki::{CollateralOptions, SimGpu, SimGpuPki, SimPki, SimPlatform, SimSnpMachine, SimSnpPki, SnpMachineForm},
    snp::Product,
};
use std::sync::{Arc, Mutex, PoisonError};

/// Vendors, machines, collateral and quotes made before.
pub struct IssueCache {
    vendors: Mutex<Lru<(u64, u64), Arc<SimPki>>>,
    platforms: Mutex<Lru<PlatformKey, Arc<SimPlatform>>>,
    collateral: Mutex<Lru<(u64, u64, u64), Arc<Collateral>>>,
    quotes: Mutex<Lru<[u8; 32], Arc<[u8]>>>,
    snp_vendors: Mutex<Lru<SnpVendorKey, Arc<SimSnpPki>>>,
    snp_machines: Mutex<Lru<(SnpVendorKey, u64, SnpMachineForm), Arc<SimSnpMachine>>>,
    gpu_vendors: Mutex<Lru<(u64, u64), Arc<SimGpuPki>>>,
    gpus: Mutex<Lru<(PlatformKey, Architecture), Arc<SimGpu>>>,
}

/// Seed of the vendor, family of its processors, beginning of its certificates.
type SnpVendorKey = (u64, Product, u64);

/// Seed and beginning of the vendor, number of the machine.
type PlatformKey = (u64, u64, u64);

impl IssueCache {
    /// Keeps `capacity` quotes (about 5 kB each) and as many machines and GPUs, and a tenth as many vendors and
    /// collaterals.
    pub fn new(capacity: usize) -> Self {
        let few = capacity.div_ceil(10);
        Self {
            vendors: Mutex::new(Lru::new(few)),
            platforms: Mutex::new(Lru::new(capacity)),
            collateral: Mutex::new(Lru::new(few)),
            quotes: Mutex::new(Lru::new(capacity)),
            snp_vendors: Mutex::new(Lru::new(few)),
            snp_machines: Mutex::new(Lru::new(capacity)),
            gpu_vendors: Mutex::new(Lru::new(few)),
            gpus: Mutex::new(Lru::new(capacity)),
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

    /// See [`SimSnpPki::new`].
    pub fn snp_pki(&self, seed: u64, product: Product, not_before_unix_s: u64) -> Arc<SimSnpPki> {
        remember(&self.snp_vendors, (seed, product, not_before_unix_s), || {
            Arc::new(SimSnpPki::new(seed, product, not_before_unix_s))
        })
    }

    /// See [`SimSnpPki::machine_with`].
    pub fn snp_machine(&self, pki: &SimSnpPki, n: u64, form: SnpMachineForm) -> Arc<SimSnpMachine> {
        remember(&self.snp_machines, (pki.identity(), n, form), || {
            Arc::new(pki.machine_with(n, form))
        })
    }

    /// See [`SimGpuPki::new`].
    pub fn gpu_pki(&self, seed: u64, not_before_unix_s: u64) -> Arc<SimGpuPki> {
        remember(&self.gpu_vendors, (seed, not_before_unix_s), || {
            Arc::new(SimGpuPki::new(seed, not_before_unix_s))
        })
    }

    /// See [`SimGpuPki::gpu`].
    pub fn gpu(&self, pki: &SimGpuPki, n: u64, architecture: Architecture) -> Arc<SimGpu> {
        let (seed, not_before_unix_s) = pki.identity();
        remember(&self.gpus, ((seed, not_before_unix_s, n), architecture), || {
            Arc::new(pki.gpu(n, architecture))
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
    fn machines_of_snp_and_gpus_are_those_that_would_be_made() {
        let cache = IssueCache::new(20);
        for (seed, product) in [(7, Product::Genoa), (7, Product::Milan), (8, Product::Genoa)] {
            let (fresh, kept) = (
                SimSnpPki::new(seed, product, START),
                cache.snp_pki(seed, product, START),
            );
            assert_eq!(kept.root_der(), fresh.root_der());
            let current = SnpMachineForm::current(product);
            let mut older = current;
            older.tcb.microcode -= 1;
            for (n, form) in [(1, current), (2, current), (1, older), (1, current)] {
                let (made, held) = (fresh.machine_with(n, form), cache.snp_machine(&kept, n, form));
                assert_eq!(held.certificates(), made.certificates());
            }
        }
        for seed in [7, 8] {
            let (fresh, kept) = (SimGpuPki::new(seed, START), cache.gpu_pki(seed, START));
            assert_eq!(kept.device_root_der(), fresh.device_root_der());
            for (n, architecture) in [
                (1, Architecture::Hopper),
                (2, Architecture::Hopper),
                (1, Architecture::Blackwell),
            ] {
                let (made, held) = (fresh.gpu(n, architecture), cache.gpu(&kept, n, architecture));
                assert_eq!((held.device(), held.chip()), (made.device(), made.chip()));
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

//! What the simulated vendor publishes, and what of it reaches verifiers: Intel's collateral, or AMD's revocation lists.

use super::BACKDATE_S;
use crate::plan::{Authority, CollateralParts, CollateralPlan};
use chrysalis_attest::{
    Collateral, CollateralStore,
    issue_cache::IssueCache,
    sim_pki::{CollateralOptions, SimPki, SimSnpPki, SnpRevocations},
    snp::RevocationListStore,
    tdx::appraise::TcbStatus,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The vendor, and whoever stands between it and verifiers.
pub(crate) struct Vendor {
    publisher: Publisher,
    published: Mutex<Published>,
}

/// Who publishes, and what verifiers have of it.
enum Publisher {
    Intel {
        pki: Arc<SimPki>,
        store: Arc<CollateralStore>,
    },
    /// One list for each family of processors.
    Amd {
        families: Vec<Arc<SimSnpPki>>,
        store: Arc<RevocationListStore>,
    },
}

struct Published {
    /// What it published before the last recovery: lower numbers, and nothing revoked.
    older: Publication,
    newest: Publication,
    /// What verifiers get.
    supply: Supply,
}

/// In the words of Intel's collateral. AMD publishes its lists and nothing of TCBs: of the options it has the number and
/// whether what certifies machines is revoked.
#[derive(Clone)]
struct Publication {
    issued_unix_s: u64,
    options: CollateralOptions,
}

impl Publication {
    fn revocations(&self) -> SnpRevocations {
        SnpRevocations {
            number: self.options.crl_number.into(),
            chip_authority: self.options.platform_ca_revoked,
            provider_authority: false,
        }
    }
}

/// What reaches verifiers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Supply {
    /// Everything, as soon as it is published.
    Everything,
    /// Nothing.
    Nothing,
    /// What was published before, in place of these parts.
    Old(CollateralParts),
}

impl Vendor {
    /// Intel, which has published something when the run begins, `BACKDATE_S` before.
    pub(super) fn intel(
        pki: Arc<SimPki>,
        cache: &IssueCache,
        plan: &CollateralPlan,
        published_unix_s: u64,
    ) -> (Self, Arc<CollateralStore>) {
        let mut options = CollateralOptions::default();
        if let Some(lasts_ns) = plan.lasts_ns {
            options.lifetime_s = BACKDATE_S.saturating_add(lasts_ns / 1_000_000_000);
        }
        let store = Arc::new(CollateralStore::new());
        if options == CollateralOptions::default() {
            store.insert(cache.collateral(&pki, published_unix_s));
        } else {
            store.insert(pki.collateral_with(published_unix_s, &options));
        }
        let publisher = Publisher::Intel {
            pki,
            store: store.clone(),
        };
        (Self::new(publisher, options, published_unix_s), store)
    }

    /// AMD, for these families of processors. Its lists last a year.
    pub(super) fn amd(families: Vec<Arc<SimSnpPki>>, published_unix_s: u64) -> (Self, Arc<RevocationListStore>) {
        let store = Arc::new(RevocationListStore::new());
        let publisher = Publisher::Amd {
            families,
            store: store.clone(),
        };
        let vendor = Self::new(publisher, CollateralOptions::default(), published_unix_s);
        vendor.serve(&vendor.published());
        (vendor, store)
    }

    fn new(publisher: Publisher, options: CollateralOptions, published_unix_s: u64) -> Self {
        let newest = Publication {
            issued_unix_s: published_unix_s,
            options,
        };
        let mut older = newest.clone();
        older.options.tcb_evaluation_number -= 1;
        older.options.crl_number -= 1;
        Self {
            publisher,
            published: Mutex::new(Published {
                older,
                newest,
                supply: Supply::Everything,
            }),
        }
    }

    fn published(&self) -> MutexGuard<'_, Published> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes something else than before.
    fn publish(&self, now_unix_s: u64, change: impl FnOnce(&mut CollateralOptions)) {
        let mut published = self.published();
        let newest = &mut published.newest;
        newest.options.crl_number += 1;
        change(&mut newest.options);
        // Dated back, so that verifiers whose clocks lag do not find it to be of the future.
        newest.issued_unix_s = now_unix_s.saturating_sub(BACKDATE_S);
        self.serve(&published);
    }

    fn serve(&self, published: &Published) {
        let Published { older, newest, supply } = published;
        match &self.publisher {
            Publisher::Intel { pki, store } => {
                let collateral = |from: &Publication| pki.collateral_with(from.issued_unix_s, &from.options);
                match supply {
                    Supply::Nothing => {}
                    Supply::Everything => store.insert(collateral(newest)),
                    Supply::Old(CollateralParts::All) => store.insert(collateral(older)),
                    Supply::Old(CollateralParts::RevocationLists) => {
                        if let Some(mixed) = with_revocation_lists_of(&collateral(newest), &collateral(older)) {
                            store.insert(mixed);
                        }
                    }
                }
            }
            Publisher::Amd { families, store } => {
                let lists = match supply {
                    Supply::Nothing => return,
                    Supply::Everything => newest,
                    Supply::Old(CollateralParts::All | CollateralParts::RevocationLists) => older,
                };
                for family in families {
                    let list = family.revocation_list(lists.issued_unix_s, &lists.revocations());
                    store.insert(family.product(), list.into());
                }
            }
        }
    }

    fn supply(&self, supply: Supply) {
        let mut published = self.published();
        published.supply = supply;
        self.serve(&published);
    }

    /// The same as before, with new dates.
    pub(crate) fn refresh(&self, now_unix_s: u64) {
        self.publish(now_unix_s, |_| {});
    }

    /// The key of a machine is revoked.
    pub(crate) fn revoke(&self, platform: u64, now_unix_s: u64) {
        self.publish(now_unix_s, |options| {
            options.revoked_platforms.insert(platform);
        });
    }

    /// The certificate of an authority is revoked.
    pub(crate) fn revoke_authority(&self, authority: Authority, now_unix_s: u64) {
        self.publish(now_unix_s, |options| match authority {
            Authority::PlatformCa => options.platform_ca_revoked = true,
            Authority::TcbSigner => options.tcb_signer_revoked = true,
        });
    }

    /// The level of every machine is declared out of date.
    pub(crate) fn recover_tcb(&self, now_unix_s: u64) {
        self.publish(now_unix_s, |options| {
            options.tcb_evaluation_number += 1;
            options.default_tcb_status = TcbStatus::OutOfDate;
        });
    }

    /// Whether what is published reaches nobody.
    pub(crate) fn freeze(&self, is_frozen: bool) {
        self.supply(if is_frozen { Supply::Nothing } else { Supply::Everything });
    }

    /// Whether verifiers get old parts, and which.
    pub(crate) fn serve_old(&self, parts: Option<CollateralParts>) {
        self.supply(parts.map_or(Supply::Everything, Supply::Old));
    }
}

/// Collateral with both revocation lists of another publication. Each part is signed by itself, so nothing shows that
/// they were not published together but their numbers.
fn with_revocation_lists_of(newest: &Collateral, old: &Collateral) -> Option<Collateral> {
    let read = |collateral: &Collateral| -> Option<serde_json::Map<String, serde_json::Value>> {
        serde_json::from_slice(&collateral.to_json().ok()?).ok()
    };
    let (mut mixed, mut old) = (read(newest)?, read(old)?);
    for list in ["root_ca_crl", "pck_crl"] {
        mixed.insert(list.to_owned(), old.remove(list)?);
    }
    Collateral::from_json(&serde_json::to_vec(&mixed).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_790_000_000;

    fn vendor() -> (Vendor, Arc<CollateralStore>) {
        let cache = IssueCache::new(10);
        Vendor::intel(
            cache.pki(1, START - BACKDATE_S),
            &cache,
            &CollateralPlan::default(),
            START - BACKDATE_S,
        )
    }

    fn held(store: &CollateralStore) -> Arc<Collateral> {
        use chrysalis_attest::CollateralSource as _;
        store.collateral(&chrysalis_attest::sim_pki::SIM_FMSPC).unwrap()
    }

    #[test]
    fn lists_of_amd_are_served_as_collateral_is() {
        use chrysalis_attest::snp::{Product, RevocationListSource as _};
        let cache = IssueCache::new(10);
        let families = [Product::Genoa, Product::Milan].map(|product| cache.snp_pki(1, product, START - BACKDATE_S));
        let (vendor, store) = Vendor::amd(families.to_vec(), START - BACKDATE_S);
        let held = |product| store.list(product).unwrap();
        let first = [Product::Genoa, Product::Milan].map(held);
        assert_ne!(first[0], first[1]);
        assert!(store.list(Product::Turin).is_none());
        vendor.freeze(true);
        vendor.revoke_authority(Authority::PlatformCa, START);
        assert_eq!([Product::Genoa, Product::Milan].map(held), first, "frozen");
        vendor.freeze(false);
        let newest = [Product::Genoa, Product::Milan].map(held);
        assert!(newest[0] != first[0] && newest[1] != first[1]);
        let revoking = SnpRevocations {
            number: 2,
            chip_authority: true,
            provider_authority: false,
        };
        assert_eq!(*newest[0], *families[0].revocation_list(START - BACKDATE_S, &revoking));
        vendor.serve_old(Some(CollateralParts::All));
        let old = held(Product::Genoa);
        assert!(old != first[0] && old != newest[0], "what was published before the run");
        vendor.serve_old(None);
        assert_eq!(held(Product::Genoa), newest[0]);
    }

    #[test]
    fn what_is_served_is_what_the_one_in_the_middle_lets_through() {
        let (vendor, store) = vendor();
        let held = || held(&store);
        let first = held().id();
        vendor.freeze(true);
        vendor.revoke(3, START);
        assert_eq!(held().id(), first, "frozen");
        vendor.freeze(false);
        let newest = held().id();
        assert_ne!(newest, first);
        vendor.serve_old(Some(CollateralParts::All));
        let old = held().id();
        assert!(old != first && old != newest, "what was published before the run");
        vendor.serve_old(Some(CollateralParts::RevocationLists));
        let mixed = held().id();
        assert!(![first, newest, old].contains(&mixed));
        vendor.serve_old(None);
        assert_eq!(held().id(), newest);
    }

    #[test]
    fn old_revocation_lists_go_with_new_levels() {
        let (vendor, store) = vendor();
        let old = held(&store);
        vendor.recover_tcb(START + 100);
        let newest = held(&store);
        let mixed = with_revocation_lists_of(&newest, &old).unwrap();
        let part = |collateral: &Collateral, name: &str| -> serde_json::Value {
            let json: serde_json::Value = serde_json::from_slice(&collateral.to_json().unwrap()).unwrap();
            json[name].clone()
        };
        for (name, of) in [("tcb_info", &newest), ("pck_crl", &old), ("root_ca_crl", &old)] {
            assert_eq!(part(&mixed, name), part(of, name), "{name}");
        }
        assert_ne!(part(&newest, "pck_crl"), part(&old, "pck_crl"));
    }
}

//! What the simulated vendor publishes, and what of it reaches verifiers.

use super::BACKDATE_S;
use crate::plan::{Authority, CollateralParts, CollateralPlan};
use chrysalis_attest::{
    Collateral, CollateralStore,
    issue_cache::IssueCache,
    sim_pki::{CollateralOptions, SimPki},
    tdx::appraise::TcbStatus,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The vendor, and whoever stands between it and verifiers.
pub(crate) struct Vendor {
    pub(super) pki: Arc<SimPki>,
    /// What verifiers have.
    pub(super) store: Arc<CollateralStore>,
    published: Mutex<Published>,
}

struct Published {
    /// What it published before the last recovery: lower numbers, and nothing revoked.
    older: Publication,
    newest: Publication,
    /// What verifiers get.
    supply: Supply,
}

#[derive(Clone)]
struct Publication {
    issued_unix_s: u64,
    options: CollateralOptions,
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
    /// A vendor that has published something when the run begins, `BACKDATE_S` before.
    pub(super) fn new(pki: Arc<SimPki>, cache: &IssueCache, plan: &CollateralPlan, published_unix_s: u64) -> Self {
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
        let newest = Publication {
            issued_unix_s: published_unix_s,
            options,
        };
        let mut older = newest.clone();
        older.options.tcb_evaluation_number -= 1;
        older.options.crl_number -= 1;
        Self {
            pki,
            store,
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

    fn collateral(&self, publication: &Publication) -> Collateral {
        self.pki
            .collateral_with(publication.issued_unix_s, &publication.options)
    }

    fn serve(&self, published: &Published) {
        let newest = || self.collateral(&published.newest);
        match published.supply {
            Supply::Nothing => {}
            Supply::Everything => self.store.insert(newest()),
            Supply::Old(CollateralParts::All) => self.store.insert(self.collateral(&published.older)),
            Supply::Old(CollateralParts::RevocationLists) => {
                if let Some(mixed) = with_revocation_lists_of(&newest(), &self.collateral(&published.older)) {
                    self.store.insert(mixed);
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

    fn vendor() -> Vendor {
        let cache = IssueCache::new(10);
        Vendor::new(
            cache.pki(1, START - BACKDATE_S),
            &cache,
            &CollateralPlan::default(),
            START - BACKDATE_S,
        )
    }

    fn held(vendor: &Vendor) -> Arc<Collateral> {
        use chrysalis_attest::CollateralSource as _;
        vendor.store.collateral(&chrysalis_attest::sim_pki::SIM_FMSPC).unwrap()
    }

    #[test]
    fn what_is_served_is_what_the_one_in_the_middle_lets_through() {
        let vendor = vendor();
        let first = held(&vendor).id();
        vendor.freeze(true);
        vendor.revoke(3, START);
        assert_eq!(held(&vendor).id(), first, "frozen");
        vendor.freeze(false);
        let newest = held(&vendor).id();
        assert_ne!(newest, first);
        vendor.serve_old(Some(CollateralParts::All));
        let old = held(&vendor).id();
        assert!(old != first && old != newest, "what was published before the run");
        vendor.serve_old(Some(CollateralParts::RevocationLists));
        let mixed = held(&vendor).id();
        assert!(![first, newest, old].contains(&mixed));
        vendor.serve_old(None);
        assert_eq!(held(&vendor).id(), newest);
    }

    #[test]
    fn old_revocation_lists_go_with_new_levels() {
        let vendor = vendor();
        let old = held(&vendor);
        vendor.recover_tcb(START + 100);
        let newest = held(&vendor);
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

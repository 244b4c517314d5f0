//! How nodes prove what they are, and to whom.

use super::{BACKDATE_S, DeployError, VENDOR_SEED, Workshop, named_hash};
use crate::plan::{AttestationPlan, BindingPlan, TeeKind};
use chrysalis_attest::{
    AllowList, Attester, Binding, CollateralStore, FakeTdxAttester, Identity, PeerPolicy, PeerVerifier, SimTdxAttester,
    SimulationOnly, TdMeasurements, TrustAnchors, VerdictCache,
    certificate::IdentityKey,
    issue_cache::IssueCache,
    policy::AppraisalRules,
    session::SessionTiming,
    sim_pki::{CollateralOptions, SimPki},
    tdx::{TdReport, appraise::TcbStatus},
};
use chrysalis_node::{
    secure::SecureLimits,
    trust::{OwnIdentity, Trust},
};
use chrysalis_wire::proof_of_work::Difficulty;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the vendor publishes, and what of it reaches verifiers.
struct Vendor {
    pki: Arc<SimPki>,
    /// What verifiers have.
    store: Arc<CollateralStore>,
    published: Mutex<Published>,
}

struct Published {
    options: CollateralOptions,
    /// What verifiers do not get.
    withheld: Option<u64>,
    is_frozen: bool,
}

impl Vendor {
    fn published(&self) -> MutexGuard<'_, Published> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes something else than before.
    fn publish(&self, now_unix_s: u64, change: impl FnOnce(&mut CollateralOptions)) {
        let mut published = self.published();
        published.options.tcb_evaluation_number += 1;
        published.options.crl_number += 1;
        change(&mut published.options);
        // Dated back, so that verifiers whose clocks lag do not find it to be of the future.
        let issued_unix_s = now_unix_s.saturating_sub(BACKDATE_S);
        if published.is_frozen {
            published.withheld = Some(issued_unix_s);
        } else {
            self.store
                .insert(self.pki.collateral_with(issued_unix_s, &published.options));
        }
    }

    fn freeze(&self, is_frozen: bool) {
        let mut published = self.published();
        published.is_frozen = is_frozen;
        if !is_frozen && let Some(issued_unix_s) = published.withheld.take() {
            self.store
                .insert(self.pki.collateral_with(issued_unix_s, &published.options));
        }
    }
}

/// How nodes prove what they are, and to whom.
pub(super) struct Evidence {
    pub(super) attestation: AttestationPlan,
    attested_policy: PeerPolicy,
    vendor: Option<Vendor>,
    verdicts: Arc<VerdictCache>,
    issue: Arc<IssueCache>,
    not_before_unix_s: u64,
    limits: SecureLimits,
}

impl Evidence {
    pub(super) fn new(
        attestation: AttestationPlan,
        workshop: &Workshop,
        start_unix_s: u64,
    ) -> Result<Self, DeployError> {
        let marker = SimulationOnly::accept_no_security();
        let not_before_unix_s = start_unix_s.saturating_sub(BACKDATE_S);
        let (attested_policy, vendor) = match attestation.tee {
            TeeKind::None => (PeerPolicy::Any, None),
            TeeKind::FakeTdx => (PeerPolicy::fake_tdx(marker, AllowList::NotChecked), None),
            TeeKind::SimulatedTdx => {
                let pki = workshop.issue.pki(VENDOR_SEED, not_before_unix_s);
                let store = Arc::new(CollateralStore::new());
                store.insert(workshop.issue.collateral(&pki, not_before_unix_s));
                let anchors = TrustAnchors::simulation(marker, pki.root_der())?;
                let policy = PeerPolicy::tdx(anchors, store.clone(), AppraisalRules::default());
                let published = Mutex::new(Published {
                    options: CollateralOptions::default(),
                    withheld: None,
                    is_frozen: false,
                });
                let vendor = Vendor { pki, store, published };
                (policy, Some(vendor))
            }
        };
        let asked_difficulty = Difficulty::new(attestation.proof_of_work_bits)?;
        Ok(Self {
            attestation,
            attested_policy,
            vendor,
            verdicts: workshop.verdicts.clone(),
            issue: workshop.issue.clone(),
            not_before_unix_s,
            limits: SecureLimits {
                asked_difficulty,
                ..SecureLimits::default()
            },
        })
    }

    /// The vendor revokes the key of a machine.
    pub(super) fn revoke(&self, platform: u64, now_unix_s: u64) {
        if let Some(vendor) = &self.vendor {
            vendor.publish(now_unix_s, |options| {
                options.revoked_platforms.insert(platform);
            });
        }
    }

    /// The vendor declares the level of every machine out of date.
    pub(super) fn recover_tcb(&self, now_unix_s: u64) {
        if let Some(vendor) = &self.vendor {
            vendor.publish(now_unix_s, |options| options.default_tcb_status = TcbStatus::OutOfDate);
        }
    }

    /// Whether what the vendor publishes reaches nobody.
    pub(super) fn freeze_collateral(&self, is_frozen: bool) {
        if let Some(vendor) = &self.vendor {
            vendor.freeze(is_frozen);
        }
    }

    pub(super) fn image_hash(&self, image: &str) -> [u8; 32] {
        match self.attestation.tee {
            TeeKind::SimulatedTdx => TdMeasurements::of_image(image).image_hash(),
            TeeKind::FakeTdx => chrysalis_attest::image_hash(&TdReport::fake([0; 64])),
            TeeKind::None => [0; 32],
        }
    }

    pub(super) fn identity(
        &self,
        name: &str,
        image: Option<&str>,
        platform: u64,
    ) -> Result<Arc<OwnIdentity>, DeployError> {
        let key = IdentityKey::from_seed(named_hash("identity", name));
        let mut serial = [0; 16];
        serial.copy_from_slice(&named_hash("serial", name)[..16]);
        let now = self.not_before_unix_s;
        let attester: Option<Arc<dyn Attester>> = match (self.attestation.tee, image) {
            (TeeKind::SimulatedTdx, Some(image)) => {
                let vendor = self.issue.pki(VENDOR_SEED, self.not_before_unix_s);
                let platform = self.issue.platform(&vendor, platform);
                let attester = SimTdxAttester::new(platform, TdMeasurements::of_image(image));
                Some(Arc::new(attester.with_cache(self.issue.clone())))
            }
            (TeeKind::FakeTdx, Some(_)) => Some(Arc::new(FakeTdxAttester::new(SimulationOnly::accept_no_security()))),
            (TeeKind::None, _) | (_, None) => None,
        };
        let first = match &attester {
            Some(attester) => Identity::attested(key, &**attester, now, serial)?,
            None => Identity::plain(key, now, serial),
        };
        Ok(Arc::new(OwnIdentity::new(first, attester)))
    }

    fn binding(&self) -> Binding {
        match self.attestation.binding {
            // Without evidence there is nothing to bind.
            _ if self.attestation.tee == TeeKind::None => Binding::Certificate,
            BindingPlan::Certificate => Binding::Certificate,
            BindingPlan::Session { period_ns, recheck_ns } => Binding::Session(SessionTiming {
                period_ns,
                recheck_ns,
                ..SessionTiming::default()
            }),
        }
    }

    /// For peers that run one image, which is in the policy because the root contract does not name it.
    pub(super) fn trust_in_image(&self, own: Arc<OwnIdentity>, image: &str) -> Trust {
        let mut policy = self.attested_policy.clone();
        if let PeerPolicy::Tdx(policy) = &mut policy {
            policy.rules.allowed_image_hashes = AllowList::only(self.image_hash(image));
        }
        self.trust_by(own, policy, false)
    }

    pub(super) fn trust(&self, own: Arc<OwnIdentity>, peers_are_attested: bool) -> Trust {
        let policy = if peers_are_attested {
            self.attested_policy.clone()
        } else {
            PeerPolicy::Any
        };
        self.trust_by(own, policy, peers_are_attested && self.attestation.tee != TeeKind::None)
    }

    fn trust_by(&self, own: Arc<OwnIdentity>, policy: PeerPolicy, check_image_hash: bool) -> Trust {
        Trust {
            own,
            verifier: Arc::new(PeerVerifier::with_cache(policy, &self.verdicts).bound_to(self.binding())),
            limits: self.limits,
            check_image_hash,
        }
    }
}

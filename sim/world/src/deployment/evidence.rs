//! How nodes prove what they are, and to whom.

use super::{BACKDATE_S, DeployError, VENDOR_SEED, Workshop, named_hash, vendor::Vendor};
use crate::plan::{AttestationPlan, BindingPlan, Flaw, Plan, PolicyPlan, RulesPlan, TeeKind};
use chrysalis_attest::{
    AllowList, Attester, Binding, FakeTdxAttester, Identity, PeerPolicy, PeerVerifier, SimTdxAttester, SimulationOnly,
    TdMeasurements, TrustAnchors, VerdictCache,
    anchors::AnchorKind,
    certificate::{IdentityKey, IssueError},
    issue_cache::IssueCache,
    policy::{AppraisalRules, AttributeRule},
    report_data_for,
    session::SessionTiming,
    sim_pki::{PlatformTcb, SimPki},
    tdx::TdReport,
};
use chrysalis_node::{
    secure::SecureLimits,
    trust::{OwnIdentity, Trust},
};
use chrysalis_wire::proof_of_work::Difficulty;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A vendor whom no verifier trusts.
const FOREIGN_VENDOR_SEED: u64 = VENDOR_SEED ^ 1;
/// An image that no root contract names before an adversary sees to it.
pub(crate) const FOREIGN_IMAGE: &str = "an adversary's image";

/// How nodes prove what they are, and to whom.
pub(crate) struct Evidence {
    pub(super) attestation: AttestationPlan,
    attested_policy: PeerPolicy,
    pub(super) vendor: Option<Vendor>,
    /// Machines of nodes, by name: proxies first, then workers, then the key manager.
    machines: BTreeMap<String, u64>,
    verdicts: Arc<VerdictCache>,
    issue: Arc<IssueCache>,
    not_before_unix_s: u64,
    limits: SecureLimits,
}

impl Evidence {
    pub(super) fn new(plan: &Plan, workshop: &Workshop, start_unix_s: u64) -> Result<Self, DeployError> {
        let attestation = plan.attestation.clone();
        let marker = SimulationOnly::accept_no_security();
        let not_before_unix_s = start_unix_s.saturating_sub(BACKDATE_S);
        let proxies = plan.proxies.iter().map(|proxy| &proxy.node);
        let key_manager = plan.key_manager.iter().map(|key_manager| &key_manager.node);
        let workers = plan.workers.iter().map(|worker| &worker.node);
        let nodes = proxies.chain(workers).chain(key_manager);
        let machines: BTreeMap<String, u64> = nodes.map(|node| node.name.clone()).zip(0..).collect();
        let (attested_policy, vendor) = match attestation.tee {
            TeeKind::None => (PeerPolicy::Any, None),
            TeeKind::FakeTdx => (PeerPolicy::fake_tdx(marker, AllowList::NotChecked), None),
            TeeKind::SimulatedTdx => {
                let pki = workshop.issue.pki(VENDOR_SEED, not_before_unix_s);
                let listed = |nodes: &BTreeSet<String>| -> Vec<[u8; 16]> {
                    let numbers = nodes.iter().filter_map(|node| machines.get(node));
                    numbers
                        .map(|number| workshop.issue.platform(&pki, *number).id().ppid)
                        .collect()
                };
                let (anchors, rules) = rules(&attestation.policy, &pki, listed)?;
                let vendor = Vendor::new(pki, &workshop.issue, &attestation.collateral, not_before_unix_s);
                (PeerPolicy::tdx(anchors, vendor.store.clone(), rules), Some(vendor))
            }
        };
        let asked_difficulty = Difficulty::new(attestation.proof_of_work_bits)?;
        Ok(Self {
            attestation,
            attested_policy,
            vendor,
            machines,
            verdicts: workshop.verdicts.clone(),
            issue: workshop.issue.clone(),
            not_before_unix_s,
            limits: SecureLimits {
                asked_difficulty,
                ..SecureLimits::default()
            },
        })
    }

    pub(super) fn image_hash(&self, image: &str) -> [u8; 32] {
        match self.attestation.tee {
            TeeKind::SimulatedTdx => TdMeasurements::of_image(image).image_hash(),
            TeeKind::FakeTdx => chrysalis_attest::image_hash(&TdReport::fake([0; 64])),
            TeeKind::None => [0; 32],
        }
    }

    /// The machine of a proxy, a worker or the key manager.
    pub(crate) fn machine(&self, node: &str) -> Option<u64> {
        self.machines.get(node).copied()
    }

    /// The same for a node that has none of its own in the plan: a client, or an adversary.
    pub(super) fn machine_of(&self, node: &str) -> u64 {
        self.machine(node).unwrap_or_else(|| self.spare_machine())
    }

    /// A number that no node's machine has.
    pub(crate) fn spare_machine(&self) -> u64 {
        self.machines.len() as u64
    }

    /// A TD of an image on a machine, with what is wrong with either.
    pub(crate) fn td(&self, image: &str, machine: u64, flaws: &BTreeSet<Flaw>) -> Arc<dyn Attester> {
        let seed = if flaws.contains(&Flaw::ForeignRoot) {
            FOREIGN_VENDOR_SEED
        } else {
            VENDOR_SEED
        };
        let vendor = self.issue.pki(seed, self.not_before_unix_s);
        let platform = if flaws.contains(&Flaw::OutdatedTcb) {
            let mut tcb = PlatformTcb::default();
            // What the vendor calls out of date from the first day on.
            tcb.cpu_svn[0] -= 1;
            Arc::new(vendor.platform_with(machine, tcb))
        } else {
            self.issue.platform(&vendor, machine)
        };
        let attester = SimTdxAttester::new(platform, measurements(image, flaws));
        Arc::new(attester.with_cache(self.issue.clone()))
    }

    /// The TLS key of a node.
    pub(crate) fn key(name: &str) -> IdentityKey {
        IdentityKey::from_seed(named_hash("identity", name))
    }

    /// A certificate's number, of the name alone.
    pub(crate) fn serial(name: &str) -> [u8; 16] {
        let mut serial = [0; 16];
        serial.copy_from_slice(&named_hash("serial", name)[..16]);
        serial
    }

    /// A certificate for a key around any bytes in the place of evidence, as old as those of nodes.
    ///
    /// # Errors
    /// The bytes do not fit.
    pub(crate) fn forged(&self, key: IdentityKey, name: &str, evidence: &[u8]) -> Result<Identity, IssueError> {
        Identity::with_evidence(key, evidence, self.not_before_unix_s, Self::serial(name))
    }

    /// A certificate for a key without any evidence.
    pub(crate) fn plain(&self, key: IdentityKey, name: &str) -> Identity {
        Identity::plain(key, self.not_before_unix_s, Self::serial(name))
    }

    pub(super) fn identity(&self, name: &str, image: Option<&str>) -> Result<Arc<OwnIdentity>, DeployError> {
        self.identity_on(self.machine_of(name), name, image)
    }

    /// The same on a machine of the caller's choice.
    pub(super) fn identity_on(
        &self,
        machine: u64,
        name: &str,
        image: Option<&str>,
    ) -> Result<Arc<OwnIdentity>, DeployError> {
        let key = Self::key(name);
        let attester: Option<Arc<dyn Attester>> = match (self.attestation.tee, image) {
            (TeeKind::SimulatedTdx, Some(image)) => {
                let flaws = self.attestation.machines.get(name);
                Some(self.td(image, machine, flaws.unwrap_or(&BTreeSet::new())))
            }
            (TeeKind::FakeTdx, Some(_)) => Some(Arc::new(FakeTdxAttester::new(SimulationOnly::accept_no_security()))),
            (TeeKind::None, _) | (_, None) => None,
        };
        let first = match &attester {
            Some(attester) => Identity::attested(key, &**attester, self.not_before_unix_s, Self::serial(name))?,
            None => self.plain(key, name),
        };
        Ok(Arc::new(OwnIdentity::new(first, attester)))
    }

    /// What a TD says in the certificate of a key.
    ///
    /// # Errors
    /// The TD makes no quote.
    pub(crate) fn certified(td: &dyn Attester, key: &IdentityKey) -> Result<Vec<u8>, IssueError> {
        Ok(td.quote(&report_data_for(key.public_key()))?)
    }

    /// What evidence of this run is bound to.
    pub(crate) fn binding(&self) -> Binding {
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

/// Anchors and rules of verifiers.
fn rules(
    policy: &PolicyPlan,
    pki: &SimPki,
    listed: impl Fn(&BTreeSet<String>) -> Vec<[u8; 16]>,
) -> Result<(TrustAnchors, AppraisalRules), DeployError> {
    let marker = SimulationOnly::accept_no_security();
    let simulation = || TrustAnchors::simulation(marker, pki.root_der());
    let RulesPlan {
        anchors,
        tdx,
        machines_of,
    } = match policy {
        PolicyPlan::Reference => {
            let rules = AppraisalRules {
                td_attributes: AttributeRule::Reference(marker),
                ..AppraisalRules::default()
            };
            return Ok((simulation()?, rules));
        }
        PolicyPlan::Rules(rules) => &**rules,
    };
    let anchors = match anchors {
        AnchorKind::Vendor => TrustAnchors::Vendor,
        AnchorKind::Simulation => simulation()?,
    };
    let mut rules = tdx.clone();
    if let Some(nodes) = machines_of {
        let mut ppids = match rules.allowed_ppids {
            AllowList::NotChecked => BTreeSet::new(),
            AllowList::OneOf(ppids) => ppids,
        };
        ppids.extend(listed(nodes));
        rules.allowed_ppids = AllowList::OneOf(ppids);
    }
    Ok((anchors, rules))
}

/// What a TD measures that runs an image, and is not what it should be.
fn measurements(image: &str, flaws: &BTreeSet<Flaw>) -> TdMeasurements {
    let image = if flaws.contains(&Flaw::OtherImage) {
        FOREIGN_IMAGE
    } else {
        image
    };
    let mut td = TdMeasurements::of_image(image);
    let mut attributes = u64::from_le_bytes(td.td_attributes);
    for flaw in flaws {
        match flaw {
            Flaw::Debug => attributes |= 1,
            Flaw::Profiling => attributes |= 1 << 4,
            Flaw::ServiceTd => attributes |= 1 << 17,
            Flaw::SeptVe => attributes &= !(1 << 28),
            Flaw::Migratable => attributes |= 1 << 29,
            Flaw::Perfmon => attributes |= 1 << 63,
            Flaw::HostTables => td.rtmr[0][0] ^= 1,
            Flaw::OtherConfiguration => td.rtmr[3][0] ^= 1,
            Flaw::OtherImage | Flaw::OutdatedTcb | Flaw::ForeignRoot => {}
        }
    }
    td.td_attributes = attributes.to_le_bytes();
    td
}

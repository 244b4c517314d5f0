//! How nodes prove what they are, and to whom.

use super::{
    BACKDATE_S, DeployError, VENDOR_SEED, Workshop,
    machine::{Machines, SNP_PRODUCT, snp_product},
    named_hash,
    vendor::Vendor,
};
use crate::plan::{AttestationPlan, BindingPlan, Flaw, GpusPlan, Plan, PolicyPlan, RulesPlan, TeeKind};
use chrysalis_attest::{
    AllowList, Attester, Binding, FakeTdxAttester, GpuDemand, Identity, PeerPolicy, PeerVerifier, SimulationOnly,
    TdMeasurements, TrustAnchors, TrustStore, VerdictCache,
    anchors::{AnchorError, AnchorKind, GpuAnchors, SnpAnchors},
    certificate::{IdentityKey, IssueError},
    policy::{AppraisalRules, AttributeRule},
    report_data_for,
    session::SessionTiming,
    sim_pki::{GpuState, SimPki, SimSnpPki, SnpGuest, SnpMachineForm},
    snp::{self, Product, SigningKey, SnpPolicy},
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

/// An image that no root contract names before an adversary sees to it.
pub(crate) const FOREIGN_IMAGE: &str = "an adversary's image";

/// How nodes prove what they are, and to whom.
pub(crate) struct Evidence {
    pub(super) attestation: AttestationPlan,
    attested_policy: PeerPolicy,
    pub(super) vendor: Option<Vendor>,
    /// Machines of nodes, by name: proxies first, then workers, then the key manager.
    numbers: BTreeMap<String, u64>,
    machines: Machines,
    gpu_demand: Option<GpuDemand>,
    verdicts: Arc<VerdictCache>,
    limits: SecureLimits,
}

/// Whom a node verifies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Peers {
    /// Clients, who may run outside of any TEE.
    Anybody,
    /// Nodes with evidence of their guests.
    Attested,
    /// Workers, of whom the policy may demand evidence of GPUs as well.
    Workers,
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
        let numbers: BTreeMap<String, u64> = nodes.map(|node| node.name.clone()).zip(0..).collect();
        let machines = Machines {
            issue: workshop.issue.clone(),
            not_before_unix_s,
        };
        let numbers_of = |nodes: &BTreeSet<String>| -> Vec<u64> {
            nodes.iter().filter_map(|node| numbers.get(node)).copied().collect()
        };
        let (attested_policy, vendor) = match attestation.tee {
            TeeKind::None => (PeerPolicy::Any, None),
            TeeKind::FakeTdx => (PeerPolicy::fake_tdx(marker, AllowList::NotChecked), None),
            TeeKind::SimulatedTdx => {
                let pki = workshop.issue.pki(VENDOR_SEED, not_before_unix_s);
                let ppid = |number| workshop.issue.platform(&pki, number).id().ppid;
                let listed = |nodes: &BTreeSet<String>| numbers_of(nodes).into_iter().map(ppid).collect();
                let (anchors, rules) = tdx_rules(&attestation.policy, &pki, listed)?;
                let (vendor, collateral) =
                    Vendor::intel(pki, &workshop.issue, &attestation.collateral, not_before_unix_s);
                (PeerPolicy::tdx(anchors, collateral, rules), Some(vendor))
            }
            TeeKind::SimulatedSnp => {
                let pki = |product| workshop.issue.snp_pki(VENDOR_SEED, product, not_before_unix_s);
                let families: Vec<_> = products(&attestation).into_iter().map(pki).collect();
                let own = pki(SNP_PRODUCT);
                let chip = |number| {
                    let form = SnpMachineForm::current(SNP_PRODUCT);
                    workshop.issue.snp_machine(&own, number, form).chip_id()
                };
                let listed = |nodes: &BTreeSet<String>| numbers_of(nodes).into_iter().map(chip).collect();
                let (anchors, rules) = snp_rules(&attestation.policy, &families, listed)?;
                let (vendor, lists) = Vendor::amd(families, not_before_unix_s);
                (PeerPolicy::snp(anchors, lists, rules), Some(vendor))
            }
        };
        let gpu_demand = gpu_demand(&attestation, &machines, |nodes| {
            let slots = nodes.iter().filter_map(|node| {
                let gpus = attestation.gpus.get(node)?;
                Some(machines.gpus(*numbers.get(node)?, *gpus, &BTreeSet::new()))
            });
            slots.flatten().map(|slot| slot.gpu.device()).collect()
        })?;
        let asked_difficulty = Difficulty::new(attestation.proof_of_work_bits)?;
        Ok(Self {
            attestation,
            attested_policy,
            vendor,
            numbers,
            machines,
            gpu_demand,
            verdicts: workshop.verdicts.clone(),
            limits: SecureLimits {
                asked_difficulty,
                ..SecureLimits::default()
            },
        })
    }

    pub(super) fn image_hash(&self, image: &str) -> [u8; 32] {
        match self.attestation.tee {
            TeeKind::SimulatedTdx => TdMeasurements::of_image(image).image_hash(),
            TeeKind::SimulatedSnp => snp::image_hash(&SnpGuest::of_image(image).measurement),
            TeeKind::FakeTdx => chrysalis_attest::image_hash(&TdReport::fake([0; 64])),
            TeeKind::None => [0; 32],
        }
    }

    /// The machine of a proxy, a worker or the key manager.
    pub(crate) fn machine(&self, node: &str) -> Option<u64> {
        self.numbers.get(node).copied()
    }

    /// The same for a node that has none of its own in the plan: a client, or an adversary.
    pub(super) fn machine_of(&self, node: &str) -> u64 {
        self.machine(node).unwrap_or_else(|| self.spare_machine())
    }

    /// A number that no node's machine has.
    pub(crate) fn spare_machine(&self) -> u64 {
        self.numbers.len() as u64
    }

    /// GPUs of a worker.
    pub(crate) fn gpus(&self, node: &str) -> Option<GpusPlan> {
        self.attestation.gpus.get(node).copied()
    }

    /// What workers of this plan have for GPUs: what somebody brings who wants to be taken for one.
    pub(crate) fn usual_gpus(&self) -> Option<GpusPlan> {
        self.attestation.gpus.values().next().copied()
    }

    /// A guest of an image on a machine without GPUs, with what is wrong with either.
    pub(crate) fn guest(&self, image: &str, machine: u64, flaws: &BTreeSet<Flaw>) -> Arc<dyn Attester> {
        match self.attestation.tee {
            TeeKind::SimulatedSnp => self.machines.snp_guest(image, machine, flaws),
            TeeKind::SimulatedTdx | TeeKind::FakeTdx | TeeKind::None => self.machines.td(image, machine, flaws),
        }
    }

    /// A guest with the GPUs of a machine, with what is wrong with those; the guest alone if it has none.
    pub(crate) fn with_gpus(
        &self,
        guest: Arc<dyn Attester>,
        machine: u64,
        gpus: Option<GpusPlan>,
        flaws: &BTreeSet<Flaw>,
    ) -> Arc<dyn Attester> {
        match gpus {
            None => guest,
            Some(gpus) => Machines::with_gpus(guest, self.machines.gpus(machine, gpus, flaws)),
        }
    }

    /// The guest of a node on a machine, with the flaws and GPUs that the plan has for the node.
    fn guest_on(&self, machine: u64, node: &str, image: &str) -> Arc<dyn Attester> {
        let sound = BTreeSet::new();
        let flaws = self.attestation.machines.get(node).unwrap_or(&sound);
        let guest = self.guest(image, machine, flaws);
        self.with_gpus(guest, machine, self.gpus(node), flaws)
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
        Identity::with_evidence(key, evidence, self.machines.not_before_unix_s, Self::serial(name))
    }

    /// A certificate for a key without any evidence.
    pub(crate) fn plain(&self, key: IdentityKey, name: &str) -> Identity {
        Identity::plain(key, self.machines.not_before_unix_s, Self::serial(name))
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
            (TeeKind::SimulatedTdx | TeeKind::SimulatedSnp, Some(image)) => Some(self.guest_on(machine, name, image)),
            (TeeKind::FakeTdx, Some(_)) => Some(Arc::new(FakeTdxAttester::new(SimulationOnly::accept_no_security()))),
            (TeeKind::None, _) | (_, None) => None,
        };
        let first = match &attester {
            Some(attester) => {
                Identity::attested(key, &**attester, self.machines.not_before_unix_s, Self::serial(name))?
            }
            None => self.plain(key, name),
        };
        Ok(Arc::new(OwnIdentity::new(first, attester)))
    }

    /// What a guest says in the certificate of a key.
    ///
    /// # Errors
    /// It makes no evidence.
    pub(crate) fn certified(guest: &dyn Attester, key: &IdentityKey) -> Result<Vec<u8>, IssueError> {
        Ok(guest.quote(&report_data_for(key.public_key()))?)
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
        match &mut policy {
            PeerPolicy::Tdx(policy) => {
                policy.rules.allowed_image_hashes = AllowList::only(self.image_hash(image));
            }
            PeerPolicy::Snp(policy) => {
                policy.rules.allowed_measurements = AllowList::only(SnpGuest::of_image(image).measurement);
            }
            PeerPolicy::Any | PeerPolicy::FakeTdx(_) => {}
        }
        self.trust_by(own, self.verifier(policy), false)
    }

    pub(super) fn trust(&self, own: Arc<OwnIdentity>, peers: Peers) -> Trust {
        let are_attested = peers != Peers::Anybody;
        let policy = if are_attested {
            self.attested_policy.clone()
        } else {
            PeerPolicy::Any
        };
        let mut verifier = self.verifier(policy);
        if let (Peers::Workers, Some(demand)) = (peers, &self.gpu_demand) {
            verifier = verifier.demanding_gpus(demand.clone());
        }
        self.trust_by(own, verifier, are_attested && self.attestation.tee != TeeKind::None)
    }

    fn verifier(&self, policy: PeerPolicy) -> PeerVerifier {
        PeerVerifier::with_cache(policy, &self.verdicts).bound_to(self.binding())
    }

    fn trust_by(&self, own: Arc<OwnIdentity>, verifier: PeerVerifier, check_image_hash: bool) -> Trust {
        Trust {
            own,
            verifier: Arc::new(verifier),
            limits: self.limits,
            check_image_hash,
        }
    }
}

/// Families of processors that any machine of the plan is of.
fn products(attestation: &AttestationPlan) -> BTreeSet<Product> {
    let of_nodes = attestation.machines.values();
    let of_adversaries = attestation.attacks.iter().map(|planned| &planned.attack.flaws);
    let flawed = of_nodes.chain(of_adversaries).map(snp_product);
    flawed.chain([SNP_PRODUCT]).collect()
}

/// The rules that hold in a run.
fn of_hardened(policy: &PolicyPlan) -> Option<&RulesPlan> {
    match policy {
        PolicyPlan::Reference => None,
        PolicyPlan::Rules(rules) => Some(rules),
    }
}

/// A list with what nodes of the plan have beside what the rules name.
fn extended<T: Ord + Clone>(list: &AllowList<T>, own: impl IntoIterator<Item = T>) -> AllowList<T> {
    let mut listed = match list {
        AllowList::NotChecked => BTreeSet::new(),
        AllowList::OneOf(listed) => listed.clone(),
    };
    listed.extend(own);
    AllowList::OneOf(listed)
}

/// Anchors and rules for TDs. `listed` gives the machines of nodes.
fn tdx_rules(
    policy: &PolicyPlan,
    pki: &SimPki,
    listed: impl Fn(&BTreeSet<String>) -> Vec<[u8; 16]>,
) -> Result<(TrustAnchors, AppraisalRules), DeployError> {
    let marker = SimulationOnly::accept_no_security();
    let simulation = || TrustAnchors::simulation(marker, pki.root_der());
    let Some(plan) = of_hardened(policy) else {
        let rules = AppraisalRules {
            td_attributes: AttributeRule::Reference(marker),
            ..AppraisalRules::default()
        };
        return Ok((simulation()?, rules));
    };
    let anchors = match plan.anchors {
        AnchorKind::Vendor => TrustAnchors::Vendor,
        AnchorKind::Simulation => simulation()?,
    };
    let mut rules = plan.tdx.clone();
    if let Some(nodes) = &plan.machines_of {
        rules.allowed_ppids = extended(&rules.allowed_ppids, listed(nodes));
    }
    Ok((anchors, rules))
}

/// The same for SNP guests.
fn snp_rules(
    policy: &PolicyPlan,
    families: &[Arc<SimSnpPki>],
    listed: impl Fn(&BTreeSet<String>) -> Vec<[u8; 64]>,
) -> Result<(SnpAnchors, SnpPolicy), DeployError> {
    let simulation = || -> Result<SnpAnchors, AnchorError> {
        let mut store = TrustStore::simulation(SimulationOnly::accept_no_security());
        for family in families {
            store = store.with_snp(family.product(), family.root_der())?;
        }
        Ok(store.snp().clone())
    };
    let Some(plan) = of_hardened(policy) else {
        return Ok((simulation()?, reference_snp()));
    };
    let anchors = match plan.anchors {
        AnchorKind::Vendor => SnpAnchors::Vendor,
        AnchorKind::Simulation => simulation()?,
    };
    let mut rules = plan.snp.clone();
    if let Some(nodes) = &plan.machines_of {
        rules.allowed_chips = extended(&rules.allowed_chips, listed(nodes));
    }
    Ok((anchors, rules))
}

/// What the reference system would ask of SNP guests if it took them as it takes TDs: signatures and revocation, and no
/// look at families of processors, levels, privilege or what the host may do.
fn reference_snp() -> SnpPolicy {
    SnpPolicy {
        allowed_products: Product::ALL.into(),
        allowed_signing_keys: BTreeSet::from([SigningKey::Vcek, SigningKey::Vlek]),
        allowed_vmpl: (0..=3).collect(),
        allow_debug: true,
        allow_migration_agent: true,
        allow_smt: true,
        allow_cxl: true,
        ..SnpPolicy::default()
    }
}

/// What proxies demand of workers' GPUs, if they do. `listed` gives the devices of nodes.
fn gpu_demand(
    attestation: &AttestationPlan,
    machines: &Machines,
    listed: impl Fn(&BTreeSet<String>) -> Vec<[u8; 32]>,
) -> Result<Option<GpuDemand>, DeployError> {
    let Some(plan) = of_hardened(&attestation.policy) else {
        return Ok(None);
    };
    let Some(demanded) = &plan.gpus else { return Ok(None) };
    let pki = machines.issue.gpu_pki(VENDOR_SEED, machines.not_before_unix_s);
    let anchors = match plan.anchors {
        AnchorKind::Vendor => GpuAnchors::Vendor,
        AnchorKind::Simulation => TrustStore::simulation(SimulationOnly::accept_no_security())
            .with_gpu(pki.device_root_der(), pki.manifest_root_der())?
            .gpu()
            .clone(),
    };
    let architectures: BTreeSet<_> = attestation.gpus.values().map(|gpus| gpus.architecture).collect();
    let manifests: Vec<Vec<u8>> = architectures
        .into_iter()
        .flat_map(|architecture| {
            let chip = machines.issue.gpu(&pki, 0, architecture);
            pki.manifests_for(chip.chip(), &GpuState::default())
        })
        .collect();
    let mut rules = demanded.rules.clone();
    if let Some(nodes) = &demanded.gpus_of {
        rules.allowed_devices = extended(&rules.allowed_devices, listed(nodes));
    }
    let min_gpus = usize::from(demanded.min_gpus);
    Ok(Some(GpuDemand::new(anchors, manifests.into(), rules, min_gpus)))
}

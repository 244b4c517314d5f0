//! Genuine simulated cases of each kind, and everything that is needed to make them otherwise.

use super::Case;
use crate::{
    anchors::{AnchorKind, SimulationOnly, TrustStore},
    appraise::Policy,
    evidence::EvidenceKind,
    gpu::Architecture,
    policy::{AllowList, AppraisalRules},
    sim_pki::{
        CollateralOptions, GpuState, SimGpuPki, SimPki, SimPlatform, SimSnpMachine, SimSnpPki, SnpGuest,
        SnpMachineForm, SnpRevocations,
    },
    snp::{Product, SnpPolicy},
    tdx::{Attester as _, QuoteForm, SimTdxAttester, TdMeasurements, event_log::EventLog},
};
use std::{collections::BTreeMap, sync::Arc};

/// What a verifier of many GPUs needs: two for each driver and VBIOS.
const MANIFESTS_REMEMBERED: usize = 16;

const MARKER: SimulationOnly = SimulationOnly::accept_no_security();

/// When vendors of labs begin, Unix seconds.
pub const VENDOR_START_UNIX_S: u64 = 1_789_000_000;
/// When what they publish was issued.
pub const ISSUE_UNIX_S: u64 = 1_790_000_000;
/// The verifier's clock.
pub const NOW_UNIX_S: u64 = ISSUE_UNIX_S + 1_000;
/// When the challenge was sent.
pub const CHALLENGE_UNIX_S: u64 = NOW_UNIX_S - 10;

/// What a lab makes evidence of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A TD, in a form of quote.
    Tdx(QuoteForm),
    /// An SNP guest on a family of processors.
    Snp(Product),
    /// A GPU.
    Gpu(Architecture),
}

impl Subject {
    /// One of each that there is.
    pub const ALL: [Self; 9] = [
        Self::Tdx(QuoteForm::V4),
        Self::Tdx(QuoteForm::V5Tdx10),
        Self::Tdx(QuoteForm::V5Tdx15),
        Self::Tdx(QuoteForm::V5Tdx15Extended),
        Self::Snp(Product::Milan),
        Self::Snp(Product::Genoa),
        Self::Snp(Product::Turin),
        Self::Gpu(Architecture::Hopper),
        Self::Gpu(Architecture::Blackwell),
    ];

    /// The kind of its evidence.
    pub fn kind(self) -> EvidenceKind {
        match self {
            Self::Tdx(_) => EvidenceKind::Tdx,
            Self::Snp(_) => EvidenceKind::Snp,
            Self::Gpu(_) => EvidenceKind::NvidiaGpu,
        }
    }
}

/// Vendors of one seed and a verifier that trusts them.
pub struct Lab {
    pub(super) subject: Subject,
    pub(super) seed: u64,
    pub(super) tdx: SimPki,
    pub(super) snp: SimSnpPki,
    pub(super) gpu: SimGpuPki,
    /// Machine 1: its certificate costs an RSA signature.
    machine: SimSnpMachine,
}

impl Lab {
    /// The lab of `seed` for one subject.
    pub fn new(subject: Subject, seed: u64) -> Self {
        let product = match subject {
            Subject::Snp(product) => product,
            Subject::Tdx(_) | Subject::Gpu(_) => Product::Genoa,
        };
        let snp = SimSnpPki::new(seed, product, VENDOR_START_UNIX_S);
        Self {
            subject,
            seed,
            tdx: SimPki::new(seed, VENDOR_START_UNIX_S),
            machine: snp.machine(1),
            snp,
            gpu: SimGpuPki::new(seed, VENDOR_START_UNIX_S),
        }
    }

    pub(super) fn machine(&self) -> &SimSnpMachine {
        &self.machine
    }

    /// What it makes evidence of.
    pub fn subject(&self) -> Subject {
        self.subject
    }

    /// Trust in this lab's vendors and no others.
    pub fn trust(&self) -> TrustStore {
        let store = TrustStore::simulation(MARKER)
            .with_tdx(self.tdx.root_der())
            .and_then(|store| store.with_snp(self.snp.product(), self.snp.root_der()))
            .and_then(|store| store.with_gpu(self.gpu.device_root_der(), self.gpu.manifest_root_der()));
        #[expect(clippy::expect_used, reason = "roots that this crate wrote with keys of its own")]
        store.expect("own roots are certificates with own keys")
    }

    pub(super) fn report_data(&self) -> [u8; 64] {
        [self.seed as u8 ^ 0x42; 64]
    }

    pub(super) fn nonce(&self) -> [u8; 32] {
        [self.seed as u8 ^ 0x24; 32]
    }

    /// A case that a verifier without fault accepts, with a policy in which every list holds this evidence and nothing
    /// else.
    pub fn genuine(&self) -> Case {
        match self.subject {
            Subject::Tdx(form) => self.tdx_case(form),
            Subject::Snp(product) => self.snp_case(product),
            Subject::Gpu(architecture) => self.gpu_case(architecture),
        }
    }

    fn case(&self, evidence: Vec<u8>, policy: Policy) -> Case {
        Case {
            evidence,
            certificates: Vec::new(),
            event_log: None,
            collateral: None,
            revocation_list: None,
            manifests: Vec::new(),
            manifest_memo: None,
            trust: self.trust(),
            policy,
            report_data: Some(self.report_data()),
            nonce: Some(self.nonce()),
            challenged_unix_s: Some(CHALLENGE_UNIX_S),
            now_unix_s: NOW_UNIX_S,
        }
    }

    /// What the TD measured while it ran.
    pub(super) fn events() -> [(usize, u32, [u8; 48]); 5] {
        [
            (0, 1, [0x10; 48]),
            (1, 1, [0x11; 48]),
            (1, 13, [0x12; 48]),
            (2, 13, [0x13; 48]),
            (3, 13, [0x14; 48]),
        ]
    }

    pub(super) fn td(&self) -> TdMeasurements {
        let mut td = TdMeasurements::of_image("worker");
        if let Ok(log) = EventLog::replay(&EventLog::write(&Self::events())) {
            td.rtmr = log.registers;
        }
        td
    }

    pub(super) fn quote(&self, platform: SimPlatform, td: TdMeasurements, form: QuoteForm) -> Vec<u8> {
        let attester = SimTdxAttester::new(Arc::new(platform), td).with_form(form);
        #[expect(clippy::expect_used, reason = "simulated platforms make quotes of any report data")]
        attester.quote(&self.report_data()).expect("a simulated quote")
    }

    fn tdx_case(&self, form: QuoteForm) -> Case {
        let td = self.td();
        let platform = self.tdx.platform(1);
        let rules = AppraisalRules {
            min_tcb_evaluation_number: 18,
            min_crl_number: 1,
            allowed_mr_td: AllowList::only(td.mr_td),
            allowed_rtmr: AllowList::only(td.rtmr),
            allowed_image_hashes: AllowList::only(td.image_hash()),
            allowed_mr_seam: AllowList::only(platform.tcb().mr_seam),
            allowed_ppids: AllowList::only(platform.id().ppid),
            require_event_log: true,
            required_events: [[0x14; 48]].into(),
            max_challenge_age_s: Some(60),
            ..AppraisalRules::default()
        };
        let mut case = self.case(
            self.quote(platform, td, form),
            Policy {
                anchors: AnchorKind::Simulation,
                tdx: Some(rules),
                ..Policy::default()
            },
        );
        case.event_log = Some(EventLog::write(&Self::events()));
        case.collateral = Some(Arc::new(self.tdx.collateral(ISSUE_UNIX_S)));
        case
    }

    pub(super) fn collateral(&self, change: impl FnOnce(&mut CollateralOptions)) -> Option<Arc<crate::Collateral>> {
        let mut options = CollateralOptions::default();
        change(&mut options);
        Some(Arc::new(self.tdx.collateral_with(ISSUE_UNIX_S, &options)))
    }

    fn snp_case(&self, product: Product) -> Case {
        let guest = SnpGuest::of_image("worker");
        let machine = &self.machine;
        let policy = SnpPolicy {
            allowed_products: [product].into(),
            min_committed_tcb: BTreeMap::from([(product, SnpMachineForm::current(product).tcb)]),
            min_firmware: [1, 55, 29],
            min_guest_svn: 1,
            allow_smt: false,
            require_single_socket: true,
            require_aes_256_xts: true,
            require_rapl_disabled: true,
            require_ciphertext_hiding: true,
            require_page_swap_disabled: true,
            require_alias_check: true,
            required_mitigations: 1,
            min_crl_number: 1,
            max_challenge_age_s: Some(60),
            allowed_measurements: AllowList::only(guest.measurement),
            allowed_host_data: AllowList::only(guest.host_data),
            allowed_id_keys: AllowList::only(guest.id_key_digest),
            allowed_author_keys: AllowList::only([0; 48]),
            allowed_chips: AllowList::only(machine.chip_id()),
            ..SnpPolicy::default()
        };
        #[expect(clippy::expect_used, reason = "simulated machines make reports of any report data")]
        let report = machine.report(&guest, &self.report_data()).expect("a simulated report");
        let mut case = self.case(
            report,
            Policy {
                anchors: AnchorKind::Simulation,
                snp: Some(policy),
                ..Policy::default()
            },
        );
        case.certificates = machine.certificates().to_vec();
        case.revocation_list = Some(self.snp.revocation_list(ISSUE_UNIX_S, &SnpRevocations::default()));
        case
    }

    fn gpu_case(&self, architecture: Architecture) -> Case {
        let state = GpuState::default();
        let gpu = self.gpu.gpu(1, architecture);
        let policy = crate::gpu::GpuPolicy {
            allowed_architectures: [architecture].into(),
            allowed_modes: state.mode.into_iter().collect(),
            max_challenge_age_s: Some(60),
            allowed_drivers: AllowList::only(state.driver_version.clone()),
            allowed_vbioses: AllowList::only(state.vbios_text()),
            allowed_devices: AllowList::only(gpu.device()),
            ..crate::gpu::GpuPolicy::default()
        };
        let mut case = self.case(
            gpu.evidence(&state, &self.nonce()),
            Policy {
                anchors: AnchorKind::Simulation,
                gpu: Some(policy),
                ..Policy::default()
            },
        );
        case.certificates = gpu.certificates().to_vec();
        case.manifests = self.gpu.manifests_for(gpu.chip(), &state);
        case.manifest_memo = Some(Arc::new(crate::gpu::ManifestMemo::new(MANIFESTS_REMEMBERED)));
        case
    }
}

//! Sessions of guests with GPUs, of SNP guests, and of TDs with a log.

use super::*;
use crate::{
    anchors::TrustStore,
    gpu::{Architecture, CcMode, GpuPolicy, GpuReason, GuestWithGpus, SimGpuSlot, binding},
    policy::AllowList,
    sim_pki::{GpuState, SimGpuPki, SimSnpPki, SnpGuest, SnpRevocations},
    snp::{Product, RevocationListStore, SimSnpAttester, SnpPolicy, SnpReason},
    tdx::{AttestError, event_log::EventLog},
    verifier::GpuDemand,
};

/// Two ends that trust `vendor`: a worker with this attester dials a proxy.
struct Pair {
    worker: Arc<dyn Attester>,
    /// Of the proxy: judges workers.
    verifier: Arc<PeerVerifier>,
}

impl Pair {
    fn certificate(&self, key: u8) -> Identity {
        Identity::attested(IdentityKey::from_seed([key; 32]), &*self.worker, START, [key; 16]).unwrap()
    }

    /// What the proxy says of a worker with this key, whose evidence `alter` may change on its way. The session is
    /// returned, because GPUs are taken for as long as it lives.
    fn outcome(&self, key: u8, alter: impl FnOnce(&mut Shown)) -> Result<Session, SessionReason> {
        let identity = self.certificate(key);
        let proxy_key = *IdentityKey::from_seed([1; 32]).public_key();
        let of_worker = self
            .verifier
            .check(identity.certificate_der(), START)
            .map_err(SessionReason::Refused)?;
        let any = Arc::new(PeerVerifier::new(PeerPolicy::Any));
        let plain = Identity::plain(IdentityKey::from_seed([1; 32]), START, [1; 16]);
        let proxy = SessionParties {
            role: Role::Proxy,
            peer_role: Role::Worker,
            side: Side::Acceptor,
            own_key: proxy_key,
            peer: of_worker,
            exporter: ONE_SESSION,
            attester: None,
            verifier: self.verifier.clone(),
        };
        let worker = SessionParties {
            role: Role::Worker,
            peer_role: Role::Proxy,
            side: Side::Dialer,
            own_key: *identity.public_key(),
            peer: any.check(plain.certificate_der(), START).unwrap(),
            exporter: ONE_SESSION,
            attester: Some(self.worker.clone()),
            verifier: any,
        };
        let (mut proxy, challenge) = Session::open(proxy, TIMING, [key; 32], at(0));
        let (mut worker, hello) = Session::open(worker, TIMING, [0; 32], at(0));
        let answer = worker.receive(&challenge, at(0))?.reply.unwrap();
        let Message::Evidence { round, mut shown } = Message::decode(&answer).unwrap() else {
            panic!("a challenge is answered with evidence")
        };
        alter(&mut shown);
        proxy.receive(&hello, at(0))?;
        proxy.receive(&Message::Evidence { round, shown }.encode(), at(0))?;
        assert!(proxy.is_established());
        Ok(proxy)
    }

    fn refusal(&self, key: u8, alter: impl FnOnce(&mut Shown)) -> PeerReason {
        match self.outcome(key, alter) {
            Err(SessionReason::Refused(reason)) => reason,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it was accepted"),
        }
    }
}

struct Gpus {
    world: World,
    pki: SimGpuPki,
}

impl Gpus {
    fn new() -> Self {
        Self {
            world: World::new(),
            pki: SimGpuPki::new(7, START),
        }
    }

    fn slot(&self, n: u64, state: GpuState) -> SimGpuSlot {
        SimGpuSlot {
            gpu: Arc::new(self.pki.gpu(n, Architecture::Hopper)),
            state,
        }
    }

    fn verifier(&self, policy: GpuPolicy, min_gpus: usize) -> Arc<PeerVerifier> {
        let store = TrustStore::simulation(MARKER)
            .with_gpu(self.pki.device_root_der(), self.pki.manifest_root_der())
            .unwrap();
        let chip = self.pki.gpu(1, Architecture::Hopper);
        let manifests = self.pki.manifests_for(chip.chip(), &GpuState::default());
        let demand = GpuDemand::new(store.gpu().clone(), manifests.into(), policy, min_gpus);
        let tdx = PeerPolicy::tdx(
            self.world.pki.anchors(MARKER),
            self.world.collateral.clone(),
            AppraisalRules::default(),
        );
        Arc::new(
            PeerVerifier::new(tdx)
                .bound_to(Binding::Session(TIMING))
                .demanding_gpus(demand),
        )
    }

    fn pair(&self, slots: Vec<SimGpuSlot>, verifier: &Arc<PeerVerifier>) -> Pair {
        Pair {
            worker: Arc::new(GuestWithGpus::new(self.world.attester(WORKER), slots)),
            verifier: verifier.clone(),
        }
    }
}

fn production() -> GpuState {
    GpuState::default()
}

#[test]
fn gpus_are_shown_and_judged_with_their_guest() {
    let gpus = Gpus::new();
    let verifier = gpus.verifier(GpuPolicy::default(), 2);
    let pair = gpus.pair(vec![gpus.slot(1, production()), gpus.slot(2, production())], &verifier);
    assert!(pair.outcome(2, |_| {}).is_ok());
    assert_eq!(
        gpus.pair(vec![gpus.slot(1, production())], &verifier)
            .refusal(2, |_| {}),
        PeerReason::Gpus { found: 1, demanded: 2 }
    );
    // A guest that has none vouches for none.
    let bare = Pair {
        worker: gpus.world.attester(WORKER),
        verifier: verifier.clone(),
    };
    assert_eq!(bare.refusal(2, |_| {}), PeerReason::Gpus { found: 0, demanded: 2 });
    // One that is not asked for GPUs and has some is judged by itself.
    let not_asked = Pair {
        verifier: gpus.world.verifier(),
        ..pair
    };
    assert!(not_asked.outcome(2, |_| {}).is_ok());
}

#[test]
fn the_guest_vouches_for_its_gpus_and_for_no_others() {
    let gpus = Gpus::new();
    let verifier = gpus.verifier(GpuPolicy::default(), 1);
    let pair = gpus.pair(vec![gpus.slot(1, production())], &verifier);
    let wrong = PeerReason::Evidence(Reason::Freshness(FreshnessFault::ReportData));
    // Another GPU, genuine and with the nonce of this very session, in its place; and beside it.
    let relayed = |shown: &mut Shown| {
        let nonce: [u8; 32] = shown.gpus[0].measurements[4..36].try_into().unwrap();
        let other = gpus.slot(9, production());
        GpuBundle {
            measurements: other.gpu.evidence(&other.state, &nonce),
            certificates: other.gpu.certificates().to_vec(),
        }
    };
    assert_eq!(pair.refusal(2, |shown| shown.gpus[0] = relayed(shown)), wrong);
    assert_eq!(
        pair.refusal(2, |shown| {
            let other = relayed(shown);
            shown.gpus.push(other);
        }),
        wrong
    );
    assert_eq!(pair.refusal(2, |shown| shown.gpus.clear()), wrong);
    assert_eq!(
        pair.refusal(2, |shown| shown.gpus[0].certificates.clear()),
        PeerReason::GpuForm { gpu: 0 }
    );
    // A GPU twice is one GPU: the guest itself will not vouch for it.
    let twice = gpus.pair(vec![gpus.slot(1, production()), gpus.slot(1, production())], &verifier);
    assert!(matches!(
        twice.outcome(2, |_| {}),
        Err(SessionReason::Attester(AttestError::Platform(_)))
    ));
}

/// A guest whose GPU answers another nonce than that of the session: evidence of an earlier session.
struct OldGpu(Arc<dyn Attester>);

impl Attester for OldGpu {
    fn quote(&self, report_data: &[u8; 64]) -> Result<Vec<u8>, AttestError> {
        self.0.quote(report_data)
    }

    fn gpus(&self, _: &[u8; 32]) -> Result<Vec<GpuBundle>, AttestError> {
        self.0.gpus(&[0x55; 32])
    }
}

#[test]
fn gpus_are_judged_by_their_own_rules() {
    let gpus = Gpus::new();
    let verifier = gpus.verifier(GpuPolicy::default(), 1);
    let pair = gpus.pair(vec![gpus.slot(1, production())], &verifier);
    let old = Pair {
        worker: Arc::new(OldGpu(pair.worker.clone())),
        verifier: verifier.clone(),
    };
    let gpu = |reason| PeerReason::Gpu {
        gpu: 0,
        reason: Box::new(reason),
    };
    assert_eq!(old.refusal(2, |_| {}), gpu(GpuReason::Freshness(FreshnessFault::Nonce)));
    let unencrypted = GpuState {
        mode: Some(CcMode::Ppcie),
        ..production()
    };
    assert_eq!(
        gpus.pair(vec![gpus.slot(1, unencrypted)], &verifier).refusal(2, |_| {}),
        gpu(GpuReason::ModeNotAllowed { mode: CcMode::Ppcie })
    );
    let listed = GpuPolicy {
        allowed_devices: AllowList::OneOf(BTreeSet::from([gpus.pki.gpu(1, Architecture::Hopper).device()])),
        ..GpuPolicy::default()
    };
    let verifier = gpus.verifier(listed, 1);
    assert!(
        gpus.pair(vec![gpus.slot(1, production())], &verifier)
            .outcome(2, |_| {})
            .is_ok()
    );
    assert_eq!(
        gpus.pair(vec![gpus.slot(3, production())], &verifier)
            .refusal(2, |_| {}),
        gpu(GpuReason::DeviceNotAllowed)
    );
}

#[test]
fn one_gpu_serves_one_peer_at_a_time() {
    let gpus = Gpus::new();
    let verifier = gpus.verifier(GpuPolicy::default(), 1);
    let pair = gpus.pair(vec![gpus.slot(1, production())], &verifier);
    let first = pair.outcome(2, |_| {}).unwrap();
    assert_eq!(pair.refusal(3, |_| {}), PeerReason::GpuServesAnother { gpu: 0 });
    // The same worker on a second connection is the same worker.
    assert!(pair.outcome(2, |_| {}).is_ok());
    let other = gpus.pair(vec![gpus.slot(2, production())], &verifier);
    assert!(other.outcome(3, |_| {}).is_ok());
    drop(first);
    assert!(pair.outcome(3, |_| {}).is_ok(), "the first session is over");
}

#[test]
fn nonces_of_gpus_follow_from_the_session() {
    let gpus = Gpus::new();
    let verifier = gpus.verifier(GpuPolicy::default(), 1);
    let pair = gpus.pair(vec![gpus.slot(1, production())], &verifier);
    let nonce_of = |key| {
        let mut nonce = [0; 32];
        pair.outcome(key, |shown| nonce.copy_from_slice(&shown.gpus[0].measurements[4..36]))
            .unwrap();
        nonce
    };
    assert_ne!(nonce_of(2), nonce_of(3));
    assert_ne!(nonce_of(2), binding::nonce_for(&[0; 64]));
}

struct Snp {
    pki: SimSnpPki,
    lists: Arc<RevocationListStore>,
    verifier: Arc<PeerVerifier>,
}

impl Snp {
    fn new(product: Product) -> Self {
        let pki = SimSnpPki::new(7, product, START);
        let lists = Arc::new(RevocationListStore::new());
        let store = TrustStore::simulation(MARKER)
            .with_snp(product, pki.root_der())
            .unwrap();
        let policy = PeerPolicy::snp(store.snp().clone(), lists.clone(), SnpPolicy::default());
        Self {
            verifier: Arc::new(PeerVerifier::new(policy).bound_to(Binding::Session(TIMING))),
            lists,
            pki,
        }
    }

    fn pair(&self, machine: u64, guest: SnpGuest) -> Pair {
        Pair {
            worker: Arc::new(SimSnpAttester::new(Arc::new(self.pki.machine(machine)), guest)),
            verifier: self.verifier.clone(),
        }
    }

    fn publish(&self, revocations: &SnpRevocations) {
        let list = self.pki.revocation_list(START, revocations);
        self.lists.insert(self.pki.product(), list.into());
    }
}

#[test]
fn snp_guests_have_sessions_as_tds_have() {
    for product in [Product::Genoa, Product::Turin] {
        let snp = Snp::new(product);
        snp.publish(&SnpRevocations::default());
        let guest = SnpGuest::of_image("worker");
        let session = snp.pair(1, guest).outcome(2, |_| {}).unwrap();
        assert_eq!(session.peer().image_hash, crate::snp::image_hash(&guest.measurement));
        let debug = SnpGuest {
            policy: guest.policy | SnpGuest::POLICY_DEBUG,
            ..guest
        };
        assert!(matches!(
            snp.pair(1, debug).refusal(2, |_| {}),
            PeerReason::Snp(SnpReason::Guest(_))
        ));
        // Evidence of another machine, another image, or bound to something else.
        let other = SimSnpAttester::new(Arc::new(snp.pki.machine(2)), guest);
        let wrong = PeerReason::Evidence(Reason::Freshness(FreshnessFault::ReportData));
        let elsewhere = |shown: &mut Shown| shown.guest = other.quote(&[7; 64]).unwrap();
        assert_eq!(snp.pair(1, guest).refusal(2, elsewhere), wrong);
        let report_data = |shown: &Shown| <[u8; 64]>::try_from(&shown.guest[0x50..0x90]).unwrap();
        let relayed = |shown: &mut Shown| shown.guest = other.quote(&report_data(shown)).unwrap();
        assert_eq!(snp.pair(1, guest).refusal(2, relayed), PeerReason::OtherMachine);
        // A TD's quote is nothing to this verifier, nor is a report to one of TDs.
        let td = Pair {
            worker: World::new().attester(WORKER),
            verifier: snp.verifier.clone(),
        };
        assert!(matches!(td.refusal(2, |_| {}), PeerReason::ExtendedReport(_)));
        let tds = Pair {
            verifier: World::new().verifier(),
            ..snp.pair(1, guest)
        };
        assert!(matches!(
            tds.refusal(2, |_| {}),
            PeerReason::Evidence(Reason::Malformed)
        ));
    }
    let snp = Snp::new(Product::Milan);
    snp.publish(&SnpRevocations::default());
    assert!(matches!(
        snp.pair(1, SnpGuest::of_image("worker")).refusal(2, |_| {}),
        PeerReason::Snp(SnpReason::ProductNotAllowed {
            product: Product::Milan
        })
    ));
}

#[test]
fn a_revocation_reaches_live_sessions_of_snp_guests() {
    let snp = Snp::new(Product::Genoa);
    let pair = snp.pair(1, SnpGuest::of_image("worker"));
    assert_eq!(pair.refusal(2, |_| {}), PeerReason::Snp(SnpReason::NoRevocationList));
    snp.publish(&SnpRevocations::default());
    let mut session = pair.outcome(2, |_| {}).unwrap();
    assert!(matches!(session.poll(at(16)), Ok(Action::Wait { .. })));
    snp.publish(&SnpRevocations {
        number: 2,
        ..SnpRevocations::default()
    });
    assert!(
        matches!(session.poll(at(32)), Ok(Action::Judged(_))),
        "a new list, nothing revoked"
    );
    snp.publish(&SnpRevocations {
        number: 3,
        chip_authority: true,
        ..SnpRevocations::default()
    });
    assert!(matches!(
        session.poll(at(48)),
        Err(SessionReason::Refused(PeerReason::Snp(SnpReason::Chain(_))))
    ));
}

/// A TD with a log.
struct Logging {
    guest: SimTdxAttester,
    log: Vec<u8>,
}

impl Attester for Logging {
    fn quote(&self, report_data: &[u8; 64]) -> Result<Vec<u8>, AttestError> {
        self.guest.quote(report_data)
    }

    fn event_log(&self) -> Vec<u8> {
        self.log.clone()
    }
}

#[test]
fn a_log_must_give_the_registers_and_have_what_the_policy_demands() {
    let (configured, other) = ([0x11; 48], [0x22; 48]);
    let mut world = World::new();
    world.rules.required_events = BTreeSet::from([configured]);
    let log = EventLog::write(&[(0, 1, other), (3, 1, configured)]);
    let registers = EventLog::replay(&log).unwrap().registers;
    let guest = |registers: [[u8; 48]; 4]| {
        let measurements = TdMeasurements {
            rtmr: registers,
            ..TdMeasurements::of_image("worker")
        };
        SimTdxAttester::new(Arc::new(world.pki.platform(2)), measurements)
    };
    let pair = |guest: SimTdxAttester, log: &[u8]| Pair {
        worker: Arc::new(Logging {
            guest,
            log: log.to_vec(),
        }),
        verifier: world.verifier(),
    };
    assert!(pair(guest(registers), &log).outcome(2, |_| {}).is_ok());
    let refused = |guest, log: &[u8]| pair(guest, log).refusal(2, |_| {});
    assert_eq!(refused(guest(registers), &[]), PeerReason::Evidence(Reason::NoEventLog));
    let without = EventLog::write(&[(0, 1, other)]);
    let registers_without = EventLog::replay(&without).unwrap().registers;
    assert_eq!(
        refused(guest(registers_without), &without),
        PeerReason::Evidence(Reason::EventMissing { digest: configured })
    );
    assert!(matches!(
        refused(guest(registers_without), &log),
        PeerReason::Evidence(Reason::EventLogMismatch { .. })
    ));
    // In a certificate there is no log: it counts only with a session.
    let by_certificate = world.verifier_bound_to(Binding::Certificate);
    let identity = pair(guest(registers), &log).certificate(2);
    assert_eq!(
        by_certificate.check(identity.certificate_der(), START),
        Err(PeerReason::Evidence(Reason::NoEventLog))
    );
}

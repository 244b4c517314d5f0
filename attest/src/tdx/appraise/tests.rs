//! Appraisal of simulated evidence: each rule with what it refuses and the nearest that it accepts.

mod rules;
mod tampering;
mod tcb_model;

use super::*;
use crate::{
    policy::SimulationOnly,
    sim_pki::{PlatformTcb, SIM_FMSPC, SimPki},
    tdx::{Attester, SimTdxAttester, TdMeasurements},
};
use std::sync::Arc;

pub(super) const MARKER: SimulationOnly = SimulationOnly::accept_no_security();
pub(super) const START: u64 = 1_790_000_000;
pub(super) const NOW: u64 = START + 1_000;
const REPORT_DATA: [u8; 64] = [0x42; 64];

/// A vendor, one machine and a production TD on it.
pub(super) struct World {
    pub(super) pki: SimPki,
    pub(super) collateral: Collateral,
    pub(super) anchors: TrustAnchors,
    pub(super) rules: AppraisalRules,
    pub(super) td: TdMeasurements,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let pki = SimPki::new(seed, START - 86_400);
        Self {
            collateral: pki.collateral(START),
            anchors: pki.anchors(MARKER),
            rules: AppraisalRules::default(),
            td: TdMeasurements::of_image("worker"),
            pki,
        }
    }

    pub(super) fn quote(&self) -> Vec<u8> {
        self.quote_of(&self.td)
    }

    pub(super) fn quote_of(&self, td: &TdMeasurements) -> Vec<u8> {
        self.quote_on(self.pki.platform(1), td)
    }

    pub(super) fn quote_on(&self, platform: crate::sim_pki::SimPlatform, td: &TdMeasurements) -> Vec<u8> {
        SimTdxAttester::new(Arc::new(platform), *td)
            .quote(&REPORT_DATA)
            .unwrap()
    }

    pub(super) fn judge(&self, quote: &[u8]) -> Result<Verdict, Reason> {
        self.judge_at(quote, NOW)
    }

    pub(super) fn judge_at(&self, quote: &[u8], now_unix_s: u64) -> Result<Verdict, Reason> {
        let Self {
            anchors,
            collateral,
            rules,
            ..
        } = self;
        appraise(
            quote,
            &Context {
                now_unix_s,
                anchors,
                collateral,
                policy: rules,
                event_log: None,
                expected: Expected::default(),
            },
        )
    }
}

#[test]
fn simulated_evidence_is_accepted_under_its_root_and_says_what_it_is() {
    let world = World::new(7);
    let verdict = world.judge(&world.quote()).unwrap();
    assert_eq!(verdict.image_hash, world.td.image_hash());
    assert_eq!(verdict.report.measurements, world.td);
    assert_eq!(verdict.report.report_data, REPORT_DATA);
    assert_eq!(verdict.report.mr_seam, PlatformTcb::default().mr_seam);
    assert_eq!(
        (verdict.valid_from_unix_s, verdict.expires_unix_s),
        (START, START + 30 * 86_400 - 1)
    );
    assert_eq!(
        verdict.endorsement,
        Endorsement::Tdx(TdxEndorsement {
            anchor: crate::policy::AnchorKind::Simulation,
            platform: world.pki.platform(1).id(),
            tcb_status: TcbStatus::UpToDate,
            tcb_evaluation_number: 18,
            advisories: Vec::new(),
        })
    );
    assert_eq!(claimed_fmspc(&world.quote()), Ok(SIM_FMSPC));
}

#[test]
fn no_other_root_accepts_it() {
    let (mut world, other) = (World::new(7), World::new(8));
    let quote = world.quote();
    assert!(world.judge(&quote).is_ok());
    let untrusted = |trusted| Err(Reason::UntrustedRoot { trusted });

    world.anchors = TrustAnchors::Vendor;
    assert_eq!(world.judge(&quote), untrusted(crate::policy::AnchorKind::Vendor));
    world.anchors = other.anchors;
    assert_eq!(world.judge(&quote), untrusted(crate::policy::AnchorKind::Simulation));
    // With its own root but collateral of another vendor the signatures do not fit.
    world.anchors = world.pki.anchors(MARKER);
    world.collateral = other.collateral;
    let refused = world.judge(&quote).unwrap_err();
    assert!(matches!(refused, Reason::CollateralSignature { .. }), "{refused:?}");
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let (a, b) = (World::new(7), World::new(7));
    assert_eq!(a.pki.root_der(), b.pki.root_der());
    assert_eq!(a.collateral.to_json(), b.collateral.to_json());
    assert_eq!(a.quote(), b.quote());
    let c = World::new(8);
    assert_ne!(a.pki.root_der(), c.pki.root_der());
    assert_ne!(a.quote(), c.quote());
    assert_ne!(a.pki.platform(1).id(), a.pki.platform(2).id());
}

/// Evidence is part of recorded runs: a change of its bytes must be noticed and meant.
#[test]
fn the_bytes_are_those_of_version_1() {
    let world = World::new(7);
    let digest = |bytes: &[u8]| hex::encode(&crate::hash::sha256(&[bytes])[..8]);
    assert_eq!(digest(world.pki.root_der()), "5559c27452b129da");
    assert_eq!(digest(&world.collateral.to_json().unwrap()), "914a6140d77590cc");
    assert_eq!(digest(&world.quote()), "4f3af7b4d2b5f6fe");
}

#[test]
fn collateral_survives_its_own_json() {
    let world = World::new(7);
    let json = world.collateral.to_json().unwrap();
    let again = Collateral::from_json(&json).unwrap();
    assert_eq!(again.id(), world.collateral.id());
    assert_eq!(again.to_json().unwrap(), json);
    assert!(Collateral::from_json(&json[1..]).is_err());
    let long = vec![b' '; crate::collateral::MAX_COLLATERAL_LEN_BYTES + 1];
    assert_eq!(
        Collateral::from_json(&long).unwrap_err(),
        crate::collateral::CollateralError::TooLong { len_bytes: long.len() }
    );
}

#[test]
fn fake_quotes_are_the_report_data_and_have_the_known_image_hash() {
    use crate::{
        policy::{AllowList, PeerPolicy},
        tdx::{FAKE_IMAGE_HASH, FakeTdxAttester},
    };
    let policy = |hashes| match PeerPolicy::fake_tdx(MARKER, hashes) {
        PeerPolicy::FakeTdx(policy) => policy,
        _ => unreachable!(),
    };
    let quote = FakeTdxAttester::new(MARKER).quote(&REPORT_DATA).unwrap();
    assert_eq!(quote, REPORT_DATA);
    for allowed in [AllowList::NotChecked, AllowList::only(FAKE_IMAGE_HASH)] {
        let verdict = appraise_fake(&quote, &policy(allowed)).unwrap();
        assert_eq!((verdict.image_hash, verdict.anchor()), (FAKE_IMAGE_HASH, None));
        assert_eq!(verdict.report.report_data, REPORT_DATA);
    }
    for refused in [AllowList::only([0; 32]), AllowList::from_iter([])] {
        assert_eq!(
            appraise_fake(&quote, &policy(refused)),
            Err(Reason::NotAllowed {
                field: MeasuredField::ImageHash
            })
        );
    }
    for len_bytes in [0, 63, 65] {
        assert_eq!(
            appraise_fake(&vec![0x42; len_bytes], &policy(AllowList::NotChecked)),
            Err(Reason::NotFake { len_bytes })
        );
    }
    // And a fake is no quote.
    let world = World::new(7);
    assert_eq!(world.judge(&quote), Err(Reason::Malformed));
}

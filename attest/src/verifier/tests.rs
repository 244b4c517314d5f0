//! What is remembered, for how long, and what must never be.

use super::*;
use crate::{
    certificate::{CertificateReason, Identity, IdentityKey, VALIDITY_S, identity::Form, report_data_for},
    collateral::{CollateralSource, CollateralStore, Fmspc},
    policy::{AllowList, AppraisalRules, AttributeRule, SimulationOnly},
    sim_pki::{CollateralOptions, SimPki},
    tdx::appraise::AttributeFault,
    tdx::{Attester, FAKE_IMAGE_HASH, FakeTdxAttester, SimTdxAttester, TdMeasurements},
};
use proptest::prelude::*;
use std::collections::BTreeSet;

const MARKER: SimulationOnly = SimulationOnly::accept_no_security();
const START: u64 = 1_790_000_000;
const DAY: u64 = 86_400;

/// A vendor whose collateral can be replaced, and TDs on its machines.
struct World {
    pki: SimPki,
    collateral: Arc<CollateralStore>,
}

impl World {
    fn new() -> Self {
        let pki = SimPki::new(7, START - DAY);
        let collateral = Arc::new(CollateralStore::new());
        collateral.insert(pki.collateral(START));
        Self { pki, collateral }
    }

    fn policy(&self, rules: AppraisalRules) -> PeerPolicy {
        PeerPolicy::tdx(self.pki.anchors(MARKER), self.collateral.clone(), rules)
    }

    fn verifier(&self, capacity: usize) -> PeerVerifier {
        PeerVerifier::remembering(self.policy(AppraisalRules::default()), capacity)
    }

    fn attester(&self, n: u64) -> SimTdxAttester {
        SimTdxAttester::new(Arc::new(self.pki.platform(n)), TdMeasurements::of_image("worker"))
    }

    /// Certificate of key `n` on machine `n`.
    fn certificate(&self, n: u8, now: u64) -> Vec<u8> {
        self.certificate_with_serial(n, now, n)
    }

    fn certificate_with_serial(&self, n: u8, now: u64, serial: u8) -> Vec<u8> {
        let attester = self.attester(n.into());
        Identity::attested(key(n), &attester, now, [serial; 16])
            .unwrap()
            .certificate_der()
            .to_vec()
    }
}

fn key(n: u8) -> IdentityKey {
    IdentityKey::from_seed([n; 32])
}

fn table_sizes(verifier: &PeerVerifier) -> (usize, usize, usize) {
    verifier.own().len()
}

#[test]
fn a_certificate_is_checked_once() {
    let world = World::new();
    let verifier = world.verifier(10);
    let certificate = world.certificate(1, START);
    let first = verifier.check(&certificate, START).unwrap();
    assert_eq!(verifier.check(&certificate, START + 60), Ok(first.clone()));
    assert_eq!(
        verifier.peer(Some(&[CertificateDer::from(certificate)]), START),
        Ok((first.clone(), Origin::Fresh)),
        "the first to ask is told of the check"
    );
    let certificates = [CertificateDer::from(world.certificate(1, START))];
    assert_eq!(
        verifier.peer(Some(&certificates), START),
        Ok((first.clone(), Origin::Cached))
    );
    let expected = VerifierCounts {
        remembered: 3,
        checked: 1,
        appraised: 1,
        ..VerifierCounts::default()
    };
    assert_eq!(verifier.counts(), expected);

    let verdict = first.evidence.unwrap();
    assert_eq!(first.trusted_until_unix_s, START + VALIDITY_S);
    assert_eq!(first.public_key, *key(1).public_key());
    assert_eq!(first.image_hash, TdMeasurements::of_image("worker").image_hash());
    assert_eq!(*verdict.report_data(), report_data_for(&first.public_key));
}

#[test]
fn without_capacity_nothing_is_remembered() {
    let world = World::new();
    let verifier = world.verifier(0);
    let certificate = world.certificate(1, START);
    for _ in 0..3 {
        assert!(verifier.check(&certificate, START).is_ok());
    }
    assert_eq!(
        verifier.counts(),
        VerifierCounts {
            checked: 3,
            appraised: 3,
            ..VerifierCounts::default()
        }
    );
    assert_eq!(verifier.accepted_key(&certificate), Ok(*key(1).public_key()));
    assert_eq!(table_sizes(&verifier), (0, 0, 0));
}

#[test]
fn one_certificate_and_no_chain() {
    let world = World::new();
    let verifier = world.verifier(10);
    let certificate = CertificateDer::from(world.certificate(1, START));
    assert_eq!(verifier.peer(None, START), Err(PeerReason::NoCertificate));
    assert_eq!(verifier.peer(Some(&[]), START), Err(PeerReason::NoCertificate));
    let two = [certificate.clone(), certificate];
    assert_eq!(
        verifier.peer(Some(&two), START),
        Err(PeerReason::Chain { certificates: 2 })
    );
    assert!(verifier.peer(Some(&two[..1]), START).is_ok());
}

#[test]
fn remembered_certificates_expire() {
    let world = World::new();
    let verifier = world.verifier(10);
    let certificate = world.certificate(1, START);
    let last = START + VALIDITY_S;
    for unix_s in [START, last] {
        assert!(verifier.check(&certificate, unix_s).is_ok());
    }
    let expired = PeerReason::Certificate(CertificateReason::Expired { at_unix_s: last });
    assert_eq!(verifier.check(&certificate, last + 1), Err(expired));
    let early = PeerReason::Certificate(CertificateReason::NotYetValid { from_unix_s: START });
    assert_eq!(
        verifier.check(&certificate, START - 1),
        Err(early),
        "a clock that jumped back"
    );
    assert!(verifier.check(&certificate, START).is_ok());
}

#[test]
fn remembered_verdicts_expire_with_their_collateral() {
    let world = World::new();
    let verifier = world.verifier(10);
    let last = START + 30 * DAY - 1;
    // Two certificates of one key: the evidence is judged once and remembered for the second.
    assert!(
        verifier
            .check(&world.certificate_with_serial(1, last - 10, 1), last - 10)
            .is_ok()
    );
    let second = world.certificate_with_serial(1, last - 10, 2);
    assert!(verifier.check(&second, last).is_ok());
    assert_eq!(verifier.counts().appraised, 1);
    assert_eq!(verifier.check(&second, last).unwrap().trusted_until_unix_s, last);
    let expired = PeerReason::Evidence(Reason::Expired { at_unix_s: last });
    assert_eq!(verifier.check(&second, last + 1), Err(expired));
}

#[test]
fn new_collateral_ends_old_verdicts() {
    let world = World::new();
    let verifier = world.verifier(10);
    let certificate = world.certificate(1, START);
    assert!(verifier.check(&certificate, START).is_ok());

    // The same collateral again is no news.
    world.collateral.insert(world.pki.collateral(START));
    assert!(verifier.check(&certificate, START).is_ok());
    assert_eq!(verifier.counts().appraised, 1);

    // Newer collateral: judged again. A revocation is effective at once.
    world.collateral.insert(world.pki.collateral(START + 1));
    assert!(verifier.check(&certificate, START + 1).is_ok());
    assert_eq!(verifier.counts().appraised, 2);
    let revoking = CollateralOptions {
        revoked_platforms: BTreeSet::from([1]),
        ..CollateralOptions::default()
    };
    world.collateral.insert(world.pki.collateral_with(START + 1, &revoking));
    assert_eq!(
        verifier.check(&certificate, START + 1),
        Err(PeerReason::Evidence(Reason::CertificateRevoked))
    );
    assert!(
        verifier.check(&world.certificate(2, START), START + 1).is_ok(),
        "only that machine"
    );
}

#[test]
fn without_collateral_evidence_is_refused() {
    let mut world = World::new();
    world.collateral = Arc::new(CollateralStore::new());
    let verifier = world.verifier(10);
    assert_eq!(
        verifier.check(&world.certificate(1, START), START),
        Err(PeerReason::Evidence(Reason::NoCollateral {
            fmspc: crate::sim_pki::SIM_FMSPC
        }))
    );
}

#[test]
fn a_renewed_certificate_replaces_the_old_one() {
    let world = World::new();
    let verifier = world.verifier(10);
    for serial in 1..=5 {
        assert!(
            verifier
                .check(&world.certificate_with_serial(1, START, serial), START)
                .is_ok()
        );
    }
    assert_eq!(table_sizes(&verifier), (1, 1, 1));
    assert_eq!(
        verifier.counts(),
        VerifierCounts {
            checked: 5,
            appraised: 1,
            recognised: 4,
            ..VerifierCounts::default()
        }
    );
}

#[test]
fn encodings_of_one_quote_take_one_place_and_are_each_judged() {
    let world = World::new();
    let verifier = world.verifier(10);
    let quote = world.attester(1).quote(&report_data_for(key(1).public_key())).unwrap();
    for padding in 0..4 {
        let padded = [&quote[..], &vec![0; padding]].concat();
        let identity = Identity::with_evidence(key(1), &padded, START, [1; 16]).unwrap();
        assert!(verifier.check(identity.certificate_der(), START).is_ok());
    }
    assert_eq!(table_sizes(&verifier), (1, 1, 1));
    assert_eq!(verifier.counts().appraised, 1);

    // The evidence id is that of the genuine quote, but the signature is not: memory must not help it.
    let mut forged = quote;
    forged[48 + 584 + 4] ^= 1;
    let identity = Identity::with_evidence(key(1), &forged, START, [1; 16]).unwrap();
    assert_eq!(
        verifier.check(identity.certificate_der(), START),
        Err(PeerReason::Evidence(Reason::QuoteSignature))
    );
}

#[test]
fn memory_is_bounded_and_refusals_take_none() {
    let world = World::new();
    let verifier = world.verifier(3);
    for n in 1..=6 {
        assert!(verifier.check(&world.certificate(n, START), START).is_ok());
    }
    assert_eq!(table_sizes(&verifier), (3, 3, 3));
    let last = world.certificate(6, START);
    for n in 0..20u8 {
        let plain = Identity::plain(key(n), START, [n; 16]);
        assert_eq!(
            verifier.check(plain.certificate_der(), START),
            Err(PeerReason::NoEvidence)
        );
    }
    let before = verifier.counts();
    assert!(verifier.check(&last, START).is_ok());
    assert_eq!(
        verifier.counts().remembered,
        before.remembered + 1,
        "refused peers pushed nobody out"
    );
}

#[test]
fn a_shared_cache_keeps_policies_apart() {
    let world = World::new();
    let cache = VerdictCache::new(10);
    let certificate = world.certificate(1, START);
    let verifier = |rules| PeerVerifier::with_cache(world.policy(rules), &cache);
    let (a, b) = (verifier(AppraisalRules::default()), verifier(AppraisalRules::default()));
    let strict = verifier(AppraisalRules {
        allowed_mr_td: AllowList::only([9; 48]),
        ..AppraisalRules::default()
    });
    let der = [CertificateDer::from(certificate.clone())];
    assert_eq!(a.peer(Some(&der), START).map(|(_, origin)| origin), Ok(Origin::Fresh));
    assert_eq!(
        b.peer(Some(&der), START).map(|(_, origin)| origin),
        Ok(Origin::Fresh),
        "what another learned is not seen"
    );
    assert_eq!((a.counts().appraised, b.counts().appraised), (1, 0), "it saves time");
    assert_eq!(b.peer(Some(&der), START).map(|(_, origin)| origin), Ok(Origin::Cached));
    // Another certificate of the same TD.
    let renewed = world.certificate_with_serial(1, START, 9);
    assert!(a.check(&renewed, START).is_ok() && b.check(&renewed, START).is_ok());
    assert_eq!((a.counts().appraised, b.counts().appraised), (1, 0));
    assert!(matches!(
        strict.check(&certificate, START),
        Err(PeerReason::Evidence(Reason::NotAllowed { .. }))
    ));

    // Another vendor with the same rules is another policy.
    let other = SimPki::new(8, START - DAY).anchors(MARKER);
    let other = PeerPolicy::tdx(other, world.collateral.clone(), AppraisalRules::default());
    let other = PeerVerifier::with_cache(other, &cache);
    assert!(matches!(
        other.check(&certificate, START),
        Err(PeerReason::Evidence(Reason::UntrustedRoot { .. }))
    ));
}

#[test]
fn every_difference_between_policies_is_in_their_fingerprint() {
    let world = World::new();
    type Change = fn(&mut AppraisalRules);
    let changes: [Change; 12] = [
        |_| {},
        |rules| rules.accepted_tcb = BTreeSet::new(),
        |rules| rules.min_tcb_evaluation_number = 1,
        |rules| rules.min_crl_number = 1,
        |rules| rules.refused_advisories = BTreeSet::from(["a\", \"b".to_owned()]),
        |rules| rules.refused_advisories = BTreeSet::from(["a".to_owned(), "b".to_owned()]),
        |rules| rules.platform_flags.allow_smt = false,
        |rules| rules.td_attributes = AttributeRule::Reference(MARKER),
        |rules| rules.allowed_mr_td = AllowList::only([1; 48]),
        |rules| rules.allowed_mr_seam = AllowList::only([1; 48]),
        |rules| rules.allowed_image_hashes = AllowList::from_iter([]),
        |rules| rules.allowed_ppids = AllowList::from_iter([]),
    ];
    let mut fingerprints: BTreeSet<_> = changes
        .into_iter()
        .map(|change| {
            let mut rules = AppraisalRules::default();
            change(&mut rules);
            world.policy(rules).fingerprint()
        })
        .collect();
    for policy in [
        PeerPolicy::Any,
        PeerPolicy::fake_tdx(MARKER, AllowList::NotChecked),
        PeerPolicy::fake_tdx(MARKER, AllowList::only(FAKE_IMAGE_HASH)),
        PeerPolicy::tdx(
            crate::TrustAnchors::Vendor,
            world.collateral.clone(),
            AppraisalRules::default(),
        ),
    ] {
        fingerprints.insert(policy.fingerprint());
    }
    assert_eq!(fingerprints.len(), changes.len() + 4);
}

#[test]
fn one_in_n_is_checked_again() {
    let world = World::new();
    let verifier = world.verifier(10).recheck_one_in(NonZeroU64::new(3).unwrap());
    let certificate = world.certificate(1, START);
    for _ in 0..10 {
        assert!(verifier.check(&certificate, START).is_ok());
    }
    assert_eq!(
        verifier.counts(),
        VerifierCounts {
            remembered: 9,
            checked: 4,
            appraised: 4,
            rechecked: 3,
            ..VerifierCounts::default()
        }
    );
}

/// Memory that was altered behind the verifier's back.
#[test]
fn a_remembered_verdict_that_is_wrong_is_seen_when_it_is_made_again() {
    let world = World::new();
    let quote = world.attester(1).quote(&report_data_for(key(1).public_key())).unwrap();
    let stem = Quote::read(&quote).unwrap().stem();
    let certificate = |serial| world.certificate_with_serial(1, START, serial);
    let right = TdMeasurements::of_image("worker").image_hash();
    for one_in in [1_000, 1] {
        let verifier = world.verifier(10).recheck_one_in(NonZeroU64::new(one_in).unwrap());
        assert!(verifier.check(&certificate(1), START).is_ok());
        let mut remembered = verifier.own().verdict(stem).unwrap();
        remembered.verdict = Arc::new(Verdict {
            image_hash: [9; 32],
            ..Verdict::clone(&remembered.verdict)
        });
        verifier.own().remember_verdict(stem, remembered);
        let second = verifier.check(&certificate(2), START).unwrap();
        let counts = verifier.counts();
        if one_in == 1 {
            assert_eq!((second.image_hash, counts.mismatched), (right, 1));
            assert_eq!(
                verifier.check(&certificate(3), START).unwrap().image_hash,
                right,
                "mended"
            );
            assert_eq!(verifier.counts().mismatched, 1);
        } else {
            assert_eq!((second.image_hash, counts.rechecked), ([9; 32], 0), "nobody looked");
        }
    }
}

#[test]
fn a_debug_td_has_the_right_image_hash_and_is_refused() {
    let world = World::new();
    let td = TdMeasurements::of_image("worker").in_debug_mode();
    let attester = SimTdxAttester::new(Arc::new(world.pki.platform(1)), td);
    let certificate = Identity::attested(key(1), &attester, START, [1; 16]).unwrap();
    let rules = |td_attributes| AppraisalRules {
        td_attributes,
        allowed_image_hashes: AllowList::only(TdMeasurements::of_image("worker").image_hash()),
        ..AppraisalRules::default()
    };
    let check = |rule| PeerVerifier::new(world.policy(rules(rule))).check(certificate.certificate_der(), START);
    assert_eq!(
        check(AttributeRule::Production),
        Err(PeerReason::Evidence(Reason::Attributes(AttributeFault::Debug)))
    );
    assert!(check(AttributeRule::Reference(MARKER)).is_ok());
}

#[test]
fn each_form_of_certificate_is_read_by_those_who_read_it() {
    let world = World::new();
    let attester = world.attester(1);
    let issue = |form| Identity::attested_in(form, key(1), &attester, START, [1; 16]).unwrap();
    let (reference, ccc) = (issue(CertificateForm::Reference), issue(CertificateForm::Ccc));
    let of_reference = world.verifier(10);
    let of_ccc = world.verifier(10).reading(CertificateForm::Ccc);
    let by_ccc = of_ccc.check(ccc.certificate_der(), START).unwrap();
    assert_eq!(by_ccc.public_key, *key(1).public_key());
    assert_eq!(by_ccc.image_hash, TdMeasurements::of_image("worker").image_hash());
    assert!(of_reference.check(reference.certificate_der(), START).is_ok());
    for (verifier, identity, found) in [
        (&of_ccc, &reference, CertificateForm::Reference),
        (&of_reference, &ccc, CertificateForm::Ccc),
    ] {
        assert_eq!(
            verifier.check(identity.certificate_der(), START),
            Err(PeerReason::Form { found })
        );
    }
    // The quote of one form in the other is bound to something else; so is that of another key.
    let quote = attester.quote(&report_data_for(key(1).public_key())).unwrap();
    let wrong = Form::ccc(&key(1), START, [1; 16], &quote, None).sign(&key(1));
    assert_eq!(
        of_ccc.check(&wrong, START),
        Err(PeerReason::Evidence(Reason::ReportData))
    );
    let renewed = ccc.renewed(Some(&attester), START + 60, [2; 16]).unwrap();
    assert!(
        of_ccc.check(renewed.certificate_der(), START + 60).is_ok(),
        "renewed in its form"
    );
}

#[test]
fn fake_and_plain_peers_are_what_they_are() {
    let fake = Identity::attested(key(1), &FakeTdxAttester::new(MARKER), START, [1; 16]).unwrap();
    let plain = Identity::plain(key(2), START, [2; 16]);
    let fakes = PeerVerifier::new(PeerPolicy::fake_tdx(MARKER, AllowList::NotChecked));
    let any = PeerVerifier::new(PeerPolicy::Any);

    let peer = fakes.check(fake.certificate_der(), START).unwrap();
    assert_eq!(
        (peer.image_hash, peer.evidence.unwrap().anchor()),
        (FAKE_IMAGE_HASH, None)
    );
    assert_eq!(fakes.check(plain.certificate_der(), START), Err(PeerReason::NoEvidence));
    for identity in [&fake, &plain] {
        let peer = any.check(identity.certificate_der(), START).unwrap();
        assert_eq!(
            (peer.image_hash, peer.evidence),
            ([0; 32], None),
            "nobody looked at evidence"
        );
    }
    // A fake that was made for another key.
    let stolen = FakeTdxAttester::new(MARKER)
        .quote(&report_data_for(key(1).public_key()))
        .unwrap();
    let stolen = Identity::with_evidence(key(3), &stolen, START, [3; 16]).unwrap();
    assert_eq!(
        fakes.check(stolen.certificate_der(), START),
        Err(PeerReason::Evidence(Reason::ReportData))
    );
}

#[test]
fn a_new_certificate_can_carry_an_old_quote() {
    // Binding by report data says nothing of time: whoever has key and quote can go on for ever. What ends it is
    // collateral, or evidence that is bound to the session.
    let world = World::new();
    let quote = world.attester(1).quote(&report_data_for(key(1).public_key())).unwrap();
    let later = START + 29 * DAY;
    let renewed = Identity::with_evidence(key(1), &quote, later, [9; 16]).unwrap();
    assert!(world.verifier(10).check(renewed.certificate_der(), later).is_ok());
    // With another key it is refused.
    let stolen = Identity::with_evidence(key(2), &quote, later, [9; 16]).unwrap();
    let refused = world.verifier(10).check(stolen.certificate_der(), later);
    assert_eq!(refused, Err(PeerReason::Evidence(Reason::ReportData)));
}

#[test]
fn a_certificate_that_departs_from_the_form_is_refused_before_its_evidence_is_read() {
    let world = World::new();
    let verifier = world.verifier(10);
    let quote = world.attester(1).quote(&report_data_for(key(1).public_key())).unwrap();
    let mut form = Form::new(&key(1), START, [1; 16], Some(&quote));
    form.extensions.truncate(2);
    let refused = verifier.check(&form.sign(&key(1)), START);
    assert!(matches!(
        refused,
        Err(PeerReason::Certificate(CertificateReason::Extension { .. }))
    ));
    assert_eq!(verifier.counts().appraised, 0);
}

/// Collateral that changes with every question.
struct Unsteady(Vec<Arc<crate::Collateral>>, AtomicU64);

impl CollateralSource for Unsteady {
    fn collateral(&self, _: &Fmspc) -> Option<Arc<crate::Collateral>> {
        let at = self.1.fetch_add(1, Ordering::Relaxed);
        Some(self.0[at as usize % self.0.len()].clone())
    }
}

#[test]
fn collateral_that_changes_between_two_questions_is_no_hole() {
    let world = World::new();
    let revoking = CollateralOptions {
        revoked_platforms: BTreeSet::from([1]),
        ..CollateralOptions::default()
    };
    let source = Unsteady(
        vec![
            Arc::new(world.pki.collateral(START)),
            Arc::new(world.pki.collateral_with(START, &revoking)),
        ],
        AtomicU64::new(0),
    );
    let policy = PeerPolicy::tdx(world.pki.anchors(MARKER), Arc::new(source), AppraisalRules::default());
    let verifier = PeerVerifier::new(policy);
    let certificate = world.certificate(1, START);
    assert!(verifier.check(&certificate, START).is_ok());
    // The look-up sees other collateral than it was judged with, the new judgement sees the first again.
    assert!(verifier.check(&certificate, START).is_ok());
    assert_eq!((verifier.counts().remembered, verifier.counts().mismatched), (0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Memory changes nothing but time: whatever the order of certificates, clocks and publications.
    #[test]
    fn verdicts_with_memory_are_verdicts_without(
        capacity in 1usize..4,
        steps in proptest::collection::vec((0usize..5, 0usize..10, 0usize..4), 1..25),
    ) {
        let world = World::new();
        let certificates: Vec<_> = (0..5u8)
            .map(|n| world.certificate_with_serial(n % 3 + 1, START + u64::from(n) * 15 * DAY, n))
            .collect();
        let edges = [START, START + VALIDITY_S, START + 15 * DAY, START + 30 * DAY - 1, START + 30 * DAY];
        let times: Vec<u64> = edges.into_iter().flat_map(|edge| [edge, edge + 1]).collect();
        let publications: Vec<Arc<crate::Collateral>> = [
            (START, BTreeSet::new()),
            (START + 15 * DAY, BTreeSet::new()),
            (START, BTreeSet::from([1])),
            (START + 15 * DAY, BTreeSet::from([2])),
        ]
        .into_iter()
        .map(|(issued, revoked_platforms)| {
            let options = CollateralOptions { revoked_platforms, ..CollateralOptions::default() };
            Arc::new(world.pki.collateral_with(issued, &options))
        })
        .collect();
        let (with, without) = (world.verifier(capacity), world.verifier(0));
        for (certificate, time, publication) in steps {
            world.collateral.insert(publications[publication].clone());
            let (certificate, now) = (&certificates[certificate], times[time]);
            prop_assert_eq!(with.check(certificate, now), without.check(certificate, now));
        }
    }
}

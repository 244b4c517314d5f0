//! Reports of AMD machines.

use super::{certificates, vector};
use chrysalis_attest::{
    anchors::{AnchorError, AnchorKind, SimulationOnly, TrustStore},
    appraise::{Accepted, Appraisal, Context, Endorsements, Policy, Reason, appraise},
    chain::ChainFault,
    evidence::{Evidence, EvidenceKind},
    freshness::Expected,
    snp::{Product, SigningKey, SnpPolicy, SnpReason, SnpTcb, appraise::GuestFault},
};
use std::collections::BTreeSet;

/// All certificates at hand were valid then.
const NOW: u64 = 1_750_000_000;

/// What old reports without a revocation list can meet.
fn milan() -> SnpPolicy {
    SnpPolicy {
        allowed_products: BTreeSet::from([Product::Milan]),
        require_revocation_list: false,
        ..SnpPolicy::default()
    }
}

fn judge(report: &[u8], chain: &[Vec<u8>], policy: SnpPolicy, now_unix_s: u64) -> Appraisal {
    appraise(
        &Evidence::with_certificates(report, chain),
        &Context {
            now_unix_s,
            trust: &TrustStore::vendor(),
            endorsements: Endorsements::default(),
            policy: &Policy {
                snp: Some(policy),
                ..Policy::default()
            },
            expected: Expected::default(),
        },
    )
}

/// The signing key's certificate with the intermediate and root of a family.
fn chain(vcek: &str, family: &str) -> Option<Vec<Vec<u8>>> {
    let mut chain = certificates(vcek)?;
    chain.extend(certificates(&format!("roots/amd_{family}_ask.pem"))?);
    chain.extend(certificates(&format!("roots/amd_{family}_ark.pem"))?);
    Some(chain)
}

#[test]
fn genuine_reports_verify_with_their_chip_certificates() {
    for (report, vcek, snp, microcode) in [
        ("snp/virtee_milan_report.bin", "snp/virtee_milan_vcek.der", 8, 0x73),
        ("snp/trustee_test-report.bin", "snp/trustee_test-vcek.der", 8, 0x73),
    ] {
        let (Some(bytes), Some(chain)) = (vector(report), chain(vcek, "milan")) else {
            continue;
        };
        let appraisal = judge(&bytes, &chain, milan(), NOW);
        assert_eq!(appraisal.kind, Some(EvidenceKind::Snp));
        let Ok(Accepted::Snp(verdict)) = &appraisal.outcome else {
            panic!("{report}: {appraisal:?}")
        };
        assert_eq!(
            (verdict.product, verdict.signing_key),
            (Product::Milan, SigningKey::Vcek)
        );
        assert_eq!(verdict.anchor, AnchorKind::Vendor);
        assert_eq!(
            verdict.tcb.reported,
            SnpTcb {
                fmc: 0,
                boot_loader: 3,
                tee: 0,
                snp,
                microcode
            },
            "{report}"
        );
        assert_eq!(Some(verdict.evidence_id), appraisal.identity);

        // The same report, one thing wrong at a time.
        let refused = |policy, now| judge(&bytes, &chain, policy, now).outcome.unwrap_err();
        assert_eq!(
            refused(SnpPolicy::default(), NOW),
            Reason::Snp(SnpReason::NoRevocationList),
            "the default demands a revocation list"
        );
        let mut generation = milan();
        generation.allowed_products = SnpPolicy::default().allowed_products;
        assert_eq!(
            refused(generation, NOW),
            Reason::Snp(SnpReason::ProductNotAllowed {
                product: Product::Milan
            }),
            "Milan is not among the default products"
        );
        let expired = refused(milan(), verdict.expires_unix_s + 1);
        assert!(
            matches!(
                expired,
                Reason::Snp(SnpReason::Chain(ChainFault::Expired { at: 0, .. }))
            ),
            "{expired:?}"
        );
    }
}

#[test]
fn a_report_of_a_guest_that_may_be_debugged_is_genuine_and_refused() {
    let (Some(report), Some(chain)) = (
        vector("snp/gosev_debug_report.bin"),
        chain("snp/gosev_vcek.der", "milan"),
    ) else {
        return;
    };
    assert_eq!(
        judge(&report, &chain, milan(), NOW).outcome,
        Err(Reason::Snp(SnpReason::Guest(GuestFault::Debug)))
    );
    let mut allowing = milan();
    allowing.allow_debug = true;
    assert!(
        judge(&report, &chain, allowing, NOW).is_accepted(),
        "the signature is good"
    );
}

#[test]
fn altered_chip_certificates_do_not_verify() {
    let Some(report) = vector("snp/trustee_test-report.bin") else {
        return;
    };
    for vcek in [
        "snp/trustee_test-vcek-invalid-legacy.der",
        "snp/trustee_test-vcek-invalid-new.der",
    ] {
        let Some(chain) = chain(vcek, "milan") else { continue };
        assert_eq!(
            judge(&report, &chain, milan(), NOW).outcome,
            Err(Reason::Snp(SnpReason::Chain(ChainFault::Signature { at: 0 }))),
            "{vcek}"
        );
    }
}

#[test]
fn certificates_of_another_chip_or_family_do_not_serve() {
    let (Some(report), Some(own), Some(other)) = (
        vector("snp/virtee_milan_report.bin"),
        chain("snp/virtee_milan_vcek.der", "milan"),
        chain("snp/trustee_test-vcek.der", "milan"),
    ) else {
        return;
    };
    assert!(judge(&report, &own, milan(), NOW).is_accepted());
    assert_eq!(
        judge(&report, &other, milan(), NOW).outcome,
        Err(Reason::Snp(SnpReason::Chip)),
        "same TCB, another chip"
    );
    for family in ["genoa", "turin"] {
        let Some(chain) = chain("snp/virtee_milan_vcek.der", family) else {
            continue;
        };
        let refused = judge(&report, &chain, milan(), NOW).outcome.unwrap_err();
        assert_eq!(
            refused,
            Reason::Snp(SnpReason::Chain(ChainFault::Issuer { at: 0 })),
            "{family}"
        );
    }
}

/// There is no report of it: its chain verifies, and a report of another family is refused after that.
#[test]
fn the_certificate_of_a_turin_chip_is_read_in_its_own_layout() {
    let (Some(report), Some(chain)) = (
        vector("snp/virtee_milan_report.bin"),
        chain("snp/virtee_turin_vcek.der", "turin"),
    ) else {
        return;
    };
    let policy = SnpPolicy {
        allowed_products: Product::ALL.into(),
        ..milan()
    };
    let refused = judge(&report, &chain, policy, NOW).outcome.unwrap_err();
    // In the layout of Turin, byte 6 of Milan's TCB (its SNP version) is reserved.
    assert!(
        matches!(&refused, Reason::Snp(SnpReason::Report(fault)) if fault.to_string().contains("reserved byte")),
        "{refused:?}"
    );
}

#[test]
fn pinned_roots_are_the_published_ones_and_no_simulated_store_takes_them() {
    for (family, product) in [
        ("milan", Product::Milan),
        ("genoa", Product::Genoa),
        ("turin", Product::Turin),
    ] {
        let Some(root) = certificates(&format!("roots/amd_{family}_ark.pem")) else {
            continue;
        };
        let store = TrustStore::simulation(SimulationOnly::accept_no_security());
        assert_eq!(
            store.with_snp(product, &root[0]),
            Err(AnchorError::VendorKey),
            "{family}"
        );
        let ask = certificates(&format!("roots/amd_{family}_ask.pem")).unwrap();
        let store = TrustStore::simulation(SimulationOnly::accept_no_security());
        assert!(
            store.with_snp(product, &ask[0]).is_ok(),
            "an intermediate is no pinned root"
        );
        assert_eq!(
            TrustStore::vendor().with_snp(product, &ask[0]),
            Err(AnchorError::Mixed),
            "nor does the vendors' store take anything"
        );
    }
}

fn no_flip_is_accepted(every: usize) {
    let (Some(genuine), Some(chain)) = (
        vector("snp/virtee_milan_report.bin"),
        chain("snp/virtee_milan_vcek.der", "milan"),
    ) else {
        return;
    };
    let mut report = genuine.clone();
    for bit in (0..report.len() * 8).step_by(every) {
        report[bit / 8] ^= 1 << (bit % 8);
        assert!(!judge(&report, &chain, milan(), NOW).is_accepted(), "bit {bit}");
        report[bit / 8] ^= 1 << (bit % 8);
    }
    assert!(judge(&report, &chain, milan(), NOW).is_accepted());
}

#[test]
fn no_sampled_bit_of_a_genuine_report_can_be_flipped() {
    no_flip_is_accepted(29);
}

#[test]
#[ignore = "9,472 appraisals; every 29th is made by default. All: --run-ignored all"]
fn no_bit_of_a_genuine_report_can_be_flipped() {
    no_flip_is_accepted(1);
}

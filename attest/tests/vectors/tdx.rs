//! Quotes of Intel machines.

use super::vector;
use chrysalis_attest::{
    Collateral,
    anchors::{AnchorKind, SimulationOnly, TrustStore},
    appraise::{Accepted, Appraisal, Context, Endorsements, Policy, Reason, appraise},
    evidence::{Evidence, EvidenceKind},
    freshness::Expected,
    sim_pki::SimPki,
    tdx::appraise::{Reason as TdxReason, TcbStatus},
};

fn judge(quote: &[u8], collateral: &Collateral, now_unix_s: u64, trust: &TrustStore) -> Appraisal {
    appraise(
        &Evidence::new(quote),
        &Context {
            now_unix_s,
            trust,
            endorsements: Endorsements {
                tdx_collateral: Some(collateral),
                ..Endorsements::default()
            },
            policy: &Policy::strict(trust.kind()),
            expected: Expected::default(),
        },
    )
}

fn pair(quote: &str, collateral: &str) -> Option<(Vec<u8>, Collateral)> {
    Some((vector(quote)?, Collateral::from_json(&vector(collateral)?).unwrap()))
}

const MARCH_2026: &str = "tdx/collateral_90c06f_2026-03.json";

/// Quotes that are up to date, and moments of the windows that the index gives for them.
#[test]
fn quotes_of_patched_machines_are_up_to_date_and_expire() {
    for (quote, collateral, during, after) in [
        ("tdx/cocoon_quote.bin", MARCH_2026, 1_774_000_000, 1_776_290_770),
        ("tdx/go_v5.bin", MARCH_2026, 1_774_000_000, 1_776_290_770),
        (
            "tdx/tdx_quote.bin",
            "tdx/tdx_quote_collateral.json",
            1_751_000_000,
            1_752_920_164,
        ),
        (
            "tdx/tdx_quote_td15ex.bin",
            "tdx/tdx_quote_td15ex_collateral.json",
            1_792_000_000,
            1_794_008_712,
        ),
    ] {
        let Some((bytes, collateral)) = pair(quote, collateral) else {
            continue;
        };
        let accepted = judge(&bytes, &collateral, during, &TrustStore::vendor());
        assert_eq!(accepted.kind, Some(EvidenceKind::Tdx));
        let Ok(verdict) = &accepted.outcome else {
            panic!("{quote}: {accepted:?}")
        };
        assert_eq!(verdict.tcb_status(), Some(TcbStatus::UpToDate), "{quote}");
        assert_eq!(verdict.anchor(), Some(AnchorKind::Vendor), "{quote}");
        assert_eq!(accepted.report().verdict, "accepted");

        let late = judge(&bytes, &collateral, after, &TrustStore::vendor());
        assert!(
            matches!(late.outcome, Err(Reason::Tdx(TdxReason::Expired { .. }))),
            "{quote}: {late:?}"
        );
        assert_eq!(late.identity, accepted.identity, "{quote}");
    }
}

#[test]
fn quotes_without_a_matching_level_are_refused_for_that() {
    for (quote, collateral) in [
        ("tdx/tdx_quote_outdated.bin", "tdx/tdx_quote_outdated_collateral.json"),
        ("tdx/quote-from-tappd.bin", "tdx/tdx_quote_collateral.json"),
        ("tdx/tdx-quote.bin", "tdx/tdx_quote_collateral.json"),
    ] {
        let Some((bytes, collateral)) = pair(quote, collateral) else {
            continue;
        };
        let refused = judge(&bytes, &collateral, collateral.issued_unix_s(), &TrustStore::vendor());
        assert!(
            matches!(refused.outcome, Err(Reason::Tdx(TdxReason::TcbUnknown { .. }))),
            "{quote}: {refused:?}"
        );
        assert!(refused.identity.is_some(), "it is in canonical form");
    }
}

#[test]
fn a_quote_of_an_enclave_is_refused_by_name() {
    let Some(sgx) = vector("tdx/sgx_quote.bin") else { return };
    // Its collateral says SGX throughout and is not the form of a TDX platform.
    if let Some(json) = vector("tdx/sgx_quote_collateral.json")
        && let Ok(collateral) = Collateral::from_json(&json)
    {
        let refused = judge(&sgx, &collateral, collateral.issued_unix_s(), &TrustStore::vendor());
        assert_eq!(refused.kind, Some(EvidenceKind::Sgx));
        assert_eq!(refused.outcome, Err(Reason::Sgx));
        assert_eq!(refused.report().kind, Some("sgx"));
    }
}

#[test]
fn genuine_quotes_are_refused_by_simulated_roots_and_by_policies_for_them() {
    let Some((bytes, collateral)) = pair("tdx/cocoon_quote.bin", MARCH_2026) else {
        return;
    };
    let now = 1_774_000_000;
    let marker = SimulationOnly::accept_no_security();
    let simulated = TrustStore::simulation(marker)
        .with_tdx(SimPki::new(7, 1_700_000_000).root_der())
        .unwrap();
    assert_eq!(
        judge(&bytes, &collateral, now, &simulated).outcome,
        Err(Reason::Tdx(TdxReason::UntrustedRoot {
            trusted: AnchorKind::Simulation
        }))
    );
    assert!(matches!(
        judge(&bytes, &collateral, now, &TrustStore::vendor()).outcome,
        Ok(Accepted::Tdx(_))
    ));
}

#[test]
fn the_pinned_root_is_the_published_one_and_no_simulated_store_takes_it() {
    let Some(root) = vector("roots/intel_sgx_root_ca.der") else {
        return;
    };
    let digest = ring::digest::digest(&ring::digest::SHA256, &root);
    assert_eq!(digest.as_ref(), chrysalis_attest::policy::INTEL_SGX_ROOT_SHA256);
    let store = TrustStore::simulation(SimulationOnly::accept_no_security());
    assert!(store.with_tdx(&root).is_err());
}

//! The dispatch, policies as text, and what machines read. Rules are tested with the mutants ([`crate::mutate`]).

use super::*;
use crate::{
    anchors::SimulationOnly,
    hash::sha256,
    mutate::{Lab, lab::Subject},
    policy::{AllowList, TolerableAttribute},
    snp::{Product, SigningKey},
};

#[test]
fn every_kind_is_accepted_under_its_own_roots_and_refused_under_vendors() {
    for subject in Subject::ALL {
        let mut case = Lab::new(subject, 7).genuine();
        let appraisal = case.appraise();
        assert_eq!(appraisal.kind, Some(subject.kind()));
        let accepted = appraisal.outcome.unwrap();
        assert_eq!(accepted.anchor(), Some(AnchorKind::Simulation));

        case.trust = TrustStore::vendor();
        assert_eq!(
            case.appraise().outcome,
            Err(Reason::AnchorsNotAllowed {
                allowed: AnchorKind::Simulation
            })
        );
        case.policy.anchors = AnchorKind::Vendor;
        let refused = case.appraise().outcome.unwrap_err();
        assert_eq!(refused.class(), ReasonClass::Root, "{subject:?}: {refused:?}");
        assert_ne!(refused, Reason::NoAnchors { kind: subject.kind() });
    }
}

#[test]
fn a_simulated_store_without_a_root_refuses_the_kind() {
    for subject in Subject::ALL {
        let mut case = Lab::new(subject, 7).genuine();
        case.trust = TrustStore::simulation(SimulationOnly::accept_no_security());
        assert_eq!(
            case.appraise().outcome.unwrap_err().class(),
            ReasonClass::Root,
            "{subject:?}"
        );
    }
}

/// Evidence is part of recorded runs: a change of its bytes must be noticed and meant.
#[test]
fn the_same_seed_gives_the_same_bytes_marked_as_simulated() {
    for subject in Subject::ALL {
        let digest = |seed| {
            let case = Lab::new(subject, seed).genuine();
            let mut parts: Vec<&[u8]> = vec![&case.evidence];
            parts.extend(case.certificates.iter().map(Vec::as_slice));
            parts.extend(case.manifests.iter().map(Vec::as_slice));
            parts.extend(case.revocation_list.as_deref());
            for der in &case.certificates {
                assert!(der.windows(13).any(|window| window == b"Chrysalis SIM"), "{subject:?}");
            }
            sha256(&parts)
        };
        assert_eq!(digest(7), digest(7), "{subject:?}");
        assert_ne!(digest(7), digest(8), "{subject:?}");
    }
}

#[test]
fn bytes_that_are_no_evidence_are_refused_with_what_was_expected_where() {
    let case = Lab::new(Subject::Snp(Product::Genoa), 7).genuine();
    for bytes in [&b""[..], b"\0", b"-----BEGIN CERTIFICATE-----", &[0xff; 2_000]] {
        let mut case = case.clone();
        case.evidence = bytes.to_vec();
        let appraisal = case.appraise();
        assert_eq!((appraisal.kind, appraisal.identity), (None, None));
        let report = appraisal.report();
        assert_eq!(report.verdict, "refused");
        assert!(report.reasons[0].contains("bytes 0 to 7"), "{report:?}");
    }
}

#[test]
fn reports_for_machines_have_the_documented_fields() {
    let case = Lab::new(Subject::Tdx(crate::tdx::QuoteForm::V4), 7).genuine();
    let report = case.appraise().report();
    let json = serde_json::to_value(&report).unwrap();
    let fields: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
    let mut expected = vec![
        "verdict",
        "kind",
        "tcb_status",
        "reasons",
        "identity",
        "anchor",
        "expires",
    ];
    let mut sorted = fields.clone();
    sorted.sort();
    expected.sort_unstable();
    assert_eq!(sorted, expected);
    assert_eq!((&json["verdict"], &json["kind"]), (&"accepted".into(), &"tdx".into()));
    assert_eq!(
        (&json["tcb_status"], &json["anchor"]),
        (&"UpToDate".into(), &"simulation".into())
    );
    assert_eq!(json["reasons"], serde_json::json!([]));

    let mut late = case;
    late.challenged_unix_s = Some(0);
    let report = late.appraise().report();
    assert_eq!(
        (report.verdict, report.reasons.len(), report.expires),
        ("refused", 1, None)
    );
    assert!(report.identity.is_some(), "refused evidence has a name too");
}

const POLICY: &str = "
anchors: simulation
tdx:
  accepted-tcb: [UpToDate, SWHardeningNeeded]
  min-tcb-evaluation-number: 18
  tcb-grace-s: 604800
  collateral-grace-s: 86400
  refused-advisories: [INTEL-SA-00615]
  platform-flags: {allow-smt: false}
  tolerated-attributes: [perfmon]
  allowed-image-hashes: not-checked
  allowed-mr-td: []
  required-events:
    - '141414141414141414141414141414141414141414141414141414141414141414141414141414141414141414141414'
snp:
  allowed-products: [genoa, turin]
  allowed-signing-keys: [vcek, vlek]
  min-committed-tcb:
    genoa: {boot-loader: 9, tee: 0, snp: 23, microcode: 72}
  allowed-providers: [a provider]
gpu:
  allowed-modes: [spt]
  allowed-drivers: ['590.12']
";

#[test]
fn a_policy_is_read_from_text_and_survives_it() {
    let policy: Policy = serde_saphyr::from_str(POLICY).unwrap();
    let (tdx, snp, gpu) = (
        policy.tdx.clone().unwrap(),
        policy.snp.clone().unwrap(),
        policy.gpu.clone().unwrap(),
    );
    assert_eq!(policy.anchors, AnchorKind::Simulation);
    assert_eq!(
        tdx.accepted_tcb,
        [TcbStatus::UpToDate, TcbStatus::SwHardeningNeeded].into()
    );
    assert_eq!((tdx.tcb_grace_s, tdx.collateral_grace_s), (Some(604_800), 86_400));
    assert!(!tdx.platform_flags.allow_smt && tdx.platform_flags.allow_cached_keys);
    assert_eq!(tdx.tolerated_attributes, [TolerableAttribute::Perfmon].into());
    assert_eq!(tdx.allowed_mr_td, AllowList::from_iter([]));
    assert_eq!(tdx.required_events, [[0x14; 48]].into());
    assert_eq!(snp.allowed_signing_keys, [SigningKey::Vcek, SigningKey::Vlek].into());
    assert_eq!(snp.min_committed_tcb[&Product::Genoa].snp, 23);
    assert_eq!(snp.allowed_providers, AllowList::only("a provider".to_owned()));
    assert!(snp.require_revocation_list, "what is left out has the strict default");
    assert_eq!(gpu.allowed_drivers, AllowList::only("590.12".to_owned()));

    let json = serde_json::to_string(&policy).unwrap();
    assert_eq!(serde_json::from_str::<Policy>(&json).unwrap(), policy);
    assert_eq!(
        policy.lint(),
        Err(PolicyError::Empty {
            field: "tdx.allowed-mr-td"
        })
    );
}

#[test]
fn what_a_policy_does_not_know_is_an_error() {
    let read = |text: &str| serde_saphyr::from_str::<Policy>(text);
    for wrong in [
        "tdx: {accepted-tcbs: [UpToDate]}",
        "sgx: {}",
        "anchors: any",
        "tdx: {accepted-tcb: [uptodate]}",
        "tdx: {td-attributes: reference}",
        "tdx: {tolerated-attributes: [debug]}",
        "tdx: {allowed-mr-td: any}",
        "tdx: {allowed-mr-td: ['00']}",
        "snp: {allowed-products: [naples]}",
        "snp: {min-committed-tcb: {genoa: {boot-loader: 256, tee: 0, snp: 0, microcode: 0}}}",
        "snp: {allow_debug: true}",
        "gpu: {allowed-modes: [on]}",
        "gpu: {allowed-modes: spt}",
    ] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
    assert_eq!(read("{}").unwrap(), Policy::default());
    assert_eq!(Policy::default().lint(), Err(PolicyError::AcceptsNothing));
    let rules = |text: &str| read(text).unwrap();
    assert_eq!(rules("tdx: {}").tdx, Some(crate::policy::AppraisalRules::default()));
    assert_eq!(Policy::strict(AnchorKind::Vendor).lint(), Ok(()));
}

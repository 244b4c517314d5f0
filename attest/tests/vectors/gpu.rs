//! Evidence of NVIDIA GPUs, and manifests.

use super::{certificates, vector};
use chrysalis_attest::{
    anchors::{AnchorError, AnchorKind, GpuAnchors, SimulationOnly, TrustStore},
    appraise::{Accepted, Appraisal, Context, Endorsements, Policy, Reason, appraise},
    chain::ChainFault,
    evidence::{Evidence, EvidenceKind},
    freshness::Expected,
    gpu::{CcMode, GpuPolicy, GpuReason, Rim, RimFault, bundle, bundle::GpuBundle, rim::RimKind},
};

const NOW: u64 = 1_750_000_000;

fn without_manifests() -> GpuPolicy {
    GpuPolicy {
        require_manifests: false,
        ..GpuPolicy::default()
    }
}

fn judge_with(gpu: &GpuBundle, policy: GpuPolicy, manifests: &[Vec<u8>], expected: Expected<'_>) -> Appraisal {
    appraise(
        &Evidence::with_certificates(&gpu.measurements, &gpu.certificates),
        &Context {
            now_unix_s: NOW,
            trust: &TrustStore::vendor(),
            endorsements: Endorsements {
                gpu_manifests: manifests,
                ..Endorsements::default()
            },
            policy: &Policy {
                gpu: Some(policy),
                ..Policy::default()
            },
            expected,
        },
    )
}

fn judge(gpu: &GpuBundle, policy: GpuPolicy) -> Appraisal {
    judge_with(gpu, policy, &[], Expected::default())
}

/// Driver 550.90.07, which states no mode.
fn h100() -> Option<GpuBundle> {
    let text = String::from_utf8(vector("gpu/trustee_hopperAttestationReport.txt")?).unwrap();
    Some(GpuBundle {
        measurements: hex::decode(text.trim()).unwrap(),
        certificates: certificates("gpu/trustee_hopper_cert_chain_case1.txt")?,
    })
}

/// Driver 590.12, protected PCIe.
fn h200() -> Option<GpuBundle> {
    let mut bundles = bundle::read(&vector("gpu/hopper_evidence.json")?).unwrap();
    assert_eq!(bundles.len(), 1);
    bundles.pop()
}

#[test]
fn an_h100_verifies_and_says_what_its_claims_say() {
    let Some(gpu) = h100() else { return };
    let policy = GpuPolicy {
        allow_unstated_mode: true,
        ..without_manifests()
    };
    let appraisal = judge(&gpu, policy.clone());
    assert_eq!(appraisal.kind, Some(EvidenceKind::NvidiaGpu));
    let Ok(Accepted::Gpu(verdict)) = &appraisal.outcome else {
        panic!("{appraisal:?}")
    };
    assert_eq!((verdict.chip.as_str(), verdict.anchor), ("GH100", AnchorKind::Vendor));
    assert_eq!(Some(verdict.evidence_id), appraisal.identity);
    assert_eq!(
        judge(&gpu, without_manifests()).outcome,
        Err(Reason::Gpu(GpuReason::ModeUnstated)),
        "the default demands a mode"
    );

    let Some(claims) = vector("gpu/trustee_hopperAttestationReport-claims.txt") else {
        return;
    };
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    let config = &claims["config"];
    assert_eq!(config["driver_version"], verdict.report.driver_version);
    assert_eq!(config["vbios_version"], verdict.report.vbios_version);
    assert_eq!(config["fwid"], hex::encode(verdict.report.firmware_id.unwrap()));
    assert_eq!(config["board_id"], hex::encode(verdict.report.board_id.unwrap()));
    for (index, measurement) in (1..).zip(&verdict.report.measurements) {
        assert_eq!(
            claims["measurements"][format!("{index}")],
            hex::encode(measurement),
            "{index}"
        );
    }
}

#[test]
fn the_claims_of_the_vendors_service_are_of_that_report_and_expired() {
    let (Some(gpu), Some(claims)) = (h100(), vector("gpu/hopperClaimsv3_decoded.json")) else {
        return;
    };
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    let claims = &claims["GPU-0"];
    let mut nonce = [0; 32];
    hex::decode_to_slice(claims["eat_nonce"].as_str().unwrap(), &mut nonce).unwrap();
    let policy = GpuPolicy {
        allow_unstated_mode: true,
        ..without_manifests()
    };
    let expecting = |nonce: &[u8; 32]| {
        let expected = Expected {
            nonce: Some(nonce),
            ..Expected::default()
        };
        judge_with(&gpu, policy.clone(), &[], expected)
    };
    assert!(expecting(&nonce).is_accepted(), "the service and we judged one report");
    nonce[0] ^= 1;
    assert!(matches!(
        expecting(&nonce).outcome,
        Err(Reason::Gpu(GpuReason::Freshness(_)))
    ));
    let expires = claims["exp"].as_u64().unwrap();
    assert!(expires < 1_749_686_400, "expired on 2025-06-11: {expires}");

    // The same as signed tokens: a list with a JWT of ES384 first. Tokens of the service are no evidence here.
    let Some(token) = vector("gpu/hopperClaimsv3_detached_eat.json") else {
        return;
    };
    let token: serde_json::Value = serde_json::from_slice(&token).unwrap();
    assert_eq!(token[0][0], "JWT");
    assert_eq!(token[0][1].as_str().unwrap().split('.').count(), 3);
    assert!(Evidence::new(token.to_string().as_bytes()).kind().is_err());
}

#[test]
fn an_h200_with_protected_pcie_verifies_and_its_mode_must_be_allowed() {
    let Some(gpu) = h200() else { return };
    assert_eq!(
        judge(&gpu, without_manifests()).outcome,
        Err(Reason::Gpu(GpuReason::ModeNotAllowed { mode: CcMode::Ppcie }))
    );
    let policy = GpuPolicy {
        allowed_modes: [CcMode::Ppcie].into(),
        ..without_manifests()
    };
    let appraisal = judge(&gpu, policy);
    let Ok(Accepted::Gpu(verdict)) = &appraisal.outcome else {
        panic!("{appraisal:?}")
    };
    assert_eq!(verdict.report.driver_version, "590.12");
    assert_eq!(verdict.report.mode, Some(CcMode::Ppcie));
}

#[test]
fn chains_of_another_gpu_and_altered_reports_are_refused() {
    let (Some(a), Some(b)) = (h100(), h200()) else { return };
    let policy = || GpuPolicy {
        allow_unstated_mode: true,
        ..without_manifests()
    };
    let swapped = GpuBundle {
        certificates: b.certificates,
        ..a.clone()
    };
    assert_eq!(
        judge(&swapped, policy()).outcome,
        Err(Reason::Gpu(GpuReason::Signature))
    );
    let mut shorter = a.clone();
    shorter.certificates.pop();
    assert!(matches!(
        judge(&shorter, policy()).outcome,
        Err(Reason::Gpu(GpuReason::UntrustedRoot { .. }))
    ));
    let mut altered = a.clone();
    for bit in (0..a.measurements.len() * 8).step_by(97) {
        altered.measurements[bit / 8] ^= 1 << (bit % 8);
        assert!(!judge(&altered, policy()).is_accepted(), "bit {bit}");
        altered.measurements[bit / 8] ^= 1 << (bit % 8);
    }
    assert!(judge(&altered, policy()).is_accepted());
}

const MANIFEST: &str = "gpu/NV_GPU_DRIVER_GH100_550.144.03.xml";

#[test]
fn a_genuine_manifest_verifies_and_a_broken_one_does_not() {
    let Some(document) = vector(MANIFEST) else { return };
    let verify = |document: &[u8], now| Rim::verify(document, &GpuAnchors::Vendor, now);
    let rim = verify(&document, NOW).unwrap();
    assert_eq!((rim.kind, rim.version.as_str()), (RimKind::Driver, "550.144.03"));
    assert_eq!((rim.product.as_str(), rim.measurements.len()), ("GH100", 21));
    assert!(matches!(
        verify(&document, rim.expires_unix_s + 1),
        Err(RimFault::Chain(ChainFault::Expired { .. }))
    ));

    if let Some(broken) = vector("gpu/incorrect_signature_driver_rim.xml") {
        assert_eq!(verify(&broken, NOW), Err(RimFault::Signature));
    }
    // A value changed, and the same value in another spelling.
    let text = String::from_utf8(document).unwrap();
    let value = "4a5e4b3d501fe31f91bd8b6f2921b58437704a504dbedba971440e840c938c805612689ae3ac04b1009515a179063d49";
    let altered = text.replace(value, &value.replace("4a5e", "4a5f"));
    assert_eq!(verify(altered.as_bytes(), NOW), Err(RimFault::Digest));
    let respelt = text.replace(value, &value.to_uppercase());
    assert_eq!(verify(respelt.as_bytes(), NOW), Err(RimFault::Digest));
    // White space inside tags is not in the canonical form, so it is not in the digest either.
    let spaced = text.replace("corbus=", "corpus=").replace(" corpus=", "  corpus=");
    assert_ne!(spaced, text);
    assert_eq!(verify(spaced.as_bytes(), NOW).as_ref(), Ok(&rim));
    let commented = text.replace("</ns0:Payload>", "</ns0:Payload><!-- -->");
    assert!(matches!(verify(commented.as_bytes(), NOW), Err(RimFault::Form { .. })));
    // Nothing after the signed element, and no second signature.
    let appended = format!("{text}<x/>");
    assert!(matches!(verify(appended.as_bytes(), NOW), Err(RimFault::Form { .. })));
}

#[test]
fn a_manifest_of_another_version_does_not_serve() {
    let (Some(gpu), Some(manifest)) = (h100(), vector(MANIFEST)) else {
        return;
    };
    let policy = GpuPolicy {
        allow_unstated_mode: true,
        ..GpuPolicy::default()
    };
    let refused = judge_with(&gpu, policy, &[manifest], Expected::default()).outcome;
    assert_eq!(
        refused,
        Err(Reason::Gpu(GpuReason::NoManifest {
            kind: RimKind::Driver,
            version: "550.90.07".into(),
            chip: "GH100".into()
        }))
    );
}

#[test]
fn pinned_roots_are_the_published_ones_and_no_simulated_store_takes_them() {
    let (Some(device), Some(manifest)) = (
        certificates("roots/nvidia_device_root.pem"),
        certificates("gpu/rim_root.crt"),
    ) else {
        return;
    };
    let store = TrustStore::simulation(SimulationOnly::accept_no_security());
    assert_eq!(store.with_gpu(&device[0], &manifest[0]), Err(AnchorError::VendorKey));
}

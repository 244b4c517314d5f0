//! The gate of mutations on genuine evidence of vendors: bits, collateral, lengths, and the declared equivalence class.

use super::{certificates, vector};
use chrysalis_attest::{
    Collateral,
    anchors::TrustStore,
    appraise::Policy,
    gpu::{CcMode, GpuPolicy, bundle},
    mutate::{Case, Mutator},
    snp::{Product, SnpPolicy},
};
use std::sync::Arc;

fn case(evidence: Vec<u8>, policy: Policy, now_unix_s: u64) -> Case {
    Case {
        evidence,
        certificates: Vec::new(),
        event_log: None,
        collateral: None,
        revocation_list: None,
        manifests: Vec::new(),
        manifest_memo: None,
        trust: TrustStore::vendor(),
        policy,
        report_data: None,
        nonce: None,
        challenged_unix_s: None,
        now_unix_s,
    }
}

fn nothing_is_found(genuine: &Case, count: u64) {
    let appraisal = genuine.appraise();
    assert!(appraisal.is_accepted(), "{appraisal:?}");
    let mutator = Mutator::new(genuine, 5);
    let found: Vec<_> = (0..count)
        .filter_map(|n| mutator.mutant(n).check(appraisal.identity).err())
        .collect();
    assert_eq!(found, []);
}

#[test]
fn mutants_of_genuine_quotes_are_judged_as_declared() {
    let Some(json) = vector("tdx/collateral_90c06f_2026-03.json") else {
        return;
    };
    let collateral = Arc::new(Collateral::from_json(&json).unwrap());
    for quote in ["tdx/cocoon_quote.bin", "tdx/go_v5.bin"] {
        let Some(bytes) = vector(quote) else { continue };
        let policy = Policy::strict(TrustStore::vendor().kind());
        let mut genuine = case(bytes, policy, 1_774_000_000);
        genuine.collateral = Some(collateral.clone());
        nothing_is_found(&genuine, 1_000);
    }
}

#[test]
fn mutants_of_a_genuine_report_are_judged_as_declared() {
    let (Some(report), Some(mut chain), Some(ask), Some(ark)) = (
        vector("snp/virtee_milan_report.bin"),
        certificates("snp/virtee_milan_vcek.der"),
        certificates("roots/amd_milan_ask.pem"),
        certificates("roots/amd_milan_ark.pem"),
    ) else {
        return;
    };
    chain.extend([ask[0].clone(), ark[0].clone()]);
    let policy = Policy {
        snp: Some(SnpPolicy {
            allowed_products: [Product::Milan].into(),
            require_revocation_list: false,
            ..SnpPolicy::default()
        }),
        ..Policy::default()
    };
    let mut genuine = case(report, policy, 1_750_000_000);
    genuine.certificates = chain;
    nothing_is_found(&genuine, 1_000);
}

#[test]
fn mutants_of_a_genuine_gpu_and_manifest_are_judged_as_declared() {
    let Some(json) = vector("gpu/hopper_evidence.json") else {
        return;
    };
    let mut gpus = bundle::read(&json).unwrap();
    let gpu = gpus.remove(0);
    let policy = Policy {
        gpu: Some(GpuPolicy {
            allowed_modes: [CcMode::Ppcie].into(),
            require_manifests: false,
            ..GpuPolicy::default()
        }),
        ..Policy::default()
    };
    let mut genuine = case(gpu.measurements, policy, 1_750_000_000);
    genuine.certificates = gpu.certificates;
    nothing_is_found(&genuine, 500);
}

//! Every file of the vectors beside the repository, judged as their index says, with the reason. Where the vectors are
//! not there each test says so; the same rules are tested on simulated evidence in the crate.

#![expect(
    clippy::unwrap_used,
    reason = "a vector that is there and cannot be read fails the test"
)]

mod gpu;
mod mutations;
mod others;
mod snp;
mod tdx;

use chrysalis_attest::gpu::bundle;
use std::{collections::BTreeSet, fs, path::PathBuf};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors")
}

/// A vector, or none with a line that says so.
fn vector(path: &str) -> Option<Vec<u8>> {
    let bytes = fs::read(folder().join(path)).ok();
    if bytes.is_none() {
        #[expect(clippy::print_stderr, reason = "a test that skips a part says so")]
        {
            eprintln!("skipped: no vector {path}");
        }
    }
    bytes
}

/// Certificates of a file in PEM or DER.
fn certificates(path: &str) -> Option<Vec<Vec<u8>>> {
    let bytes = vector(path)?;
    Some(if bytes.starts_with(b"-----") {
        bundle::certificates(&bytes).unwrap()
    } else {
        vec![bytes]
    })
}

/// Files that tests here name. A file that the index has and this list has not is one that nobody judges.
const JUDGED: [&str; 42] = [
    "tdx/tdx_quote.bin",
    "tdx/tdx_quote_collateral.json",
    "tdx/tdx_quote_outdated.bin",
    "tdx/tdx_quote_outdated_collateral.json",
    "tdx/tdx_quote_td15ex.bin",
    "tdx/tdx_quote_td15ex_collateral.json",
    "tdx/sgx_quote.bin",
    "tdx/sgx_quote_collateral.json",
    "tdx/quote-from-tappd.bin",
    "tdx/tdx-quote.bin",
    "tdx/cocoon_quote.bin",
    "tdx/go_v5.bin",
    "tdx/collateral_90c06f_2026-03.json",
    "roots/intel_sgx_root_ca.der",
    "snp/virtee_milan_report.bin",
    "snp/virtee_milan_vcek.der",
    "snp/virtee_turin_vcek.der",
    "roots/amd_milan_ark.pem",
    "roots/amd_milan_ask.pem",
    "roots/amd_genoa_ark.pem",
    "roots/amd_genoa_ask.pem",
    "roots/amd_turin_ark.pem",
    "roots/amd_turin_ask.pem",
    "snp/gosev_debug_report.bin",
    "snp/gosev_vcek.der",
    "snp/trustee_test-report.bin",
    "snp/trustee_test-vcek.der",
    "snp/trustee_test-vcek-invalid-legacy.der",
    "snp/trustee_test-vcek-invalid-new.der",
    "gpu/trustee_hopperAttestationReport.txt",
    "gpu/trustee_hopper_cert_chain_case1.txt",
    "gpu/trustee_hopperAttestationReport-claims.txt",
    "roots/nvidia_device_root.pem",
    "gpu/hopper_evidence.json",
    "gpu/NV_GPU_DRIVER_GH100_550.144.03.xml",
    "gpu/incorrect_signature_driver_rim.xml",
    "gpu/rim_root.crt",
    "gpu/hopperClaimsv3_decoded.json",
    "gpu/hopperClaimsv3_detached_eat.json",
    "ratls/gramine-cert.pem",
    "ratls/intel-sgxsdk-cert.pem",
    "ratls/rats-tls-cert.pem",
];

#[test]
fn every_file_of_the_index_is_judged() {
    let Some(index) = vector("INDEX.md") else { return };
    let index = String::from_utf8(index).unwrap();
    let listed: BTreeSet<_> = index
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .filter(|file| file.contains('/'))
        .collect();
    assert!(listed.len() > 40, "{listed:?}");
    let judged: BTreeSet<_> = JUDGED.into_iter().filter(|file| file.contains('/')).collect();
    assert_eq!(listed, judged);
}

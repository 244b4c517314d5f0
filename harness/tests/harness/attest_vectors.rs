//! Every file of the vectors beside the repository, judged through the command line as their index says.

use crate::common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use chrysalis::exit::Exit;
use common::Lab;

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors")
}

/// Exit code, and what is said.
type Expected = (Exit, &'static str);

const ACCEPTED: Expected = (Exit::Pass, "the vendor's root");

/// Every file that the index calls evidence, judged through the command line as the index says; other files as what they
/// are. The crate's own tests say why in types.
#[test]
fn every_vector_is_judged_as_its_index_says() {
    let folder = vectors();
    let Ok(index) = std::fs::read_to_string(folder.join("INDEX.md")) else {
        #[expect(clippy::print_stderr, reason = "a test that skips a part says so")]
        {
            eprintln!("skipped: no vectors");
        }
        return;
    };
    let policy = "anchors: vendor\n\
        tdx: {}\n\
        snp: { allowed-products: [milan], require-revocation-list: false }\n\
        gpu: { require-manifests: false, allow-unstated-mode: true, allowed-modes: [ppcie] }\n";
    let lab = Lab::passing().with("old.yaml", policy);
    std::fs::create_dir(lab.path("v")).unwrap();
    for kind in ["tdx", "snp", "gpu", "roots", "ratls"] {
        std::fs::create_dir(lab.path(&format!("v/{kind}"))).unwrap();
        for entry in std::fs::read_dir(folder.join(kind)).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), lab.path(&format!("v/{kind}")).join(entry.file_name())).unwrap();
        }
    }
    let march = "--collateral v/tdx/collateral_90c06f_2026-03.json --at 1774000000";
    let own = "--collateral v/tdx/tdx_quote_collateral.json";
    let milan = "v/roots/amd_milan_ask.pem v/roots/amd_milan_ark.pem --policy old.yaml --at 2025-06-15T12:00:00Z";
    let gpu = "--certs v/gpu/trustee_hopper_cert_chain_case1.txt --policy old.yaml --at 2025-06-15T12:00:00Z";
    let cases: Vec<(&str, String, Expected)> = vec![
        ("tdx/cocoon_quote.bin", march.to_owned(), ACCEPTED),
        ("tdx/go_v5.bin", march.to_owned(), ACCEPTED),
        (
            "tdx/cocoon_quote.bin",
            march.replace("1774000000", "1776290770"),
            (Exit::Refused, "expired at"),
        ),
        ("tdx/tdx_quote.bin", format!("{own} --at 1751000000"), ACCEPTED),
        (
            "tdx/tdx_quote.bin",
            format!("{own} --at 1752920164"),
            (Exit::Refused, "expired at"),
        ),
        (
            "tdx/quote-from-tappd.bin",
            format!("{own} --at 1751000000"),
            (Exit::Refused, "unknown TCB level"),
        ),
        (
            "tdx/tdx-quote.bin",
            format!("{own} --at 1751000000"),
            (Exit::Refused, "unknown TCB level"),
        ),
        (
            "tdx/tdx_quote_outdated.bin",
            "--collateral v/tdx/tdx_quote_outdated_collateral.json --at 1773000000".to_owned(),
            (Exit::Refused, "refused: tdx"),
        ),
        (
            "tdx/tdx_quote_td15ex.bin",
            "--collateral v/tdx/tdx_quote_td15ex_collateral.json --at 1792000000".to_owned(),
            ACCEPTED,
        ),
        (
            "tdx/sgx_quote.bin",
            "--at 1751000000".to_owned(),
            (Exit::Refused, "a quote of an SGX enclave"),
        ),
        (
            "snp/virtee_milan_report.bin",
            format!("--certs v/snp/virtee_milan_vcek.der {milan}"),
            ACCEPTED,
        ),
        (
            "snp/trustee_test-report.bin",
            format!("--certs v/snp/trustee_test-vcek.der {milan}"),
            ACCEPTED,
        ),
        (
            "snp/trustee_test-report.bin",
            format!("--certs v/snp/trustee_test-vcek-invalid-legacy.der {milan}"),
            (Exit::Refused, "refused: snp"),
        ),
        (
            "snp/trustee_test-report.bin",
            format!("--certs v/snp/trustee_test-vcek-invalid-new.der {milan}"),
            (Exit::Refused, "refused: snp"),
        ),
        (
            "snp/gosev_debug_report.bin",
            format!("--certs v/snp/gosev_vcek.der {milan}"),
            (Exit::Refused, "debugging is allowed"),
        ),
        ("gpu/trustee_hopperAttestationReport.txt", gpu.to_owned(), ACCEPTED),
        (
            "gpu/trustee_hopperAttestationReport.txt",
            gpu.replace(" --policy old.yaml", ""),
            (Exit::Refused, "does not state its mode"),
        ),
        (
            "gpu/hopper_evidence.json",
            "--policy old.yaml --at 1750000000".to_owned(),
            ACCEPTED,
        ),
        (
            "gpu/hopper_evidence.json",
            "--at 1750000000".to_owned(),
            (Exit::Refused, "mode Ppcie is not allowed"),
        ),
        (
            "gpu/hopper_evidence.json",
            "--policy old.yaml --at 1750000000 --collateral v/gpu/incorrect_signature_driver_rim.xml".to_owned(),
            (Exit::Refused, "signature of the manifest"),
        ),
        (
            "gpu/hopper_evidence.json",
            "--policy old.yaml --at 1750000000 --collateral v/gpu/NV_GPU_DRIVER_GH100_550.144.03.xml".to_owned(),
            ACCEPTED,
        ),
    ];
    let mut judged: BTreeSet<String> = BTreeSet::new();
    for (evidence, options, (exit, said)) in &cases {
        let line = format!("attest verify --evidence v/{evidence} {options}");
        let done = lab.go(&line);
        assert_eq!(done.exit, *exit, "{line}\n{}{}", done.out, done.err);
        assert!(done.out.contains(said), "{line}\n{}{}", done.out, done.err);
        judged.extend(
            line.split_whitespace()
                .filter_map(|word| word.strip_prefix("v/"))
                .map(str::to_owned),
        );
    }
    // What is no evidence is unreadable as evidence, and can be shown or serves no simulated store.
    for path in [
        "gpu/trustee_hopperAttestationReport-claims.txt",
        "gpu/hopperClaimsv3_decoded.json",
        "gpu/hopperClaimsv3_detached_eat.json",
        "ratls/gramine-cert.pem",
        "ratls/intel-sgxsdk-cert.pem",
        "ratls/rats-tls-cert.pem",
        "snp/virtee_turin_vcek.der",
        "tdx/sgx_quote_collateral.json",
    ] {
        let done = lab.go(&format!("attest verify --evidence v/{path} --at 1750000000"));
        assert_eq!(
            (done.exit, done.out.as_str()),
            (Exit::Usage, ""),
            "{path}: {}",
            done.err
        );
        judged.insert(path.to_owned());
    }
    for path in [
        "ratls/gramine-cert.pem",
        "ratls/rats-tls-cert.pem",
        "ratls/intel-sgxsdk-cert.pem",
    ] {
        let shown = lab.go(&format!("attest show v/{path}"));
        assert!(
            shown.out.contains("evidence of interoperable RA-TLS"),
            "{path}: {}{}",
            shown.out,
            shown.err
        );
    }
    let turin = lab.go("attest show v/snp/virtee_turin_vcek.der");
    assert!(turin.out.contains("SNP FMC version"), "{}", turin.out);
    for path in [
        "roots/intel_sgx_root_ca.der",
        "roots/amd_milan_ark.pem",
        "roots/amd_genoa_ark.pem",
        "roots/amd_turin_ark.pem",
        "roots/nvidia_device_root.pem",
        "gpu/rim_root.crt",
    ] {
        let done = lab.go(&format!(
            "attest verify --evidence v/tdx/go_v5.bin {march} --root v/{path}"
        ));
        assert_eq!((done.exit, done.out.as_str()), (Exit::Usage, ""), "{path}");
        assert!(done.err.contains("`--root vendor` trusts them"), "{path}: {}", done.err);
        judged.insert(path.to_owned());
    }
    for path in [
        "roots/amd_milan_ask.pem",
        "roots/amd_genoa_ask.pem",
        "roots/amd_turin_ask.pem",
    ] {
        assert_eq!(lab.go(&format!("attest show v/{path}")).exit, Exit::Pass);
        judged.insert(path.to_owned());
    }
    let listed: BTreeSet<String> = index
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .filter(|file| file.contains('/'))
        .map(str::to_owned)
        .collect();
    assert!(listed.len() > 40, "{listed:?}");
    assert_eq!(listed, judged);
}

//! `chrysalis attest` from files to text: verdicts, errors with places, hostile bytes.

use crate::common;

use std::collections::BTreeSet;
use std::path::Path;

use chrysalis::exit::Exit;
use common::{Done, Lab};

/// Issues evidence and gives the command that was printed, without the program's name.
fn issued(lab: &Lab, options: &str) -> String {
    let done = lab.go(&format!("attest issue --sim-root sim --seed 7 {options}"));
    assert_eq!(done.exit, Exit::Pass, "{}", done.err);
    done.out.trim().strip_prefix("chrysalis ").unwrap().to_owned()
}

fn refused(done: &Done, reason: &str) {
    assert_eq!(done.exit, Exit::Refused, "{}{}", done.out, done.err);
    assert!(
        done.out.starts_with("refused: ") && done.out.contains(reason),
        "{}",
        done.out
    );
}

fn unreadable(done: &Done, problem: &str) {
    assert_eq!(
        (done.exit, done.exit.code()),
        (Exit::Usage, 2),
        "{}{}",
        done.out,
        done.err
    );
    assert!(
        done.err.starts_with("error[CHR-A00") && done.err.contains(problem),
        "{}",
        done.err
    );
    assert_eq!(done.out, "");
}

#[test]
fn the_command_that_issue_prints_accepts_what_it_wrote() {
    let lab = Lab::passing();
    for (options, kind) in [
        ("--tee tdx", "tdx"),
        (
            "--tee tdx --form v5-tdx15-extended --name five --report-data 07070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707",
            "tdx",
        ),
        ("--tee snp", "snp"),
        ("--tee snp --family turin --machine 2", "snp"),
        (
            "--tee gpu --nonce 0909090909090909090909090909090909090909090909090909090909090909",
            "gpu",
        ),
        ("--tee gpu --generation blackwell --machine 3 --out elsewhere", "gpu"),
    ] {
        let verify = issued(&lab, options);
        let done = lab.go(&verify);
        assert_eq!(done.exit, Exit::Pass, "{verify}\n{}{}", done.out, done.err);
        assert!(
            done.out
                .starts_with(&format!("accepted: {kind}, chained to a SIMULATED root")),
            "{}",
            done.out
        );
        let json = lab.go(&format!("{verify} --json")).json();
        assert_eq!(
            (&json["verdict"], &json["kind"], &json["anchor"]),
            (&"accepted".into(), &kind.into(), &"simulation".into())
        );
        assert_eq!(json["reasons"], serde_json::json!([]));
        assert!(json["expires"].as_u64().unwrap() > 1_767_225_600 && json["identity"].as_str().unwrap().len() == 96);
        let names: BTreeSet<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            Vec::from_iter(names),
            [
                "anchor",
                "expires",
                "identity",
                "kind",
                "reasons",
                "tcb_status",
                "verdict"
            ]
        );

        // Production refuses simulated evidence: its roots, and its policy.
        let (files, _) = verify.split_once(" --root ").unwrap();
        refused(
            &lab.go(&format!("{files} --at 2026-01-01T00:00:00Z")),
            "another root than the trusted",
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_files_and_vendors_keep_theirs() {
    let bytes = |lab: &Lab| std::fs::read(lab.path("sim/evidence/snp-1.evidence.bin")).unwrap();
    let (one, other) = (Lab::passing(), Lab::passing());
    issued(&one, "--tee snp");
    issued(&other, "--tee snp");
    assert_eq!(bytes(&one), bytes(&other));
    let different = Lab::passing();
    assert_eq!(
        different.go("attest issue --tee snp --sim-root sim --seed 8").exit,
        Exit::Pass
    );
    assert_ne!(bytes(&one), bytes(&different));
    assert_eq!(
        one.go("attest issue --tee snp --sim-root sim").exit,
        Exit::Pass,
        "the seed is that of the folder"
    );

    unreadable(
        &one.go("attest issue --tee snp --sim-root sim --seed 8"),
        "its seed is 7 and not 8",
    );
    let taken = Lab::passing().with("sim/notes.txt", "mine");
    unreadable(
        &taken.go("attest issue --tee snp --sim-root sim"),
        "it holds other things",
    );
    let broken = Lab::passing().with("sim/simulation.json", "{\"version\":1}");
    unreadable(&broken.go("attest issue --tee snp --sim-root sim"), "missing field");
    let newer = Lab::passing().with(
        "sim/simulation.json",
        r#"{"version":2,"warning":"","seed":1,"start_unix_s":1}"#,
    );
    unreadable(&newer.go("attest issue --tee snp --sim-root sim"), "version 2");
    let file = Lab::passing().with("sim", "a file");
    let done = file.go("attest issue --tee snp --sim-root sim");
    assert_eq!(done.exit, Exit::Environment, "{}", done.err);
    assert_eq!(
        one.go("attest issue --tee snp --sim-root sim --name ../x").exit,
        Exit::Usage
    );
}

#[test]
fn debugging_is_issued_and_refused() {
    let lab = Lab::passing();
    for tee in ["tdx", "snp"] {
        let done = lab.go(&format!("attest issue --sim-root sim --tee {tee} --debug"));
        assert!(
            done.err.contains("which this command refuses") && done.err.contains("debug"),
            "{}",
            done.err
        );
        let verify = done.out.trim().strip_prefix("chrysalis ").unwrap().to_owned();
        refused(&lab.go(&verify), "debug");
        let json = lab.go(&format!("{verify} --json")).json();
        assert_eq!(
            (&json["verdict"], &json["anchor"]),
            (&"refused".into(), &serde_json::Value::Null)
        );
        assert!(json["reasons"][0].as_str().unwrap().contains("debug"));
    }
}

#[test]
fn verdicts_for_people() {
    let lab = Lab::passing();
    let tdx = issued(&lab, "--tee tdx");
    insta::assert_snapshot!("verify_accepted_tdx", lab.go(&tdx).out);
    let snp = issued(&lab, "--tee snp");
    insta::assert_snapshot!("verify_accepted_snp", lab.go(&snp).out);
    let gpu = issued(&lab, "--tee gpu");
    insta::assert_snapshot!("verify_accepted_gpu", lab.go(&gpu).out);
    // Collateral lasts 30 days.
    insta::assert_snapshot!(
        "verify_refused_tdx",
        lab.go(&tdx.replace("2026-01-01", "2026-02-01")).out
    );
    insta::assert_snapshot!("verify_json", lab.go(&format!("{tdx} --json")).out);
}

#[test]
fn a_policy_in_rego_must_accept_as_well() {
    let lab = Lab::passing();
    for tee in ["tdx", "snp", "gpu"] {
        let verify = issued(&lab, &format!("--tee {tee}"));
        let done = lab.go(&format!("{verify} --second-opinion"));
        assert_eq!(done.exit, Exit::Pass, "{}{}", done.out, done.err);
        assert!(done.out.ends_with("the policy in Rego accepts it\n"), "{}", done.out);
    }
    let tdx = issued(&lab, "--tee tdx");
    // What is known before any policy is judged refuses for both.
    let late = lab.go(&format!("{} --second-opinion", tdx.replace("2026-01-01", "2026-02-01")));
    refused(&late, "the policy in Rego refuses it too");

    let policy = |name: &str, body: &str| {
        std::fs::write(lab.path(name), format!("package chrysalis.appraisal\n{body}\n")).unwrap();
        format!("{tdx} --rego {name}")
    };
    let never = lab.go(&policy(
        "never.rego",
        "reasons contains \"not on a \\u001b Monday\" if true",
    ));
    refused(&never, "not on a");
    assert!(
        never.out.contains("by the typed rules alone it is accepted"),
        "{}",
        never.out
    );
    assert!(!never.out.contains('\u{1b}'), "{}", never.out);
    let json = lab.go(&format!(
        "{} --json",
        policy("never.rego", "reasons contains \"no\" if true")
    ));
    assert_eq!((json.exit, &json.json()["verdict"]), (Exit::Refused, &"refused".into()));
    assert_eq!(json.json()["reasons"][0], "rego: no");
    // It may look at anything that is printed as claims.
    let by_claims = "reasons contains \"wrong kind\" if input.claims.kind != \"tdx\"\nreasons contains \"x\" if false";
    assert_eq!(lab.go(&policy("kind.rego", by_claims)).exit, Exit::Pass);
    let claims = lab.go(&format!("{tdx} --claims")).json();
    assert_eq!(claims["claims"]["kind"], "tdx");

    for (body, problem) in [
        ("reasons contains if", "not Rego"),
        ("other := 1", "cannot be evaluated"),
        ("reasons := 1", "no set of texts"),
    ] {
        let done = lab.go(&policy("broken.rego", body));
        if problem == "not Rego" {
            unreadable(&done, problem);
        } else {
            refused(&done, problem);
        }
    }
}

#[test]
fn every_field_for_people() {
    let lab = Lab::passing();
    for tee in ["tdx", "snp", "gpu"] {
        issued(&lab, &format!("--tee {tee}"));
        let shown = lab.go(&format!("attest show sim/evidence/{tee}-1.evidence.bin"));
        assert_eq!((shown.exit, shown.err.as_str()), (Exit::Pass, ""));
        insta::assert_snapshot!(format!("show_{tee}"), shown.out);
        let json = lab
            .go(&format!("attest show sim/evidence/{tee}-1.evidence.bin --json"))
            .json();
        let fields = json["sections"][0]["fields"].as_array().unwrap();
        assert_eq!((&fields[0]["offset"], fields.len() > 2), (&0.into(), true));
    }
    insta::assert_snapshot!(
        "show_certificates",
        lab.go("attest show sim/evidence/snp-1.certificates.pem").out
    );
    insta::assert_snapshot!(
        "show_collateral",
        lab.go("attest show sim/evidence/tdx-1.collateral.json").out
    );
    insta::assert_snapshot!("show_root", lab.go("attest show sim/roots/tdx.der").out);
    assert_eq!(
        lab.go("attest show sim/evidence/snp-1.revocation-list.der").exit,
        Exit::Pass
    );
    unreadable(&lab.go("attest show sim/evidence/gpu-1.driver.xml"), "XML");
}

#[test]
fn what_cannot_be_read_says_what_was_expected_at_which_offset() {
    let lab = Lab::passing();
    let verify = issued(&lab, "--tee tdx");
    let quote = std::fs::read(lab.path("sim/evidence/tdx-1.evidence.bin")).unwrap();
    let with = |bytes: &[u8]| {
        std::fs::write(lab.path("bad.bin"), bytes).unwrap();
        lab.go(&verify.replace("sim/evidence/tdx-1.evidence.bin", "bad.bin"))
    };
    for (bytes, problem) in [
        (&b""[..], "at offset 0 (0x0): expected a TDX quote"),
        (
            &quote[..100],
            "at offset 64 (0x40): expected MRSEAM of 48 bytes; found the end after 36",
        ),
        (&quote[..3_000], "expected a length of signature data of at most"),
        (&[0xa5; 700], "found a5a5a5a5"),
        (&[0; 1_183], "expected an SNP report of 1184 bytes; found 1183"),
        (b"{\"evidence\":1}", "found a JSON object or XML"),
        (b"[]", "empty list"),
    ] {
        let done = with(bytes);
        unreadable(&done, problem);
        assert!(
            done.err.starts_with("error[CHR-A001]: cannot read bad.bin at offset"),
            "{}",
            done.err
        );
    }
    // Random bytes and every beginning of a quote are unreadable or refused, and never more.
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    for round in 0..60usize {
        let mut bytes = vec![0; round * 40];
        for byte in &mut bytes {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (random >> 56) as u8;
        }
        assert_eq!(with(&bytes).exit, Exit::Usage);
        assert_eq!(with(&quote[..quote.len() * round / 60]).exit, Exit::Usage);
    }
    // The control: the quote itself, and with zeros behind it.
    assert_eq!(with(&quote).exit, Exit::Pass);
    let mut padded = quote.clone();
    padded.resize(8_000, 0);
    assert_eq!(with(&padded).exit, Exit::Pass);
    padded[7_999] = 1;
    refused(&with(&padded), "bytes after the structure");

    let json = lab.go(&format!(
        "{} --json",
        verify.replace("tdx-1.evidence.bin", "nothing.bin")
    ));
    assert_eq!(json.exit, Exit::Usage);
    assert_eq!(json.json()["verdict"], "unreadable");
    assert!(json.err.starts_with("error[CHR-C001]"), "{}", json.err);
}

#[test]
fn files_of_the_wrong_kind_are_named_with_what_they_are() {
    let lab = Lab::passing();
    let verify = issued(&lab, "--tee snp");
    let swap = |from: &str, to: &str| {
        assert!(verify.contains(from), "{verify}");
        lab.go(&verify.replace(from, to))
    };
    let (evidence, certificates) = ("sim/evidence/snp-1.evidence.bin", "sim/evidence/snp-1.certificates.pem");
    unreadable(&swap(evidence, certificates), "PEM of a CERTIFICATE");
    unreadable(&swap(certificates, evidence), "expected a certificate in DER");
    unreadable(
        &swap("sim/evidence/snp-1.revocation-list.der", evidence),
        "revocation list in DER",
    );
    unreadable(
        &swap("sim/evidence/snp-1.revocation-list.der", certificates),
        "PEM of a CERTIFICATE",
    );
    unreadable(
        &swap("sim/roots/snp-genoa.der", evidence),
        "expected a certificate in DER",
    );
    unreadable(
        &swap("sim/roots/snp-genoa.der", "sim/roots/gpu-devices.der"),
        "GPUs have two roots",
    );
    unreadable(
        &lab.go(&verify.replace("--root ", "--root vendor ")),
        "never trusted together",
    );
    refused(
        &swap("sim/roots/snp-genoa.der", "sim/roots/snp-milan.der"),
        "another root",
    );
    refused(&swap("sim/roots/snp-genoa.der", "sim/roots/tdx.der"), "another root");

    let lab = lab
        .with("empty.yaml", " \n")
        .with("typo.yaml", "anchors: simulation\nsnp:\n  allow-debugg: true\n")
        .with("nothing.yaml", "anchors: simulation\n")
        .with("list.yaml", "anchors: simulation\nsnp: { allowed-measurements: [] }\n")
        .with("vendor.yaml", "anchors: vendor\nsnp: {}\n");
    unreadable(&lab.go(&format!("{verify} --policy empty.yaml")), "nothing in it");
    let typo = lab.go(&format!("{verify} --policy typo.yaml"));
    unreadable(&typo, "allow-debugg");
    assert!(
        typo.err.starts_with("error[CHR-A002]") && typo.err.contains("line 3"),
        "{}",
        typo.err
    );
    refused(
        &lab.go(&format!("{verify} --policy nothing.yaml")),
        "does not accept evidence of kind snp",
    );
    let empty = lab.go(&format!("{verify} --policy list.yaml"));
    refused(&empty, "measurement is not in the list");
    assert!(empty.err.contains("snp.allowed-measurements is empty"), "{}", empty.err);
    refused(
        &lab.go(&format!("{verify} --policy vendor.yaml")),
        "demands roots of kind Vendor",
    );
}

#[test]
fn binding_is_compared_where_it_is_given_and_said_where_it_is_not() {
    let lab = Lab::passing();
    let verify = issued(&lab, "--tee snp");
    assert!(lab.go(&verify).err.contains("report data were not compared"));
    let (zeros, ones) = ("00".repeat(64), "11".repeat(64));
    let bound = lab.go(&format!("{verify} --report-data {zeros}"));
    assert_eq!((bound.exit, bound.err.as_str()), (Exit::Pass, ""));
    refused(
        &lab.go(&format!("{verify} --report-data {ones}")),
        "report data are not the expected ones",
    );
    let lab = lab.with("age.yaml", "anchors: simulation\nsnp: { max-challenge-age-s: 60 }\n");
    let aged = format!("{verify} --policy age.yaml --report-data {zeros}");
    refused(&lab.go(&aged), "answers no challenge");
    assert_eq!(
        lab.go(&format!("{aged} --challenged-at 2025-12-31T23:59:30Z")).exit,
        Exit::Pass
    );
    refused(
        &lab.go(&format!("{aged} --challenged-at 2025-12-31T23:58:30Z")),
        "90 s old",
    );
}

/// Names in certificates are chosen by whoever wrote them: here they would clear a terminal and forge a verdict.
#[test]
fn hostile_names_are_shown_and_obeyed_by_nothing() {
    let lab = Lab::passing();
    let verify = issued(&lab, "--tee snp");
    let path = lab.path("sim/evidence/snp-1.certificates.pem");
    let mut ders = chrysalis_attest::files::certificates(&std::fs::read(&path).unwrap()).unwrap();
    let name = b"SIM SEV-VCEK";
    let hostile = b"\x1b[2J\nok: yes";
    assert_eq!(name.len(), hostile.len());
    let at = ders[0].windows(name.len()).position(|window| window == name).unwrap();
    ders[0][at..at + name.len()].copy_from_slice(hostile);
    let text: String = ders
        .iter()
        .map(|der| pem::encode(&pem::Pem::new("CERTIFICATE", der.as_slice())))
        .collect();
    std::fs::write(&path, text).unwrap();
    let shown = lab.go("attest show sim/evidence/snp-1.certificates.pem");
    assert_eq!(shown.exit, Exit::Pass, "{}", shown.err);
    assert!(
        !shown.out.contains('\u{1b}') && shown.out.contains("[2J"),
        "{}",
        shown.out
    );
    assert!(
        !shown.out.lines().any(|line| line.starts_with("ok: yes")),
        "{}",
        shown.out
    );
    let done = lab.go(&verify);
    refused(&done, "signature of certificate 0");
    assert!(!done.out.contains('\u{1b}'));
    let name = lab.go("attest show \u{1b}[31m.bin");
    assert!(!name.err.contains('\u{1b}'), "{}", name.err);
}

#[test]
fn mutants_are_described_judged_and_written() {
    let lab = Lab::passing();
    let verify = issued(&lab, "--tee tdx");
    let rest = verify.strip_prefix("attest verify --evidence ").unwrap();
    let line = format!("attest mutate {rest} --seed 3 -n 40");
    let done = lab.go(&line);
    assert_eq!(done.exit, Exit::Pass, "{}{}", done.out, done.err);
    insta::assert_snapshot!("mutate", done.out.lines().take(12).collect::<Vec<_>>().join("\n"));
    assert_eq!((done.out.lines().count(), done.out.clone()), (40, lab.go(&line).out));
    assert!(
        done.err.ends_with("40 mutants with seed 3, 0 not judged as declared\n"),
        "{}",
        done.err
    );
    let part = lab.go(&format!(
        "attest mutate {rest} --seed 3 --first 30 -n 10 --json --out mutants"
    ));
    let lines: Vec<serde_json::Value> = part
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (lines.len(), &lines[0]["number"], &lines[0]["as_declared"]),
        (10, &30.into(), &true.into())
    );
    let mut written = 0;
    for line in &lines {
        let file = lab.path(&format!("mutants/{}/evidence.bin", line["number"]));
        let outcome = line["outcome"].as_str().unwrap();
        if !file.is_file() {
            continue;
        }
        // What is written gets the verdict that was told.
        written += 1;
        let again = lab.go(&verify.replace("sim/evidence/tdx-1.evidence.bin", file.to_str().unwrap()));
        assert_eq!(
            again.exit == Exit::Pass,
            outcome.starts_with("accepted"),
            "{line}: {}",
            again.out
        );
    }
    assert!(written >= 5, "{written}");

    // Evidence that is refused as it is shows nothing.
    let late = lab.go(&line.replace("2026-01-01", "2027-01-01"));
    assert_eq!((late.exit, late.out.as_str()), (Exit::Refused, ""));
    lab.stop.store(2, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(lab.go(&line).exit, Exit::Signal(2));
}

#[test]
fn times_and_bytes_on_the_command_line_are_checked() {
    let lab = Lab::passing();
    let verify = issued(&lab, "--tee tdx");
    assert_eq!(
        lab.go(&verify.replace("2026-01-01T00:00:00Z", "1767225600")).exit,
        Exit::Pass
    );
    assert_eq!(
        lab.go(&verify.replace("2026-01-01T00:00:00Z", "2026-01-01T02:00:00+02:00"))
            .exit,
        Exit::Pass
    );
    for wrong in ["yesterday", "2026-01-01", ""] {
        assert_eq!(
            lab.go(&verify.replace("2026-01-01T00:00:00Z", wrong)).exit,
            Exit::Usage,
            "{wrong}"
        );
    }
    assert_eq!(lab.go(&format!("{verify} --report-data 00")).exit, Exit::Usage);
    let (without_time, _) = verify.split_once(" --at").unwrap();
    assert_eq!(lab.go(without_time).exit, Exit::Usage, "no clock is read");
}

/// The policy that docs/attestation.md shows is one, and refuses what it says.
#[test]
fn the_documented_policy_is_a_policy() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/attestation.md")).unwrap();
    let (_, rest) = page.split_once("```yaml\n").unwrap();
    let (policy, _) = rest.split_once("```").unwrap();
    let lab = Lab::passing().with("documented.yaml", policy);
    let verify = issued(&lab, "--tee tdx");
    let (files, _) = verify.split_once(" --root ").unwrap();
    let judged = |at: &str, policy: &str| lab.go(&format!("{files} --at {at} --policy {policy}"));
    refused(&judged("2026-01-01T00:00:00Z", "documented.yaml"), "another root");
    let simulated = policy.replace("anchors: vendor", "anchors: simulation");
    std::fs::write(lab.path("simulated.yaml"), &simulated).unwrap();
    refused(&lab.go(&format!("{verify} --policy simulated.yaml")), "multithreading");
    let lenient = simulated.replace("allow-smt: false", "allow-smt: true");
    std::fs::write(lab.path("simulated.yaml"), lenient).unwrap();
    refused(
        &lab.go(&format!("{verify} --policy simulated.yaml")),
        "ImageHash is not in the list",
    );
}

#[test]
fn the_gate_of_mutations_has_a_range_and_an_exit_code_of_its_own() {
    let lab = Lab::passing();
    let done = lab.go("bench attest");
    assert_eq!(
        (done.exit, done.out.as_str(), done.err.as_str()),
        (Exit::Pass, "issue 5\n", "issue\n")
    );
    let json = lab
        .go("bench attest --mutations 50000 --first 2500 --threads 3 --json")
        .json();
    assert_eq!(json["gate"], serde_json::json!([0, 2_500, 50_000, 3]));
    assert_eq!(lab.go("bench attest --mutations 9 --seed 1").exit, Exit::Gate);
    assert_eq!(Exit::Gate.code(), 10);
    for line in [
        "bench attest --mutations 0",
        "bench attest --first 7",
        "bench sim --mutations 7",
    ] {
        assert_eq!(lab.go(line).exit, Exit::Usage, "{line}");
    }
    assert_eq!(lab.go("bench attest --mutations 9 --seed 2").exit, Exit::Signal(2));
}

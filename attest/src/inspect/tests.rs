//! What is shown adds up, what cannot be read says where, and no byte makes it panic.

use super::*;
use crate::{
    appraise::Reason,
    mutate::{Lab, Mutator, lab::Subject},
    snp::Product,
    tdx::{QuoteForm, appraise::Reason as TdxReason},
};
use proptest::prelude::*;

fn genuine(subject: Subject) -> Vec<u8> {
    Lab::new(subject, 7).genuine().evidence
}

fn lab_image_hash() -> [u8; 32] {
    let case = Lab::new(Subject::Tdx(QuoteForm::V4), 7).genuine();
    match case.appraise().outcome {
        Ok(crate::appraise::Accepted::Tdx(verdict)) => verdict.image_hash,
        other => panic!("{other:?}"),
    }
}

fn field<'a>(inspection: &'a Inspection, name: &str) -> &'a Field {
    let mut all = inspection.sections.iter().flat_map(|section| &section.fields);
    all.find(|field| field.name == name)
        .unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn fields_are_shown_at_their_places() {
    for subject in Subject::ALL {
        let bytes = genuine(subject);
        let shown = inspect(&bytes).unwrap();
        assert_eq!(shown.kind, subject.kind());
        for field in shown.sections.iter().flat_map(|section| &section.fields) {
            let Some(in_bytes) = bytes.get(field.offset..field.offset + field.len_bytes) else {
                panic!("{subject:?}: {field:?}")
            };
            let as_number = little_endian(in_bytes.get(..8).unwrap_or(in_bytes)).to_string();
            let is_text = field.len_bytes == 0 || field.value.ends_with(" bytes") || field.name.contains(": ");
            assert!(
                is_text || field.value == hex::encode(in_bytes) || field.value == as_number,
                "{subject:?}: {field:?}"
            );
        }
    }
}

#[test]
fn meanings_follow_the_values() {
    let mut quote = genuine(Subject::Tdx(QuoteForm::V4));
    let shown = inspect(&quote).unwrap();
    assert_eq!(field(&shown, "TD attributes").meaning, "SEPT_VE_DISABLE");
    assert_eq!(field(&shown, "report data").meaning, "binds the attestation key");
    assert_eq!(field(&shown, "FMSPC").value, hex::encode(b"SIM\0\0\0"));
    let image = lab_image_hash();
    assert!(shown.summary.contains(&hex::encode(image)), "{}", shown.summary);
    quote[48 + 120] |= 1;
    // The attestation key, which the quoting enclave's report binds.
    let key = 48 + 584 + 4 + 64;
    quote[key] ^= 1;
    let shown = inspect(&quote).unwrap();
    assert!(field(&shown, "TD attributes").meaning.starts_with("DEBUG"));
    assert_eq!(
        field(&shown, "report data").meaning,
        "does NOT bind the attestation key"
    );

    let mut report = genuine(Subject::Snp(Product::Turin));
    let shown = inspect(&report).unwrap();
    assert_eq!(
        field(&shown, "reported TCB").meaning,
        "FMC 1, boot loader 9, TEE 0, SNP 23, microcode 72"
    );
    assert!(!field(&shown, "guest policy").meaning.contains("DEBUG"));
    report[8 + 2] |= 1 << 3;
    report[0x18b] = 1;
    let shown = inspect(&report).unwrap();
    assert!(field(&shown, "guest policy").meaning.contains("DEBUG"));
    assert_eq!(field(&shown, "reserved").meaning, "should be zero");
}

#[test]
fn what_cannot_be_read_says_what_was_expected_where() {
    let quote = genuine(Subject::Tdx(QuoteForm::V4));
    let report = genuine(Subject::Snp(Product::Genoa));
    let gpu = genuine(Subject::Gpu(crate::gpu::Architecture::Hopper));
    let changed = |bytes: &[u8], at: usize, value: u8| {
        let mut bytes = bytes.to_vec();
        bytes[at] = value;
        bytes
    };
    let mut v5 = genuine(Subject::Tdx(QuoteForm::V5Tdx15));
    v5.truncate(54 + 600);
    for (bytes, offset, problem) in [
        (Vec::new(), 0, "found the end"),
        (vec![4, 0], 2, "rest of the header"),
        (vec![4, 0, 2, 0], 4, "rest of the header"),
        (changed(&quote, 4, 0x82), 4, "expected TEE type 0x81"),
        (changed(&quote, 0, 3), 0, "expected version 4 or 5; found 3"),
        (
            quote[..47].to_vec(),
            28,
            "expected user data of 20 bytes; found the end after 19",
        ),
        (quote[..48].to_vec(), 48, "expected TEE TCB SVN of 16 bytes"),
        (quote[..2_000].to_vec(), 632, "length of signature data"),
        (changed(&quote, 635, 1), 632, "length of signature data of at most"),
        (v5, 654, "MRSERVICETD"),
        (report[..1_183].to_vec(), 1_183, "1184 bytes; found 1183"),
        (changed(&report, 0, 4), 0, "expected version 2 or 3 or 5; found 4"),
        (gpu[..100].to_vec(), 45, "measurements end early"),
        (gpu[37..].to_vec(), 0, "before the response"),
        (b"-----BEGIN CERTIFICATE-----".to_vec(), 0, "found 2d2d2d2d"),
        (
            vec![0xff; MAX_EVIDENCE_LEN_BYTES + 7],
            MAX_EVIDENCE_LEN_BYTES,
            "7 more bytes",
        ),
    ] {
        let unreadable = inspect(&bytes).unwrap_err();
        assert_eq!(unreadable.offset, offset, "{unreadable}");
        assert!(unreadable.problem.contains(problem), "{unreadable}");
    }
}

/// Whatever the parsers call malformed has a place here, so that it is never reported as a verdict; and what is refused
/// for anything else can be shown.
#[test]
fn malformed_is_unreadable_and_a_verdict_is_readable() {
    let (mut malformed, mut verdicts) = (0, 0);
    for subject in [
        Subject::Tdx(QuoteForm::V4),
        Subject::Tdx(QuoteForm::V5Tdx15Extended),
        Subject::Snp(Product::Genoa),
        Subject::Gpu(crate::gpu::Architecture::Hopper),
    ] {
        let lab = Lab::new(subject, 7);
        let genuine = lab.genuine();
        let mutator = Mutator::new(&genuine, 3);
        for mutant in crate::mutate::named(&lab)
            .into_iter()
            .chain((0..300).map(|n| mutator.mutant(n)))
        {
            use crate::{
                gpu::GpuReason,
                snp::{ReportFault, SnpReason},
            };
            let is_malformed = matches!(
                mutant.case.appraise().outcome,
                Err(Reason::Unrecognised(_)
                    | Reason::Tdx(TdxReason::Malformed | TdxReason::NotTdx)
                    | Reason::Gpu(GpuReason::Spdm(_))
                    | Reason::Snp(SnpReason::Report(
                        ReportFault::Length { .. } | ReportFault::Version { .. } | ReportFault::Algorithm { .. }
                    )))
            );
            let read = readable(&mutant.case.evidence);
            assert_eq!(read.is_err(), is_malformed, "{subject:?}: {}: {read:?}", mutant.recipe);
            if is_malformed { malformed += 1 } else { verdicts += 1 }
        }
    }
    assert!(malformed > 200 && verdicts > 1_000, "{malformed} {verdicts}");
}

#[test]
fn hostile_names_are_cut_and_left_to_whoever_prints_them() {
    let quote = genuine(Subject::Tdx(QuoteForm::V4));
    let shown = inspect(&quote).unwrap();
    assert!(field(&shown, "subject").value.contains("SIM SGX PCK Certificate"));
    assert!(certificate(b"\x30\x03\x02\x01\x00").is_none());
}

proptest! {
    #[test]
    fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = inspect(&bytes);
        let _ = certificate(&bytes);
    }

    #[test]
    fn no_change_of_genuine_evidence_panics(subject in 0usize..9, at in 0usize..6_000, value in any::<u8>(), cut in 0usize..8_000) {
        static GENUINE: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
        let mut bytes = GENUINE.get_or_init(|| Subject::ALL.into_iter().map(genuine).collect())[subject].clone();
        let len = bytes.len();
        bytes[at % len] = value;
        bytes.truncate(cut);
        let _ = inspect(&bytes);
    }
}

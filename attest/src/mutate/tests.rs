//! The gate itself: nothing is found in the verifier as it is, and every planted bug is.

use super::{lab::Subject, *};
use crate::{
    planted::{Bug, with_bug},
    snp::Product,
    tdx::QuoteForm,
};

/// Judges everything named and some bytes; says what was found.
fn gate(subject: Subject, count: u64) -> GateReport {
    run_gate(&Lab::new(subject, 7), 11, count)
}

fn nothing_is_found(subject: Subject, count: u64) {
    let report = gate(subject, count);
    assert_eq!(report.findings, []);
    // Every class was judged, so that the run means something.
    for class in [
        Class::M1Bits,
        Class::M3Lengths,
        Class::M4Structure,
        Class::M5Semantics,
        Class::M6Cross,
        Class::Equivalent,
    ] {
        assert!(
            report.judged.get(&class).is_some_and(|count| *count > 0),
            "{class:?} in {report:?}"
        );
    }
}

#[test]
fn nothing_is_found_in_tdx_version_4() {
    nothing_is_found(Subject::Tdx(QuoteForm::V4), 2_500);
}

#[test]
fn nothing_is_found_in_tdx_version_5() {
    nothing_is_found(Subject::Tdx(QuoteForm::V5Tdx10), 400);
    nothing_is_found(Subject::Tdx(QuoteForm::V5Tdx15), 1_000);
    nothing_is_found(Subject::Tdx(QuoteForm::V5Tdx15Extended), 1_000);
}

#[test]
fn nothing_is_found_in_snp() {
    nothing_is_found(Subject::Snp(Product::Genoa), 2_500);
    nothing_is_found(Subject::Snp(Product::Milan), 400);
    nothing_is_found(Subject::Snp(Product::Turin), 400);
}

#[test]
fn nothing_is_found_in_gpus() {
    use crate::gpu::Architecture;
    nothing_is_found(Subject::Gpu(Architecture::Hopper), 2_500);
    nothing_is_found(Subject::Gpu(Architecture::Blackwell), 400);
}

#[test]
#[ignore = "100,000 appraisals"]
fn nothing_is_found_in_a_hundred_thousand() {
    for subject in Subject::ALL {
        let lab = Lab::new(subject, 23);
        assert_eq!(run_gate(&lab, 29, 11_000).findings, [], "{subject:?}");
    }
}

#[test]
fn there_are_enough_pairs_for_every_rule() {
    for (subject, least) in [
        (Subject::Tdx(QuoteForm::V4), 120),
        (Subject::Snp(Product::Genoa), 80),
        (Subject::Gpu(crate::gpu::Architecture::Hopper), 35),
    ] {
        let lab = Lab::new(subject, 7);
        let all = semantics::mutants(&lab);
        assert!(all.len() >= least, "{subject:?}: {}", all.len());
        let accepted = all
            .iter()
            .filter(|mutant| matches!(mutant.expectation, Expectation::Same | Expectation::Accepted))
            .count();
        assert!(accepted * 5 > all.len(), "{subject:?}: {accepted} of {}", all.len());
    }
}

#[test]
fn mutants_follow_from_seed_and_number() {
    let genuine = Lab::new(Subject::Tdx(QuoteForm::V4), 7).genuine();
    let recipe = |seed, n| Mutator::new(&genuine, seed).mutant(n).recipe;
    let all = |seed| (0..50).map(|n| recipe(seed, n)).collect::<Vec<_>>();
    assert_eq!(all(1), all(1));
    assert_ne!(all(1), all(2));
}

/// Where a bug shows, and how many byte-level mutants it takes at most.
fn where_it_shows(bug: Bug) -> (Subject, u64) {
    use crate::gpu::Architecture;
    let tdx = Subject::Tdx(QuoteForm::V4);
    let snp = Subject::Snp(Product::Genoa);
    let gpu = Subject::Gpu(Architecture::Hopper);
    match bug {
        Bug::NameWholeBlob
        | Bug::EmptyListAllowsAll
        | Bug::ComparePrefix
        | Bug::IgnoreReportData
        | Bug::IgnoreCollateralNumbers
        | Bug::AcceptFutureRevocationList
        | Bug::TdxTrailingBytes
        | Bug::TdxOuterType
        | Bug::TdxPemText
        | Bug::TdxPceId
        | Bug::TdxAttributes
        | Bug::TdxTcbStatus
        | Bug::TdxEventLog => (tdx, 1_000),
        Bug::IgnoreCertificateDates
        | Bug::SkipIntermediateSignature
        | Bug::GpuFirmware
        | Bug::GpuNonce
        | Bug::GpuMode
        | Bug::GpuRootByName
        | Bug::GpuManifest => (gpu, 1_000),
        Bug::IgnoreRevocation
        | Bug::SnpPadding
        | Bug::SnpReencode
        | Bug::SnpTcb
        | Bug::SnpChipId
        | Bug::SnpDebug
        | Bug::SnpVmpl
        | Bug::SnpCommittedTcb => (snp, 1_000),
    }
}

/// The first finding of the gate while the verifier has a bug.
fn first_finding(lab: &Lab, count: u64) -> Option<Finding> {
    let genuine = lab.genuine();
    let id = genuine.appraise().identity;
    let mutator = Mutator::new(&genuine, 11);
    named(lab)
        .into_iter()
        .chain((0..count).map(|n| mutator.mutant(n)))
        .find_map(|mutant| mutant.check(id).err())
}

#[test]
fn every_planted_bug_is_found() {
    let mut missed = Vec::new();
    for bug in Bug::ALL {
        let (subject, count) = where_it_shows(bug);
        let lab = Lab::new(subject, 7);
        let found = with_bug(bug, || first_finding(&lab, count));
        if found.is_none() {
            missed.push(bug);
        }
    }
    assert_eq!(missed, [], "of {}", Bug::ALL.len());
}

#[test]
fn a_bug_is_there_only_while_it_is_switched_on() {
    let lab = Lab::new(Subject::Snp(Product::Genoa), 7);
    let debugging = named(&lab)
        .into_iter()
        .find(|mutant| mutant.recipe == "debugging")
        .unwrap();
    assert_eq!(debugging.check(None), Ok(()));
    assert!(with_bug(Bug::SnpDebug, || debugging.check(None)).is_err());
    assert_eq!(debugging.check(None), Ok(()));
    assert_eq!(with_bug(Bug::SnpVmpl, || debugging.check(None)), Ok(()), "another bug");
}

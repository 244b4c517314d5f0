//! Real Intel evidence, read from the vectors beside the repository where they are there.

use chrysalis_attest::{
    Collateral, Reason, SimulationOnly, TrustAnchors, Verdict,
    freshness::Expected,
    policy::{AnchorError, AnchorKind, AppraisalRules, INTEL_SGX_ROOT_SHA256},
    sim_pki::SimPki,
    tdx::appraise::{Context, Endorsement, MAX_QUOTE_LEN_BYTES, TcbStatus, appraise, claimed_fmspc},
};
use std::{fs, path::PathBuf};

/// A vector, or none with a line that says so.
fn vector(path: &str) -> Option<Vec<u8>> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/vectors")
        .join(path);
    let bytes = fs::read(&file).ok();
    if bytes.is_none() {
        #[expect(clippy::print_stderr, reason = "a test that skips a part says so")]
        {
            eprintln!("skipped: no vector {path}");
        }
    }
    bytes
}

fn quote_and_collateral(quote: &str, collateral: &str) -> Option<(Vec<u8>, Collateral)> {
    let collateral = Collateral::from_json(&vector(collateral)?);
    #[expect(clippy::unwrap_used, reason = "a vector that cannot be read fails the test")]
    let collateral = collateral.unwrap();
    Some((vector(quote)?, collateral))
}

fn judge(quote: &[u8], collateral: &Collateral, now_unix_s: u64, anchors: &TrustAnchors) -> Result<Verdict, Reason> {
    appraise(
        quote,
        &Context {
            now_unix_s,
            anchors,
            collateral,
            policy: &AppraisalRules::default(),
            event_log: None,
            expected: Expected::default(),
        },
    )
}

const COCOON: (&str, &str) = ("tdx/cocoon_quote.bin", "tdx/collateral_90c06f_2026-03.json");

/// Quotes that Intel calls up to date, with the window of their collateral. It opens with the youngest part, often the
/// revocation list of the platform CA, and closes with the first to expire.
const GENUINE: [(&str, &str, u64, u64); 4] = [
    (COCOON.0, COCOON.1, 1_773_700_445, 1_776_290_769),
    (
        "tdx/go_v5.bin",
        "tdx/collateral_90c06f_2026-03.json",
        1_773_700_445,
        1_776_290_769,
    ),
    (
        "tdx/tdx_quote.bin",
        "tdx/tdx_quote_collateral.json",
        1_750_329_147,
        1_752_919_234,
    ),
    (
        "tdx/tdx_quote_td15ex.bin",
        "tdx/tdx_quote_td15ex_collateral.json",
        1_791_419_306,
        1_794_008_711,
    ),
];

#[test]
fn genuine_quotes_are_accepted_in_the_window_of_their_collateral_and_not_outside() {
    for (quote, collateral, from, until) in GENUINE {
        let Some((bytes, collateral)) = quote_and_collateral(quote, collateral) else {
            continue;
        };
        assert_eq!(
            (collateral.issued_unix_s(), collateral.expires_unix_s()),
            (from, until),
            "{quote}"
        );
        for unix_s in [from, u64::midpoint(from, until), until] {
            let verdict = judge(&bytes, &collateral, unix_s, &TrustAnchors::Vendor).unwrap();
            let Endorsement::Tdx(endorsement) = &verdict.endorsement else {
                panic!("{quote} is not fake")
            };
            assert_eq!(endorsement.anchor, AnchorKind::Vendor);
            assert_eq!(endorsement.tcb_status, TcbStatus::UpToDate, "{quote}");
            assert_eq!(endorsement.platform.fmspc, claimed_fmspc(&bytes).unwrap());
            assert_eq!(
                (verdict.valid_from_unix_s, verdict.expires_unix_s),
                (from, until),
                "{quote}"
            );
        }
        let early = judge(&bytes, &collateral, from - 1, &TrustAnchors::Vendor);
        assert_eq!(early, Err(Reason::NotYetValid { from_unix_s: from }), "{quote}");
        let late = judge(&bytes, &collateral, until + 1, &TrustAnchors::Vendor);
        assert_eq!(late, Err(Reason::Expired { at_unix_s: until }), "{quote}");
    }
}

#[test]
fn genuine_quotes_are_refused_under_a_simulated_root() {
    let simulation = SimPki::new(7, 1_700_000_000).anchors(SimulationOnly::accept_no_security());
    for (quote, collateral, from, _) in GENUINE {
        let Some((bytes, collateral)) = quote_and_collateral(quote, collateral) else {
            continue;
        };
        let refused = judge(&bytes, &collateral, from, &simulation);
        assert_eq!(
            refused,
            Err(Reason::UntrustedRoot {
                trusted: AnchorKind::Simulation
            }),
            "{quote}"
        );
    }
}

#[test]
fn the_root_of_intel_cannot_be_a_simulated_root() {
    let Some(root) = vector("roots/intel_sgx_root_ca.der") else {
        return;
    };
    assert_eq!(
        TrustAnchors::simulation(SimulationOnly::accept_no_security(), &root).unwrap_err(),
        AnchorError::VendorKey
    );
    assert_eq!(
        ring::digest::digest(&ring::digest::SHA256, &root).as_ref(),
        INTEL_SGX_ROOT_SHA256
    );
}

#[test]
fn quotes_without_a_matching_tcb_level_are_refused() {
    for (quote, collateral) in [
        ("tdx/tdx_quote_outdated.bin", "tdx/tdx_quote_outdated_collateral.json"),
        ("tdx/quote-from-tappd.bin", "tdx/tdx_quote_collateral.json"),
        ("tdx/tdx-quote.bin", "tdx/tdx_quote_collateral.json"),
    ] {
        let Some((bytes, collateral)) = quote_and_collateral(quote, collateral) else {
            continue;
        };
        let refused = judge(&bytes, &collateral, collateral.issued_unix_s(), &TrustAnchors::Vendor).unwrap_err();
        assert!(matches!(refused, Reason::TcbUnknown { .. }), "{quote}: {refused:?}");
    }
}

#[test]
fn quotes_of_other_kinds_and_with_collateral_of_other_platforms_are_refused() {
    let Some((cocoon, collateral)) = quote_and_collateral(COCOON.0, COCOON.1) else {
        return;
    };
    let now = collateral.issued_unix_s();
    if let Some(sgx) = vector("tdx/sgx_quote.bin") {
        assert_eq!(
            judge(&sgx, &collateral, now, &TrustAnchors::Vendor),
            Err(Reason::NotTdx)
        );
    }
    if let Some(other) = vector("tdx/tdx_quote.bin") {
        let refused = judge(&other, &collateral, now, &TrustAnchors::Vendor).unwrap_err();
        assert!(
            matches!(refused, Reason::CollateralForOtherFamily { .. }),
            "{refused:?}"
        );
    }
    assert!(judge(&cocoon, &collateral, now, &TrustAnchors::Vendor).is_ok());
}

/// Every bit of the quote of the reference system: zero padding at its end included.
fn no_flip_is_accepted(every: usize) {
    let Some((genuine, collateral)) = quote_and_collateral(COCOON.0, COCOON.1) else {
        return;
    };
    let now = collateral.issued_unix_s();
    let mut quote = genuine.clone();
    for bit in (0..quote.len() * 8).step_by(every) {
        quote[bit / 8] ^= 1 << (bit % 8);
        assert!(
            judge(&quote, &collateral, now, &TrustAnchors::Vendor).is_err(),
            "bit {bit}"
        );
        quote[bit / 8] ^= 1 << (bit % 8);
    }
    assert_eq!(quote, genuine);
    assert!(judge(&quote, &collateral, now, &TrustAnchors::Vendor).is_ok());
}

#[test]
fn no_sampled_bit_of_a_genuine_quote_can_be_flipped() {
    no_flip_is_accepted(37);
}

#[test]
#[ignore = "40,080 appraisals; every 37th is made by default. All: --run-ignored all"]
fn no_bit_of_a_genuine_quote_can_be_flipped() {
    no_flip_is_accepted(1);
}

#[test]
fn padding_is_one_evidence_and_ends_at_the_limit() {
    let Some((genuine, collateral)) = quote_and_collateral(COCOON.0, COCOON.1) else {
        return;
    };
    let now = collateral.issued_unix_s();
    let judge = |quote: &[u8]| judge(quote, &collateral, now, &TrustAnchors::Vendor);
    let id = judge(&genuine).unwrap().evidence_id;
    let mut padded = genuine.clone();
    padded.resize(MAX_QUOTE_LEN_BYTES, 0);
    assert_eq!(judge(&padded).unwrap().evidence_id, id);
    padded.push(0);
    assert_eq!(
        judge(&padded),
        Err(Reason::TooLong {
            len_bytes: MAX_QUOTE_LEN_BYTES + 1
        })
    );
    let unpadded = genuine.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    assert!(judge(&genuine[..unpadded - 1]).is_err());
}

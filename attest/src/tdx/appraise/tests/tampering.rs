//! Evidence that was altered, spliced or made up.

use super::*;
use crate::sim_pki::platform::{QuotingEnclave, SimPlatform};
use p256::elliptic_curve::{PrimeField, scalar::IsHigh};
use proptest::prelude::*;
use std::sync::LazyLock;

const SIGNED: usize = 48 + 584;
const QUOTE_SIGNATURE: usize = SIGNED + 4;
const ATTESTATION_KEY: usize = QUOTE_SIGNATURE + 64;
const OUTER_TYPE: usize = ATTESTATION_KEY + 64;
const QE_REPORT: usize = OUTER_TYPE + 6;
const QE_SIGNATURE: usize = QE_REPORT + 384;
const QE_AUTHENTICATION: usize = QE_SIGNATURE + 64;
const PEM: usize = QE_AUTHENTICATION + 2 + 32 + 6;

fn no_flip_is_accepted(every: usize) {
    let world = World::new(7);
    let genuine = world.quote();
    let mut quote = genuine.clone();
    for bit in (0..quote.len() * 8).step_by(every) {
        quote[bit / 8] ^= 1 << (bit % 8);
        assert!(world.judge(&quote).is_err(), "bit {bit}");
        quote[bit / 8] ^= 1 << (bit % 8);
    }
    assert!(quote == genuine && world.judge(&quote).is_ok());
}

#[test]
fn no_sampled_bit_can_be_flipped() {
    no_flip_is_accepted(17);
}

#[test]
#[ignore = "some 35,000 appraisals; every 17th is made by default. All: --run-ignored all"]
fn no_bit_can_be_flipped() {
    no_flip_is_accepted(1);
}

#[test]
fn no_truncation_is_accepted() {
    let world = World::new(7);
    let quote = world.quote();
    for len in (0..quote.len()).step_by(7).chain([quote.len() - 1]) {
        assert!(world.judge(&quote[..len]).is_err(), "{len} bytes");
    }
}

#[test]
fn altered_parts_are_refused_for_the_right_reason() {
    let world = World::new(7);
    let genuine = world.quote();
    let altered = |at: usize| {
        let mut quote = genuine.clone();
        quote[at] ^= 1;
        world.judge(&quote).unwrap_err()
    };
    assert_eq!(altered(48 + 136), Reason::QuoteSignature, "MRTD");
    assert_eq!(altered(SIGNED - 1), Reason::QuoteSignature, "report data");
    assert_eq!(altered(QUOTE_SIGNATURE + 40), Reason::QuoteSignature);
    assert!(matches!(altered(ATTESTATION_KEY + 1), Reason::QuotingEnclave { .. }));
    assert_eq!(
        altered(OUTER_TYPE),
        Reason::NotCanonical {
            what: "outer certification data type"
        }
    );
    assert!(matches!(altered(QE_REPORT + 70), Reason::QuotingEnclave { .. }));
    assert!(matches!(altered(QE_SIGNATURE + 9), Reason::QuotingEnclave { .. }));
    assert!(matches!(altered(QE_AUTHENTICATION + 3), Reason::QuotingEnclave { .. }));
    assert_eq!(&genuine[PEM..PEM + 5], b"-----", "the offsets are those of the format");
}

#[test]
fn another_encoding_of_the_same_content_is_refused() {
    let world = World::new(7);
    let genuine = world.quote();
    let not_canonical = |what| Err(Reason::NotCanonical { what });

    let mut trailing = genuine.clone();
    trailing.push(1);
    assert_eq!(world.judge(&trailing), not_canonical("bytes after the structure"));

    // Each of these changes text that nobody signs; three lengths around it are kept right.
    let with_pem = |pem: &str| {
        let tail_from = QUOTE_SIGNATURE;
        let mut quote = genuine[..PEM - 4].to_vec();
        quote.extend_from_slice(&(pem.len() as u32).to_le_bytes());
        quote.extend_from_slice(pem.as_bytes());
        let (all, outer) = (quote.len() - tail_from, quote.len() - QE_REPORT);
        quote[SIGNED..tail_from].copy_from_slice(&(all as u32).to_le_bytes());
        quote[OUTER_TYPE + 2..QE_REPORT].copy_from_slice(&(outer as u32).to_le_bytes());
        world.judge(&quote)
    };
    let pem = std::str::from_utf8(&genuine[PEM..]).unwrap();
    assert!(with_pem(pem).is_ok(), "the splicing itself is right");
    assert!(
        with_pem(&format!("{pem}\0")).is_ok(),
        "genuine quotes have one NUL there"
    );
    let wrong = not_canonical("PEM of the certificate chain");
    assert_eq!(with_pem(&format!("{pem}\0\0")), wrong);
    assert_eq!(with_pem(&format!("{pem}\n")), wrong);
    assert_eq!(with_pem(&format!("comment\n{pem}")), wrong);
    assert_eq!(with_pem(&pem.replace('\n', "\r\n")), wrong);
    let (root, _) = pem.split_at(pem.find("-----END").unwrap() + 26);
    assert_eq!(
        with_pem(&format!("{pem}{root}")),
        Err(Reason::ChainShape),
        "a surplus certificate"
    );
    assert_eq!(with_pem(root), Err(Reason::ChainShape));
}

#[test]
fn padding_and_twin_signatures_are_the_same_evidence() {
    let world = World::new(7);
    let genuine = world.quote();
    let verdict = world.judge(&genuine).unwrap();

    let mut padded = genuine.clone();
    padded.resize(MAX_QUOTE_LEN_BYTES, 0);
    assert_eq!(world.judge(&padded), Ok(verdict.clone()));
    padded.push(0);
    assert_eq!(
        world.judge(&padded),
        Err(Reason::TooLong {
            len_bytes: MAX_QUOTE_LEN_BYTES + 1
        })
    );

    for at in [QUOTE_SIGNATURE, QE_SIGNATURE] {
        let mut twin = genuine.clone();
        negate_s(&mut twin[at + 32..at + 64]);
        assert_ne!(twin, genuine);
        assert_eq!(world.judge(&twin), Ok(verdict.clone()));
    }
}

/// Replaces `s` of an ECDSA signature by `n - s`, which verifies as well.
fn negate_s(s: &mut [u8]) {
    let bytes: [u8; 32] = (&*s).try_into().unwrap();
    let scalar = p256::Scalar::from_repr(bytes.into()).unwrap();
    let twin = -scalar;
    assert_ne!(bool::from(scalar.is_high()), bool::from(twin.is_high()));
    s.copy_from_slice(&twin.to_repr());
}

#[test]
fn parts_of_two_machines_do_not_make_a_third() {
    let world = World::new(7);
    let a = world.quote();
    // Certificates differ in length by a few bytes; one of the same length is soon found.
    let b = (2..)
        .map(|n| world.quote_on(world.pki.platform(n), &world.td))
        .find(|b| b.len() == a.len())
        .unwrap();
    assert!(world.judge(&a).is_ok() && world.judge(&b).is_ok());
    let spliced = |range: std::ops::Range<usize>| {
        let mut quote = a.clone();
        quote[range.clone()].copy_from_slice(&b[range]);
        world.judge(&quote).unwrap_err()
    };
    assert_eq!(spliced(QUOTE_SIGNATURE..ATTESTATION_KEY), Reason::QuoteSignature);
    assert!(
        matches!(spliced(QUOTE_SIGNATURE..OUTER_TYPE), Reason::QuotingEnclave { .. }),
        "attestation key of another"
    );
    assert!(matches!(
        spliced(QE_REPORT..QE_SIGNATURE),
        Reason::QuotingEnclave { .. }
    ));
    assert!(
        matches!(spliced(PEM..a.len()), Reason::QuotingEnclave { .. }),
        "certificates of another"
    );
}

#[test]
fn another_quoting_enclave_is_refused_although_certified() {
    let world = World::new(7);
    let with = |change: fn(&mut QuotingEnclave)| {
        let mut enclave = QuotingEnclave::default();
        change(&mut enclave);
        let platform = SimPlatform::new(&world.pki, 1, PlatformTcb::default(), &enclave);
        world.judge(&world.quote_on(platform, &world.td))
    };
    assert!(with(|_| {}).is_ok());
    for refused in [
        with(|enclave| enclave.signer[0] ^= 1),
        with(|enclave| enclave.product_id += 1),
        with(|enclave| enclave.security_version -= 1),
        with(|enclave| enclave.attributes[0] |= 0x02),
        with(|enclave| enclave.attributes[8] ^= 0x01),
    ] {
        assert!(matches!(refused, Err(Reason::QuotingEnclave { .. })), "{refused:?}");
    }
    assert!(with(|enclave| enclave.security_version += 1).is_ok());
}

#[test]
fn collateral_that_was_altered_is_refused() {
    let world = World::new(7);
    let quote = world.quote();
    type Alter = fn(&mut dcap_qvl::QuoteCollateralV3);
    let altered = |alter: Alter| {
        let mut world = World::new(7);
        let mut parts = world.collateral.parts().clone();
        alter(&mut parts);
        world.collateral = Collateral::from_parts(parts).unwrap();
        world.judge(&quote)
    };
    assert!(altered(|_| {}).is_ok());
    let alterations: [Alter; 6] = [
        |parts| parts.tcb_info = parts.tcb_info.replace("\"isvsvn\":7", "\"isvsvn\":6"),
        |parts| parts.tcb_info_signature[0] ^= 1,
        |parts| parts.qe_identity = parts.qe_identity.replace("\"isvsvn\":4", "\"isvsvn\":3"),
        |parts| parts.qe_identity_signature[63] ^= 1,
        |parts| *parts.root_ca_crl.last_mut().unwrap() ^= 1,
        |parts| *parts.pck_crl.last_mut().unwrap() ^= 1,
    ];
    for (at, alter) in alterations.into_iter().enumerate() {
        let refused = altered(alter);
        assert!(
            matches!(refused, Err(Reason::CollateralSignature { .. })),
            "{at}: {refused:?}"
        );
    }
    // A chain inside the collateral would replace the one in the quote: it is dropped.
    assert!(altered(|parts| parts.pck_certificate_chain = Some(String::new())).is_ok());
}

/// Made once: a world costs several signatures.
static WORLD: LazyLock<(World, Vec<u8>)> = LazyLock::new(|| {
    let world = World::new(7);
    let quote = world.quote();
    (world, quote)
});

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        prop_assert!(WORLD.0.judge(&bytes).is_err());
    }

    #[test]
    fn arbitrary_bytes_after_a_genuine_beginning_are_refused(
        keep in 0usize..SIGNED + 600,
        bytes in proptest::collection::vec(any::<u8>(), 0..6_000),
    ) {
        let (world, genuine) = &*WORLD;
        let mut quote = genuine.clone();
        quote.truncate(keep);
        quote.extend(bytes);
        prop_assert!(world.judge(&quote).is_err());
    }

    #[test]
    fn mutated_quotes_are_refused_or_the_same_evidence(
        edits in proptest::collection::vec((0usize..5_000, any::<u8>(), 0u8..4), 1..6),
    ) {
        let (world, genuine) = &*WORLD;
        let mut quote = genuine.clone();
        for (at, byte, edit) in edits {
            let at = at.min(quote.len() - 1);
            match edit {
                0 => quote[at] = byte,
                1 => quote.insert(at, byte),
                2 => { quote.remove(at); }
                _ => quote[at] = if byte & 1 == 0 { 0 } else { 0xff },
            }
        }
        let unpadded = quote.len() - quote.iter().rev().take_while(|byte| **byte == 0).count();
        let expected = *genuine == quote[..unpadded];
        prop_assert_eq!(world.judge(&quote).is_ok(), expected);
    }

    #[test]
    fn mutated_collateral_never_panics(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let (world, quote) = &*WORLD;
        let mut json = world.collateral.to_json().unwrap();
        for (at, byte) in edits {
            let at = at.index(json.len());
            json[at] = byte;
        }
        if let Ok(collateral) = Collateral::from_json(&json) {
            let context = Context { now_unix_s: NOW, anchors: &world.anchors, collateral: &collateral, policy: &world.rules, event_log: None, expected: Expected::default() };
            // Text of issuer chains is unsigned; whatever is accepted in it says the same.
            if let Ok(verdict) = appraise(quote, &context) {
                prop_assert_eq!(verdict, world.judge(quote).unwrap());
            }
        }
    }
}

//! The form of spec §3.4, and every departure from it.

use super::{identity::Form, *};
use crate::der::{bits, boolean, element, extension, integer, named_bits, octets, oid, sequence};
use proptest::prelude::*;
use x509_cert::{
    Certificate,
    der::{Decode, Encode},
};

const NOW: u64 = 1_790_000_000;
const SERIAL: [u8; 16] = [0x8f; 16];

fn key() -> IdentityKey {
    IdentityKey::from_seed([0x42; 32])
}

fn evidence() -> Vec<u8> {
    vec![0x5a; 600]
}

#[test]
fn keys_and_report_data_are_those_of_the_vector() {
    let key = key();
    assert_eq!(
        hex::encode(key.public_key()),
        "2152f8d19b791d24453242e15f2eab6cb7cffa7b6a5ed30097960e069881db12"
    );
    assert_eq!(
        hex::encode(report_data_for(key.public_key())),
        "afc32339a2c6d5314f1e76a1ffa520cc19d67d1ed06d5846229b49731c21201a\
         c2a4aa3df49bdc9f533911e999cf8871abf85aef5c22f64bc70efe3d88687336"
    );
}

#[test]
fn the_form_is_that_of_the_reference() {
    let identity = Identity::with_evidence(key(), &evidence(), NOW, SERIAL).unwrap();
    let certificate = Certificate::from_der(identity.certificate_der()).unwrap();
    let body = certificate.tbs_certificate;
    assert_eq!(body.serial_number.as_bytes(), [&[0][..], &SERIAL].concat());
    assert_eq!(
        body.subject.to_string(),
        "CN=localhost,OU=Security,O=TDLib Development,ST=DUBAI,C=AE"
    );
    assert_eq!(body.issuer, body.subject);
    assert_eq!(body.validity.not_before.to_unix_duration().as_secs(), NOW);
    assert_eq!(body.validity.not_after.to_unix_duration().as_secs(), NOW + 86_400);

    let found: Vec<_> = body
        .extensions
        .iter()
        .flatten()
        .map(|extension| {
            (
                extension.extn_id.to_string(),
                extension.critical,
                hex::encode(extension.extn_value.as_bytes()),
            )
        })
        .collect();
    let public_key = hex::encode(identity.public_key());
    let expected = [
        ("1.3.6.1.4.1.12345.1", true, hex::encode(evidence())),
        ("1.3.6.1.4.1.12345.2", true, public_key),
        ("2.5.29.19", true, "3000".into()),
        ("2.5.29.15", true, "03020780".into()),
        ("2.5.29.37", true, "301406082b0601050507030106082b06010505070302".into()),
        // SHA-1 of the vector's key, calculated apart.
        (
            "2.5.29.14",
            false,
            "04149f80be4f7f2a4fe7c1d0b9aad24309d7444dcfec".into(),
        ),
        // localhost, 127.0.0.1 (as a DNS name), ::1.
        (
            "2.5.29.17",
            false,
            format!(
                "302882096c6f63616c686f73748209{}871000000000000000000000000000000001",
                hex::encode("127.0.0.1")
            ),
        ),
    ];
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(id, critical, value)| (id.to_owned(), critical, value))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn without_evidence_the_two_custom_extensions_are_absent() {
    let identity = Identity::plain(key(), NOW, SERIAL);
    let certificate = Certificate::from_der(identity.certificate_der()).unwrap();
    let ids: Vec<_> = certificate
        .tbs_certificate
        .extensions
        .iter()
        .flatten()
        .map(|e| e.extn_id.to_string())
        .collect();
    assert_eq!(ids, ["2.5.29.19", "2.5.29.15", "2.5.29.37", "2.5.29.14", "2.5.29.17"]);
    assert_eq!(check(identity.certificate_der(), NOW).unwrap().evidence, None);
}

#[test]
fn issuing_is_a_pure_function() {
    let issue = |serial| {
        Identity::with_evidence(key(), &evidence(), NOW, serial)
            .unwrap()
            .certificate_der()
            .clone()
    };
    assert_eq!(issue(SERIAL), issue(SERIAL));
    assert_ne!(issue(SERIAL), issue([1; 16]));
}

#[test]
fn checking_returns_what_was_issued_for_the_time_that_it_was_issued_for() {
    for serial in [[0; 16], [1; 16], [0xff; 16]] {
        let identity = Identity::with_evidence(key(), &evidence(), NOW, serial).unwrap();
        let expected = CheckedCertificate {
            public_key: *identity.public_key(),
            evidence: Some(CertifiedEvidence {
                form: CertificateForm::Reference,
                quote: evidence(),
                report_data: report_data_for(identity.public_key()),
                nonce: None,
            }),
            not_before_unix_s: NOW,
            not_after_unix_s: NOW + VALIDITY_S,
        };
        for unix_s in [NOW, NOW + VALIDITY_S] {
            assert_eq!(check(identity.certificate_der(), unix_s), Ok(expected.clone()));
        }
        assert_eq!(
            check(identity.certificate_der(), NOW - 1),
            Err(CertificateReason::NotYetValid { from_unix_s: NOW })
        );
        assert_eq!(
            check(identity.certificate_der(), NOW + VALIDITY_S + 1),
            Err(CertificateReason::Expired {
                at_unix_s: NOW + VALIDITY_S
            })
        );
    }
}

#[test]
fn a_renewed_certificate_has_the_key_and_evidence_and_another_time() {
    let attester = crate::tdx::FakeTdxAttester::new(crate::policy::SimulationOnly::accept_no_security());
    let later = NOW + VALIDITY_S / 2;
    let quote = report_data_for(key().public_key()).to_vec();
    for (identity, attester, expected) in [
        (Identity::plain(key(), NOW, SERIAL), None, None),
        (
            Identity::with_evidence(key(), &evidence(), NOW, SERIAL).unwrap(),
            None,
            Some(evidence()),
        ),
        (
            Identity::with_evidence(key(), &evidence(), NOW, SERIAL).unwrap(),
            Some(&attester as &dyn crate::tdx::Attester),
            Some(quote),
        ),
    ] {
        let renewed = identity.renewed(attester, later, [7; 16]).unwrap();
        assert_eq!(renewed.not_before_unix_s(), later);
        let checked = check(renewed.certificate_der(), NOW + VALIDITY_S + 1).unwrap();
        assert_eq!(checked.public_key, *identity.public_key());
        assert_eq!(checked.evidence.map(|evidence| evidence.quote), expected);
    }
}

#[test]
fn pem_files_contain_the_same() {
    let identity = Identity::plain(key(), NOW, SERIAL);
    let certificate = pem::parse(identity.certificate_pem()).unwrap();
    assert_eq!(
        (certificate.tag(), certificate.contents()),
        ("CERTIFICATE", &identity.certificate_der()[..])
    );
    let private = pem::parse(identity.key_pem()).unwrap();
    assert_eq!(private.tag(), "PRIVATE KEY");
    let pair = ring::signature::Ed25519KeyPair::from_pkcs8_maybe_unchecked(private.contents()).unwrap();
    assert_eq!(
        ring::signature::KeyPair::public_key(&pair).as_ref(),
        identity.public_key()
    );
    assert!(
        !format!("{identity:?}").contains(&hex::encode([0x42; 8])),
        "no private key in logs"
    );
}

#[test]
fn evidence_has_a_longest_length() {
    let with = |len| Identity::with_evidence(key(), &vec![0; len], NOW, SERIAL);
    let longest = with(MAX_EVIDENCE_LEN_BYTES).unwrap();
    assert!(check(longest.certificate_der(), NOW).is_ok());
    let len_bytes = MAX_EVIDENCE_LEN_BYTES + 1;
    assert_eq!(with(len_bytes).unwrap_err(), IssueError::EvidenceTooLong { len_bytes });
    let refused = check(&signed(&Form::new(&key(), NOW, SERIAL, Some(&vec![0; len_bytes]))), NOW);
    assert_eq!(refused, Err(CertificateReason::EvidenceTooLong { len_bytes }));
    let len_bytes = MAX_CERTIFICATE_LEN_BYTES + 1;
    assert_eq!(
        check(&vec![0x30; len_bytes], NOW),
        Err(CertificateReason::TooLong { len_bytes })
    );
}

fn signed(form: &Form) -> Vec<u8> {
    form.sign(&key()).to_vec()
}

/// Checks a certificate whose form was changed before it was signed.
fn changed(change: impl FnOnce(&mut Form)) -> Result<CheckedCertificate, CertificateReason> {
    let mut form = Form::new(&key(), NOW, SERIAL, Some(&evidence()));
    change(&mut form);
    check(&signed(&form), NOW)
}

#[test]
fn departures_from_the_form_are_refused_although_signed() {
    use CertificateReason as R;
    assert!(changed(|_| {}).is_ok());
    assert_eq!(
        changed(|form| form.version = 0),
        Err(R::NotDer),
        "the default must be left out"
    );
    assert_eq!(changed(|form| form.version = 1), Err(R::Version));
    assert_eq!(
        changed(|form| form.subject = sequence::<Vec<u8>>(&[])),
        Err(R::NotSelfIssued)
    );
    assert_eq!(
        changed(|form| form.issuer = sequence::<Vec<u8>>(&[])),
        Err(R::NotSelfIssued)
    );
    assert_eq!(
        changed(|form| form.not_after_unix_s += 1),
        Err(R::TooLongValid {
            validity_s: VALIDITY_S + 1
        })
    );
    assert!(
        changed(|form| form.not_after_unix_s = NOW).is_ok(),
        "shorter is allowed"
    );
    assert_eq!(
        changed(|form| form.not_before_unix_s = NOW + 1),
        Err(R::NotYetValid { from_unix_s: NOW + 1 })
    );
    assert_eq!(
        changed(|form| (form.not_before_unix_s, form.not_after_unix_s) = (NOW - 10, NOW - 1)),
        Err(R::Expired { at_unix_s: NOW - 1 })
    );
    assert!(
        changed(|form| form.not_after_unix_s = NOW - 1).is_err(),
        "ends before it begins"
    );
}

#[test]
fn only_ed25519_with_the_certified_key_is_accepted() {
    use CertificateReason as R;
    // X25519 is one arc away, and parameters must be absent.
    let x25519 = sequence(&[oid(&[1, 3, 101, 110])]);
    let with_null = sequence(&[oid(ED25519), element(5, &[])]);
    for algorithm in [x25519, with_null] {
        assert_eq!(changed(|form| form.algorithm = algorithm.clone()), Err(R::NotEd25519));
        let info = sequence(&[algorithm, bits(key().public_key())]);
        assert_eq!(changed(|form| form.public_key_info = info), Err(R::NotEd25519));
    }
    let short = sequence(&[sequence(&[oid(ED25519)]), bits(&[1; 31])]);
    assert_eq!(changed(|form| form.public_key_info = short), Err(R::NotEd25519));
    let other = IdentityKey::from_seed([1; 32]);
    let of_other = sequence(&[sequence(&[oid(ED25519)]), bits(other.public_key())]);
    assert_eq!(
        changed(|form| form.public_key_info = of_other),
        Err(R::SelfSignature),
        "signed by another key"
    );
}

#[test]
fn extensions_are_exactly_those() {
    use CertificateReason as R;
    let replaced = |at: usize, with: Vec<u8>| changed(|form| form.extensions[at] = with);
    let missing = |name| Err(R::Extension { name });
    let order = [
        EVIDENCE,
        CLAIMS,
        BASIC_CONSTRAINTS,
        KEY_USAGE,
        EXTENDED_KEY_USAGE,
        SUBJECT_KEY_ID,
        SUBJECT_ALT_NAME,
    ];
    let at = |id: &Oid| order.iter().position(|known| *known == id).unwrap();

    for (id, name) in [
        (EVIDENCE, "evidence"),
        (CLAIMS, "claims"),
        (BASIC_CONSTRAINTS, "basicConstraints"),
        (KEY_USAGE, "keyUsage"),
        (EXTENDED_KEY_USAGE, "extKeyUsage"),
        (SUBJECT_ALT_NAME, "subjectAltName"),
    ] {
        let removed = changed(|form| drop(form.extensions.remove(at(id))));
        assert_eq!(removed, missing(name), "{name}");
        let twice = changed(|form| form.extensions.push(form.extensions[at(id)].clone()));
        assert!(matches!(twice, Err(R::DuplicateExtension { .. })), "{name}: {twice:?}");
    }
    for (id, name, contents) in [
        (EVIDENCE, "evidence", evidence()),
        (CLAIMS, "claims", key().public_key().to_vec()),
        (BASIC_CONSTRAINTS, "basicConstraints", contents::not_a_ca()),
        (KEY_USAGE, "keyUsage", contents::digital_signature()),
        (EXTENDED_KEY_USAGE, "extKeyUsage", contents::both_ends_of_tls()),
    ] {
        assert_eq!(
            replaced(at(id), extension(id, false, &contents)),
            missing(name),
            "{name} not critical"
        );
        assert!(replaced(at(id), extension(id, true, &contents)).is_ok(), "{name}");
    }
    for (id, name, contents) in [
        (BASIC_CONSTRAINTS, "basicConstraints", sequence(&[boolean(true)])),
        (KEY_USAGE, "keyUsage", named_bits(0x84)),
        (KEY_USAGE, "keyUsage", named_bits(0x20)),
        (EXTENDED_KEY_USAGE, "extKeyUsage", sequence(&[oid(SERVER_AUTH)])),
        (EXTENDED_KEY_USAGE, "extKeyUsage", sequence(&[oid(CLIENT_AUTH)])),
        (
            SUBJECT_ALT_NAME,
            "subjectAltName",
            sequence(&[crate::der::implicit(2, b"localhost")]),
        ),
        (
            SUBJECT_ALT_NAME,
            "subjectAltName",
            sequence(&[crate::der::implicit(7, &[127, 0, 0, 1])]),
        ),
        (SUBJECT_ALT_NAME, "subjectAltName", vec![1, 2, 3]),
    ] {
        assert_eq!(
            replaced(at(id), extension(id, true, &contents)),
            missing(name),
            "{name} {contents:02x?}"
        );
    }
    assert!(
        changed(|form| drop(form.extensions.remove(at(SUBJECT_KEY_ID)))).is_ok(),
        "nobody relies on it"
    );

    let unknown = |critical| changed(|form| form.extensions.push(extension(&[1, 2, 3, 4], critical, &octets(&[]))));
    assert!(unknown(false).is_ok());
    let with_count = |count: usize| {
        changed(|form| {
            let more = (count - form.extensions.len()) as u64;
            form.extensions
                .extend((0..more).map(|n| extension(&[1, 2, 3, n], false, &[])));
        })
    };
    assert!(with_count(check::MAX_EXTENSIONS).is_ok());
    assert_eq!(with_count(33), Err(R::TooManyExtensions { count: 33 }));
    assert_eq!(unknown(true), Err(R::UnknownCritical { oid: "1.2.3.4".into() }));
}

#[test]
fn claims_are_the_key() {
    let other = IdentityKey::from_seed([1; 32]);
    for claims in [&other.public_key()[..], &[], &key().public_key()[..31]] {
        let refused = changed(|form| form.extensions[1] = extension(CLAIMS, true, claims));
        assert_eq!(refused, Err(CertificateReason::Claims));
    }
}

#[test]
fn no_bit_of_a_certificate_can_be_flipped() {
    let identity = Identity::with_evidence(key(), &evidence()[..100], NOW, SERIAL).unwrap();
    let mut der = identity.certificate_der().to_vec();
    for bit in 0..der.len() * 8 {
        der[bit / 8] ^= 1 << (bit % 8);
        assert!(check(&der, NOW).is_err(), "bit {bit}");
        der[bit / 8] ^= 1 << (bit % 8);
    }
    assert!(check(&der, NOW).is_ok());
}

#[test]
fn other_lengths_and_other_encodings_are_not_der() {
    let der = Identity::plain(key(), NOW, SERIAL).certificate_der().to_vec();
    for len in 0..der.len() {
        assert_eq!(check(&der[..len], NOW), Err(CertificateReason::NotDer));
    }
    assert_eq!(check(&[&der[..], &[0]].concat(), NOW), Err(CertificateReason::NotDer));
    // The outermost length with a superfluous zero, as BER allows it.
    assert_eq!(der[..2], [0x30, 0x82]);
    let long = [&[0x30, 0x83, 0][..], &der[2..]].concat();
    assert_eq!(check(&long, NOW), Err(CertificateReason::NotDer));
    let version = explicit_version_with_superfluous_zero();
    assert_eq!(check(&version, NOW), Err(CertificateReason::NotDer));
}

fn explicit_version_with_superfluous_zero() -> Vec<u8> {
    let form = Form::new(&key(), NOW, SERIAL, None);
    let good = signed(&form);
    let certificate = Certificate::from_der(&good).unwrap();
    let body = certificate.tbs_certificate.to_der().unwrap();
    // [0] { INTEGER 2 } is the first member; write the number in two bytes and sign again.
    let header = if body[1] == 0x82 { 4 } else { 3 };
    assert_eq!(body[header..header + 5], [0xa0, 3, 2, 1, 2]);
    let body = element(0x30, &[&[0xa0, 4, 2, 2, 0, 2][..], &body[header + 5..]].concat());
    let signature = bits(&key().sign(&body));
    sequence(&[body, sequence(&[oid(ED25519)]), signature])
}

#[test]
fn a_zero_serial_is_one_byte() {
    assert_eq!(integer(0), [2, 1, 0]);
    assert!(check(Identity::plain(key(), NOW, [0; 16]).certificate_der(), NOW).is_ok());
}

// ---- interoperable RA-TLS ----

/// Checks a certificate with these contents of the extension.
fn with_wrapper(wrapper: &[u8]) -> Result<CheckedCertificate, CertificateReason> {
    changed_plain(|form| form.extensions.insert(0, extension(CCC_EVIDENCE, false, wrapper)))
}

fn changed_plain(change: impl FnOnce(&mut Form)) -> Result<CheckedCertificate, CertificateReason> {
    let mut form = Form::new(&key(), NOW, SERIAL, None);
    change(&mut form);
    check(&signed(&form), NOW)
}

fn ccc_wrapper(nonce: Option<&[u8]>) -> Vec<u8> {
    ccc::wrap(&evidence(), key().public_key(), nonce)
}

#[test]
fn the_interoperable_form_is_read_with_and_without_a_nonce() {
    let longest = [9; ccc::MAX_NONCE_LEN_BYTES];
    for nonce in [None, Some(&[][..]), Some(&longest[..])] {
        let checked = with_wrapper(&ccc_wrapper(nonce)).unwrap().evidence.unwrap();
        assert_eq!((checked.form, checked.quote), (CertificateForm::Ccc, evidence()));
        assert_eq!(checked.nonce.as_deref(), nonce);
        assert_eq!(checked.report_data, ccc::report_data_for(key().public_key(), nonce));
        assert_eq!(checked.report_data[32..], [0; 32]);
    }
    let too_long = [9; ccc::MAX_NONCE_LEN_BYTES + 1];
    assert_eq!(
        with_wrapper(&ccc_wrapper(Some(&too_long))),
        Err(CertificateReason::Claims)
    );
    assert_ne!(
        ccc::report_data_for(key().public_key(), None),
        ccc::report_data_for(key().public_key(), Some(&[]))
    );
}

/// Bytes as another implementation writes them, put together by hand.
#[test]
fn the_interoperable_form_has_these_bytes() {
    let key_hash = crate::hash::sha256(&[&check::public_key_info(key().public_key())]);
    let claims = [&[0xa1, 0x6b][..], b"pubkey-hash", &[0x82, 0x01, 0x58, 0x20], &key_hash].concat();
    let quote = [7; 3];
    let expected = [
        &[0xd9, 0xea, 0x60, 0x82, 0x43][..],
        &quote,
        &[0x58, claims.len() as u8],
        &claims,
    ]
    .concat();
    assert_eq!(ccc::wrap(&quote, key().public_key(), None), expected);
    assert_eq!(
        ccc::report_data_for(key().public_key(), None)[..32],
        crate::hash::sha256(&[&claims])
    );
    // A hash of another length and algorithm is as good, a wrong one and an unknown one are not.
    let info = check::public_key_info(key().public_key());
    let (sha384, sha512) = (crate::hash::sha384(&[&info]), crate::hash::sha512(&[&info]));
    let with_hash = |algorithm: u8, hash: &[u8]| {
        let claims = [
            &[0xa1, 0x6b][..],
            b"pubkey-hash",
            &[0x82, algorithm, 0x58, hash.len() as u8],
            hash,
        ]
        .concat();
        let wrapper = [
            &[0xd9, 0xea, 0x60, 0x82, 0x43][..],
            &quote,
            &[0x58, claims.len() as u8],
            &claims,
        ]
        .concat();
        with_wrapper(&wrapper).map(|checked| checked.evidence.unwrap().quote)
    };
    assert_eq!(with_hash(1, &key_hash), Ok(quote.to_vec()));
    assert_eq!(with_hash(7, &sha384), Ok(quote.to_vec()));
    assert_eq!(with_hash(8, &sha512), Ok(quote.to_vec()));
    for (algorithm, hash) in [(1, &sha384[..]), (7, &key_hash), (2, &key_hash), (1, &[0; 32])] {
        assert_eq!(with_hash(algorithm, hash), Err(CertificateReason::Claims));
    }
}

#[test]
fn two_forms_in_one_certificate_are_refused() {
    let both = changed(|form| form.extensions.push(extension(CCC_EVIDENCE, true, &ccc_wrapper(None))));
    assert_eq!(both, Err(CertificateReason::TwoForms));
    let critical = changed_plain(|form| form.extensions.push(extension(CCC_EVIDENCE, true, &ccc_wrapper(None))));
    assert!(critical.is_ok(), "marked either way");
    let of_another_key = ccc::wrap(&evidence(), IdentityKey::from_seed([1; 32]).public_key(), None);
    assert_eq!(with_wrapper(&of_another_key), Err(CertificateReason::Claims));
    let len_bytes = MAX_EVIDENCE_LEN_BYTES + 1;
    let too_long = ccc::wrap(&vec![0; len_bytes], key().public_key(), None);
    assert_eq!(
        with_wrapper(&too_long),
        Err(CertificateReason::EvidenceTooLong { len_bytes })
    );
}

#[test]
fn other_wrappers_are_refused() {
    let genuine = ccc_wrapper(Some(&[3; 16]));
    assert!(with_wrapper(&genuine).is_ok());
    for len in 0..genuine.len() {
        assert!(
            matches!(
                with_wrapper(&genuine[..len]),
                Err(CertificateReason::Wrapper(CborReason::Short { .. }))
            ),
            "{len}"
        );
    }
    let longer = [&genuine[..], &[0]].concat();
    assert!(matches!(
        with_wrapper(&longer),
        Err(CertificateReason::Wrapper(CborReason::Trailing { .. }))
    ));
    // Claims in the other order say the same, and are another encoding.
    let hash = crate::hash::sha256(&[&check::public_key_info(key().public_key())]);
    let claims = [
        &[0xa2, 0x6b][..],
        b"pubkey-hash",
        &[0x82, 0x01, 0x58, 0x20],
        &hash,
        &[0x65],
        b"nonce",
        &[0x41, 1],
    ]
    .concat();
    let wrapper = [
        &[0xd9, 0xea, 0x60, 0x82, 0x41, 7, 0x58, claims.len() as u8][..],
        &claims,
    ]
    .concat();
    assert_eq!(with_wrapper(&wrapper), Err(CertificateReason::Claims));
    // Indefinite lengths.
    assert!(matches!(
        with_wrapper(&[0xd9, 0xea, 0x60, 0x9f, 0x41, 7, 0x41, 7, 0xff]),
        Err(CertificateReason::Wrapper(CborReason::NotShortest { at: 3 }))
    ));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn wrappers_have_one_encoding(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..3), 1..4),
        nonce in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20)),
        quote in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let genuine = ccc::wrap(&quote, key().public_key(), nonce.as_deref());
        let mut bytes = genuine.clone();
        for (at, byte, edit) in edits {
            let at = at.index(bytes.len());
            match edit {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
        }
        if let Ok(checked) = with_wrapper(&bytes) {
            // What is still read is another quote or nonce, and in its one encoding.
            let evidence = checked.evidence.unwrap();
            prop_assert_eq!(ccc::wrap(&evidence.quote, key().public_key(), evidence.nonce.as_deref()), bytes);
        }
        prop_assert!(with_wrapper(&genuine).is_ok());
    }

    #[test]
    fn arbitrary_wrappers_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(with_wrapper(&bytes).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..1_000)) {
        prop_assert!(check(&bytes, NOW).is_err());
    }

    #[test]
    fn mutated_certificates_are_refused(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..3), 1..5),
    ) {
        let genuine = Identity::with_evidence(key(), &evidence(), NOW, SERIAL).unwrap().certificate_der().to_vec();
        let mut der = genuine.clone();
        for (at, byte, edit) in edits {
            let at = at.index(der.len());
            match edit {
                0 => der[at] = byte,
                1 => der.insert(at, byte),
                _ => { der.remove(at); }
            }
        }
        prop_assert_eq!(check(&der, NOW).is_ok(), der == genuine);
    }

    #[test]
    fn every_time_that_certificates_can_express_is_read_back(now in 0u64..253_402_300_799 - 86_400) {
        let identity = Identity::plain(key(), now, SERIAL);
        let checked = check(identity.certificate_der(), now).unwrap();
        prop_assert_eq!((checked.not_before_unix_s, checked.not_after_unix_s), (now, now + VALIDITY_S));
    }
}

//! P-256 certificates and revocation lists of the simulated vendor (RFC 5280).

use crate::{
    der::{
        Oid, bits, boolean, element, explicit, extension, implicit, integer, named_bits, octets, oid, sequence, set,
        time, unsigned, utf8,
    },
    hash::sha256,
};
use p256::ecdsa::{Signature, SigningKey, signature::Signer};

const ECDSA_WITH_SHA256: &Oid = &[1, 2, 840, 10_045, 4, 3, 2];
const EC_PUBLIC_KEY: &Oid = &[1, 2, 840, 10_045, 2, 1];
const P256: &Oid = &[1, 2, 840, 10_045, 3, 1, 7];
const COMMON_NAME: &Oid = &[2, 5, 4, 3];
const ORGANIZATION: &Oid = &[2, 5, 4, 10];
const SUBJECT_KEY_ID: &Oid = &[2, 5, 29, 14];
const KEY_USAGE: &Oid = &[2, 5, 29, 15];
const BASIC_CONSTRAINTS: &Oid = &[2, 5, 29, 19];
const CRL_NUMBER: &Oid = &[2, 5, 29, 20];
const AUTHORITY_KEY_ID: &Oid = &[2, 5, 29, 35];

const OWNER: &str = "Chrysalis SIM - no hardware behind this";

/// A P-256 key derived from a label and numbers.
pub(super) struct SimKey(SigningKey);

impl SimKey {
    pub(super) fn derive(label: &str, seed: u64, n: u64) -> Self {
        let mut attempt = 0u32;
        loop {
            let candidate = sha256(&[
                b"chrysalis SIM key v1\0",
                label.as_bytes(),
                b"\0",
                &seed.to_le_bytes(),
                &n.to_le_bytes(),
                &attempt.to_le_bytes(),
            ]);
            // One candidate in 2^32 is not below the order of the group.
            if let Ok(key) = SigningKey::from_slice(&candidate) {
                return Self(key);
            }
            attempt += 1;
        }
    }

    /// Coordinates x and y.
    pub(super) fn public_point(&self) -> [u8; 64] {
        let point = self.0.verifying_key().to_encoded_point(false);
        let mut out = [0; 64];
        // An uncompressed point is 0x04 and the coordinates.
        out.copy_from_slice(&point.as_bytes()[1..]);
        out
    }

    fn subject_public_key_info(&self) -> Vec<u8> {
        let mut point = vec![4];
        point.extend_from_slice(&self.public_point());
        sequence(&[sequence(&[oid(EC_PUBLIC_KEY), oid(P256)]), bits(&point)])
    }

    fn key_id(&self) -> [u8; 20] {
        let mut id = [0; 20];
        id.copy_from_slice(&sha256(&[&self.subject_public_key_info()])[..20]);
        id
    }

    /// `r` and `s`, as quotes and collateral carry them.
    pub(super) fn sign_raw(&self, message: &[u8]) -> [u8; 64] {
        let signature: Signature = self.0.sign(message);
        signature.to_bytes().into()
    }

    fn sign_der(&self, message: &[u8]) -> Vec<u8> {
        let signature: Signature = self.0.sign(message);
        signature.to_der().as_bytes().to_vec()
    }
}

/// A key with its certificate.
pub(super) struct Issuer {
    pub(super) key: SimKey,
    pub(super) name: &'static str,
    pub(super) der: Vec<u8>,
}

/// What differs between certificates.
pub(super) struct CertificateForm<'a> {
    pub(super) serial: &'a [u8],
    pub(super) issuer: &'a str,
    pub(super) subject: &'a str,
    pub(super) not_before_unix_s: u64,
    pub(super) not_after_unix_s: u64,
    pub(super) public_key: &'a SimKey,
    /// Contents of the basic constraints, see [`authority`].
    pub(super) authority: Vec<u8>,
    pub(super) key_usage: u8,
    pub(super) extensions: Vec<Vec<u8>>,
}

/// Basic constraints of a CA with so many CAs below it, or of a leaf.
pub(super) fn authority(path_length: Option<u64>) -> Vec<u8> {
    match path_length {
        Some(path_length) => sequence(&[boolean(true), integer(path_length)]),
        None => element(0x30, &[]),
    }
}

pub(super) fn certificate(form: &CertificateForm<'_>, issuer_key: &SimKey) -> Vec<u8> {
    let mut extensions = vec![
        authority_key_id(issuer_key),
        extension(SUBJECT_KEY_ID, false, &octets(&form.public_key.key_id())),
        extension(KEY_USAGE, true, &named_bits(form.key_usage)),
        extension(BASIC_CONSTRAINTS, true, &form.authority),
    ];
    extensions.extend(form.extensions.iter().cloned());
    signed(
        &[
            explicit(0, &integer(2)),
            unsigned(form.serial),
            signature_algorithm(),
            name(form.issuer),
            sequence(&[time(form.not_before_unix_s), time(form.not_after_unix_s)]),
            name(form.subject),
            form.public_key.subject_public_key_info(),
            explicit(3, &sequence(&extensions)),
        ],
        issuer_key,
    )
}

/// A revocation list of `issuer` over `serials`.
pub(super) fn revocation_list(
    issuer: &Issuer,
    this_update_unix_s: u64,
    next_update_unix_s: u64,
    number: u32,
    serials: &[Vec<u8>],
) -> Vec<u8> {
    let mut parts = vec![
        integer(1),
        signature_algorithm(),
        name(issuer.name),
        time(this_update_unix_s),
        time(next_update_unix_s),
    ];
    if !serials.is_empty() {
        let revoked: Vec<_> = serials
            .iter()
            .map(|serial| sequence(&[unsigned(serial), time(this_update_unix_s)]))
            .collect();
        parts.push(sequence(&revoked));
    }
    let extensions = [
        extension(CRL_NUMBER, false, &integer(number.into())),
        authority_key_id(&issuer.key),
    ];
    parts.push(explicit(0, &sequence(&extensions)));
    signed(&parts, &issuer.key)
}

fn signed(to_be_signed: &[Vec<u8>], key: &SimKey) -> Vec<u8> {
    let body = sequence(to_be_signed);
    let signature = key.sign_der(&body);
    sequence(&[body, signature_algorithm(), bits(&signature)])
}

fn signature_algorithm() -> Vec<u8> {
    sequence(&[oid(ECDSA_WITH_SHA256)])
}

fn authority_key_id(key: &SimKey) -> Vec<u8> {
    extension(AUTHORITY_KEY_ID, false, &sequence(&[implicit(0, &key.key_id())]))
}

fn name(common_name: &str) -> Vec<u8> {
    sequence(&[
        set(&[sequence(&[oid(COMMON_NAME), utf8(common_name)])]),
        set(&[sequence(&[oid(ORGANIZATION), utf8(OWNER)])]),
    ])
}

//! Certificates and revocation lists of simulated vendors (RFC 5280).

use super::keys::SignedBy;
use crate::{
    der::{
        Oid, bits, boolean, element, explicit, extension, implicit, integer, named_bits, octets, oid, sequence, set,
        time, unsigned, utf8,
    },
    hash::sha256,
};

const COMMON_NAME: &Oid = &[2, 5, 4, 3];
const ORGANIZATION: &Oid = &[2, 5, 4, 10];
const SUBJECT_KEY_ID: &Oid = &[2, 5, 29, 14];
const KEY_USAGE: &Oid = &[2, 5, 29, 15];
const BASIC_CONSTRAINTS: &Oid = &[2, 5, 29, 19];
const CRL_NUMBER: &Oid = &[2, 5, 29, 20];
const AUTHORITY_KEY_ID: &Oid = &[2, 5, 29, 35];

/// `keyCertSign` and `cRLSign`.
const CERTIFIES: u8 = 0b0000_0110;
/// `digitalSignature` and `nonRepudiation`.
const SIGNS: u8 = 0b1100_0000;

const OWNER: &str = "Chrysalis SIM - no hardware behind this";

/// What certificates are for.
#[derive(Clone, Copy)]
pub(super) enum Role {
    /// Certifies others, with so many authorities below it.
    Authority(Option<u8>),
    /// Signs.
    Signer,
    /// Signs, and says nothing about it: certificates of AMD's chips.
    Unstated,
}

/// What differs between certificates.
pub(super) struct Form<'a> {
    pub(super) serial: &'a [u8],
    pub(super) issuer: &'a str,
    pub(super) subject: &'a str,
    pub(super) from_unix_s: u64,
    pub(super) until_unix_s: u64,
    pub(super) subject_public_key_info: Vec<u8>,
    pub(super) role: Role,
    pub(super) extensions: Vec<Vec<u8>>,
}

pub(super) fn certificate(form: &Form<'_>, signer: SignedBy<'_>) -> Vec<u8> {
    let stated = match form.role {
        Role::Authority(path_length) => {
            let mut parts = vec![boolean(true)];
            parts.extend(path_length.map(|length| integer(length.into())));
            Some((CERTIFIES, sequence(&parts)))
        }
        Role::Signer => Some((SIGNS, element(0x30, &[]))),
        Role::Unstated => None,
    };
    let mut extensions = Vec::new();
    if let Some((usage, constraints)) = stated {
        let subject_key_id = key_id(&form.subject_public_key_info);
        extensions.push(authority_key_id(signer));
        extensions.push(extension(SUBJECT_KEY_ID, false, &octets(&subject_key_id)));
        extensions.push(extension(KEY_USAGE, true, &named_bits(usage)));
        extensions.push(extension(BASIC_CONSTRAINTS, true, &constraints));
    }
    extensions.extend(form.extensions.iter().cloned());
    signed(
        &[
            explicit(0, &integer(2)),
            unsigned(form.serial),
            signer.algorithm(),
            name(form.issuer),
            sequence(&[time(form.from_unix_s), time(form.until_unix_s)]),
            name(form.subject),
            form.subject_public_key_info.clone(),
            explicit(3, &sequence(&extensions)),
        ],
        signer,
    )
}

/// A revocation list of `issuer` over `serials`.
pub(super) fn revocation_list(
    issuer: &str,
    signer: SignedBy<'_>,
    [this_update_unix_s, next_update_unix_s]: [u64; 2],
    number: u64,
    serials: &[Vec<u8>],
) -> Vec<u8> {
    let mut parts = vec![
        integer(1),
        signer.algorithm(),
        name(issuer),
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
    let extensions = [extension(CRL_NUMBER, false, &integer(number)), authority_key_id(signer)];
    parts.push(explicit(0, &sequence(&extensions)));
    signed(&parts, signer)
}

fn signed(to_be_signed: &[Vec<u8>], signer: SignedBy<'_>) -> Vec<u8> {
    let body = sequence(to_be_signed);
    let signature = signer.sign(&body);
    sequence(&[body, signer.algorithm(), bits(&signature)])
}

fn key_id(subject_public_key_info: &[u8]) -> [u8; 20] {
    let mut id = [0; 20];
    id.copy_from_slice(&sha256(&[subject_public_key_info])[..20]);
    id
}

fn authority_key_id(signer: SignedBy<'_>) -> Vec<u8> {
    let id = key_id(&signer.subject_public_key_info());
    extension(AUTHORITY_KEY_ID, false, &sequence(&[implicit(0, &id)]))
}

fn name(common_name: &str) -> Vec<u8> {
    sequence(&[
        set(&[sequence(&[oid(COMMON_NAME), utf8(common_name)])]),
        set(&[sequence(&[oid(ORGANIZATION), utf8(OWNER)])]),
    ])
}

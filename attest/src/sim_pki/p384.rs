//! P-384 keys, certificates and revocation lists of the simulated AMD and NVIDIA (RFC 5280).

use super::rsa::SimRsaKey;
use crate::{
    chain::AMD_PSS_ALGORITHM,
    der::{
        Oid, bits, boolean, element, explicit, extension, implicit, integer, named_bits, octets, oid, sequence, set,
        time, unsigned, utf8,
    },
    hash::{sha256, sha384},
};
use p384::ecdsa::{Signature, SigningKey, signature::Signer};

const ECDSA_WITH_SHA384: &Oid = &[1, 2, 840, 10_045, 4, 3, 3];
const EC_PUBLIC_KEY: &Oid = &[1, 2, 840, 10_045, 2, 1];
const SECP384R1: &Oid = &[1, 3, 132, 0, 34];

const OWNER: &str = "Chrysalis SIM - no hardware behind this";

/// A P-384 key derived from a label and numbers.
pub(crate) struct SimKey384(SigningKey);

impl SimKey384 {
    pub(crate) fn derive(label: &str, seed: u64, n: u64) -> Self {
        let mut attempt = 0u32;
        loop {
            let candidate = sha384(&[
                b"chrysalis SIM P-384 key v1\0",
                label.as_bytes(),
                b"\0",
                &seed.to_le_bytes(),
                &n.to_le_bytes(),
                &attempt.to_le_bytes(),
            ]);
            // One candidate in 2^190 is not below the order of the group.
            if let Ok(key) = SigningKey::from_slice(&candidate) {
                return Self(key);
            }
            attempt += 1;
        }
    }

    /// Uncompressed.
    pub(crate) fn public_point(&self) -> Vec<u8> {
        self.0.verifying_key().to_encoded_point(false).as_bytes().to_vec()
    }

    pub(super) fn subject_public_key_info(&self) -> Vec<u8> {
        sequence(&[
            sequence(&[oid(EC_PUBLIC_KEY), oid(SECP384R1)]),
            bits(&self.public_point()),
        ])
    }

    /// `r` and `s`, big-endian.
    pub(crate) fn sign_raw(&self, message: &[u8]) -> [u8; 96] {
        let signature: Signature = self.0.sign(message);
        let mut out = [0; 96];
        out.copy_from_slice(&signature.to_bytes());
        out
    }

    fn sign_der(&self, message: &[u8]) -> Vec<u8> {
        let signature: Signature = self.0.sign(message);
        signature.to_der().as_bytes().to_vec()
    }
}

/// Who signs certificates and lists.
#[derive(Clone, Copy)]
pub(super) enum SignedBy<'a> {
    P384(&'a SimKey384),
    Rsa(&'a SimRsaKey),
}

impl SignedBy<'_> {
    fn algorithm(self) -> Vec<u8> {
        match self {
            Self::P384(_) => sequence(&[oid(ECDSA_WITH_SHA384)]),
            Self::Rsa(_) => AMD_PSS_ALGORITHM.to_vec(),
        }
    }

    fn sign(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::P384(key) => key.sign_der(message),
            Self::Rsa(key) => key.sign(message),
        }
    }

    fn key_id(self) -> [u8; 20] {
        key_id(&match self {
            Self::P384(key) => key.subject_public_key_info(),
            Self::Rsa(key) => key.subject_public_key_info(),
        })
    }
}

fn key_id(subject_public_key_info: &[u8]) -> [u8; 20] {
    let mut id = [0; 20];
    id.copy_from_slice(&sha256(&[subject_public_key_info])[..20]);
    id
}

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
    let mut extensions = Vec::new();
    let (constraints, usage) = match form.role {
        Role::Authority(path_length) => {
            let mut parts = vec![boolean(true)];
            parts.extend(path_length.map(|length| integer(length.into())));
            (Some(sequence(&parts)), 0b0000_0110)
        }
        Role::Signer => (Some(element(0x30, &[])), 0b1000_0000),
        Role::Unstated => (None, 0),
    };
    if let Some(constraints) = constraints {
        extensions.push(extension(
            &[2, 5, 29, 14],
            false,
            &octets(&key_id(&form.subject_public_key_info)),
        ));
        extensions.push(extension(
            &[2, 5, 29, 35],
            false,
            &sequence(&[implicit(0, &signer.key_id())]),
        ));
        extensions.push(extension(&[2, 5, 29, 15], true, &named_bits(usage)));
        extensions.push(extension(&[2, 5, 29, 19], true, &constraints));
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
    parts.push(explicit(
        0,
        &sequence(&[extension(&[2, 5, 29, 20], false, &integer(number))]),
    ));
    signed(&parts, signer)
}

fn signed(to_be_signed: &[Vec<u8>], signer: SignedBy<'_>) -> Vec<u8> {
    let body = sequence(to_be_signed);
    let signature = signer.sign(&body);
    sequence(&[body, signer.algorithm(), bits(&signature)])
}

fn name(common_name: &str) -> Vec<u8> {
    sequence(&[
        set(&[sequence(&[oid(&[2, 5, 4, 3]), utf8(common_name)])]),
        set(&[sequence(&[oid(&[2, 5, 4, 10]), utf8(OWNER)])]),
    ])
}

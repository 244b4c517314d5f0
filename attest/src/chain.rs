//! Certificate chains of vendors that sign with P-384 or RSA-PSS, under the strictest reading of RFC 5280 that their
//! genuine certificates pass.
//!
//! Chains have a fixed shape here (the format says which certificate certifies which), so no path is searched: each
//! certificate must be certified by the next, and the last must be a pinned root. Intel's P-256 chains are the quote
//! engine's business and do not come here.

use crate::{
    hash::sha256,
    planted::{Bug, planted},
};
use ring::signature::{ECDSA_P384_SHA384_ASN1, RSA_PSS_2048_8192_SHA384, UnparsedPublicKey, VerificationAlgorithm};
use x509_cert::{
    Certificate,
    crl::CertificateList,
    der::{Decode, Encode, asn1::ObjectIdentifier, oid::AssociatedOid},
    ext::{
        Extension,
        pkix::{AuthorityKeyIdentifier, BasicConstraints, CrlNumber, KeyUsage, KeyUsages, SubjectKeyIdentifier},
    },
};

/// Longest certificate that is read; AMD's, with RSA keys of 4096 bits, have 1.7 kB.
pub const MAX_CERTIFICATE_LEN_BYTES: usize = 8 * 1024;

/// Longest chain that is read; NVIDIA's have five members.
pub const MAX_CHAIN_CERTIFICATES: usize = 8;

/// Longest revocation list that is read.
pub const MAX_REVOCATION_LIST_LEN_BYTES: usize = 256 * 1024;

const ECDSA_WITH_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// RSASSA-PSS with SHA-384, MGF1 with SHA-384 and a salt of 48 bytes, as AMD writes it: the trailer field is written
/// although it has its default, which DER forbids and certificates of Milan and Genoa do.
pub(crate) const AMD_PSS_ALGORITHM: [u8; 72] = [
    0x30, 0x46, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a, 0x30, 0x39, 0xa0, 0x0f, 0x30, 0x0d,
    0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09,
    0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03,
    0x04, 0x02, 0x02, 0x05, 0x00, 0xa2, 0x03, 0x02, 0x01, 0x30, 0xa3, 0x03, 0x02, 0x01, 0x01,
];

/// The same in DER, as certificates of Turin chips have it.
pub(crate) const PSS_ALGORITHM: [u8; 67] = [
    0x30, 0x41, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a, 0x30, 0x34, 0xa0, 0x0f, 0x30, 0x0d,
    0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09,
    0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03,
    0x04, 0x02, 0x02, 0x05, 0x00, 0xa2, 0x03, 0x02, 0x01, 0x30,
];

fn is_pss(algorithm_der: &[u8]) -> bool {
    algorithm_der == AMD_PSS_ALGORITHM || algorithm_der == PSS_ALGORITHM
}

/// What is wrong with a chain of certificates. Positions count from the leaf, which is 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// One certificate twice: another encoding of the chain, where the format leaves the length open.
    #[error("certificate {at} is in the chain before")]
    Repeated {
        /// Which certificate.
        at: usize,
    },
    /// Not the number of certificates that the format has.
    #[error("a chain of {certificates} certificates")]
    Length {
        /// How many there are.
        certificates: usize,
    },
    /// Too long, not DER, or not the one encoding of its content.
    #[error("certificate {at} is not an X.509 certificate in canonical DER")]
    Malformed {
        /// Which certificate.
        at: usize,
    },
    /// The last certificate is no pinned root.
    #[error("the chain ends in another root than the trusted one")]
    UntrustedRoot,
    /// It names another issuer, or the issuer's key identifier is another.
    #[error("certificate {at} names another issuer than the next one in the chain")]
    Issuer {
        /// Which certificate.
        at: usize,
    },
    /// Its algorithm or key is not one that the vendor uses.
    #[error("certificate {at} has an algorithm or key of another kind")]
    Algorithm {
        /// Which certificate.
        at: usize,
    },
    /// The next certificate's key did not sign it.
    #[error("signature of certificate {at}")]
    Signature {
        /// Which certificate.
        at: usize,
    },
    /// It may not certify others, or not so deep a chain.
    #[error("certificate {at} is not allowed to certify what is below it")]
    NotAnAuthority {
        /// Which certificate.
        at: usize,
    },
    /// The leaf is an authority, or may not sign.
    #[error("the leaf is not a certificate for signing")]
    LeafUsage,
    /// An extension that must be understood and is not.
    #[error("certificate {at} has an unknown critical extension, or one extension twice")]
    Extension {
        /// Which certificate.
        at: usize,
    },
    /// Dated in the future.
    #[error("certificate {at} is not valid before {from_unix_s} (Unix seconds)")]
    NotYetValid {
        /// Which certificate.
        at: usize,
        /// Its first second.
        from_unix_s: u64,
    },
    /// No longer valid.
    #[error("certificate {at} expired at {at_unix_s} (Unix seconds)")]
    Expired {
        /// Which certificate.
        at: usize,
        /// Its last second.
        at_unix_s: u64,
    },
    /// Named by the issuer's revocation list.
    #[error("certificate {at} is revoked")]
    Revoked {
        /// Which certificate.
        at: usize,
    },
    /// The revocation list is malformed, not the issuer's, or not valid now.
    #[error("revocation list: {what}")]
    RevocationList {
        /// What is wrong with it.
        what: &'static str,
    },
}

/// A certificate whose re-encoding is what was read.
pub(crate) struct StrictCertificate {
    parsed: Certificate,
    /// The part that is signed.
    signed: Vec<u8>,
    der: Vec<u8>,
}

/// When every member of a chain is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) from_unix_s: u64,
    pub(crate) until_unix_s: u64,
}

impl StrictCertificate {
    fn read(at: usize, der: &[u8]) -> Result<Self, ChainFault> {
        let malformed = || ChainFault::Malformed { at };
        if der.len() > MAX_CERTIFICATE_LEN_BYTES {
            return Err(malformed());
        }
        let parsed = Certificate::from_der(der).map_err(|_| malformed())?;
        if parsed.to_der().ok().as_deref() != Some(der) {
            return Err(malformed());
        }
        let signed = parsed.tbs_certificate.to_der().map_err(|_| malformed())?;
        Ok(Self {
            parsed,
            signed,
            der: der.to_vec(),
        })
    }

    /// The key as its algorithm encodes it: an uncompressed point, or an `RSAPublicKey`.
    pub(crate) fn public_key(&self) -> &[u8] {
        self.parsed
            .tbs_certificate
            .subject_public_key_info
            .subject_public_key
            .raw_bytes()
    }

    pub(crate) fn public_key_sha256(&self) -> [u8; 32] {
        sha256(&[self.public_key()])
    }

    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }

    /// Big-endian, as encoded.
    pub(crate) fn serial(&self) -> &[u8] {
        self.parsed.tbs_certificate.serial_number.as_bytes()
    }

    pub(crate) fn subject(&self) -> String {
        self.parsed.tbs_certificate.subject.to_string()
    }

    fn extensions(&self) -> &[Extension] {
        self.parsed.tbs_certificate.extensions.as_deref().unwrap_or(&[])
    }

    /// Contents of an extension.
    pub(crate) fn extension(&self, id: &str) -> Option<&[u8]> {
        let id = ObjectIdentifier::new(id).ok()?;
        self.extensions()
            .iter()
            .find(|extension| extension.extn_id == id)
            .map(|extension| extension.extn_value.as_bytes())
    }

    fn decoded<'a, T: AssociatedOid + Decode<'a>>(&'a self, at: usize) -> Result<Option<T>, ChainFault> {
        self.extensions()
            .iter()
            .find(|extension| extension.extn_id == T::OID)
            .map(|extension| T::from_der(extension.extn_value.as_bytes()))
            .transpose()
            .map_err(|_| ChainFault::Malformed { at })
    }

    pub(crate) fn is_p384(&self) -> bool {
        let algorithm = &self.parsed.tbs_certificate.subject_public_key_info.algorithm;
        algorithm.oid == EC_PUBLIC_KEY
            && algorithm
                .parameters
                .as_ref()
                .and_then(|parameters| parameters.decode_as::<ObjectIdentifier>().ok())
                == Some(SECP384R1)
            && self.public_key().len() == 97
    }

    fn is_rsa(&self) -> bool {
        self.parsed.tbs_certificate.subject_public_key_info.algorithm.oid == RSA_ENCRYPTION
    }

    /// Which algorithm the certificate says it is signed with; inside and outside must say the same.
    fn signature_algorithm(&self) -> Option<&'static dyn VerificationAlgorithm> {
        let outside = self.parsed.signature_algorithm.to_der().ok()?;
        if self.parsed.tbs_certificate.signature.to_der().ok()? != outside {
            return None;
        }
        algorithm(&outside)
    }

    fn window(&self) -> Window {
        let validity = &self.parsed.tbs_certificate.validity;
        Window {
            from_unix_s: validity.not_before.to_unix_duration().as_secs(),
            until_unix_s: validity.not_after.to_unix_duration().as_secs(),
        }
    }

    /// Whether `key` made `signature` over `message`, with the algorithm that belongs to the key.
    fn verifies(&self, algorithm: &'static dyn VerificationAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(algorithm, self.public_key())
            .verify(message, signature)
            .is_ok()
    }

    fn key_fits(&self, algorithm_der: &[u8]) -> bool {
        if is_pss(algorithm_der) {
            self.is_rsa()
        } else {
            self.is_p384()
        }
    }
}

fn algorithm(der: &[u8]) -> Option<&'static dyn VerificationAlgorithm> {
    if is_pss(der) {
        return Some(&RSA_PSS_2048_8192_SHA384);
    }
    let algorithm = x509_cert::spki::AlgorithmIdentifierOwned::from_der(der).ok()?;
    (algorithm.oid == ECDSA_WITH_SHA384 && algorithm.parameters.is_none()).then_some(&ECDSA_P384_SHA384_ASN1 as _)
}

/// Reads a chain of `lengths` certificates, leaf first. Nothing is verified.
pub(crate) fn read(
    certificates: &[Vec<u8>],
    lengths: std::ops::RangeInclusive<usize>,
) -> Result<Vec<StrictCertificate>, ChainFault> {
    if !lengths.contains(&certificates.len()) || certificates.len() > MAX_CHAIN_CERTIFICATES {
        return Err(ChainFault::Length {
            certificates: certificates.len(),
        });
    }
    if let Some(at) = (1..certificates.len()).find(|at| certificates[..*at].contains(&certificates[*at])) {
        return Err(ChainFault::Repeated { at });
    }
    certificates
        .iter()
        .enumerate()
        .map(|(at, der)| StrictCertificate::read(at, der))
        .collect()
}

/// Verifies a chain whose root has been compared with the pinned one: names, signatures, authority, dates.
///
/// Roots are trusted by their key, and their own signature is checked all the same: a root that does not verify was
/// altered, and would be a second encoding of the chain.
pub(crate) fn verify(chain: &[StrictCertificate], now_unix_s: u64) -> Result<Window, ChainFault> {
    let mut window = Window {
        from_unix_s: 0,
        until_unix_s: u64::MAX,
    };
    for (at, certificate) in chain.iter().enumerate() {
        let issuer = chain.get(at + 1).unwrap_or(certificate);
        check_issued(at, certificate, issuer)?;
        check_extensions(at, certificate)?;
        let own = certificate.window();
        window.from_unix_s = window.from_unix_s.max(own.from_unix_s);
        window.until_unix_s = window.until_unix_s.min(own.until_unix_s);
        if planted(Bug::IgnoreCertificateDates) {
            continue;
        }
        if now_unix_s < own.from_unix_s {
            return Err(ChainFault::NotYetValid {
                at,
                from_unix_s: own.from_unix_s,
            });
        }
        if now_unix_s > own.until_unix_s {
            return Err(ChainFault::Expired {
                at,
                at_unix_s: own.until_unix_s,
            });
        }
    }
    Ok(window)
}

fn check_issued(at: usize, certificate: &StrictCertificate, issuer: &StrictCertificate) -> Result<(), ChainFault> {
    let tbs = &certificate.parsed.tbs_certificate;
    if tbs.issuer != issuer.parsed.tbs_certificate.subject {
        return Err(ChainFault::Issuer { at });
    }
    let named = certificate
        .decoded::<AuthorityKeyIdentifier>(at)?
        .and_then(|id| id.key_identifier);
    let own = issuer.decoded::<SubjectKeyIdentifier>(at + 1)?;
    if let (Some(named), Some(own)) = (named, own)
        && named != own.0
    {
        return Err(ChainFault::Issuer { at });
    }
    let algorithm_der = certificate
        .parsed
        .signature_algorithm
        .to_der()
        .map_err(|_| ChainFault::Malformed { at })?;
    let algorithm = certificate
        .signature_algorithm()
        .filter(|_| issuer.key_fits(&algorithm_der))
        .ok_or(ChainFault::Algorithm { at })?;
    // Signatures are whole bytes; unused bits would be a second encoding.
    let signature = certificate
        .parsed
        .signature
        .as_bytes()
        .ok_or(ChainFault::Malformed { at })?;
    if planted(Bug::SkipIntermediateSignature) && at == 1 {
        return Ok(());
    }
    if !issuer.verifies(algorithm, &certificate.signed, signature) {
        return Err(ChainFault::Signature { at });
    }
    Ok(())
}

fn check_extensions(at: usize, certificate: &StrictCertificate) -> Result<(), ChainFault> {
    let mut seen = std::collections::BTreeSet::new();
    for extension in certificate.extensions() {
        let known = [BasicConstraints::OID, KeyUsage::OID].contains(&extension.extn_id);
        if !seen.insert(extension.extn_id) || (extension.critical && !known) {
            return Err(ChainFault::Extension { at });
        }
    }
    let constraints = certificate.decoded::<BasicConstraints>(at)?;
    let usage = certificate.decoded::<KeyUsage>(at)?;
    let is_authority = constraints.as_ref().is_some_and(|constraints| constraints.ca);
    if at == 0 {
        let may_sign = usage.is_none_or(|usage| usage.0.contains(KeyUsages::DigitalSignature));
        return if is_authority || !may_sign {
            Err(ChainFault::LeafUsage)
        } else {
            Ok(())
        };
    }
    let may_certify = usage.is_some_and(|usage| usage.0.contains(KeyUsages::KeyCertSign));
    // Between this certificate and the leaf are `at - 1` authorities.
    let deep_enough = constraints
        .and_then(|constraints| constraints.path_len_constraint)
        .is_none_or(|path_length| at - 1 <= usize::from(path_length));
    if is_authority && may_certify && deep_enough {
        Ok(())
    } else {
        Err(ChainFault::NotAnAuthority { at })
    }
}

/// A revocation list that its issuer signed and that is valid now.
pub(crate) struct RevocationList {
    revoked: Vec<Vec<u8>>,
    /// CRL number, zero where it has none.
    pub(crate) number: u64,
    pub(crate) window: Window,
}

impl RevocationList {
    pub(crate) fn verify(der: &[u8], issuer: &StrictCertificate, now_unix_s: u64) -> Result<Self, ChainFault> {
        let wrong = |what| ChainFault::RevocationList { what };
        if der.len() > MAX_REVOCATION_LIST_LEN_BYTES {
            return Err(wrong("too long"));
        }
        let list = CertificateList::from_der(der).map_err(|_| wrong("not a revocation list in DER"))?;
        if list.to_der().ok().as_deref() != Some(der) {
            return Err(wrong("not in canonical DER"));
        }
        let body = &list.tbs_cert_list;
        if body.issuer != issuer.parsed.tbs_certificate.subject {
            return Err(wrong("of another issuer"));
        }
        let outside = list.signature_algorithm.to_der().map_err(|_| wrong("algorithm"))?;
        if body.signature.to_der().ok().as_ref() != Some(&outside) || !issuer.key_fits(&outside) {
            return Err(wrong("algorithm"));
        }
        let algorithm = algorithm(&outside).ok_or_else(|| wrong("algorithm"))?;
        let signed = body.to_der().map_err(|_| wrong("not in canonical DER"))?;
        let signature = list.signature.as_bytes().ok_or_else(|| wrong("signature"))?;
        if !issuer.verifies(algorithm, &signed, signature) {
            return Err(wrong("signature"));
        }
        let window = Window {
            from_unix_s: body.this_update.to_unix_duration().as_secs(),
            until_unix_s: body
                .next_update
                .ok_or_else(|| wrong("without an end"))?
                .to_unix_duration()
                .as_secs(),
        };
        if now_unix_s < window.from_unix_s && !planted(Bug::AcceptFutureRevocationList) {
            return Err(wrong("dated in the future"));
        }
        if now_unix_s > window.until_unix_s {
            return Err(wrong("expired"));
        }
        let mut number = 0;
        for extension in body.crl_extensions.iter().flatten() {
            if extension.extn_id == CrlNumber::OID {
                let read = CrlNumber::from_der(extension.extn_value.as_bytes()).map_err(|_| wrong("number"))?;
                number = read
                    .0
                    .as_bytes()
                    .iter()
                    .try_fold(0u64, |value, byte| {
                        value.checked_mul(256).map(|shifted| shifted | u64::from(*byte))
                    })
                    .ok_or_else(|| wrong("number"))?;
            } else if extension.critical {
                return Err(wrong("unknown critical extension"));
            }
        }
        Ok(Self {
            revoked: body
                .revoked_certificates
                .iter()
                .flatten()
                .map(|entry| entry.serial_number.as_bytes().to_vec())
                .collect(),
            number,
            window,
        })
    }

    pub(crate) fn check(&self, at: usize, certificate: &StrictCertificate) -> Result<(), ChainFault> {
        // AMD gives every VCEK the serial number zero, so that no list can name one.
        let nameable = certificate.serial().iter().any(|byte| *byte != 0);
        if nameable && self.revoked.iter().any(|serial| serial == certificate.serial()) {
            return Err(ChainFault::Revoked { at });
        }
        Ok(())
    }
}

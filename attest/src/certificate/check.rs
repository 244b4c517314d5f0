//! Verifying. The order is fixed, cheap before dear, and the first failure is the reason: size, strict DER, issuer,
//! algorithm, validity, self-signature, extensions, claims. The evidence itself is appraised by the caller.

use super::{
    BASIC_CONSTRAINTS, CCC_EVIDENCE, CLAIMS, CborReason, CertificateForm, ED25519, EVIDENCE, EXTENDED_KEY_USAGE,
    KEY_USAGE, MAX_CERTIFICATE_LEN_BYTES, MAX_EVIDENCE_LEN_BYTES, SUBJECT_ALT_NAME, SUBJECT_KEY_ID, VALIDITY_S,
    VERIFIED_NAME, ccc, contents, identity::PublicKey, report_data_for,
};
use crate::der::{self, Oid};
use ring::signature::UnparsedPublicKey;
use x509_cert::{
    Certificate, TbsCertificate, Version,
    der::{Decode, Encode},
    ext::{
        Extension,
        pkix::{SubjectAltName, name::GeneralName},
    },
    spki::AlgorithmIdentifierOwned,
};

/// Most extensions that are looked at; the form has seven. Each is compared with all before it.
pub const MAX_EXTENSIONS: usize = 32;

/// The first reason to refuse a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateReason {
    /// Longer than [`MAX_CERTIFICATE_LEN_BYTES`].
    #[error("certificate of {len_bytes} bytes")]
    TooLong {
        /// Its length.
        len_bytes: usize,
    },
    /// Not a certificate in DER, or not the one encoding that DER allows.
    #[error("certificate is not strict DER")]
    NotDer,
    /// Not X.509 version 3.
    #[error("certificate is not of version 3")]
    Version,
    /// Issued by somebody else.
    #[error("certificate is not self-issued")]
    NotSelfIssued,
    /// Longer validity than a day.
    #[error("certificate is valid for {validity_s} s")]
    TooLongValid {
        /// Its validity.
        validity_s: u64,
    },
    /// Not valid yet.
    #[error("certificate is not valid before {from_unix_s} (Unix seconds)")]
    NotYetValid {
        /// When it will be.
        from_unix_s: u64,
    },
    /// No longer valid.
    #[error("certificate expired at {at_unix_s} (Unix seconds)")]
    Expired {
        /// Last second of validity.
        at_unix_s: u64,
    },
    /// Key or signature are not Ed25519.
    #[error("certificate key or signature is not Ed25519")]
    NotEd25519,
    /// The certificate's key did not sign it.
    #[error("certificate self-signature")]
    SelfSignature,
    /// More than [`MAX_EXTENSIONS`].
    #[error("certificate has {count} extensions")]
    TooManyExtensions {
        /// How many.
        count: usize,
    },
    /// An extension occurs twice.
    #[error("duplicate certificate extension {oid}")]
    DuplicateExtension {
        /// Its identifier.
        oid: String,
    },
    /// A critical extension that nobody here knows.
    #[error("unknown critical certificate extension {oid}")]
    UnknownCritical {
        /// Its identifier.
        oid: String,
    },
    /// An extension that must be there is missing, not critical, or says something else.
    #[error("certificate extension {name}")]
    Extension {
        /// Which.
        name: &'static str,
    },
    /// The evidence is longer than [`MAX_EVIDENCE_LEN_BYTES`].
    #[error("certificate carries evidence of {len_bytes} bytes")]
    EvidenceTooLong {
        /// Its length.
        len_bytes: usize,
    },
    /// The claims name another key, or are not those that this form has.
    #[error("claims in the certificate are not its key")]
    Claims,
    /// The wrapper of interoperable RA-TLS is not the one encoding of what it should be.
    #[error("evidence extension: {0}")]
    Wrapper(#[from] CborReason),
    /// It has evidence in two forms.
    #[error("certificate carries evidence in two forms")]
    TwoForms,
}

/// Evidence of a certificate. It is not appraised yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertifiedEvidence {
    /// How the certificate carries it.
    pub form: CertificateForm,
    /// The quote.
    pub quote: Vec<u8>,
    /// Report data that the quote must have to be bound to the certificate.
    pub report_data: [u8; 64],
    /// A nonce of the issuer's choice, where the form has one.
    pub nonce: Option<Vec<u8>>,
}

/// A certificate whose own form and signature are good. Its evidence is not appraised yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedCertificate {
    /// The key that it certifies and that signed it.
    pub public_key: PublicKey,
    /// The evidence, if there is any.
    pub evidence: Option<CertifiedEvidence>,
    /// First second of validity.
    pub not_before_unix_s: u64,
    /// Last second of validity.
    pub not_after_unix_s: u64,
}

/// Checks everything about a certificate but its evidence.
///
/// # Errors
/// The first reason to refuse it.
pub fn check(der: &[u8], now_unix_s: u64) -> Result<CheckedCertificate, CertificateReason> {
    if der.len() > MAX_CERTIFICATE_LEN_BYTES {
        return Err(CertificateReason::TooLong { len_bytes: der.len() });
    }
    let certificate = Certificate::from_der(der).map_err(|_| CertificateReason::NotDer)?;
    // The reader lets some of BER pass; its writer makes DER.
    if certificate.to_der().ok().as_deref() != Some(der) {
        return Err(CertificateReason::NotDer);
    }
    let body = &certificate.tbs_certificate;
    if body.version != Version::V3 || body.issuer_unique_id.is_some() || body.subject_unique_id.is_some() {
        return Err(CertificateReason::Version);
    }
    if body.issuer != body.subject {
        return Err(CertificateReason::NotSelfIssued);
    }
    let (not_before_unix_s, not_after_unix_s) = validity(body, now_unix_s)?;
    let public_key = public_key(&certificate)?;
    let signed = body.to_der().map_err(|_| CertificateReason::NotDer)?;
    certificate
        .signature
        .as_bytes()
        .and_then(|signature| {
            UnparsedPublicKey::new(&ring::signature::ED25519, public_key)
                .verify(&signed, signature)
                .ok()
        })
        .ok_or(CertificateReason::SelfSignature)?;

    let extensions = Extensions::read(body.extensions.as_deref().unwrap_or(&[]))?;
    extensions.demand(BASIC_CONSTRAINTS, "basicConstraints", &contents::not_a_ca())?;
    extensions.demand(KEY_USAGE, "keyUsage", &contents::digital_signature())?;
    extensions.demand(EXTENDED_KEY_USAGE, "extKeyUsage", &contents::both_ends_of_tls())?;
    extensions.demand_name()?;
    let evidence = extensions.evidence(&public_key)?;
    Ok(CheckedCertificate {
        public_key,
        evidence,
        not_before_unix_s,
        not_after_unix_s,
    })
}

/// The key of a certificate, with nothing else checked.
pub(crate) fn certified_key(der: &[u8]) -> Result<PublicKey, CertificateReason> {
    public_key(&Certificate::from_der(der).map_err(|_| CertificateReason::NotDer)?)
}

fn validity(body: &TbsCertificate, now_unix_s: u64) -> Result<(u64, u64), CertificateReason> {
    let from = body.validity.not_before.to_unix_duration().as_secs();
    let until = body.validity.not_after.to_unix_duration().as_secs();
    match until.checked_sub(from) {
        Some(validity_s) if validity_s > VALIDITY_S => Err(CertificateReason::TooLongValid { validity_s }),
        _ if now_unix_s < from => Err(CertificateReason::NotYetValid { from_unix_s: from }),
        _ if now_unix_s > until => Err(CertificateReason::Expired { at_unix_s: until }),
        _ => Ok((from, until)),
    }
}

fn public_key(certificate: &Certificate) -> Result<PublicKey, CertificateReason> {
    let info = &certificate.tbs_certificate.subject_public_key_info;
    let algorithms = [
        &info.algorithm,
        &certificate.tbs_certificate.signature,
        &certificate.signature_algorithm,
    ];
    if !algorithms.into_iter().all(is_ed25519) {
        return Err(CertificateReason::NotEd25519);
    }
    info.subject_public_key
        .as_bytes()
        .and_then(|key| key.try_into().ok())
        .ok_or(CertificateReason::NotEd25519)
}

/// RFC 8410: parameters must be absent.
fn is_ed25519(algorithm: &AlgorithmIdentifierOwned) -> bool {
    algorithm.parameters.is_none() && is(&algorithm.oid, ED25519)
}

fn is(found: &x509_cert::der::asn1::ObjectIdentifier, wanted: &Oid) -> bool {
    found.arcs().map(u64::from).eq(wanted.iter().copied())
}

/// Extensions that this crate knows, each at most once.
struct Extensions<'a>(Vec<(&'static Oid, &'a Extension)>);

impl<'a> Extensions<'a> {
    fn read(all: &'a [Extension]) -> Result<Self, CertificateReason> {
        const KNOWN: [&Oid; 8] = [
            CCC_EVIDENCE,
            EVIDENCE,
            CLAIMS,
            BASIC_CONSTRAINTS,
            KEY_USAGE,
            EXTENDED_KEY_USAGE,
            SUBJECT_KEY_ID,
            SUBJECT_ALT_NAME,
        ];
        if all.len() > MAX_EXTENSIONS {
            return Err(CertificateReason::TooManyExtensions { count: all.len() });
        }
        let mut known = Vec::with_capacity(KNOWN.len());
        for (at, extension) in all.iter().enumerate() {
            let oid = || extension.extn_id.to_string();
            if all[..at].iter().any(|earlier| earlier.extn_id == extension.extn_id) {
                return Err(CertificateReason::DuplicateExtension { oid: oid() });
            }
            match KNOWN.into_iter().find(|known| is(&extension.extn_id, known)) {
                Some(id) => known.push((id, extension)),
                None if extension.critical => return Err(CertificateReason::UnknownCritical { oid: oid() }),
                None => {}
            }
        }
        Ok(Self(known))
    }

    fn find(&self, id: &Oid) -> Option<&'a Extension> {
        self.0
            .iter()
            .find_map(|(known, extension)| (*known == id).then_some(*extension))
    }

    /// Present, critical, and with exactly these contents.
    fn demand(&self, id: &Oid, name: &'static str, contents: &[u8]) -> Result<(), CertificateReason> {
        self.find(id)
            .filter(|extension| extension.critical && extension.extn_value.as_bytes() == contents)
            .map(|_| ())
            .ok_or(CertificateReason::Extension { name })
    }

    /// The name that diallers of the reference system verify.
    fn demand_name(&self) -> Result<(), CertificateReason> {
        let verified = |name: &GeneralName| matches!(name, GeneralName::DnsName(dns) if dns.as_str() == VERIFIED_NAME);
        self.find(SUBJECT_ALT_NAME)
            .and_then(|extension| SubjectAltName::from_der(extension.extn_value.as_bytes()).ok())
            .filter(|names| names.0.iter().any(verified))
            .map(|_| ())
            .ok_or(CertificateReason::Extension { name: "subjectAltName" })
    }

    fn evidence(&self, public_key: &PublicKey) -> Result<Option<CertifiedEvidence>, CertificateReason> {
        match (self.reference_evidence(public_key)?, self.find(CCC_EVIDENCE)) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(CertificateReason::TwoForms),
            (Some(quote), None) => Ok(Some(CertifiedEvidence {
                form: CertificateForm::Reference,
                quote,
                report_data: report_data_for(public_key),
                nonce: None,
            })),
            // Other implementations mark it either way.
            (None, Some(extension)) => {
                let wrapped = ccc::unwrap(extension.extn_value.as_bytes(), public_key)?;
                Ok(Some(CertifiedEvidence {
                    form: CertificateForm::Ccc,
                    quote: wrapped.quote,
                    report_data: wrapped.report_data,
                    nonce: wrapped.nonce,
                }))
            }
        }
    }

    /// Quote and claims come together, critical, and the claims are the key.
    fn reference_evidence(&self, public_key: &PublicKey) -> Result<Option<Vec<u8>>, CertificateReason> {
        let (quote, claims) = match (self.find(EVIDENCE), self.find(CLAIMS)) {
            (None, None) => return Ok(None),
            (Some(quote), Some(claims)) => (quote, claims),
            (None, Some(_)) => return Err(CertificateReason::Extension { name: "evidence" }),
            (Some(_), None) => return Err(CertificateReason::Extension { name: "claims" }),
        };
        for (extension, name) in [(quote, "evidence"), (claims, "claims")] {
            if !extension.critical {
                return Err(CertificateReason::Extension { name });
            }
        }
        if claims.extn_value.as_bytes() != public_key {
            return Err(CertificateReason::Claims);
        }
        let quote = quote.extn_value.as_bytes();
        if quote.len() > MAX_EVIDENCE_LEN_BYTES {
            return Err(CertificateReason::EvidenceTooLong { len_bytes: quote.len() });
        }
        Ok(Some(quote.to_vec()))
    }
}

/// The `SubjectPublicKeyInfo` of an Ed25519 key.
pub(crate) fn public_key_info(public_key: &PublicKey) -> Vec<u8> {
    der::sequence(&[der::sequence(&[der::oid(ED25519)]), der::bits(public_key)])
}

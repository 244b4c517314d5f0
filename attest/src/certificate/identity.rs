//! Issuing.

use super::{
    BASIC_CONSTRAINTS, CCC_EVIDENCE, CLAIMS, CertificateForm, ED25519, EVIDENCE, EXTENDED_KEY_USAGE, KEY_USAGE,
    MAX_EVIDENCE_LEN_BYTES, SUBJECT_ALT_NAME, SUBJECT_KEY_ID, VALIDITY_S, VERIFIED_NAME, ccc, contents,
    report_data_for,
};
use crate::{
    der::{
        Oid, bits, explicit, extension, implicit, integer, octets, oid, printable, sequence, set, time, unsigned, utf8,
    },
    tdx::{AttestError, Attester},
};
use ring::{
    digest,
    signature::{Ed25519KeyPair, KeyPair},
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::{fmt, sync::Arc};

/// An Ed25519 public key.
pub type PublicKey = [u8; 32];

/// Why no identity was issued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// The TEE made no quote.
    #[error(transparent)]
    Attest(#[from] AttestError),
    /// The quote does not fit into a certificate.
    #[error("evidence of {len_bytes} bytes")]
    EvidenceTooLong {
        /// Its length.
        len_bytes: usize,
    },
}

/// An Ed25519 private key: the 32 bytes of RFC 8032.
#[derive(Clone)]
pub struct IdentityKey {
    seed: [u8; 32],
    pair: Arc<Ed25519KeyPair>,
    public_key: PublicKey,
}

impl IdentityKey {
    /// The key of these 32 bytes, which are to be entropy.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        #[expect(
            clippy::expect_used,
            reason = "the only failure is a seed that does not have 32 bytes"
        )]
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("any 32 bytes are an Ed25519 seed");
        let mut public_key = [0; 32];
        public_key.copy_from_slice(pair.public_key().as_ref());
        Self {
            seed,
            pair: Arc::new(pair),
            public_key,
        }
    }

    /// Its public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// PKCS #8 version 1, as OpenSSL writes it (RFC 8410).
    pub fn to_pkcs8(&self) -> PrivateKeyDer<'static> {
        let der = sequence(&[integer(0), sequence(&[oid(ED25519)]), octets(&octets(&self.seed))]);
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityKey(public {})", hex::encode(self.public_key))
    }
}

/// A key with its certificate: what one end of a connection shows.
#[derive(Debug, Clone)]
pub struct Identity {
    certificate_der: CertificateDer<'static>,
    key: IdentityKey,
    evidence: Option<(CertificateForm, Arc<[u8]>)>,
    not_before_unix_s: u64,
}

impl Identity {
    /// An identity without evidence, good under policy `any` only. `serial` is 16 bytes of entropy.
    pub fn plain(key: IdentityKey, now_unix_s: u64, serial: [u8; 16]) -> Self {
        let certificate_der = Form::new(&key, now_unix_s, serial, None).sign(&key);
        Self {
            certificate_der,
            key,
            evidence: None,
            not_before_unix_s: now_unix_s,
        }
    }

    /// An identity with evidence that was made before, for [`report_data_for`] its public key.
    ///
    /// # Errors
    /// The evidence does not fit.
    pub fn with_evidence(
        key: IdentityKey,
        evidence: &[u8],
        now_unix_s: u64,
        serial: [u8; 16],
    ) -> Result<Self, IssueError> {
        Self::in_form(CertificateForm::Reference, key, evidence, now_unix_s, serial)
    }

    fn in_form(
        form: CertificateForm,
        key: IdentityKey,
        evidence: &[u8],
        now_unix_s: u64,
        serial: [u8; 16],
    ) -> Result<Self, IssueError> {
        if evidence.len() > MAX_EVIDENCE_LEN_BYTES {
            return Err(IssueError::EvidenceTooLong {
                len_bytes: evidence.len(),
            });
        }
        let parts = match form {
            CertificateForm::Reference => Form::new(&key, now_unix_s, serial, Some(evidence)),
            CertificateForm::Ccc => Form::ccc(&key, now_unix_s, serial, evidence, None),
        };
        Ok(Self {
            certificate_der: parts.sign(&key),
            key,
            evidence: Some((form, evidence.into())),
            not_before_unix_s: now_unix_s,
        })
    }

    /// An identity whose key the TEE behind `attester` vouches for.
    ///
    /// # Errors
    /// The attester made no quote, or one that does not fit.
    pub fn attested(
        key: IdentityKey,
        attester: &dyn Attester,
        now_unix_s: u64,
        serial: [u8; 16],
    ) -> Result<Self, IssueError> {
        Self::attested_in(CertificateForm::Reference, key, attester, now_unix_s, serial)
    }

    /// The same in any form.
    ///
    /// # Errors
    /// As for [`Self::attested`].
    pub fn attested_in(
        form: CertificateForm,
        key: IdentityKey,
        attester: &dyn Attester,
        now_unix_s: u64,
        serial: [u8; 16],
    ) -> Result<Self, IssueError> {
        let report_data = match form {
            CertificateForm::Reference => report_data_for(key.public_key()),
            CertificateForm::Ccc => ccc::report_data_for(key.public_key(), None),
        };
        let evidence = attester.quote(&report_data)?;
        Self::in_form(form, key, &evidence, now_unix_s, serial)
    }

    /// A new certificate for the same key, with new evidence where there is an attester to make it, else with the same.
    ///
    /// # Errors
    /// As for [`Self::attested`].
    pub fn renewed(
        &self,
        attester: Option<&dyn Attester>,
        now_unix_s: u64,
        serial: [u8; 16],
    ) -> Result<Self, IssueError> {
        let key = self.key.clone();
        match (attester, &self.evidence) {
            (Some(attester), evidence) => {
                let form = evidence
                    .as_ref()
                    .map_or_else(CertificateForm::default, |(form, _)| *form);
                Self::attested_in(form, key, attester, now_unix_s, serial)
            }
            (None, Some((form, evidence))) => Self::in_form(*form, key, evidence, now_unix_s, serial),
            (None, None) => Ok(Self::plain(key, now_unix_s, serial)),
        }
    }

    /// First second of the certificate's validity, Unix seconds.
    pub fn not_before_unix_s(&self) -> u64 {
        self.not_before_unix_s
    }

    /// The certificate.
    pub fn certificate_der(&self) -> &CertificateDer<'static> {
        &self.certificate_der
    }

    /// The certificate as the reference system's tool writes it to `<base>_cert.pem`.
    pub fn certificate_pem(&self) -> String {
        pem_of("CERTIFICATE", &self.certificate_der)
    }

    /// The private key as that tool writes it to `<base>_key.pem`.
    pub fn key_pem(&self) -> String {
        pem_of("PRIVATE KEY", self.key.to_pkcs8().secret_der())
    }

    /// The private key.
    pub fn key(&self) -> &IdentityKey {
        &self.key
    }

    /// The public key.
    pub fn public_key(&self) -> &PublicKey {
        self.key.public_key()
    }

    #[cfg(test)]
    pub(crate) fn from_form(key: IdentityKey, form: &Form) -> Self {
        Self {
            certificate_der: form.sign(&key),
            key,
            evidence: None,
            not_before_unix_s: form.not_before_unix_s,
        }
    }
}

fn pem_of(label: &str, der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(label, der), config)
}

/// The parts of a certificate, so that tests can make wrong ones.
pub(crate) struct Form {
    pub(crate) version: u64,
    pub(crate) serial: [u8; 16],
    pub(crate) algorithm: Vec<u8>,
    pub(crate) issuer: Vec<u8>,
    pub(crate) not_before_unix_s: u64,
    pub(crate) not_after_unix_s: u64,
    pub(crate) subject: Vec<u8>,
    pub(crate) public_key_info: Vec<u8>,
    pub(crate) extensions: Vec<Vec<u8>>,
}

impl Form {
    pub(crate) fn new(key: &IdentityKey, now_unix_s: u64, serial: [u8; 16], evidence: Option<&[u8]>) -> Self {
        let algorithm = sequence(&[oid(ED25519)]);
        let public_key = key.public_key();
        let mut extensions = Vec::with_capacity(7);
        if let Some(evidence) = evidence {
            extensions.push(extension(EVIDENCE, true, evidence));
            extensions.push(extension(CLAIMS, true, public_key));
        }
        extensions.push(extension(BASIC_CONSTRAINTS, true, &contents::not_a_ca()));
        extensions.push(extension(KEY_USAGE, true, &contents::digital_signature()));
        extensions.push(extension(EXTENDED_KEY_USAGE, true, &contents::both_ends_of_tls()));
        extensions.push(extension(SUBJECT_KEY_ID, false, &octets(&key_hash(public_key))));
        extensions.push(extension(SUBJECT_ALT_NAME, false, &alternative_names()));
        Self {
            version: 2,
            serial,
            issuer: subject(),
            not_before_unix_s: now_unix_s,
            not_after_unix_s: now_unix_s.saturating_add(VALIDITY_S),
            subject: subject(),
            public_key_info: sequence(&[algorithm.clone(), bits(public_key)]),
            algorithm,
            extensions,
        }
    }

    /// With evidence in the extension of other implementations.
    pub(crate) fn ccc(
        key: &IdentityKey,
        now_unix_s: u64,
        serial: [u8; 16],
        quote: &[u8],
        nonce: Option<&[u8]>,
    ) -> Self {
        let mut form = Self::new(key, now_unix_s, serial, None);
        let wrapped = ccc::wrap(quote, key.public_key(), nonce);
        form.extensions.insert(0, extension(CCC_EVIDENCE, false, &wrapped));
        form
    }

    pub(crate) fn sign(&self, key: &IdentityKey) -> CertificateDer<'static> {
        let body = sequence(&[
            explicit(0, &integer(self.version)),
            unsigned(&self.serial),
            self.algorithm.clone(),
            self.issuer.clone(),
            sequence(&[time(self.not_before_unix_s), time(self.not_after_unix_s)]),
            self.subject.clone(),
            self.public_key_info.clone(),
            explicit(3, &sequence(&self.extensions)),
        ]);
        let signature = bits(&key.sign(&body));
        CertificateDer::from(sequence(&[body, self.algorithm.clone(), signature]))
    }
}

/// The first method of RFC 5280 §4.2.1.2, which certificates know as "hash".
fn key_hash(public_key: &PublicKey) -> Vec<u8> {
    digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, public_key)
        .as_ref()
        .to_vec()
}

fn subject() -> Vec<u8> {
    let part = |id: &Oid, value: Vec<u8>| set(&[sequence(&[oid(id), value])]);
    sequence(&[
        // RFC 5280 wants the country as PrintableString.
        part(&[2, 5, 4, 6], printable("AE")),
        part(&[2, 5, 4, 8], utf8("DUBAI")),
        part(&[2, 5, 4, 10], utf8("TDLib Development")),
        part(&[2, 5, 4, 11], utf8("Security")),
        part(&[2, 5, 4, 3], utf8("localhost")),
    ])
}

fn alternative_names() -> Vec<u8> {
    const DNS_NAME: u8 = 2;
    const IP_ADDRESS: u8 = 7;
    sequence(&[
        implicit(DNS_NAME, b"localhost"),
        implicit(DNS_NAME, VERIFIED_NAME.as_bytes()),
        implicit(IP_ADDRESS, &std::net::Ipv6Addr::LOCALHOST.octets()),
    ])
}

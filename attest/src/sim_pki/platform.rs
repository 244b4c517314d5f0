//! One simulated machine (Intel SGX PCK certificate profile 1.5, TDX DCAP quote format).

use super::{
    PLATFORM_CA_NAME, PLATFORM_NAME, SIM_FMSPC, SimPki, YEAR_S,
    keys::{SignedBy, SimKey256},
    x509::{Form, Role, certificate},
};
use crate::{
    der::{boolean, enumerated, extension, integer, octets, oid, sequence},
    hash::{fingerprint, sha256, sha384},
    tdx::appraise::PlatformId,
};

const SGX_EXTENSION: [u64; 7] = [1, 2, 840, 113_741, 1, 13, 1];

pub(super) const PCE_ID: [u8; 2] = [0, 0];

/// What the report of a quoting enclave says about it.
pub(crate) struct QuotingEnclave {
    pub(crate) signer: [u8; 32],
    pub(crate) product_id: u16,
    pub(crate) security_version: u16,
    pub(crate) attributes: [u8; 16],
}

impl Default for QuotingEnclave {
    /// The one that the simulated vendor publishes.
    fn default() -> Self {
        Self {
            signer: *b"SIM quoting enclave signer......",
            product_id: 2,
            security_version: 4,
            // INIT and MODE64BIT; not DEBUG.
            attributes: [0x05, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        }
    }
}

/// Security versions of a machine's trusted computing base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlatformTcb {
    /// Versions of the processor's components.
    pub cpu_svn: [u8; 16],
    /// Version of the provisioning enclave.
    pub pce_svn: u8,
    /// Versions of TDX module (byte 0), its major number (byte 1) and the SEAM loader (byte 2).
    pub tee_tcb_svn: [u8; 16],
    /// Measurement of the TDX module.
    pub mr_seam: [u8; 48],
}

impl Default for PlatformTcb {
    /// The versions that default collateral calls up to date.
    fn default() -> Self {
        Self {
            cpu_svn: [4, 4, 2, 2, 4, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0],
            pce_svn: 13,
            tee_tcb_svn: [7, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            mr_seam: sha384(&[b"SIM TDX module 7.1"]),
        }
    }
}

/// A machine that makes quotes. Its quoting enclave was certified when it was made, so a quote costs one signature.
pub struct SimPlatform {
    id: PlatformId,
    tcb: PlatformTcb,
    attestation_key: SimKey256,
    /// Everything after the quote's own signature: attestation key and certification data.
    quote_tail: Vec<u8>,
    fingerprint: [u8; 32],
}

impl SimPlatform {
    pub(crate) fn new(pki: &SimPki, n: u64, tcb: PlatformTcb, enclave: &QuotingEnclave) -> Self {
        let id = PlatformId {
            ppid: ppid(pki.seed, n),
            fmspc: SIM_FMSPC,
        };
        let platform_key = SimKey256::derive("platform", pki.seed, n);
        let attestation_key = SimKey256::derive("attestation", pki.seed, n);
        let chain = [
            platform_certificate(pki, n, &id, &tcb, &platform_key),
            pki.platform_ca.der.clone(),
            pki.root.der.clone(),
        ];
        let quote_tail = quote_tail(&tcb, enclave, &platform_key, &attestation_key, &chain);
        let fingerprint = fingerprint(&[&quote_tail, &tcb.tee_tcb_svn, &tcb.mr_seam]);
        Self {
            id,
            tcb,
            attestation_key,
            quote_tail,
            fingerprint,
        }
    }

    /// Which machine it is, as a verifier learns it.
    pub fn id(&self) -> PlatformId {
        self.id
    }

    /// Its security versions.
    pub fn tcb(&self) -> &PlatformTcb {
        &self.tcb
    }

    pub(crate) fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// Signs header and report with the attestation key and appends what certifies that key.
    pub(crate) fn sign_quote(&self, signed: &[u8]) -> Vec<u8> {
        let signature = self.attestation_key.sign_raw(signed);
        let mut quote = Vec::with_capacity(signed.len() + 4 + signature.len() + self.quote_tail.len());
        quote.extend_from_slice(signed);
        push_sized32(&mut quote, &[&signature, &self.quote_tail]);
        quote
    }
}

pub(super) fn serial(n: u64) -> Vec<u8> {
    let mut serial = vec![0x10];
    serial.extend_from_slice(&n.to_be_bytes());
    serial
}

fn ppid(seed: u64, n: u64) -> [u8; 16] {
    let mut ppid = [0; 16];
    ppid.copy_from_slice(&sha256(&[b"SIM PPID", &seed.to_le_bytes(), &n.to_le_bytes()])[..16]);
    ppid
}

fn platform_certificate(pki: &SimPki, n: u64, id: &PlatformId, tcb: &PlatformTcb, key: &SimKey256) -> Vec<u8> {
    certificate(
        &Form {
            serial: &serial(n),
            issuer: PLATFORM_CA_NAME,
            subject: PLATFORM_NAME,
            from_unix_s: pki.not_before_unix_s,
            until_unix_s: pki.not_before_unix_s.saturating_add(7 * YEAR_S),
            subject_public_key_info: key.subject_public_key_info(),
            role: Role::Signer,
            extensions: vec![sgx_extension(id, tcb)],
        },
        SignedBy::P256(&pki.platform_ca.key),
    )
}

fn sgx_extension(id: &PlatformId, tcb: &PlatformTcb) -> Vec<u8> {
    let field = |path: &[u64], value: Vec<u8>| sequence(&[oid(&[&SGX_EXTENSION, path].concat()), value]);
    let mut levels: Vec<_> = (1..)
        .zip(tcb.cpu_svn)
        .map(|(component, svn)| field(&[2, component], integer(svn.into())))
        .collect();
    levels.push(field(&[2, 17], integer(tcb.pce_svn.into())));
    levels.push(field(&[2, 18], octets(&tcb.cpu_svn)));
    let flags: Vec<_> = (1..=3).map(|flag| field(&[7, flag], boolean(true))).collect();
    extension(
        &SGX_EXTENSION,
        false,
        &sequence(&[
            field(&[1], octets(&id.ppid)),
            field(&[2], sequence(&levels)),
            field(&[3], octets(&PCE_ID)),
            field(&[4], octets(&id.fmspc)),
            // Type 1 is "scalable": memory of server size.
            field(&[5], enumerated(1)),
            field(&[6], octets(&id.ppid)),
            // Dynamic platform, cached keys, multithreading: genuine servers have all of them set.
            field(&[7], sequence(&flags)),
        ]),
    )
}

fn quote_tail(
    tcb: &PlatformTcb,
    enclave: &QuotingEnclave,
    platform_key: &SimKey256,
    attestation_key: &SimKey256,
    chain: &[Vec<u8>],
) -> Vec<u8> {
    const QE_AUTHENTICATION_DATA: [u8; 32] = *b"SIM QE authentication data......";
    let attestation_point = attestation_key.public_point();

    let mut report = [0u8; 384];
    report[..16].copy_from_slice(&tcb.cpu_svn);
    report[48..64].copy_from_slice(&enclave.attributes);
    report[64..96].copy_from_slice(&sha256(&[b"SIM quoting enclave"]));
    report[128..160].copy_from_slice(&enclave.signer);
    report[256..258].copy_from_slice(&enclave.product_id.to_le_bytes());
    report[258..260].copy_from_slice(&enclave.security_version.to_le_bytes());
    report[320..352].copy_from_slice(&sha256(&[&attestation_point, &QE_AUTHENTICATION_DATA]));

    let mut certification = Vec::new();
    certification.extend_from_slice(&report);
    certification.extend_from_slice(&platform_key.sign_raw(&report));
    certification.extend_from_slice(&(QE_AUTHENTICATION_DATA.len() as u16).to_le_bytes());
    certification.extend_from_slice(&QE_AUTHENTICATION_DATA);
    // Type 5: the chain of the platform's certificate in PEM.
    certification.extend_from_slice(&5u16.to_le_bytes());
    push_sized32(&mut certification, &[crate::tdx::appraise::pem_of(chain).as_bytes()]);

    let mut tail = attestation_point.to_vec();
    // Type 6: report of the quoting enclave, which certifies the attestation key.
    tail.extend_from_slice(&6u16.to_le_bytes());
    push_sized32(&mut tail, &[&certification]);
    tail
}

fn push_sized32(out: &mut Vec<u8>, parts: &[&[u8]]) {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    out.extend_from_slice(&(len as u32).to_le_bytes());
    for part in parts {
        out.extend_from_slice(part);
    }
}

//! Simulated hardware vendors: everything that Intel keeps for TDX, and in [`snp`] and [`gpu`] what AMD and NVIDIA keep,
//! derived from one seed.
//!
//! Formats are the real ones, so the one verifier judges both. Names, owner, processor family and signer of the quoting
//! enclave say "SIM"; the root differs per seed; and the vendor's root refuses all of it. Signatures are deterministic
//! (RFC 6979): equal seeds give equal bytes.
//!
//! | module | holds |
//! |---|---|
//! | [`platform`] | one machine: platform certificate, quoting enclave, attestation key |
//! | [`issuance`] | evidence with everything that a verifier needs to accept it |
//! | [`publication`] | TCB info, identity of the quoting enclave, revocation lists |
//! | [`snp`] | AMD's roots, chips and providers' keys |
//! | [`gpu`] | NVIDIA's roots, GPUs and manifests |
//! | `x509` | certificates and revocation lists |
//! | `keys` | keys from labels, and how each signs |
//! | `rsa` | signatures with AMD's algorithm |

pub mod gpu;
pub mod issuance;
mod keys;
pub mod platform;
pub mod publication;
mod rsa;
pub mod snp;
mod x509;

pub use gpu::{GpuState, SimGpu, SimGpuPki};
pub use issuance::{IssueError, IssueOptions, Issued, SimulatedTee, SimulatedVendors};
pub use platform::{PlatformTcb, SimPlatform};
pub use publication::CollateralOptions;
pub use snp::{SimSnpMachine, SimSnpPki, SnpGuest, SnpMachineForm, SnpRevocations};

use crate::{
    collateral::{Collateral, Fmspc},
    policy::{SimulationOnly, TrustAnchors},
};
use keys::{SignedBy, SimKey256};
use platform::QuotingEnclave;
use x509::{Form, Role};

/// Processor family of all simulated machines: "SIM" in ASCII, which no processor has.
pub const SIM_FMSPC: Fmspc = *b"SIM\0\0\0";

const ROOT_NAME: &str = "SIM SGX Root CA";
/// Readers of quotes recognise the kind of platform by "Platform CA" in the issuer's name.
const PLATFORM_CA_NAME: &str = "SIM SGX PCK Platform CA";
const TCB_SIGNER_NAME: &str = "SIM SGX TCB Signing";
const PLATFORM_NAME: &str = "SIM SGX PCK Certificate";

const YEAR_S: u64 = 365 * 86_400;

/// Root, platform CA and TCB signer of a simulated vendor.
pub struct SimPki {
    seed: u64,
    not_before_unix_s: u64,
    root: Issuer,
    platform_ca: Issuer,
    tcb_signer: Issuer,
}

/// A key with its certificate.
struct Issuer {
    key: SimKey256,
    name: &'static str,
    der: Vec<u8>,
}

impl SimPki {
    /// The vendor of `seed`, whose certificates begin at `not_before_unix_s` and last 20 years.
    pub fn new(seed: u64, not_before_unix_s: u64) -> Self {
        let key = |label| SimKey256::derive(label, seed, 0);
        let (root_key, platform_ca_key, tcb_signer_key) = (key("root"), key("platform CA"), key("TCB signer"));
        let certify = |serial, subject, subject_key: &SimKey256, role| {
            x509::certificate(
                &Form {
                    serial: &[serial],
                    issuer: ROOT_NAME,
                    subject,
                    from_unix_s: not_before_unix_s,
                    until_unix_s: not_before_unix_s.saturating_add(20 * YEAR_S),
                    subject_public_key_info: subject_key.subject_public_key_info(),
                    role,
                    extensions: Vec::new(),
                },
                SignedBy::P256(&root_key),
            )
        };
        let root_der = certify(1, ROOT_NAME, &root_key, Role::Authority(Some(1)));
        let platform_ca_der = certify(2, PLATFORM_CA_NAME, &platform_ca_key, Role::Authority(Some(0)));
        let tcb_signer_der = certify(3, TCB_SIGNER_NAME, &tcb_signer_key, Role::Signer);
        Self {
            seed,
            not_before_unix_s,
            root: Issuer {
                key: root_key,
                name: ROOT_NAME,
                der: root_der,
            },
            platform_ca: Issuer {
                key: platform_ca_key,
                name: PLATFORM_CA_NAME,
                der: platform_ca_der,
            },
            tcb_signer: Issuer {
                key: tcb_signer_key,
                name: TCB_SIGNER_NAME,
                der: tcb_signer_der,
            },
        }
    }

    /// The root certificate.
    pub fn root_der(&self) -> &[u8] {
        &self.root.der
    }

    pub(crate) fn identity(&self) -> (u64, u64) {
        (self.seed, self.not_before_unix_s)
    }

    /// Trust in this vendor and no other.
    pub fn anchors(&self, marker: SimulationOnly) -> TrustAnchors {
        #[expect(
            clippy::expect_used,
            reason = "the root was written by this crate and its key is derived from a seed"
        )]
        TrustAnchors::simulation(marker, self.root_der()).expect("an own root is a certificate with an own key")
    }

    /// Machine number `n` of this vendor, with the current TCB.
    pub fn platform(&self, n: u64) -> SimPlatform {
        self.platform_with(n, PlatformTcb::default())
    }

    /// Machine number `n` with a TCB of its own.
    pub fn platform_with(&self, n: u64, tcb: PlatformTcb) -> SimPlatform {
        SimPlatform::new(self, n, tcb, &QuotingEnclave::default())
    }

    /// Collateral issued at `issue_unix_s`, good for 30 days like the real one: all machines are up to date.
    pub fn collateral(&self, issue_unix_s: u64) -> Collateral {
        self.collateral_with(issue_unix_s, &CollateralOptions::default())
    }

    /// Collateral with other statuses, revocations or numbers.
    pub fn collateral_with(&self, issue_unix_s: u64, options: &CollateralOptions) -> Collateral {
        publication::publish(self, issue_unix_s, options)
    }
}

//! What a verifier trusts and what it accepts from a peer.
//!
//! Illegal combinations have no value: a verifier holds either the vendor's root or a simulated one, never both; a list
//! that is not checked says so instead of being empty; whatever would be a hole in production needs a
//! [`SimulationOnly`], which a reviewer can search for.

mod allow_list;

pub use allow_list::AllowList;

use crate::{
    anchors::{SnpAnchors, is_vendor_key},
    collateral::CollateralSource,
    hash::{fingerprint, sha256, sha384},
    snp::{RevocationListSource, SnpPolicy},
    tdx::{
        ImageHash, Measurement,
        appraise::{AttributeFault, TcbStatus},
    },
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt, sync::Arc};
use x509_cert::{
    Certificate,
    der::{Decode, Encode},
};

/// SHA-256 of the DER of "Intel SGX Root CA" as Intel publishes it (valid until 2049).
pub const INTEL_SGX_ROOT_SHA256: [u8; 32] = [
    0x44, 0xa0, 0x19, 0x6b, 0x2b, 0x99, 0xf8, 0x89, 0xb8, 0xe1, 0x49, 0xe9, 0x5b, 0x80, 0x7a, 0x35, 0x0e, 0x74, 0x24,
    0x96, 0x43, 0x99, 0xe8, 0x85, 0xa7, 0xcb, 0xb8, 0xcc, 0xfa, 0xb6, 0x74, 0xd3,
];

/// SHA-256 of that certificate's public key (65 bytes, uncompressed point).
pub const INTEL_SGX_ROOT_KEY_SHA256: [u8; 32] = [
    0xa5, 0x12, 0xdd, 0xae, 0x5b, 0x8a, 0x05, 0xfd, 0x07, 0x38, 0xd7, 0x08, 0xf2, 0x9d, 0xdc, 0xca, 0xca, 0x53, 0xaa,
    0xd8, 0xb3, 0x69, 0x8e, 0x77, 0x19, 0x4c, 0xb0, 0x5c, 0xc0, 0x72, 0x3e, 0x89,
];

/// SHA-384 of the same key: the "root key id" of Intel's claims and of the reference system's policies (spec §3.5).
pub const INTEL_SGX_ROOT_KEY_ID: [u8; 48] = [
    0x46, 0xe4, 0x03, 0xbd, 0x34, 0xf0, 0x5a, 0x3f, 0x28, 0x17, 0xab, 0x9b, 0xad, 0xca, 0xac, 0xc7, 0xff, 0xc9, 0x8e,
    0x0f, 0x26, 0x10, 0x08, 0xcd, 0x30, 0xda, 0xe9, 0x36, 0xca, 0xce, 0x18, 0xd5, 0xdc, 0xf5, 0x8e, 0xef, 0x31, 0x46,
    0x36, 0x13, 0xde, 0x15, 0x70, 0xd5, 0x16, 0x20, 0x09, 0x93,
];

/// Says at the call site that what is built here has no security and must not leave a simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SimulationOnly(());

impl SimulationOnly {
    /// The only way to get one.
    pub const fn accept_no_security() -> Self {
        Self(())
    }
}

/// Whose root a chain must end in. One or the other: a verifier that trusted both could not tell them apart.
#[derive(Clone, PartialEq, Eq)]
pub enum TrustAnchors {
    /// Intel's SGX root, pinned by [`INTEL_SGX_ROOT_SHA256`] and [`INTEL_SGX_ROOT_KEY_ID`].
    Vendor,
    /// A simulated root.
    Simulation(SimulationRoot),
}

/// The root certificate of a simulated vendor.
#[derive(Clone, PartialEq, Eq)]
pub struct SimulationRoot {
    der: Arc<[u8]>,
    key_id: [u8; 48],
}

impl SimulationRoot {
    /// A root of any vendor's format.
    ///
    /// # Errors
    /// It is not a certificate, or it is a vendor's.
    pub fn new(_: SimulationOnly, root_der: &[u8]) -> Result<Self, AnchorError> {
        let certificate = Certificate::from_der(root_der).map_err(|_| AnchorError::Malformed)?;
        if certificate.to_der().ok().as_deref() != Some(root_der) {
            return Err(AnchorError::Malformed);
        }
        let key = certificate
            .tbs_certificate
            .subject_public_key_info
            .subject_public_key
            .raw_bytes();
        if is_vendor_key(key) {
            return Err(AnchorError::VendorKey);
        }
        Ok(Self {
            der: root_der.into(),
            key_id: sha384(&[key]),
        })
    }

    /// Whether this certificate, byte for byte, is the root.
    pub(crate) fn is(&self, der: &[u8]) -> bool {
        *self.der == *der
    }

    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }

    /// What the planted bug compares.
    pub(crate) fn subject_is(&self, subject: &str) -> bool {
        Certificate::from_der(&self.der).is_ok_and(|own| own.tbs_certificate.subject.to_string() == subject)
    }
}

impl fmt::Debug for SimulationRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimulationRoot({})", hex::encode(&self.key_id[..8]))
    }
}

/// Why a certificate cannot be the root of a simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnchorError {
    /// Not DER, or not a certificate.
    #[error("the simulation root is not an X.509 certificate in DER")]
    Malformed,
    /// It has a vendor's key, and what chains to it is not simulated.
    #[error("the simulation root has the key of a vendor's root")]
    VendorKey,
    /// Simulated roots and vendors' roots would be in one store.
    #[error("a store of vendors' roots takes no simulated root")]
    Mixed,
    /// Its name and key do not say what it is a root of.
    #[error(
        "the root is of no known kind: P-256 for TDX, RSA and a name with Milan, Genoa or Turin for SNP, P-384 for GPUs"
    )]
    UnknownKind,
    /// Roots of GPUs come in pairs.
    #[error(
        "GPUs have two roots, that of devices and that of manifests (with \"manifest\" in its name); one is missing"
    )]
    HalfOfGpu,
}

impl TrustAnchors {
    /// Trusts a simulated root.
    ///
    /// # Errors
    /// The root is not a certificate, or it is the vendor's.
    pub fn simulation(marker: SimulationOnly, root_der: &[u8]) -> Result<Self, AnchorError> {
        SimulationRoot::new(marker, root_der).map(Self::Simulation)
    }

    /// Which of the two it is.
    pub fn kind(&self) -> AnchorKind {
        match self {
            Self::Vendor => AnchorKind::Vendor,
            Self::Simulation(_) => AnchorKind::Simulation,
        }
    }

    /// Whether this certificate, byte for byte, is the root.
    pub(crate) fn is_root(&self, der: &[u8]) -> bool {
        match self {
            Self::Vendor => sha256(&[der]) == INTEL_SGX_ROOT_SHA256,
            Self::Simulation(root) => root.is(der),
        }
    }

    /// SHA-384 of the root's public key.
    pub fn root_key_id(&self) -> [u8; 48] {
        match self {
            Self::Vendor => INTEL_SGX_ROOT_KEY_ID,
            Self::Simulation(root) => root.key_id,
        }
    }

    fn fingerprint(&self) -> [u8; 32] {
        match self {
            Self::Vendor => fingerprint(&[b"vendor", &INTEL_SGX_ROOT_SHA256]),
            Self::Simulation(root) => fingerprint(&[b"simulation", &root.der]),
        }
    }
}

impl fmt::Debug for TrustAnchors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({})", self.kind(), hex::encode(&self.root_key_id()[..8]))
    }
}

/// Kind of the root that evidence chained to: the only thing that tells simulated evidence from real evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnchorKind {
    /// The hardware vendor's.
    Vendor,
    /// A simulated vendor's.
    Simulation,
}

/// What an appraisal demands beyond genuine signatures. The default is the strictest that leaves measurements open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct AppraisalRules {
    /// TCB statuses that pass. `Revoked` never does.
    pub accepted_tcb: BTreeSet<TcbStatus>,
    /// Collateral older than this evaluation is refused, so that it cannot be rolled back.
    pub min_tcb_evaluation_number: u32,
    /// Revocation lists (of root and platform CA) with a lower number are refused.
    pub min_crl_number: u32,
    /// Advisories, such as `INTEL-SA-00615`, that refuse a platform whatever its status.
    pub refused_advisories: BTreeSet<String>,
    /// Platform configurations that pass.
    pub platform_flags: PlatformFlags,
    /// How the TD's attribute bits are judged. A policy that is read from text has the rule of production.
    #[serde(skip)]
    pub td_attributes: AttributeRule,
    /// Attributes that pass although production refuses them.
    pub tolerated_attributes: BTreeSet<TolerableAttribute>,
    /// How long after the date of its level an outdated platform passes although its status is not accepted: the time
    /// that operators have for a TCB recovery.
    pub tcb_grace_s: Option<u64>,
    /// How long after its end collateral counts, so that an outage of the vendor does not stop the network.
    pub collateral_grace_s: u64,
    /// How long after its issue collateral counts, where that is less than its own lifetime.
    pub max_collateral_age_s: Option<u64>,
    /// How long after its challenge evidence may come; without a challenge it is refused if this is set.
    pub max_challenge_age_s: Option<u64>,
    /// The quote must come with the log of its run-time registers.
    pub require_event_log: bool,
    /// Digests that the log must have, such as that of the configuration of a worker.
    #[serde(with = "allow_list::digests")]
    pub required_events: BTreeSet<Measurement>,
    /// Allowed MRTD.
    pub allowed_mr_td: AllowList<Measurement>,
    /// Allowed RTMR0 to 3, compared as one.
    pub allowed_rtmr: AllowList<[Measurement; 4]>,
    /// Allowed image hashes (spec §3.6).
    pub allowed_image_hashes: AllowList<ImageHash>,
    /// Allowed TDX modules.
    pub allowed_mr_seam: AllowList<Measurement>,
    /// Allowed machines, by provisioning id. A quote forged with an extracted platform key is stopped by nothing else.
    pub allowed_ppids: AllowList<[u8; 16]>,
}

impl Default for AppraisalRules {
    fn default() -> Self {
        Self {
            accepted_tcb: BTreeSet::from([TcbStatus::UpToDate]),
            min_tcb_evaluation_number: 0,
            min_crl_number: 0,
            refused_advisories: BTreeSet::new(),
            platform_flags: PlatformFlags::default(),
            td_attributes: AttributeRule::Production,
            tolerated_attributes: BTreeSet::new(),
            tcb_grace_s: None,
            collateral_grace_s: 0,
            max_collateral_age_s: None,
            max_challenge_age_s: None,
            require_event_log: false,
            required_events: BTreeSet::new(),
            allowed_mr_td: AllowList::NotChecked,
            allowed_rtmr: AllowList::NotChecked,
            allowed_image_hashes: AllowList::NotChecked,
            allowed_mr_seam: AllowList::NotChecked,
            allowed_ppids: AllowList::NotChecked,
        }
    }
}

/// Flags of a platform's certificate that pass when set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct PlatformFlags {
    /// The platform may be extended by further packages.
    pub allow_dynamic_platform: bool,
    /// Its root keys are kept by the vendor's registration service.
    pub allow_cached_keys: bool,
    /// Simultaneous multithreading is on.
    pub allow_smt: bool,
}

impl Default for PlatformFlags {
    /// All pass: every genuine TDX quote at hand is from a server with the first and the last set, nearly every one
    /// also with the second.
    fn default() -> Self {
        Self {
            allow_dynamic_platform: true,
            allow_cached_keys: true,
            allow_smt: true,
        }
    }
}

/// Attributes that a policy may let pass. Debugging and profiling are not among them: a TD that has them is no
/// confidential machine. Migration and SEPT_VE_DISABLE are not either: the quote engine refuses those in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TolerableAttribute {
    /// Performance counters are exposed.
    Perfmon,
    /// Another TD has power over this one.
    ServiceTd,
}

impl TolerableAttribute {
    pub(crate) fn fault(self) -> AttributeFault {
        match self {
            Self::Perfmon => AttributeFault::Perfmon,
            Self::ServiceTd => AttributeFault::ServiceTd,
        }
    }
}

/// How attribute bits and XFAM of a TD are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AttributeRule {
    /// Debug, profiling, migration, performance monitoring, service TDs and reserved bits are refused.
    #[default]
    Production,
    /// Debug and profiling pass, and nothing that the signature engine would not refuse by itself is looked at: what
    /// the reference system does (spec §3.5), kept to show the consequence.
    Reference(SimulationOnly),
}

impl AppraisalRules {
    fn fingerprint(&self) -> [u8; 32] {
        // The derived text is injective here: numbers, byte arrays, ordered sets and quoted strings.
        fingerprint(&[format!("{self:?}").as_bytes()])
    }
}

/// Rules for genuine TDX evidence.
#[derive(Clone)]
pub struct TdxPolicy {
    /// Whose evidence.
    pub anchors: TrustAnchors,
    /// Where collateral comes from; it may change while the policy lives.
    pub collateral: Arc<dyn CollateralSource>,
    /// What else is demanded.
    pub rules: AppraisalRules,
}

impl fmt::Debug for TdxPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TdxPolicy")
            .field("anchors", &self.anchors)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

/// Rules for fake evidence. Only [`PeerPolicy::fake_tdx`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FakeTdxPolicy {
    allowed_image_hashes: AllowList<ImageHash>,
}

impl FakeTdxPolicy {
    /// Allowed image hashes; the only one that a fake peer can have is [`crate::tdx::report::FAKE_IMAGE_HASH`].
    pub fn allowed_image_hashes(&self) -> &AllowList<ImageHash> {
        &self.allowed_image_hashes
    }
}

/// What a node accepts from the other end of a connection (spec §3.5).
#[derive(Debug, Clone)]
pub enum PeerPolicy {
    /// Any key; evidence is not looked at and the peer counts as unattested.
    Any,
    /// Fake evidence and nothing else.
    FakeTdx(FakeTdxPolicy),
    /// TDX evidence and nothing else.
    Tdx(Box<TdxPolicy>),
    /// SEV-SNP evidence and nothing else.
    Snp(Box<SnpPeerPolicy>),
}

/// Rules for genuine SEV-SNP evidence.
#[derive(Clone)]
pub struct SnpPeerPolicy {
    /// Whose evidence.
    pub anchors: SnpAnchors,
    /// Where revocation lists come from; they may change while the policy lives.
    pub revocation_lists: Arc<dyn RevocationListSource>,
    /// What else is demanded.
    pub rules: SnpPolicy,
}

impl fmt::Debug for SnpPeerPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnpPeerPolicy")
            .field("anchors", &self.anchors)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

impl PeerPolicy {
    /// Accepts the 64-byte quotes of test networks.
    pub fn fake_tdx(_: SimulationOnly, allowed_image_hashes: AllowList<ImageHash>) -> Self {
        Self::FakeTdx(FakeTdxPolicy { allowed_image_hashes })
    }

    /// Accepts TDX evidence of a vendor by these rules.
    pub fn tdx(anchors: TrustAnchors, collateral: Arc<dyn CollateralSource>, rules: AppraisalRules) -> Self {
        Self::Tdx(Box::new(TdxPolicy {
            anchors,
            collateral,
            rules,
        }))
    }

    /// Accepts SEV-SNP evidence of a vendor by these rules.
    pub fn snp(anchors: SnpAnchors, revocation_lists: Arc<dyn RevocationListSource>, rules: SnpPolicy) -> Self {
        Self::Snp(Box::new(SnpPeerPolicy {
            anchors,
            revocation_lists,
            rules,
        }))
    }

    /// Distinguishes policies in caches. Collateral is not in it: it changes, and caches compare it by its own id.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        match self {
            Self::Any => fingerprint(&[b"any"]),
            Self::FakeTdx(policy) => fingerprint(&[b"fake", format!("{:?}", policy.allowed_image_hashes).as_bytes()]),
            Self::Tdx(policy) => fingerprint(&[b"tdx", &policy.anchors.fingerprint(), &policy.rules.fingerprint()]),
            Self::Snp(policy) => {
                let rules = format!("{:?}", policy.rules);
                fingerprint(&[b"snp", &policy.anchors.fingerprint(), rules.as_bytes()])
            }
        }
    }
}

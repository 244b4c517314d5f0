//! Roots of AMD's and NVIDIA's chains, the vendors' or simulated ones, never both in one store.
//!
//! Vendors' roots are pinned by the hash of their key; Intel's is in [`crate::policy`]. A store has one kind for all
//! vendors: a verifier that accepted a simulated GPU beside a genuine CPU would accept a simulated GPU.

pub use crate::policy::{AnchorError, AnchorKind, SimulationOnly, TrustAnchors};

use crate::{
    chain::StrictCertificate,
    hash::{fingerprint, sha256},
    planted::{Bug, planted},
    policy::{INTEL_SGX_ROOT_KEY_SHA256, SimulationRoot},
    snp::Product,
};
use std::collections::BTreeMap;
use x509_cert::{
    Certificate,
    der::{Decode as _, asn1::ObjectIdentifier},
};

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// Uncompressed points.
const P256_POINT_LEN_BYTES: usize = 65;
const P384_POINT_LEN_BYTES: usize = 97;

/// SHA-256 of the keys (`RSAPublicKey` in DER) of ARK-Milan, ARK-Genoa and ARK-Turin as AMD publishes them.
pub const AMD_ROOT_KEYS_SHA256: [(Product, [u8; 32]); 3] = [
    (
        Product::Milan,
        [
            0x20, 0xdc, 0x23, 0x48, 0x3b, 0xdd, 0xbb, 0x99, 0x47, 0x90, 0x90, 0x70, 0xd4, 0x9d, 0xfb, 0x5a, 0x7f, 0xf4,
            0xea, 0x41, 0x48, 0x1e, 0x38, 0xcd, 0xeb, 0x89, 0x70, 0xd9, 0x0a, 0x26, 0xfe, 0xea,
        ],
    ),
    (
        Product::Genoa,
        [
            0x05, 0x2e, 0x03, 0x77, 0x92, 0x23, 0x44, 0xbb, 0xdd, 0xef, 0xdd, 0x8c, 0xec, 0x21, 0x94, 0x70, 0x94, 0xd6,
            0x58, 0x43, 0x6c, 0x0d, 0xef, 0xe1, 0x35, 0x58, 0x64, 0xca, 0x02, 0x4f, 0xcc, 0x2b,
        ],
    ),
    (
        Product::Turin,
        [
            0xc4, 0xa6, 0xc5, 0x98, 0x0e, 0x27, 0xb9, 0x74, 0x70, 0xc9, 0x48, 0xbe, 0xb8, 0x81, 0x04, 0x61, 0x15, 0x08,
            0x51, 0x82, 0x68, 0x91, 0xed, 0x5f, 0x04, 0xb7, 0x40, 0x1e, 0xdb, 0xa3, 0x4c, 0x6c,
        ],
    ),
];

/// SHA-256 of the key (97 bytes, uncompressed point) of "NVIDIA Device Identity CA".
pub const NVIDIA_DEVICE_ROOT_KEY_SHA256: [u8; 32] = [
    0x6f, 0x02, 0x64, 0xe4, 0xbc, 0xe9, 0x2d, 0x49, 0xcd, 0x76, 0xd1, 0x7f, 0x79, 0xe2, 0x71, 0x9e, 0xa1, 0x97, 0x2a,
    0xf8, 0x59, 0xfb, 0xae, 0x04, 0xeb, 0x25, 0x16, 0xb8, 0x31, 0x7a, 0x8e, 0x9e,
];

/// SHA-256 of the key of "NVIDIA CoRIM signing Root CA", which the signers of manifests chain to.
pub const NVIDIA_MANIFEST_ROOT_KEY_SHA256: [u8; 32] = [
    0x03, 0x77, 0xd4, 0x78, 0xd8, 0xe7, 0x56, 0x53, 0x2d, 0x73, 0x18, 0xa1, 0x5d, 0x5b, 0xc5, 0x85, 0x53, 0x3a, 0x3e,
    0x72, 0x53, 0x3c, 0x6e, 0x5f, 0x4a, 0x09, 0xdf, 0x9f, 0xaf, 0x4a, 0x14, 0x08,
];

/// Whether a key, as its algorithm encodes it, is one of a vendor's roots.
pub(crate) fn is_vendor_key(key: &[u8]) -> bool {
    let hash = sha256(&[key]);
    AMD_ROOT_KEYS_SHA256.iter().any(|(_, root)| *root == hash)
        || [
            INTEL_SGX_ROOT_KEY_SHA256,
            NVIDIA_DEVICE_ROOT_KEY_SHA256,
            NVIDIA_MANIFEST_ROOT_KEY_SHA256,
        ]
        .contains(&hash)
}

/// Roots of SNP's chains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnpAnchors {
    /// AMD's, by [`AMD_ROOT_KEYS_SHA256`].
    Vendor,
    /// Simulated ones, one for each family.
    Simulation(BTreeMap<Product, SimulationRoot>),
}

impl SnpAnchors {
    pub(crate) fn kind(&self) -> AnchorKind {
        match self {
            Self::Vendor => AnchorKind::Vendor,
            Self::Simulation(_) => AnchorKind::Simulation,
        }
    }

    /// Tells roots apart in memos.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        match self {
            Self::Vendor => fingerprint(&[b"vendor"]),
            Self::Simulation(roots) => {
                let mut parts: Vec<&[u8]> = vec![b"simulation"];
                parts.extend(
                    roots
                        .iter()
                        .flat_map(|(product, root)| [product.name().as_bytes(), root.der()]),
                );
                fingerprint(&parts)
            }
        }
    }

    /// The family of processors whose root this is.
    pub(crate) fn product_of(&self, root: &StrictCertificate) -> Option<Product> {
        match self {
            Self::Vendor => {
                let key = root.public_key_sha256();
                AMD_ROOT_KEYS_SHA256
                    .iter()
                    .find_map(|(product, pinned)| (*pinned == key).then_some(*product))
            }
            Self::Simulation(roots) => roots
                .iter()
                .find_map(|(product, pinned)| pinned.is(root.der()).then_some(*product)),
        }
    }
}

/// Roots of GPUs' chains and of the signers of their manifests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GpuAnchors {
    /// NVIDIA's, by their keys.
    Vendor,
    /// Simulated ones.
    Simulation {
        /// Of devices.
        device: SimulationRoot,
        /// Of signers of manifests.
        manifest: SimulationRoot,
    },
    /// None: all evidence of GPUs is refused.
    NoneTrusted(AnchorKind),
}

impl GpuAnchors {
    pub(crate) fn kind(&self) -> AnchorKind {
        match self {
            Self::Vendor => AnchorKind::Vendor,
            Self::Simulation { .. } => AnchorKind::Simulation,
            Self::NoneTrusted(kind) => *kind,
        }
    }

    /// Tells roots apart in memos.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        match self {
            Self::Vendor => fingerprint(&[b"vendor"]),
            Self::Simulation { device, manifest } => fingerprint(&[b"simulation", device.der(), manifest.der()]),
            Self::NoneTrusted(_) => fingerprint(&[b"none"]),
        }
    }

    pub(crate) fn is_device_root(&self, root: &StrictCertificate) -> bool {
        match self {
            Self::Vendor => root.public_key_sha256() == NVIDIA_DEVICE_ROOT_KEY_SHA256,
            Self::Simulation { device, .. } if planted(Bug::GpuRootByName) => device.subject_is(&root.subject()),
            Self::Simulation { device, .. } => device.is(root.der()),
            Self::NoneTrusted(_) => false,
        }
    }

    pub(crate) fn is_manifest_root(&self, root: &StrictCertificate) -> bool {
        match self {
            Self::Vendor => root.public_key_sha256() == NVIDIA_MANIFEST_ROOT_KEY_SHA256,
            Self::Simulation { manifest, .. } => manifest.is(root.der()),
            Self::NoneTrusted(_) => false,
        }
    }
}

/// Roots for every kind of evidence, all of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustStore {
    kind: AnchorKind,
    tdx: Option<TrustAnchors>,
    snp: SnpAnchors,
    gpu: GpuAnchors,
}

impl TrustStore {
    /// The vendors' roots.
    pub fn vendor() -> Self {
        Self {
            kind: AnchorKind::Vendor,
            tdx: Some(TrustAnchors::Vendor),
            snp: SnpAnchors::Vendor,
            gpu: GpuAnchors::Vendor,
        }
    }

    /// A store for simulated roots, with none in it.
    pub fn simulation(_: SimulationOnly) -> Self {
        Self {
            kind: AnchorKind::Simulation,
            tdx: None,
            snp: SnpAnchors::Simulation(BTreeMap::new()),
            gpu: GpuAnchors::NoneTrusted(AnchorKind::Simulation),
        }
    }

    /// Trusts a simulated root for TDX.
    ///
    /// # Errors
    /// This store is the vendors', or the root is a vendor's or no certificate.
    pub fn with_tdx(mut self, root_der: &[u8]) -> Result<Self, AnchorError> {
        let marker = self.marker()?;
        self.tdx = Some(TrustAnchors::simulation(marker, root_der)?);
        Ok(self)
    }

    /// Trusts a simulated root for SNP machines of one family.
    ///
    /// # Errors
    /// This store is the vendors', or the root is a vendor's or no certificate.
    pub fn with_snp(mut self, product: Product, root_der: &[u8]) -> Result<Self, AnchorError> {
        let root = SimulationRoot::new(self.marker()?, root_der)?;
        if let SnpAnchors::Simulation(roots) = &mut self.snp {
            roots.insert(product, root);
        }
        Ok(self)
    }

    /// Trusts simulated roots for GPUs and their manifests.
    ///
    /// # Errors
    /// This store is the vendors', or a root is a vendor's or no certificate.
    pub fn with_gpu(mut self, device_root_der: &[u8], manifest_root_der: &[u8]) -> Result<Self, AnchorError> {
        let marker = self.marker()?;
        self.gpu = GpuAnchors::Simulation {
            device: SimulationRoot::new(marker, device_root_der)?,
            manifest: SimulationRoot::new(marker, manifest_root_der)?,
        };
        Ok(self)
    }

    /// Trusts simulated roots of any kinds, told apart by key and name.
    ///
    /// # Errors
    /// A root is a vendor's, no certificate, or of no known kind; a GPU's device root comes without that of its manifests.
    pub fn of_simulated_roots(marker: SimulationOnly, roots_der: &[Vec<u8>]) -> Result<Self, AnchorError> {
        let mut store = Self::simulation(marker);
        let (mut device, mut manifest) = (None, None);
        for der in roots_der {
            // Before it is told what it is a root of: a vendor's root is refused as that.
            SimulationRoot::new(marker, der)?;
            let root = Certificate::from_der(der)
                .map_err(|_| AnchorError::Malformed)?
                .tbs_certificate;
            let key = &root.subject_public_key_info;
            let name = root.subject.to_string();
            let product = || Product::ALL.into_iter().find(|product| name.contains(product.name()));
            match (key.algorithm.oid, key.subject_public_key.raw_bytes().len()) {
                (EC_PUBLIC_KEY, P256_POINT_LEN_BYTES) => store = store.with_tdx(der)?,
                (EC_PUBLIC_KEY, P384_POINT_LEN_BYTES) if name.contains("manifest") => manifest = Some(der),
                (EC_PUBLIC_KEY, P384_POINT_LEN_BYTES) => device = Some(der),
                (RSA_ENCRYPTION, _) => store = store.with_snp(product().ok_or(AnchorError::UnknownKind)?, der)?,
                _ => return Err(AnchorError::UnknownKind),
            }
        }
        match (device, manifest) {
            (None, None) => Ok(store),
            (Some(device), Some(manifest)) => store.with_gpu(device, manifest),
            _ => Err(AnchorError::HalfOfGpu),
        }
    }

    fn marker(&self) -> Result<SimulationOnly, AnchorError> {
        match self.kind {
            AnchorKind::Vendor => Err(AnchorError::Mixed),
            // Whoever made this store had one.
            AnchorKind::Simulation => Ok(SimulationOnly::accept_no_security()),
        }
    }

    /// Whose roots these are.
    pub fn kind(&self) -> AnchorKind {
        self.kind
    }

    /// Roots of TDX, if there are any.
    pub fn tdx(&self) -> Option<&TrustAnchors> {
        self.tdx.as_ref()
    }

    /// Roots of SNP.
    pub fn snp(&self) -> &SnpAnchors {
        &self.snp
    }

    /// Roots of GPUs.
    pub fn gpu(&self) -> &GpuAnchors {
        &self.gpu
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        mutate::{Lab, lab::Subject},
        sim_pki::{SimGpuPki, SimPki, SimSnpPki},
    };

    const MARKER: SimulationOnly = SimulationOnly::accept_no_security();
    const START: u64 = crate::mutate::lab::VENDOR_START_UNIX_S;

    #[test]
    fn roots_are_told_apart_by_key_and_name() {
        let (tdx, gpu) = (SimPki::new(7, START), SimGpuPki::new(7, START));
        let snp = Product::ALL.map(|product| SimSnpPki::new(7, product, START).root_der().to_vec());
        let mut all = vec![gpu.manifest_root_der().to_vec(), tdx.root_der().to_vec()];
        all.extend(snp);
        assert_eq!(
            TrustStore::of_simulated_roots(MARKER, &all[..1]),
            Err(AnchorError::HalfOfGpu)
        );
        all.push(gpu.device_root_der().to_vec());
        let store = TrustStore::of_simulated_roots(MARKER, &all).unwrap();
        assert_eq!(store.kind(), AnchorKind::Simulation);
        for subject in Subject::ALL {
            let mut case = Lab::new(subject, 7).genuine();
            case.trust = store.clone();
            assert!(case.appraise().is_accepted(), "{subject:?}");
            // Roots of another seed and of another kind accept nothing.
            case.trust = TrustStore::of_simulated_roots(MARKER, &[SimPki::new(8, START).root_der().to_vec()]).unwrap();
            assert!(!case.appraise().is_accepted(), "{subject:?}");
        }
    }

    #[test]
    fn what_is_no_root_is_refused() {
        let intermediate = &Lab::new(Subject::Snp(Product::Genoa), 7).genuine().certificates;
        // The chip's key is of P-384 and would count as that of a GPU's root; alone it is half of one.
        for (roots, error) in [
            (vec![b"root".to_vec()], AnchorError::Malformed),
            (vec![intermediate[0].clone()], AnchorError::HalfOfGpu),
        ] {
            assert_eq!(TrustStore::of_simulated_roots(MARKER, &roots), Err(error));
        }
        assert!(TrustStore::of_simulated_roots(MARKER, &[]).unwrap().tdx().is_none());
    }
}

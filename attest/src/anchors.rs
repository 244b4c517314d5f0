//! Roots of AMD's and NVIDIA's chains, the vendors' or simulated ones, never both in one store.
//!
//! Vendors' roots are pinned by the hash of their key; Intel's is in [`crate::policy`]. A store has one kind for all
//! vendors: a verifier that accepted a simulated GPU beside a genuine CPU would accept a simulated GPU.

pub use crate::policy::{AnchorError, AnchorKind, SimulationOnly, TrustAnchors};

use crate::{
    chain::StrictCertificate,
    hash::sha256,
    planted::{Bug, planted},
    policy::{INTEL_SGX_ROOT_KEY_SHA256, SimulationRoot},
    snp::Product,
};
use std::collections::BTreeMap;

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

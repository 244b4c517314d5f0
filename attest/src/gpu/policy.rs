//! What is demanded of a GPU beyond a genuine signature.

use crate::policy::AllowList;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Generations of GPUs that attest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    /// GH100: H100, H200, GH200.
    Hopper,
    /// GB100, GB102, GB202 and their kin.
    Blackwell,
}

impl Architecture {
    /// The generation of a chip by its name in certificates, such as "GH100".
    pub fn of_chip(chip: &str) -> Option<Self> {
        match chip.get(..2)? {
            "GH" => Some(Self::Hopper),
            "GB" => Some(Self::Blackwell),
            _ => None,
        }
    }
}

/// Modes of confidential computing, as the feature flag numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CcMode {
    /// Multiple GPUs, passed through, with links between them encrypted.
    Mpt,
    /// One GPU, passed through.
    Spt,
    /// Several GPUs with protected PCIe: links between them are not encrypted.
    Ppcie,
}

impl CcMode {
    pub(crate) fn of_feature_flag(flag: &[u8]) -> Option<Self> {
        match flag {
            [0, 0] => Some(Self::Mpt),
            [1, 0] => Some(Self::Spt),
            [2, 0] => Some(Self::Ppcie),
            _ => None,
        }
    }

    /// The flag as reports carry it.
    pub fn feature_flag(self) -> [u8; 2] {
        match self {
            Self::Mpt => [0, 0],
            Self::Spt => [1, 0],
            Self::Ppcie => [2, 0],
        }
    }
}

/// Rules for GPUs. The default is the strictest that leaves versions and devices open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct GpuPolicy {
    /// Generations that pass.
    pub allowed_architectures: BTreeSet<Architecture>,
    /// Modes that pass.
    pub allowed_modes: BTreeSet<CcMode>,
    /// Drivers that state no mode (before about 580) pass.
    pub allow_unstated_mode: bool,
    /// Drivers that state no firmware (before about 550) pass.
    pub allow_unstated_firmware: bool,
    /// Driver and VBIOS must each have a valid manifest of their version, and every measurement that one of them
    /// lists as active must be one of its values.
    pub require_manifests: bool,
    /// How long after its nonce evidence may come; without a nonce it is refused if this is set.
    pub max_challenge_age_s: Option<u64>,
    /// Allowed driver versions.
    pub allowed_drivers: AllowList<String>,
    /// Allowed VBIOS versions, in lower case.
    pub allowed_vbioses: AllowList<String>,
    /// Allowed devices: SHA-256 of the public key of the device's own certificate (the second of the chain).
    pub allowed_devices: AllowList<[u8; 32]>,
}

impl Default for GpuPolicy {
    fn default() -> Self {
        Self {
            allowed_architectures: BTreeSet::from([Architecture::Hopper, Architecture::Blackwell]),
            allowed_modes: BTreeSet::from([CcMode::Spt, CcMode::Mpt]),
            allow_unstated_mode: false,
            allow_unstated_firmware: false,
            require_manifests: true,
            max_challenge_age_s: None,
            allowed_drivers: AllowList::NotChecked,
            allowed_vbioses: AllowList::NotChecked,
            allowed_devices: AllowList::NotChecked,
        }
    }
}

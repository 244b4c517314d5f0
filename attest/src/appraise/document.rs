//! The policy for all kinds of evidence, in code and in YAML.

use crate::{anchors::AnchorKind, gpu::GpuPolicy, policy::AppraisalRules, snp::SnpPolicy};
use serde::{Deserialize, Serialize};

/// What is accepted of each kind of evidence. A kind that has no rules is refused.
///
/// Unknown fields are errors, so that a misspelt rule cannot be a missing one; a field that is left out has the
/// default, which is the strict one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Policy {
    /// Kind of roots that the evidence must chain to. Production demands the vendors'.
    pub anchors: AnchorKind,
    /// Rules for TDs.
    pub tdx: Option<AppraisalRules>,
    /// Rules for SNP guests.
    pub snp: Option<SnpPolicy>,
    /// Rules for GPUs.
    pub gpu: Option<GpuPolicy>,
}

impl Default for Policy {
    /// Vendors' roots, and nothing accepted.
    fn default() -> Self {
        Self {
            anchors: AnchorKind::Vendor,
            tdx: None,
            snp: None,
            gpu: None,
        }
    }
}

/// A policy that contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It accepts no kind of evidence.
    #[error("the policy accepts no kind of evidence: give rules for tdx, snp or gpu")]
    AcceptsNothing,
    /// A list or set that nothing can pass.
    #[error("{field} is empty, so that nothing passes")]
    Empty {
        /// Which.
        field: &'static str,
    },
}

impl Policy {
    /// Every kind with its default rules.
    pub fn strict(anchors: AnchorKind) -> Self {
        Self {
            anchors,
            tdx: Some(AppraisalRules::default()),
            snp: Some(SnpPolicy::default()),
            gpu: Some(GpuPolicy::default()),
        }
    }

    /// Finds rules that refuse everything, for people who write policies: appraisal refuses in any case.
    ///
    /// # Errors
    /// The first one.
    pub fn lint(&self) -> Result<(), PolicyError> {
        if self.tdx.is_none() && self.snp.is_none() && self.gpu.is_none() {
            return Err(PolicyError::AcceptsNothing);
        }
        let empty = |is_empty, field| {
            if is_empty {
                Err(PolicyError::Empty { field })
            } else {
                Ok(())
            }
        };
        if let Some(tdx) = &self.tdx {
            empty(tdx.accepted_tcb.is_empty(), "tdx.accepted-tcb")?;
            for (nothing_passes, field) in [
                (tdx.allowed_mr_td.is_empty(), "tdx.allowed-mr-td"),
                (tdx.allowed_rtmr.is_empty(), "tdx.allowed-rtmr"),
                (tdx.allowed_image_hashes.is_empty(), "tdx.allowed-image-hashes"),
                (tdx.allowed_mr_seam.is_empty(), "tdx.allowed-mr-seam"),
                (tdx.allowed_ppids.is_empty(), "tdx.allowed-ppids"),
            ] {
                empty(nothing_passes, field)?;
            }
        }
        if let Some(snp) = &self.snp {
            for (nothing_passes, field) in [
                (snp.allowed_products.is_empty(), "snp.allowed-products"),
                (snp.allowed_signing_keys.is_empty(), "snp.allowed-signing-keys"),
                (snp.allowed_vmpl.is_empty(), "snp.allowed-vmpl"),
                (snp.allowed_measurements.is_empty(), "snp.allowed-measurements"),
                (snp.allowed_host_data.is_empty(), "snp.allowed-host-data"),
                (snp.allowed_id_keys.is_empty(), "snp.allowed-id-keys"),
                (snp.allowed_author_keys.is_empty(), "snp.allowed-author-keys"),
                (snp.allowed_chips.is_empty(), "snp.allowed-chips"),
            ] {
                empty(nothing_passes, field)?;
            }
        }
        if let Some(gpu) = &self.gpu {
            for (nothing_passes, field) in [
                (gpu.allowed_architectures.is_empty(), "gpu.allowed-architectures"),
                (
                    gpu.allowed_modes.is_empty() && !gpu.allow_unstated_mode,
                    "gpu.allowed-modes",
                ),
                (gpu.allowed_drivers.is_empty(), "gpu.allowed-drivers"),
                (gpu.allowed_vbioses.is_empty(), "gpu.allowed-vbioses"),
                (gpu.allowed_devices.is_empty(), "gpu.allowed-devices"),
            ] {
                empty(nothing_passes, field)?;
            }
        }
        Ok(())
    }
}

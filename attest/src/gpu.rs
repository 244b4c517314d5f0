//! NVIDIA GPUs in confidential-computing mode: measurements over SPDM 1.1, the device's certificate chain, and the
//! manifests of reference values (RIM) that NVIDIA signs for drivers and VBIOSes.
//!
//! | module | holds |
//! |---|---|
//! | [`spdm`] | request and response of a measurement, the canonical form |
//! | [`policy`] | what is demanded of a GPU |
//! | [`rim`] | signed manifests of reference values |
//! | `xml` | the part of XML and its canonical form that manifests are written in |
//! | [`bundle`] | the JSON in which NVIDIA's tools keep evidence |
//! | [`attester`] | a guest with simulated GPUs |
//! | [`binding`] | how GPU evidence is tied to a CPU's evidence and to a session |
//! | [`mod@appraise`] | all of it together |

pub mod appraise;
pub mod attester;
pub mod binding;
pub mod bundle;
pub mod policy;
pub mod rim;
pub mod spdm;
mod xml;

#[cfg(test)]
mod tests;

pub use appraise::{GpuAppraised, GpuInput, GpuReason};
pub use attester::{GuestWithGpus, SimGpuSlot};
pub use policy::{Architecture, CcMode, GpuPolicy};
pub use rim::{ManifestMemo, Rim, RimFault};
pub use spdm::{GpuReport, SpdmFault};

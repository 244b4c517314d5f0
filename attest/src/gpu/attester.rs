//! A guest with simulated GPUs.

use super::bundle::GpuBundle;
use crate::{
    sim_pki::{GpuState, SimGpu},
    tdx::{AttestError, Attester},
};
use std::sync::Arc;

/// A GPU and what it says when it is asked.
#[derive(Clone)]
pub struct SimGpuSlot {
    /// The device.
    pub gpu: Arc<SimGpu>,
    /// What it says.
    pub state: GpuState,
}

/// A guest that has GPUs: its own evidence is that of another attester.
#[derive(Clone)]
pub struct GuestWithGpus {
    guest: Arc<dyn Attester>,
    gpus: Vec<SimGpuSlot>,
}

impl GuestWithGpus {
    /// `guest` with these GPUs.
    pub fn new(guest: Arc<dyn Attester>, gpus: Vec<SimGpuSlot>) -> Self {
        Self { guest, gpus }
    }
}

impl Attester for GuestWithGpus {
    fn quote(&self, report_data: &[u8; 64]) -> Result<Vec<u8>, AttestError> {
        self.guest.quote(report_data)
    }

    fn event_log(&self) -> Vec<u8> {
        self.guest.event_log()
    }

    fn gpus(&self, nonce: &[u8; 32]) -> Result<Vec<GpuBundle>, AttestError> {
        let shown = self.gpus.iter().map(|slot| GpuBundle {
            measurements: slot.gpu.evidence(&slot.state, nonce),
            certificates: slot.gpu.certificates().to_vec(),
        });
        Ok(shown.collect())
    }
}

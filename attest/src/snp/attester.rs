//! A guest of the simulated AMD.

use super::{endorsement::SigningKey, extended::ExtendedReport};
use crate::{
    sim_pki::{SimSnpMachine, SnpGuest},
    tdx::{AttestError, Attester},
};
use std::sync::Arc;

/// A guest on a simulated machine: reports in the real format with their certificates, reproducible byte for byte.
#[derive(Clone)]
pub struct SimSnpAttester {
    machine: Arc<SimSnpMachine>,
    guest: SnpGuest,
}

impl SimSnpAttester {
    /// `guest` on `machine`.
    pub fn new(machine: Arc<SimSnpMachine>, guest: SnpGuest) -> Self {
        Self { machine, guest }
    }
}

impl Attester for SimSnpAttester {
    fn quote(&self, report_data: &[u8; 64]) -> Result<Vec<u8>, AttestError> {
        let signing_key: SigningKey = self.machine.signing_key();
        let extended = ExtendedReport {
            report: self.machine.report(&self.guest, report_data)?,
            certificates: self.machine.certificates().to_vec(),
        };
        Ok(extended.encode(signing_key))
    }
}

//! `/dev/sev-guest`, for kernels before configfs-tsm, by the `sev` crate (whose verifier is not used, see [`crate::snp`]).

use crate::{
    snp::ExtendedReport,
    tdx::{AttestError, Attester},
};
use sev::firmware::{guest::Firmware, host::CertTableEntry};
use std::sync::{Mutex, PoisonError};

/// The device of an SNP guest.
pub struct SevGuestAttester {
    device: Mutex<Firmware>,
    vmpl: u32,
}

impl SevGuestAttester {
    /// Opens the device, for reports at this privilege level.
    ///
    /// # Errors
    /// There is no such device, or it may not be opened.
    pub fn open(vmpl: u32) -> Result<Self, AttestError> {
        let device = Firmware::open().map_err(|error| AttestError::Platform(format!("/dev/sev-guest: {error}")))?;
        Ok(Self {
            device: Mutex::new(device),
            vmpl,
        })
    }
}

impl Attester for SevGuestAttester {
    fn quote(&self, report_data: &[u8; 64]) -> Result<Vec<u8>, AttestError> {
        let mut device = self.device.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |error: &dyn std::fmt::Display| AttestError::Platform(format!("/dev/sev-guest: {error}"));
        let (report, certificates) = device
            .get_ext_report(None, Some(*report_data), Some(self.vmpl))
            .map_err(|error| failed(&error))?;
        let table = CertTableEntry::cert_table_to_vec_bytes(&certificates.unwrap_or_default())
            .map_err(|error| failed(&error))?;
        ExtendedReport::of_host(report, &table).map_err(|fault| failed(&format!("certificates of the host: {fault}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_of_the_test_says_that_it_has_none_or_gives_a_report() {
        match SevGuestAttester::open(0) {
            Ok(attester) => assert!(crate::inspect::readable(&attester.quote(&[7; 64]).unwrap()).is_ok()),
            Err(error) => assert!(error.to_string().contains("/dev/sev-guest"), "{error}"),
        }
    }
}

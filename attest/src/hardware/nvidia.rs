//! Evidence of GPUs by NVIDIA's management library (NVML), which is loaded at run time: nothing of it is needed to build.

use crate::{gpu::bundle, tdx::AttestError};
use nvml_wrapper::{Nvml, error::NvmlError};

/// Most certificates of a GPU in PEM, as the library gives them.
const MAX_CHAIN_LEN_BYTES: usize = 16 * 1024;

/// Evidence of one GPU.
pub use bundle::GpuBundle;

/// The GPUs of this machine.
pub struct NvidiaAttester {
    library: Nvml,
}

impl NvidiaAttester {
    /// Loads the library.
    ///
    /// # Errors
    /// There is no driver.
    pub fn open() -> Result<Self, AttestError> {
        let library = Nvml::init().map_err(|error| failed("NVIDIA's library", &error))?;
        Ok(Self { library })
    }

    /// How many GPUs there are.
    ///
    /// # Errors
    /// In the library's words.
    pub fn gpus(&self) -> Result<u32, AttestError> {
        self.library.device_count().map_err(|error| failed("the GPUs", &error))
    }

    /// Measurements of a GPU over `nonce`, with the chain of its key.
    ///
    /// # Errors
    /// There is no such GPU, or its mode of confidential computing is off.
    pub fn evidence(&self, gpu: u32, nonce: &[u8; 32]) -> Result<GpuBundle, AttestError> {
        let name = format!("GPU {gpu}");
        let device = self
            .library
            .device_by_index(gpu)
            .map_err(|error| failed(&name, &error))?;
        let report = device
            .confidential_compute_gpu_attestation_report(*nonce)
            .map_err(|error| failed(&format!("{name}, report"), &error))?;
        let chain = device
            .confidential_compute_gpu_certificate()
            .map_err(|error| failed(&format!("{name}, certificates"), &error))?
            .attestation_cert_chain;
        let pem = chain.strip_suffix(&[0]).unwrap_or(&chain);
        let certificates = Some(pem)
            .filter(|pem| pem.len() <= MAX_CHAIN_LEN_BYTES)
            .and_then(bundle::certificates)
            .ok_or_else(|| AttestError::Platform(format!("{name}: its certificates are not in PEM")))?;
        Ok(GpuBundle {
            measurements: report.attestation_report,
            certificates,
        })
    }
}

fn failed(what: &str, error: &NvmlError) -> AttestError {
    AttestError::Platform(format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_of_the_test_says_that_it_has_none_or_gives_evidence() {
        let attester = match NvidiaAttester::open() {
            Ok(attester) => attester,
            Err(error) => return assert!(error.to_string().contains("NVIDIA's library"), "{error}"),
        };
        for gpu in 0..attester.gpus().unwrap() {
            match attester.evidence(gpu, &[7; 32]) {
                Ok(bundle) => assert!(crate::inspect::readable(&bundle.measurements).is_ok()),
                Err(error) => assert!(error.to_string().contains(&format!("GPU {gpu}, report")), "{error}"),
            }
        }
    }
}

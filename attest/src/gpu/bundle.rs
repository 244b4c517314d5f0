//! The JSON in which NVIDIA's tools keep evidence: a list of objects with evidence and certificates in Base64.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

/// Longest JSON that is read; a machine with 16 GPUs has about 200 kB.
pub const MAX_BUNDLE_LEN_BYTES: usize = 1024 * 1024;

/// Evidence of one GPU with its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuBundle {
    /// Request and response.
    pub measurements: Vec<u8>,
    /// Certificates in DER, from the leaf to the root.
    pub certificates: Vec<Vec<u8>>,
}

/// Why a bundle cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Longer than [`MAX_BUNDLE_LEN_BYTES`].
    #[error("{len_bytes} bytes of JSON")]
    TooLong {
        /// Its length.
        len_bytes: usize,
    },
    /// Not a list of objects with `evidence` and `certificate`.
    #[error("not a JSON list of GPU evidence: {0}")]
    Json(String),
    /// A field that is not Base64 of what it should be.
    #[error("GPU {gpu}: {field} is not Base64 of what it should be")]
    Field {
        /// Which GPU, counted from 0.
        gpu: usize,
        /// Which field.
        field: &'static str,
    },
}

/// Other fields (architecture, nonce) repeat what the evidence says, unsigned, and are not read.
#[derive(Deserialize)]
struct Entry {
    evidence: String,
    certificate: String,
}

/// Reads a bundle. Nothing is verified.
///
/// # Errors
/// Not of that form.
pub fn read(json: &[u8]) -> Result<Vec<GpuBundle>, BundleError> {
    if json.len() > MAX_BUNDLE_LEN_BYTES {
        return Err(BundleError::TooLong { len_bytes: json.len() });
    }
    let entries: Vec<Entry> = serde_json::from_slice(json).map_err(|error| BundleError::Json(error.to_string()))?;
    entries
        .iter()
        .enumerate()
        .map(|(gpu, entry)| {
            let field = |field| BundleError::Field { gpu, field };
            let measurements = STANDARD.decode(&entry.evidence).map_err(|_| field("evidence"))?;
            let pem = STANDARD.decode(&entry.certificate).map_err(|_| field("certificate"))?;
            Ok(GpuBundle {
                measurements,
                certificates: certificates(&pem).ok_or(field("certificate"))?,
            })
        })
        .collect()
}

/// Certificates of a PEM file, in its order.
pub fn certificates(pem: &[u8]) -> Option<Vec<Vec<u8>>> {
    let blocks = pem::parse_many(pem).ok().filter(|blocks| !blocks.is_empty())?;
    blocks
        .into_iter()
        .map(|block| (block.tag() == "CERTIFICATE").then(|| block.into_contents()))
        .collect()
}

//! Intel TDX: what a TD measures, what it reports, and who signs it.
//!
//! | module | holds |
//! |---|---|
//! | [`report`] | the fields of a TD report, measurements, the image hash |
//! | [`attester`] | the trait of everything that makes quotes, and its simulated makers |

pub mod attester;
pub mod report;

pub use attester::{AttestError, Attester, FAKE_QUOTE_LEN_BYTES, FakeTdxAttester, SimTdxAttester};
pub use report::{FAKE_IMAGE_HASH, ImageHash, Measurement, TdMeasurements, TdReport, TdxModule15, image_hash};

/// Version 4 quotes: 48 bytes of header, 584 of TD report.
pub(crate) const HEADER_LEN_BYTES: usize = 48;

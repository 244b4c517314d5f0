//! Intel TDX: what a TD measures, what it reports, and who signs it.
//!
//! | module | holds |
//! |---|---|
//! | [`event_log`] | what a TD measured while it ran, and its replay |
//! | [`report`] | the fields of a TD report, measurements, the image hash |
//! | [`mod@appraise`] | quote in, verdict or typed reason out: pure, no clock, never panics |
//! | [`attester`] | the trait of everything that makes quotes, and its simulated makers |

pub mod appraise;
pub mod attester;
pub mod event_log;
pub mod report;

pub use attester::{AttestError, Attester, FAKE_QUOTE_LEN_BYTES, FakeTdxAttester, QuoteForm, SimTdxAttester};
pub use report::{FAKE_IMAGE_HASH, ImageHash, Measurement, TdMeasurements, TdReport, TdxModule15, image_hash};

/// Version 4 quotes: 48 bytes of header, 584 of TD report.
pub(crate) const HEADER_LEN_BYTES: usize = 48;

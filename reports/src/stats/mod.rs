//! Statistics on integers: exact percentiles, honest intervals, histograms.
//!
//! Values are integers (nanoseconds, bytes, nanoTON) and results are order statistics, so they are exact. Probabilities
//! use `f64` with the four basic operations only, which IEEE 754 defines exactly: no result depends on a mathematics
//! library.

mod binomial;
mod histogram;
mod proportion;
mod sample;

pub(crate) use histogram::round_up;
pub use histogram::{Bin, Histogram};
pub use proportion::Proportion;
pub use sample::{Confidence, Estimate, Quantile, Sample};

//! The protocol seen from outside: byte vectors of the reference, the scheme as a whole, streams in any pieces, and
//! input that nobody sane would send.
//!
//! | module | holds |
//! |---|---|
//! | `vectors` | bytes computed from the reference's description |
//! | `scheme` | constructor ids against their declarations, the checked-in scheme, and the table of the description |
//! | `frames` | frames in any pieces |
//! | `answers` | bodies in any pieces |
//! | `decoders` | every decoder on the seed corpus, its mutations, and noise |
//! | `samples` | one of every message, query and answer |
//! | `seeds` | the seed corpus of the fuzz targets |
//! | `checks` | what every decoder must hold on any input; shared with the fuzz targets |
//!
//! `UPDATE_GOLDEN=1` writes `scheme.tl` and `fuzz/corpus` anew.

#[cfg(test)]
mod answers;
#[cfg(test)]
#[path = "../../fuzz/src/checks.rs"]
pub mod checks;
#[cfg(test)]
mod decoders;
#[cfg(test)]
mod frames;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod scheme;
#[cfg(test)]
mod seeds;
#[cfg(test)]
mod vectors;

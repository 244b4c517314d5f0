//! From paths to verdicts: which scenarios and seeds, on how many threads, and what is left behind.
//!
//! | module | holds |
//! |---|---|
//! | [`select`] | paths and filters to checked scenarios |
//! | [`contracts`] | a folder with contract codes |
//! | [`campaign`] | scenarios × seeds on threads; interruption; resuming |
//! | [`record`] | what a run folder says about its run |
//! | [`progress`] | a bar or plain lines while it goes on |
//! | [`summary`] | verdicts for people and machines, replay commands |
//! | [`junit`] | the same for CI |
//! | [`elapsed`] | real time: for people only |

pub mod campaign;
pub mod contracts;
pub mod elapsed;
pub mod junit;
pub mod progress;
pub mod record;
pub mod select;
pub mod summary;

//! Keys that outlive a restart, and state that is kept where the host can reach it (spec §3.9, hardened).
//!
//! A machine has a secret that its hardware shows to no two different guests alike: an SGX sealing key, a derived key of
//! an SNP guest. From it come keys that depend on what the guest *is*, so that another image, or the same one in debug
//! mode, gets other keys. State that is sealed with them can be neither read nor changed by the host, but it can be put
//! back: each record has a number, and whoever opens one must say which is the newest that it knows of.
//!
//! | module | holds |
//! |---|---|
//! | [`mod@derive`] | what keys depend on; the reference's derivation beside it |
//! | [`record`] | sealed records and their numbers |

pub mod derive;
pub mod record;

#[cfg(test)]
mod tests;

pub use derive::{KeyRole, MachineSecret, NoKey, PersistentKey, SealingIdentity, SimMachineSecret};
pub use record::{Newest, Opened, SealError, open, seal};

//! The key manager: keeps keys of proxies and workers, and gives each kind of node its own (spec §4.8).
//!
//! Keys are drawn by its clock, one epoch after the other, kept in a sealed file, and given out over attested sessions. It
//! knows no way to tell by itself that its file was put back to an older state: those who ask it for keys bring the number
//! of the newest state that it has told them, sealed by itself, and it stops when it is behind that.
//!
//! | module | holds |
//! |---|---|
//! | [`policy`] | how long keys live; deviations from the reference |
//! | [`ring`] | which keys there are, and who may have which: pure |
//! | `encoding` | keys as bytes |
//! | `service` | the ports, the file, what is reported |
//! | [`asking`] | the other end: how proxies and workers get their keys |

pub mod asking;
mod encoding;
pub mod policy;
pub mod ring;
mod service;

#[cfg(test)]
mod tests;

use crate::{
    orders::Orders,
    sealed_file::{SealedError, Sealing},
    shutdown::Shutdown,
    trust::Trust,
};
use chrysalis_env::{Env, Listener};
use chrysalis_settlement::RootSource;
pub use encoding::EncodingError;
use policy::KeyPolicy;
use ring::KeyHolder;
use std::sync::Arc;

/// An order of the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOrder {
    /// The newest key of a kind of node is known to somebody who should not know it: forget it, and begin an epoch.
    Revoke(KeyHolder),
}

/// Orders on their way to a key manager.
pub type KeyManagerControl = Orders<KeyOrder>;

/// Everything a key manager needs.
pub struct KeyManagerSettings {
    /// The root contract.
    pub root: Arc<dyn RootSource>,
    /// Own identity, and what proxies and workers must show.
    pub trust: Trust,
    /// What the file of keys is sealed with.
    pub sealing: Sealing,
    /// How keys are kept and given out.
    pub policy: KeyPolicy,
    /// Connections on each port, hand-shakes included.
    pub max_connections: usize,
    /// Where the operator's orders come from.
    pub control: Arc<KeyManagerControl>,
}

/// Why a key manager cannot run, or not any more.
#[derive(Debug, thiserror::Error)]
pub enum KeyManagerError {
    /// The keys cannot be read or written.
    #[error("{0}")]
    Sealed(#[from] SealedError),
    /// The file opens and holds something else.
    #[error("the sealed keys cannot be read: {0}")]
    Encoding(#[from] EncodingError),
    /// The state on the disk is not the newest.
    #[error(
        "the keys found here were state {own} of this key manager, and a node was told of state {witnessed}: the disk is an \
         older copy"
    )]
    RolledBack {
        /// Number of the state here.
        own: u64,
        /// The newest that was told.
        witnessed: u64,
    },
}

/// The open ports of a key manager: each kind of node has its own.
#[derive(Debug, Clone, Copy)]
pub struct KeyPorts<P> {
    /// For proxies.
    pub proxies: P,
    /// For workers.
    pub workers: P,
}

impl<P> KeyPorts<P> {
    /// The port of a kind of node.
    pub fn of(&self, holder: KeyHolder) -> &P {
        match holder {
            KeyHolder::Proxies => &self.proxies,
            KeyHolder::Workers => &self.workers,
        }
    }
}

/// Runs a key manager until it is asked to stop.
///
/// # Errors
/// The keys cannot be read or written, or are an older copy.
pub async fn serve_key_manager(
    env: Env,
    settings: KeyManagerSettings,
    ports: KeyPorts<Listener>,
    shutdown: Shutdown,
) -> Result<(), KeyManagerError> {
    service::serve(env, settings, ports, shutdown).await
}

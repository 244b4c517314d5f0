//! What a key manager and its nodes report, as rows.

use super::{hex, image_hash};
use chrysalis_env::Observation;

/// Something that happened to a key of a key manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyChanged {
    /// True time since the start.
    pub at_ns: u64,
    /// The key manager.
    pub node: String,
    /// `proxies` or `workers`.
    pub holder: String,
    /// Its epoch, for that kind of node.
    pub epoch: u64,
    /// What names it, hexadecimal.
    pub public_key: String,
    /// `made`, `ended` or `revoked`.
    pub change: String,
}

impl KeyChanged {
    pub(super) fn read(node: String, at_ns: u64, observation: &Observation<'_>) -> Self {
        Self {
            at_ns,
            node,
            holder: text(observation, "holder"),
            epoch: observation.u64("epoch").unwrap_or(0),
            public_key: public_key(observation),
            change: text(observation, "change"),
        }
    }
}

/// A key that was given to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyReleased {
    /// True time since the start.
    pub at_ns: u64,
    /// The key manager.
    pub node: String,
    /// Whose key: `proxies` or `workers`.
    pub holder: String,
    /// Its epoch, for that kind of node.
    pub epoch: u64,
    /// What names it, hexadecimal.
    pub public_key: String,
    /// What the node said to be: `proxy` or `worker`.
    pub peer_kind: String,
    /// Image hash of its evidence.
    pub image_hash: [u8; 32],
}

impl KeyReleased {
    pub(super) fn read(node: String, at_ns: u64, observation: &Observation<'_>) -> Self {
        Self {
            at_ns,
            node,
            holder: text(observation, "holder"),
            epoch: observation.u64("epoch").unwrap_or(0),
            public_key: public_key(observation),
            peer_kind: text(observation, "peer_kind"),
            image_hash: image_hash(observation),
        }
    }
}

/// A node that has other keys than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysHeld {
    /// True time since the start.
    pub at_ns: u64,
    /// The node.
    pub node: String,
    /// How many.
    pub count: u64,
    /// What names the newest, hexadecimal.
    pub public_key: String,
}

impl KeysHeld {
    pub(super) fn read(node: String, at_ns: u64, observation: &Observation<'_>) -> Self {
        Self {
            at_ns,
            node,
            count: observation.u64("count").unwrap_or(0),
            public_key: public_key(observation),
        }
    }
}

fn text(observation: &Observation<'_>, name: &str) -> String {
    observation.text(name).unwrap_or_default().to_owned()
}

fn public_key(observation: &Observation<'_>) -> String {
    hex(observation.bytes("public_key").unwrap_or_default())
}

//! The key manager of a world, as it is written.

use chrysalis_world::plan::{AskerImage, KeysOf};
use schemars::JsonSchema;
use serde::Deserialize;

use super::super::located::{At, Key, Text};
use super::super::scalar::{Choice, Distribution, Duration, Name};
use super::ClockFile;

/// A key manager: each proxy and worker gets the keys of its kind, after its evidence was appraised.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KeyManagerFile {
    /// Name. Default: key-manager-1.
    pub name: Key<Text<Name>>,
    /// Where. Default: the first region.
    pub region: Key<Text<Name>>,
    /// Clock error.
    pub clock: Key<ClockFile>,
    /// From one epoch to the next, in whole seconds. Nodes ask for their keys every one to two minutes. Default: 1h.
    pub rotate_every: Key<Text<Duration>>,
    /// How much longer a key is given out than its epoch runs, in whole seconds. Default: 23h.
    pub grace: Key<Text<Duration>>,
    /// Adversaries. `expect` must say for each profile whether attacks are seen to work.
    pub askers: Key<Vec<At<KeyAskerFile>>>,
}

/// A node with genuine evidence that asks for keys that are not for it, at every port of the key manager.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["at", "image", "wants"]))]
pub struct KeyAskerFile {
    /// When.
    pub at: Key<Text<Duration>>,
    /// What it runs: unknown (an image that no list names), proxy or worker.
    pub image: Key<Text<Choice<AskerImage>>>,
    /// Whose keys it wants: proxies or workers.
    pub wants: Key<Text<Choice<KeysOf>>>,
}

/// The newest key of a kind of node is revoked.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["of"]))]
pub struct RevokeKeyFile {
    /// Whose: proxies or workers.
    pub of: Key<Text<Choice<KeysOf>>>,
}

/// Another image on the disk of a proxy.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["node", "restart_after"]))]
pub struct OtherImageFile {
    /// Which proxy.
    pub node: Key<Text<Name>>,
    /// After this long.
    pub restart_after: Key<Text<Distribution<Duration>>>,
}

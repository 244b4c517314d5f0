//! The key manager of a plan, and who asks it for keys that are not for them.

use super::NodePlan;
pub use chrysalis_node::key_manager::policy::MAX_LIVE_KEYS;
use chrysalis_node::key_manager::{
    policy::{KeyPolicy, KeyRules},
    ring::KeyHolder,
};
use serde::{Deserialize, Serialize};

/// The key manager of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyManagerPlan {
    /// Name, region, clock.
    pub node: NodePlan,
    /// From one epoch to the next.
    pub period_s: u64,
    /// How much longer a key is given out.
    pub grace_s: u64,
    /// Adversaries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub askers: Vec<KeyAskerPlan>,
}

impl KeyManagerPlan {
    /// Whether keys can be kept so: the period is not zero, and no more than [`MAX_LIVE_KEYS`] are alive at once.
    pub fn is_possible(period_s: u64, grace_s: u64) -> bool {
        KeyPolicy::new(period_s, grace_s, KeyRules::SOUND).is_some()
    }
}

/// A node with genuine evidence that asks for keys that are not for it. It tries every port, under the name of whoever is
/// served there, and takes what it gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyAskerPlan {
    /// When it asks.
    pub at_ns: u64,
    /// What it runs.
    pub image: AskerImage,
    /// Whose keys it wants.
    pub wants: KeysOf,
}

impl KeyAskerPlan {
    /// Whether these keys are for this image: that would be no attack.
    pub fn is_entitled(&self) -> bool {
        matches!(
            (self.image, self.wants),
            (AskerImage::Proxy, KeysOf::Proxies) | (AskerImage::Worker, KeysOf::Workers)
        )
    }

    /// The threat, in words.
    pub fn threat(&self) -> String {
        let (who, number) = match self.image {
            AskerImage::Unknown => ("an unknown image", "t71"),
            AskerImage::Proxy => ("a proxy", "t55"),
            AskerImage::Worker => ("a worker", "t55"),
        };
        format!("{number}: {who} takes keys of {}", KeyHolder::from(self.wants).name())
    }
}

/// What an asker runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AskerImage {
    /// An image that no list names.
    Unknown,
    /// That of proxies.
    Proxy,
    /// That of workers.
    Worker,
}

/// Whose keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum KeysOf {
    /// Those of proxies.
    Proxies,
    /// Those of workers.
    Workers,
}

impl From<KeysOf> for KeyHolder {
    fn from(of: KeysOf) -> Self {
        match of {
            KeysOf::Proxies => Self::Proxies,
            KeysOf::Workers => Self::Workers,
        }
    }
}

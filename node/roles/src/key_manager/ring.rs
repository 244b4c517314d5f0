//! Which keys there are, and who may have which: all rules of a key manager, without clock, entropy, disk or network.

use super::policy::{KeyPolicy, MAX_LIVE_KEYS, ReleaseRule, RotationRule, VersionRule};
use crate::telemetry::Role;
use chrysalis_settlement::{PublicKey, SigningKey};
use chrysalis_wire::tl::Secret;

/// What kind of node a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyHolder {
    /// Proxies.
    Proxies,
    /// Workers.
    Workers,
}

impl KeyHolder {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Proxies, Self::Workers];

    /// Lower-case name, as in field `holder`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proxies => "proxies",
            Self::Workers => "workers",
        }
    }

    /// What such a node is.
    pub const fn role(self) -> Role {
        match self {
            Self::Proxies => Role::Proxy,
            Self::Workers => Role::Worker,
        }
    }
}

/// One key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Number of its epoch, from 1, for its kind of node. No two keys of a kind have the same.
    pub epoch: u64,
    /// Beginning of its life, Unix seconds of the key manager's clock.
    pub since_unix_s: u64,
    /// End of its life.
    pub until_unix_s: u64,
    /// Ed25519 private key.
    pub secret: Secret<[u8; 32]>,
}

impl Key {
    /// What may be told of it.
    pub fn public(&self) -> PublicKey {
        SigningKey::from_seed(self.secret.expose()).public()
    }
}

/// Keys of one kind of node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Epochs {
    /// Number of the last epoch that ever began. It is remembered although keys are forgotten.
    pub(super) last: u64,
    /// By epoch. What is revoked or has ended is not kept.
    pub(super) keys: Vec<Key>,
}

/// What became of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyChange {
    /// Its epoch begins.
    Made,
    /// Its life is over, and it is forgotten.
    Ended,
    /// It was revoked, and is forgotten.
    Revoked,
}

impl KeyChange {
    /// Lower-case name, as in field `change`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Ended => "ended",
            Self::Revoked => "revoked",
        }
    }
}

/// Something that happened to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyEvent {
    /// What kind of node it is for.
    pub holder: KeyHolder,
    /// Its epoch.
    pub epoch: u64,
    /// What may be told of it.
    pub public: PublicKey,
    /// What became of it.
    pub change: KeyChange,
}

/// Who asks, as far as that was established by others than itself, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// What kind of node it is, by the port that it came to: its evidence covers that.
    pub kind: KeyHolder,
    /// Whether its evidence was appraised for this very session.
    pub is_session_bound: bool,
    /// Whether the root contract names its image for this kind of node, now.
    pub is_image_allowed: bool,
    /// Which keys it asks for.
    pub asks_for: KeyHolder,
    /// Version of the root contract that it knows.
    pub min_config_version: i64,
}

/// Why nobody gets a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Evidence may be old, or another machine's.
    #[error("keys are given out over sessions only that evidence is bound to")]
    NotBound,
    /// An image that is not, or no longer, in the root contract.
    #[error("the root contract does not name this image for {}", kind.name())]
    Image {
        /// What the asker said to be.
        kind: KeyHolder,
    },
    /// Keys of the other kind of nodes.
    #[error("keys of {} are not for {}", asks_for.name(), kind.name())]
    OtherKind {
        /// What the asker is.
        kind: KeyHolder,
        /// What it asked for.
        asks_for: KeyHolder,
    },
    /// What the asker knows may have withdrawn its own image.
    #[error("the root contract is known here in version {known}, and to the asker in version {asked}")]
    OlderRoot {
        /// To the key manager.
        known: u32,
        /// To the asker.
        asked: i64,
    },
}

/// A key that may be given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released<'a> {
    /// What kind of node it is for.
    pub holder: KeyHolder,
    /// The key.
    pub key: &'a Key,
}

/// Which states a process of a key manager can have told of, and which only those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lineage {
    /// Drawn at the start of the process.
    pub session: [u8; 16],
    /// Number of the state that it found. Whatever an earlier process told of was on the disk before.
    pub opened: u64,
}

impl Lineage {
    /// The newest state that an honest disk could have, for a number that a session told of. `own` is the number of the state
    /// now.
    pub fn newest(&self, session: &[u8], own: u64) -> u64 {
        // A state that was put back goes on and may come to the same numbers again: they count in their own session only.
        if session == self.session { own } else { self.opened }
    }
}

/// All keys of a key manager.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyRing {
    /// Number of this state: it grows with every change.
    pub(super) number: u64,
    pub(super) proxies: Epochs,
    pub(super) workers: Epochs,
}

impl KeyRing {
    /// Number of this state.
    pub fn number(&self) -> u64 {
        self.number
    }

    fn epochs(&self, holder: KeyHolder) -> &Epochs {
        match holder {
            KeyHolder::Proxies => &self.proxies,
            KeyHolder::Workers => &self.workers,
        }
    }

    fn epochs_mut(&mut self, holder: KeyHolder) -> &mut Epochs {
        match holder {
            KeyHolder::Proxies => &mut self.proxies,
            KeyHolder::Workers => &mut self.workers,
        }
    }

    /// The newest key of a kind of node, if it has one.
    pub fn newest(&self, holder: KeyHolder) -> Option<&Key> {
        self.epochs(holder).keys.last()
    }

    /// Does what is due at this time: forgets keys that have ended, begins epochs. What it returns has happened if it is
    /// not empty, and must be durable before anybody hears of it.
    pub fn turn(
        &mut self,
        now_unix_s: u64,
        policy: &KeyPolicy,
        mut entropy: impl FnMut() -> [u8; 32],
    ) -> Vec<KeyEvent> {
        let mut events = Vec::new();
        for holder in KeyHolder::ALL {
            let epochs = self.epochs_mut(holder);
            let ended = epochs.keys.extract_if(.., |key| has_ended(key, now_unix_s, policy));
            events.extend(ended.map(|key| event(holder, &key, KeyChange::Ended)));
            if is_due(epochs, now_unix_s, policy) {
                epochs.last = epochs.last.saturating_add(1);
                let key = Key {
                    epoch: epochs.last,
                    since_unix_s: now_unix_s,
                    until_unix_s: now_unix_s.saturating_add(policy.lifetime_s()),
                    secret: Secret::new(entropy()),
                };
                events.push(event(holder, &key, KeyChange::Made));
                epochs.keys.push(key);
                // Only a policy that was changed leaves more alive than it allows.
                let surplus = epochs.keys.len().saturating_sub(MAX_LIVE_KEYS);
                let ended = epochs.keys.drain(..surplus);
                events.extend(ended.map(|key| event(holder, &key, KeyChange::Ended)));
            }
        }
        if !events.is_empty() {
            self.number = self.number.saturating_add(1);
        }
        events
    }

    /// Forgets the newest key of a kind of node, for good. The next [`Self::turn`] begins an epoch.
    pub fn revoke(&mut self, holder: KeyHolder) -> Option<KeyEvent> {
        let key = self.epochs_mut(holder).keys.pop()?;
        self.number = self.number.saturating_add(1);
        Some(event(holder, &key, KeyChange::Revoked))
    }

    /// When the next [`Self::turn`] has something to do, Unix seconds.
    pub fn due_unix_s(&self, policy: &KeyPolicy) -> u64 {
        let begins = |holder| match (self.newest(holder), policy.rules().rotation) {
            (_, RotationRule::FirstOnly) if self.epochs(holder).last > 0 => u64::MAX,
            (None, _) => 0,
            (Some(key), _) => key.since_unix_s.saturating_add(policy.period_s()),
        };
        let ends = |holder| self.epochs(holder).keys.iter().map(|key| key.until_unix_s).min();
        let due = |holder| begins(holder).min(ends(holder).unwrap_or(u64::MAX));
        due(KeyHolder::Proxies).min(due(KeyHolder::Workers))
    }

    /// The keys that an asker may have, oldest first. `config_version` is that of the root contract that the key manager
    /// knows.
    ///
    /// # Errors
    /// It may have none.
    pub fn release(
        &self,
        asker: &Asker,
        config_version: u32,
        now_unix_s: u64,
        policy: &KeyPolicy,
    ) -> Result<Vec<Released<'_>>, Refusal> {
        let rules = policy.rules();
        if rules.version == VersionRule::Checked && asker.min_config_version > i64::from(config_version) {
            return Err(Refusal::OlderRoot {
                known: config_version,
                asked: asker.min_config_version,
            });
        }
        let holders = match rules.release {
            ReleaseRule::EveryKey => &KeyHolder::ALL[..],
            ReleaseRule::OwnKind => {
                let (kind, asks_for) = (asker.kind, asker.asks_for);
                if !asker.is_session_bound {
                    return Err(Refusal::NotBound);
                }
                if !asker.is_image_allowed {
                    return Err(Refusal::Image { kind });
                }
                if kind != asks_for {
                    return Err(Refusal::OtherKind { kind, asks_for });
                }
                match kind {
                    KeyHolder::Proxies => &[KeyHolder::Proxies],
                    KeyHolder::Workers => &[KeyHolder::Workers],
                }
            }
        };
        let keys = holders.iter().flat_map(|holder| {
            let alive = self.epochs(*holder).keys.iter();
            let alive = alive.filter(|key| !has_ended(key, now_unix_s, policy));
            alive.map(|key| Released { holder: *holder, key })
        });
        Ok(keys.collect())
    }
}

/// Whether a key's life is over. One that began further in the future than a period is from a time at which the clock was
/// wrong, and would live too long.
fn has_ended(key: &Key, now_unix_s: u64, policy: &KeyPolicy) -> bool {
    key.until_unix_s <= now_unix_s || key.since_unix_s > now_unix_s.saturating_add(policy.period_s())
}

fn is_due(epochs: &Epochs, now_unix_s: u64, policy: &KeyPolicy) -> bool {
    match (policy.rules().rotation, epochs.keys.last()) {
        (RotationRule::FirstOnly, _) => epochs.last == 0,
        (RotationRule::ByClock, None) => true,
        (RotationRule::ByClock, Some(key)) => now_unix_s >= key.since_unix_s.saturating_add(policy.period_s()),
    }
}

fn event(holder: KeyHolder, key: &Key, change: KeyChange) -> KeyEvent {
    KeyEvent {
        holder,
        epoch: key.epoch,
        public: key.public(),
        change,
    }
}

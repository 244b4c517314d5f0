//! How long keys live, and each deviation from the reference as a named choice; the default is the sound one.

/// Most keys of one kind that can be alive at once, so that an answer stays small.
pub const MAX_LIVE_KEYS: usize = 64;

/// Who gets which keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReleaseRule {
    /// Every key goes to whoever asks (T71), whatever it asks for (T55). The reference.
    EveryKey,
    /// Keys of one kind of node, to a node of that kind: its evidence is bound to the session, and the root contract names
    /// its image for that very kind.
    #[default]
    OwnKind,
}

/// When a new epoch begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum RotationRule {
    /// At the first start and never again: the timer is the wrong way round (T55). The reference.
    FirstOnly,
    /// When the period of the last one is over, by the key manager's clock.
    #[default]
    ByClock,
}

/// What becomes of an asker that knows a newer root contract than the key manager.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum VersionRule {
    /// It is served by the list of images that its own root contract may have withdrawn (T55). The reference.
    Ignored,
    /// It is refused until the key manager has read as new a root contract.
    #[default]
    Checked,
}

/// What tells a key manager that its state is older than what it once had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum RollbackRule {
    /// Nothing. The reference.
    Unnoticed,
    /// Those who ask it for keys: they bring the newest number of the state that it has told them.
    #[default]
    Witnessed,
}

/// Which behaviour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyRules {
    /// Who gets which keys.
    pub release: ReleaseRule,
    /// When a new epoch begins.
    pub rotation: RotationRule,
    /// Root contracts that are not as new as the asker's.
    pub version: VersionRule,
    /// Older states.
    pub rollback: RollbackRule,
}

impl KeyRules {
    /// Every choice as it should be.
    pub const SOUND: Self = Self {
        release: ReleaseRule::OwnKind,
        rotation: RotationRule::ByClock,
        version: VersionRule::Checked,
        rollback: RollbackRule::Witnessed,
    };

    /// The weak points of the reference's two revisions together (spec §4.8, T55, T71).
    pub const REFERENCE: Self = Self {
        release: ReleaseRule::EveryKey,
        rotation: RotationRule::FirstOnly,
        version: VersionRule::Ignored,
        rollback: RollbackRule::Unnoticed,
    };
}

/// How a key manager keeps its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPolicy {
    period_s: u64,
    grace_s: u64,
    rules: KeyRules,
}

impl Default for KeyPolicy {
    /// A new key each hour, each good for a day (spec §4.8, §12.3).
    fn default() -> Self {
        Self {
            period_s: 3_600,
            grace_s: 86_400 - 3_600,
            rules: KeyRules::SOUND,
        }
    }
}

impl KeyPolicy {
    /// A new epoch each `period_s`; keys are given out for `grace_s` longer. `None` if the period is zero, more than
    /// [`MAX_LIVE_KEYS`] would be alive at once, or a key would live longer than 2^31 seconds.
    pub fn new(period_s: u64, grace_s: u64, rules: KeyRules) -> Option<Self> {
        let live = grace_s.checked_div(period_s)?.checked_add(2)?;
        let lifetime_s = period_s.checked_add(grace_s)?;
        let is_bounded = usize::try_from(live).is_ok_and(|live| live <= MAX_LIVE_KEYS);
        (is_bounded && i32::try_from(lifetime_s).is_ok()).then_some(Self {
            period_s,
            grace_s,
            rules,
        })
    }

    /// From one epoch to the next.
    pub fn period_s(&self) -> u64 {
        self.period_s
    }

    /// How long a key is given out and may be used.
    pub fn lifetime_s(&self) -> u64 {
        self.period_s.saturating_add(self.grace_s)
    }

    /// Which behaviour.
    pub fn rules(&self) -> KeyRules {
        self.rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_bounds_what_is_alive() {
        let rules = KeyRules::SOUND;
        assert_eq!(KeyPolicy::new(3_600, 82_800, rules), Some(KeyPolicy::default()));
        for (period_s, grace_s) in [(0, 1), (1, 63), (u64::MAX, 1), (1 << 31, 0)] {
            assert_eq!(KeyPolicy::new(period_s, grace_s, rules), None, "{period_s} {grace_s}");
        }
        assert!(KeyPolicy::new(1, 62, rules).is_some());
        assert_eq!(KeyRules::default(), KeyRules::SOUND);
    }
}

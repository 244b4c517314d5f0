//! Protocol versions and how they are agreed on (spec §2.8).

use crate::objects::{ProtocolRange, ProxyParams};

/// An agreed protocol version; ask it what it means instead of comparing numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(i32);

impl Version {
    /// The first version: no extended forms, no flags.
    pub const ZERO: Self = Self(0);
    /// The newest version of this implementation.
    pub const NEWEST: Self = Self(2);

    /// The number on the wire.
    pub const fn number(self) -> i32 {
        self.0
    }

    /// Whether requests and answers travel in their `Ex` forms.
    pub const fn uses_extended_forms(self) -> bool {
        self.0 >= 1
    }

    /// Whether final infos carry the times of proxy and worker.
    pub const fn carries_times(self) -> bool {
        self.0 >= 2
    }

    /// What a proxy writes into [`ProxyParams::proto_version`]: nothing for version 0, which predates the field.
    pub const fn to_proxy_params(self) -> Option<i32> {
        if self.0 > 0 { Some(self.0) } else { None }
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The versions that one side speaks: `min ≤ max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRange {
    min: i32,
    max: i32,
}

/// Why two sides cannot talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// The peer announced a range whose lower end is above its upper end.
    #[error("protocol versions {min} to {max} are no range")]
    EmptyRange {
        /// Lower end.
        min: i32,
        /// Upper end.
        max: i32,
    },
    /// No version is common.
    #[error("peer speaks protocol versions {remote_min} to {remote_max}, we speak {local_min} to {local_max}")]
    NoneCommon {
        /// The peer's lowest version.
        remote_min: i32,
        /// The peer's highest version.
        remote_max: i32,
        /// Our lowest version.
        local_min: i32,
        /// Our highest version.
        local_max: i32,
    },
}

impl VersionRange {
    /// What this implementation's proxy speaks.
    pub const PROXY: Self = Self {
        min: 0,
        max: Version::NEWEST.0,
    };
    /// What this implementation's client and worker speak.
    pub const CLIENT_AND_WORKER: Self = Self {
        min: 1,
        max: Version::NEWEST.0,
    };

    /// A range.
    ///
    /// # Errors
    /// `min > max`.
    pub const fn new(min: i32, max: i32) -> Result<Self, VersionError> {
        if min <= max {
            Ok(Self { min, max })
        } else {
            Err(VersionError::EmptyRange { min, max })
        }
    }

    /// Lowest version.
    pub const fn min(self) -> i32 {
        self.min
    }

    /// Highest version.
    pub const fn max(self) -> i32 {
        self.max
    }

    /// The range that a peer announced; a peer that announces none speaks version 0 only.
    ///
    /// # Errors
    /// The announced range is empty. The reference accepts some of these and then speaks a version that the peer
    /// excluded.
    pub const fn announced(announced: Option<&ProtocolRange>) -> Result<Self, VersionError> {
        match announced {
            Some(range) => Self::new(range.min_proto_version, range.max_proto_version),
            None => Ok(Self { min: 0, max: 0 }),
        }
    }

    /// The field that announces this range.
    pub const fn to_announcement(self) -> ProtocolRange {
        ProtocolRange {
            min_proto_version: self.min,
            max_proto_version: self.max,
        }
    }

    /// The acceptor's choice: the highest common version.
    ///
    /// # Errors
    /// The ranges do not meet.
    pub fn negotiate(self, remote: Self) -> Result<Version, VersionError> {
        if remote.max < self.min || self.max < remote.min {
            return Err(VersionError::NoneCommon {
                remote_min: remote.min,
                remote_max: remote.max,
                local_min: self.min,
                local_max: self.max,
            });
        }
        Ok(Version(remote.max.min(self.max)))
    }

    /// The dialer's view of the acceptor's choice.
    ///
    /// # Errors
    /// The proxy chose a version outside this range.
    pub fn accept(self, params: &ProxyParams) -> Result<Version, VersionError> {
        let chosen = params.proto_version.unwrap_or(0);
        self.negotiate(Self {
            min: chosen,
            max: chosen,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(min: i32, max: i32) -> VersionRange {
        VersionRange::new(min, max).unwrap()
    }

    #[test]
    fn the_highest_common_version_is_chosen() {
        for (local, remote, chosen) in [
            (VersionRange::PROXY, VersionRange::CLIENT_AND_WORKER, 2),
            (VersionRange::PROXY, range(0, 0), 0),
            (VersionRange::PROXY, range(1, 1), 1),
            (VersionRange::PROXY, range(1, 4), 2),
            (VersionRange::PROXY, range(2, 9), 2),
            (range(0, 4), range(3, 4), 4),
        ] {
            assert_eq!(
                local.negotiate(remote).map(Version::number),
                Ok(chosen),
                "{local:?} {remote:?}"
            );
        }
    }

    /// A worker of the later reference speaks 3 to 4 only.
    #[test]
    fn ranges_that_do_not_meet_are_refused() {
        for (local, remote) in [
            (VersionRange::PROXY, range(3, 4)),
            (VersionRange::CLIENT_AND_WORKER, range(0, 0)),
            (VersionRange::PROXY, range(-3, -1)),
        ] {
            assert!(
                matches!(local.negotiate(remote), Err(VersionError::NoneCommon { .. })),
                "{local:?} {remote:?}"
            );
        }
    }

    #[test]
    fn announcements() {
        let protocol = ProtocolRange {
            min_proto_version: 1,
            max_proto_version: 2,
        };
        assert_eq!(
            VersionRange::announced(Some(&protocol)),
            Ok(VersionRange::CLIENT_AND_WORKER)
        );
        assert_eq!(VersionRange::CLIENT_AND_WORKER.to_announcement(), protocol);
        assert_eq!(VersionRange::announced(None), Ok(range(0, 0)));
        let empty = ProtocolRange {
            min_proto_version: 5,
            max_proto_version: 1,
        };
        assert_eq!(
            VersionRange::announced(Some(&empty)),
            Err(VersionError::EmptyRange { min: 5, max: 1 })
        );
    }

    fn proxy_params(proto_version: Option<i32>) -> ProxyParams {
        ProxyParams {
            proxy_public_key: [0; 32],
            proxy_owner_address: String::new(),
            proxy_sc_address: String::new(),
            is_test: None,
            proto_version,
        }
    }

    #[test]
    fn a_dialer_takes_only_what_it_announced() {
        let dialer = VersionRange::CLIENT_AND_WORKER;
        for chosen in [1, 2] {
            assert_eq!(
                dialer.accept(&proxy_params(Some(chosen))).map(Version::number),
                Ok(chosen)
            );
        }
        for chosen in [None, Some(0), Some(3), Some(-1)] {
            assert!(dialer.accept(&proxy_params(chosen)).is_err(), "{chosen:?}");
        }
        assert_eq!(range(0, 2).accept(&proxy_params(None)), Ok(Version::ZERO));
    }

    #[test]
    fn what_a_version_means() {
        let meaning = |number| {
            let version = range(number, number).negotiate(range(number, number)).unwrap();
            (
                version.uses_extended_forms(),
                version.carries_times(),
                version.to_proxy_params(),
            )
        };
        assert_eq!(meaning(0), (false, false, None));
        assert_eq!(meaning(1), (true, false, Some(1)));
        assert_eq!(meaning(2), (true, true, Some(2)));
    }
}

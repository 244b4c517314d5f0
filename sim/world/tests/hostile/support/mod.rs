//! A small network with room for one raw peer, so that tests can be what no daemon can be: hostile.
//!
//! | module | holds |
//! |---|---|
//! | [`parties`] | who is who: root configuration, accounts, identities with genuine and with wrong evidence |
//! | [`lab`] | a simulated world with real roles in it, and addresses for raw peers |
//! | [`peer`] | a raw peer, as the library has it for adversaries of runs |
//! | [`handshakes`] | what honest peers say first, word by word, so that a test can change one word |
//! | [`watch`] | what nodes observed |
//! | [`user`] | a user of a client's HTTP endpoint |

pub(crate) mod handshakes;
pub(crate) mod lab;
pub(crate) mod parties;
pub(crate) mod user;
pub(crate) mod watch;

pub(crate) use chrysalis_world::adversary::peer;

/// Seconds as a span of time.
pub(crate) const fn seconds(count: u64) -> std::time::Duration {
    std::time::Duration::from_secs(count)
}

/// Milliseconds as a span of time.
pub(crate) const fn milliseconds(count: u64) -> std::time::Duration {
    std::time::Duration::from_millis(count)
}

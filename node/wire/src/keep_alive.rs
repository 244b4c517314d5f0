//! Keep-alive and idle closing as a pure state machine (spec §1.5, §2.4).

use crate::connection::Side;

/// When silence is broken and when it ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlivePolicy {
    /// The dialer pings after this much silence, and again after as much more.
    pub ping_after_ns: u64,
    /// The dialer closes after this much silence.
    pub dialer_idle_ns: u64,
    /// The acceptor closes after this much silence.
    pub acceptor_idle_ns: u64,
}

impl Default for KeepAlivePolicy {
    /// That of the reference.
    fn default() -> Self {
        const S: u64 = 1_000_000_000;
        Self {
            ping_after_ns: 10 * S,
            dialer_idle_ns: 20 * S,
            acceptor_idle_ns: 60 * S,
        }
    }
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepAliveAction {
    /// Nothing before this time on the node's monotonic clock; poll again then.
    Wait {
        /// When to poll again.
        until_ns: u64,
    },
    /// Send a ping, then poll again.
    SendPing,
    /// Close the connection.
    Close,
}

/// Watches the silence on one connection.
#[derive(Clone, Debug)]
pub struct KeepAlive {
    side: Side,
    policy: KeepAlivePolicy,
    last_received_ns: u64,
    /// Silence since here calls for a ping: the last frame received or ping sent.
    ping_base_ns: u64,
}

impl KeepAlive {
    /// A connection that was opened at `now_ns`.
    pub const fn new(side: Side, policy: KeepAlivePolicy, now_ns: u64) -> Self {
        Self {
            side,
            policy,
            last_received_ns: now_ns,
            ping_base_ns: now_ns,
        }
    }

    /// A frame arrived. A clock that stands still or steps back extends the silence by nothing.
    pub fn received(&mut self, now_ns: u64) {
        self.last_received_ns = self.last_received_ns.max(now_ns);
        self.ping_base_ns = self.ping_base_ns.max(now_ns);
    }

    /// What to do at `now_ns`. Returns [`KeepAliveAction::SendPing`] once for each ping that is due.
    pub fn poll(&mut self, now_ns: u64) -> KeepAliveAction {
        let close_at_ns = self.close_at_ns();
        if now_ns >= close_at_ns {
            return KeepAliveAction::Close;
        }
        let Some(ping_at_ns) = self.ping_at_ns() else {
            return KeepAliveAction::Wait { until_ns: close_at_ns };
        };
        if now_ns >= ping_at_ns {
            self.ping_base_ns = now_ns;
            return KeepAliveAction::SendPing;
        }
        KeepAliveAction::Wait {
            until_ns: close_at_ns.min(ping_at_ns),
        }
    }

    /// When [`KeepAlive::poll`] has something to do next if nothing arrives.
    pub fn next_deadline_ns(&self) -> u64 {
        self.ping_at_ns()
            .map_or(self.close_at_ns(), |ping_at_ns| ping_at_ns.min(self.close_at_ns()))
    }

    const fn close_at_ns(&self) -> u64 {
        let idle_ns = match self.side {
            Side::Dialer => self.policy.dialer_idle_ns,
            Side::Acceptor => self.policy.acceptor_idle_ns,
        };
        self.last_received_ns.saturating_add(idle_ns)
    }

    const fn ping_at_ns(&self) -> Option<u64> {
        match self.side {
            Side::Dialer => Some(self.ping_base_ns.saturating_add(self.policy.ping_after_ns)),
            Side::Acceptor => None,
        }
    }
}

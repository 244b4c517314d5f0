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

#[cfg(test)]
mod tests {
    use super::{KeepAliveAction::*, *};

    const S: u64 = 1_000_000_000;

    fn keep_alive(side: Side) -> KeepAlive {
        KeepAlive::new(side, KeepAlivePolicy::default(), 100 * S)
    }

    /// Polls whenever the state machine asks to be polled, until it closes.
    fn run(mut keep_alive: KeepAlive) -> Vec<(u64, KeepAliveAction)> {
        let mut now_ns = 100 * S;
        let mut actions = Vec::new();
        loop {
            match keep_alive.poll(now_ns) {
                Wait { until_ns } => {
                    assert!(until_ns > now_ns, "a wait that does not wait");
                    assert_eq!(until_ns, keep_alive.next_deadline_ns());
                    now_ns = until_ns;
                }
                action => {
                    actions.push((now_ns / S - 100, action));
                    if action == Close {
                        return actions;
                    }
                }
            }
        }
    }

    #[test]
    fn silence_at_the_dialer() {
        assert_eq!(run(keep_alive(Side::Dialer)), [(10, SendPing), (20, Close)]);
    }

    #[test]
    fn silence_at_the_acceptor() {
        assert_eq!(run(keep_alive(Side::Acceptor)), [(60, Close)]);
    }

    #[test]
    fn a_dialer_with_more_patience_pings_more_than_once() {
        let policy = KeepAlivePolicy {
            dialer_idle_ns: 35 * S,
            ..KeepAlivePolicy::default()
        };
        let keep_alive = KeepAlive::new(Side::Dialer, policy, 100 * S);
        assert_eq!(
            run(keep_alive),
            [(10, SendPing), (20, SendPing), (30, SendPing), (35, Close)]
        );
    }

    #[test]
    fn a_frame_puts_everything_off() {
        let mut keep_alive = keep_alive(Side::Dialer);
        keep_alive.received(109 * S);
        assert_eq!(keep_alive.poll(110 * S), Wait { until_ns: 119 * S });
        assert_eq!(keep_alive.poll(119 * S), SendPing);
        assert_eq!(
            keep_alive.poll(119 * S),
            Wait { until_ns: 129 * S },
            "one ping is enough"
        );
        keep_alive.received(120 * S);
        assert_eq!(
            keep_alive.poll(129 * S),
            Wait { until_ns: 130 * S },
            "the pong saved the connection"
        );
        assert_eq!(keep_alive.poll(200 * S), Close);
    }

    #[test]
    fn a_clock_that_steps_back_does_no_harm() {
        let mut keep_alive = keep_alive(Side::Acceptor);
        keep_alive.received(50 * S);
        assert_eq!(keep_alive.poll(99 * S), Wait { until_ns: 160 * S });
    }

    #[test]
    fn deadlines_at_the_end_of_time_do_not_wrap() {
        let mut keep_alive = KeepAlive::new(Side::Dialer, KeepAlivePolicy::default(), u64::MAX - S);
        assert_eq!(keep_alive.poll(u64::MAX - S), Wait { until_ns: u64::MAX });
    }
}

//! Clocks with drift and skew, timers that are given up.

use crate::support::{MS, S, assert_near, pair};
use chrysalis_sim::{ClockSpec, NodeSpec, SimConfig, run};
use std::{net::Ipv4Addr, time::Duration};

#[test]
fn sleeps_follow_the_nodes_clock() {
    for engine in crate::support::engines() {
        run(engine, SimConfig::new(1), move |sim| async move {
            let mut spec = NodeSpec::new("fast", Ipv4Addr::new(10, 0, 0, 1));
            spec.clock = ClockSpec {
                skew_ns: -3_000,
                drift_ppb: 250_000_000,
            };
            let node = sim.add_node(spec).unwrap();
            let env = node.env();
            let start_unix_ns = sim.env().unix_ns();
            env.sleep(Duration::from_secs(1)).await;
            assert_near(engine, sim.now_ns(), 800 * MS);
            assert!(env.now_ns() >= S);
            assert_near(engine, env.unix_ns() - start_unix_ns, S - 3_000);
        })
        .unwrap();
    }
}

#[test]
fn a_changed_rate_moves_sleeps_that_are_going_on() {
    pair(|pair| async move {
        for (drift_ppb, ends_ns) in [(-500_000_000, 1_500 * MS), (500_000_000, 500 * MS + 333_333_334)] {
            pair.server.set_clock(ClockSpec::default());
            let start = pair.sim.now_ns();
            let other = pair.clone();
            let (done, finished) = tokio::sync::oneshot::channel();
            let env = pair.server.env();
            pair.server.env().spawn("sleeper", async move {
                env.sleep(Duration::from_secs(1)).await;
                done.send(other.sim.now_ns()).unwrap();
            });
            pair.sim.sleep(Duration::from_millis(500)).await;
            pair.server.set_clock(ClockSpec { skew_ns: 0, drift_ppb });
            assert_near(pair.engine, finished.await.unwrap() - start, ends_ns);
        }
    });
}

#[test]
fn wall_clocks_jump_and_monotonic_clocks_do_not() {
    pair(|pair| async move {
        let env = pair.server.env();
        let (mono, unix) = (env.now_ns(), env.unix_ns());
        pair.server.set_clock(ClockSpec {
            skew_ns: -3_600 * S as i64,
            drift_ppb: 0,
        });
        assert_eq!(env.now_ns(), mono);
        assert_eq!(unix - env.unix_ns(), 3_600 * S);
        assert_eq!(pair.client.env().unix_ns(), unix);
    });
}

#[test]
fn timeouts_that_never_fire_leave_nothing() {
    pair(|pair| async move {
        let env = pair.client.env();
        for _ in 0..30_000 {
            let limit = Duration::from_secs(100_000);
            env.timeout(limit, env.sleep(Duration::from_micros(1))).await.unwrap();
        }
        assert_eq!(pair.sim.census().timers, 0);
        // Given up before it was first polled, between, and after it fired.
        drop(env.sleep(Duration::from_secs(1)));
        let mut sleep = env.sleep(Duration::from_secs(1));
        assert!(env.timeout(Duration::from_millis(1), &mut sleep).await.is_err());
        assert_eq!(pair.sim.census().timers, 1);
        drop(sleep);
        assert_eq!(pair.sim.census().timers, 0);
    });
}

#[test]
fn sleeping_into_the_past_returns_at_once() {
    pair(|pair| async move {
        let env = pair.client.env();
        env.sleep(Duration::from_secs(5)).await;
        env.sleep_until(S).await;
        env.sleep(Duration::ZERO).await;
        pair.assert_now(5 * S);
    });
}

#[test]
fn sleeps_end_in_the_order_of_their_times() {
    pair(|pair| async move {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let times: Vec<u64> = (0..200)
            .map(|index: u64| (index * 7_919) % 1_000_003 + 1_000_000)
            .collect();
        for at in times.clone() {
            let (env, sender) = (pair.client.env(), sender.clone());
            pair.client.env().spawn("sleeper", async move {
                env.sleep_until(at * 1_000).await;
                sender.send((at, env.now_ns())).unwrap();
            });
        }
        let mut sorted = times;
        sorted.sort_unstable();
        for at in sorted {
            let (ended, now) = receiver.recv().await.unwrap();
            assert_eq!(ended, at);
            assert_near(pair.engine, now, at * 1_000);
        }
    });
}

//! Runs that would not end by themselves.

use crate::support::{S, failing};
use chrysalis_sim::{LimitKind, SimConfig, SimErrorKind};
use std::time::Duration;

#[test]
fn a_deadlock_names_the_tasks_that_wait() {
    for error in failing(&SimConfig::new(1), |pair| async move {
        let env = pair.server.env();
        let mut listener = pair.listen().await;
        env.spawn("acceptor", async move {
            listener.accept().await.unwrap();
        });
        pair.client.env().spawn("waiter", std::future::pending());
        pair.client.pause();
        pair.sim.sleep(Duration::from_secs(3)).await;
        std::future::pending::<()>().await;
    }) {
        let SimErrorKind::Deadlock { at_ns, waiting } = &error.kind else {
            panic!("{error}")
        };
        assert!((3 * S..3 * S + 10_000).contains(at_ns), "{at_ns}");
        let names: Vec<String> = waiting.iter().map(ToString::to_string).collect();
        assert_eq!(
            names,
            ["client/waiter (paused)", "controller/controller", "server/acceptor"]
        );
        assert!(error.to_string().contains("server/acceptor"));
    }
}

#[test]
fn a_live_lock_ends_the_run() {
    let mut config = SimConfig::new(1);
    config.limits.polls_at_one_instant = 1_000;
    let errors = failing(&config, |pair| async move {
        // On madsim each poll takes time, so only the native engine can be stuck at one instant.
        if pair.engine == chrysalis_sim::EngineKind::Madsim {
            pair.sim.sleep_until(u64::MAX).await;
        }
        loop {
            tokio::task::yield_now().await;
        }
    });
    let kinds: Vec<_> = errors.iter().map(limit).collect();
    assert_eq!(kinds[0], Some(LimitKind::PollsAtOneInstant));
}

#[test]
fn virtual_time_and_events_are_bounded() {
    let mut config = SimConfig::new(1);
    config.limits.virtual_ns = 10 * S;
    for error in failing(&config, |pair| async move {
        pair.sim.sleep(Duration::from_secs(11)).await;
    }) {
        assert_eq!(limit(&error), Some(LimitKind::VirtualTime));
    }
    let mut config = SimConfig::new(1);
    config.limits.events = 100;
    for error in failing(&config, |pair| async move {
        loop {
            pair.client.env().random_u64();
            pair.sim.sleep(Duration::from_secs(1)).await;
        }
    }) {
        assert_eq!(limit(&error), Some(LimitKind::Events));
    }
}

fn limit(error: &chrysalis_sim::SimError) -> Option<LimitKind> {
    match &error.kind {
        SimErrorKind::LimitReached { limit, .. } => Some(*limit),
        _ => None,
    }
}

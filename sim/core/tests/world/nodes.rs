//! Killing, restarting, pausing nodes.

use crate::support::{MS, PORT, S, echo_server, pair};
use chrysalis_sim::{ExitStatus, KillMode, NodeSpec, PanicPolicy, SimConfig, SimErrorKind};
use std::{
    io::ErrorKind,
    net::Ipv4Addr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Sees whether and when a future is dropped.
struct OnDrop<F: FnMut()>(F);
impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn the_death_of_a_process_is_seen_by_its_peers() {
    pair(|pair| async move {
        for (mode, seen) in [
            (KillMode::Process, Err(ErrorKind::ConnectionReset)),
            (KillMode::ProcessClose, Ok(0)),
        ] {
            pair.server.restart();
            let (mut client, server) = pair.connection().await;
            pair.server.env().spawn("holder", async move {
                let _server = server;
                std::future::pending::<()>().await;
            });
            pair.sim.sleep(Duration::from_millis(50)).await;
            let start = pair.sim.now_ns();
            pair.server.kill(mode);
            let read = client.read(&mut [0; 9]).await.map_err(|error| error.kind());
            assert_eq!(read, seen, "{mode:?}");
            crate::support::assert_near(pair.engine, pair.sim.now_ns() - start, 10 * MS);
            let error = pair.client.env().connect(pair.address()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "the machine still answers");
            assert_eq!(pair.server.exit_status(), ExitStatus::Killed(mode));
            assert!(!pair.server.is_up());
        }
    });
}

#[test]
fn a_power_loss_is_silent_until_the_machine_is_back() {
    pair(|pair| async move {
        let (mut idle, mut idle_end) = pair.connection().await;
        let (mut busy, _busy_end) = pair.connection().await;
        idle_end.write_all(b"last").await.unwrap();
        pair.server.kill(KillMode::PowerLoss);
        idle.read_exact(&mut [0; 4]).await.expect("it was under way");
        let env = pair.client.env();
        let start = pair.sim.now_ns();
        busy.write_all(b"anybody there?").await.unwrap();
        let hour = Duration::from_secs(3_600);
        assert!(env.timeout(hour, idle.read_u8()).await.is_err(), "silence");
        assert_eq!(busy.read_u8().await.unwrap_err().kind(), ErrorKind::TimedOut);
        let connect = env.connect(pair.address()).await.unwrap_err();
        assert_eq!(connect.kind(), ErrorKind::TimedOut);
        assert!(pair.sim.now_ns() - start > 3_600 * S);
        // Back again, it knows nothing of old connections.
        pair.server.restart();
        idle.write_all(b"still there?").await.unwrap();
        assert_eq!(idle.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        let connect = env.connect(pair.address()).await.unwrap_err();
        assert_eq!(connect.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_retransmission_that_meets_a_rebooted_machine_is_reset() {
    pair(|pair| async move {
        let (mut client, _server) = pair.connection().await;
        client.write_all(b"under way").await.unwrap();
        pair.server.kill(KillMode::PowerLoss);
        pair.sim.sleep(Duration::from_secs(1)).await;
        pair.server.restart();
        let start = pair.sim.now_ns();
        assert_eq!(client.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        // The tries were at 0.22, 0.66 and 1.54 s.
        crate::support::assert_near(pair.engine, pair.sim.now_ns() - start, 560 * MS);
    });
}

#[test]
fn tasks_of_a_killed_node_are_dropped_and_their_destructors_do_nothing() {
    pair(|pair| async move {
        let drops = Arc::new(AtomicU32::new(0));
        let (env, counter) = (pair.server.env(), drops.clone());
        pair.server.start(move |_| {
            let (env, counter) = (env.clone(), counter.clone());
            async move {
                let listener = env.listen(([10, 0, 0, 1], PORT).into()).await.unwrap();
                let inner = env.clone();
                let _guard = OnDrop(move || {
                    counter.fetch_add(1, SeqCst);
                    inner.spawn("from the grave", async { panic!("a dead node runs") });
                    inner.observe("from.the.grave", &[]);
                    assert!(inner.files().sync_names(std::path::Path::new("")).is_err());
                });
                let _listener = listener;
                std::future::pending::<()>().await;
            }
        });
        pair.sim.sleep(Duration::from_millis(1)).await;
        let env = pair.server.env();
        pair.server.kill(KillMode::Process);
        pair.server.start(|env| async move {
            // The old life's listener does not take the port away from the new one.
            let _listener = env.listen(([10, 0, 0, 1], PORT).into()).await.unwrap();
            std::future::pending::<()>().await;
        });
        pair.sim.sleep(Duration::from_millis(1)).await;
        assert_eq!(drops.load(SeqCst), 1);
        drop(pair.connect().await);
        // An old environment is dead for good.
        env.spawn("too late", async { panic!("a dead node runs") });
        assert_eq!(
            env.connect(pair.address()).await.unwrap_err().kind(),
            ErrorKind::NetworkDown
        );
        pair.sim.sleep(Duration::from_millis(1)).await;
    });
}

#[test]
fn a_restart_runs_main_again() {
    pair(|pair| async move {
        let lives = Arc::new(Mutex::new(Vec::new()));
        let seen = lives.clone();
        pair.server.start(move |env| {
            seen.lock().unwrap().push(env.random_u64());
            echo_server(env, ([10, 0, 0, 1], PORT).into())
        });
        for life in 1..=3 {
            pair.sim.sleep(Duration::from_millis(1)).await;
            let mut client = pair.connect().await;
            client.write_all(b"x").await.unwrap();
            client.read_u8().await.unwrap();
            assert_eq!(lives.lock().unwrap().len(), life);
            match life {
                1 => pair.server.kill(KillMode::Process),
                2 => pair.server.kill(KillMode::PowerLoss),
                // A node that is up can be restarted as well.
                _ => {}
            }
            pair.server.restart();
        }
        let lives = lives.lock().unwrap();
        assert_eq!(lives.len(), 4);
        assert!(lives.windows(2).all(|pair| pair[0] != pair[1]), "entropy is of a life");
    });
}

#[test]
fn a_paused_node_stands_still_while_its_system_goes_on() {
    pair(|pair| async move {
        let address = pair.address();
        pair.server.start(move |env| echo_server(env, address));
        pair.sim.sleep(Duration::from_millis(1)).await;
        pair.server.pause();
        let mut client = pair.connect().await;
        client.write_all(b"x").await.unwrap();
        let env = pair.client.env();
        let waited = env.timeout(Duration::from_secs(100), client.read_u8()).await;
        assert!(waited.is_err());
        pair.server.resume();
        let start = pair.sim.now_ns();
        client.read_u8().await.unwrap();
        crate::support::assert_near(pair.engine, pair.sim.now_ns() - start, 10 * MS);
        // A node that is started while it is paused waits too, and a kill ends the pause.
        pair.server.pause();
        pair.server.kill(KillMode::Process);
        pair.server.restart();
        pair.sim.sleep(Duration::from_millis(1)).await;
        pair.connect().await;
    });
}

#[test]
fn main_may_return_while_other_tasks_go_on() {
    pair(|pair| async move {
        let address = pair.address();
        pair.server.start(move |env| async move {
            env.spawn("server", echo_server(env.clone(), address));
        });
        pair.sim.sleep(Duration::from_millis(1)).await;
        assert_eq!(pair.server.exit_status(), ExitStatus::Finished);
        assert!(pair.server.is_up());
        let mut client = pair.connect().await;
        client.write_all(b"x").await.unwrap();
        client.read_u8().await.unwrap();
    });
}

#[test]
fn a_task_can_be_aborted() {
    pair(|pair| async move {
        let env = pair.server.env();
        let dropped = Arc::new(AtomicU32::new(0));
        let counter = dropped.clone();
        let task = env.spawn("sleeper", async move {
            let _guard = OnDrop(|| {
                counter.fetch_add(1, SeqCst);
            });
            std::future::pending::<()>().await;
        });
        pair.sim.sleep(Duration::from_millis(1)).await;
        task.abort();
        pair.sim.sleep(Duration::from_millis(1)).await;
        assert_eq!(dropped.load(SeqCst), 1);
    });
}

#[test]
fn a_panic_fails_the_run_or_crashes_the_node() {
    for error in crate::support::failing(&SimConfig::new(1), |pair| async move {
        pair.server.env().spawn("buggy", async { panic!("bug {}", 7) });
        pair.sim.sleep(Duration::from_secs(1)).await;
    }) {
        let SimErrorKind::NodePanicked {
            node, label, message, ..
        } = &error.kind
        else {
            panic!("{error}")
        };
        assert_eq!((node.as_str(), *label, message.as_str()), ("server", "buggy", "bug 7"));
        assert!(error.report.is_some());
    }
    let mut config = SimConfig::new(1);
    config.panics = PanicPolicy::CrashNode;
    crate::support::with_config(&config, |engine, sim| async move {
        let pair = crate::support::Pair::new(engine, &sim, MS);
        let (mut client, server) = pair.connection().await;
        pair.server.env().spawn("buggy", async move {
            let _server = server;
            panic!("bug");
        });
        assert_eq!(client.read(&mut [0; 9]).await.unwrap(), 0);
        assert_eq!(pair.server.exit_status(), ExitStatus::Panicked("bug".into()));
        pair.server.restart();
        assert!(pair.server.is_up());
    });
}

#[test]
fn names_and_addresses_are_unique() {
    pair(|pair| async move {
        let add = |name: &str, ip: [u8; 4]| pair.sim.add_node(NodeSpec::new(name, Ipv4Addr::from(ip)));
        assert!(add("server", [10, 0, 0, 9]).is_err());
        assert!(add("controller", [10, 0, 0, 9]).is_err());
        assert!(add("other", [10, 0, 0, 1]).is_err());
        assert!(add("other", [127, 0, 0, 1]).is_err());
        assert!(add("other", [10, 0, 0, 9]).is_ok());
    });
}

#[test]
fn handles_that_outlive_their_world_do_nothing() {
    for engine in crate::support::engines() {
        let (left, _) = chrysalis_sim::run(engine, SimConfig::new(1), move |sim| async move {
            let pair = crate::support::Pair::new(engine, &sim, MS);
            let streams = pair.connection().await;
            let env = pair.server.env();
            let sleep = env.sleep(Duration::from_secs(1));
            let file = env
                .files()
                .open("x".as_ref(), chrysalis_env::OpenMode::CreateIfMissing)
                .unwrap();
            (pair, streams, env, sleep, file)
        })
        .unwrap();
        let (pair, streams, env, sleep, file) = left;
        drop((streams, sleep));
        assert!(file.sync().is_err());
        assert!(!pair.server.is_up());
        pair.server.kill(KillMode::PowerLoss);
        pair.server.restart();
        pair.sim.network().cut(&pair.server, &pair.client);
        pair.sim.network().heal_all();
        pair.sim
            .network()
            .set_link(&pair.server, &pair.client, chrysalis_sim::LinkSpec::default());
        env.spawn("never", async {});
        pair.server.env().fill_entropy(&mut [0; 9]);
        assert!(
            pair.sim
                .add_node(NodeSpec::new("late", Ipv4Addr::new(10, 0, 0, 9)))
                .is_err()
        );
    }
}

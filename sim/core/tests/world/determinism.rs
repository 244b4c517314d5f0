//! Equal seeds, equal runs: in one process, on several threads, across processes. And the control that is not.

use crate::support::{echo_server, engines};
use chrysalis_env::Env;
use chrysalis_sim::{
    CryptoMode, Distribution, EngineKind, KillMode, LinkSpec, NodeSpec, Recording, Sim, SimConfig, SimReport, run,
};
use std::{
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU64,
    time::Duration,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 80);

/// A client that sends entropy of its node at random intervals and survives whatever happens to the server.
async fn client(env: Env) {
    loop {
        let Ok(mut stream) = env.connect(SERVER).await else {
            env.sleep(Duration::from_millis(50)).await;
            continue;
        };
        for _ in 0..10 {
            let message: [u8; 100] = env.random();
            let mut echo = [0; 100];
            let limit = Duration::from_secs(3);
            let round = async {
                stream.write_all(&message).await?;
                stream.read_exact(&mut echo).await
            };
            if !matches!(env.timeout(limit, round).await, Ok(Ok(_))) {
                break;
            }
            assert_eq!(echo, message);
            env.observe("round.done", &[("bytes", 100_u64.into())]);
            env.sleep(env.random_span(Duration::ZERO, Duration::from_millis(30)))
                .await;
        }
    }
}

/// A busy little world with every kind of randomness and fault.
async fn turbulence(sim: Sim) {
    let network = sim.network();
    network.set_default_link(LinkSpec {
        latency: Distribution::Normal {
            mean: 10_000_000,
            deviation: 2_000_000,
        },
        jitter: Distribution::Exponential { mean: 1_000_000 },
        loss_ppm: 20_000,
        bandwidth_bytes_per_s: NonZeroU64::new(1_000_000),
        ..LinkSpec::default()
    });
    let server = sim
        .add_node(NodeSpec::new("server", Ipv4Addr::new(10, 0, 0, 1)))
        .unwrap();
    server.start(|env| echo_server(env, SERVER));
    let clients: Vec<_> = (0..8)
        .map(|index| {
            let spec = NodeSpec::new(format!("client-{index}"), Ipv4Addr::new(10, 0, 1, index));
            let node = sim.add_node(spec).unwrap();
            node.start(client);
            node
        })
        .collect();
    let mut plan = sim.entropy("plan");
    for _ in 0..20 {
        sim.sleep(Duration::from_millis(plan.between(20, 400))).await;
        let Some(node) = plan.pick(&clients) else { continue };
        match plan.below(6) {
            0 => network.cut(node, &server),
            1 => network.heal_all(),
            2 => server.kill(KillMode::Process),
            3 => server.restart(),
            4 => node.pause(),
            _ => node.resume(),
        }
    }
}

fn turbulent(engine: EngineKind, seed: u64, recording: Recording) -> SimReport {
    let mut config = SimConfig::new(seed);
    config.recording = recording;
    run(engine, config, turbulence).unwrap().1
}

#[test]
fn one_seed_gives_one_digest_in_one_process() {
    for engine in engines() {
        let mut digests = std::collections::BTreeSet::new();
        for seed in 0..5 {
            let first = turbulent(engine, seed, Recording::Off);
            let second = turbulent(engine, seed, Recording::Off);
            assert_eq!(first.digest, second.digest);
            assert_eq!((first.polls, first.events), (second.polls, second.events));
            assert!(first.events > 1_000, "{}", first.events);
            digests.insert(first.digest);
        }
        assert_eq!(digests.len(), 5, "other seeds, other runs");
    }
}

#[test]
fn recording_changes_nothing() {
    for engine in engines() {
        let kept = turbulent(engine, 1, Recording::Full);
        assert_eq!(kept.digest, turbulent(engine, 1, Recording::Off).digest);
        let log = kept.log.unwrap();
        assert_eq!(log.events().len() as u64, kept.events);
        let again = turbulent(engine, 1, Recording::Full).log.unwrap();
        assert_eq!(log.first_divergence(&again), None);
        let other = turbulent(engine, 2, Recording::Full).log.unwrap();
        assert!(log.first_divergence(&other).is_some());
    }
}

#[test]
fn worlds_on_several_threads_do_not_disturb_each_other() {
    for engine in engines() {
        let alone: Vec<_> = (0..4)
            .map(|seed| turbulent(engine, seed, Recording::Off).digest)
            .collect();
        #[expect(clippy::disallowed_methods, reason = "worlds are run on threads; nodes are not")]
        let threads: Vec<_> = (0..4)
            .map(|seed| std::thread::spawn(move || turbulent(engine, seed, Recording::Off).digest))
            .collect();
        let together: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(alone, together);
    }
}

/// What a child process prints is compared with what this one computes.
const CHILD: &str = "CHRYSALIS_SIM_TEST_CHILD";

#[test]
fn one_seed_gives_one_digest_in_another_process() {
    let digests: Vec<String> = engines()
        .into_iter()
        .map(|engine| hex::encode(turbulent(engine, 7, Recording::Off).digest))
        .collect();
    let line = format!("digests {}", digests.join(" "));
    if std::env::var_os(CHILD).is_some() {
        println!("{line}");
        return;
    }
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--nocapture",
            "determinism::one_seed_gives_one_digest_in_another_process",
        ])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(output.lines().any(|other| other.contains(&line)), "{line}\n{output}");
}

/// Entropy that comes from the operating system, as a library that draws it behind our back would.
async fn leak(sim: Sim) {
    let node = sim
        .add_node(NodeSpec::new("leaky", Ipv4Addr::new(10, 0, 0, 2)))
        .unwrap();
    let server = sim
        .add_node(NodeSpec::new("server", Ipv4Addr::new(10, 0, 0, 1)))
        .unwrap();
    server.start(|env| echo_server(env, SERVER));
    sim.sleep(Duration::from_millis(1)).await;
    let env = node.env();
    let mut stream = env.connect(SERVER).await.unwrap();
    let mut message = [0; 32];
    env.crypto_provider().secure_random.fill(&mut message).unwrap();
    stream.write_all(&message).await.unwrap();
    stream.read_exact(&mut message).await.unwrap();
}

#[test]
fn entropy_of_the_operating_system_is_reported_with_the_event_that_shows_it() {
    for engine in engines() {
        let log = |crypto| {
            let mut config = SimConfig::new(1);
            config.recording = Recording::Full;
            config.crypto = crypto;
            // The controller polls the node's connection here: its tasks draw from their own streams.
            run(engine, config, leak).unwrap().1.log.unwrap()
        };
        let (one, two) = (log(CryptoMode::Deterministic), log(CryptoMode::Deterministic));
        assert_eq!(one.first_divergence(&two), None);
        let (one, two) = (log(CryptoMode::StockRing), log(CryptoMode::StockRing));
        let divergence = one.first_divergence(&two).expect("stock ring is not deterministic");
        assert_eq!(divergence.fields, ["content"]);
        assert!(divergence.left.unwrap().contains("leaky -> server Data"));
    }
}

#[test]
fn streams_are_independent_of_each_other() {
    // A node that is added, and draws, shifts nobody else's entropy.
    for engine in engines() {
        let draws = |with_extra: bool| {
            run(engine, SimConfig::new(1), move |sim| async move {
                if with_extra {
                    let extra = sim
                        .add_node(NodeSpec::new("extra", Ipv4Addr::new(10, 0, 0, 9)))
                        .unwrap();
                    extra.env().random_u64();
                }
                let node = sim.add_node(NodeSpec::new("node", Ipv4Addr::new(10, 0, 0, 1))).unwrap();
                (node.env().random_u64(), sim.entropy("plan").next_u64())
            })
            .unwrap()
            .0
        };
        assert_eq!(draws(false), draws(true));
    }
}

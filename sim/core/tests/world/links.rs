//! Latency, bandwidth, loss, windows: to the nanosecond where nothing is random.

use crate::support::{MS, Pair, S, pair};
use chrysalis_sim::{Distribution, EngineKind, LinkSpec, SimConfig, run};
use std::{num::NonZeroU64, time::Duration};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[test]
fn a_handshake_takes_one_round_trip_and_accept_half_a_one_more() {
    pair(|pair| async move {
        let mut listener = pair.listen().await;
        let _client = pair.connect().await;
        pair.assert_now(20 * MS);
        listener.accept().await.unwrap();
        pair.assert_now(30 * MS);
    });
}

#[test]
fn a_refusal_takes_one_round_trip() {
    pair(|pair| async move {
        let error = pair.client.env().connect(pair.address()).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        pair.assert_now(20 * MS);
    });
}

#[test]
fn latencies_far_below_a_millisecond_are_kept() {
    pair(|pair| async move {
        pair.sim
            .network()
            .set_link_one_way(&pair.client, &pair.server, LinkSpec::constant(100_000));
        pair.sim
            .network()
            .set_link_one_way(&pair.server, &pair.client, LinkSpec::constant(7_001));
        let (mut client, mut server) = pair.connection().await;
        pair.assert_now(207_001);
        let start = pair.sim.now_ns();
        client.write_all(b"x").await.unwrap();
        server.read_u8().await.unwrap();
        crate::support::assert_near(pair.engine, pair.sim.now_ns() - start, 100_000);
        let start = pair.sim.now_ns();
        server.write_all(b"x").await.unwrap();
        client.read_u8().await.unwrap();
        crate::support::assert_near(pair.engine, pair.sim.now_ns() - start, 7_001);
    });
}

#[test]
fn links_follow_pair_then_region_then_default() {
    for engine in crate::support::engines() {
        run(engine, SimConfig::new(1), move |sim| async move {
            let network = sim.network();
            let add = |name: &str, last, region: &str| {
                let spec = chrysalis_sim::NodeSpec::new(name, std::net::Ipv4Addr::new(10, 0, 0, last));
                sim.add_node(spec.in_region(region)).unwrap()
            };
            let (a, b, c) = (add("a", 1, "eu"), add("b", 2, "us"), add("c", 3, "eu"));
            network.set_default_link(LinkSpec::constant(MS));
            let trip = async |from: &chrysalis_sim::NodeHandle, to: &chrysalis_sim::NodeHandle| {
                let start = sim.now_ns();
                let address = (to.ip(), 1).into();
                from.env().connect(address).await.unwrap_err();
                sim.now_ns() - start
            };
            crate::support::assert_near(engine, trip(&a, &b).await, 2 * MS);
            network.set_region_link("eu", "us", LinkSpec::constant(40 * MS));
            network.set_region_link("eu", "eu", LinkSpec::constant(2 * MS));
            crate::support::assert_near(engine, trip(&a, &b).await, 80 * MS);
            crate::support::assert_near(engine, trip(&c, &a).await, 4 * MS);
            network.set_region_link_one_way("us", "eu", LinkSpec::constant(50 * MS));
            crate::support::assert_near(engine, trip(&a, &b).await, 90 * MS);
            network.set_link(&a, &b, LinkSpec::constant(5 * MS));
            crate::support::assert_near(engine, trip(&b, &a).await, 10 * MS);
            network.unset_link(&a, &b);
            crate::support::assert_near(engine, trip(&b, &a).await, 90 * MS);
        })
        .unwrap();
    }
}

#[test]
fn bandwidth_is_shared_by_the_connections_of_a_link() {
    pair(|pair| async move {
        let mut listener = pair.listen().await;
        let (mut one, mut two) = (pair.connect().await, pair.connect().await);
        let (mut one_end, mut two_end) = (listener.accept().await.unwrap(), listener.accept().await.unwrap());
        let spec = LinkSpec {
            bandwidth_bytes_per_s: NonZeroU64::new(1_000_000),
            ..LinkSpec::constant(10 * MS)
        };
        pair.sim.network().set_link_one_way(&pair.client, &pair.server, spec);
        let start = pair.sim.now_ns();
        one.write_all(&[1; 50_000]).await.unwrap();
        two.write_all(&[2; 50_000]).await.unwrap();
        one_end.read_exact(&mut [0; 50_000]).await.unwrap();
        crate::support::assert_near(pair.engine, pair.sim.now_ns() - start, 60 * MS);
        two_end.read_exact(&mut [0; 50_000]).await.unwrap();
        crate::support::assert_near(pair.engine, pair.sim.now_ns() - start, 110 * MS);
        // The other direction is free.
        let start = pair.sim.now_ns();
        one_end.write_all(&[3; 50_000]).await.unwrap();
        one.read_exact(&mut [0; 50_000]).await.unwrap();
        crate::support::assert_near(pair.engine, pair.sim.now_ns() - start, 10 * MS);
    });
}

#[test]
fn a_window_limits_throughput_to_one_window_per_round_trip() {
    pair(|pair| async move {
        let spec = LinkSpec {
            socket_buffer_bytes: 10_000,
            ..LinkSpec::constant(10 * MS)
        };
        pair.sim.network().set_default_link(spec);
        let (mut client, mut server) = pair.connection().await;
        let start = pair.sim.now_ns();
        pair.server.env().spawn("reader", async move {
            while let Ok(1..) = server.read(&mut [0; 100_000]).await {}
        });
        client.write_all(&[0; 50_000]).await.unwrap();
        // The fifth window goes out when the fourth was read and the news of it is back.
        crate::support::assert_near(pair.engine, pair.sim.now_ns() - start, 80 * MS);
    });
}

#[test]
fn a_writer_waits_for_a_reader_and_no_timer_runs_meanwhile() {
    pair(|pair| async move {
        let spec = LinkSpec {
            socket_buffer_bytes: 1_000,
            ..LinkSpec::constant(10 * MS)
        };
        pair.sim.network().set_default_link(spec);
        let (mut client, mut server) = pair.connection().await;
        assert_eq!(client.write(&[0; 5_000]).await.unwrap(), 1_000);
        let env = pair.client.env();
        let stuck = env.timeout(Duration::from_secs(3_600), client.write(&[0; 1])).await;
        assert!(stuck.is_err());
        assert_eq!(pair.sim.census().timers, 0);
        server.read_exact(&mut [0; 400]).await.unwrap();
        assert_eq!(client.write(&[0; 5_000]).await.unwrap(), 400);
    });
}

#[test]
fn jitter_keeps_the_order_of_bytes() {
    pair(|pair| async move {
        let spec = LinkSpec {
            latency: Distribution::Exponential { mean: 20 * MS },
            jitter: Distribution::Uniform { low: 0, high: 30 * MS },
            ..LinkSpec::default()
        };
        pair.sim.network().set_default_link(spec);
        let (mut client, mut server) = pair.connection().await;
        let sent: Vec<u8> = (0..2_000_u32).flat_map(u32::to_le_bytes).collect();
        for part in sent.chunks(40) {
            client.write_all(part).await.unwrap();
            pair.sim.sleep(Duration::from_millis(1)).await;
        }
        let mut received = vec![0; sent.len()];
        server.read_exact(&mut received).await.unwrap();
        assert!(received == sent);
    });
}

#[test]
fn loss_delays_and_loses_nothing() {
    for engine in crate::support::engines() {
        let time_with_loss = |loss_ppm| {
            run(engine, SimConfig::new(5), move |sim| async move {
                let pair = Pair::new(engine, &sim, 10 * MS);
                let (mut client, mut server) = pair.connection().await;
                sim.network().set_default_link(LinkSpec {
                    loss_ppm,
                    ..LinkSpec::constant(10 * MS)
                });
                let start = sim.now_ns();
                for round in 0..200_u32 {
                    client.write_all(&round.to_le_bytes()).await.unwrap();
                    assert_eq!(server.read_u32_le().await.unwrap(), round);
                }
                sim.now_ns() - start
            })
            .unwrap()
            .0
        };
        crate::support::assert_near(engine, time_with_loss(0), 2 * S);
        // One loss in ten costs about 0.22 s each, doubled when it repeats: 200 × (0.1 × 0.22 + 0.01 × 0.44 + ...) = 5.5 s.
        let lossy = time_with_loss(100_000);
        assert!((4 * S..12 * S).contains(&lossy), "{engine:?}: {lossy}");
    }
}

#[test]
fn connects_survive_loss_by_trying_again() {
    let (waits, _) = run(EngineKind::Native, SimConfig::new(9), |sim| async move {
        let pair = Pair::new(EngineKind::Native, &sim, 10 * MS);
        sim.network().set_default_link(LinkSpec {
            loss_ppm: 300_000,
            ..LinkSpec::constant(10 * MS)
        });
        let listener = pair.listen().await;
        let mut waits = std::collections::BTreeMap::<u64, u32>::new();
        for _ in 0..200 {
            let start = sim.now_ns();
            drop(pair.connect().await);
            *waits.entry((sim.now_ns() - start) / MS).or_default() += 1;
        }
        drop(listener);
        waits
    })
    .unwrap();
    assert!(waits[&20] > 60, "{waits:?}");
    assert!(waits[&1_020] > 20, "after one retry: {waits:?}");
    assert!(waits[&3_020] > 5, "after two: {waits:?}");
}

#[test]
fn a_full_backlog_makes_connects_wait_for_their_next_syn() {
    let mut config = SimConfig::new(1);
    config.transport.backlog = 2;
    crate::support::with_config(&config, |engine, sim| async move {
        let pair = Pair::new(engine, &sim, 10 * MS);
        let mut listener = pair.listen().await;
        let _held = (pair.connect().await, pair.connect().await);
        pair.assert_now(40 * MS);
        let other = sim.clone();
        sim.env().spawn("accept later", async move {
            other.sleep_until(S / 2).await;
            listener.accept().await.unwrap();
            std::future::pending::<()>().await;
        });
        let start = sim.now_ns();
        let _third = pair.client.env().connect(pair.address()).await.unwrap();
        crate::support::assert_near(engine, sim.now_ns() - start, S + 20 * MS);
    });
}

#[test]
fn loopback_within_a_node_is_fast_and_not_free() {
    pair(|pair| async move {
        let env = pair.server.env();
        let _listener = env.listen(pair.address()).await.unwrap();
        env.connect(pair.address()).await.unwrap();
        pair.assert_now(20_000);
    });
}

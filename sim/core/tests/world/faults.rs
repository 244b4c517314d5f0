//! Cuts, holds, partitions.

use crate::support::{MS, S, pair};
use std::{io::ErrorKind, net::SocketAddr, time::Duration};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[test]
fn connecting_into_silence_times_out_like_linux() {
    pair(|pair| async move {
        let _listener = pair.listen().await;
        pair.sim.network().cut(&pair.server, &pair.client);
        let error = pair.client.env().connect(pair.address()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        pair.assert_now(127 * S);
        let nobody: SocketAddr = "10.9.9.9:80".parse().unwrap();
        let error = pair.client.env().connect(nobody).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        pair.assert_now(254 * S);
    });
}

#[test]
fn a_connect_gets_through_with_the_first_syn_after_the_heal() {
    pair(|pair| async move {
        let _listener = pair.listen().await;
        // One way is enough: here the answers are lost.
        pair.sim.network().cut_one_way(&pair.server, &pair.client);
        let other = pair.clone();
        pair.sim.env().spawn("healer", async move {
            other.sim.sleep_until(2 * S + S / 2).await;
            other.sim.network().heal_one_way(&other.server, &other.client);
        });
        pair.connect().await;
        // SYNs leave at 0, 1, 3, ... s; the server's own retry answers at 3.01 s as well.
        pair.assert_now(3 * S + 20 * MS);
    });
}

#[test]
fn a_cut_delays_data_until_a_retransmission_gets_through() {
    pair(|pair| async move {
        let (mut client, mut server) = pair.connection().await;
        let start = pair.sim.now_ns();
        pair.sim.network().cut_one_way(&pair.client, &pair.server);
        client.write_all(b"delayed").await.unwrap();
        client.write_all(b" but whole").await.unwrap();
        client.shutdown().await.unwrap();
        // The other direction works.
        server.write_all(b"x").await.unwrap();
        client.read_u8().await.unwrap();
        crate::support::assert_near(pair.engine, pair.sim.now_ns() - start, 10 * MS);
        pair.sim.sleep_until(start + S).await;
        pair.sim.network().heal_one_way(&pair.client, &pair.server);
        let mut received = String::new();
        server.read_to_string(&mut received).await.unwrap();
        assert_eq!(received, "delayed but whole");
        // Time-outs of 0.22, 0.44, 0.88 s: tries at 0.22, 0.66 and 1.54 s.
        crate::support::assert_near(pair.engine, pair.sim.now_ns() - start, 1_550 * MS);
    });
}

#[test]
fn what_was_under_way_before_a_cut_arrives() {
    pair(|pair| async move {
        let (mut client, mut server) = pair.connection().await;
        let start = pair.sim.now_ns();
        client.write_all(b"x").await.unwrap();
        pair.sim.network().cut(&pair.client, &pair.server);
        server.read_u8().await.unwrap();
        crate::support::assert_near(pair.engine, pair.sim.now_ns() - start, 10 * MS);
    });
}

#[test]
fn a_cut_that_lasts_ends_the_writer_after_a_quarter_of_an_hour() {
    pair(|pair| async move {
        let (mut client, mut server) = pair.connection().await;
        let start = pair.sim.now_ns();
        pair.sim.network().cut(&pair.client, &pair.server);
        client.write_all(b"lost").await.unwrap();
        let error = client.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        crate::support::assert_near(pair.engine, pair.sim.now_ns() - start, 924_600 * MS);
        assert_eq!(client.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        // The server knows nothing of it, until it speaks.
        pair.sim.network().heal(&pair.client, &pair.server);
        let env = pair.server.env();
        assert!(env.timeout(Duration::from_secs(3_600), server.read_u8()).await.is_err());
        server.write_all(b"hello?").await.unwrap();
        assert_eq!(server.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_writer_whose_acknowledgements_are_cut_gives_up_too() {
    pair(|pair| async move {
        let (mut client, mut server) = pair.connection().await;
        let start = pair.sim.now_ns();
        pair.sim.network().cut_one_way(&pair.server, &pair.client);
        client.write_all(b"arrives").await.unwrap();
        server.read_exact(&mut [0; 7]).await.unwrap();
        crate::support::assert_near(pair.engine, pair.sim.now_ns() - start, 10 * MS);
        assert_eq!(client.read_u8().await.unwrap_err().kind(), ErrorKind::TimedOut);
        crate::support::assert_near(pair.engine, pair.sim.now_ns() - start, 924_600 * MS);
    });
}

#[test]
fn an_idle_connection_does_not_notice_a_cut() {
    pair(|pair| async move {
        let (mut client, mut server) = pair.connection().await;
        pair.sim.network().cut(&pair.client, &pair.server);
        pair.sim.sleep(Duration::from_secs(86_400)).await;
        pair.sim.network().heal(&pair.client, &pair.server);
        client.write_all(b"x").await.unwrap();
        server.read_u8().await.unwrap();
    });
}

#[test]
fn held_packets_come_later_and_in_order() {
    pair(|pair| async move {
        let mut listener = pair.listen().await;
        let network = pair.sim.network();
        network.hold(&pair.client, &pair.server);
        let other = pair.clone();
        pair.sim.env().spawn("releaser", async move {
            other.sim.sleep_until(S / 2).await;
            other.sim.network().release(&other.client, &other.server);
        });
        let mut client = pair.connect().await;
        pair.assert_now(S / 2 + 20 * MS);
        let mut server = listener.accept().await.unwrap();
        network.hold_one_way(&pair.client, &pair.server);
        client.write_all(b"one").await.unwrap();
        client.write_all(b"two").await.unwrap();
        drop(client);
        let env = pair.server.env();
        let nothing = env.timeout(Duration::from_secs(2_000), server.read_u8()).await;
        assert!(nothing.is_err(), "a hold is no loss: no time-out either");
        network.release_one_way(&pair.client, &pair.server);
        let start = pair.sim.now_ns();
        let mut received = String::new();
        server.read_to_string(&mut received).await.unwrap();
        assert_eq!(received, "onetwo");
        crate::support::assert_near(pair.engine, pair.sim.now_ns() - start, 10 * MS);
    });
}

#[test]
fn overlapping_cuts_are_independent() {
    pair(|pair| async move {
        let _listener = pair.listen().await;
        let network = pair.sim.network();
        network.cut(&pair.client, &pair.server);
        network.partition(&[std::slice::from_ref(&pair.client), std::slice::from_ref(&pair.server)]);
        network.heal(&pair.client, &pair.server);
        let env = pair.client.env();
        let limit = Duration::from_secs(10);
        assert!(env.timeout(limit, env.connect(pair.address())).await.is_err());
        network.heal_partition(&[std::slice::from_ref(&pair.client), std::slice::from_ref(&pair.server)]);
        assert!(env.timeout(limit, env.connect(pair.address())).await.is_ok());
        network.cut(&pair.client, &pair.server);
        network.cut(&pair.client, &pair.server);
        network.heal_all();
        assert!(env.timeout(limit, env.connect(pair.address())).await.is_ok());
    });
}

#[test]
fn a_window_update_that_was_cut_off_is_found_by_probing() {
    pair(|pair| async move {
        pair.sim.network().set_default_link(chrysalis_sim::LinkSpec {
            socket_buffer_bytes: 100,
            ..chrysalis_sim::LinkSpec::constant(10 * MS)
        });
        let (mut client, mut server) = pair.connection().await;
        client.write_all(&[0; 100]).await.unwrap();
        pair.sim.sleep(Duration::from_millis(50)).await;
        pair.sim.network().cut_one_way(&pair.server, &pair.client);
        server.read_exact(&mut [0; 100]).await.unwrap();
        let env = pair.client.env();
        let stuck = env.timeout(Duration::from_secs(5), client.write(&[1])).await;
        assert!(stuck.is_err());
        pair.sim.network().heal_one_way(&pair.server, &pair.client);
        env.timeout(Duration::from_secs(1), client.write(&[1]))
            .await
            .expect("probed")
            .unwrap();
    });
}

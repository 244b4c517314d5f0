//! What a program can see of sockets, written once and run on both simulated engines and on real loopback sockets: the
//! three must agree.
//!
//! What loopback cannot show (latency, cuts, silence, time-outs) is in `transport.rs`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "helpers of tests fail like tests"
)]

mod world;

use chrysalis_env::Stream;
use std::{io::ErrorKind, time::Duration};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use world::Nodes;

/// One test per case and world.
macro_rules! conformance {
    ($($case:ident)*) => {
        mod native {
            $(#[test] fn $case() { crate::world::simulated(chrysalis_sim::EngineKind::Native, crate::$case); })*
        }
        mod madsim {
            $(#[test] fn $case() { crate::world::simulated(chrysalis_sim::EngineKind::Madsim, crate::$case); })*
        }
        mod loopback {
            $(#[test] fn $case() { crate::world::loopback(crate::$case); })*
        }
    };
}

conformance! {
    connecting_to_a_closed_port_is_refused
    addresses_of_both_ends_match
    bytes_arrive_in_order_whatever_the_read_sizes
    dropping_a_stream_is_end_of_file_for_the_peer
    half_close_leaves_the_other_direction_open
    writing_after_shutdown_is_a_broken_pipe
    shutdown_can_be_repeated
    dropping_with_unread_data_resets_the_peer
    data_before_a_reset_can_be_read
    writing_after_a_reset_fails_once_with_reset_then_with_broken_pipe
    writing_to_a_peer_that_has_gone_fails_at_the_second_write
    end_of_file_stays_after_the_peers_reset
    reading_first_after_a_reset_leaves_broken_pipe_for_the_writer
    a_writer_stops_when_nobody_reads
    large_transfers_both_ways_are_intact
    many_connections_do_not_mix
    a_client_can_write_before_it_is_accepted
    connections_are_accepted_in_order
    an_accept_can_be_given_up_and_taken_up_again
    a_port_is_taken_once_and_free_after_the_drop
    a_port_can_be_listened_on_while_old_connections_live
    dropping_a_listener_resets_connections_in_its_backlog
    accepted_connections_outlive_their_listener
    only_own_addresses_can_be_listened_on
    a_node_can_connect_to_itself
    a_listener_on_all_addresses_accepts
    empty_reads_and_writes_do_nothing
    two_tasks_can_share_a_stream
    data_and_fin_sent_before_accept_arrive
    a_connect_that_is_given_up_leaves_nothing
    closing_both_ends_at_once_is_quiet
    flush_is_always_ready
}

async fn read_kind(stream: &mut Stream) -> Result<usize, ErrorKind> {
    stream.read(&mut [0; 64]).await.map_err(|error| error.kind())
}

async fn write_kind(stream: &mut Stream) -> Result<usize, ErrorKind> {
    stream.write(b"more").await.map_err(|error| error.kind())
}

/// `count` bytes that repeat only after a prime.
fn pattern(count: usize, salt: u8) -> Vec<u8> {
    (0..count).map(|index| (index % 251) as u8 ^ salt).collect()
}

async fn connecting_to_a_closed_port_is_refused(nodes: Nodes) {
    let listener = nodes.listener().await;
    let address = listener.local_address();
    drop(listener);
    let error = nodes.client.connect(address).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

async fn addresses_of_both_ends_match(nodes: Nodes) {
    let mut listener = nodes.listener().await;
    assert_ne!(listener.local_address().port(), 0);
    let client = nodes.client.connect(listener.local_address()).await.unwrap();
    let server = listener.accept().await.unwrap();
    assert_eq!(client.peer_address(), listener.local_address());
    assert_eq!(client.peer_address(), server.local_address());
    assert_eq!(client.local_address(), server.peer_address());
    assert_ne!(client.local_address().port(), 0);
}

async fn bytes_arrive_in_order_whatever_the_read_sizes(nodes: Nodes) {
    let (mut client, mut server) = nodes.connection().await;
    let sent = pattern(10_000, 0);
    for part in sent.chunks(777) {
        client.write_all(part).await.unwrap();
    }
    let mut received = Vec::new();
    let mut size = 1;
    while received.len() < sent.len() {
        let mut buffer = vec![0; size];
        let count = server.read(&mut buffer).await.unwrap();
        assert!(count > 0);
        received.extend_from_slice(&buffer[..count]);
        size = size % 1_000 + 97;
    }
    assert_eq!(received, sent);
}

async fn dropping_a_stream_is_end_of_file_for_the_peer(nodes: Nodes) {
    let (mut client, server) = nodes.connection().await;
    drop(server);
    assert_eq!(read_kind(&mut client).await, Ok(0));
    assert_eq!(read_kind(&mut client).await, Ok(0), "and stays so");
}

async fn half_close_leaves_the_other_direction_open(nodes: Nodes) {
    let (mut client, mut server) = nodes.connection().await;
    client.write_all(b"request").await.unwrap();
    client.shutdown().await.unwrap();
    let mut request = Vec::new();
    server.read_to_end(&mut request).await.unwrap();
    assert_eq!(request, b"request");
    nodes.settle().await;
    for _ in 0..3 {
        server.write_all(b"answer").await.unwrap();
        nodes.settle().await;
    }
    drop(server);
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"answeransweranswer");
}

async fn writing_after_shutdown_is_a_broken_pipe(nodes: Nodes) {
    let (mut client, _server) = nodes.connection().await;
    client.shutdown().await.unwrap();
    assert_eq!(write_kind(&mut client).await, Err(ErrorKind::BrokenPipe));
    assert_eq!(write_kind(&mut client).await, Err(ErrorKind::BrokenPipe));
}

async fn shutdown_can_be_repeated(nodes: Nodes) {
    let (mut client, mut server) = nodes.connection().await;
    client.shutdown().await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(read_kind(&mut server).await, Ok(0));
    drop(server);
    nodes.settle().await;
    client.shutdown().await.unwrap();
}

async fn dropping_with_unread_data_resets_the_peer(nodes: Nodes) {
    let (mut client, server) = nodes.connection().await;
    client.write_all(b"never read").await.unwrap();
    nodes.settle().await;
    drop(server);
    assert_eq!(read_kind(&mut client).await, Err(ErrorKind::ConnectionReset));
    assert_eq!(read_kind(&mut client).await, Ok(0), "the error is told once");
}

async fn data_before_a_reset_can_be_read(nodes: Nodes) {
    let (mut client, mut server) = nodes.connection().await;
    client.write_all(b"never read").await.unwrap();
    server.write_all(b"last words").await.unwrap();
    nodes.settle().await;
    drop(server);
    nodes.settle().await;
    let mut buffer = [0; 10];
    client.read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"last words");
    assert_eq!(read_kind(&mut client).await, Err(ErrorKind::ConnectionReset));
}

async fn writing_after_a_reset_fails_once_with_reset_then_with_broken_pipe(nodes: Nodes) {
    let (mut client, server) = nodes.connection().await;
    client.write_all(b"never read").await.unwrap();
    nodes.settle().await;
    drop(server);
    nodes.settle().await;
    assert_eq!(write_kind(&mut client).await, Err(ErrorKind::ConnectionReset));
    assert_eq!(write_kind(&mut client).await, Err(ErrorKind::BrokenPipe));
    assert_eq!(read_kind(&mut client).await, Ok(0));
}

async fn writing_to_a_peer_that_has_gone_fails_at_the_second_write(nodes: Nodes) {
    let (mut client, server) = nodes.connection().await;
    drop(server);
    nodes.settle().await;
    assert_eq!(write_kind(&mut client).await, Ok(4), "the kernel takes it");
    nodes.settle().await;
    assert_eq!(write_kind(&mut client).await, Err(ErrorKind::BrokenPipe));
}

async fn end_of_file_stays_after_the_peers_reset(nodes: Nodes) {
    let (mut client, server) = nodes.connection().await;
    drop(server);
    nodes.settle().await;
    assert_eq!(write_kind(&mut client).await, Ok(4));
    nodes.settle().await;
    assert_eq!(read_kind(&mut client).await, Ok(0));
}

async fn reading_first_after_a_reset_leaves_broken_pipe_for_the_writer(nodes: Nodes) {
    let (mut client, server) = nodes.connection().await;
    client.write_all(b"never read").await.unwrap();
    nodes.settle().await;
    drop(server);
    assert_eq!(read_kind(&mut client).await, Err(ErrorKind::ConnectionReset));
    assert_eq!(write_kind(&mut client).await, Err(ErrorKind::BrokenPipe));
}

async fn a_writer_stops_when_nobody_reads(nodes: Nodes) {
    const FAR_TOO_MUCH: usize = 64 << 20;
    let (mut client, mut server) = nodes.connection().await;
    let block = pattern(1 << 20, 3);
    let mut sent = Vec::new();
    while sent.len() < FAR_TOO_MUCH {
        match nodes.client.timeout(SETTLE_LONG, client.write(&block)).await {
            Ok(count) => sent.extend_from_slice(&block[..count.unwrap()]),
            Err(_) => break,
        }
    }
    assert!((1..FAR_TOO_MUCH).contains(&sent.len()), "{}", sent.len());
    // Once the peer reads, all of it and more gets through.
    let mut received = vec![0; sent.len()];
    server.read_exact(&mut received).await.unwrap();
    assert!(received == sent);
    client.write_all(b"on we go").await.unwrap();
    server.read_exact(&mut received[..8]).await.unwrap();
    assert_eq!(&received[..8], b"on we go");
}

const SETTLE_LONG: Duration = Duration::from_millis(400);

async fn large_transfers_both_ways_are_intact(nodes: Nodes) {
    const BYTES: usize = 12 << 20;
    let (client, server) = nodes.connection().await;
    let (mut client_read, mut client_write) = tokio::io::split(client);
    let (mut server_read, mut server_write) = tokio::io::split(server);
    nodes.client.spawn("upload", async move {
        client_write.write_all(&pattern(BYTES, 1)).await.unwrap();
        client_write.shutdown().await.unwrap();
    });
    nodes.server.spawn("download", async move {
        server_write.write_all(&pattern(BYTES, 2)).await.unwrap();
        server_write.shutdown().await.unwrap();
    });
    let (mut uploaded, mut downloaded) = (Vec::new(), Vec::new());
    let (up, down) = tokio::join!(
        server_read.read_to_end(&mut uploaded),
        client_read.read_to_end(&mut downloaded)
    );
    assert_eq!((up.unwrap(), down.unwrap()), (BYTES, BYTES));
    assert!(uploaded == pattern(BYTES, 1));
    assert!(downloaded == pattern(BYTES, 2));
}

async fn many_connections_do_not_mix(nodes: Nodes) {
    const COUNT: u8 = 200;
    let mut listener = nodes.listener().await;
    let address = listener.local_address();
    let server = nodes.server.clone();
    nodes.server.spawn("server", async move {
        loop {
            let mut stream = listener.accept().await.unwrap();
            server.spawn("echo", async move {
                let mut buffer = [0; 100];
                while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                    stream.write_all(&buffer[..count]).await.unwrap();
                }
            });
        }
    });
    let (done, mut finished) = tokio::sync::mpsc::unbounded_channel();
    for salt in 0..COUNT {
        let (client, done) = (nodes.client.clone(), done.clone());
        nodes.client.spawn("client", async move {
            let mut stream = client.connect(address).await.unwrap();
            for round in 0..5 {
                let sent = pattern(1_000 + round, salt);
                stream.write_all(&sent).await.unwrap();
                let mut received = vec![0; sent.len()];
                stream.read_exact(&mut received).await.unwrap();
                assert!(received == sent, "connection {salt} round {round}");
            }
            done.send(()).unwrap();
        });
    }
    for _ in 0..COUNT {
        finished.recv().await.unwrap();
    }
}

async fn a_client_can_write_before_it_is_accepted(nodes: Nodes) {
    let mut listener = nodes.listener().await;
    let mut client = nodes.client.connect(listener.local_address()).await.unwrap();
    client.write_all(b"early").await.unwrap();
    nodes.settle().await;
    let mut server = listener.accept().await.unwrap();
    let mut buffer = [0; 5];
    server.read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"early");
}

async fn data_and_fin_sent_before_accept_arrive(nodes: Nodes) {
    let mut listener = nodes.listener().await;
    let mut client = nodes.client.connect(listener.local_address()).await.unwrap();
    client.write_all(b"early").await.unwrap();
    drop(client);
    nodes.settle().await;
    let mut server = listener.accept().await.unwrap();
    let mut received = Vec::new();
    server.read_to_end(&mut received).await.unwrap();
    assert_eq!(received, b"early");
}

async fn connections_are_accepted_in_order(nodes: Nodes) {
    let mut listener = nodes.listener().await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(nodes.client.connect(listener.local_address()).await.unwrap());
        nodes.settle().await;
    }
    let wanted: Vec<_> = clients.iter().map(Stream::local_address).collect();
    for address in wanted {
        let server = listener.accept().await.unwrap();
        assert_eq!(server.peer_address(), address);
    }
}

async fn an_accept_can_be_given_up_and_taken_up_again(nodes: Nodes) {
    let mut listener = nodes.listener().await;
    let given_up = nodes.server.timeout(Duration::from_millis(20), listener.accept()).await;
    assert!(given_up.is_err());
    let client = nodes.client.connect(listener.local_address()).await.unwrap();
    let server = listener.accept().await.unwrap();
    assert_eq!(server.peer_address(), client.local_address());
}

async fn a_port_is_taken_once_and_free_after_the_drop(nodes: Nodes) {
    let listener = nodes.listener().await;
    let address = listener.local_address();
    let error = nodes.server.listen(address).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    drop(listener);
    nodes.server.listen(address).await.unwrap();
}

async fn a_port_can_be_listened_on_while_old_connections_live(nodes: Nodes) {
    let mut listener = nodes.listener().await;
    let address = listener.local_address();
    let mut old = nodes.client.connect(address).await.unwrap();
    let mut old_server = listener.accept().await.unwrap();
    drop(listener);
    let mut listener = nodes.server.listen(address).await.unwrap();
    let new = nodes.client.connect(address).await.unwrap();
    let new_server = listener.accept().await.unwrap();
    assert_eq!(new_server.peer_address(), new.local_address());
    old.write_all(b"still here").await.unwrap();
    let mut buffer = [0; 10];
    old_server.read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"still here");
}

async fn dropping_a_listener_resets_connections_in_its_backlog(nodes: Nodes) {
    let listener = nodes.listener().await;
    let mut client = nodes.client.connect(listener.local_address()).await.unwrap();
    nodes.settle().await;
    drop(listener);
    assert_eq!(read_kind(&mut client).await, Err(ErrorKind::ConnectionReset));
}

async fn accepted_connections_outlive_their_listener(nodes: Nodes) {
    let (mut client, mut server) = nodes.connection().await;
    nodes.settle().await;
    server.write_all(b"alive").await.unwrap();
    let mut buffer = [0; 5];
    client.read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"alive");
}

async fn only_own_addresses_can_be_listened_on(nodes: Nodes) {
    let foreign = "192.0.2.7:0".parse().unwrap();
    let error = nodes.server.listen(foreign).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
}

async fn a_node_can_connect_to_itself(nodes: Nodes) {
    let mut listener = nodes.server.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let mut client = nodes.server.connect(listener.local_address()).await.unwrap();
    let mut server = listener.accept().await.unwrap();
    client.write_all(b"me").await.unwrap();
    let mut buffer = [0; 2];
    server.read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"me");
}

async fn a_listener_on_all_addresses_accepts(nodes: Nodes) {
    let mut listener = nodes.server.listen("0.0.0.0:0".parse().unwrap()).await.unwrap();
    let port = listener.local_address().port();
    assert!(listener.local_address().ip().is_unspecified());
    let client = nodes.client.connect(nodes.address(port)).await.unwrap();
    let server = listener.accept().await.unwrap();
    assert_eq!(server.local_address(), client.peer_address());
    let error = nodes.server.listen(nodes.address(port)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
}

async fn empty_reads_and_writes_do_nothing(nodes: Nodes) {
    let (mut client, mut server) = nodes.connection().await;
    assert_eq!(client.write(&[]).await.unwrap(), 0);
    client.write_all(b"x").await.unwrap();
    nodes.settle().await;
    assert_eq!(server.read(&mut []).await.unwrap(), 0);
    assert_eq!(read_kind(&mut server).await, Ok(1));
}

async fn two_tasks_can_share_a_stream(nodes: Nodes) {
    let (client, mut server) = nodes.connection().await;
    let (mut read, mut write) = tokio::io::split(client);
    let (done, finished) = tokio::sync::oneshot::channel();
    nodes.client.spawn("reader", async move {
        let mut all = Vec::new();
        read.read_to_end(&mut all).await.unwrap();
        done.send(all).unwrap();
    });
    write.write_all(b"ping").await.unwrap();
    let mut buffer = [0; 4];
    server.read_exact(&mut buffer).await.unwrap();
    server.write_all(b"pong").await.unwrap();
    drop(server);
    assert_eq!(finished.await.unwrap(), b"pong");
    drop(write);
}

async fn a_connect_that_is_given_up_leaves_nothing(nodes: Nodes) {
    let mut listener = nodes.listener().await;
    let address = listener.local_address();
    // Given up before its first step, and after it.
    drop(nodes.client.connect(address));
    let _ = nodes
        .client
        .timeout(Duration::from_nanos(1), nodes.client.connect(address))
        .await;
    nodes.settle().await;
    // Whatever was accepted of it ends at once; a real connect comes after.
    let client = nodes.client.connect(address).await.unwrap();
    loop {
        let mut server = listener.accept().await.unwrap();
        if server.peer_address() == client.local_address() {
            break;
        }
        assert!(matches!(
            read_kind(&mut server).await,
            Ok(0) | Err(ErrorKind::ConnectionReset)
        ));
    }
}

async fn closing_both_ends_at_once_is_quiet(nodes: Nodes) {
    let (mut client, mut server) = nodes.connection().await;
    let (a, b) = tokio::join!(client.shutdown(), server.shutdown());
    a.unwrap();
    b.unwrap();
    assert_eq!(read_kind(&mut client).await, Ok(0));
    assert_eq!(read_kind(&mut server).await, Ok(0));
    nodes.settle().await;
    assert_eq!(write_kind(&mut client).await, Err(ErrorKind::BrokenPipe));
}

async fn flush_is_always_ready(nodes: Nodes) {
    let (mut client, server) = nodes.connection().await;
    client.flush().await.unwrap();
    client.write_all(b"never read").await.unwrap();
    client.flush().await.unwrap();
    nodes.settle().await;
    drop(server);
    nodes.settle().await;
    client.flush().await.unwrap();
}

//! Request and response of 64 bytes, many clients, one server, 10 ms one way.

use crate::measure::{self, resident_bytes};
use chrysalis_env::Env;
use chrysalis_sim::{EngineKind, LinkSpec, NodeSpec, Sim, SimConfig, run};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes in a message.
pub(crate) const MESSAGE_BYTES: usize = 64;
/// One way.
pub(crate) const LATENCY: Duration = Duration::from_millis(10);
/// Where the server listens.
pub(crate) const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 80);

/// Address of the client with this number.
pub(crate) fn client_ip(index: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a00_0100 + index as u32)
}

/// Answers messages with themselves until the peer is gone.
pub(crate) async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, message_bytes: usize) {
    let mut buffer = vec![0; message_bytes];
    while stream.read_exact(&mut buffer).await.is_ok() {
        if stream.write_all(&buffer).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

/// Sends messages and waits for each answer.
pub(crate) async fn ask(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    message_bytes: usize,
    rounds: usize,
) -> io::Result<()> {
    let mut buffer = vec![7; message_bytes];
    for _ in 0..rounds {
        stream.write_all(&buffer).await?;
        stream.flush().await?;
        stream.read_exact(&mut buffer).await?;
    }
    Ok(())
}

async fn serve(env: Env) -> io::Result<()> {
    let mut listener = env.listen(SERVER).await?;
    loop {
        let stream = listener.accept().await?;
        env.spawn("answer", answer(stream, MESSAGE_BYTES));
    }
}

/// A world with a server, and `clients` that do `rounds` each and then stay connected until all are done.
async fn world(sim: Sim, clients: usize, rounds: usize) -> Option<u64> {
    sim.network()
        .set_default_link(LinkSpec::constant(LATENCY.as_nanos() as u64));
    let before = resident_bytes();
    let server = sim.add_node(NodeSpec::new("server", Ipv4Addr::new(10, 0, 0, 1))).ok()?;
    let env = server.env();
    server.env().spawn("server", async move {
        // It ends with the world.
        let _ = serve(env).await;
    });
    let (done, mut finished) = tokio::sync::mpsc::unbounded_channel();
    for index in 0..clients {
        let node = sim
            .add_node(NodeSpec::new(format!("client-{index}"), client_ip(index)))
            .ok()?;
        let (env, done) = (node.env(), done.clone());
        node.env().spawn("client", async move {
            let asked = match env.connect(SERVER).await {
                Ok(mut stream) => {
                    let asked = ask(&mut stream, MESSAGE_BYTES, rounds).await;
                    let _ = done.send(asked.is_ok());
                    // Connected and idle: what such a node costs is part of what is measured.
                    std::future::pending::<()>().await;
                    asked
                }
                Err(error) => Err(error),
            };
            let _ = done.send(asked.is_ok());
        });
    }
    for _ in 0..clients {
        if finished.recv().await != Some(true) {
            return None;
        }
    }
    Some(resident_bytes().saturating_sub(before) / clients as u64)
}

/// One run: resident bytes per client at its end.
fn echo(engine: EngineKind, clients: usize, rounds: usize) -> Option<u64> {
    let mut config = SimConfig::new(1);
    // All clients connect at once.
    config.transport.backlog = clients;
    run(engine, config, move |sim| world(sim, clients, rounds)).ok()?.0
}

/// Messages per CPU-second.
pub(crate) fn rate(engine: EngineKind, clients: usize, rounds: usize) -> f64 {
    measure::rate(|| echo(engine, clients, rounds).map_or(0, |_| 2 * (clients * rounds) as u64))
}

/// Memory of a client that is connected and idle, with its half of the server.
pub(crate) fn bytes_per_client(engine: EngineKind, clients: usize) -> f64 {
    echo(engine, clients, 2).unwrap_or(0) as f64
}

//! The same work on other simulators and on real sockets.
#![expect(clippy::disallowed_methods, reason = "rivals are measured as their users use them")]

#[cfg(feature = "rivals")]
use crate::echo::{LATENCY, SERVER, client_ip};
use crate::{
    echo::{MESSAGE_BYTES, answer, ask},
    measure::rate,
};
use std::net::Ipv4Addr;
#[cfg(feature = "rivals")]
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

pub(crate) struct Rival {
    pub(crate) name: &'static str,
    /// Full work of a client.
    pub(crate) rounds: usize,
    /// Messages per CPU-second, given clients and rounds.
    pub(crate) rate: fn(usize, usize) -> f64,
}

/// Those that this build has.
pub(crate) fn all() -> Vec<Rival> {
    vec![
        #[cfg(all(madsim, feature = "rivals"))]
        Rival {
            name: "madsim-tcp",
            rounds: 2_000,
            rate: madsim_tcp,
        },
        #[cfg(feature = "rivals")]
        Rival {
            name: "turmoil",
            rounds: 10,
            rate: turmoil,
        },
        Rival {
            name: "loopback",
            rounds: 500,
            rate: loopback,
        },
    ]
}

/// madsim with its own TCP.
#[cfg(all(madsim, feature = "rivals"))]
fn madsim_tcp(clients: usize, rounds: usize) -> f64 {
    use madsim::{net, runtime, task};
    rate(|| {
        let mut config = madsim::Config::default();
        config.net.send_latency = LATENCY..LATENCY + Duration::from_nanos(1);
        let runtime = runtime::Runtime::with_seed_and_config(1, config);
        runtime.block_on(async move {
            let handle = runtime::Handle::current();
            let server = handle.create_node().ip(SERVER.ip()).build();
            server.spawn(async {
                let Ok(listener) = net::TcpListener::bind(SERVER).await else {
                    return;
                };
                while let Ok((stream, _)) = listener.accept().await {
                    task::spawn(answer(stream, MESSAGE_BYTES));
                }
            });
            let clients: Vec<_> = (0..clients)
                .map(|index| {
                    let node = handle.create_node().ip(client_ip(index).into()).build();
                    node.spawn(async move {
                        if let Ok(stream) = connect_until_up().await {
                            let _ = ask(stream, MESSAGE_BYTES, rounds).await;
                        }
                    })
                })
                .collect();
            for client in clients {
                let _ = client.await;
            }
        });
        2 * (clients * rounds) as u64
    })
}

#[cfg(all(madsim, feature = "rivals"))]
async fn connect_until_up() -> std::io::Result<madsim::net::TcpStream> {
    loop {
        match madsim::net::TcpStream::connect(SERVER).await {
            Ok(stream) => return Ok(stream),
            Err(_) => madsim::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

/// turmoil with a tick of 1 ms.
#[cfg(feature = "rivals")]
fn turmoil(clients: usize, rounds: usize) -> f64 {
    rate(|| {
        let mut sim = turmoil::Builder::new()
            .simulation_duration(Duration::from_secs(100_000))
            .tick_duration(Duration::from_millis(1))
            .tcp_capacity(65_536)
            .min_message_latency(LATENCY)
            .max_message_latency(LATENCY)
            .rng_seed(1)
            .build();
        sim.host(SERVER.ip(), || async {
            let all = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), SERVER.port());
            let listener = turmoil::net::TcpListener::bind(all).await?;
            loop {
                let (stream, _) = listener.accept().await?;
                tokio::spawn(answer(stream, MESSAGE_BYTES));
            }
        });
        for index in 0..clients {
            sim.client(IpAddr::from(client_ip(index)), async move {
                let stream = turmoil::net::TcpStream::connect(SERVER).await?;
                ask(stream, MESSAGE_BYTES, rounds).await?;
                Ok(())
            });
        }
        match sim.run() {
            Ok(()) => 2 * (clients * rounds) as u64,
            Err(_) => 0,
        }
    })
}

/// Real sockets on loopback, without any latency.
fn loopback(clients: usize, rounds: usize) -> f64 {
    rate(|| {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
            return 0;
        };
        let done = runtime.block_on(async move {
            let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let address = listener.local_addr()?;
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(answer(stream, MESSAGE_BYTES));
                }
            });
            let clients: Vec<_> = (0..clients)
                .map(|_| {
                    tokio::spawn(async move {
                        let stream = tokio::net::TcpStream::connect(address).await?;
                        stream.set_nodelay(true)?;
                        ask(stream, MESSAGE_BYTES, rounds).await
                    })
                })
                .collect();
            for client in clients {
                client.await.map_err(std::io::Error::other)??;
            }
            std::io::Result::Ok(())
        });
        match done {
            Ok(()) => 2 * (clients * rounds) as u64,
            Err(_) => 0,
        }
    })
}

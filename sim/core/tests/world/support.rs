//! Small worlds to test in.

use chrysalis_env::{Env, Listener, Stream};
use chrysalis_sim::{
    EngineKind, LinkSpec, MADSIM_AVAILABLE, NodeHandle, NodeSpec, Sim, SimConfig, SimError, SimReport, run,
};
use std::{
    future::Future,
    net::{Ipv4Addr, SocketAddr},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub(crate) const MS: u64 = 1_000_000;
pub(crate) const S: u64 = 1_000_000_000;
pub(crate) const PORT: u16 = 80;

/// The engines of this build.
pub(crate) fn engines() -> Vec<EngineKind> {
    if MADSIM_AVAILABLE {
        vec![EngineKind::Native, EngineKind::Madsim]
    } else {
        vec![EngineKind::Native]
    }
}

/// Two nodes with a fixed latency between them.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) engine: EngineKind,
    pub(crate) sim: Sim,
    pub(crate) server: NodeHandle,
    pub(crate) client: NodeHandle,
}

impl Pair {
    pub(crate) fn new(engine: EngineKind, sim: &Sim, latency_ns: u64) -> Self {
        sim.network().set_default_link(LinkSpec::constant(latency_ns));
        let add = |name: &str, last| {
            sim.add_node(NodeSpec::new(name, Ipv4Addr::new(10, 0, 0, last)))
                .unwrap()
        };
        Self {
            engine,
            sim: sim.clone(),
            server: add("server", 1),
            client: add("client", 2),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (self.server.ip(), PORT).into()
    }

    pub(crate) async fn listen(&self) -> Listener {
        self.server.env().listen(self.address()).await.unwrap()
    }

    pub(crate) async fn connect(&self) -> Stream {
        self.client.env().connect(self.address()).await.unwrap()
    }

    /// The client's end and the server's.
    pub(crate) async fn connection(&self) -> (Stream, Stream) {
        let mut listener = self.listen().await;
        let client = self.connect().await;
        (client, listener.accept().await.unwrap())
    }

    /// True time is `wanted_ns`; on madsim, where every poll takes a few dozen nanoseconds, or a little more.
    #[track_caller]
    pub(crate) fn assert_now(&self, wanted_ns: u64) {
        assert_near(self.engine, self.sim.now_ns(), wanted_ns);
    }
}

#[track_caller]
pub(crate) fn assert_near(engine: EngineKind, seen_ns: u64, wanted_ns: u64) {
    let slack_ns = match engine {
        EngineKind::Native => 0,
        EngineKind::Madsim => 20_000,
    };
    assert!(
        (wanted_ns..=wanted_ns + slack_ns).contains(&seen_ns),
        "{engine:?}: {seen_ns} ns instead of {wanted_ns} ns"
    );
}

/// Runs on every engine with `config`, and returns the reports.
pub(crate) fn with_config<T, F>(config: &SimConfig, main: fn(EngineKind, Sim) -> F) -> Vec<(T, SimReport)>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    engines()
        .into_iter()
        .map(|engine| {
            run(engine, config.clone(), move |sim| main(engine, sim))
                .unwrap_or_else(|error| panic!("{engine:?}: {error}"))
        })
        .collect()
}

/// Runs on every engine with a pair of nodes 10 ms apart.
pub(crate) fn pair<F>(main: fn(Pair) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    for engine in engines() {
        run(engine, SimConfig::new(1), move |sim| {
            main(Pair::new(engine, &sim, 10 * MS))
        })
        .unwrap_or_else(|error| panic!("{engine:?}: {error}"));
    }
}

/// Runs on every engine and expects failures.
pub(crate) fn failing<F>(config: &SimConfig, main: fn(Pair) -> F) -> Vec<SimError>
where
    F: Future<Output = ()> + Send + 'static,
{
    engines()
        .into_iter()
        .map(|engine| {
            run(engine, config.clone(), move |sim| {
                main(Pair::new(engine, &sim, 10 * MS))
            })
            .expect_err("the run fails")
        })
        .collect()
}

/// Answers every byte with itself.
pub(crate) async fn echo_server(env: Env, address: SocketAddr) {
    let mut listener = env.listen(address).await.unwrap();
    while let Ok(mut stream) = listener.accept().await {
        env.spawn("echo", async move {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                if stream.write_all(&buffer[..count]).await.is_err() {
                    return;
                }
            }
        });
    }
}

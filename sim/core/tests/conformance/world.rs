//! Two nodes, in whichever world.

use chrysalis_env::{Env, Listener, Stream, tokio_engine::TokioNode};
use chrysalis_sim::{EngineKind, LinkSpec, MADSIM_AVAILABLE, NodeSpec, SimConfig, run};
use std::{
    future::Future,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

/// Longer than any case takes, in any world.
const LIMIT: Duration = Duration::from_secs(60);
/// Longer than a packet takes, in any world.
pub(crate) const SETTLE: Duration = Duration::from_millis(100);

/// A server's and a client's environment.
#[derive(Clone)]
pub(crate) struct Nodes {
    pub(crate) server: Env,
    pub(crate) client: Env,
    server_ip: Ipv4Addr,
}

impl Nodes {
    /// An address of the server; port 0 asks for a free one.
    pub(crate) fn address(&self, port: u16) -> SocketAddr {
        (self.server_ip, port).into()
    }

    /// A listener of the server on a free port.
    pub(crate) async fn listener(&self) -> Listener {
        self.server.listen(self.address(0)).await.unwrap()
    }

    /// A connection: the client's end and the server's.
    pub(crate) async fn connection(&self) -> (Stream, Stream) {
        let mut listener = self.listener().await;
        let client = self.client.connect(listener.local_address()).await.unwrap();
        (client, listener.accept().await.unwrap())
    }

    /// Lets packets that are under way arrive.
    pub(crate) async fn settle(&self) {
        self.client.sleep(SETTLE).await;
    }
}

/// Runs a case on one of the simulated engines.
pub(crate) fn simulated<F>(engine: EngineKind, case: fn(Nodes) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    if engine == EngineKind::Madsim && !MADSIM_AVAILABLE {
        eprintln!("skipped: this build lacks madsim");
        return;
    }
    for seed in 0..5 {
        let result = run(engine, SimConfig::new(seed), move |sim| async move {
            sim.network().set_default_link(LinkSpec::constant(1_500_000));
            let server_ip = Ipv4Addr::new(10, 0, 0, 1);
            let server = sim.add_node(NodeSpec::new("server", server_ip)).unwrap();
            let client = sim
                .add_node(NodeSpec::new("client", Ipv4Addr::new(10, 0, 0, 2)))
                .unwrap();
            let nodes = Nodes {
                server: server.env(),
                client: client.env(),
                server_ip,
            };
            let limited = sim.env().timeout(LIMIT, case(nodes)).await;
            limited.expect("the case ends");
        });
        if let Err(error) = result {
            panic!("seed {seed}: {error}");
        }
    }
}

/// Runs a case on real sockets.
pub(crate) fn loopback<F>(case: fn(Nodes) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let node = |name: &str| {
        TokioNode {
            name: name.into(),
            data_directory: std::env::temp_dir(),
            sink: Arc::new(|_, _, _| {}),
        }
        .into_env()
    };
    let nodes = Nodes {
        server: node("server"),
        client: node("client"),
        server_ip: Ipv4Addr::LOCALHOST,
    };
    runtime.block_on(async {
        let limited = nodes.client.timeout(LIMIT, case(nodes.clone())).await;
        limited.expect("the case ends");
    });
}

//! A simulated world with real roles in it. The test itself is the controller: it speaks through raw peers.

use super::{
    handshakes,
    parties::{
        ISSUED_UNIX_S, PROXY_IMAGE, PROXY_MACHINE, Parties, Policy, WORKER_IMAGE, WORKER_MACHINE, client_owner, plain,
        worker_owner,
    },
    peer::{Gone, RawPeer},
    watch::{Watch, WatchTap},
};
use chrysalis_attest::Identity;
use chrysalis_env::{Env, Listener};
use chrysalis_node::{client, proxy, shutdown::shutdown_pair, worker};
use chrysalis_sim::{EngineKind, LinkSpec, NodeHandle, NodeSpec, Sim, SimConfig};
use std::{
    future::Future,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

const CLIENT_HTTP_PORT: u16 = 10_000;
const WORKERS_PORT: u16 = 11_001;
const CLIENTS_PORT: u16 = 11_002;
const PROXY_IP: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 0);
/// One way, between any two nodes.
const LATENCY_NS: u64 = 5_000_000;
/// Small enough that a peer which does not read is felt.
pub(crate) const SOCKET_BUFFER_BYTES: usize = 64 * 1024;

/// See the module.
pub(crate) struct Lab {
    pub(crate) sim: Sim,
    pub(crate) watch: Arc<Watch>,
    pub(crate) parties: Arc<Parties>,
    next_ip: AtomicU8,
}

/// Where a proxy is, real or not.
pub(crate) const FOR_CLIENTS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(PROXY_IP), CLIENTS_PORT);
pub(crate) const FOR_WORKERS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(PROXY_IP), WORKERS_PORT);

/// The engines of this build.
pub(crate) fn engines() -> impl Iterator<Item = EngineKind> {
    let madsim = chrysalis_sim::MADSIM_AVAILABLE.then_some(EngineKind::Madsim);
    [EngineKind::Native].into_iter().chain(madsim)
}

/// Runs `script` in a world of its own. A panic in any node fails the test.
pub(crate) fn lab<T, F>(policy: Policy, script: impl FnOnce(Lab) -> F + Send + 'static) -> T
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    lab_on(EngineKind::Native, policy, script)
}

/// As [`lab`], on each engine in turn.
pub(crate) fn on_each_engine<F>(policy: Policy, script: fn(Lab) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    for engine in engines() {
        lab_on(engine, policy, script);
    }
}

/// As [`lab`], on an engine of the test's choice.
pub(crate) fn lab_on<T, F>(engine: EngineKind, policy: Policy, script: impl FnOnce(Lab) -> F + Send + 'static) -> T
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    run(engine, ISSUED_UNIX_S, Parties::new(policy), script)
}

/// As [`lab`], with a start and parties of the test's choice.
pub(crate) fn lab_at<T, F>(start_unix_s: u64, parties: Parties, script: impl FnOnce(Lab) -> F + Send + 'static) -> T
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    run(EngineKind::Native, start_unix_s, parties, script)
}

/// As [`lab_at`], on each engine in turn, with parties that each makes anew.
pub(crate) fn with_parties<T, F>(parties: fn() -> Parties, script: fn(Lab) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    engines()
        .map(|engine| run(engine, ISSUED_UNIX_S, parties(), script))
        .collect()
}

fn run<T, F>(
    engine: EngineKind,
    start_unix_s: u64,
    parties: Parties,
    script: impl FnOnce(Lab) -> F + Send + 'static,
) -> T
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let config = SimConfig {
        start_unix_s,
        ..SimConfig::new(1)
    };
    let watch = Arc::new(Watch::default());
    let (output, _report) = chrysalis_sim::run(engine, config, move |sim| async move {
        let link = LinkSpec {
            socket_buffer_bytes: SOCKET_BUFFER_BYTES,
            ..LinkSpec::constant(LATENCY_NS)
        };
        sim.network().set_default_link(link);
        sim.set_tap(Arc::new(WatchTap(watch.clone())));
        script(Lab {
            sim,
            watch,
            parties: Arc::new(parties),
            next_ip: AtomicU8::new(1),
        })
        .await
    })
    .unwrap();
    output
}

impl Lab {
    /// A node without any role: where raw peers live.
    pub(crate) fn node(&self, name: &str) -> NodeHandle {
        let ip = Ipv4Addr::new(10, 9, 0, self.next_ip.fetch_add(1, Ordering::Relaxed));
        self.sim.add_node(NodeSpec::new(name, ip)).unwrap()
    }

    pub(crate) fn env(&self) -> Env {
        self.sim.env()
    }

    /// The real proxy, honest.
    pub(crate) fn start_proxy(&self) -> NodeHandle {
        self.start_proxy_as(self.parties.honest("proxy", PROXY_IMAGE, PROXY_MACHINE))
    }

    /// The real proxy's code with any identity.
    pub(crate) fn start_proxy_as(&self, identity: Arc<Identity>) -> NodeHandle {
        let handle = self.sim.add_node(NodeSpec::new("proxy", PROXY_IP)).unwrap();
        let parties = self.parties.clone();
        handle.start(move |env| {
            let settings = parties.proxy(&identity, FOR_CLIENTS, FOR_WORKERS);
            async move {
                let (_trigger, shutdown) = shutdown_pair();
                proxy::run_proxy(env, settings, shutdown).await.unwrap();
            }
        });
        handle
    }

    /// The port of a proxy that the test itself plays.
    pub(crate) async fn listen(&self, env: &Env, address: SocketAddr) -> Listener {
        env.listen(address).await.unwrap()
    }

    /// A node at the proxy's address for the test to play.
    pub(crate) fn false_proxy(&self) -> NodeHandle {
        self.sim.add_node(NodeSpec::new("proxy", PROXY_IP)).unwrap()
    }

    /// A real worker, honest.
    pub(crate) fn start_worker(&self, name: &str) -> NodeHandle {
        self.start_worker_as(name, self.parties.honest(name, WORKER_IMAGE, WORKER_MACHINE))
    }

    /// The real worker's code with any identity.
    pub(crate) fn start_worker_as(&self, name: &str, identity: Arc<Identity>) -> NodeHandle {
        let handle = self.node(name);
        let (parties, name) = (self.parties.clone(), name.to_owned());
        handle.start(move |env| {
            let settings = parties.worker(&env, &name, &identity, vec![FOR_WORKERS]);
            async move {
                let (_trigger, shutdown) = shutdown_pair();
                worker::run_worker(env, settings, shutdown).await;
            }
        });
        handle
    }

    /// A real client, honest. Its users' address is [`Self::http`].
    pub(crate) fn start_client(&self, name: &str) -> NodeHandle {
        let handle = self.node(name);
        let (parties, name, http) = (self.parties.clone(), name.to_owned(), Self::http(&handle));
        handle.start(move |env| {
            let settings = parties.client(&name, http, vec![FOR_CLIENTS]);
            async move {
                let (_trigger, shutdown) = shutdown_pair();
                client::run_client(env, settings, shutdown).await.unwrap();
            }
        });
        handle
    }

    /// Where a client's users connect.
    pub(crate) fn http(client: &NodeHandle) -> SocketAddr {
        (client.ip(), CLIENT_HTTP_PORT).into()
    }

    /// A raw client on a node of its own, authorised for the deposit of client `owner`.
    pub(crate) async fn raw_client(&self, node: &str, owner: &str) -> RawPeer {
        let env = self.node(node).env();
        self.raw_client_on(&env, owner).await
    }

    /// The same on a node that exists.
    pub(crate) async fn raw_client_on(&self, env: &Env, owner: &str) -> RawPeer {
        let mut peer = RawPeer::connect(env, FOR_CLIENTS, &plain("raw client")).await.unwrap();
        handshakes::authorise(&mut peer, &client_owner(owner)).await.unwrap();
        peer
    }

    /// A raw worker whose evidence is honest, on a node of its own; it takes work.
    pub(crate) async fn raw_worker(&self, name: &str, slots: i32) -> RawPeer {
        let mut peer = self.raw_worker_unheard(name).await.unwrap();
        handshakes::offer_work(&mut peer, &worker_owner(name), slots)
            .await
            .unwrap();
        peer
    }

    /// A raw worker whose evidence is honest, before its hand-shake.
    pub(crate) async fn raw_worker_unheard(&self, name: &str) -> Result<RawPeer, Gone> {
        let identity = self.parties.honest(name, WORKER_IMAGE, WORKER_MACHINE);
        RawPeer::connect(&self.node(name).env(), FOR_WORKERS, &identity).await
    }
}

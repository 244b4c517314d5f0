//! A plan on loopback sockets: the same roles, users and checks, without simulated network, clocks or faults.

use crate::{
    deployment::{DeployError, Deployment, KeyAddresses, Workshop},
    outcome::{Outcome, RunStats},
    plan::Plan,
    properties,
    recorder::{Detail, Recorder},
    users::{self, Diary},
};
use chrysalis_env::{
    Env,
    tokio_engine::{Sink, TokioNode},
};
use chrysalis_node::{
    client,
    key_manager::{KeyPorts, serve_key_manager},
    proxy,
    shutdown::{Shutdown, ShutdownTrigger, shutdown_pair},
    worker,
};
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// After the last answer the network goes on this long, so that ledgers are written and bills arrive.
const SETTLE: Duration = Duration::from_secs(3);

/// How often a network that starts is asked whether it is ready.
const READY_LOOK: Duration = Duration::from_millis(20);

/// A network on loopback. It stops when it is dropped or told to.
pub struct LiveNetwork {
    /// HTTP endpoint of each client, in the plan's order.
    pub clients: Vec<(String, SocketAddr)>,
    /// Where each proxy listens for clients and for workers.
    pub proxies: Vec<(String, SocketAddr, SocketAddr)>,
    keys: Option<KeyAddresses>,
    observer: Observer,
    origin_unix_ns: u64,
    deployment: Arc<Deployment>,
    trigger: ShutdownTrigger,
    data: std::path::PathBuf,
}

impl Drop for LiveNetwork {
    fn drop(&mut self) {
        self.trigger.fire();
    }
}

/// Who is told what happens on a live network.
#[derive(Clone)]
pub struct Observer {
    /// Receives what nodes report: node, nanoseconds since the start of the network, observation.
    pub sink: Sink,
    /// Receives the name of a node that ended by itself, and why.
    pub stopped: Stopped,
}

/// Receives a node's name and a sentence.
pub type Stopped = Arc<dyn Fn(&str, String) + Send + Sync>;

fn node(name: &str, data: &Path, sink: &Sink, origin_unix_ns: u64) -> Env {
    let sink = sink.clone();
    TokioNode {
        name: name.to_owned(),
        data_directory: data.join(name),
        sink: Arc::new(move |name, unix_ns, observation| {
            sink(name, unix_ns.saturating_sub(origin_unix_ns), observation);
        }),
    }
    .into_env()
}

impl LiveNetwork {
    /// Opens every port and starts every role on the current tokio runtime. Nodes keep files below `data`.
    ///
    /// # Errors
    /// A port cannot be opened, or an identity cannot be made.
    pub async fn start(
        plan: &Arc<Plan>,
        workshop: &Workshop,
        data: &Path,
        observer: Observer,
    ) -> Result<Self, DeployError> {
        let origin_unix_ns = node("controller", data, &observer.sink, 0).unix_ns();
        let deployment = Arc::new(Deployment::new(plan.clone(), workshop, origin_unix_ns / 1_000_000_000)?);
        let (trigger, shutdown) = shutdown_pair();
        let mut network = Self {
            clients: Vec::new(),
            proxies: Vec::new(),
            keys: None,
            observer,
            origin_unix_ns,
            deployment,
            trigger,
            data: data.to_owned(),
        };
        network.start_key_manager(plan, &shutdown).await?;
        network.start_proxies(plan, &shutdown).await?;
        network.start_workers(plan, &shutdown)?;
        network.start_clients(plan, &shutdown).await?;
        Ok(network)
    }

    fn env(&self, name: &str) -> Env {
        node(name, &self.data, &self.observer.sink, self.origin_unix_ns)
    }

    async fn start_key_manager(&mut self, plan: &Plan, shutdown: &Shutdown) -> Result<(), DeployError> {
        let Some(key_manager) = &plan.key_manager else {
            return Ok(());
        };
        let name = key_manager.node.name.clone();
        let env = self.env(&name);
        let settings = self.deployment.key_manager(key_manager, &env)?;
        let ports = KeyPorts {
            proxies: env.listen(LOOPBACK).await?,
            workers: env.listen(LOOPBACK).await?,
        };
        self.keys = Some(KeyPorts {
            proxies: ports.proxies.local_address(),
            workers: ports.workers.local_address(),
        });
        let (shutdown, stopped) = (shutdown.clone(), self.observer.stopped.clone());
        env.clone().spawn("key manager", async move {
            if let Err(error) = serve_key_manager(env, settings, ports, shutdown).await {
                stopped(&name, error.to_string());
            }
        });
        Ok(())
    }

    async fn start_proxies(&mut self, plan: &Plan, shutdown: &Shutdown) -> Result<(), DeployError> {
        for (index, proxy) in plan.proxies.iter().enumerate() {
            let env = self.env(&proxy.node.name);
            let clients = env.listen(LOOPBACK).await?;
            let workers = env.listen(LOOPBACK).await?;
            let (for_clients, for_workers) = (clients.local_address(), workers.local_address());
            let settings = self
                .deployment
                .proxy(index, &env, for_clients, for_workers, self.keys)?;
            self.proxies.push((proxy.node.name.clone(), for_clients, for_workers));
            let (shutdown, stopped, name) = (shutdown.clone(), self.observer.stopped.clone(), proxy.node.name.clone());
            env.clone().spawn("proxy", async move {
                if let Err(error) = proxy::serve_proxy(env, settings, clients, workers, shutdown).await {
                    stopped(&name, error.to_string());
                }
            });
        }
        Ok(())
    }

    fn chosen(
        &self,
        indices: &[usize],
        address: impl Fn(&(String, SocketAddr, SocketAddr)) -> SocketAddr,
    ) -> Vec<SocketAddr> {
        if indices.is_empty() {
            return self.proxies.iter().map(address).collect();
        }
        indices
            .iter()
            .filter_map(|index| self.proxies.get(*index))
            .map(address)
            .collect()
    }

    fn start_workers(&self, plan: &Plan, shutdown: &Shutdown) -> Result<(), DeployError> {
        for (index, worker) in plan.workers.iter().enumerate() {
            let env = self.env(&worker.node.name);
            let proxies = self.chosen(&worker.proxies, |(_, _, workers)| *workers);
            let settings = self.deployment.worker(index, &env, proxies, self.keys)?;
            env.clone()
                .spawn("worker", worker::run_worker(env, settings, shutdown.clone()));
        }
        Ok(())
    }

    async fn start_clients(&mut self, plan: &Plan, shutdown: &Shutdown) -> Result<(), DeployError> {
        for (index, client) in plan.clients.iter().enumerate() {
            let env = self.env(&client.node.name);
            let listener = env.listen(LOOPBACK).await?;
            let address = listener.local_address();
            let proxies = self.chosen(&client.proxies, |(_, clients, _)| *clients);
            let settings = self.deployment.client(index, &env, address, proxies)?;
            self.clients.push((client.node.name.clone(), address));
            env.clone().spawn(
                "client",
                client::serve_client(env, settings, listener, shutdown.clone()),
            );
        }
        Ok(())
    }

    /// Waits until every client knows a model that it can ask for, at most this long. Tells whether that is so.
    pub async fn ready(&self, limit: Duration) -> bool {
        let env = self.env("controller");
        let serving = async {
            for (_, address) in &self.clients {
                while !users::has_models(&env, *address).await {
                    env.sleep(READY_LOOK).await;
                }
            }
        };
        env.timeout(limit, serving).await.is_ok()
    }

    /// Asks every role to stop; running requests may finish.
    pub fn stop(&self) {
        self.trigger.fire();
    }
}

/// Runs a plan's workload on loopback sockets and judges it. Faults are left out: this engine has none.
///
/// # Errors
/// The network cannot be started.
pub async fn run_live(plan: &Arc<Plan>, workshop: &Workshop, data: &Path) -> Result<Outcome, DeployError> {
    let recorder = Arc::new(Recorder::new(Detail::Full));
    let observer = Observer {
        sink: {
            let recorder = recorder.clone();
            Arc::new(move |name, since_start_ns, observation| recorder.observe(name, since_start_ns, observation))
        },
        stopped: {
            let recorder = recorder.clone();
            Arc::new(move |name, why| recorder.stopped(0, name, why))
        },
    };
    let network = LiveNetwork::start(plan, workshop, data, observer).await?;
    let diary = Arc::new(Diary::default());
    let controller = network.env("controller");
    for user in &plan.users {
        let Some((_, address)) = network.clients.get(user.client) else {
            continue;
        };
        let env = network.env(&user.name);
        let life = users::live(
            env.clone(),
            Arc::new(user.clone()),
            *address,
            network.origin_unix_ns,
            diary.clone(),
        );
        env.spawn("user", life);
    }
    let limit = Duration::from_nanos(plan.duration_ns);
    let _ = controller.timeout(limit, diary.all_finished(plan.users.len())).await;
    controller.sleep(SETTLE).await;
    network.stop();
    let expected = properties::expected_answers(plan, &controller, workshop).await;
    let stats = RunStats {
        virtual_ns: controller.unix_ns().saturating_sub(network.origin_unix_ns),
        ..RunStats::default()
    };
    let requests = properties::with_lost(plan, diary.take());
    let facts = network.deployment.facts()?;
    Ok(Outcome::new(
        plan,
        facts,
        requests,
        recorder.take(),
        stats,
        &expected,
        None,
    ))
}

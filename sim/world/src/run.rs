//! Running a plan in a simulated world.

use crate::{
    adversary,
    deployment::{DeployError, Deployment, KeyAddresses, Workshop},
    faults::{self, Step, Target, Targets},
    key_manager::Asker,
    outcome::{Outcome, RunStats},
    plan::{NodePlan, Plan},
    properties,
    recorder::{Detail, Recorder},
    script,
    users::{self, Diary},
};
use chrysalis_env::{AbortOnDrop, Env};
use chrysalis_node::{
    client,
    key_manager::{self, KeyPorts},
    proxy,
    shutdown::shutdown_pair,
    worker,
};
use chrysalis_sim::{
    AddNodeError, ClockSpec, CryptoMode, EngineKind, EventLog, Limits, LinkSpec, NodeHandle, NodeSpec, Recording, Sim,
    SimConfig, SimError,
};
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

/// Ports of simulated nodes (spec §9.3).
const CLIENT_HTTP_PORT: u16 = 10_000;
const PROXY_WORKERS_PORT: u16 = 11_001;
const PROXY_CLIENTS_PORT: u16 = 11_002;
const KEYS_FOR_PROXIES_PORT: u16 = 13_101;
const KEYS_FOR_WORKERS_PORT: u16 = 13_102;
/// Time between a user and the client on the same machine, one way.
const SAME_MACHINE_NS: u64 = 20_000;
/// After the last answer the world goes on this long, so that ledgers are written and bills arrive.
const SETTLE: Duration = Duration::from_secs(5);
/// On a chain it goes on this much longer: the next commit, and what it lets proxies sign, charge and pay.
const SETTLE_ON_CHAIN: Duration = Duration::from_secs(240);
/// Pause between two looks at whether owners and adversaries are done.
const SCRIPTS_LOOK: Duration = Duration::from_secs(1);
/// Polls that may pass without time moving before a run counts as stuck.
const STUCK_POLLS: u64 = 5_000_000;

/// Why a plan cannot be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The plan cannot be set up.
    #[error("{0}")]
    Deploy(#[from] DeployError),
    /// Two nodes have one name, or the like.
    #[error("a node cannot be added: {0}")]
    Node(#[from] AddNodeError),
    /// The world stopped: deadlock, a limit, or a panic in node code.
    #[error("{0}")]
    World(#[from] SimError),
}

/// How a plan is run.
#[derive(Debug, Clone, Copy)]
pub struct RunOptions {
    /// Which executor.
    pub engine: EngineKind,
    /// How much is kept.
    pub detail: Detail,
    /// Whether the event log is kept, for [`EventLog::first_divergence`].
    pub record_events: bool,
    /// TLS on the operating system's entropy: the negative control of the determinism gate.
    pub leak_entropy: bool,
}

impl RunOptions {
    /// The cheapest: verdicts only.
    pub fn verdicts(engine: EngineKind) -> Self {
        Self {
            engine,
            detail: Detail::Verdicts,
            record_events: false,
            leak_entropy: false,
        }
    }
}

/// Runs a plan. The same plan, engine and options give the same outcome, to the byte.
///
/// # Errors
/// The plan cannot be set up, or the world stopped before its end. A request that fails is no error: it is an outcome.
pub fn run(plan: &Arc<Plan>, options: RunOptions, workshop: &Workshop) -> Result<Outcome, RunError> {
    let deployment = Arc::new(Deployment::new(plan.clone(), workshop, plan.start_unix_s)?);
    let config = SimConfig {
        start_unix_s: plan.start_unix_s,
        crypto: if options.leak_entropy {
            CryptoMode::StockRing
        } else {
            CryptoMode::Deterministic
        },
        recording: if options.record_events {
            Recording::Full
        } else {
            Recording::Off
        },
        limits: Limits {
            polls_at_one_instant: STUCK_POLLS,
            ..Limits::default()
        },
        ..SimConfig::new(plan.seed)
    };
    let recorder = Arc::new(Recorder::new(options.detail));
    let diary = Arc::new(Diary::default());
    let facts = deployment.facts()?;
    let (task_plan, task_recorder, task_diary) = (plan.clone(), recorder.clone(), diary.clone());
    let (result, report) = chrysalis_sim::run(options.engine, config, move |sim| async move {
        let world = Assembly {
            sim,
            deployment,
            plan: task_plan,
            recorder: task_recorder,
            diary: task_diary,
        };
        world.play().await
    })?;
    result?;
    // In a world of its own: what the workshop remembers of earlier runs must not show in this one.
    let (task_plan, task_workshop) = (plan.clone(), workshop.clone());
    let (expected_answers, _) = chrysalis_sim::run(EngineKind::Native, SimConfig::new(0), move |sim| async move {
        properties::expected_answers(&task_plan, &sim.env(), &task_workshop).await
    })?;
    let rows = recorder.take();
    let requests = properties::with_lost(plan, diary.take());
    let stats = RunStats {
        virtual_ns: report.virtual_ns,
        polls: report.polls,
        events: report.events,
        world_digest: report.digest,
    };
    Ok(Outcome::new(
        plan,
        facts,
        requests,
        rows,
        stats,
        &expected_answers,
        report.log,
    ))
}

/// The first place where two runs of a plan differ, in words; `None` if they do not.
pub fn first_divergence(a: Option<&EventLog>, b: Option<&EventLog>) -> Option<String> {
    let (a, b) = (a?, b?);
    EventLog::first_divergence(a, b).map(|divergence| divergence.to_string())
}

struct Assembly {
    sim: Sim,
    deployment: Arc<Deployment>,
    plan: Arc<Plan>,
    recorder: Arc<Recorder>,
    diary: Arc<Diary>,
}

impl Assembly {
    async fn play(&self) -> Result<(), RunError> {
        self.sim.set_tap(self.recorder.clone());
        let network = self.sim.network();
        network.set_default_link(faults::link_spec(&self.plan.network.default_link));
        let mut targets = Targets::new();
        let handles = self.add_nodes(&mut targets)?;
        let _chain = self.start_chain();
        let _scripts = script::start(&self.sim.env(), &self.deployment, &self.recorder);
        let _vendor = self.start_vendor();
        self.set_links(&targets);
        self.start_key_manager(&handles)?;
        self.start_nodes(&handles);
        self.start_users(&handles)?;
        self.start_adversaries(&handles)?;

        let mut steps = faults::schedule(&self.plan.faults).into_iter();
        let env = self.sim.env();
        let (sim, plan, recorder) = (self.sim.clone(), self.plan.clone(), self.recorder.clone());
        let deployment = self.deployment.clone();
        let _faults = env
            .spawn("controller: faults", async move {
                let env = sim.env();
                let mut armed = Vec::new();
                for (at_ns, step) in steps.by_ref() {
                    env.sleep_until(at_ns).await;
                    if let Step::Trust(step) = &step {
                        step.apply(sim.now_ns(), env.unix_s(), &deployment, &recorder);
                        continue;
                    }
                    if let Step::Arm {
                        node,
                        moment,
                        restart_after_ns,
                    } = &step
                        && let Some(target) = targets.get(node)
                    {
                        let (env, handle, recorder) = (sim.env(), target.handle.clone(), recorder.clone());
                        let (moment, restart_after_ns) = (*moment, *restart_after_ns);
                        let task = sim.env().spawn("controller: armed fault", async move {
                            faults::armed(&env, &handle, &recorder, moment, at_ns, restart_after_ns).await;
                        });
                        armed.push(task.abort_on_drop());
                    }
                    faults::apply(
                        &step,
                        sim.now_ns(),
                        &mut targets,
                        &sim.network(),
                        &plan.network,
                        &recorder,
                    );
                }
                // Faults that wait for a moment do so until the end of the run.
                std::future::pending::<()>().await;
            })
            .abort_on_drop();
        let limit = Duration::from_nanos(self.plan.duration_ns);
        // Whoever has no answer then has lost a request; the diary shows it.
        let all = async {
            self.diary.all_finished(self.plan.users.len()).await;
            self.scripts_finished(&env).await;
        };
        let _ = env.timeout(limit, all).await;
        env.sleep(SETTLE).await;
        if self.deployment.onchain().is_some() {
            // What is on its way through the chain has a while to arrive, but not beyond the end of the run.
            let left = Duration::from_nanos(self.plan.duration_ns.saturating_sub(env.now_ns()));
            env.sleep(left.min(SETTLE_ON_CHAIN)).await;
        }
        Ok(())
    }

    /// Waits until owners and adversaries have done what the plan wants.
    async fn scripts_finished(&self, env: &Env) {
        let done = || {
            let rows = self.recorder.rows();
            rows.operations.len() + rows.attacks.len()
        };
        while done() < self.plan.scripts() {
            env.sleep(SCRIPTS_LOOK).await;
        }
    }

    /// Lets the vendor publish its collateral again and again, if it does. Dropping the result stops it.
    fn start_vendor(&self) -> Option<AbortOnDrop> {
        let refresh = Duration::from_nanos(self.plan.attestation.collateral.refresh_ns?);
        let (env, deployment) = (self.sim.env(), self.deployment.clone());
        let controller = env.clone();
        let task = env.spawn("controller: vendor", async move {
            loop {
                controller.sleep(refresh).await;
                if let Some(vendor) = deployment.vendor() {
                    vendor.refresh(controller.unix_s());
                }
            }
        });
        Some(task.abort_on_drop())
    }

    /// Each adversary is a node, and so is each client that one of them has led astray.
    fn start_adversaries(&self, handles: &Handles) -> Result<(), AddNodeError> {
        let (Some(handle), Some(proxy)) = (handles.proxies.first(), self.plan.proxies.first()) else {
            return Ok(());
        };
        let targets = adversary::Targets {
            proxy: proxy.node.name.clone(),
            for_workers: (handle.ip(), PROXY_WORKERS_PORT).into(),
            for_clients: (handle.ip(), PROXY_CLIENTS_PORT).into(),
            http_port: CLIENT_HTTP_PORT,
        };
        adversary::start(&self.sim, &self.deployment, &self.recorder, &targets)
    }

    /// Lets the chain make its blocks, if there is one. Dropping the result stops it.
    fn start_chain(&self) -> Option<AbortOnDrop> {
        let chain = self
            .deployment
            .onchain()?
            .keep_going(self.sim.env(), self.recorder.clone());
        let (env, recorder) = (self.sim.env(), self.recorder.clone());
        let controller = env.clone();
        let task = env.spawn("controller: chain", async move {
            let text = chain.await;
            recorder.stopped(controller.now_ns(), "chain", text);
        });
        Some(task.abort_on_drop())
    }

    fn add(&self, targets: &mut Targets, node: &NodePlan, kind: u8, index: usize) -> Result<NodeHandle, RunError> {
        let [high, low] = u16::try_from(index).unwrap_or(u16::MAX).to_be_bytes();
        let clock = ClockSpec {
            skew_ns: node.clock_skew_ns,
            drift_ppb: node.clock_drift_ppb,
        };
        let mut spec =
            NodeSpec::new(node.name.clone(), Ipv4Addr::new(10, kind, high, low)).in_region(node.region.clone());
        spec.clock = clock;
        let handle = self.sim.add_node(spec)?;
        self.recorder.name(handle.id(), &node.name);
        let target = Target {
            handle: handle.clone(),
            region: node.region.clone(),
            clock,
            disk_copy: None,
        };
        targets.insert(node.name.clone(), target);
        Ok(handle)
    }

    fn add_nodes(&self, targets: &mut Targets) -> Result<Handles, RunError> {
        let plan = &self.plan;
        let mut handles = Handles::default();
        for (index, proxy) in plan.proxies.iter().enumerate() {
            handles.proxies.push(self.add(targets, &proxy.node, 1, index)?);
        }
        for (index, worker) in plan.workers.iter().enumerate() {
            handles.workers.push(self.add(targets, &worker.node, 2, index)?);
        }
        for (index, client) in plan.clients.iter().enumerate() {
            handles.clients.push(self.add(targets, &client.node, 3, index)?);
        }
        if let Some(key_manager) = &plan.key_manager {
            handles.key_manager = Some(self.add(targets, &key_manager.node, 7, 0)?);
        }
        Ok(handles)
    }

    /// Links follow the plan for each ordered pair.
    fn set_links(&self, targets: &Targets) {
        let network = self.sim.network();
        if self.plan.network.rules.is_empty() {
            return;
        }
        for a in targets.values() {
            for b in targets.values() {
                if a.handle.id() != b.handle.id() {
                    let spec = faults::planned_link(&self.plan.network, targets, &a.handle, &b.handle);
                    network.set_link_one_way(&a.handle, &b.handle, spec);
                }
            }
        }
    }

    /// The key manager, and those who ask it for keys that are not for them.
    fn start_key_manager(&self, handles: &Handles) -> Result<(), RunError> {
        let (Some(plan), Some(handle), Some(addresses)) =
            (&self.plan.key_manager, &handles.key_manager, handles.keys())
        else {
            return Ok(());
        };
        let (deployment, recorder, sim) = (self.deployment.clone(), self.recorder.clone(), self.sim.clone());
        let keeper = Arc::new(plan.clone());
        handle.start(move |env| {
            let (deployment, recorder, sim) = (deployment.clone(), recorder.clone(), sim.clone());
            let plan = keeper.clone();
            async move {
                let name = env.node_name().to_owned();
                let (_trigger, shutdown) = shutdown_pair();
                let serving = async {
                    let settings = deployment.key_manager(&plan, &env).map_err(|e| e.to_string())?;
                    let ports = KeyPorts {
                        proxies: env.listen(addresses.proxies).await.map_err(|e| e.to_string())?,
                        workers: env.listen(addresses.workers).await.map_err(|e| e.to_string())?,
                    };
                    key_manager::serve_key_manager(env.clone(), settings, ports, shutdown)
                        .await
                        .map_err(|e| e.to_string())
                };
                if let Err(error) = serving.await {
                    recorder.stopped(sim.now_ns(), &name, error);
                }
            }
        });
        let origin_unix_ns = self.plan.start_unix_s.saturating_mul(1_000_000_000);
        for (number, asker) in (0_u16..).zip(&plan.askers) {
            let [high, low] = number.to_be_bytes();
            let name = format!("key-asker-{number}");
            let handle = self
                .sim
                .add_node(NodeSpec::new(name.clone(), Ipv4Addr::new(10, 8, high, low)))?;
            self.recorder.name(handle.id(), &name);
            let (deployment, recorder, asker) = (self.deployment.clone(), self.recorder.clone(), asker.clone());
            handle.start(move |env| {
                let asker = Asker {
                    deployment: deployment.clone(),
                    recorder: recorder.clone(),
                    addresses,
                    plan: asker.clone(),
                    number: number.into(),
                };
                asker.live(env, origin_unix_ns)
            });
        }
        Ok(())
    }

    fn start_nodes(&self, handles: &Handles) {
        let keys = handles.keys();
        for (index, handle) in handles.proxies.iter().enumerate() {
            let (deployment, recorder, sim) = (self.deployment.clone(), self.recorder.clone(), self.sim.clone());
            let ip = handle.ip();
            handle.start(move |env| {
                let (deployment, recorder, sim) = (deployment.clone(), recorder.clone(), sim.clone());
                async move {
                    let (clients, workers) = ((ip, PROXY_CLIENTS_PORT).into(), (ip, PROXY_WORKERS_PORT).into());
                    let settings = deployment.proxy(index, &env, clients, workers, keys);
                    let name = env.node_name().to_owned();
                    let (_trigger, shutdown) = shutdown_pair();
                    let result = match settings {
                        Ok(settings) => proxy::run_proxy(env, settings, shutdown)
                            .await
                            .map_err(|e| e.to_string()),
                        Err(error) => Err(error.to_string()),
                    };
                    if let Err(error) = result {
                        recorder.stopped(sim.now_ns(), &name, error);
                    }
                }
            });
        }
        let proxy_addresses = |chosen: &[usize], port: u16| -> Vec<SocketAddr> {
            let all = 0..handles.proxies.len();
            let chosen: Vec<usize> = if chosen.is_empty() {
                all.collect()
            } else {
                chosen.to_vec()
            };
            chosen
                .iter()
                .filter_map(|index| Some((handles.proxies.get(*index)?.ip(), port).into()))
                .collect()
        };
        for (index, handle) in handles.workers.iter().enumerate() {
            let (deployment, recorder, sim) = (self.deployment.clone(), self.recorder.clone(), self.sim.clone());
            let proxies = proxy_addresses(&self.plan.workers[index].proxies, PROXY_WORKERS_PORT);
            handle.start(move |env| {
                let (deployment, recorder, sim) = (deployment.clone(), recorder.clone(), sim.clone());
                let proxies = proxies.clone();
                async move {
                    let settings = deployment.worker(index, &env, proxies, keys);
                    let name = env.node_name().to_owned();
                    let (_trigger, shutdown) = shutdown_pair();
                    match settings {
                        Ok(settings) => worker::run_worker(env, settings, shutdown).await,
                        Err(error) => recorder.stopped(sim.now_ns(), &name, error.to_string()),
                    }
                }
            });
        }
        for (index, handle) in handles.clients.iter().enumerate() {
            let (deployment, recorder, sim) = (self.deployment.clone(), self.recorder.clone(), self.sim.clone());
            let proxies = proxy_addresses(&self.plan.clients[index].proxies, PROXY_CLIENTS_PORT);
            let ip = handle.ip();
            handle.start(move |env| {
                let (deployment, recorder, sim) = (deployment.clone(), recorder.clone(), sim.clone());
                let proxies = proxies.clone();
                async move {
                    let settings = deployment.client(index, &env, (ip, CLIENT_HTTP_PORT).into(), proxies);
                    let name = env.node_name().to_owned();
                    let (_trigger, shutdown) = shutdown_pair();
                    let result = match settings {
                        Ok(settings) => client::run_client(env, settings, shutdown)
                            .await
                            .map_err(|e| e.to_string()),
                        Err(error) => Err(error.to_string()),
                    };
                    if let Err(error) = result {
                        recorder.stopped(sim.now_ns(), &name, error);
                    }
                }
            });
        }
    }

    /// Each user is a node beside its client: a crash of the client is not one of its user.
    fn start_users(&self, handles: &Handles) -> Result<(), RunError> {
        let network = self.sim.network();
        let origin_unix_ns = self.plan.start_unix_s.saturating_mul(1_000_000_000);
        for (index, user) in self.plan.users.iter().enumerate() {
            let [high, low] = u16::try_from(index).unwrap_or(u16::MAX).to_be_bytes();
            let handle = self
                .sim
                .add_node(NodeSpec::new(user.name.clone(), Ipv4Addr::new(10, 4, high, low)))?;
            self.recorder.name(handle.id(), &user.name);
            let Some(client) = handles.clients.get(user.client) else {
                continue;
            };
            network.set_link(&handle, client, LinkSpec::constant(SAME_MACHINE_NS));
            let address: SocketAddr = (client.ip(), CLIENT_HTTP_PORT).into();
            let (user, diary) = (Arc::new(user.clone()), self.diary.clone());
            handle.start(move |env: Env| users::live(env, user.clone(), address, origin_unix_ns, diary.clone()));
        }
        Ok(())
    }
}

#[derive(Default)]
struct Handles {
    proxies: Vec<NodeHandle>,
    workers: Vec<NodeHandle>,
    clients: Vec<NodeHandle>,
    key_manager: Option<NodeHandle>,
}

impl Handles {
    /// Where the key manager listens.
    fn keys(&self) -> Option<KeyAddresses> {
        let ip = self.key_manager.as_ref()?.ip();
        Some(KeyPorts {
            proxies: (ip, KEYS_FOR_PROXIES_PORT).into(),
            workers: (ip, KEYS_FOR_WORKERS_PORT).into(),
        })
    }
}

//! Running a world, and the controller's view of it.

use crate::{
    clock::{ClockSpec, NodeClock},
    config::{EngineKind, SimConfig},
    disk::{Disk, DiskSpec},
    engine::{CurrentNodeEntropy, NodeEngine},
    entropy::{EntropyKey, EntropyStream},
    error::{SimError, SimErrorKind},
    executor,
    log::{EventKind, EventLog},
    net::{Network, NodePorts},
    node::{AddNodeError, ExitStatus, Node, NodeHandle, NodeId, NodeSpec},
    tap::Tap,
    task::TaskKey,
    world::World,
};
use chrysalis_env::{Env, tls::EntropyScope};
use std::{
    fmt,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// What a run was.
#[derive(Debug, Clone, Default)]
pub struct SimReport {
    /// True time at the end, nanoseconds.
    pub virtual_ns: u64,
    /// Task polls.
    pub polls: u64,
    /// Logged events.
    pub events: u64,
    /// Digest of all events and of the schedule: equal seeds give equal digests on one engine.
    pub digest: [u8; 32],
    /// The events, with [`crate::Recording::Full`].
    pub log: Option<EventLog>,
}

/// Runs `main` in a fresh world until it returns. Other tasks that still run are then dropped.
///
/// # Errors
/// Deadlock, a limit, a panic in a node or in `main`; see [`SimErrorKind`].
pub fn run<T, F>(
    engine: EngineKind,
    config: SimConfig,
    main: impl FnOnce(Sim) -> F + Send + 'static,
) -> Result<(T, SimReport), SimError>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    if engine == EngineKind::Madsim && !crate::MADSIM_AVAILABLE {
        return Err(SimError {
            kind: SimErrorKind::EngineUnavailable,
            report: None,
        });
    }
    let world = World::new(config);
    let _entropy = EntropyScope::enter(Arc::new(CurrentNodeEntropy(world.clone())));
    let output = Arc::new(Mutex::new(None));
    let key = spawn_controller(&world, output.clone(), main);
    let key = key.unwrap_or(TaskKey::NONE);
    let started = executor::drive(engine, &world, key);
    let (report, failure) = finish(&world);
    let output = output.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (output, started.err().or(failure)) {
        (Some(output), None) => Ok((output, report)),
        (_, failure) => Err(SimError {
            // Without a value and without a failure the controller's own task was lost, which nothing can do.
            kind: failure.unwrap_or(SimErrorKind::Deadlock {
                at_ns: report.virtual_ns,
                waiting: Vec::new(),
            }),
            report: Some(Box::new(report)),
        }),
    }
}

fn spawn_controller<T, F>(
    world: &Arc<World>,
    output: Arc<Mutex<Option<T>>>,
    main: impl FnOnce(Sim) -> F + Send + 'static,
) -> Option<TaskKey>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let sim = Sim { world: world.clone() };
    let clock = Arc::new(NodeClock::new(ClockSpec::default(), 0, world.config.start_unix_s));
    let name: Arc<str> = "controller".into();
    world.with(|state| {
        let engine = NodeEngine::new(world.clone(), NodeId::CONTROLLER, 0, name.clone(), clock.clone());
        state.nodes.push(Node {
            name,
            ip: None,
            region: u32::MAX,
            clock,
            engine: Some(Arc::new(engine)),
            incarnation: 0,
            powered: true,
            paused: false,
            exit: ExitStatus::Running,
            main: None,
            ports: NodePorts::default(),
            disk: Disk::new(
                DiskSpec::default(),
                EntropyKey::new(world.config.seed, "disk/controller"),
            ),
        });
        let task = async move {
            let value = main(sim).await;
            *output.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        };
        state.spawn(NodeId::CONTROLLER, "controller", Box::pin(task));
        state.spawned[0].key
    })
}

fn finish(world: &World) -> (SimReport, Option<SimErrorKind>) {
    let finished = world.with(|state| {
        let names = state.nodes.iter().map(|node| node.name.to_string()).collect();
        let events = state.log.count();
        let (digest, log) = state.log.finish(names);
        let report = SimReport {
            virtual_ns: state.now_ns,
            polls: state.polls,
            events,
            digest,
            log,
        };
        (report, state.failure.take())
    });
    world.end();
    finished.unwrap_or_default()
}

/// The controller's handle on its world.
#[derive(Clone)]
pub struct Sim {
    world: Arc<World>,
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sim")
    }
}

impl Sim {
    /// Adds a node. It is up, and does nothing until it is started or its [`NodeHandle::env`] is used.
    ///
    /// # Errors
    /// Name or address are taken, or the address is none that a node can have.
    pub fn add_node(&self, spec: NodeSpec) -> Result<NodeHandle, AddNodeError> {
        let NodeSpec {
            name,
            ip,
            region,
            clock,
            disk,
        } = spec;
        if ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() {
            return Err(AddNodeError::AddressUnusable(ip));
        }
        let name: Arc<str> = name.into();
        let config = &self.world.config;
        let id = self.world.with(|state| {
            if state.net.addresses.contains_key(&ip) {
                return Err(AddNodeError::AddressTaken(ip));
            }
            if !state.names.insert(name.clone()) {
                return Err(AddNodeError::NameTaken(name.to_string()));
            }
            let id = NodeId(state.nodes.len() as u32);
            let clock = Arc::new(NodeClock::new(clock, state.now_ns, config.start_unix_s));
            let engine = NodeEngine::new(self.world.clone(), id, 0, name.clone(), clock.clone());
            let region = state.net.region(&region);
            let key = EntropyKey::new(config.seed, &format!("disk/{name}"));
            state.net.addresses.insert(ip, id);
            state.nodes.push(Node {
                name: name.clone(),
                ip: Some(ip),
                region,
                clock,
                engine: Some(Arc::new(engine)),
                incarnation: 0,
                powered: true,
                paused: false,
                exit: ExitStatus::Running,
                main: None,
                ports: NodePorts::default(),
                disk: Disk::new(disk, key),
            });
            state.event(EventKind::NodeAdded, id, u64::from(ip.to_bits()), 0, 0);
            Ok(id)
        });
        let id = id.ok_or(AddNodeError::WorldEnded)??;
        Ok(NodeHandle {
            world: self.world.clone(),
            id,
            name,
            ip,
        })
    }

    /// All links.
    pub fn network(&self) -> Network {
        Network {
            world: self.world.clone(),
        }
    }

    /// True time, nanoseconds since the start of the world.
    pub fn now_ns(&self) -> u64 {
        self.world.now_ns()
    }

    /// The controller's own environment: true clocks, tasks that no fault touches, no network.
    pub fn env(&self) -> Env {
        NodeHandle {
            world: self.world.clone(),
            id: NodeId::CONTROLLER,
            name: "controller".into(),
            ip: std::net::Ipv4Addr::UNSPECIFIED,
        }
        .env()
    }

    /// Waits for a span of true time.
    pub async fn sleep(&self, duration: Duration) {
        self.env().sleep(duration).await;
    }

    /// Waits for a point of true time.
    pub async fn sleep_until(&self, at_ns: u64) {
        self.env().sleep_until(at_ns).await;
    }

    /// The stream `label` of the root seed, from its beginning.
    pub fn entropy(&self, label: &str) -> EntropyStream {
        EntropyStream::new(self.world.config.seed, label)
    }

    /// What the run was told.
    pub fn config(&self) -> &SimConfig {
        &self.world.config
    }

    /// What the world holds now: for finding leaks.
    pub fn census(&self) -> Census {
        let census = self.world.with(|state| Census {
            tasks: state.tasks.iter().count(),
            timers: state.wheel.len(),
            connections: state.net.connection_count(),
            listeners: state.net.listener_count(),
        });
        census.unwrap_or_default()
    }

    /// Puts a tap in the place of the former one.
    pub fn set_tap(&self, tap: Arc<dyn Tap>) {
        let former = self.world.with(|state| {
            state.wants_payload = tap.wants_payload();
            state.tap.replace(tap)
        });
        drop(former);
    }
}

/// What a world holds at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Census {
    /// Tasks that have not finished, the controller's included.
    pub tasks: usize,
    /// Timers that are armed: sleeps, packets that somebody waits for, retransmissions.
    pub timers: usize,
    /// Connections that a process holds, or will hold once it accepts them.
    pub connections: usize,
    /// Listening sockets.
    pub listeners: usize,
}

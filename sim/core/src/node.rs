//! Nodes: what they are made of, and what can happen to them.

use crate::{
    clock::{ClockSpec, NodeClock},
    disk::{Disk, DiskFault, DiskImage, DiskSpec},
    engine::NodeEngine,
    log::EventKind,
    net::NodePorts,
    tap::FaultKind,
    world::{State, World},
};
use chrysalis_env::{BoxFuture, Env};
use std::{fmt, future::Future, net::Ipv4Addr, sync::Arc};

/// Names a node over the whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    /// Where the controller's own tasks live. It has no address.
    pub const CONTROLLER: Self = Self(0);

    /// Index, as it appears in the event log.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a node is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSpec {
    /// Name, unique in the world; entropy streams are labelled with it.
    pub name: String,
    /// Address, unique in the world.
    pub ip: Ipv4Addr,
    /// Region, which decides the link to other nodes where no link of the pair is set.
    pub region: String,
    /// Its clocks' errors.
    pub clock: ClockSpec,
    /// Its disk.
    pub disk: DiskSpec,
}

impl NodeSpec {
    /// A node with perfect clocks and an unlimited disk, in region `""`.
    pub fn new(name: impl Into<String>, ip: Ipv4Addr) -> Self {
        Self {
            name: name.into(),
            ip,
            region: String::new(),
            clock: ClockSpec::default(),
            disk: DiskSpec::default(),
        }
    }

    /// The same in another region.
    #[must_use]
    pub fn in_region(mut self, region: impl Into<String>) -> Self {
        self.region = region.into();
        self
    }
}

/// A node that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddNodeError {
    /// Another node has the name.
    #[error("there is already a node called {0:?}")]
    NameTaken(String),
    /// Another node has the address.
    #[error("there is already a node at {0}")]
    AddressTaken(Ipv4Addr),
    /// Loopback, unspecified, multicast or broadcast.
    #[error("{0} cannot be the address of a node")]
    AddressUnusable(Ipv4Addr),
    /// The world is over.
    #[error("the world is over")]
    WorldEnded,
}

/// How a node dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KillMode {
    /// The process dies, its operating system lives on: every connection is reset, connects are refused, what was
    /// written to files stays.
    Process,
    /// The process dies and its sockets are closed as Linux closes them: FIN, or RST where unread data waits.
    ProcessClose,
    /// The machine loses its power: silence on the network, and unsynchronised writes are lost or torn.
    PowerLoss,
}

/// What became of a node's process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExitStatus {
    /// It runs (its main task may not have been started).
    Running,
    /// Its main task returned; its other tasks go on.
    Finished,
    /// It was killed.
    Killed(KillMode),
    /// It panicked.
    Panicked(String),
}

pub(crate) type MainFactory = Arc<dyn Fn(Env) -> BoxFuture<'static, ()> + Send + Sync>;

pub(crate) struct Node {
    pub(crate) name: Arc<str>,
    pub(crate) ip: Option<Ipv4Addr>,
    pub(crate) region: u32,
    pub(crate) clock: Arc<NodeClock>,
    pub(crate) engine: Option<Arc<NodeEngine>>,
    pub(crate) incarnation: u32,
    /// The machine has power: its operating system answers.
    pub(crate) powered: bool,
    pub(crate) paused: bool,
    pub(crate) exit: ExitStatus,
    pub(crate) main: Option<MainFactory>,
    pub(crate) ports: NodePorts,
    pub(crate) disk: Disk,
}

impl Node {
    fn is_up(&self) -> bool {
        matches!(self.exit, ExitStatus::Running | ExitStatus::Finished)
    }
}

impl State {
    /// Whether this life of a node still goes on.
    #[inline]
    pub(crate) fn is_alive(&self, node: NodeId, incarnation: u32) -> bool {
        self.nodes
            .get(node.index())
            .is_some_and(|node| node.incarnation == incarnation && node.is_up())
    }

    /// Ends the current life of a node.
    pub(crate) fn kill_node(&mut self, id: NodeId, mode: KillMode) {
        if self.end_process(id, mode, ExitStatus::Killed(mode)) {
            self.fault(FaultKind::Kill { node: id, mode });
        }
    }

    pub(crate) fn crash_by_panic(&mut self, id: NodeId, message: String) {
        self.end_process(id, KillMode::ProcessClose, ExitStatus::Panicked(message));
    }

    fn end_process(&mut self, id: NodeId, mode: KillMode, exit: ExitStatus) -> bool {
        let Some(node) = self.nodes.get_mut(id.index()) else {
            return false;
        };
        if id == NodeId::CONTROLLER || !node.powered || (!node.is_up() && mode != KillMode::PowerLoss) {
            return false;
        }
        node.exit = exit;
        node.paused = false;
        self.event(EventKind::NodeKilled, id, mode as u64, 0, 0);
        self.tasks.kill(id);
        self.close_node(id, mode);
        if mode == KillMode::PowerLoss {
            self.nodes[id.index()].powered = false;
            self.disk_power_loss(id);
        }
        true
    }

    /// Begins a new life of a node that is dead; the caller starts its main task.
    fn boot(&mut self, world: &Arc<World>, id: NodeId) -> Option<(Env, MainFactory)> {
        let node = self.nodes.get_mut(id.index())?;
        node.incarnation += 1;
        node.powered = true;
        node.paused = false;
        node.exit = ExitStatus::Running;
        node.disk.on_boot();
        let engine = Arc::new(NodeEngine::new(
            world.clone(),
            id,
            node.incarnation,
            node.name.clone(),
            node.clock.clone(),
        ));
        node.engine = Some(engine.clone());
        let main = node.main.clone()?;
        Some((Env::new(engine), main))
    }
}

/// Marks a node's main task as finished when it returns, and not when it is dropped.
async fn run_main(world: Arc<World>, node: NodeId, incarnation: u32, main: BoxFuture<'static, ()>) {
    main.await;
    world.with(|state| {
        if state.is_alive(node, incarnation) {
            state.event(EventKind::NodeFinished, node, 0, 0, 0);
            state.nodes[node.index()].exit = ExitStatus::Finished;
        }
    });
}

/// The controller's handle on one node.
#[derive(Clone)]
pub struct NodeHandle {
    pub(crate) world: Arc<World>,
    pub(crate) id: NodeId,
    pub(crate) name: Arc<str>,
    pub(crate) ip: Ipv4Addr,
}

impl fmt::Debug for NodeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NodeHandle").field(&self.name).finish()
    }
}

impl NodeHandle {
    /// Its identity.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address.
    pub fn ip(&self) -> Ipv4Addr {
        self.ip
    }

    /// The environment of its current life. A node lives from the moment it is added, with or without a main task.
    ///
    /// An environment that outlives its node's process stays valid and does nothing: connects fail, tasks are not
    /// started, files are gone.
    pub fn env(&self) -> Env {
        let engine = self
            .world
            .with(|state| state.nodes.get(self.id.index()).and_then(|node| node.engine.clone()));
        let engine = engine.flatten().unwrap_or_else(|| {
            // The world is over: a life that never was.
            Arc::new(NodeEngine::new(
                self.world.clone(),
                self.id,
                u32::MAX,
                self.name.clone(),
                Arc::new(NodeClock::new(ClockSpec::default(), 0, self.world.config.start_unix_s)),
            ))
        });
        Env::new(engine)
    }

    /// Gives the node a main task and starts it; a dead node boots first. [`NodeHandle::restart`] runs it again.
    pub fn start<F>(&self, main: impl Fn(Env) -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let factory: MainFactory = Arc::new(move |env| Box::pin(main(env)));
        let alive = self.world.with(|state| {
            let node = state.nodes.get_mut(self.id.index())?;
            node.main = Some(factory.clone());
            if node.is_up() {
                node.exit = ExitStatus::Running;
                Some(node.engine.clone()?)
            } else {
                None
            }
        });
        let Some(alive) = alive else { return };
        match alive {
            Some(engine) => self.run_main(Env::new(engine.clone()), &factory, engine.incarnation),
            None => self.restart(),
        }
    }

    fn run_main(&self, env: Env, main: &MainFactory, incarnation: u32) {
        let future = run_main(self.world.clone(), self.id, incarnation, main(env));
        self.world.with(|state| {
            if state.is_alive(self.id, incarnation) {
                state.event(EventKind::NodeStarted, self.id, u64::from(incarnation), 0, 0);
                state.spawn(self.id, "main", Box::pin(future));
            }
        });
    }

    /// Ends the process, or the machine. Nothing of the node runs after this returns; its futures are dropped before
    /// any other task is polled. A node that is dead already stays so, but its machine can still lose power.
    pub fn kill(&self, mode: KillMode) {
        self.world.with(|state| state.kill_node(self.id, mode));
    }

    /// Boots the node and runs its main task again. One that is up is killed first ([`KillMode::Process`]).
    pub fn restart(&self) {
        let started = self.world.with(|state| {
            state.kill_node(self.id, KillMode::Process);
            state.fault(FaultKind::Restart { node: self.id });
            let booted = state.boot(&self.world, self.id)?;
            Some((booted, state.nodes[self.id.index()].incarnation))
        });
        if let Some(((env, main), incarnation)) = started.flatten() {
            self.run_main(env, &main, incarnation);
        }
    }

    /// Stops polling the node's tasks. Its operating system goes on: connections are accepted into the backlog, data
    /// is received up to the window, timers expire and take effect at [`NodeHandle::resume`].
    pub fn pause(&self) {
        self.world.with(|state| {
            if let Some(node) = state.nodes.get_mut(self.id.index())
                && !node.paused
            {
                node.paused = true;
                state.tasks.pause(self.id);
                state.fault(FaultKind::Pause { node: self.id });
            }
        });
    }

    /// Polls the node's tasks again.
    pub fn resume(&self) {
        self.world.with(|state| {
            if let Some(node) = state.nodes.get_mut(self.id.index())
                && node.paused
            {
                node.paused = false;
                state.tasks.resume(self.id);
                state.fault(FaultKind::Resume { node: self.id });
            }
        });
    }

    /// Removes everything from the node's disk, synchronised or not.
    pub fn wipe_disk(&self) {
        self.world.with(|state| {
            if let Some(node) = state.nodes.get_mut(self.id.index()) {
                node.disk.wipe();
                state.fault(FaultKind::WipeDisk { node: self.id });
            }
        });
    }

    /// A copy of what the node's disk holds now, synchronised or not; `None` if the world is gone.
    pub fn disk_image(&self) -> Option<DiskImage> {
        let image = self
            .world
            .with(|state| Some(state.nodes.get(self.id.index())?.disk.image()));
        image.flatten()
    }

    /// Puts a copy in the place of what the node's disk holds. The node must not run.
    pub fn restore_disk(&self, image: &DiskImage) {
        self.world.with(|state| {
            if let Some(node) = state.nodes.get_mut(self.id.index()) {
                node.disk.restore(image);
                state.fault(FaultKind::RestoreDisk { node: self.id });
            }
        });
    }

    /// Arms or disarms disk faults.
    pub fn set_disk_fault(&self, fault: DiskFault) {
        self.world.with(|state| {
            if let Some(node) = state.nodes.get_mut(self.id.index()) {
                node.disk.set_fault(fault);
                state.fault(FaultKind::Disk { node: self.id });
            }
        });
    }

    /// Disk operations since the node was added, those that failed included.
    pub fn disk_operations(&self) -> u64 {
        let operations = self
            .world
            .with(|state| Some(state.nodes.get(self.id.index())?.disk.operations()));
        operations.flatten().unwrap_or(0)
    }

    /// Changes the clocks: the wall clock jumps to the new skew, both clocks go on at the new rate.
    pub fn set_clock(&self, spec: ClockSpec) {
        self.world.with(|state| {
            let now_ns = state.now_ns;
            if let Some(node) = state.nodes.get_mut(self.id.index()) {
                node.clock.set_skew(spec.skew_ns);
                node.clock.set_drift(spec.drift_ppb, now_ns);
                state.wake_sleepers(self.id);
                state.fault(FaultKind::Clock { node: self.id });
            }
        });
    }

    /// Whether the node's process runs.
    pub fn is_up(&self) -> bool {
        self.world
            .with(|state| state.nodes.get(self.id.index()).is_some_and(Node::is_up))
            .unwrap_or(false)
    }

    /// What became of the node's process.
    pub fn exit_status(&self) -> ExitStatus {
        let status = self
            .world
            .with(|state| Some(state.nodes.get(self.id.index())?.exit.clone()));
        status.flatten().unwrap_or(ExitStatus::Finished)
    }
}

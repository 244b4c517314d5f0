//! The state of one world, behind one lock that nobody contends.

use crate::{
    config::SimConfig,
    entropy::EntropyStream,
    error::{LimitKind, SimErrorKind, WaitingTask},
    log::{Event, EventKind, EventWriter},
    net::{Net, NetTimer},
    node::{KillMode, Node, NodeId},
    slab::Key,
    tap::{FaultEvent, FaultKind, PacketEvent, Tap},
    task::{TaskKey, Tasks, WakeSlot},
    timer::Wheel,
};
use chrysalis_env::BoxFuture;
use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::Waker,
};

/// What a timer does when it fires.
pub(crate) enum Timer {
    /// Ends a sleep of `node`.
    Sleep { node: NodeId, wake: WakeSlot },
    /// Goes on with a connection.
    Net { connection: Key, what: NetTimer },
}

/// A task that the executor has not taken over yet.
pub(crate) struct Spawned {
    pub(crate) key: TaskKey,
    pub(crate) future: BoxFuture<'static, ()>,
}

/// What a tap is to be told, in order.
pub(crate) enum Notice {
    Packet(PacketEvent),
    Fault(FaultEvent),
}

pub(crate) struct State {
    /// True time.
    pub(crate) now_ns: u64,
    pub(crate) tasks: Tasks,
    pub(crate) wheel: Wheel<Timer>,
    pub(crate) net: Net,
    pub(crate) nodes: Vec<Node>,
    pub(crate) names: BTreeSet<Arc<str>>,
    pub(crate) seed: u64,
    pub(crate) log: EventWriter,
    pub(crate) schedule: EntropyStream,
    pub(crate) polls: u64,
    pub(crate) polls_at_this_instant: u64,
    pub(crate) spawned: Vec<Spawned>,
    /// Nodes whose disk reached its crash point: they die at the end of the poll that is going on.
    pub(crate) crash_points: Vec<NodeId>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) tap: Option<Arc<dyn Tap>>,
    pub(crate) wants_payload: bool,
    pub(crate) failure: Option<SimErrorKind>,
}

/// One world. Handles share it; one thread uses it.
pub(crate) struct World {
    /// For readers of the clock.
    now_ns: AtomicU64,
    /// Empty when the world is over: whatever handles are left do nothing any more.
    state: Mutex<Option<Box<State>>>,
    pub(crate) config: SimConfig,
}

impl World {
    pub(crate) fn new(config: SimConfig) -> Arc<Self> {
        let state = State {
            now_ns: 0,
            tasks: Tasks::new(),
            wheel: Wheel::new(),
            net: Net::new(config.transport),
            nodes: Vec::new(),
            names: BTreeSet::from(["controller".into()]),
            seed: config.seed,
            log: EventWriter::new(config.recording == crate::Recording::Full),
            schedule: EntropyStream::new(config.seed, "schedule"),
            polls: 0,
            polls_at_this_instant: 0,
            spawned: Vec::new(),
            crash_points: Vec::new(),
            notices: Vec::new(),
            tap: None,
            wants_payload: false,
            failure: None,
        };
        Arc::new(Self {
            now_ns: AtomicU64::new(0),
            state: Mutex::new(Some(Box::new(state))),
            config,
        })
    }

    /// Ends the world, and with that the cycles of handles that hold it.
    pub(crate) fn end(&self) {
        let state = self.lock().take();
        // Outside the lock: what is dropped here may look for its world.
        drop(state);
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, Option<Box<State>>> {
        // A panic under the lock is a bug of this crate, and fails the run by itself.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True time.
    #[inline]
    pub(crate) fn now_ns(&self) -> u64 {
        self.now_ns.load(Relaxed)
    }

    /// Sets true time, which never goes back.
    #[inline]
    pub(crate) fn set_now(&self, state: &mut State, now_ns: u64) {
        if now_ns > state.now_ns {
            state.now_ns = now_ns;
            state.polls_at_this_instant = 0;
            self.now_ns.store(now_ns, Relaxed);
        }
    }

    /// Works on the state, then does what has to wait for the lock: foreign wakers and taps. `None`: the world is over.
    #[inline]
    pub(crate) fn with<R>(&self, action: impl FnOnce(&mut State) -> R) -> Option<R> {
        let mut guard = self.lock();
        let state = guard.as_deref_mut()?;
        let result = action(state);
        if state.has_deferred() {
            let deferred = state.take_deferred();
            drop(guard);
            deferred.run();
        }
        Some(result)
    }
}

/// Work for when nobody works on the state.
pub(crate) struct Deferred {
    wakers: Vec<Waker>,
    notices: Vec<Notice>,
    tap: Option<Arc<dyn Tap>>,
}

impl Deferred {
    pub(crate) fn run(self) {
        if let Some(tap) = self.tap {
            for notice in &self.notices {
                match notice {
                    Notice::Packet(packet) => tap.on_packet(packet),
                    Notice::Fault(fault) => tap.on_fault(fault),
                }
            }
        }
        for waker in self.wakers {
            waker.wake();
        }
    }
}

impl State {
    #[inline]
    pub(crate) fn has_deferred(&self) -> bool {
        !self.tasks.foreign.is_empty() || !self.notices.is_empty()
    }

    #[cold]
    pub(crate) fn take_deferred(&mut self) -> Deferred {
        Deferred {
            wakers: std::mem::take(&mut self.tasks.foreign),
            tap: if self.notices.is_empty() {
                None
            } else {
                self.tap.clone()
            },
            notices: std::mem::take(&mut self.notices),
        }
    }

    /// Logs an event of one node.
    #[inline]
    pub(crate) fn event(&mut self, kind: EventKind, node: NodeId, subject: u64, length: u64, digest: u64) {
        self.log
            .push(self.now_ns, kind, node.0, Event::NO_NODE, subject, length, digest);
    }

    /// Logs a fault and tells the tap.
    pub(crate) fn fault(&mut self, kind: FaultKind) {
        let (node, peer, subject) = match kind {
            FaultKind::Cut { from, to } => (from, to.0, 1),
            FaultKind::Heal { from, to } => (from, to.0, 2),
            FaultKind::Hold { from, to } => (from, to.0, 3),
            FaultKind::Release { from, to } => (from, to.0, 4),
            FaultKind::LinkChanged => (NodeId::CONTROLLER, Event::NO_NODE, 5),
            FaultKind::Kill { node, mode } => (node, Event::NO_NODE, 16 + mode as u64),
            FaultKind::Restart { node } => (node, Event::NO_NODE, 6),
            FaultKind::Pause { node } => (node, Event::NO_NODE, 7),
            FaultKind::Resume { node } => (node, Event::NO_NODE, 8),
            FaultKind::WipeDisk { node } => (node, Event::NO_NODE, 9),
            FaultKind::Clock { node } => (node, Event::NO_NODE, 10),
            FaultKind::Disk { node } => (node, Event::NO_NODE, 11),
            FaultKind::RestoreDisk { node } => (node, Event::NO_NODE, 12),
        };
        self.log
            .push(self.now_ns, EventKind::Fault, node.0, peer, subject, 0, 0);
        if self.tap.is_some() {
            let at_ns = self.now_ns;
            self.notices.push(Notice::Fault(FaultEvent { at_ns, kind }));
        }
    }

    /// A task is about to be polled. `false`: it must not be.
    #[inline]
    pub(crate) fn enter_poll(&mut self, key: TaskKey) -> bool {
        let Some(task) = self.tasks.enter(key) else {
            return false;
        };
        let sequence = task.sequence;
        self.log.polled(sequence, self.now_ns);
        self.polls += 1;
        self.polls_at_this_instant += 1;
        true
    }

    /// A poll is over: crash points take effect, limits are checked.
    #[inline]
    pub(crate) fn leave_poll(&mut self, config: &SimConfig) {
        self.tasks.leave();
        if !self.crash_points.is_empty() {
            self.apply_crash_points();
        }
        let limits = &config.limits;
        if self.polls_at_this_instant > limits.polls_at_one_instant {
            self.reach(LimitKind::PollsAtOneInstant);
        } else if self.log.count() > limits.events {
            self.reach(LimitKind::Events);
        }
    }

    #[cold]
    fn apply_crash_points(&mut self) {
        for node in std::mem::take(&mut self.crash_points) {
            self.kill_node(node, KillMode::PowerLoss);
        }
    }

    /// Ends the run at a limit.
    #[cold]
    pub(crate) fn reach(&mut self, limit: LimitKind) {
        let error = SimErrorKind::LimitReached {
            limit,
            at_ns: self.now_ns,
            waiting: self.waiting(),
        };
        self.failure.get_or_insert(error);
    }

    /// All tasks, for error messages.
    pub(crate) fn waiting(&self) -> Vec<WaitingTask> {
        let mut waiting: Vec<WaitingTask> = self
            .tasks
            .iter()
            .map(|task| WaitingTask {
                node: self.nodes[task.node.index()].name.to_string(),
                label: task.label,
                paused: self.tasks.is_paused(task),
            })
            .collect();
        waiting.sort();
        waiting
    }

    /// Lets everything that is due at `now_ns` happen.
    #[inline]
    pub(crate) fn fire_due(&mut self) {
        while let Some(timer) = self.wheel.pop_due() {
            match timer {
                Timer::Sleep { mut wake, .. } => self.tasks.wake(&mut wake),
                Timer::Net { connection, what } => self.on_net_timer(connection, what),
            }
        }
    }

    /// Ends all sleeps of a node early: they look at its changed clock and go on sleeping.
    pub(crate) fn wake_sleepers(&mut self, node: NodeId) {
        let keys = self
            .wheel
            .keys_where(|timer| matches!(timer, Timer::Sleep { node: sleeper, .. } if *sleeper == node));
        for key in keys {
            if let Some(Timer::Sleep { mut wake, .. }) = self.wheel.cancel(key) {
                self.tasks.wake(&mut wake);
            }
        }
    }

    /// A task returned, or panicked with a message.
    pub(crate) fn end_task(&mut self, key: TaskKey, panic: Option<String>, config: &SimConfig) {
        let task = self.tasks.remove(key);
        if let (Some(message), Some(task)) = (panic, task) {
            self.on_panic(task.node, task.label, message, config);
        }
    }

    fn on_panic(&mut self, node: NodeId, label: &'static str, message: String, config: &SimConfig) {
        let digest = crate::log::mix::bytes(message.as_bytes());
        self.event(EventKind::TaskPanicked, node, 0, 0, digest);
        if node == NodeId::CONTROLLER || config.panics == crate::PanicPolicy::FailRun {
            let error = SimErrorKind::NodePanicked {
                node: self.nodes[node.index()].name.to_string(),
                label,
                at_ns: self.now_ns,
                message,
            };
            self.failure.get_or_insert(error);
        } else {
            self.crash_by_panic(node, message);
        }
    }
}

//! madsim's executor, clock and libc interposition under our world.
//!
//! Six public items of madsim are used: `Runtime`, its `block_on`, `Config`, `task::spawn`, `TimeHandle` and `Sleep`.
//! Each of our tasks is a task of madsim's main node, so madsim decides their order; its clock moves by 50-100 ns with
//! each poll and by 50 ns with each timer.
//!
//! Timers stay in our wheel, which can cancel them; madsim is only told of the earliest. `Sleep` never waits less than
//! 1 ms when it is created, but `Sleep::reset` does not clamp, and the timer that its first poll arms outlives it:
//! that gives wake-ups exact to the nanosecond, and is the one detail of madsim that the pin of its version protects.
//! One `Sleep` arms them all. A timer fires under madsim's own lock, where none can be armed, so the next one is armed
//! after the next poll.
//!
//! Wakes of the world's own go through our list of woken tasks, which is handed to madsim after each poll and each timer.

use super::Executor;
use crate::{
    error::{LimitKind, SimErrorKind},
    task::TaskKey,
    world::{Spawned, State, World},
};
use chrysalis_env::BoxFuture;
use madsim::{
    runtime::Runtime,
    time::{Instant, Sleep, TimeHandle},
};
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

/// A century: no run gets there by itself.
const NEVER_NS: u64 = 100 * 365 * 86_400 * 1_000_000_000;

/// What our tasks and madsim's timers share. The lock of the world, where both are held, is taken first.
struct Shared {
    world: Arc<World>,
    main: TaskKey,
    clock: TimeHandle,
    inner: Mutex<Inner>,
}

struct Inner {
    /// Our tasks, at the indices of their keys.
    slots: Vec<Option<Slot>>,
    timers: Timers,
    /// Polled when the run is over.
    driver: Option<Waker>,
}

/// A task's future is kept here and not in madsim's task, so that a kill drops it at once.
struct Slot {
    key: TaskKey,
    /// `None` while it is polled.
    future: Option<BoxFuture<'static, ()>>,
    /// `None` before its first poll, which comes by itself.
    waker: Option<Waker>,
}

impl Inner {
    fn put(&mut self, slot: Slot) {
        let index = slot.key.index as usize;
        if index >= self.slots.len() {
            self.slots.resize_with(index + 1, || None);
        }
        self.slots[index] = Some(slot);
    }

    fn slot(&mut self, key: TaskKey) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(key.index as usize)?.as_mut()?;
        (slot.key == key).then_some(slot)
    }

    fn take(&mut self, key: TaskKey) -> Option<Slot> {
        self.slot(key)?;
        self.slots[key.index as usize].take()
    }

    /// Lets madsim poll the tasks that the world woke. madsim's wakers only put a task into its queue, so they can be
    /// woken under our locks. `false`: there are none.
    fn wake(&mut self, state: &mut State) -> bool {
        let any = !state.tasks.ready.is_empty();
        for key in state.tasks.ready.drain(..) {
            if let Some(waker) = self.slot(key).and_then(|slot| slot.waker.as_ref()) {
                waker.wake_by_ref();
            }
        }
        any
    }

    fn wake_driver(&self) {
        if let Some(driver) = &self.driver {
            driver.wake_by_ref();
        }
    }
}

/// What madsim was told.
struct Timers {
    /// madsim's time zero.
    start: Instant,
    sleep: Sleep,
    /// Deadlines that madsim will fire, earliest first.
    armed_ns: BinaryHeap<Reverse<u64>>,
    /// Wakes [`Shared`]: a deadline has come.
    waker: Option<Waker>,
}

impl Timers {
    fn new(clock: &TimeHandle) -> Self {
        Self {
            start: clock.now_instant() - clock.elapsed(),
            sleep: clock.sleep(Duration::ZERO),
            armed_ns: BinaryHeap::new(),
            waker: None,
        }
    }

    /// Arms a timer of madsim. `true`: its time has come already.
    fn arm(&mut self, at_ns: u64, waker: &Waker) -> bool {
        let mut sleep = Pin::new(&mut self.sleep);
        sleep.as_mut().reset(self.start + Duration::from_nanos(at_ns));
        sleep.poll(&mut Context::from_waker(waker)).is_ready()
    }

    /// Tells madsim of the wheel's earliest entry, if it does not know of it. `true`: its time has come already.
    fn arm_earliest(&mut self, state: &mut State) -> bool {
        let known_ns = self.armed_ns.peek().map_or(u64::MAX, |at| at.0);
        let Some(at_ns) = state.wheel.next_ns().filter(|at_ns| *at_ns < known_ns) else {
            return false;
        };
        let Some(waker) = self.waker.take() else { return false };
        let is_due = self.arm(at_ns, &waker);
        self.waker = Some(waker);
        if !is_due {
            self.armed_ns.push(Reverse(at_ns));
        }
        is_due
    }
}

/// What is left to do after a poll where nobody works on the state: new tasks to start and dead ones to drop.
type Left = Option<(Vec<Spawned>, Vec<TaskKey>)>;

/// Lets everything happen that is due by then.
fn fire_until(state: &mut State, until_ns: u64) {
    while state.wheel.next_ns().is_some_and(|next_ns| next_ns <= until_ns) {
        state.wheel.advance();
        state.fire_due();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Brings true time up to madsim's.
    fn catch_up(&self, state: &mut State) {
        let elapsed_ns = u64::try_from(self.clock.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.world.set_now(state, elapsed_ns);
    }

    fn is_over(&self, state: &State) -> bool {
        state.failure.is_some() || state.tasks.is_dead(self.main)
    }

    /// Lets what a poll did take effect.
    fn settle(&self, state: &mut State, inner: &mut Inner) -> Left {
        // madsim moved on meanwhile.
        fire_until(state, state.now_ns);
        inner.wake(state);
        if !state.spawned.is_empty() || !state.tasks.dead.is_empty() {
            let dead = std::mem::take(&mut state.tasks.dead);
            for key in &dead {
                state.tasks.remove(*key);
            }
            return Some((std::mem::take(&mut state.spawned), dead));
        }
        let is_due = inner.timers.arm_earliest(state);
        if is_due || self.is_over(state) {
            inner.wake_driver();
        }
        None
    }

    /// Does what a poll left behind until there is nothing more.
    fn finish(self: &Arc<Self>, mut left: Left) {
        while let Some((spawned, dead)) = left {
            self.replace(spawned, dead);
            let settled = self.world.with(|state| self.settle(state, &mut lock(&self.inner)));
            left = settled.flatten();
        }
    }

    fn replace(self: &Arc<Self>, spawned: Vec<Spawned>, dead: Vec<TaskKey>) {
        for key in dead {
            let slot = lock(&self.inner).take(key);
            if let Some(waker) = slot.as_ref().and_then(|slot| slot.waker.as_ref()) {
                // madsim's task finds that it is dead, and ends.
                waker.wake_by_ref();
            }
            drop(slot);
        }
        for Spawned { key, future } in spawned {
            lock(&self.inner).put(Slot {
                key,
                future: Some(future),
                waker: None,
            });
            let shared = self.clone();
            let is_known = false;
            // A dropped handle detaches.
            drop(madsim::task::spawn(Task { shared, key, is_known }));
        }
    }
}

/// A timer of madsim fired, the earliest that was armed.
impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.world.with(|state| {
            let mut inner = lock(&self.inner);
            let at_ns = inner.timers.armed_ns.pop().map_or(0, |at| at.0);
            self.world.set_now(state, at_ns);
            fire_until(state, at_ns);
            // A woken task arms the next timer after its poll; if there is none, the driver has to.
            if !inner.wake(state) {
                inner.wake_driver();
            }
        });
    }
}

/// One of our tasks, as madsim sees it.
struct Task {
    shared: Arc<Shared>,
    key: TaskKey,
    /// Our tables know how to wake it.
    is_known: bool,
}

/// Whether a task may be polled.
enum Entry {
    Polled(BoxFuture<'static, ()>),
    /// Its node is paused, or the run is over.
    Later,
    /// It was killed.
    Dead,
}

impl Task {
    fn enter(&mut self, waker: &Waker) -> Entry {
        let shared = &self.shared;
        let entry = shared.world.with(|state| {
            shared.catch_up(state);
            let mut inner = lock(&shared.inner);
            let slot = inner.slot(self.key).filter(|_| !state.tasks.is_dead(self.key));
            let Some(slot) = slot else { return Entry::Dead };
            if !std::mem::replace(&mut self.is_known, true) {
                state.tasks.adopt(self.key, waker);
                slot.waker = Some(waker.clone());
            }
            if !shared.is_over(state) && state.enter_poll(self.key) {
                slot.future.take().map_or(Entry::Dead, Entry::Polled)
            } else {
                state.tasks.set_queued(self.key);
                Entry::Later
            }
        });
        entry.unwrap_or(Entry::Dead)
    }

    /// Polls the future. `true`: it is no more.
    fn poll_future(&self, mut future: BoxFuture<'static, ()>, context: &mut Context<'_>) -> bool {
        // `Some` if the task is no more: the panic it ended with, if it did.
        let ended = match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Pending) => None,
            Ok(Poll::Ready(())) => Some(None),
            Err(payload) => Some(Some(super::panic_message(&*payload))),
        };
        let is_done = ended.is_some();
        // Its destructors run while it still counts as polled.
        let future = (!is_done).then_some(future);
        let Shared { world, inner, .. } = &*self.shared;
        let left = world.with(|state| {
            let mut inner = lock(inner);
            match ended {
                None => {
                    if let Some(slot) = inner.slot(self.key) {
                        slot.future = future;
                    }
                }
                Some(panic) => {
                    inner.take(self.key);
                    state.end_task(self.key, panic, &world.config);
                }
            }
            state.leave_poll(&world.config);
            self.shared.settle(state, &mut inner)
        });
        self.shared.finish(left.flatten());
        is_done
    }
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let is_done = match self.enter(context.waker()) {
            Entry::Polled(future) => self.poll_future(future, context),
            Entry::Later => false,
            Entry::Dead => true,
        };
        if is_done { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Fires where no run gets: nothing else was due before.
struct Sentinel {
    shared: Arc<Shared>,
    fired: AtomicBool,
}

impl Wake for Sentinel {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.fired.swap(true, Relaxed) {
            return;
        }
        self.shared.world.with(|state| {
            if state.wheel.next_ns().is_some() {
                state.reach(LimitKind::VirtualTime);
            } else {
                let failure = SimErrorKind::Deadlock {
                    at_ns: state.now_ns,
                    waiting: state.waiting(),
                };
                state.failure.get_or_insert(failure);
            }
        });
        lock(&self.shared.inner).wake_driver();
    }
}

pub(super) struct Madsim;

impl Executor for Madsim {
    fn drive(&mut self, world: &Arc<World>, main: TaskKey) {
        let runtime = Runtime::with_seed_and_config(world.config.seed, ::madsim::Config::default());
        runtime.block_on(drive_to_end(world.clone(), main));
    }
}

async fn drive_to_end(world: Arc<World>, main: TaskKey) {
    let clock = TimeHandle::current();
    let shared = Arc::new(Shared {
        world,
        main,
        inner: Mutex::new(Inner {
            slots: Vec::new(),
            timers: Timers::new(&clock),
            driver: None,
        }),
        clock,
    });
    let sentinel = Arc::new(Sentinel {
        shared: shared.clone(),
        fired: AtomicBool::new(false),
    });
    let end_ns = shared.world.config.limits.virtual_ns.min(NEVER_NS);
    lock(&shared.inner).timers.waker = Some(Waker::from(shared.clone()));
    let is_due = lock(&shared.inner).timers.arm(end_ns, &Waker::from(sentinel.clone()));
    if is_due {
        sentinel.wake();
    }
    std::future::poll_fn(|context| {
        let left = shared.world.with(|state| {
            shared.catch_up(state);
            let mut inner = lock(&shared.inner);
            inner.driver = Some(context.waker().clone());
            (!shared.is_over(state)).then(|| shared.settle(state, &mut inner))
        });
        match left.flatten() {
            Some(left) => {
                shared.finish(left);
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    })
    .await;
    let (slots, waker, driver) = {
        let inner = &mut *lock(&shared.inner);
        (
            std::mem::take(&mut inner.slots),
            inner.timers.waker.take(),
            inner.driver.take(),
        )
    };
    // What is left is dropped while the world still knows its nodes, and cycles are broken.
    drop((slots, waker, driver));
}

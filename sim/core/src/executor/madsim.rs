//! madsim's executor, clock and libc interposition under our world.
//!
//! Six public items of madsim are used: `Runtime`, its `block_on`, `Config`, `task::spawn`, `TimeHandle` and `Sleep`.
//! Each of our tasks is a task of madsim's main node, so madsim decides their order; its clock moves by 50-100 ns with
//! each poll and by 50 ns with each timer.
//!
//! Timers stay in our wheel, which can cancel them; madsim is only told of the earliest. `Sleep` never waits less than
//! 1 ms when it is created, but `Sleep::reset` does not clamp, and the timer that its first poll arms outlives it:
//! that gives wake-ups exact to the nanosecond, and is the one detail of madsim that the pin of its version protects.
//! A timer fires under madsim's own lock, where none can be armed, so the next one is armed by the next poll.

use super::Executor;
use crate::{
    error::{LimitKind, SimErrorKind},
    task::TaskKey,
    world::{Spawned, State, World},
};
use chrysalis_env::BoxFuture;
use madsim::{runtime::Runtime, time::TimeHandle};
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

/// A century: no run gets there by itself.
const NEVER_NS: u64 = 100 * 365 * 86_400 * 1_000_000_000;

struct Shared {
    world: Arc<World>,
    main: TaskKey,
    bodies: Mutex<Bodies>,
    timers: Mutex<Timers>,
}

/// Futures of our tasks, at the indices of their keys; kept here and not in madsim's tasks, so that a kill drops them
/// at once.
#[derive(Default)]
struct Bodies(Vec<Option<Body>>);

struct Body {
    key: TaskKey,
    future: BoxFuture<'static, ()>,
}

impl Bodies {
    fn put(&mut self, body: Body) {
        let index = body.key.index as usize;
        if index >= self.0.len() {
            self.0.resize_with(index + 1, || None);
        }
        self.0[index] = Some(body);
    }

    fn take(&mut self, key: TaskKey) -> Option<Body> {
        let slot = self.0.get_mut(key.index as usize)?;
        if slot.as_ref().is_some_and(|body| body.key == key) {
            slot.take()
        } else {
            None
        }
    }
}

/// What madsim was told.
#[derive(Default)]
struct Timers {
    /// Deadlines that madsim will fire, earliest first.
    armed_ns: BinaryHeap<Reverse<u64>>,
    /// A timer fired: the wheel has to be looked at again.
    fired: bool,
    driver: Option<Waker>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What to do after a poll, where nobody works on the state.
enum Rest {
    /// New tasks and dead ones.
    Tasks(Vec<Spawned>, Vec<TaskKey>),
    /// A timer is to be armed.
    Arm(u64),
    Nothing,
}

impl Shared {
    /// Brings true time up to madsim's.
    fn catch_up(&self, state: &mut State, clock: &TimeHandle) {
        let elapsed_ns = u64::try_from(clock.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.world.set_now(state, elapsed_ns);
    }

    /// After each poll: drops the dead, starts the new, arms the next timer.
    fn settle(self: &Arc<Self>, clock: &TimeHandle) {
        loop {
            match self.world.with(|state| self.rest(state)) {
                Some(Rest::Tasks(spawned, dead)) => {
                    for key in dead {
                        let body = lock(&self.bodies).take(key);
                        drop(body);
                    }
                    for Spawned { key, future } in spawned {
                        lock(&self.bodies).put(Body { key, future });
                        let shared = self.clone();
                        // A dropped handle detaches.
                        drop(madsim::task::spawn(Task { shared, key }));
                    }
                }
                Some(Rest::Arm(at_ns)) => {
                    if arm(clock, at_ns, &Waker::from(self.clone())) {
                        // It is due already: madsim moved on meanwhile.
                        self.wake_by_ref();
                    }
                }
                Some(Rest::Nothing) | None => return,
            }
        }
    }

    fn rest(&self, state: &mut State) -> Rest {
        let spawned = std::mem::take(&mut state.spawned);
        let dead = std::mem::take(&mut state.tasks.dead);
        if !spawned.is_empty() || !dead.is_empty() {
            for key in &dead {
                state.tasks.remove(*key);
            }
            return Rest::Tasks(spawned, dead);
        }
        let mut timers = lock(&self.timers);
        if self.is_over(state)
            && let Some(driver) = &timers.driver
        {
            driver.wake_by_ref();
        }
        // madsim is told of the wheel's earliest entry, if it does not know of it.
        let fired = std::mem::take(&mut timers.fired);
        let inserted_ns = state.wheel.take_earliest_insert();
        let known_ns = timers.armed_ns.peek().map_or(u64::MAX, |at| at.0);
        if !fired && inserted_ns >= known_ns {
            return Rest::Nothing;
        }
        match state.wheel.next_ns() {
            Some(at_ns) if at_ns < known_ns => {
                timers.armed_ns.push(Reverse(at_ns));
                Rest::Arm(at_ns)
            }
            _ => Rest::Nothing,
        }
    }

    fn is_over(&self, state: &State) -> bool {
        state.failure.is_some() || state.tasks.is_dead(self.main)
    }

    /// Something is due for whoever drives the world: it does not wait for a task's poll.
    fn wake_driver(&self) {
        if let Some(driver) = &lock(&self.timers).driver {
            driver.wake_by_ref();
        }
    }
}

/// Arms a timer of madsim. `true`: its time has come already.
fn arm(clock: &TimeHandle, at_ns: u64, waker: &Waker) -> bool {
    let start = clock.now_instant() - clock.elapsed();
    let mut sleep = pin!(clock.sleep(Duration::ZERO));
    sleep.as_mut().reset(start + Duration::from_nanos(at_ns));
    sleep.poll(&mut Context::from_waker(waker)).is_ready()
}

/// A timer of madsim fired, the earliest that was armed.
impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let at_ns = {
            let mut timers = lock(&self.timers);
            timers.fired = true;
            timers.armed_ns.pop().map_or(0, |at| at.0)
        };
        let woken = self.world.with(|state| {
            self.world.set_now(state, at_ns);
            state.tasks.take_woken();
            while state.wheel.next_ns().is_some_and(|next_ns| next_ns <= at_ns) {
                state.wheel.advance();
                state.fire_due();
            }
            state.tasks.take_woken()
        });
        // A woken task arms the next timer after its poll; if there is none, the driver has to.
        if woken != Some(true) {
            self.wake_driver();
        }
    }
}

/// One of our tasks, as madsim sees it.
struct Task {
    shared: Arc<Shared>,
    key: TaskKey,
}

/// Whether a task may be polled.
enum Entry {
    Polled,
    /// Its node is paused, or the run is over.
    Later,
    /// It was killed.
    Dead,
}

impl Task {
    fn enter(&self, clock: &TimeHandle, waker: &Waker) -> Entry {
        let entry = self.shared.world.with(|state| {
            self.shared.catch_up(state, clock);
            if state.tasks.is_dead(self.key) {
                return Entry::Dead;
            }
            state.tasks.set_waker(self.key, waker);
            if !self.shared.is_over(state) && state.enter_poll(self.key) {
                Entry::Polled
            } else {
                state.tasks.set_queued(self.key);
                Entry::Later
            }
        });
        entry.unwrap_or(Entry::Dead)
    }

    /// `Some` if the task is no more: the panic it ended with, if it did.
    fn poll_body(&self, context: &mut Context<'_>) -> Option<Option<String>> {
        let body = lock(&self.shared.bodies).take(self.key);
        let Some(mut body) = body else { return Some(None) };
        match catch_unwind(AssertUnwindSafe(|| body.future.as_mut().poll(context))) {
            Ok(Poll::Pending) => {
                lock(&self.shared.bodies).put(body);
                None
            }
            Ok(Poll::Ready(())) => Some(None),
            Err(payload) => Some(Some(super::panic_message(&*payload))),
        }
    }
}

impl Future for Task {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let clock = TimeHandle::current();
        let is_done = match self.enter(&clock, context.waker()) {
            Entry::Dead => true,
            Entry::Later => false,
            Entry::Polled => {
                let ended = self.poll_body(context);
                let is_done = ended.is_some();
                let world = &self.shared.world;
                world.with(|state| {
                    if let Some(panic) = ended {
                        state.end_task(self.key, panic, &world.config);
                    }
                    state.leave_poll(&world.config);
                });
                is_done
            }
        };
        self.shared.settle(&clock);
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
        self.shared.wake_driver();
    }
}

pub(super) struct Madsim;

impl Executor for Madsim {
    fn drive(&mut self, world: &Arc<World>, main: TaskKey) {
        let shared = Arc::new(Shared {
            world: world.clone(),
            main,
            bodies: Mutex::default(),
            timers: Mutex::default(),
        });
        let runtime = Runtime::with_seed_and_config(world.config.seed, ::madsim::Config::default());
        runtime.block_on(drive_to_end(shared.clone()));
        let bodies = std::mem::take(&mut *lock(&shared.bodies));
        // What is left is dropped while the world still knows its nodes.
        drop(bodies);
        lock(&shared.timers).driver = None;
    }
}

async fn drive_to_end(shared: Arc<Shared>) {
    let clock = TimeHandle::current();
    let end_ns = shared.world.config.limits.virtual_ns.min(NEVER_NS);
    let sentinel = Arc::new(Sentinel {
        shared: shared.clone(),
        fired: AtomicBool::new(false),
    });
    if arm(&clock, end_ns, &Waker::from(sentinel.clone())) {
        sentinel.wake();
    }
    std::future::poll_fn(|context| {
        let is_over = shared.world.with(|state| {
            shared.catch_up(state, &clock);
            shared.is_over(state)
        });
        if is_over != Some(false) {
            return Poll::Ready(());
        }
        lock(&shared.timers).driver = Some(context.waker().clone());
        shared.settle(&clock);
        Poll::Pending
    })
    .await;
}

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

impl Shared {
    /// Brings true time up to madsim's.
    fn catch_up(&self, state: &mut State, clock: &TimeHandle) {
        let elapsed_ns = u64::try_from(clock.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.world.set_now(state, elapsed_ns);
    }

    /// After each poll: drops the dead, starts the new, arms the next timer.
    fn settle(self: &Arc<Self>, clock: &TimeHandle) {
        loop {
            let mut state = self.world.lock();
            let spawned = std::mem::take(&mut state.spawned);
            let dead = std::mem::take(&mut state.tasks.dead);
            let is_over = state.failure.is_some() || state.tasks.is_dead(self.main);
            let deferred = state.has_deferred().then(|| state.take_deferred());
            if spawned.is_empty() && dead.is_empty() && deferred.is_none() {
                self.arm_earliest(state, clock);
                if is_over && let Some(driver) = &lock(&self.timers).driver {
                    driver.wake_by_ref();
                }
                return;
            }
            drop(state);
            if let Some(deferred) = deferred {
                deferred.run();
            }
            for key in dead {
                let body = lock(&self.bodies).take(key);
                drop(body);
                self.world.lock().tasks.remove(key);
            }
            for Spawned { key, future } in spawned {
                lock(&self.bodies).put(Body { key, future });
                let task = Task {
                    shared: self.clone(),
                    key,
                };
                // A dropped handle detaches.
                drop(madsim::task::spawn(task));
            }
        }
    }

    /// Tells madsim of the wheel's earliest entry, if it does not know of it.
    fn arm_earliest(self: &Arc<Self>, mut state: MutexGuard<'_, State>, clock: &TimeHandle) {
        let mut timers = lock(&self.timers);
        let fired = std::mem::take(&mut timers.fired);
        let inserted_ns = state.wheel.take_earliest_insert();
        let known_ns = timers.armed_ns.peek().map_or(u64::MAX, |at| at.0);
        if !fired && inserted_ns >= known_ns {
            return;
        }
        let Some(at_ns) = state.wheel.next_ns() else { return };
        if at_ns >= known_ns {
            return;
        }
        timers.armed_ns.push(Reverse(at_ns));
        drop(timers);
        drop(state);
        if arm(clock, at_ns, &Waker::from(self.clone())) {
            // It is due already: madsim moved on meanwhile.
            self.wake_by_ref();
        }
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
        let mut state = self.world.lock();
        self.world.set_now(&mut state, at_ns);
        state.tasks.take_woken();
        while state.wheel.next_ns().is_some_and(|next_ns| next_ns <= at_ns) {
            state.wheel.advance();
            state.fire_due();
        }
        let woken = state.tasks.take_woken();
        let deferred = state.take_deferred();
        drop(state);
        deferred.run();
        // A woken task arms the next timer after its poll; if there is none, the driver has to.
        if !woken {
            self.wake_driver();
        }
    }
}

/// One of our tasks, as madsim sees it.
struct Task {
    shared: Arc<Shared>,
    key: TaskKey,
}

impl Future for Task {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let shared = &self.shared;
        let clock = TimeHandle::current();
        let entered = {
            let mut state = shared.world.lock();
            shared.catch_up(&mut state, &clock);
            if state.tasks.is_dead(self.key) {
                None
            } else {
                state.tasks.set_waker(self.key, context.waker());
                let is_over = state.failure.is_some() || state.tasks.is_dead(shared.main);
                Some(!is_over && state.enter_poll(self.key))
            }
        };
        let Some(entered) = entered else {
            shared.settle(&clock);
            return Poll::Ready(());
        };
        if !entered {
            // Paused, or the run is over: nobody polls it now.
            shared.world.lock().tasks.set_queued(self.key);
            shared.settle(&clock);
            return Poll::Pending;
        }
        let body = lock(&shared.bodies).take(self.key);
        let Some(mut body) = body else {
            return Poll::Ready(());
        };
        let result = catch_unwind(AssertUnwindSafe(|| body.future.as_mut().poll(context)));
        let is_done = !matches!(result, Ok(Poll::Pending));
        if is_done {
            drop(body);
        } else {
            lock(&shared.bodies).put(body);
        }
        {
            let mut state = shared.world.lock();
            if is_done {
                let task = state.tasks.remove(self.key);
                if let (Err(payload), Some(task)) = (result, task) {
                    let message = super::panic_message(&*payload);
                    state.on_panic(task.node, task.label, message, &shared.world.config);
                }
            }
            state.leave_poll(&shared.world.config);
        }
        shared.settle(&clock);
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
        let mut state = self.shared.world.lock();
        if state.wheel.next_ns().is_some() {
            state.reach(LimitKind::VirtualTime);
        } else {
            let failure = SimErrorKind::Deadlock {
                at_ns: state.now_ns,
                waiting: state.waiting(),
            };
            state.failure.get_or_insert(failure);
        }
        drop(state);
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
        let is_over = {
            let mut state = shared.world.lock();
            shared.catch_up(&mut state, &clock);
            state.failure.is_some() || state.tasks.is_dead(shared.main)
        };
        if is_over {
            return Poll::Ready(());
        }
        lock(&shared.timers).driver = Some(context.waker().clone());
        shared.settle(&clock);
        Poll::Pending
    })
    .await;
}

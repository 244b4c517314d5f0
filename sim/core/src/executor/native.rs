//! Our own executor: a seeded pick among ready tasks, a timing wheel, one lock.

use super::Executor;
use crate::{
    error::{LimitKind, SimErrorKind},
    task::TaskKey,
    world::{Spawned, State, World},
};
use chrysalis_env::BoxFuture;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
};

/// Wakes that come through a [`Waker`]: from channels, combinators, other crates' futures. The world's own waits go
/// to the ready list directly.
#[derive(Default)]
struct Inbox {
    /// Spares the lock where there is nothing.
    filled: AtomicBool,
    tasks: Mutex<Vec<TaskKey>>,
}

impl Inbox {
    fn push(&self, task: TaskKey) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(task);
        self.filled.store(true, Relaxed);
    }
}

struct TaskWaker {
    inbox: Arc<Inbox>,
    task: TaskKey,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.inbox.push(self.task);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.inbox.push(self.task);
    }
}

/// A task's future, at the index of its key.
struct Slot {
    key: TaskKey,
    future: BoxFuture<'static, ()>,
    waker: Waker,
}

pub(super) struct Native {
    slots: Vec<Option<Slot>>,
    inbox: Arc<Inbox>,
}

impl Native {
    pub(super) fn new() -> Self {
        Self {
            slots: Vec::new(),
            inbox: Arc::default(),
        }
    }

    /// Takes over new tasks, drops killed ones, hears wakers.
    #[inline]
    fn settle<'a>(&mut self, world: &'a World, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        loop {
            if !state.spawned.is_empty() {
                for spawned in std::mem::take(&mut state.spawned) {
                    self.adopt(&mut state, spawned);
                }
            }
            if self.inbox.filled.load(Relaxed) {
                self.inbox.filled.store(false, Relaxed);
                let mut inbox = self.inbox.tasks.lock().unwrap_or_else(PoisonError::into_inner);
                for task in inbox.drain(..) {
                    state.tasks.wake_task(task);
                }
            }
            if state.has_deferred() {
                let deferred = state.take_deferred();
                drop(state);
                deferred.run();
                state = world.lock();
                continue;
            }
            if let Some(dead) = state.tasks.dead.pop() {
                let slot = self.take_slot(dead);
                state.tasks.remove(dead);
                // Destructors of node code run outside the lock.
                drop(state);
                drop(slot);
                state = world.lock();
                continue;
            }
            return state;
        }
    }

    fn adopt(&mut self, state: &mut State, spawned: Spawned) {
        let Spawned { key, future } = spawned;
        let waker = Waker::from(Arc::new(TaskWaker {
            inbox: self.inbox.clone(),
            task: key,
        }));
        state.tasks.adopt(key, &waker);
        let index = key.index as usize;
        if index >= self.slots.len() {
            self.slots.resize_with(index + 1, || None);
        }
        self.slots[index] = Some(Slot { key, future, waker });
    }

    fn take_slot(&mut self, key: TaskKey) -> Option<Slot> {
        let slot = self.slots.get_mut(key.index as usize)?;
        if slot.as_ref().is_some_and(|slot| slot.key == key) {
            slot.take()
        } else {
            None
        }
    }
}

/// Picks one of the ready tasks at random.
#[inline]
fn pick(state: &mut State) -> Option<TaskKey> {
    let count = state.tasks.ready.len();
    match count {
        0 => None,
        1 => state.tasks.ready.pop(),
        _ => {
            let index = (u64::from(state.schedule.next_u32()) * count as u64) >> 32;
            Some(state.tasks.ready.swap_remove(index as usize))
        }
    }
}

impl Executor for Native {
    fn drive(&mut self, world: &Arc<World>, main: TaskKey) {
        let mut state = world.lock();
        loop {
            state = self.settle(world, state);
            if state.failure.is_some() || state.tasks.is_dead(main) {
                break;
            }
            let Some(key) = pick(&mut state) else {
                let Some(at_ns) = state.wheel.advance() else {
                    let failure = SimErrorKind::Deadlock {
                        at_ns: state.now_ns,
                        waiting: state.waiting(),
                    };
                    state.failure = Some(failure);
                    break;
                };
                if at_ns > world.config.limits.virtual_ns {
                    state.reach(LimitKind::VirtualTime);
                    break;
                }
                world.set_now(&mut state, at_ns);
                state.fire_due();
                continue;
            };
            if !state.enter_poll(key) {
                continue;
            }
            let Some(slot) = self.slots.get_mut(key.index as usize).and_then(Option::as_mut) else {
                continue;
            };
            drop(state);
            let result = catch_unwind(AssertUnwindSafe(|| {
                slot.future.as_mut().poll(&mut Context::from_waker(&slot.waker))
            }));
            let is_done = !matches!(result, Ok(Poll::Pending));
            let finished = if is_done { self.take_slot(key) } else { None };
            // The future's destructors see the node they belong to.
            drop(finished);
            state = world.lock();
            if is_done {
                let task = state.tasks.remove(key);
                if let (Err(payload), Some(task)) = (result, task) {
                    let message = super::panic_message(&*payload);
                    state.on_panic(task.node, task.label, message, &world.config);
                }
            }
            state.leave_poll(&world.config);
        }
        drop(state);
        // What is left is dropped while the world still knows its nodes.
        self.slots.clear();
    }
}

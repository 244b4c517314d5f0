//! Our own executor: a seeded pick among ready tasks, a timing wheel.

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
        Arc, Mutex, PoisonError,
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

/// What to do where nobody works on the state.
enum Next {
    /// Poll a task, which was entered.
    Poll(TaskKey),
    /// Drop the future of a killed task.
    Drop(TaskKey),
    /// Let deferred work happen.
    Again,
    /// The run is over.
    End,
}

/// What a poll came to.
struct Polled {
    key: TaskKey,
    /// `Some` if the task is no more: the panic it ended with, if it did.
    ended: Option<Option<String>>,
}

impl Native {
    pub(super) fn new() -> Self {
        Self {
            slots: Vec::new(),
            inbox: Arc::default(),
        }
    }

    fn adopt(&mut self, state: &mut State, spawned: Spawned) {
        let Spawned { key, future } = spawned;
        let waker = Waker::from(Arc::new(TaskWaker {
            inbox: self.inbox.clone(),
            task: key,
        }));
        if state.tasks.adopt(key, &waker) {
            state.tasks.ready.push(key);
        }
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

    #[cold]
    fn hear(&mut self, state: &mut State) {
        self.inbox.filled.store(false, Relaxed);
        let mut tasks = self.inbox.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        for task in tasks.drain(..) {
            state.tasks.wake_task(task);
        }
    }

    /// Takes over new tasks, hears wakers, moves time, and says what to do next.
    #[inline]
    fn next(&mut self, world: &World, state: &mut State, main: TaskKey) -> Next {
        if !state.spawned.is_empty() {
            for spawned in std::mem::take(&mut state.spawned) {
                self.adopt(state, spawned);
            }
        }
        if self.inbox.filled.load(Relaxed) {
            self.hear(state);
        }
        if let Some(dead) = state.tasks.dead.pop() {
            state.tasks.remove(dead);
            return Next::Drop(dead);
        }
        if state.failure.is_some() || state.tasks.is_dead(main) {
            return Next::End;
        }
        loop {
            if state.has_deferred() {
                return Next::Again;
            }
            match pick(state) {
                Some(key) if state.enter_poll(key) => return Next::Poll(key),
                Some(_) => {}
                None => {
                    if !advance(world, state) {
                        return Next::End;
                    }
                }
            }
        }
    }

    /// Polls a task that was entered.
    #[inline]
    fn poll(&mut self, key: TaskKey) -> Polled {
        let Some(slot) = self.slots.get_mut(key.index as usize).and_then(Option::as_mut) else {
            return Polled { key, ended: Some(None) };
        };
        let result = catch_unwind(AssertUnwindSafe(|| {
            slot.future.as_mut().poll(&mut Context::from_waker(&slot.waker))
        }));
        let ended = match result {
            Ok(Poll::Pending) => None,
            Ok(Poll::Ready(())) => Some(None),
            Err(payload) => Some(Some(super::panic_message(&*payload))),
        };
        if ended.is_some() {
            // Its destructors run while it still counts as polled.
            drop(self.take_slot(key));
        }
        Polled { key, ended }
    }
}

/// Picks one of the ready tasks at random.
#[inline]
fn pick(state: &mut State) -> Option<TaskKey> {
    let count = state.tasks.ready.len();
    match count {
        0 | 1 => state.tasks.ready.pop(),
        _ => {
            let index = (u64::from(state.schedule.next_u32()) * count as u64) >> 32;
            Some(state.tasks.ready.swap_remove(index as usize))
        }
    }
}

/// Moves time to the next timer. `false`: the run is over.
#[inline]
fn advance(world: &World, state: &mut State) -> bool {
    let Some(at_ns) = state.wheel.advance() else {
        let failure = SimErrorKind::Deadlock {
            at_ns: state.now_ns,
            waiting: state.waiting(),
        };
        state.failure = Some(failure);
        return false;
    };
    if at_ns > world.config.limits.virtual_ns {
        state.reach(LimitKind::VirtualTime);
        return false;
    }
    world.set_now(state, at_ns);
    state.fire_due();
    true
}

impl Executor for Native {
    fn drive(&mut self, world: &Arc<World>, main: TaskKey) {
        let mut polled: Option<Polled> = None;
        loop {
            let next = world.with(|state| {
                if let Some(Polled { key, ended }) = polled.take() {
                    if let Some(panic) = ended {
                        state.end_task(key, panic, &world.config);
                    }
                    state.leave_poll(&world.config);
                }
                self.next(world, state, main)
            });
            match next {
                Some(Next::Poll(key)) => polled = Some(self.poll(key)),
                Some(Next::Drop(key)) => drop(self.take_slot(key)),
                Some(Next::Again) => {}
                Some(Next::End) | None => break,
            }
        }
        // What is left is dropped while the world still knows its nodes.
        self.slots.clear();
    }
}

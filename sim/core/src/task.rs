//! The task table: who is ready, who waits, who is to be dropped.
//!
//! A wait inside this crate remembers the task itself where it can ([`WakeSlot::Task`]) and a [`Waker`] only where a
//! combinator brought its own: the first kind costs neither an allocation nor an atomic operation.

use crate::{
    node::NodeId,
    slab::{Key, Slab},
};
use std::task::{Context, Waker};

/// Names a task over its life.
pub(crate) type TaskKey = Key;

pub(crate) struct Task {
    /// Counts the tasks of a run; goes into the schedule's digest.
    pub(crate) sequence: u64,
    pub(crate) node: NodeId,
    pub(crate) label: &'static str,
    /// Address of the waker's data, by which a poll with the task's own waker is told from one with another.
    pub(crate) waker_address: usize,
    queued: bool,
    paused: bool,
    dead: bool,
}

/// Whom to wake.
#[derive(Debug, Default)]
pub(crate) enum WakeSlot {
    #[default]
    Empty,
    Task(TaskKey),
    Waker(Box<Waker>),
}

impl WakeSlot {
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }
}

/// The poll that is going on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Current {
    task: TaskKey,
    waker_address: usize,
    pub(crate) node: NodeId,
}

impl Current {
    /// Puts whoever is being polled with `context` into `slot`. The former waker comes back when it has to be dropped
    /// when nobody works on the state, because dropping it may run foreign code.
    #[inline]
    pub(crate) fn park(&self, context: &Context<'_>, slot: &mut WakeSlot) -> Option<Box<Waker>> {
        if context.waker().data().addr() == self.waker_address {
            if let WakeSlot::Task(task) = slot
                && *task == self.task
            {
                return None;
            }
            return match std::mem::replace(slot, WakeSlot::Task(self.task)) {
                WakeSlot::Waker(waker) => Some(waker),
                _ => None,
            };
        }
        if let WakeSlot::Waker(waker) = slot
            && waker.will_wake(context.waker())
        {
            return None;
        }
        match std::mem::replace(slot, WakeSlot::Waker(Box::new(context.waker().clone()))) {
            WakeSlot::Waker(waker) => Some(waker),
            _ => None,
        }
    }
}

pub(crate) struct Tasks {
    table: Slab<Task>,
    spawned: u64,
    /// Tasks that were woken and that the executor has not heard of, in no order that means anything.
    pub(crate) ready: Vec<TaskKey>,
    /// Wakers to be woken when nobody works on the state any more.
    pub(crate) foreign: Vec<Waker>,
    /// Killed tasks whose futures are still to be dropped.
    pub(crate) dead: Vec<TaskKey>,
    pub(crate) current: Current,
}

impl Tasks {
    pub(crate) fn new() -> Self {
        Self {
            table: Slab::new(),
            spawned: 0,
            ready: Vec::new(),
            foreign: Vec::new(),
            dead: Vec::new(),
            current: Current {
                task: Key::NONE,
                waker_address: 0,
                node: NodeId::CONTROLLER,
            },
        }
    }

    /// Adds a task that is to be polled as soon as its executor has taken it over.
    pub(crate) fn add(&mut self, node: NodeId, label: &'static str, paused: bool) -> TaskKey {
        let sequence = self.spawned;
        self.spawned += 1;
        self.table.insert(Task {
            sequence,
            node,
            label,
            waker_address: 0,
            queued: true,
            paused,
            dead: false,
        })
    }

    /// Its executor has taken a new task over and polls it with `waker`. `true`: at once.
    pub(crate) fn adopt(&mut self, key: TaskKey, waker: &Waker) -> bool {
        let Some(task) = self.table.get_mut(key) else {
            return false;
        };
        task.waker_address = waker.data().addr();
        !task.paused && !task.dead
    }

    pub(crate) fn remove(&mut self, key: TaskKey) -> Option<Task> {
        self.table.remove(key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Task> {
        self.table.iter().map(|(_, task)| task)
    }

    /// Makes whoever is in `slot` ready.
    #[inline]
    pub(crate) fn wake(&mut self, slot: &mut WakeSlot) {
        match std::mem::take(slot) {
            WakeSlot::Empty => {}
            WakeSlot::Task(key) => self.wake_task(key),
            WakeSlot::Waker(waker) => self.foreign.push(*waker),
        }
    }

    /// Makes a task ready.
    #[inline]
    pub(crate) fn wake_task(&mut self, key: TaskKey) {
        if let Some(task) = self.table.get_mut(key)
            && !task.queued
            && !task.dead
        {
            task.queued = true;
            if !task.paused {
                self.ready.push(key);
            }
        }
    }

    /// A task is about to be polled; `None` if it must not be.
    #[inline]
    pub(crate) fn enter(&mut self, key: TaskKey) -> Option<&Task> {
        let task = self.table.get_mut(key)?;
        if task.dead || task.paused {
            return None;
        }
        task.queued = false;
        self.current = Current {
            task: key,
            waker_address: task.waker_address,
            node: task.node,
        };
        Some(task)
    }

    /// Nobody is being polled.
    pub(crate) fn leave(&mut self) {
        self.current = Current {
            task: Key::NONE,
            waker_address: 0,
            node: NodeId::CONTROLLER,
        };
    }

    pub(crate) fn is_dead(&self, key: TaskKey) -> bool {
        self.table.get(key).is_none_or(|task| task.dead)
    }

    /// All tasks of `node` are to be dropped.
    pub(crate) fn kill(&mut self, node: NodeId) {
        let Self { table, dead, .. } = self;
        for (key, task) in table.iter_mut() {
            if task.node == node && !task.dead {
                task.dead = true;
                dead.push(key);
            }
        }
        let table = &self.table;
        self.ready.retain(|key| table.get(*key).is_some_and(|task| !task.dead));
    }

    /// The tasks of `node` are no longer polled.
    pub(crate) fn pause(&mut self, node: NodeId) {
        for (_, task) in self.table.iter_mut() {
            if task.node == node {
                task.paused = true;
            }
        }
        let table = &self.table;
        self.ready
            .retain(|key| table.get(*key).is_some_and(|task| !task.paused));
    }

    /// They are again, those first that were woken meanwhile.
    pub(crate) fn resume(&mut self, node: NodeId) {
        let Self { table, ready, .. } = self;
        for (key, task) in table.iter_mut() {
            if task.node == node && task.paused {
                task.paused = false;
                // One that has not been taken over yet is polled when it is.
                if task.queued && task.waker_address != 0 {
                    ready.push(key);
                }
            }
        }
    }

    /// Notes that a paused task was to be polled.
    #[cfg(madsim)]
    pub(crate) fn set_queued(&mut self, key: TaskKey) {
        if let Some(task) = self.table.get_mut(key) {
            task.queued = true;
        }
    }

    pub(crate) fn is_paused(&self, task: &Task) -> bool {
        task.paused
    }
}

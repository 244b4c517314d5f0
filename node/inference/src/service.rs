//! How long a machine takes: a service-time model in virtual time, and the machine's slots.

use chrysalis_env::Env;
use std::{
    future::poll_fn,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    task::Poll,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Slow-down of a machine that runs at its own speed, in thousandths.
const FULL_SPEED_PERMILLE: u32 = 1000;

/// Service times of one machine for one model, in integer nanoseconds.
///
/// The first token of an answer is ready when the prompt is worked off; each further one a decode step later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceTime {
    /// Fixed part of working off a prompt.
    pub prefill_base_ns: u64,
    /// Part of it that grows with each prompt token that is not in the prefix cache.
    pub prefill_per_token_ns: u64,
    /// Fixed part of a decode step.
    pub decode_base_ns: u64,
    /// Part of it that grows with each sequence in the batch.
    pub decode_per_sequence_ns: u64,
}

impl ServiceTime {
    /// Time to work off a prompt of `tokens` tokens.
    pub fn prefill_ns(&self, tokens: u32) -> u64 {
        self.prefill_base_ns
            .saturating_add(self.prefill_per_token_ns.saturating_mul(tokens.into()))
    }

    /// Time of one decode step for `batch` sequences at once.
    pub fn decode_step_ns(&self, batch: u32) -> u64 {
        self.decode_base_ns
            .saturating_add(self.decode_per_sequence_ns.saturating_mul(batch.into()))
    }
}

/// A machine: its speed, and how many sequences it decodes at once. More of them wait in order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// Its speed.
    pub time: ServiceTime,
    /// Sequences that fit into a batch. A request with more choices than that takes the whole machine.
    pub max_batch: NonZeroU32,
}

/// What a backend inside the process is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Sequences that have a slot.
    pub running_sequences: u32,
    /// Requests that wait for one.
    pub waiting_requests: u32,
    /// Tokens generated since the start.
    pub generated_tokens: u64,
}

/// Hands out a machine's slots and keeps its time.
pub(crate) struct Scheduler {
    env: Env,
    /// Without a machine there is no virtual time to keep: tokens take as long as they take to compute.
    machine: Option<Slots>,
    slowdown_permille: AtomicU32,
    running_sequences: AtomicU32,
    waiting_requests: AtomicU32,
    generated_tokens: AtomicU64,
}

struct Slots {
    machine: Machine,
    free: Arc<Semaphore>,
}

impl Scheduler {
    pub(crate) fn new(env: Env, machine: Option<Machine>) -> Arc<Self> {
        let slots = |machine: Machine| Slots {
            machine,
            free: Arc::new(Semaphore::new(machine.max_batch.get() as usize)),
        };
        Arc::new(Self {
            env,
            machine: machine.map(slots),
            slowdown_permille: AtomicU32::new(FULL_SPEED_PERMILLE),
            running_sequences: AtomicU32::new(0),
            waiting_requests: AtomicU32::new(0),
            generated_tokens: AtomicU64::new(0),
        })
    }

    /// Makes all that is not under way yet take `permille` thousandths of its time.
    pub(crate) fn set_slowdown(&self, permille: u32) {
        self.slowdown_permille.store(permille, Relaxed);
    }

    pub(crate) fn load(&self) -> Load {
        Load {
            running_sequences: self.running_sequences.load(Relaxed),
            waiting_requests: self.waiting_requests.load(Relaxed),
            generated_tokens: self.generated_tokens.load(Relaxed),
        }
    }

    /// Waits for room for `sequences` sequences, in order of arrival.
    pub(crate) async fn admit(self: &Arc<Self>, sequences: u32) -> Seat {
        let arrived_ns = self.env.now_ns();
        let mut seat = Seat {
            scheduler: Arc::clone(self),
            slots: None,
            running: 0,
            ready_ns: arrived_ns,
            asked_ns: arrived_ns,
            queue_ns: 0,
        };
        let mut running = sequences;
        if let Some(machine) = &self.machine {
            running = sequences.min(machine.machine.max_batch.get());
            let waiting = Waiting::new(&self.waiting_requests);
            // The semaphore is never closed: an error would only mean a seat without slots.
            seat.slots = machine.free.clone().acquire_many_owned(running).await.ok();
            drop(waiting);
        }
        self.running_sequences.fetch_add(running, Relaxed);
        seat.running = running;
        seat.ready_ns = self.env.now_ns();
        seat.queue_ns = seat.ready_ns.saturating_sub(arrived_ns);
        seat
    }

    fn slowed(&self, span_ns: u64) -> u64 {
        let permille = self.slowdown_permille.load(Relaxed);
        let slowed = u128::from(span_ns) * u128::from(permille) / u128::from(FULL_SPEED_PERMILLE);
        u64::try_from(slowed).unwrap_or(u64::MAX)
    }
}

/// Counts a request while it waits, also if it gives up.
struct Waiting<'a>(&'a AtomicU32);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// A request's slots, and when its tokens are ready.
///
/// Tokens are computed when they are asked for, but their times are those of a machine that goes on for one token while
/// nobody asks: a consumer that is briefly busy does not slow the machine down, one that stops stops it.
pub(crate) struct Seat {
    scheduler: Arc<Scheduler>,
    slots: Option<OwnedSemaphorePermit>,
    running: u32,
    /// When the last token was ready.
    ready_ns: u64,
    /// When it was asked for.
    asked_ns: u64,
    queue_ns: u64,
}

impl Seat {
    /// How long the request waited for its slots.
    pub(crate) fn queue_ns(&self) -> u64 {
        self.queue_ns
    }

    /// Waits until a prompt of `tokens` tokens is worked off; the first token of each sequence is then ready.
    pub(crate) async fn prefill(&mut self, tokens: u32) {
        if let Some(slots) = &self.scheduler.machine {
            let span_ns = self.scheduler.slowed(slots.machine.time.prefill_ns(tokens));
            self.ready_ns = self.ready_ns.saturating_add(span_ns);
            self.scheduler.env.sleep_until(self.ready_ns).await;
        }
    }

    /// Waits until each running sequence has its next token.
    pub(crate) async fn step(&mut self) {
        // One pass through the executor for each token keeps a long answer from holding up everything else.
        yield_now().await;
        let Some(slots) = &self.scheduler.machine else {
            return;
        };
        let now_ns = self.scheduler.env.now_ns();
        let batch = self.scheduler.running_sequences.load(Relaxed);
        let span_ns = self.scheduler.slowed(slots.machine.time.decode_step_ns(batch));
        let start_ns = self.ready_ns.max(self.asked_ns);
        self.asked_ns = now_ns;
        self.ready_ns = start_ns.saturating_add(span_ns);
        if self.ready_ns > now_ns {
            self.scheduler.env.sleep_until(self.ready_ns).await;
        }
    }

    /// Counts a token.
    pub(crate) fn count_token(&self) {
        self.scheduler.generated_tokens.fetch_add(1, Relaxed);
    }

    /// Gives back the slots of sequences that have ended.
    pub(crate) fn shrink(&mut self, live: u32) {
        let ended = self.running.saturating_sub(live);
        self.running -= ended;
        self.scheduler.running_sequences.fetch_sub(ended, Relaxed);
        // Dropping the part frees it.
        drop(self.slots.as_mut().and_then(|slots| slots.split(ended as usize)));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.scheduler.running_sequences.fetch_sub(self.running, Relaxed);
    }
}

/// Lets other tasks run once.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_grow_as_written_and_saturate() {
        let time = ServiceTime {
            prefill_base_ns: 100,
            prefill_per_token_ns: 3,
            decode_base_ns: 50,
            decode_per_sequence_ns: 7,
        };
        assert_eq!((time.prefill_ns(0), time.prefill_ns(10)), (100, 130));
        assert_eq!((time.decode_step_ns(1), time.decode_step_ns(4)), (57, 78));
        let endless = ServiceTime {
            decode_per_sequence_ns: u64::MAX,
            ..time
        };
        assert_eq!(endless.decode_step_ns(2), u64::MAX);
    }
}

//! Which worker gets a request (spec §7).
//!
//! The reference rule multiplies running requests by an average time that counts only after about sixty queries, takes
//! the oldest connection on a tie and counts failures as fast answers: light traffic all goes to one worker, and a
//! worker that fails fast attracts everything (§10.3, T38, T39). Here every worker has an expected wait from its first
//! request on, failures make it longer, and ties go to whoever has had the least.

use std::collections::BTreeMap;

/// Time that a request is assumed to take on a worker nothing is known of.
const UNKNOWN_SERVICE_NS: u64 = 1_000_000_000;
/// Weight of the newest sample in a running average, as a power of two: 1/8.
const AVERAGE_SHIFT: u32 = 3;
/// A failure share of one, in the unit of [`WorkerLoad::failure_share`].
const WHOLE: u64 = 1 << 16;
/// How much longer a worker that always fails seems than one that never does.
const FAILURE_PENALTY: u64 = 64;

/// What is known of one worker connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WorkerLoad {
    /// Base name of its model.
    pub(crate) model: String,
    /// Price factor, 1000 = 1.0.
    pub(crate) coefficient: u32,
    /// Requests that it takes at once from this proxy.
    pub(crate) slots: u32,
    /// Requests that it has now.
    pub(crate) running: u32,
    /// Whether it asked for no work, or lost its right to it.
    pub(crate) disabled: bool,
    average_ns: Option<u64>,
    failure_share: u64,
    assigned: u64,
}

/// Why no worker can take a request; the order is that of how much nearer to a worker it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(crate) enum SelectionError {
    /// Nobody serves the model.
    #[error("no worker serves this model")]
    UnknownModel,
    /// Somebody does, but above the user's price limit.
    #[error("the cheapest worker has price factor {cheapest}, above the limit")]
    TooExpensive {
        /// Smallest coefficient among usable workers.
        cheapest: u32,
    },
    /// All have as much as they take.
    #[error("every worker of this model is busy")]
    Busy,
}

impl WorkerLoad {
    /// A worker that has just connected.
    pub(crate) fn new(model: String, coefficient: u32, slots: u32) -> Self {
        Self {
            model,
            coefficient,
            slots,
            running: 0,
            disabled: true,
            average_ns: None,
            failure_share: 0,
            assigned: 0,
        }
    }

    /// Counts a request that was given to it.
    pub(crate) fn start(&mut self) {
        self.running += 1;
        self.assigned += 1;
    }

    /// Counts the end of a request that took `elapsed_ns`.
    pub(crate) fn finish(&mut self, elapsed_ns: u64, succeeded: bool) {
        self.running = self.running.saturating_sub(1);
        let sample = if succeeded { 0 } else { WHOLE };
        self.failure_share = self.failure_share - (self.failure_share >> AVERAGE_SHIFT) + (sample >> AVERAGE_SHIFT);
        // A failure says nothing of how long an answer takes.
        if succeeded {
            self.average_ns = Some(match self.average_ns {
                None => elapsed_ns,
                Some(average) => average - (average >> AVERAGE_SHIFT) + (elapsed_ns >> AVERAGE_SHIFT),
            });
        }
    }

    fn expected_wait(&self, unknown_ns: u64) -> u128 {
        let average = u128::from(self.average_ns.unwrap_or(unknown_ns).max(1));
        let penalty = u128::from(WHOLE + FAILURE_PENALTY * self.failure_share);
        u128::from(self.running + 1) * average * penalty
    }
}

/// Chooses among `workers` (by connection id) for `model` at a price factor of at most `max_coefficient`.
pub(crate) fn select(
    workers: &BTreeMap<u64, WorkerLoad>,
    model: &str,
    max_coefficient: u32,
) -> Result<u64, SelectionError> {
    let mut error = SelectionError::UnknownModel;
    // A worker nothing is known of counts as the fastest that is known: it gets its chance.
    let known = workers
        .values()
        .filter(|worker| worker.model == model)
        .filter_map(|worker| worker.average_ns);
    let unknown_ns = known.min().unwrap_or(UNKNOWN_SERVICE_NS);
    let mut best: Option<((u128, u64), u64)> = None;
    for (id, worker) in workers
        .iter()
        .filter(|(_, worker)| worker.model == model && !worker.disabled)
    {
        if worker.coefficient > max_coefficient {
            let cheapest = match error {
                SelectionError::TooExpensive { cheapest } => cheapest.min(worker.coefficient),
                _ => worker.coefficient,
            };
            error = match error {
                SelectionError::Busy => SelectionError::Busy,
                _ => SelectionError::TooExpensive { cheapest },
            };
        } else if worker.running >= worker.slots {
            error = SelectionError::Busy;
        } else {
            let rank = (worker.expected_wait(unknown_ns), worker.assigned);
            if best.is_none_or(|(other, _)| rank < other) {
                best = Some((rank, *id));
            }
        }
    }
    best.map(|(_, id)| id).ok_or(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(coefficient: u32, slots: u32) -> WorkerLoad {
        WorkerLoad {
            disabled: false,
            ..WorkerLoad::new("m".into(), coefficient, slots)
        }
    }

    fn pool<const N: usize>(workers: [WorkerLoad; N]) -> BTreeMap<u64, WorkerLoad> {
        workers
            .into_iter()
            .enumerate()
            .map(|(index, worker)| (index as u64, worker))
            .collect()
    }

    #[test]
    fn equal_workers_share_light_traffic() {
        let mut workers = pool([worker(1000, 4), worker(1000, 4), worker(1000, 4)]);
        for _ in 0..30 {
            let id = select(&workers, "m", 4000).unwrap();
            let worker = workers.get_mut(&id).unwrap();
            worker.start();
            worker.finish(50_000_000, true);
        }
        assert!(workers.values().all(|worker| worker.assigned == 10), "{workers:?}");
    }

    #[test]
    fn a_worker_that_fails_fast_is_left_alone() {
        let mut workers = pool([worker(1000, 4), worker(1000, 4)]);
        let mut to_bad = 0;
        for _ in 0..100 {
            let id = select(&workers, "m", 4000).unwrap();
            to_bad += u32::from(id == 0);
            let worker = workers.get_mut(&id).unwrap();
            worker.start();
            worker.finish(if id == 0 { 1_000_000 } else { 500_000_000 }, id != 0);
        }
        assert!(to_bad <= 10, "{to_bad} of 100 requests went to the failing worker");
    }

    #[test]
    fn busy_disabled_and_expensive_workers_are_told_apart() {
        assert_eq!(select(&pool([]), "m", 1000), Err(SelectionError::UnknownModel));
        assert_eq!(
            select(&pool([worker(1000, 1)]), "other", 1000),
            Err(SelectionError::UnknownModel)
        );
        let off = WorkerLoad {
            disabled: true,
            ..worker(1000, 1)
        };
        assert_eq!(select(&pool([off]), "m", 1000), Err(SelectionError::UnknownModel));
        let expensive = pool([worker(3000, 1), worker(2000, 1)]);
        assert_eq!(
            select(&expensive, "m", 1999),
            Err(SelectionError::TooExpensive { cheapest: 2000 })
        );
        assert_eq!(select(&expensive, "m", 2000), Ok(1));
        let mut full = worker(1000, 1);
        full.start();
        assert_eq!(
            select(&pool([full, worker(3000, 1)]), "m", 2000),
            Err(SelectionError::Busy)
        );
    }

    #[test]
    fn the_less_loaded_of_two_equal_workers_is_taken() {
        let mut workers = pool([worker(1000, 4), worker(1000, 4)]);
        for worker in workers.values_mut() {
            worker.start();
            worker.finish(10_000_000, true);
        }
        workers.get_mut(&0).unwrap().start();
        assert_eq!(select(&workers, "m", 4000), Ok(1));
    }
}

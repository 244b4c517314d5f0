//! Moments of a proxy's work that faults wait for.

use crate::plan::Moment;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// A fault that waits.
#[derive(Debug)]
struct Waiting {
    node: String,
    moment: Moment,
    from_ns: u64,
    bell: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Known {
    waiting: Vec<Waiting>,
    /// Largest count that was signed, by node and contract.
    signed: BTreeMap<(String, String), u64>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Moments(Mutex<Known>);

impl Moments {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rings once when the moment comes at or after `from_ns`.
    pub(crate) fn wait_for(&self, node: &str, moment: Moment, from_ns: u64) -> Arc<Notify> {
        let bell = Arc::new(Notify::new());
        self.lock().waiting.push(Waiting {
            node: node.to_owned(),
            moment,
            from_ns,
            bell: bell.clone(),
        });
        bell
    }

    /// A proxy signed for this many tokens of a contract. A bill that says what an earlier one said is no moment.
    pub(crate) fn signed(&self, node: &str, contract: &str, tokens: u64, at_ns: u64) {
        let mut known = self.lock();
        let largest = known.signed.entry((node.to_owned(), contract.to_owned())).or_default();
        if tokens > *largest {
            *largest = tokens;
            known.ring(node, Moment::Signed, at_ns);
        }
    }

    /// A commit of a proxy's ledger is on the chain.
    pub(crate) fn committed(&self, node: &str, at_ns: u64) {
        self.lock().ring(node, Moment::Committed, at_ns);
    }
}

impl Known {
    fn ring(&mut self, node: &str, moment: Moment, at_ns: u64) {
        self.waiting.retain(|waiting| {
            let comes = waiting.node == node && waiting.moment == moment && waiting.from_ns <= at_ns;
            if comes {
                // Whoever comes to wait only now still hears it.
                waiting.bell.notify_one();
            }
            !comes
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_rings_once_and_not_before_its_time() {
        let moments = Moments::default();
        let _bell = moments.wait_for("proxy-1", Moment::Signed, 10);
        let waiting = |moments: &Moments| moments.lock().waiting.len();
        moments.signed("proxy-1", "C", 5, 9);
        assert_eq!(waiting(&moments), 1, "before its time");
        moments.signed("proxy-1", "C", 5, 10);
        assert_eq!(waiting(&moments), 1, "nothing new was signed");
        moments.signed("proxy-2", "C", 6, 10);
        moments.committed("proxy-1", 10);
        assert_eq!(waiting(&moments), 1, "another node, another moment");
        moments.signed("proxy-1", "C", 6, 10);
        assert_eq!(waiting(&moments), 0);
    }
}

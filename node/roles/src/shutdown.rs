//! One signal that asks every task of a node to finish.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::Notify;

/// Wakes those who wait in the order in which they came, so that a simulated node stops the same way each time; tokio's
/// `watch` spreads them over lists at random.
#[derive(Debug, Default)]
struct Signal {
    is_given: AtomicBool,
    given: Notify,
}

/// Asks a node to stop. Dropping every trigger without firing lets the node run on.
#[derive(Debug, Clone)]
pub struct ShutdownTrigger(Arc<Signal>);

/// Tells a task that its node is stopping. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shutdown(Arc<Signal>);

/// A connected pair.
pub fn shutdown_pair() -> (ShutdownTrigger, Shutdown) {
    let signal = Arc::new(Signal::default());
    (ShutdownTrigger(signal.clone()), Shutdown(signal))
}

impl ShutdownTrigger {
    /// Asks the node to stop: no new requests, running ones may finish within the node's grace time.
    pub fn fire(&self) {
        self.0.is_given.store(true, Ordering::Release);
        self.0.given.notify_waiters();
    }
}

impl Shutdown {
    /// Whether the signal was given.
    pub fn is_requested(&self) -> bool {
        self.0.is_given.load(Ordering::Acquire)
    }

    /// Waits for the signal; for ever if it is never given.
    pub async fn requested(&mut self) {
        // Asked for before the look, so that a signal in between is not missed.
        let given = self.0.given.notified();
        if !self.is_requested() {
            given.await;
        }
    }
}

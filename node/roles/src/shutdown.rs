//! One signal that asks every task of a node to finish.

use tokio::sync::watch;

/// Asks a node to stop. Dropping every trigger without firing lets the node run on.
#[derive(Debug, Clone)]
pub struct ShutdownTrigger(std::sync::Arc<watch::Sender<bool>>);

/// Tells a task that its node is stopping. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<bool>);

/// A connected pair.
pub fn shutdown_pair() -> (ShutdownTrigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (ShutdownTrigger(std::sync::Arc::new(sender)), Shutdown(receiver))
}

impl ShutdownTrigger {
    /// Asks the node to stop: no new requests, running ones may finish within the node's grace time.
    pub fn fire(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Whether the signal was given.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for the signal; for ever if every trigger is gone.
    pub async fn requested(&mut self) {
        if self.0.wait_for(|requested| *requested).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

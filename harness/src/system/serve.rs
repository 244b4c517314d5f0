//! A network that stays up on loopback until it is told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrysalis_world::{live::LiveNetwork, plan::Plan};

use super::{System, execute::runtime};
use crate::services::{Endpoints, Serve, ServiceError};

/// How often the wish to stop is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How long running requests may take to end.
const GRACE: Duration = Duration::from_secs(3);

impl Serve for System {
    fn up(&self, plan: &Plan, ready: &mut dyn FnMut(&Endpoints), stop: &AtomicUsize) -> Result<(), ServiceError> {
        let environment = |error: &dyn std::fmt::Display| ServiceError::Environment(error.to_string());
        let data = tempfile::tempdir().map_err(|error| environment(&error))?;
        let runtime = runtime()?;
        let plan = Arc::new(plan.clone());
        let network = runtime
            .block_on(LiveNetwork::start(&plan, &self.workshop, data.path()))
            .map_err(|error| environment(&error))?;
        let endpoints = Endpoints {
            clients: network
                .clients
                .iter()
                .map(|(name, address)| (name.clone(), address.to_string()))
                .collect(),
            proxies: network
                .proxies
                .iter()
                .map(|(name, clients, workers)| (name.clone(), clients.to_string(), workers.to_string()))
                .collect(),
            model: plan
                .workers
                .first()
                .map(|worker| worker.model.split('@').next().unwrap_or_default().to_owned())
                .unwrap_or_default(),
        };
        ready(&endpoints);
        while stop.load(Ordering::Relaxed) == 0 {
            std::thread::sleep(LOOK);
        }
        network.stop();
        runtime.shutdown_timeout(GRACE);
        Ok(())
    }
}

//! Networks and tunnels on loopback that stay until they are told to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use chrysalis_world::live::{LiveNetwork, Observer};
use chrysalis_world::plan::Plan;
use chrysalis_world::tunnel::Tunnel;

use super::{System, execute::runtime};
use crate::services::{ChainEvent, ChainOptions, Endpoints, NetworkEvent, Serve, ServiceError};

/// How often the wish to stop is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How long a network may take until a user can be served.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// How long running requests may take to end.
const GRACE: Duration = Duration::from_secs(3);
/// Lines that may wait to be shown. A terminal that is slower than the network misses lines, the network is not slowed.
const LINES_WAITING: usize = 1 << 14;

impl Serve for System {
    fn up(
        &self,
        plan: &Plan,
        verbose: bool,
        tell: &mut dyn FnMut(NetworkEvent<'_>),
        stop: &AtomicUsize,
    ) -> Result<(), ServiceError> {
        let data = tempfile::tempdir().map_err(|error| environment(&error))?;
        let runtime = runtime()?;
        let plan = Arc::new(plan.clone());
        let (lines, shown) = sync_channel(LINES_WAITING);
        let network = runtime
            .block_on(LiveNetwork::start(
                &plan,
                &self.workshop,
                data.path(),
                observer(&lines, verbose),
            ))
            .map_err(|error| environment(&error))?;
        if !runtime.block_on(network.ready(READY_LIMIT)) {
            let why = format!("no model is served after {} s", READY_LIMIT.as_secs());
            return Err(ServiceError::Environment(why));
        }
        tell(NetworkEvent::Ready(&endpoints(&plan, &network)));
        until_stopped(&shown, stop, &mut |line| tell(NetworkEvent::Line(line)));
        network.stop();
        runtime.shutdown_timeout(GRACE);
        Ok(())
    }

    fn tunnel(
        &self,
        target: SocketAddr,
        ready: &mut dyn FnMut(SocketAddr),
        tell: &mut dyn FnMut(&str),
        stop: &AtomicUsize,
    ) -> Result<(), ServiceError> {
        let runtime = runtime()?;
        let (lines, shown) = sync_channel(LINES_WAITING);
        let complaints = {
            let lines = lines.clone();
            Arc::new(move |line| drop(lines.try_send(line)))
        };
        let tunnel = runtime
            .block_on(Tunnel::start(target, complaints))
            .map_err(|error| environment(&error))?;
        ready(tunnel.address);
        until_stopped(&shown, stop, tell);
        drop(tunnel);
        runtime.shutdown_timeout(GRACE);
        Ok(())
    }

    fn chain(
        &self,
        options: &ChainOptions,
        tell: &mut dyn FnMut(ChainEvent<'_>),
        stop: &AtomicUsize,
    ) -> Result<(), ServiceError> {
        super::chain::serve(options, tell, stop)
    }
}

fn environment(error: &dyn std::fmt::Display) -> ServiceError {
    ServiceError::Environment(error.to_string())
}

fn observer(lines: &SyncSender<String>, verbose: bool) -> Observer {
    let (reports, ends) = (lines.clone(), lines.clone());
    Observer {
        sink: Arc::new(move |node, since_start_ns, observation| {
            if verbose {
                let _ = reports.try_send(observation.to_json_line(since_start_ns, node));
            }
        }),
        stopped: Arc::new(move |node, why| drop(ends.try_send(format!("{node} ended: {why}")))),
    }
}

fn endpoints(plan: &Plan, network: &LiveNetwork) -> Endpoints {
    Endpoints {
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
    }
}

fn until_stopped(shown: &Receiver<String>, stop: &AtomicUsize, tell: &mut dyn FnMut(&str)) {
    while stop.load(Ordering::Relaxed) == 0 {
        match shown.recv_timeout(LOOK) {
            Ok(line) => tell(&line),
            // Whoever called holds the other end.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
    }
}

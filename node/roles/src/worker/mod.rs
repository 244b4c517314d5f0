//! The worker: serves one model to its proxies and is paid for it (spec §4.3).
//!
//! | module | holds |
//! |---|---|
//! | `session` | hand-shake with a proxy, payments, incoming requests |
//! | `answer` | one request: from the backend's bytes to the protocol's parts |

mod answer;
mod onchain;
mod session;

use crate::{
    dialing::Dialing,
    key_manager::{
        asking::{KeySource, keep_keys},
        ring::KeyHolder,
    },
    shutdown::Shutdown,
    telemetry::{self, Role},
    trust::Trust,
};
use chrysalis_env::{Either, Env, race};
use chrysalis_inference::Backend;
use chrysalis_settlement::{Address, Network, RootSource};
use session::Shared;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

pub use onchain::WorkerChain;

/// Pause between two looks at the backend (spec §1.3: one to two seconds after the last result).
const PROBE_PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(2));
/// Pause between two questions for the state of payments (spec §1.3).
const PAYMENT_PAUSE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(20));
/// How long running requests may take to end after a request to stop.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// Everything a worker needs.
pub struct WorkerSettings {
    /// Whom the earnings belong to.
    pub owner: Address,
    /// Which network's form addresses have on the wire.
    pub network: Network,
    /// Full model name (spec §1.1).
    pub model: String,
    /// Price factor, 1000 = 1.0.
    pub coefficient: u32,
    /// Requests at once over all proxies.
    pub max_active_requests: u32,
    /// The deployment's test flag (spec §4.2).
    pub is_test: bool,
    /// Proxies to serve.
    pub proxies: Vec<SocketAddr>,
    /// The root contract.
    pub root: Arc<dyn RootSource>,
    /// Own identity, and what proxies must show.
    pub trust: Trust,
    /// Where answers come from.
    pub backend: Arc<dyn Backend>,
    /// Where the owner is paid.
    pub chain: WorkerChain,
    /// Where keys of workers come from, if there is a key manager.
    pub keys: Option<KeySource>,
}

/// Runs a worker until it is asked to stop; running requests may finish.
pub async fn run_worker(env: Env, settings: WorkerSettings, mut shutdown: Shutdown) {
    let dialing = Dialing {
        env: env.clone(),
        role: Role::Worker,
        trust: settings.trust.clone(),
        root: settings.root.clone(),
        next_id: Arc::new(AtomicU64::new(1)),
    };
    if let Some(source) = &settings.keys {
        let (source, root) = (source.clone(), settings.root.clone());
        let keys = keep_keys(env.clone(), source, KeyHolder::Workers, root, shutdown.clone());
        env.spawn("worker: keys", keys);
    }
    let proxies = settings.proxies.clone();
    let shared = Arc::new(Shared::new(env.clone(), settings));

    // A worker that cannot answer says so before it is given work.
    let uplink = Arc::new(AtomicBool::new(false));
    probe(&shared, &uplink).await;
    for address in proxies {
        let task = dialing.clone().keep(shared.clone(), address, shutdown.clone());
        env.spawn("worker: connection to a proxy", task);
    }
    let payments = shared.clone();
    let _payments = env
        .spawn("worker: payment status", async move {
            loop {
                let pause = payments.env.random_span(PAYMENT_PAUSE.0, PAYMENT_PAUSE.1);
                payments.env.sleep(pause).await;
                payments.ask_payment_status();
            }
        })
        .abort_on_drop();
    loop {
        let pause = env.random_span(PROBE_PAUSE.0, PROBE_PAUSE.1);
        match race(env.sleep(pause), shutdown.requested()).await {
            Either::Left(()) => probe(&shared, &uplink).await,
            Either::Right(()) => break,
        }
    }
    shared.set_disabled(true);
    if env.timeout(DRAIN_LIMIT, shared.drained()).await.is_err() {
        telemetry::note(
            &env,
            Role::Worker,
            "requests were still running when the worker stopped",
        );
    }
}

async fn probe(shared: &Shared, was_up: &AtomicBool) {
    let is_up = match shared.settings.backend.probe().await {
        Ok(()) => true,
        Err(error) => {
            telemetry::note(
                &shared.env,
                Role::Worker,
                &format!("the inference server does not answer: {error}"),
            );
            false
        }
    };
    if was_up.swap(is_up, Ordering::Relaxed) != is_up {
        shared.set_disabled(!is_up);
    }
}

//! Adversaries against attestation: peers that no daemon can be.
//!
//! In a run they are nodes of its simulated world, each with an address of its own, and reach nothing else. What they
//! may have of honest nodes (keys, machines, old evidence) is what the plan says; against them stands the code of real
//! proxies and clients. Each attack goes to its end: whether it worked is what those did, and where it did not work an
//! honest peer is tried at the same place, so that a refusal is one of the attack and not of everything.
//!
//! | module | holds |
//! |---|---|
//! | [`peer`] | a raw peer: proof of work, TLS, frames, packets, as whoever plays it wishes |
//! | [`handshakes`] | what honest peers say first |
//! | `stage` | what an adversary has at hand, and how it is taken |
//! | `techniques` | what each does |
//! | `gpus` | those who have another GPU than they show, or none |
//! | `exhaustion` | those who want to wear a verifier out |
//! | `encodings` | the same evidence in other bytes, and other things in its place |

mod encodings;
mod exhaustion;
mod gpus;
pub mod handshakes;
pub mod peer;
mod stage;
mod techniques;

use crate::{
    deployment::{DeployError, Deployment, PROXY_IMAGE, WORKER_IMAGE},
    plan::{EvidenceAttack, Pose},
    recorder::{Attack, Recorder},
};
use chrysalis_attest::certificate::IssueError;
use chrysalis_env::Env;
use chrysalis_node::{client, shutdown::shutdown_pair};
use chrysalis_sim::{AddNodeError, LinkSpec, NodeSpec, Sim};
use peer::Gone;
use stage::Stage;
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

/// Why an attack could not be carried out.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The other end did what no honest node does, or nothing.
    #[error("the other end: {0}")]
    Gone(Gone),
    /// An identity cannot be made.
    #[error("an identity cannot be made: {0}")]
    Issue(#[from] IssueError),
    /// It cannot be used.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// Nothing else than the honest peer was refused.
    #[error("an honest {} is refused as well: {reason}", pose.name())]
    Control {
        /// As what it came.
        pose: Pose,
        /// Why.
        reason: String,
    },
    /// A victim cannot be set up.
    #[error(transparent)]
    Deploy(#[from] DeployError),
    /// A step on the way did not do what it must.
    #[error("{0}")]
    Step(String),
}

impl From<Gone> for Failure {
    fn from(gone: Gone) -> Self {
        Self::Gone(gone)
    }
}

/// How an attack ended.
struct End {
    worked: bool,
    detail: String,
}

/// Where the nodes are that adversaries turn to.
#[derive(Debug, Clone)]
pub(crate) struct Targets {
    /// The proxy whose clients and workers they want to be taken for, or whom they want to be taken for.
    pub(crate) proxy: String,
    /// Its port for workers.
    pub(crate) for_workers: SocketAddr,
    /// Its port for clients.
    pub(crate) for_clients: SocketAddr,
    /// Port of a client's HTTP endpoint.
    pub(crate) http_port: u16,
}

/// Delay between a misled client and whoever misleads it, one way.
const NEAR_NS: u64 = 1_000_000;

/// Starts every adversary of the plan. Each waits for its time.
///
/// # Errors
/// A node cannot be added.
pub(crate) fn start(
    sim: &Sim,
    deployment: &Arc<Deployment>,
    recorder: &Arc<Recorder>,
    targets: &Targets,
) -> Result<(), AddNodeError> {
    for (index, planned) in deployment.plan.attestation.attacks.iter().enumerate() {
        let at_ns = planned.at_ns;
        let [high, low] = u16::try_from(index).unwrap_or(u16::MAX).to_be_bytes();
        // No node of a plan has a blank in its name.
        let name = format!("adversary {}", index + 1);
        let adversary = sim.add_node(NodeSpec::new(name.clone(), Ipv4Addr::new(10, 5, high, low)))?;
        recorder.name(adversary.id(), &name);
        let at: SocketAddr = (adversary.ip(), targets.for_clients.port()).into();
        let victim = match planned.attack.pose {
            Pose::Worker => None,
            Pose::Proxy => {
                let name = format!("misled client {}", index + 1);
                let victim = sim.add_node(NodeSpec::new(name.clone(), Ipv4Addr::new(10, 6, high, low)))?;
                recorder.name(victim.id(), &name);
                sim.network().set_link(&victim, &adversary, LinkSpec::constant(NEAR_NS));
                let http: SocketAddr = (victim.ip(), targets.http_port).into();
                let (deployment, recorder) = (deployment.clone(), recorder.clone());
                victim.start(move |env| misled(env, deployment.clone(), recorder.clone(), http, at, at_ns));
                Some(name)
            }
        };
        let (deployment, recorder) = (deployment.clone(), recorder.clone());
        let (attack, targets) = (Arc::new(planned.attack.clone()), targets.clone());
        adversary.start(move |env| {
            let (deployment, recorder, attack) = (deployment.clone(), recorder.clone(), attack.clone());
            let (targets, victim) = (targets.clone(), victim.clone());
            async move {
                env.sleep_until(at_ns).await;
                let ended = match Stage::new(&env, deployment, &recorder, attack.clone(), targets, victim, at).await {
                    Ok(mut stage) => techniques::carry_out(&mut stage).await,
                    Err(failure) => Err(failure),
                };
                let row = row(env.now_ns(), &attack, ended);
                recorder.rows().attacks.push(row);
            }
        });
    }
    Ok(())
}

/// A real client whom somebody has told a wrong address.
async fn misled(
    env: Env,
    deployment: Arc<Deployment>,
    recorder: Arc<Recorder>,
    http: SocketAddr,
    at: SocketAddr,
    at_ns: u64,
) {
    env.sleep_until(at_ns).await;
    let name = env.node_name().to_owned();
    let (_trigger, shutdown) = shutdown_pair();
    let result = match deployment.client(0, &env, http, vec![at]) {
        Ok(settings) => client::run_client(env.clone(), settings, shutdown)
            .await
            .map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    if let Err(error) = result {
        recorder.stopped(env.now_ns(), &name, error);
    }
}

fn row(at_ns: u64, attack: &EvidenceAttack, ended: Result<End, Failure>) -> Attack {
    let (worked, detail) = match ended {
        Ok(end) => (Some(end.worked), end.detail),
        Err(failure) => (None, failure.to_string()),
    };
    Attack {
        at_ns,
        threat: attack.name.clone(),
        worked,
        detail,
    }
}

/// The image of honest nodes.
const fn image_of(pose: Pose) -> &'static str {
    match pose {
        Pose::Worker => WORKER_IMAGE,
        Pose::Proxy => PROXY_IMAGE,
    }
}

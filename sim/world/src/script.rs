//! What owners and adversaries do on the chain. They are people with wallets, not nodes: nothing here is part of what
//! runs in a daemon, and nothing here can reach anything but the simulated chain of its own world.
//!
//! | module | holds |
//! |---|---|
//! | `actor` | a wallet and what comes of its orders |
//! | `operations` | what owners may do, at the times of the plan |
//! | `stage` | a proxy contract with accounts, for one attack |
//! | `attacks` | the threats of spec §10.1, each to its end |

mod actor;
mod attacks;
mod operations;
mod stage;

use crate::{
    deployment::{DeployError, Deployment},
    plan::Threat,
    recorder::{Attack, OwnerOperation, Recorder},
};
use chrysalis_chain::{Refused, chain::ReadError, wallet::WalletError};
use chrysalis_env::{AbortOnDrop, Env};
use std::{sync::Arc, time::Duration};

/// Why something could not be carried out.
#[derive(Debug, thiserror::Error)]
enum ScriptError {
    /// An order cannot be made.
    #[error("an order cannot be made: {0}")]
    Order(#[from] WalletError),
    /// The chain does not take it.
    #[error("the chain refuses an order: {0}")]
    Refused(#[from] Refused),
    /// The chain cannot be read.
    #[error("the chain cannot be read: {0}")]
    Read(#[from] ReadError),
    /// Cells that the script made cannot be used.
    #[error("cells: {0}")]
    Cells(#[from] tycho_types::error::Error),
    /// A party cannot be made.
    #[error(transparent)]
    Deploy(#[from] DeployError),
    /// Nothing came of an order.
    #[error("nothing came of an order within {0} s")]
    Late(u64),
    /// A step on the way did not do what it must.
    #[error("{0}")]
    Step(String),
}

/// Everything that the plan wants done on its chain. Dropping it stops what is not over.
pub(crate) struct Scripts {
    _tasks: Vec<AbortOnDrop>,
    /// Operations and attacks, also those of nodes.
    planned: usize,
    recorder: Arc<Recorder>,
}

impl Scripts {
    /// Waits until all of it is over.
    pub(crate) async fn finished(&self, env: &Env) {
        let is_over = || {
            let rows = self.recorder.rows();
            rows.operations.len() + rows.attacks.len() >= self.planned
        };
        while !is_over() {
            env.sleep(PAUSE).await;
        }
    }
}

/// Pause between two looks at whether all is over.
const PAUSE: Duration = Duration::from_secs(1);

/// Starts everything that the plan wants done on its chain.
pub(crate) fn start(env: &Env, deployment: &Arc<Deployment>, recorder: &Arc<Recorder>) -> Scripts {
    let mut tasks = Vec::new();
    let settlement = deployment.plan.settlement.as_ref();
    let operations = settlement.map_or(&[][..], |settlement| &settlement.operations);
    for (number, planned) in (0_u64..).zip(operations) {
        let (env, deployment, recorder) = (env.clone(), deployment.clone(), recorder.clone());
        let (planned, later) = (planned.clone(), env.clone());
        let task = env.spawn("owner", async move {
            later.sleep_until(planned.at_ns).await;
            let done = operations::carry_out(&later, &deployment, number, &planned.operation).await;
            recorder.rows().operations.push(OwnerOperation {
                at_ns: later.now_ns(),
                operation: planned.operation.name().to_owned(),
                failure: done.err().map(|error| error.to_string()),
            });
        });
        tasks.push(task.abort_on_drop());
    }
    for attack in settlement.map_or(&[][..], |settlement| &settlement.attacks) {
        let (deployment, recorder) = (deployment.clone(), recorder.clone());
        let (attack, later) = (*attack, env.clone());
        let task = env.spawn("adversary", async move {
            later.sleep_until(attack.at_ns).await;
            let ended = attacks::carry_out(&later, &deployment, attack.threat).await;
            recorder.rows().attacks.push(row(later.now_ns(), attack.threat, ended));
        });
        tasks.push(task.abort_on_drop());
    }
    let askers = deployment.plan.key_manager.iter().map(|plan| plan.askers.len());
    Scripts {
        planned: tasks.len() + askers.sum::<usize>(),
        _tasks: tasks,
        recorder: recorder.clone(),
    }
}

fn row(at_ns: u64, threat: Threat, ended: Result<attacks::End, ScriptError>) -> Attack {
    let (worked, detail) = match ended {
        Ok(end) => (Some(end.worked), end.detail),
        Err(error) => (None, error.to_string()),
    };
    Attack {
        at_ns,
        threat: threat.name().to_owned(),
        worked,
        detail,
    }
}

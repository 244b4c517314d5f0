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
use std::sync::Arc;

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

/// Starts everything that the plan wants done on its chain. Dropping the result stops what is not over.
pub(crate) fn start(env: &Env, deployment: &Arc<Deployment>, recorder: &Arc<Recorder>) -> Vec<AbortOnDrop> {
    let mut tasks = Vec::new();
    let Some(settlement) = &deployment.plan.settlement else {
        return tasks;
    };
    for (number, planned) in (0_u64..).zip(&settlement.operations) {
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
    for attack in &settlement.attacks {
        let (deployment, recorder) = (deployment.clone(), recorder.clone());
        let (attack, later) = (*attack, env.clone());
        let task = env.spawn("adversary", async move {
            later.sleep_until(attack.at_ns).await;
            let ended = attacks::carry_out(&later, &deployment, attack.threat).await;
            recorder.rows().attacks.push(row(later.now_ns(), attack.threat, ended));
        });
        tasks.push(task.abort_on_drop());
    }
    tasks
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

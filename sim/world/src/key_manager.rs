//! Nodes that ask the key manager for keys that are not for them. They speak the protocol as proxies and workers do, with
//! evidence that is genuine: what is tried is who gets what.

use crate::{
    deployment::{Deployment, KeyAddresses},
    plan::KeyAskerPlan,
    recorder::{Attack, KeyChanged, Recorder, hex},
};
use chrysalis_env::Env;
use chrysalis_node::key_manager::{
    asking::{self, AskError, HeldKey, Question},
    ring::KeyHolder,
};
use std::{sync::Arc, time::Duration};

/// Pause between two attempts.
const PAUSE: Duration = Duration::from_secs(5);
/// A network that is slow, or a key manager that starts again, is tried again so often.
const ATTEMPTS: u32 = 6;

/// Why there are no keys.
enum Failure {
    /// Nobody was there to refuse them.
    Unheard(String),
    /// Somebody did.
    Refused(String),
}
use Failure::{Refused, Unheard};

/// See the module.
pub(crate) struct Asker {
    pub(crate) deployment: Arc<Deployment>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) addresses: KeyAddresses,
    pub(crate) plan: KeyAskerPlan,
    pub(crate) number: u64,
}

impl Asker {
    /// Waits for its time, asks at every port, and says what came of it.
    pub(crate) async fn live(self, env: Env, origin_unix_ns: u64) {
        let start_ns = env.unix_ns().saturating_sub(origin_unix_ns);
        env.sleep(Duration::from_nanos(self.plan.at_ns.saturating_sub(start_ns)))
            .await;
        let mut details = Vec::new();
        let mut taken = 0;
        let mut was_heard = true;
        for port in KeyHolder::ALL {
            let detail = match self.ask(&env, port).await {
                Ok(keys) => {
                    let wanted = self.wanted(&keys);
                    taken += wanted;
                    format!(
                        "{} keys, {wanted} of them of {}",
                        keys.len(),
                        KeyHolder::from(self.plan.wants).name()
                    )
                }
                Err(Unheard(text)) => {
                    was_heard = false;
                    text
                }
                Err(Refused(text)) => text,
            };
            details.push(format!("at the port of {}: {detail}", port.name()));
        }
        self.recorder.rows().attacks.push(Attack {
            at_ns: env.unix_ns().saturating_sub(origin_unix_ns),
            threat: self.plan.threat(),
            worked: (was_heard || taken > 0).then_some(taken > 0),
            detail: details.join("; "),
        });
    }

    async fn ask(&self, env: &Env, port: KeyHolder) -> Result<Vec<HeldKey>, Failure> {
        let (image, name) = (self.plan.image, env.node_name());
        let source = self
            .deployment
            .asker(&self.addresses, port, name, image, self.number)
            .map_err(|error| Unheard(error.to_string()))?;
        let question = Question {
            role: port.role(),
            asks_for: self.plan.wants.into(),
            config_version: 0,
            token: &[],
        };
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            match asking::ask(env, &source, question).await {
                Ok(answer) => return Ok(answer.keys),
                Err(AskError::Connect(error)) => last = error.to_string(),
                Err(AskError::TimedOut(elapsed)) => last = elapsed.to_string(),
                Err(error) => return Err(Refused(error.to_string())),
            }
            env.sleep(PAUSE).await;
        }
        Err(Unheard(last))
    }

    /// How many of these keys are those that it wanted.
    fn wanted(&self, keys: &[HeldKey]) -> usize {
        let holder = KeyHolder::from(self.plan.wants).name();
        let rows = self.recorder.rows();
        let is_of_holder = |key: &&HeldKey| {
            let public = hex(key.public().as_bytes());
            let is_it = |row: &KeyChanged| row.public_key == public && row.holder == holder;
            rows.keys_changed.iter().any(is_it)
        };
        keys.iter().filter(is_of_holder).count()
    }
}

//! Answers against what the embedded models give when they are asked outside of the network.

use super::{Checked, Violation};
use crate::{
    deployment::Workshop,
    plan::{BackendPlan, Expectation, Plan, RequestOutcome, RequestPlan, TinySize, WorkerPlan},
    users::{self, RequestRecord},
};
use chrysalis_env::Env;
use chrysalis_inference::{
    Backend, BackendRequest,
    tiny::{TinyBackend, TinyOptions},
};
use chrysalis_settlement::base_name;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, sync::PoisonError};

/// Longest answer that a model is asked for outside of the network.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// What the models give for the plan's requests, by model and request; or why a model gave nothing.
pub(crate) type ExpectedAnswers = BTreeMap<[u8; 32], Result<String, String>>;

/// The embedded model that every worker of this name has; `None` if one has another, or none.
pub(super) fn known_model(workers: &[WorkerPlan], model: &str) -> Option<TinySize> {
    let mut sizes = workers
        .iter()
        .filter(|worker| base_name(&worker.model) == model)
        .map(|worker| match worker.backend {
            BackendPlan::Tiny { size, .. } => Some(size),
            BackendPlan::ServiceTime { .. } => None,
        });
    let first = sizes.next()??;
    sizes.all(|size| size == Some(first)).then_some(first)
}

/// The request without what does not change its answer's text.
fn question(request: &RequestPlan) -> (&'static str, Vec<u8>) {
    users::http_request(&RequestPlan {
        timeout_ns: 0,
        stream: false,
        ..request.clone()
    })
}

fn key(size: TinySize, path: &str, body: &[u8]) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update([size as u8, 0]);
    digest.update(path);
    digest.update([0]);
    digest.update(body);
    digest.finalize().into()
}

/// Asks the embedded models themselves, outside of the network. Answers are kept in the workshop: they depend on the
/// request only.
pub(crate) async fn expected_answers(plan: &Plan, env: &Env, workshop: &Workshop) -> ExpectedAnswers {
    let mut expected = ExpectedAnswers::new();
    let wanted = plan
        .expectations
        .iter()
        .any(|expectation| matches!(expectation, Expectation::Property { name } if name == "answers-are-exact"));
    if !wanted {
        return expected;
    }
    for request in plan.users.iter().flat_map(|user| &user.requests) {
        let Some(size) = known_model(&plan.workers, &request.model) else {
            continue;
        };
        let (path, body) = question(request);
        let key = key(size, path, &body);
        if expected.contains_key(&key) {
            continue;
        }
        let known = workshop
            .answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .cloned();
        let answer = match known {
            Some(text) => Ok(text),
            None => {
                let backend = TinyBackend::new(
                    env.clone(),
                    request.model.as_str(),
                    workshop.model(size),
                    TinyOptions::default(),
                );
                ask(&backend, path, body).await
            }
        };
        if let Ok(text) = &answer {
            let mut answers = workshop.answers.lock().unwrap_or_else(PoisonError::into_inner);
            answers.entry(key).or_insert_with(|| text.clone());
        }
        expected.insert(key, answer);
    }
    expected
}

async fn ask(backend: &TinyBackend, path: &'static str, body: Vec<u8>) -> Result<String, String> {
    let response = backend
        .call(BackendRequest::json(path, body))
        .await
        .map_err(|error| error.to_string())?;
    let status = response.status;
    let body = response
        .body
        .collect(ANSWER_BYTES_MAX)
        .await
        .map_err(|error| error.to_string())?;
    if status != 200 {
        return Err(format!("status {status}"));
    }
    users::answer_text(&body).ok_or_else(|| "it is no answer".to_owned())
}

pub(super) fn exact(plan: &Plan, requests: &[RequestRecord], expected: &ExpectedAnswers) -> Checked {
    let mut checked = 0;
    let complete = requests
        .iter()
        .filter(|record| record.outcome == RequestOutcome::Succeeded);
    for record in complete {
        let request = plan
            .users
            .iter()
            .find(|user| user.name == record.user)
            .and_then(|user| user.requests.get(record.index));
        let Some(request) = request else { continue };
        let Some(size) = known_model(&plan.workers, &request.model) else {
            continue;
        };
        checked += 1;
        let (path, body) = question(request);
        let found = users::answer_text(&record.body);
        let wrong = match expected.get(&key(size, path, &body)) {
            Some(Ok(text)) if found.as_ref() == Some(text) => None,
            Some(Ok(text)) => Some(format!(
                "{} bytes of text, the model gives {}",
                found.map_or(0, |found| found.len()),
                text.len()
            )),
            Some(Err(error)) => Some(format!("answered, but the model itself gives nothing: {error}")),
            None => Some("answered, but the model was not asked".to_owned()),
        };
        if let Some(wrong) = wrong {
            let text = format!("request {} of {}: {wrong}", record.index, record.user);
            return Checked::violated(checked, Violation::at(record.end_ns, text));
        }
    }
    Checked::held(checked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{plan::NodePlan, plan::UserPlan, properties::tests::plan};

    fn worker(model: &str, backend: BackendPlan) -> WorkerPlan {
        WorkerPlan {
            node: NodePlan {
                name: "w".into(),
                region: "eu".into(),
                clock_skew_ns: 0,
                clock_drift_ppb: 0,
            },
            model: model.into(),
            coefficient: 1000,
            max_active_requests: 1,
            backend,
            proxies: Vec::new(),
        }
    }

    fn tiny(size: TinySize) -> BackendPlan {
        BackendPlan::Tiny {
            size,
            step_ns: 0,
            prefill_token_ns: 0,
        }
    }

    fn timed() -> BackendPlan {
        BackendPlan::ServiceTime {
            step_base_ns: 1,
            step_per_sequence_ns: 0,
            prefill_token_ns: 0,
            max_batch: 1,
        }
    }

    #[test]
    fn a_model_is_known_if_all_its_workers_have_the_same_embedded_one() {
        let (nano, larger) = (worker("m@1:2", tiny(TinySize::Nano)), worker("m", tiny(TinySize::Tiny)));
        assert_eq!(known_model(std::slice::from_ref(&nano), "m"), Some(TinySize::Nano));
        assert_eq!(known_model(&[nano.clone(), larger], "m"), None);
        assert_eq!(known_model(&[nano.clone(), worker("m", timed())], "m"), None);
        assert_eq!(known_model(&[worker("m", timed())], "m"), None);
        assert_eq!(
            known_model(&[nano, worker("other", timed())], "m"),
            Some(TinySize::Nano)
        );
    }

    #[test]
    fn an_answer_whose_oracle_failed_is_no_pass() {
        let plan = plan();
        let user: &UserPlan = &plan.users[0];
        let mut record = crate::properties::with_lost(&plan, Vec::new()).remove(0);
        record.outcome = RequestOutcome::Succeeded;
        record.body = br#"{"choices":[{"message":{"content":"Hi"}}]}"#.to_vec();
        let size = known_model(&plan.workers, &user.requests[0].model).unwrap();
        let (path, body) = question(&user.requests[0]);
        let judge = |answer: Option<Result<String, String>>| {
            let expected = answer
                .map(|answer| (key(size, path, &body), answer))
                .into_iter()
                .collect();
            exact(&plan, std::slice::from_ref(&record), &expected)
        };
        assert!(judge(Some(Ok("Hi".into()))).is_held_by(1));
        for bad in [Some(Ok("Ho".into())), Some(Err("no memory".into())), None] {
            assert!(judge(bad.clone()).violation().is_some(), "{bad:?}");
        }
    }
}

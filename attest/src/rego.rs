//! Policies in Rego: the project's own once more, as a second opinion on the typed one, and those of users.
//!
//! A policy is the set `data.chrysalis.appraisal.reasons` of texts; evidence is accepted if the set is there and empty.
//! Its input has the claims of [`crate::claims`], the typed policy as it is written in YAML and the verifier's clock. A
//! policy that fails to evaluate, or has no such set, refuses.

#[cfg(test)]
mod tests;

use crate::{
    appraise::{Context, Reason},
    claims::{self, claims},
    evidence::Evidence,
    policy::AttributeRule,
};
use regorus::{Engine, Value};
use serde_json::json;
use std::collections::BTreeSet;

/// The typed policy in Rego, as this program applies it.
pub const SECOND_OPINION: &str = include_str!("rego/appraisal.rego");

/// Longest policy that is read.
pub const MAX_POLICY_LEN_BYTES: usize = 1 << 20;

const RULE: &str = "data.chrysalis.appraisal.reasons";

/// Why there is no decision. Evidence is then refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegoError {
    /// Longer than [`MAX_POLICY_LEN_BYTES`].
    #[error("a policy of {len_bytes} bytes: at most {MAX_POLICY_LEN_BYTES} are read")]
    TooLong {
        /// Its length.
        len_bytes: usize,
    },
    /// Not Rego.
    #[error("the policy is not Rego: {0}")]
    Syntax(String),
    /// It cannot be evaluated for this input.
    #[error("the policy cannot be evaluated: {0}")]
    Evaluation(String),
    /// It has no set of reasons.
    #[error("the policy has no set of texts `{RULE}`")]
    NoReasons,
}

/// A policy in Rego.
#[derive(Clone)]
pub struct RegoPolicy(Engine);

impl std::fmt::Debug for RegoPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegoPolicy").finish_non_exhaustive()
    }
}

impl RegoPolicy {
    /// Reads a policy; `name` is what messages call it.
    ///
    /// # Errors
    /// It is not Rego, or too long.
    pub fn read(name: &str, text: &str) -> Result<Self, RegoError> {
        if text.len() > MAX_POLICY_LEN_BYTES {
            return Err(RegoError::TooLong { len_bytes: text.len() });
        }
        let mut engine = Engine::new();
        engine
            .add_policy(name.to_owned(), text.to_owned())
            .map_err(|error| RegoError::Syntax(error.to_string()))?;
        Ok(Self(engine))
    }

    /// The project's own.
    ///
    /// # Errors
    /// None: tests read it.
    pub fn second_opinion() -> Result<Self, RegoError> {
        Self::read("appraisal.rego", SECOND_OPINION)
    }

    /// Why the policy refuses this input; empty if it accepts.
    ///
    /// # Errors
    /// It cannot be evaluated, or has no reasons.
    pub fn reasons(&self, input: &serde_json::Value) -> Result<BTreeSet<String>, RegoError> {
        let failed = |error: &dyn ToString| RegoError::Evaluation(error.to_string());
        let mut engine = self.0.clone();
        engine.set_input(Value::from_json_str(&input.to_string()).map_err(|error| failed(&error))?);
        let found = engine.eval_rule(RULE.to_owned()).map_err(|error| failed(&error))?;
        let set = found.as_set().map_err(|_| RegoError::NoReasons)?;
        set.iter()
            .map(|reason| {
                let text = reason.as_string().map_err(|_| RegoError::NoReasons)?;
                Ok(text.to_string())
            })
            .collect()
    }

    /// Appraises evidence with this policy in place of the typed one, which is part of its input.
    ///
    /// # Errors
    /// Why every policy must refuse the evidence, or that this one has no decision.
    pub fn appraise(&self, evidence: &Evidence<'_>, context: &Context<'_>) -> Result<BTreeSet<String>, Refusal> {
        let input = input(evidence, context).map_err(Box::new)?;
        Ok(self.reasons(&input)?)
    }
}

/// What a policy in Rego is asked about.
///
/// # Errors
/// Why every policy must refuse the evidence.
pub fn input(evidence: &Evidence<'_>, context: &Context<'_>) -> Result<serde_json::Value, Reason> {
    let claims = claims(
        evidence,
        &claims::Context {
            now_unix_s: context.now_unix_s,
            trust: context.trust,
            endorsements: context.endorsements,
            expected: context.expected,
        },
    )?;
    let attributes = context.policy.tdx.as_ref().map(|rules| rules.td_attributes);
    Ok(json!({
        "claims": claims,
        "policy": context.policy,
        "now_unix_s": context.now_unix_s,
        "attributes_unchecked": matches!(attributes, Some(AttributeRule::Reference(_))),
    }))
}

/// Why a policy in Rego came to no set of reasons.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Whatever the policy says.
    #[error(transparent)]
    Evidence(#[from] Box<Reason>),
    /// The policy.
    #[error(transparent)]
    Policy(#[from] RegoError),
}

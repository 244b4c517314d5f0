//! Token counts as running maxima, and the cost fields (spec §2.10).

use crate::json::Value;

/// Tokens as the backend reports them, before any adjustment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawUsage {
    /// `usage.prompt_tokens`; includes the cached ones.
    pub prompt: u64,
    /// `usage.prompt_tokens_details.cached_tokens`
    pub cached: u64,
    /// `usage.completion_tokens`; includes the reasoning ones.
    pub completion: u64,
    /// `usage.completion_tokens_details.reasoning_tokens` or `usage.reasoning_tokens`
    pub reasoning: u64,
}

impl RawUsage {
    /// What one value reports; absent or ill-typed counts are zero.
    fn reported_by(usage: &Value) -> Self {
        let count = |value: Option<&Value>| value.and_then(Value::as_u64).unwrap_or(0);
        let detail = |details: &str, key: &str| count(usage.get(details).and_then(|details| details.get(key)));
        Self {
            prompt: count(usage.get("prompt_tokens")),
            cached: detail("prompt_tokens_details", "cached_tokens"),
            completion: count(usage.get("completion_tokens")),
            reasoning: detail("completion_tokens_details", "reasoning_tokens")
                .max(count(usage.get("reasoning_tokens"))),
        }
    }

    fn max(self, other: Self) -> Self {
        Self {
            prompt: self.prompt.max(other.prompt),
            cached: self.cached.max(other.cached),
            completion: self.completion.max(other.completion),
            reasoning: self.reasoning.max(other.reasoning),
        }
    }
}

/// What a usage costs, nanoTON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Prompt and cached tokens.
    pub prompt_nanoton: u128,
    /// Completion and reasoning tokens.
    pub completion_nanoton: u128,
    /// All of it.
    pub total_nanoton: u128,
}

/// Counts tokens over the values of one answer.
#[derive(Debug)]
pub(super) struct Meter<P> {
    usage: RawUsage,
    price: P,
}

impl<P> Meter<P> {
    pub(super) const fn new(price: P) -> Self {
        Self {
            usage: RawUsage {
                prompt: 0,
                cached: 0,
                completion: 0,
                reasoning: 0,
            },
            price,
        }
    }

    pub(super) const fn usage(&self) -> RawUsage {
        self.usage
    }
}

impl<P: Fn(&RawUsage) -> Cost> Meter<P> {
    /// Looks at one value; if it raises a count, writes the cost so far into its `usage`.
    pub(super) fn examine(&mut self, value: &mut Value) {
        let Some(usage) = value.get_mut("usage") else { return };
        let maxima = self.usage.max(RawUsage::reported_by(usage));
        if maxima == self.usage {
            return;
        }
        self.usage = maxima;
        let cost = (self.price)(&maxima);
        if let Some(members) = usage.as_object_mut() {
            members.insert("prompt_total_cost".to_owned(), cost.prompt_nanoton.into());
            members.insert("completion_total_cost".to_owned(), cost.completion_nanoton.into());
            members.insert("total_cost".to_owned(), cost.total_nanoton.into());
        }
    }
}

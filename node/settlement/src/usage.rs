//! Token counts of one request: as the backend counts them, adjusted, and as a worker reports them.

use crate::pricing::{TokenMultipliers, adjust};

/// Largest adjusted count of one class. Beyond it binary64 no longer holds every integer; four of them still fit
/// into an `i64`, which is the wire's type.
pub const MAX_ADJUSTED_TOKENS_PER_CLASS: u64 = 1 << 53;

/// Why token counts were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// More cached prompt tokens than prompt tokens.
    #[error("{cached} cached tokens of only {prompt} prompt tokens")]
    CachedExceedsPrompt {
        /// Cached tokens.
        cached: u64,
        /// Prompt tokens, cached ones included.
        prompt: u64,
    },
    /// More reasoning tokens than completion tokens.
    #[error("{reasoning} reasoning tokens of only {completion} completion tokens")]
    ReasoningExceedsCompletion {
        /// Reasoning tokens.
        reasoning: u64,
        /// Completion tokens, reasoning included.
        completion: u64,
    },
    /// A class, or the total, is negative (T15).
    #[error("negative number of tokens: {tokens}")]
    Negative {
        /// The number.
        tokens: i64,
    },
    /// The total is not the sum of its classes (T14).
    #[error("total of {total} tokens, but the classes add up to {sum}")]
    TotalMismatch {
        /// The total as reported.
        total: i64,
        /// The sum of the classes as reported.
        sum: i128,
    },
    /// A class exceeds [`MAX_ADJUSTED_TOKENS_PER_CLASS`].
    #[error("{tokens} tokens in one class")]
    TooLarge {
        /// The number.
        tokens: u64,
    },
}

/// Tokens as the inference backend counts them: cached tokens are part of the prompt, reasoning is part of the
/// completion (§2.10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UsageTokens {
    prompt: u64,
    cached: u64,
    completion: u64,
    reasoning: u64,
}

impl UsageTokens {
    /// Takes counts that must be consistent.
    ///
    /// # Errors
    /// A part that exceeds its whole.
    pub const fn new(prompt: u64, cached: u64, completion: u64, reasoning: u64) -> Result<Self, UsageError> {
        if cached > prompt {
            return Err(UsageError::CachedExceedsPrompt { cached, prompt });
        }
        if reasoning > completion {
            return Err(UsageError::ReasoningExceedsCompletion { reasoning, completion });
        }
        Ok(Self {
            prompt,
            cached,
            completion,
            reasoning,
        })
    }

    /// Takes counts from a backend whose fields are maxima over a stream, each on its own, and may disagree: a part
    /// is cut to its whole, so nobody pays for more tokens than the whole.
    pub const fn clamped(prompt: u64, cached: u64, completion: u64, reasoning: u64) -> Self {
        let cached = if cached > prompt { prompt } else { cached };
        let reasoning = if reasoning > completion { completion } else { reasoning };
        Self {
            prompt,
            cached,
            completion,
            reasoning,
        }
    }

    /// Prompt tokens, cached ones included.
    pub const fn prompt(&self) -> u64 {
        self.prompt
    }

    /// Prompt tokens that came from a prefix cache.
    pub const fn cached(&self) -> u64 {
        self.cached
    }

    /// Completion tokens, reasoning included.
    pub const fn completion(&self) -> u64 {
        self.completion
    }

    /// Completion tokens spent on reasoning.
    pub const fn reasoning(&self) -> u64 {
        self.reasoning
    }

    /// Adjusts each class on its own and adds up (§2.10, §5.1). A class saturates at
    /// [`MAX_ADJUSTED_TOKENS_PER_CLASS`].
    pub fn adjusted(&self, coefficient: u32, multipliers: &TokenMultipliers) -> AdjustedUsage {
        // No factor is negative, so the absolute value only changes the type.
        let class = |tokens: u64, multiplier: u32| {
            let tokens = i64::try_from(tokens).unwrap_or(i64::MAX);
            adjust(tokens, coefficient, multiplier)
                .unsigned_abs()
                .min(MAX_ADJUSTED_TOKENS_PER_CLASS)
        };
        AdjustedUsage {
            prompt: class(self.prompt - self.cached, multipliers.prompt),
            cached: class(self.cached, multipliers.cached),
            completion: class(self.completion - self.reasoning, multipliers.completion),
            reasoning: class(self.reasoning, multipliers.reasoning),
        }
    }
}

/// Adjusted tokens by class: disjoint classes, none negative, each bounded. The total is their sum by construction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AdjustedUsage {
    prompt: u64,
    cached: u64,
    completion: u64,
    reasoning: u64,
}

impl AdjustedUsage {
    /// Nothing used.
    pub const ZERO: Self = Self {
        prompt: 0,
        cached: 0,
        completion: 0,
        reasoning: 0,
    };

    /// Takes four disjoint classes.
    ///
    /// # Errors
    /// A class above [`MAX_ADJUSTED_TOKENS_PER_CLASS`].
    pub fn new(prompt: u64, cached: u64, completion: u64, reasoning: u64) -> Result<Self, UsageError> {
        for tokens in [prompt, cached, completion, reasoning] {
            if tokens > MAX_ADJUSTED_TOKENS_PER_CLASS {
                return Err(UsageError::TooLarge { tokens });
            }
        }
        Ok(Self {
            prompt,
            cached,
            completion,
            reasoning,
        })
    }

    /// Prompt tokens that were computed.
    pub const fn prompt(&self) -> u64 {
        self.prompt
    }

    /// Prompt tokens that came from a prefix cache.
    pub const fn cached(&self) -> u64 {
        self.cached
    }

    /// Completion tokens that are not reasoning.
    pub const fn completion(&self) -> u64 {
        self.completion
    }

    /// Reasoning tokens.
    pub const fn reasoning(&self) -> u64 {
        self.reasoning
    }

    /// Sum of the classes; at most 2^55.
    pub const fn total(&self) -> u64 {
        self.prompt + self.cached + self.completion + self.reasoning
    }

    /// The same numbers in the wire's form.
    pub const fn to_reported(&self) -> ReportedUsage {
        // Each class is at most 2^53, so no conversion changes a value.
        ReportedUsage {
            prompt: self.prompt as i64,
            cached: self.cached as i64,
            completion: self.completion as i64,
            reasoning: self.reasoning as i64,
            total: self.total() as i64,
        }
    }
}

/// Adjusted usage as a worker reports it: five signed numbers that nobody has checked yet (§2.6 `tokensUsed`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReportedUsage {
    /// Prompt tokens that were computed.
    pub prompt: i64,
    /// Prompt tokens from a cache.
    pub cached: i64,
    /// Completion tokens that are not reasoning.
    pub completion: i64,
    /// Reasoning tokens.
    pub reasoning: i64,
    /// What the worker wants to be paid for.
    pub total: i64,
}

impl From<AdjustedUsage> for ReportedUsage {
    fn from(usage: AdjustedUsage) -> Self {
        usage.to_reported()
    }
}

impl TryFrom<ReportedUsage> for AdjustedUsage {
    type Error = UsageError;

    fn try_from(reported: ReportedUsage) -> Result<Self, UsageError> {
        let ReportedUsage {
            prompt,
            cached,
            completion,
            reasoning,
            total,
        } = reported;
        let class = |tokens: i64| u64::try_from(tokens).map_err(|_| UsageError::Negative { tokens });
        class(total)?;
        let usage = Self::new(class(prompt)?, class(cached)?, class(completion)?, class(reasoning)?)?;
        if i128::from(total) != i128::from(usage.total()) {
            return Err(UsageError::TotalMismatch {
                total,
                sum: i128::from(usage.total()),
            });
        }
        Ok(usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MULTIPLIERS: TokenMultipliers = TokenMultipliers {
        prompt: 10_000,
        cached: 2000,
        completion: 80_000,
        reasoning: 80_000,
    };

    #[test]
    fn classes_are_adjusted_apart_and_added() {
        let usage = UsageTokens::new(100, 30, 20, 5).unwrap().adjusted(1000, &MULTIPLIERS);
        assert_eq!(
            usage,
            AdjustedUsage {
                prompt: 70,
                cached: 6,
                completion: 120,
                reasoning: 40
            }
        );
        assert_eq!(usage.total(), 236);
        // Truncated per class: 1.998 and 1.998 are 1 + 1, not 3.
        let tiny = UsageTokens::new(3, 1, 0, 0).unwrap();
        assert_eq!(tiny.adjusted(999, &TokenMultipliers::ONE).total(), 1);
    }

    #[test]
    fn a_part_never_exceeds_its_whole() {
        assert_eq!(
            UsageTokens::new(3, 4, 0, 0),
            Err(UsageError::CachedExceedsPrompt { cached: 4, prompt: 3 })
        );
        assert_eq!(
            UsageTokens::new(3, 3, 1, 2),
            Err(UsageError::ReasoningExceedsCompletion {
                reasoning: 2,
                completion: 1
            })
        );
        assert_eq!(Ok(UsageTokens::clamped(3, 4, 1, 2)), UsageTokens::new(3, 3, 1, 1));
        assert_eq!(Ok(UsageTokens::clamped(3, 2, 2, 1)), UsageTokens::new(3, 2, 2, 1));
    }

    #[test]
    fn absurd_counts_saturate() {
        let usage = UsageTokens::clamped(u64::MAX, 0, u64::MAX, u64::MAX).adjusted(u32::MAX, &MULTIPLIERS);
        assert_eq!(usage.prompt(), MAX_ADJUSTED_TOKENS_PER_CLASS);
        assert_eq!(usage.total(), 2 * MAX_ADJUSTED_TOKENS_PER_CLASS);
    }

    #[test]
    fn a_report_is_accepted_only_if_it_adds_up() {
        let honest = AdjustedUsage::new(70, 6, 120, 40).unwrap();
        let reported = ReportedUsage::from(honest);
        assert_eq!(AdjustedUsage::try_from(reported), Ok(honest));
        let refused = |reported: ReportedUsage| AdjustedUsage::try_from(reported).unwrap_err();
        assert_eq!(
            refused(ReportedUsage {
                total: 1_000_000_000,
                ..reported
            }),
            UsageError::TotalMismatch {
                total: 1_000_000_000,
                sum: 236
            }
        );
        assert_eq!(
            refused(ReportedUsage { total: -1, ..reported }),
            UsageError::Negative { tokens: -1 }
        );
        assert_eq!(
            refused(ReportedUsage {
                prompt: -70,
                total: 96,
                ..reported
            }),
            UsageError::Negative { tokens: -70 }
        );
        assert_eq!(
            refused(ReportedUsage {
                prompt: i64::MAX,
                cached: i64::MAX,
                ..reported
            }),
            UsageError::TooLarge {
                tokens: i64::MAX.unsigned_abs()
            }
        );
    }
}

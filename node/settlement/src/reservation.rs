//! How many tokens a request must be able to pay before it starts (§5.2).

use std::num::NonZeroU32;

use crate::pricing::{COEFFICIENT_LIMIT, MULTIPLIER_ONE, TokenMultipliers, adjust_signed};

/// Largest sound reservation. Below it the error of [`adjust`](crate::pricing::adjust) against exact arithmetic is
/// far below one token, which is what makes [`ReservationRule::Sound`] an upper bound.
pub const MAX_RESERVATION_TOKENS: u64 = 1 << 48;

/// What a client says about a request, and what the proxy measures of it. Signed where the wire is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReservationRequest {
    /// Largest number of completion tokens of one choice. The sound caller takes it from the body, where the backend
    /// takes it, and refuses a body without it (T10).
    pub max_tokens: i32,
    /// Size of the serialised HTTP request. An upper bound of its prompt tokens: a token covers at least one byte,
    /// and the JSON around a message outweighs what a chat template adds to it.
    pub request_bytes: u64,
    /// Largest worker coefficient that the client accepts; 1000 = 1.0.
    pub max_coefficient: i32,
    /// How many completions the body asks for (`n`, `best_of`, number of prompts; multiplied). The reference ignores
    /// it (T10).
    pub choices: NonZeroU32,
}

impl ReservationRequest {
    /// A request for one completion.
    pub const fn single(max_tokens: i32, request_bytes: u64, max_coefficient: i32) -> Self {
        Self {
            max_tokens,
            request_bytes,
            max_coefficient,
            choices: NonZeroU32::MIN,
        }
    }
}

/// Why nothing can be reserved for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReservationError {
    /// `max_tokens` is negative (T11).
    #[error("max_tokens is negative: {max_tokens}")]
    NegativeMaxTokens {
        /// As received.
        max_tokens: i32,
    },
    /// `max_coefficient` is not a coefficient that a worker can have (T11).
    #[error("max_coefficient {max_coefficient} is not in 0..{COEFFICIENT_LIMIT}")]
    Coefficient {
        /// As received.
        max_coefficient: i32,
    },
    /// More than [`MAX_RESERVATION_TOKENS`].
    #[error("{tokens} tokens are more than one request can reserve")]
    TooLarge {
        /// What the request would need.
        tokens: u128,
    },
}

/// How a reservation is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReservationRule {
    /// §5.2 as it is: signs are not checked, multipliers and number of choices do not enter (T10, T11).
    Reference,
    /// An upper bound of what an honest worker may report: dearest class of each kind, every choice, rounded up in
    /// exact arithmetic; negative or absurd numbers are refused.
    #[default]
    Sound,
}

impl ReservationRule {
    /// Adjusted tokens to reserve. Negative only under [`Reference`](Self::Reference).
    ///
    /// # Errors
    /// Only under [`Sound`](Self::Sound): numbers that make no reservation.
    pub fn tokens(self, request: &ReservationRequest, multipliers: &TokenMultipliers) -> Result<i64, ReservationError> {
        match self {
            Self::Reference => Ok(reference_tokens(request)),
            Self::Sound => sound_tokens(request, multipliers),
        }
    }
}

fn reference_tokens(request: &ReservationRequest) -> i64 {
    // The reference adds in unsigned 64-bit arithmetic and converts: a negative max_tokens survives as two's
    // complement.
    let tokens = i64::from(request.max_tokens).wrapping_add(request.request_bytes as i64);
    adjust_signed(tokens, i64::from(request.max_coefficient), MULTIPLIER_ONE)
}

fn sound_tokens(request: &ReservationRequest, multipliers: &TokenMultipliers) -> Result<i64, ReservationError> {
    let &ReservationRequest {
        max_tokens,
        request_bytes,
        max_coefficient,
        choices,
    } = request;
    let completion = u32::try_from(max_tokens).map_err(|_| ReservationError::NegativeMaxTokens { max_tokens })?;
    let coefficient = u32::try_from(max_coefficient)
        .ok()
        .filter(|&coefficient| coefficient < COEFFICIENT_LIMIT)
        .ok_or(ReservationError::Coefficient { max_coefficient })?;
    let prompt = bound(
        request_bytes.into(),
        coefficient,
        multipliers.prompt.max(multipliers.cached),
    );
    let completion = u128::from(completion) * u128::from(choices.get());
    let completion = bound(
        completion,
        coefficient,
        multipliers.completion.max(multipliers.reasoning),
    );
    let tokens = prompt + completion;
    match i64::try_from(tokens) {
        Ok(reserved) if tokens <= u128::from(MAX_RESERVATION_TOKENS) => Ok(reserved),
        _ => Err(ReservationError::TooLarge { tokens }),
    }
}

/// `tokens × coefficient / 1000 × multiplier / 10000`, rounded up. Splitting `tokens` over two classes, adjusting
/// each in binary64 with a multiplier that is not larger, and adding, gives no more than this: each class is
/// truncated, and the rounding errors of both together stay below one token up to [`MAX_RESERVATION_TOKENS`].
fn bound(tokens: u128, coefficient: u32, multiplier: u32) -> u128 {
    // 64 + 30 + 32 bits fit into 128.
    (tokens * u128::from(coefficient) * u128::from(multiplier)).div_ceil(10_000_000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::usage::UsageTokens;

    const MULTIPLIERS: TokenMultipliers = TokenMultipliers {
        prompt: 10_000,
        cached: 2000,
        completion: 80_000,
        reasoning: 80_000,
    };

    #[test]
    fn the_reference_rule_ignores_multipliers_and_choices() {
        let request = ReservationRequest {
            choices: NonZeroU32::new(50).unwrap(),
            ..ReservationRequest::single(1000, 500, 4000)
        };
        assert_eq!(ReservationRule::Reference.tokens(&request, &MULTIPLIERS), Ok(6000));
        assert_eq!(
            ReservationRule::Sound.tokens(&request, &MULTIPLIERS),
            Ok(2000 + 50 * 32_000)
        );
    }

    /// T11: the reference reserves a negative number, the sound rule refuses.
    #[test]
    fn negative_requests() {
        let tokens = ReservationRequest::single(-1_000_000, 500, 1000);
        assert_eq!(ReservationRule::Reference.tokens(&tokens, &MULTIPLIERS), Ok(-999_500));
        assert_eq!(
            ReservationRule::Sound.tokens(&tokens, &MULTIPLIERS),
            Err(ReservationError::NegativeMaxTokens { max_tokens: -1_000_000 })
        );
        let coefficient = ReservationRequest::single(1000, 0, -4000);
        assert_eq!(ReservationRule::Reference.tokens(&coefficient, &MULTIPLIERS), Ok(-4000));
        assert_eq!(
            ReservationRule::Sound.tokens(&coefficient, &MULTIPLIERS),
            Err(ReservationError::Coefficient { max_coefficient: -4000 })
        );
    }

    #[test]
    fn an_absurd_request_is_refused_not_wrapped() {
        let request = ReservationRequest {
            choices: NonZeroU32::MAX,
            ..ReservationRequest::single(i32::MAX, u64::MAX, 999_999_999)
        };
        let dear = TokenMultipliers {
            prompt: u32::MAX,
            cached: 0,
            completion: u32::MAX,
            reasoning: 0,
        };
        assert!(matches!(
            ReservationRule::Sound.tokens(&request, &dear),
            Err(ReservationError::TooLarge { .. })
        ));
        assert_eq!(
            ReservationRule::Sound.tokens(&ReservationRequest::single(1, 1, 1_000_000_000), &dear),
            Err(ReservationError::Coefficient {
                max_coefficient: 1_000_000_000
            })
        );
    }

    /// T10: what an honest worker reports fits into a sound reservation and not into the reference's.
    #[test]
    fn the_reference_rule_is_not_a_bound() {
        let request = ReservationRequest::single(1000, 500, 1000);
        let used = UsageTokens::new(100, 0, 1000, 0)
            .unwrap()
            .adjusted(1000, &MULTIPLIERS)
            .to_reported()
            .total;
        assert!(used > ReservationRule::Reference.tokens(&request, &MULTIPLIERS).unwrap());
        assert!(used <= ReservationRule::Sound.tokens(&request, &MULTIPLIERS).unwrap());
    }

    /// Binary64 can come out above the exact value's floor, so the bound has to round up.
    #[test]
    fn the_bound_rounds_up() {
        let (tokens, coefficient, multiplier) = (1_207_024_243, 10_535, 79_999);
        let adjusted = adjust_signed(tokens, coefficient, multiplier);
        let exact = i128::from(tokens) * i128::from(coefficient) * i128::from(multiplier) / 10_000_000;
        assert_eq!((adjusted, exact), (101_726_731_600, 101_726_731_599));
        assert_eq!(bound(1_207_024_243, 10_535, multiplier), 101_726_731_600);
    }

    /// Small numbers, which are reserved, and all numbers, most of which are refused as too large.
    fn multiplier() -> impl Strategy<Value = u32> {
        prop_oneof![4 => 0..=100_000_u32, 1 => any::<u32>()]
    }

    prop_compose! {
        fn multipliers()([prompt, cached, completion, reasoning] in prop::array::uniform4(multiplier()))
            -> TokenMultipliers
        {
            TokenMultipliers { prompt, cached, completion, reasoning }
        }
    }

    /// Thousandths; the bounds are where a rule is tight.
    fn share() -> impl Strategy<Value = u64> {
        prop_oneof![Just(0), Just(1000), 0..=1000_u64]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2048, ..ProptestConfig::default() })]

        #[test]
        fn a_sound_reservation_bounds_every_honest_report(
            multipliers in multipliers(),
            max_tokens in prop_oneof![4 => 0..=100_000, 1 => 0..=i32::MAX],
            choices in 1..=64_u32,
            request_bytes in 0..=1_u64 << 24,
            max_coefficient in prop_oneof![4 => 0..=4000, 1 => 0..1_000_000_000_i32],
            coefficient_share in share(),
            shares in prop::array::uniform4(share()),
        ) {
            let request = ReservationRequest {
                max_tokens,
                request_bytes,
                max_coefficient,
                choices: NonZeroU32::new(choices).unwrap(),
            };
            let Ok(reserved) = ReservationRule::Sound.tokens(&request, &multipliers) else { return Ok(()) };
            let part = |of: u64, share: u64| of * share / 1000;
            let prompt = part(request_bytes, shares[0]);
            let completion = part(u64::from(max_tokens.unsigned_abs()) * u64::from(choices), shares[2]);
            let usage = UsageTokens::new(prompt, part(prompt, shares[1]), completion, part(completion, shares[3]));
            let coefficient = u32::try_from(part(u64::from(max_coefficient.unsigned_abs()), coefficient_share)).unwrap();
            let used = usage.unwrap().adjusted(coefficient, &multipliers);
            prop_assert!(used.to_reported().total <= reserved, "{used:?} > {reserved}");
        }
    }
}

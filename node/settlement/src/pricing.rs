//! Prices per token and the adjustment of token counts (§5.1).

/// Multiplier, and coefficient times ten, that leaves a count as it is.
pub const MULTIPLIER_ONE: u32 = 10_000;

/// Coefficient of a worker that charges the base price.
pub const COEFFICIENT_ONE: u32 = 1_000;

/// A worker's coefficient is below this (§1.5).
pub const COEFFICIENT_LIMIT: u32 = 1_000_000_000;

/// Weights of the four classes of tokens; 10000 = 1.0 (§5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenMultipliers {
    /// Prompt tokens that were computed.
    pub prompt: u32,
    /// Prompt tokens that came from a prefix cache.
    pub cached: u32,
    /// Completion tokens that the user sees.
    pub completion: u32,
    /// Completion tokens spent on reasoning.
    pub reasoning: u32,
}

impl TokenMultipliers {
    /// All four at 1.0: what older parameter structures without multipliers mean.
    pub const ONE: Self = Self {
        prompt: MULTIPLIER_ONE,
        cached: MULTIPLIER_ONE,
        completion: MULTIPLIER_ONE,
        reasoning: MULTIPLIER_ONE,
    };
}

impl Default for TokenMultipliers {
    fn default() -> Self {
        Self::ONE
    }
}

/// What an adjusted token costs and how it is shared (§5.1, §6.2).
///
/// Any combination is representable because the root contract checks none of them; see
/// [`worker_fee_within_price`](Self::worker_fee_within_price).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prices {
    /// What a client pays for one adjusted token.
    pub price_per_token_nanoton: u64,
    /// What the worker gets of it; the proxy's owner gets the difference.
    pub worker_fee_per_token_nanoton: u64,
    /// Weights of the classes of tokens.
    pub multipliers: TokenMultipliers,
}

impl Prices {
    /// What a client pays for `adjusted_tokens`. Cannot overflow: two 64-bit factors.
    pub const fn cost_nanoton(&self, adjusted_tokens: u64) -> u128 {
        adjusted_tokens as u128 * self.price_per_token_nanoton as u128
    }

    /// The worker's share of [`cost_nanoton`](Self::cost_nanoton).
    pub const fn worker_share_nanoton(&self, adjusted_tokens: u64) -> u128 {
        adjusted_tokens as u128 * self.worker_fee_per_token_nanoton as u128
    }

    /// The share of the proxy's owner; `None` where the worker's fee exceeds the price.
    pub const fn proxy_share_nanoton(&self, adjusted_tokens: u64) -> Option<u128> {
        match self
            .price_per_token_nanoton
            .checked_sub(self.worker_fee_per_token_nanoton)
        {
            Some(share_nanoton) => Some(adjusted_tokens as u128 * share_nanoton as u128),
            None => None,
        }
    }

    /// Whether payouts are possible at all: a worker contract under a fee above the price fails every payout for
    /// ever, because its parameters never change (§6.5).
    pub const fn worker_fee_within_price(&self) -> bool {
        self.worker_fee_per_token_nanoton <= self.price_per_token_nanoton
    }
}

/// Adjusts a count of tokens of one class: `tokens × coefficient / 1000 × multiplier / 10000`, toward zero (§5.1).
///
/// Computed in IEEE binary64 in exactly the reference's order of operations, because client, proxy and worker must
/// get the same number. It differs from exact arithmetic at some points (200 × 0.145 gives 28, not 29). Only
/// multiplications are used, which IEEE 754 rounds correctly, so the result is the same on every machine. Saturates
/// at the bounds of `i64`.
pub fn adjust(tokens: i64, coefficient: u32, multiplier: u32) -> i64 {
    adjust_signed(tokens, i64::from(coefficient), multiplier)
}

/// [`adjust`] for a coefficient that may be negative, as the reference's reservation takes it from a client (T11).
pub(crate) fn adjust_signed(tokens: i64, coefficient: i64, multiplier: u32) -> i64 {
    let weighted = (tokens as f64) * (coefficient as f64 * 0.001);
    ((weighted * f64::from(multiplier)) * 0.0001) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// §5.1: tokens, coefficient, multiplier, result, exact floor.
    const TABLE: [(i64, u32, u32, i64, i64); 10] = [
        (1000, 1000, 10_000, 1000, 1000),
        (3, 1500, 10_000, 4, 4),
        (100, 1000, 2000, 20, 20),
        (1, 999, 10_000, 0, 0),
        (29, 1000, 80_000, 232, 232),
        (200, 145, 10_000, 28, 29),
        (100, 290, 10_000, 28, 29),
        (7000, 73, 10_000, 510, 511),
        (1765, 2050, 80_000, 28_945, 28_946),
        (-5, 1000, 10_000, -5, -5),
    ];

    #[test]
    fn adjustment_equals_the_specified_vectors() {
        for (tokens, coefficient, multiplier, expected, _) in TABLE {
            assert_eq!(
                adjust(tokens, coefficient, multiplier),
                expected,
                "{tokens} × {coefficient} × {multiplier}"
            );
        }
    }

    /// Negative control of the table: an exact implementation fails four of its rows, so the table tells them apart.
    #[test]
    fn exact_arithmetic_fails_the_same_vectors() {
        let mut differing = 0;
        for (tokens, coefficient, multiplier, expected, floor) in TABLE {
            let exact = i128::from(tokens) * i128::from(coefficient) * i128::from(multiplier) / 10_000_000;
            assert_eq!(exact, i128::from(floor));
            differing += usize::from(exact != i128::from(expected));
        }
        assert_eq!(differing, 4);
    }

    #[test]
    fn adjustment_saturates_instead_of_wrapping() {
        assert_eq!(adjust(i64::MAX, u32::MAX, u32::MAX), i64::MAX);
        assert_eq!(adjust(i64::MIN, u32::MAX, u32::MAX), i64::MIN);
        assert_eq!(adjust(i64::MAX, 0, u32::MAX), 0);
    }

    #[test]
    fn shares_add_up_to_the_cost_or_are_refused() {
        let prices = Prices {
            price_per_token_nanoton: 20,
            worker_fee_per_token_nanoton: 16,
            multipliers: TokenMultipliers::ONE,
        };
        assert_eq!(prices.cost_nanoton(u64::MAX), u128::from(u64::MAX) * 20);
        assert_eq!(prices.proxy_share_nanoton(1000), Some(4000));
        assert_eq!(prices.worker_share_nanoton(1000) + 4000, prices.cost_nanoton(1000));
        let inverted = Prices {
            worker_fee_per_token_nanoton: 21,
            ..prices
        };
        assert_eq!(inverted.proxy_share_nanoton(1), None);
        assert!(prices.worker_fee_within_price() && !inverted.worker_fee_within_price());
    }
}

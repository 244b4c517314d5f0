//! Who pays what for tokens. Money is nanoTON in integers; sums are `u128`.

use crate::schema::RequestRow;
use crate::store::RunStore;

/// Tokens of a price list's unit: prices are given for one million.
const MILLION: u128 = 1_000_000;

/// Class of tokens; every token is in exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TokenClass {
    /// Prompt tokens that were computed.
    Prompt,
    /// Prompt tokens that came from a cache.
    Cached,
    /// Completion tokens that were not reasoning.
    Completion,
    /// Reasoning tokens.
    Reasoning,
}

impl TokenClass {
    /// Every class, in the order of a bill.
    pub const ALL: [Self; 4] = [Self::Prompt, Self::Cached, Self::Completion, Self::Reasoning];

    /// Name in a report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prompt => "prompt",
            Self::Cached => "cached prompt",
            Self::Completion => "completion",
            Self::Reasoning => "reasoning",
        }
    }

    fn tokens(self, request: &RequestRow) -> u64 {
        // Usage is a worker's claim: the parts may exceed the whole.
        match self {
            Self::Prompt => request.prompt_tokens.saturating_sub(request.cached_tokens),
            Self::Cached => request.cached_tokens,
            Self::Completion => request.completion_tokens.saturating_sub(request.reasoning_tokens),
            Self::Reasoning => request.reasoning_tokens,
        }
    }

    fn adjusted_tokens(self, request: &RequestRow) -> Option<u64> {
        match self {
            Self::Prompt => request.adjusted_prompt_tokens,
            Self::Cached => request.adjusted_cached_tokens,
            Self::Completion => request.adjusted_completion_tokens,
            Self::Reasoning => request.adjusted_reasoning_tokens,
        }
    }
}

/// Tokens and cost of one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassCost {
    /// Which class.
    pub class: TokenClass,
    /// Tokens of all requests.
    pub tokens: u128,
    /// Tokens of requests whose bill is split by class: the denominator of the cost per million.
    pub split_tokens: u128,
    /// Billed units of those requests.
    pub adjusted_tokens: u128,
    /// What clients pay for them.
    pub cost_nanoton: u128,
}

/// Cost of all requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// Number of requests.
    pub requests: u64,
    /// Requests for which the client pays something.
    pub billed_requests: u64,
    /// Requests of which the bill is split by token class.
    pub split_requests: u64,
    /// Tokens of all classes, of billed requests and others.
    pub tokens: u128,
    /// Billed units.
    pub adjusted_tokens: u128,
    /// What clients pay.
    pub client_pays_nanoton: u128,
    /// What workers earn.
    pub worker_earns_nanoton: u128,
    /// What is left to proxies, before chain fees. Negative if workers earn more than clients pay.
    pub proxy_margin_nanoton: i128,
    /// One entry for each of [`TokenClass::ALL`].
    pub classes: Vec<ClassCost>,
    /// What clients pay that is not in `classes`: bills without a split, and fractions below one nanoTON.
    pub unattributed_nanoton: u128,
}

impl Cost {
    /// Margin as a share of what clients pay, in parts per million, rounded towards zero; absent if they pay nothing.
    pub fn margin_ppm(&self) -> Option<i128> {
        let paid = i128::try_from(self.client_pays_nanoton).ok()?;
        self.proxy_margin_nanoton.checked_mul(1_000_000)?.checked_div(paid)
    }
}

/// Cost of one million tokens, rounded down; absent without tokens.
pub fn nanoton_per_million(nanoton: u128, tokens: u128) -> Option<u128> {
    // Sums of u64 amounts stay far below u128::MAX / 10^6 for any table that fits into memory.
    nanoton.checked_mul(MILLION)?.checked_div(tokens)
}

/// Cost of all requests of these runs.
pub fn cost(runs: &[RunStore]) -> Cost {
    let mut cost = Cost {
        requests: 0,
        billed_requests: 0,
        split_requests: 0,
        tokens: 0,
        adjusted_tokens: 0,
        client_pays_nanoton: 0,
        worker_earns_nanoton: 0,
        proxy_margin_nanoton: 0,
        classes: TokenClass::ALL
            .into_iter()
            .map(|class| ClassCost {
                class,
                tokens: 0,
                split_tokens: 0,
                adjusted_tokens: 0,
                cost_nanoton: 0,
            })
            .collect(),
        unattributed_nanoton: 0,
    };
    for request in runs.iter().flat_map(|run| &run.tables().requests) {
        cost.add(request);
    }
    cost
}

impl Cost {
    fn add(&mut self, request: &RequestRow) {
        self.requests += 1;
        self.billed_requests += u64::from(request.cost_nanoton > 0);
        self.adjusted_tokens += u128::from(request.adjusted_tokens);
        self.client_pays_nanoton += u128::from(request.cost_nanoton);
        self.worker_earns_nanoton += u128::from(request.worker_fee_nanoton);
        self.proxy_margin_nanoton += i128::from(request.cost_nanoton) - i128::from(request.worker_fee_nanoton);
        let split = bill_by_class(request);
        self.split_requests += u64::from(split.is_some());
        let mut attributed: u128 = 0;
        for entry in &mut self.classes {
            let tokens = u128::from(entry.class.tokens(request));
            self.tokens += tokens;
            entry.tokens += tokens;
            if let Some((_, adjusted, nanoton)) = split.iter().flatten().find(|(class, ..)| *class == entry.class) {
                entry.split_tokens += tokens;
                entry.adjusted_tokens += u128::from(*adjusted);
                entry.cost_nanoton += nanoton;
                attributed += nanoton;
            }
        }
        self.unattributed_nanoton += u128::from(request.cost_nanoton) - attributed;
    }
}

/// Billed units and cost of each class, if the bill is split and the split adds up.
fn bill_by_class(request: &RequestRow) -> Option<Vec<(TokenClass, u64, u128)>> {
    let mut units = Vec::new();
    for class in TokenClass::ALL {
        units.push((class, class.adjusted_tokens(request)?));
    }
    let total: u128 = units.iter().map(|(_, adjusted)| u128::from(*adjusted)).sum();
    if total != u128::from(request.adjusted_tokens) {
        return None;
    }
    // Each unit costs the same, so a class bears the cost in proportion to its units.
    let share = |adjusted: u64| {
        (u128::from(request.cost_nanoton) * u128::from(adjusted))
            .checked_div(total)
            .unwrap_or(0)
    };
    Some(
        units
            .into_iter()
            .map(|(class, adjusted)| (class, adjusted, share(adjusted)))
            .collect(),
    )
}

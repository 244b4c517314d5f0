//! How far a contract has followed an account's count, and the one action on the way (§5.4).

/// How a contract action ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionOutcome {
    /// The wallet's message took effect.
    Succeeded,
    /// It did not: what was expected of it is forgotten, so that it is tried again. The reference does not tell the
    /// outcomes apart (§5.4, T27).
    Failed,
}

/// Count in the contract, count expected there, and the action that is under way. One action per account at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ChainProgress {
    pub(super) on_chain: u64,
    expected: u64,
    in_flight: bool,
}

impl ChainProgress {
    /// Nothing known beyond the contract's count.
    pub(super) const fn at(on_chain: u64) -> Self {
        Self {
            on_chain,
            expected: on_chain,
            in_flight: false,
        }
    }

    pub(super) const fn is_idle(&self) -> bool {
        !self.in_flight
    }

    /// Coins that are owed for tokens up to `tokens`, beyond what is expected to be settled.
    pub(super) fn owed_nanoton(&self, tokens: u64, per_token_nanoton: u64) -> u128 {
        u128::from(tokens.saturating_sub(self.expected)) * u128::from(per_token_nanoton)
    }

    pub(super) fn begin(&mut self, tokens: u64) {
        self.in_flight = true;
        self.expected = self.expected.max(tokens);
    }

    pub(super) fn finish(&mut self, outcome: ActionOutcome) {
        self.in_flight = false;
        if outcome == ActionOutcome::Failed {
            self.expected = self.on_chain;
        }
    }

    /// The contract was seen with this count, which is not smaller than the last.
    pub(super) fn seen(&mut self, on_chain: u64) {
        self.on_chain = on_chain;
        self.expected = self.expected.max(on_chain);
    }
}

//! What a worker does with its contract.

use super::{TON, values};
use crate::onchain::storage::ContractState;

/// Claims of this size are paid out at once.
const PAYOUT_NANOTON: u64 = 10 * TON;
/// Claims of this size are paid out when there is nothing else to do.
const IDLE_PAYOUT_NANOTON: u64 = TON / 100;
/// Claims of this size are paid out before an old contract is forgotten: less would not pay for the message.
const OUTDATED_PAYOUT_NANOTON: u64 = TON / 5;

/// In what the claim is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClaimUnit {
    /// Coins: tokens times the worker's fee.
    #[default]
    Nanoton,
    /// Tokens, though the thresholds are coins: the reference's mistake (T21).
    Tokens,
}

/// When a worker counts as idle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdleRule {
    /// When it has no request.
    #[default]
    NoRequests,
    /// Always, as the reference does: every claim of 0.01 is paid out, and half of it may go into fees (T21).
    Always,
}

/// A worker's rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerRules {
    /// In what the claim is measured.
    pub unit: ClaimUnit,
    /// When it counts as idle.
    pub idle: IdleRule,
}

impl WorkerRules {
    /// As the reference behaves.
    pub const REFERENCE: Self = Self {
        unit: ClaimUnit::Tokens,
        idle: IdleRule::Always,
    };
}

/// What a worker knows.
#[derive(Clone, Copy, Debug)]
pub struct WorkerView {
    /// Unix seconds.
    pub now_s: u64,
    /// An earlier action waits for its result.
    pub busy: bool,
    /// State of its contract; `None` before it is deployed.
    pub state: Option<ContractState>,
    /// Tokens of the largest payout that the proxy has signed.
    pub signed_tokens: u64,
    /// Tokens paid so far.
    pub paid_tokens: u64,
    /// The worker's fee for one adjusted token.
    pub fee_per_token_nanoton: u64,
    /// No request is running.
    pub idle: bool,
    /// Since when the root contract has other parameters.
    pub outdated_since_s: Option<u64>,
    /// The clients' delay, of which a worker waits half.
    pub client_delay_s: u32,
}

/// What a worker should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkerAction {
    /// Deploy the contract.
    Deploy,
    /// Submit the largest signed payout.
    SubmitPayout,
    /// Drop an old contract: what is left does not pay for a message.
    Forget,
}

impl WorkerAction {
    /// Coins that go with the message, if there is one.
    pub const fn value_nanoton(self) -> u64 {
        match self {
            Self::Deploy => values::DEPLOY_WORKER_NANOTON,
            Self::SubmitPayout => values::WORKER_PAYOUT_NANOTON,
            Self::Forget => 0,
        }
    }
}

/// The next action of a worker.
pub fn worker_action(view: &WorkerView, rules: &WorkerRules) -> Option<WorkerAction> {
    if view.busy {
        return None;
    }
    match view.state {
        None => return Some(WorkerAction::Deploy),
        Some(ContractState::Closed) => return view.outdated_since_s.map(|_| WorkerAction::Forget),
        Some(_) => {}
    }
    let tokens = u128::from(view.signed_tokens.saturating_sub(view.paid_tokens));
    let claim = match rules.unit {
        ClaimUnit::Nanoton => tokens * u128::from(view.fee_per_token_nanoton),
        ClaimUnit::Tokens => tokens,
    };
    let at_least = |nanoton: u64| claim >= u128::from(nanoton);
    let idle = view.idle || rules.idle == IdleRule::Always;
    if at_least(PAYOUT_NANOTON) || (idle && at_least(IDLE_PAYOUT_NANOTON)) {
        return Some(WorkerAction::SubmitPayout);
    }
    let waited_s = view.now_s.saturating_sub(view.outdated_since_s?);
    (waited_s > u64::from(view.client_delay_s) / 2).then(|| {
        if at_least(OUTDATED_PAYOUT_NANOTON) {
            WorkerAction::SubmitPayout
        } else {
            WorkerAction::Forget
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act(rules: WorkerRules, change: impl FnOnce(&mut WorkerView)) -> Option<WorkerAction> {
        let mut view = WorkerView {
            now_s: 1_000_000,
            busy: false,
            state: Some(ContractState::Normal),
            signed_tokens: 0,
            paid_tokens: 0,
            fee_per_token_nanoton: 16,
            idle: false,
            outdated_since_s: None,
            client_delay_s: 43_200,
        };
        change(&mut view);
        worker_action(&view, &rules)
    }

    const SOUND: WorkerRules = WorkerRules {
        unit: ClaimUnit::Nanoton,
        idle: IdleRule::NoRequests,
    };

    #[test]
    fn large_claims_are_paid_out_at_once() {
        let tokens = |tokens| act(SOUND, |view| view.signed_tokens = tokens);
        assert_eq!(tokens(624_999_999), None);
        assert_eq!(tokens(625_000_000), Some(WorkerAction::SubmitPayout));
        assert_eq!(tokens(u64::MAX), Some(WorkerAction::SubmitPayout));
        assert_eq!(
            act(SOUND, |view| view.paid_tokens = 5),
            None,
            "paid more than is signed"
        );
        let busy = |view: &mut WorkerView| (view.signed_tokens, view.busy) = (u64::MAX, true);
        assert_eq!(act(SOUND, busy), None);
    }

    #[test]
    fn small_claims_wait_until_nothing_runs() {
        let idle = |tokens| act(SOUND, |view| (view.signed_tokens, view.idle) = (tokens, true));
        assert_eq!(idle(624_999), None);
        assert_eq!(idle(625_000), Some(WorkerAction::SubmitPayout));
    }

    /// T21: the reference waits for 16 times as much, and asks for tiny claims while it works.
    #[test]
    fn the_reference_takes_tokens_for_coins() {
        let unit_only = WorkerRules {
            unit: ClaimUnit::Tokens,
            ..SOUND
        };
        let tokens = |rules, tokens| act(rules, |view| view.signed_tokens = tokens);
        assert_eq!(tokens(unit_only, 625_000_000), None);
        assert_eq!(tokens(unit_only, 10_000_000_000), Some(WorkerAction::SubmitPayout));
        assert_eq!(
            tokens(WorkerRules::REFERENCE, 10_000_000),
            Some(WorkerAction::SubmitPayout)
        );
        assert_eq!(tokens(SOUND, 10_000_000), None);
    }

    #[test]
    fn old_contracts_are_emptied_or_forgotten() {
        let outdated = |waited_s, tokens| {
            act(SOUND, |view| {
                view.outdated_since_s = Some(view.now_s - waited_s);
                view.signed_tokens = tokens;
            })
        };
        assert_eq!(outdated(21_600, 12_500_000), None);
        assert_eq!(outdated(21_601, 12_500_000), Some(WorkerAction::SubmitPayout));
        assert_eq!(outdated(21_601, 12_499_999), Some(WorkerAction::Forget));
        assert_eq!(act(SOUND, |view| view.state = None), Some(WorkerAction::Deploy));
        assert_eq!(act(SOUND, |view| view.state = Some(ContractState::Closed)), None);
    }
}

//! What a client does with its contract.

use super::values;
use crate::{
    address::Address,
    hash::Hash256,
    onchain::{
        Coins,
        message::{ClientMessage, SignedCount},
        storage::{ClientStorage, ContractState},
    },
    params::Params,
    payment::{PaymentKind, VerifiedPayment},
};

/// Where a client tops up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TopUpRule {
    /// Only at a proxy that works under current parameters. A deposit at a closing one is stuck until it closes, and
    /// with contracts of revision A paid out twice (T1).
    #[default]
    WorkingProxy,
    /// Whatever the proxy's state, as the reference does.
    AnyProxy,
}

/// A client's rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientRules {
    /// Where to top up.
    pub top_up: TopUpRule,
}

/// The contract as the chain shows it, or as it will be when what was sent has executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientContract {
    /// Normal, closing or closed.
    pub state: ContractState,
    /// Deposit that is left.
    pub balance_nanoton: u64,
    /// Part of it that stays until the account closes.
    pub stake_nanoton: u64,
    /// Tokens charged so far.
    pub tokens_used: u64,
    /// Unix seconds from which the refund can be forced.
    pub unlock_ts: u32,
    /// SHA-256 of the secret of short authorisation.
    pub secret_hash: Hash256,
}

impl From<&ClientStorage> for ClientContract {
    fn from(storage: &ClientStorage) -> Self {
        Self {
            state: storage.state,
            balance_nanoton: storage.balance_nanoton,
            stake_nanoton: storage.stake_nanoton,
            tokens_used: storage.tokens_used,
            unlock_ts: storage.unlock_ts,
            secret_hash: storage.secret_hash,
        }
    }
}

/// What a client knows.
#[derive(Clone, Copy, Debug)]
pub struct ClientView<'a> {
    /// Unix seconds.
    pub now_s: u64,
    /// An earlier action waits for its result.
    pub busy: bool,
    /// `None` before it is deployed.
    pub contract: Option<ClientContract>,
    /// State of the proxy's contract.
    pub proxy_state: ContractState,
    /// Parameters of the client's contract.
    pub params: &'a Params,
    /// Tokens used altogether, as far as the client knows.
    pub tokens_max: u64,
    /// Tokens of the largest charge that the proxy has signed.
    pub signed_tokens: u64,
    /// SHA-256 of the client's secret.
    pub secret_hash: Hash256,
    /// Since when the root contract has other parameters.
    pub outdated_since_s: Option<u64>,
    /// The proxy wants a proof on the chain (§4.2).
    pub nonce: Option<u64>,
}

/// What a client should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAction {
    /// Deploy the contract.
    Deploy,
    /// Register at the proxy.
    Register {
        /// From the proxy.
        nonce: u64,
    },
    /// Add to the balance.
    TopUp {
        /// Beside the value that pays for the call.
        amount_nanoton: u64,
    },
    /// Submit the largest signed charge: the stake is half used up.
    SubmitCharge,
    /// Make the contract's secret the client's.
    ChangeSecret {
        /// SHA-256 of the client's secret.
        secret_hash: Hash256,
    },
    /// Start to close, or force the refund.
    RequestRefund,
}

impl ClientAction {
    /// Coins that go with the message.
    pub const fn value_nanoton(&self) -> u64 {
        match self {
            Self::Deploy => values::DEPLOY_CLIENT_NANOTON,
            Self::Register { .. } => values::REGISTER_NANOTON,
            Self::TopUp { amount_nanoton } => values::CALL_NANOTON.saturating_add(*amount_nanoton),
            Self::SubmitCharge | Self::ChangeSecret { .. } | Self::RequestRefund => values::CALL_NANOTON,
        }
    }

    /// The message's body: `None` for a deployment, which has none, and for a charge without a payment.
    pub fn message(&self, query_id: u64, excesses: Address, charge: Option<&VerifiedPayment>) -> Option<ClientMessage> {
        Some(match *self {
            Self::Deploy => return None,
            Self::Register { nonce } => ClientMessage::Register {
                query_id,
                nonce,
                excesses,
            },
            Self::TopUp { amount_nanoton } => ClientMessage::TopUp {
                query_id,
                amount: Coins::from(amount_nanoton),
                excesses,
            },
            Self::SubmitCharge => {
                let charge = charge.filter(|payment| payment.kind() == PaymentKind::ClientCharge)?;
                ClientMessage::Signed(SignedCount::submit(charge, excesses))
            }
            Self::ChangeSecret { secret_hash } => ClientMessage::ChangeSecret {
                query_id,
                secret_hash,
                excesses,
            },
            Self::RequestRefund => ClientMessage::RequestRefund { query_id, excesses },
        })
    }
}

/// The next action of a client.
pub fn client_action(view: &ClientView<'_>, rules: &ClientRules) -> Option<ClientAction> {
    if view.busy {
        return None;
    }
    let Some(contract) = view.contract else {
        return Some(ClientAction::Deploy);
    };
    if contract.state == ContractState::Closed {
        return None;
    }
    if let Some(nonce) = view.nonce {
        return Some(ClientAction::Register { nonce });
    }
    if wants_refund(view, &contract) {
        return Some(ClientAction::RequestRefund);
    }
    if contract.secret_hash != view.secret_hash {
        return Some(ClientAction::ChangeSecret {
            secret_hash: view.secret_hash,
        });
    }
    let price = view.params.prices.price_per_token_nanoton;
    // Without a price there is nothing to pay for.
    let half_stake_tokens = i128::from(contract.stake_nanoton.checked_div(price)? / 2);
    let used_since_charge = i128::from(view.tokens_max) - i128::from(contract.tokens_used);
    if used_since_charge > half_stake_tokens && view.signed_tokens > contract.tokens_used {
        return Some(ClientAction::SubmitCharge);
    }
    let left_tokens = i128::from(contract.balance_nanoton / price) - used_since_charge;
    let amount_nanoton = contract.stake_nanoton - contract.stake_nanoton % price;
    (may_top_up(view, &contract, rules) && left_tokens < half_stake_tokens && amount_nanoton > 0)
        .then_some(ClientAction::TopUp { amount_nanoton })
}

fn wants_refund(view: &ClientView<'_>, contract: &ClientContract) -> bool {
    let Some(since_s) = view.outdated_since_s else {
        return false;
    };
    match contract.state {
        // Half of the time in which the proxy cannot close before the client's own delay is over.
        ContractState::Normal => {
            let spare_s = u64::from(view.params.proxy_delay_s.saturating_sub(view.params.client_delay_s));
            view.now_s.saturating_sub(since_s) > spare_s / 2
        }
        ContractState::Closing => u64::from(contract.unlock_ts) < view.now_s,
        ContractState::Closed => false,
    }
}

fn may_top_up(view: &ClientView<'_>, contract: &ClientContract, rules: &ClientRules) -> bool {
    if contract.state != ContractState::Normal {
        return false;
    }
    match rules.top_up {
        TopUpRule::AnyProxy => true,
        TopUpRule::WorkingProxy => view.proxy_state == ContractState::Normal && view.outdated_since_s.is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contracts::vectors;

    const STAKE: u64 = 15_000_000_000;
    /// The stake is 750 million tokens at 20 nanoTON.
    const HALF_STAKE_TOKENS: u64 = 375_000_000;

    fn contract() -> ClientContract {
        ClientContract {
            state: ContractState::Normal,
            balance_nanoton: STAKE,
            stake_nanoton: STAKE,
            tokens_used: 0,
            unlock_ts: 0,
            secret_hash: [1; 32],
        }
    }

    fn act(change: impl FnOnce(&mut ClientView<'_>)) -> Option<ClientAction> {
        let params = vectors::params();
        let mut view = ClientView {
            now_s: 1_000_000,
            busy: false,
            contract: Some(contract()),
            proxy_state: ContractState::Normal,
            params: &params,
            tokens_max: 0,
            signed_tokens: 0,
            secret_hash: [1; 32],
            outdated_since_s: None,
            nonce: None,
        };
        change(&mut view);
        client_action(&view, &ClientRules::default())
    }

    #[test]
    fn a_content_client_does_nothing() {
        assert_eq!(act(|_| {}), None);
        assert_eq!(act(|view| view.busy = true), None);
        assert_eq!(
            act(|view| {
                view.busy = true;
                view.contract = None;
            }),
            None
        );
        assert_eq!(act(|view| view.contract = None), Some(ClientAction::Deploy));
        assert_eq!(
            act(|view| view.nonce = Some(7)),
            Some(ClientAction::Register { nonce: 7 })
        );
        let secret_hash = [2; 32];
        assert_eq!(
            act(|view| view.secret_hash = secret_hash),
            Some(ClientAction::ChangeSecret { secret_hash })
        );
    }

    #[test]
    fn tops_up_below_half_the_stake() {
        let top_up = Some(ClientAction::TopUp { amount_nanoton: STAKE });
        assert_eq!(act(|view| view.tokens_max = HALF_STAKE_TOKENS), None);
        assert_eq!(act(|view| view.tokens_max = HALF_STAKE_TOKENS + 1), top_up);
        // Also far beyond the balance: no subtraction wraps.
        assert_eq!(act(|view| view.tokens_max = u64::MAX), top_up);
        let closing_proxy = |view: &mut ClientView<'_>| {
            view.tokens_max = HALF_STAKE_TOKENS + 1;
            view.proxy_state = ContractState::Closing;
        };
        assert_eq!(act(closing_proxy), None);
        let mut uneven = contract();
        uneven.stake_nanoton = STAKE + 19;
        uneven.balance_nanoton = 0;
        assert_eq!(
            act(|view| view.contract = Some(uneven)),
            top_up,
            "a whole number of tokens"
        );
    }

    /// The reference's rule: it pays into a proxy that closes.
    #[test]
    fn the_reference_tops_up_anywhere() {
        let params = vectors::params();
        let view = ClientView {
            now_s: 0,
            busy: false,
            contract: Some(contract()),
            proxy_state: ContractState::Closing,
            params: &params,
            tokens_max: HALF_STAKE_TOKENS + 1,
            signed_tokens: 0,
            secret_hash: [1; 32],
            outdated_since_s: None,
            nonce: None,
        };
        let rules = ClientRules {
            top_up: TopUpRule::AnyProxy,
        };
        assert!(matches!(client_action(&view, &rules), Some(ClientAction::TopUp { .. })));
        assert_eq!(client_action(&view, &ClientRules::default()), None);
    }

    #[test]
    fn charges_itself_when_half_the_stake_is_used() {
        let act = |signed, used| {
            act(|view| {
                (view.tokens_max, view.signed_tokens) = (HALF_STAKE_TOKENS + 1, signed);
                view.contract = Some(ClientContract {
                    tokens_used: used,
                    balance_nanoton: 2 * STAKE,
                    ..contract()
                });
            })
        };
        assert_eq!(act(5, 0), Some(ClientAction::SubmitCharge));
        assert_eq!(act(0, 0), None, "nothing signed");
        assert_eq!(act(5, 5), None, "charged already");
    }

    #[test]
    fn leaves_when_parameters_change() {
        // Half of 86400 - 43200 seconds.
        let outdated = |since_s: u64, state, unlock_ts| {
            act(|view| {
                view.outdated_since_s = Some(view.now_s - since_s);
                view.contract = Some(ClientContract {
                    state,
                    unlock_ts,
                    ..contract()
                });
            })
        };
        assert_eq!(outdated(21_600, ContractState::Normal, 0), None);
        assert_eq!(
            outdated(21_601, ContractState::Normal, 0),
            Some(ClientAction::RequestRefund)
        );
        assert_eq!(
            outdated(21_601, ContractState::Closing, 1_000_000),
            None,
            "the contract's `<`"
        );
        assert_eq!(
            outdated(0, ContractState::Closing, 999_999),
            Some(ClientAction::RequestRefund)
        );
        assert_eq!(outdated(21_601, ContractState::Closed, 0), None);
    }

    #[test]
    fn a_free_network_needs_no_coins() {
        let params = Params {
            prices: crate::Prices {
                price_per_token_nanoton: 0,
                ..vectors::params().prices
            },
            ..vectors::params()
        };
        let view = ClientView {
            now_s: 0,
            busy: false,
            contract: Some(ClientContract {
                balance_nanoton: 0,
                ..contract()
            }),
            proxy_state: ContractState::Normal,
            params: &params,
            tokens_max: 1000,
            signed_tokens: 1000,
            secret_hash: [1; 32],
            outdated_since_s: None,
            nonce: None,
        };
        assert_eq!(client_action(&view, &ClientRules::default()), None);
    }

    #[test]
    fn actions_become_messages() {
        let excesses = vectors::CLIENT_OWNER;
        let top_up = ClientAction::TopUp { amount_nanoton: 5 };
        assert_eq!(top_up.value_nanoton(), 700_000_005);
        assert!(matches!(
            top_up.message(9, excesses, None),
            Some(ClientMessage::TopUp { query_id: 9, .. })
        ));
        assert_eq!(ClientAction::Deploy.message(9, excesses, None), None);
        assert_eq!(ClientAction::SubmitCharge.message(9, excesses, None), None);
    }
}

//! What a proxy does with its clients' and workers' contracts and its own.

use super::{TON, values};
use crate::{address::Address, onchain::storage::ContractState, pricing::Prices};

/// Uncharged tokens worth this much are charged.
const CHARGE_NANOTON: u64 = TON;
/// Unpaid claims of a worker of this size are paid.
const WORKER_PAYOUT_NANOTON: u64 = 10 * TON;
/// A share of the proxy's owner of this size is paid.
const OWNER_PAYOUT_NANOTON: u64 = 10 * TON;

/// For how many tokens a charge is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChargeRule {
    /// Those that a crash cannot take back.
    #[default]
    Committed,
    /// All that were used, as the reference does: after a crash the chain may be ahead of the database (T20).
    Maximum,
}

/// What happens to tokens that a client's balance does not cover.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CoverRule {
    /// A charge is signed for what the balance covers; the rest stays due.
    #[default]
    WithinBalance,
    /// A charge is signed for all; contracts of revision A forget what the balance does not cover (T5).
    Everything,
}

/// A proxy's rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProxyRules {
    /// For how many tokens a charge is signed.
    pub charge: ChargeRule,
    /// What happens to tokens that are not covered.
    pub cover: CoverRule,
}

impl ProxyRules {
    /// As the reference behaves.
    pub const REFERENCE: Self = Self {
        charge: ChargeRule::Maximum,
        cover: CoverRule::Everything,
    };
}

/// The proxy's own contract.
#[derive(Clone, Copy, Debug)]
pub struct ProxyView {
    /// Normal, closing or closed.
    pub state: ContractState,
    /// The share of the proxy's owner so far.
    pub balance_nanoton: u64,
    /// Contracts of profile `hardened`: charged and not paid out yet. Workers are paid from nothing else.
    pub earned_nanoton: Option<u64>,
    /// An earlier payout to the owner waits for its result.
    pub busy: bool,
    /// Prices of this instance.
    pub prices: Prices,
}

/// A client's account.
#[derive(Clone, Copy, Debug)]
pub struct ClientAccountView {
    /// Whose.
    pub owner: Address,
    /// State of its contract.
    pub state: ContractState,
    /// Deposit that is left, as the chain shows it.
    pub balance_nanoton: u64,
    /// Tokens charged, as the chain shows it.
    pub onchain_tokens: u64,
    /// The same, when what was sent has executed.
    pub expected_tokens: u64,
    /// Tokens that a crash cannot take back.
    pub committed_tokens: u64,
    /// Tokens used altogether.
    pub tokens_max: u64,
    /// Requests that are running.
    pub running_queries: u32,
    /// An earlier action waits for its result.
    pub busy: bool,
}

/// A worker's account.
#[derive(Clone, Copy, Debug)]
pub struct WorkerAccountView {
    /// Whose.
    pub owner: Address,
    /// Tokens paid when what was sent has executed.
    pub expected_tokens: u64,
    /// Tokens that a crash cannot take back.
    pub committed_tokens: u64,
    /// An earlier action waits for its result.
    pub busy: bool,
}

/// What a proxy should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProxyAction {
    /// Sign and submit a charge.
    Charge {
        /// Owner of the client contract.
        client: Address,
        /// Up to how many tokens.
        tokens: u64,
    },
    /// Sign and submit the last charge and the refund of the rest.
    GrantRefund {
        /// Owner of the client contract.
        client: Address,
        /// Up to how many tokens.
        tokens: u64,
    },
    /// Sign and submit a payout.
    PayWorker {
        /// Owner of the worker contract.
        worker: Address,
        /// Up to how many tokens.
        tokens: u64,
    },
    /// Pay the share of the proxy's owner.
    PayOwner,
}

impl ProxyAction {
    /// Coins that go with the message.
    pub const fn value_nanoton(self) -> u64 {
        match self {
            Self::Charge { .. } | Self::GrantRefund { .. } | Self::PayWorker { .. } => values::CALL_NANOTON,
            Self::PayOwner => values::PROXY_PAYOUT_NANOTON,
        }
    }
}

/// Tokens up to which a client contract's balance pays.
pub const fn covered_tokens(onchain_tokens: u64, balance_nanoton: u64, prices: &Prices) -> u64 {
    match balance_nanoton.checked_div(prices.price_per_token_nanoton) {
        Some(tokens) => onchain_tokens.saturating_add(tokens),
        None => u64::MAX,
    }
}

/// What a proxy should do now, at most one action per account, in the order of the lists.
pub fn proxy_actions(
    proxy: &ProxyView,
    clients: &[ClientAccountView],
    workers: &[WorkerAccountView],
    rules: &ProxyRules,
) -> Vec<ProxyAction> {
    let prices = &proxy.prices;
    let mut actions = Vec::new();
    let mut chargeable = Vec::new();
    for client in clients.iter().filter(|client| !client.busy) {
        let wanted = match rules.charge {
            ChargeRule::Committed => client.committed_tokens,
            ChargeRule::Maximum => client.tokens_max,
        };
        let settled = client.committed_tokens == client.tokens_max && client.running_queries == 0;
        match client.state {
            ContractState::Closing if settled => actions.push(ProxyAction::GrantRefund {
                client: client.owner,
                tokens: within(rules, client, client.tokens_max, prices).max(client.expected_tokens),
            }),
            ContractState::Normal | ContractState::Closing => {
                let tokens = within(rules, client, wanted, prices);
                // The threshold counts what is safe, whatever is signed.
                let safe = within(rules, client, client.committed_tokens, prices);
                let due = prices.cost_nanoton(safe.saturating_sub(client.expected_tokens));
                let action = ProxyAction::Charge {
                    client: client.owner,
                    tokens,
                };
                if due >= u128::from(CHARGE_NANOTON) {
                    actions.push(action);
                } else if due > 0 {
                    chargeable.push((due, action));
                }
            }
            ContractState::Closed => {}
        }
    }
    let uncovered = pay_workers(proxy, workers, &mut actions);
    // Workers wait for coins that clients owe in small amounts: the largest first, until it is enough.
    chargeable.sort_by_key(|(due, _)| std::cmp::Reverse(*due));
    let mut missing = uncovered;
    for (due, action) in chargeable {
        if missing == 0 {
            break;
        }
        actions.push(action);
        missing = missing.saturating_sub(due);
    }
    if !proxy.busy && proxy.state != ContractState::Closed && proxy.balance_nanoton >= OWNER_PAYOUT_NANOTON {
        actions.push(ProxyAction::PayOwner);
    }
    actions
}

fn within(rules: &ProxyRules, client: &ClientAccountView, tokens: u64, prices: &Prices) -> u64 {
    match rules.cover {
        CoverRule::WithinBalance => tokens.min(covered_tokens(client.onchain_tokens, client.balance_nanoton, prices)),
        CoverRule::Everything => tokens,
    }
}

/// Appends payouts and returns what is missing of earned coins for those that had to wait.
fn pay_workers(proxy: &ProxyView, workers: &[WorkerAccountView], actions: &mut Vec<ProxyAction>) -> u128 {
    let prices = &proxy.prices;
    let mut earned = proxy.earned_nanoton.map(u128::from);
    let mut missing = 0;
    for worker in workers.iter().filter(|worker| !worker.busy) {
        let unpaid = worker.committed_tokens.saturating_sub(worker.expected_tokens);
        if prices.worker_share_nanoton(unpaid) < u128::from(WORKER_PAYOUT_NANOTON) {
            continue;
        }
        // A payout takes the whole price out of what was earned: the worker's share and the proxy's.
        let cost = prices.cost_nanoton(unpaid);
        match &mut earned {
            Some(earned) if cost > *earned => {
                missing += cost - *earned;
                continue;
            }
            Some(earned) => *earned -= cost,
            None => {}
        }
        actions.push(ProxyAction::PayWorker {
            worker: worker.owner,
            tokens: worker.committed_tokens,
        });
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contracts::vectors;

    fn proxy() -> ProxyView {
        ProxyView {
            state: ContractState::Normal,
            balance_nanoton: 0,
            earned_nanoton: None,
            busy: false,
            prices: vectors::params().prices,
        }
    }

    fn client(owner: u8, committed_tokens: u64) -> ClientAccountView {
        ClientAccountView {
            owner: Address::new(0, [owner; 32]),
            state: ContractState::Normal,
            balance_nanoton: 100 * TON,
            onchain_tokens: 0,
            expected_tokens: 0,
            committed_tokens,
            tokens_max: committed_tokens + 7,
            running_queries: 0,
            busy: false,
        }
    }

    fn worker(committed_tokens: u64) -> WorkerAccountView {
        WorkerAccountView {
            owner: vectors::WORKER_OWNER,
            expected_tokens: 0,
            committed_tokens,
            busy: false,
        }
    }

    fn charge(client: &ClientAccountView, tokens: u64) -> ProxyAction {
        ProxyAction::Charge {
            client: client.owner,
            tokens,
        }
    }

    const ONE_TON_TOKENS: u64 = 50_000_000;

    #[test]
    fn charges_what_is_committed_from_one_ton() {
        let act = |client: ClientAccountView, rules| proxy_actions(&proxy(), &[client], &[], &rules);
        let sound = ProxyRules::default();
        let due = client(1, ONE_TON_TOKENS);
        assert_eq!(act(client(1, ONE_TON_TOKENS - 1), sound), []);
        assert_eq!(act(due, sound), [charge(&due, ONE_TON_TOKENS)]);
        assert_eq!(
            act(due, ProxyRules::REFERENCE),
            [charge(&due, ONE_TON_TOKENS + 7)],
            "T20"
        );
        assert_eq!(act(ClientAccountView { busy: true, ..due }, sound), []);
        let sent = ClientAccountView {
            expected_tokens: ONE_TON_TOKENS,
            ..due
        };
        assert_eq!(act(sent, sound), []);
        let closed = ClientAccountView {
            state: ContractState::Closed,
            ..due
        };
        assert_eq!(act(closed, sound), []);
    }

    /// T5: a charge beyond the balance would be refused by `hardened` contracts and forgotten by revision A.
    #[test]
    fn charges_no_more_than_the_balance_covers() {
        let poor = ClientAccountView {
            balance_nanoton: 2 * TON,
            onchain_tokens: 10,
            expected_tokens: 10,
            ..client(1, 9 * ONE_TON_TOKENS)
        };
        let act = |rules| proxy_actions(&proxy(), &[poor], &[], &rules);
        assert_eq!(act(ProxyRules::default()), [charge(&poor, 10 + 2 * ONE_TON_TOKENS)]);
        assert_eq!(act(ProxyRules::REFERENCE), [charge(&poor, 9 * ONE_TON_TOKENS + 7)]);
        let free = Prices {
            price_per_token_nanoton: 0,
            ..vectors::params().prices
        };
        assert_eq!(covered_tokens(5, 0, &free), u64::MAX);
        assert_eq!(covered_tokens(u64::MAX, 20, &vectors::params().prices), u64::MAX);
    }

    #[test]
    fn refunds_closing_clients_when_all_is_settled() {
        let closing = ClientAccountView {
            state: ContractState::Closing,
            tokens_max: 1000,
            ..client(1, 1000)
        };
        let act = |client| proxy_actions(&proxy(), &[client], &[], &ProxyRules::default());
        let refund = ProxyAction::GrantRefund {
            client: closing.owner,
            tokens: 1000,
        };
        assert_eq!(act(closing), [refund]);
        for waiting in [
            ClientAccountView { busy: true, ..closing },
            ClientAccountView {
                running_queries: 1,
                ..closing
            },
            ClientAccountView {
                tokens_max: 1001,
                ..closing
            },
        ] {
            assert_eq!(act(waiting), []);
        }
    }

    #[test]
    fn pays_workers_from_ten_tons() {
        let pay = |tokens| ProxyAction::PayWorker {
            worker: vectors::WORKER_OWNER,
            tokens,
        };
        let act = |worker| proxy_actions(&proxy(), &[], &[worker], &ProxyRules::default());
        assert_eq!(act(worker(624_999_999)), []);
        assert_eq!(act(worker(625_000_000)), [pay(625_000_000)]);
        let busy = WorkerAccountView {
            busy: true,
            ..worker(u64::MAX)
        };
        assert_eq!(act(busy), []);
    }

    /// Under `hardened` contracts workers are paid from what was charged: small debts are collected first.
    #[test]
    fn collects_small_debts_when_workers_wait() {
        let clients = [client(1, 1000), client(2, ONE_TON_TOKENS / 2), client(3, 2000)];
        let hardened = ProxyView {
            earned_nanoton: Some(12 * TON),
            ..proxy()
        };
        let act = |proxy: &ProxyView, tokens| proxy_actions(proxy, &clients, &[worker(tokens)], &ProxyRules::default());
        // 625 million tokens cost 12.5 TON; the second client owes half of one.
        assert_eq!(act(&hardened, 625_000_000), [charge(&clients[1], ONE_TON_TOKENS / 2)]);
        let more = [
            charge(&clients[1], ONE_TON_TOKENS / 2),
            charge(&clients[2], 2000),
            charge(&clients[0], 1000),
        ];
        assert_eq!(act(&hardened, 650_000_000), more);
        let rich = ProxyView {
            earned_nanoton: Some(13 * TON),
            ..proxy()
        };
        assert!(matches!(act(&rich, 650_000_000)[..], [ProxyAction::PayWorker { .. }]));
        assert!(matches!(
            act(&proxy(), 650_000_000)[..],
            [ProxyAction::PayWorker { .. }]
        ));
    }

    #[test]
    fn pays_the_owner_from_ten_tons() {
        let act = |change: fn(&mut ProxyView)| {
            let mut view = proxy();
            change(&mut view);
            proxy_actions(&view, &[], &[], &ProxyRules::default())
        };
        assert_eq!(act(|view| view.balance_nanoton = 10 * TON), [ProxyAction::PayOwner]);
        assert_eq!(act(|view| view.balance_nanoton = 10 * TON - 1), []);
        assert_eq!(act(|view| (view.balance_nanoton, view.busy) = (10 * TON, true)), []);
        assert_eq!(ProxyAction::PayOwner.value_nanoton(), 200_000_000);
    }
}

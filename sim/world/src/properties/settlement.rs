//! What must hold on the chain after every block (spec §6.9), judged from the rows that each block left.

use super::{Checked, Violation, coins::Book, losses::Holdings};
use crate::{
    deployment::Facts,
    plan::{ContractBuild, Operation, Plan},
    recorder::{Claim, ContractState, ContractView, Rows},
    users::RequestRecord,
};
use std::collections::{BTreeMap, BTreeSet};

const NORMAL: u8 = 0;
const CLOSING: u8 = 1;
const CLOSED: u8 = 2;

fn is_hardened(plan: &Plan) -> bool {
    plan.settlement
        .as_ref()
        .is_some_and(|settlement| settlement.contracts == ContractBuild::Hardened)
}

/// Whether contracts of new parameters come to be: the proxies' books then go over to other contracts.
pub(super) fn changes_prices(plan: &Plan) -> bool {
    plan.settlement.as_ref().is_some_and(|settlement| {
        settlement
            .operations
            .iter()
            .any(|planned| matches!(planned.operation, Operation::ChangePrice { .. }))
    })
}

/// Balances, fees and what is on the way are what the chain began with, after every block, to the nano; and the chain
/// has found nothing wrong with itself.
pub(super) fn conservation(rows: &Rows) -> Checked {
    let wrong = rows.coins.iter().find_map(|coins| {
        let found = coins.balances_nanoton + coins.in_flight_nanoton + coins.fees_nanoton + coins.gone_nanoton;
        (found != coins.issued_nanoton).then(|| {
            let text = format!(
                "{found} nanoTON on the chain, which began with {}",
                coins.issued_nanoton
            );
            Violation::at(coins.at_ns, text)
        })
    });
    let defect = rows
        .chain_defects
        .first()
        .map(|defect| Violation::at(defect.at_ns, format!("the chain: {}", defect.text)));
    Checked {
        count: rows.coins.len(),
        violation: wrong.or(defect),
    }
}

/// Blocks in order: contracts as they are after each, with what they were before.
fn blocks(rows: &Rows) -> BTreeMap<u64, Vec<&ContractState>> {
    let mut blocks: BTreeMap<u64, Vec<&ContractState>> = BTreeMap::new();
    for state in &rows.contracts {
        blocks.entry(state.at_ns).or_default().push(state);
    }
    blocks
}

/// Each change of a contract: what it was (`None` before its first block, or while it was frozen from the start) and
/// what it is.
pub(super) fn changes(rows: &Rows) -> Vec<(Option<&ContractState>, &ContractState)> {
    let mut last: BTreeMap<&str, &ContractState> = BTreeMap::new();
    let mut changes = Vec::with_capacity(rows.contracts.len());
    for state in &rows.contracts {
        // What a frozen contract knew it knows again when it thaws.
        if matches!(state.view, ContractView::Frozen | ContractView::Unreadable) {
            continue;
        }
        changes.push((last.insert(&state.address, state), state));
    }
    changes
}

/// Claims that came back, by account and block.
fn returned(rows: &Rows) -> BTreeMap<(&str, u64), Vec<&Claim>> {
    let mut returned: BTreeMap<(&str, u64), Vec<&Claim>> = BTreeMap::new();
    for claim in &rows.claims {
        if let Some(at_ns) = claim.returned_at_ns {
            returned.entry((&claim.account, at_ns)).or_default().push(claim);
        }
    }
    returned
}

fn tokens_of(claims: &[&Claim], price_nanoton: u64) -> u128 {
    let nanoton: u128 = claims.iter().map(|claim| claim.tokens_nanoton).sum();
    nanoton.checked_div(price_nanoton.into()).unwrap_or(0)
}

/// The pool of each proxy contract holds what its clients have in it, what workers can still ask for, and its owner's
/// share and stake.
///
/// Top-ups on the way count for the pool, which their clients have booked already. Storage that the pool has paid for
/// comes out of it by the rules of the chain and is allowed for. Workers can ask for what was charged and not paid out:
/// by tokens of all accounts, or what the contract itself counts, whichever is more. They may be paid for what was
/// booked and is not charged yet, and for nothing else.
pub(super) fn pool_covers(plan: &Plan, facts: &Facts, requests: &[RequestRecord], rows: &Rows) -> Checked {
    covers(plan, facts, requests, rows, "", |_| true)
}

/// The same for what a pool owes to whoever keeps to the rules: an adversary's coins are nobody's loss.
pub(super) fn pool_covers_honest(plan: &Plan, facts: &Facts, requests: &[RequestRecord], rows: &Rows) -> Checked {
    let holdings = Holdings::of(facts, rows);
    covers(plan, facts, requests, rows, " to honest parties", |address| {
        holdings.honest(address).is_some()
    })
}

fn covers<'a>(
    plan: &Plan,
    facts: &Facts,
    requests: &[RequestRecord],
    rows: &'a Rows,
    whom: &str,
    counts: impl Fn(&'a str) -> bool,
) -> Checked {
    let book = Book::of(plan, requests, rows);
    let accounts = facts.accounts_by_address();
    let mut now: BTreeMap<&str, &ContractState> = BTreeMap::new();
    let mut checked = 0;
    for (at_ns, states) in blocks(rows) {
        let mut pools = BTreeSet::new();
        for state in states {
            if matches!(state.view, ContractView::Frozen | ContractView::Unreadable) {
                continue;
            }
            pools.insert(match &state.view {
                ContractView::Client { proxy, .. } | ContractView::Worker { proxy, .. } => proxy.as_str(),
                _ => state.address.as_str(),
            });
            now.insert(&state.address, state);
        }
        for address in pools {
            let Some(pool) = now.get(address) else { continue };
            let ContractView::Proxy {
                share_nanoton,
                stake_nanoton,
                earned_nanoton,
                ..
            } = pool.view
            else {
                continue;
            };
            let mut owed = 0;
            if counts(&pool.address) {
                owed += u128::from(share_nanoton) + u128::from(stake_nanoton);
            }
            let mut work = Work::default();
            for state in now.values() {
                match &state.view {
                    ContractView::Client {
                        proxy,
                        balance_nanoton,
                        tokens,
                        price_nanoton,
                        ..
                    } if proxy == address => {
                        let booked = accounts
                            .get(state.address.as_str())
                            .map_or(0, |account| book.most(account, at_ns));
                        work.charged += u128::from(*tokens) * u128::from(*price_nanoton);
                        work.due += u128::from(booked.saturating_sub(*tokens)) * u128::from(*price_nanoton);
                        if counts(&state.address) {
                            owed += u128::from(*balance_nanoton);
                        }
                    }
                    ContractView::Worker {
                        proxy,
                        tokens,
                        price_nanoton,
                        ..
                    } if proxy == address => {
                        work.paid += u128::from(*tokens) * u128::from(*price_nanoton);
                        work.is_of_others |= !counts(&state.address);
                    }
                    _ => {}
                }
            }
            checked += 1;
            let arriving: u128 = rows
                .claims
                .iter()
                .filter(|claim| claim.proxy == address && claim.at_ns <= at_ns)
                .filter(|claim| claim.answered_at_ns.is_none_or(|answered| answered > at_ns))
                .map(|claim| claim.deposit_nanoton)
                .sum();
            owed += work.unpaid(earned_nanoton.into());
            let held = pool.coins_nanoton + arriving + pool.storage_paid_nanoton + work.advanced();
            if held < owed {
                let text = format!("the pool {address} holds {held} nanoTON and owes {owed}{whom}");
                return Checked::violated(checked, Violation::at(at_ns, text));
            }
        }
    }
    Checked::held(checked)
}

/// What the tokens of a pool's accounts come to, at the price of clients.
#[derive(Debug, Default)]
struct Work {
    charged: u128,
    paid: u128,
    /// Booked and not charged yet.
    due: u128,
    /// Whether somebody who does not count can ask for it.
    is_of_others: bool,
}

impl Work {
    /// What workers can still ask for.
    fn unpaid(&self, earned_nanoton: u128) -> u128 {
        if self.is_of_others {
            return 0;
        }
        self.charged.saturating_sub(self.paid).max(earned_nanoton)
    }

    /// What workers were paid before clients were charged.
    fn advanced(&self) -> u128 {
        self.paid.saturating_sub(self.charged).min(self.due)
    }
}

/// Counters of contracts never shrink and states never go back. In the hardened build there is one exception, and
/// nothing beyond it: a claim that came back takes with it exactly the tokens that it was for, and opens a worker's
/// account that it had closed.
pub(super) fn monotonic(plan: &Plan, rows: &Rows) -> Checked {
    let returned = returned(rows);
    let mut checked = 0;
    for (before, after) in changes(rows) {
        let back = returned
            .get(&(after.address.as_str(), after.at_ns))
            .filter(|_| is_hardened(plan))
            .map_or(&[][..], Vec::as_slice);
        let (state, tokens, price) = match &after.view {
            ContractView::Client {
                state,
                tokens,
                price_nanoton,
                ..
            }
            | ContractView::Worker {
                state,
                tokens,
                price_nanoton,
                ..
            } => (*state, *tokens, *price_nanoton),
            ContractView::Proxy { state, .. } => (*state, 0, 0),
            ContractView::Frozen | ContractView::Unreadable => continue,
        };
        checked += 1;
        let (old_state, old_tokens) = match before.map(|before| &before.view) {
            Some(ContractView::Client { state, tokens, .. } | ContractView::Worker { state, tokens, .. }) => {
                (*state, *tokens)
            }
            Some(ContractView::Proxy { state, .. }) => (*state, 0),
            _ => (NORMAL, 0),
        };
        let wrong = |text: String| Checked::violated(checked, Violation::at(after.at_ns, text));
        let unpaid = tokens_of(back, price);
        if u128::from(tokens) + unpaid < u128::from(old_tokens) {
            return wrong(format!(
                "{} counts {tokens} tokens after {old_tokens}, and {unpaid} came back",
                after.address
            ));
        }
        let reopened = !back.is_empty() && matches!(after.view, ContractView::Worker { .. });
        if state < old_state && !reopened {
            return wrong(format!("{} went from state {old_state} to {state}", after.address));
        }
    }
    Checked::held(checked)
}

/// What closes does so when its time has come, and the time is set once.
pub(super) fn unlock_rules(rows: &Rows) -> Checked {
    let mut checked = 0;
    for (before, after) in changes(rows) {
        let before = before.map(|before| &before.view);
        let broken = match &after.view {
            ContractView::Client {
                state,
                unlock_unix_s,
                delay_s,
                ..
            } => {
                let (old, old_unlock) = match before {
                    Some(ContractView::Client {
                        state, unlock_unix_s, ..
                    }) => (*state, *unlock_unix_s),
                    _ => (NORMAL, 0),
                };
                client_rule((old, old_unlock), (*state, *unlock_unix_s), after.unix_s, *delay_s)
            }
            ContractView::Proxy {
                state,
                unlock_unix_s,
                delay_s,
                ..
            } => {
                let (old, old_unlock) = match before {
                    Some(ContractView::Proxy {
                        state, unlock_unix_s, ..
                    }) => (*state, *unlock_unix_s),
                    _ => (NORMAL, 0),
                };
                proxy_rule((old, old_unlock), (*state, *unlock_unix_s), after.unix_s, *delay_s)
            }
            _ => continue,
        };
        checked += 1;
        if let Some(rule) = broken {
            let text = format!("{}: {rule}", after.address);
            return Checked::violated(checked, Violation::at(after.at_ns, text));
        }
    }
    Checked::held(checked)
}

/// State and unlock time before and after. The rule that is broken, if one is.
fn client_rule(before: (u8, u32), after: (u8, u32), unix_s: u32, delay_s: u32) -> Option<&'static str> {
    let (old_unlock, unlock) = (before.1, after.1);
    match (before.0, after.0) {
        (NORMAL, NORMAL) => (unlock != 0).then_some("an account that is not closing has a time to unlock"),
        (NORMAL, CLOSING) => {
            (unlock != unix_s.saturating_add(delay_s)).then_some("the refund is not locked for the client's delay")
        }
        (CLOSING, CLOSING) => (unlock != old_unlock).then_some("the time to unlock was changed"),
        // Granted by the proxy.
        (NORMAL | CLOSING | CLOSED, CLOSED) if unlock == 0 => None,
        (CLOSING, CLOSED) if unlock != old_unlock => Some("the time to unlock was changed"),
        (CLOSING, CLOSED) => (unix_s <= unlock).then_some("the refund was forced before its time"),
        (CLOSED, CLOSED) => (unlock != old_unlock).then_some("the time to unlock was changed"),
        _ => Some("the account closed without being asked, or opened again"),
    }
}

fn proxy_rule(before: (u8, u32), after: (u8, u32), unix_s: u32, delay_s: u32) -> Option<&'static str> {
    let (old_unlock, unlock) = (before.1, after.1);
    match (before.0, after.0) {
        (NORMAL, NORMAL) => (unlock != 0).then_some("a proxy that is not closing has a time to unlock"),
        (NORMAL, CLOSING) => {
            (unlock != unix_s.saturating_add(delay_s)).then_some("the closing is not locked for the proxy's delay")
        }
        (CLOSING, CLOSING) => (unlock != old_unlock).then_some("the time to unlock was changed"),
        (CLOSING, CLOSED) => (unix_s < old_unlock || unlock != 0).then_some("the proxy was closed before its time"),
        // Both steps in one block.
        (NORMAL, CLOSED) if delay_s == 0 => None,
        (CLOSED, CLOSED) => (unlock != 0).then_some("a closed proxy has a time to unlock"),
        _ => Some("the proxy closed without being asked, or opened again"),
    }
}

/// Every claim that a proxy contract refused is back in its account: the tokens count as unpaid, the coins as not
/// refunded, the top-up as not made.
pub(super) fn bounces(plan: &Plan, rows: &Rows) -> Checked {
    let unaccounted = unaccounted(plan, rows);
    let returned = rows.claims.iter().filter(|claim| claim.returned_at_ns.is_some());
    Checked {
        count: returned.count(),
        violation: unaccounted.into_iter().next().map(|lost| lost.violation),
    }
}

/// A block in which an account did not take back what came back to it.
struct Unaccounted<'a> {
    claims: Vec<&'a Claim>,
    violation: Violation,
}

fn unaccounted<'a>(plan: &Plan, rows: &'a Rows) -> Vec<Unaccounted<'a>> {
    let mut found = Vec::new();
    let returned = returned(rows);
    for (before, after) in changes(rows) {
        let Some(back) = returned.get(&(after.address.as_str(), after.at_ns)) else {
            continue;
        };
        let sent: Vec<&Claim> = rows
            .claims
            .iter()
            .filter(|claim| claim.account == after.address && claim.at_ns == after.at_ns)
            .collect();
        let text = match &after.view {
            ContractView::Worker {
                tokens, price_nanoton, ..
            } => {
                let old = match before.map(|before| &before.view) {
                    Some(ContractView::Worker { tokens, .. }) => *tokens,
                    _ => 0,
                };
                let advanced = u128::from(old) + tokens_of(&sent, *price_nanoton);
                let expected = advanced.saturating_sub(tokens_of(back, *price_nanoton));
                (u128::from(*tokens) != expected)
                    .then(|| format!("{tokens} tokens where {expected} are paid: a payout was refused"))
            }
            ContractView::Client {
                balance_nanoton,
                tokens,
                price_nanoton,
                ..
            } => {
                let (old, old_tokens) = match before.map(|before| &before.view) {
                    Some(ContractView::Client {
                        balance_nanoton,
                        tokens,
                        ..
                    }) => (*balance_nanoton, *tokens),
                    _ => (0, 0),
                };
                let sum =
                    |claims: &[&Claim], of: fn(&Claim) -> u128| claims.iter().map(|claim| of(claim)).sum::<u128>();
                let deposit = |claim: &Claim| claim.deposit_nanoton;
                let taken = |claim: &Claim| claim.due_nanoton + claim.tokens_nanoton;
                // Charges of the reference's build carry no claim: they show in the counter alone.
                let charged = if is_hardened(plan) {
                    0
                } else {
                    u128::from(tokens.saturating_sub(old_tokens)) * u128::from(*price_nanoton)
                };
                let plus = u128::from(old) + sum(&sent, deposit) + sum(back, taken);
                let minus = sum(&sent, taken) + sum(back, deposit) + charged;
                let expected = plus.saturating_sub(minus);
                (u128::from(*balance_nanoton) != expected).then(|| {
                    format!("a balance of {balance_nanoton} nanoTON where {expected} are left: a claim was refused")
                })
            }
            _ => None,
        };
        if let Some(text) = text {
            found.push(Unaccounted {
                claims: back.clone(),
                violation: Violation::at(after.at_ns, format!("{}: {text}", after.address)),
            });
        }
    }
    found
}

/// Whoever keeps to the rules gets what a contract has booked for it: a claim is paid in full, or it is back.
pub(super) fn honest_claims(plan: &Plan, facts: &Facts, rows: &Rows) -> Checked {
    let is_honest = |claim: &Claim| facts.parties.get(&claim.owner).is_none_or(|party| !party.is_adversary);
    let claims = rows
        .claims
        .iter()
        .filter(|claim| claim.due_nanoton > 0 && claim.answered_at_ns.is_some() && is_honest(claim));
    let mut checked = 0;
    let mut lost: Option<Violation> = None;
    for claim in claims {
        checked += 1;
        if lost.is_none() && !claim.is_refused && claim.paid_nanoton < claim.due_nanoton {
            let text = format!(
                "{} of {}: {} nanoTON are due, and {} were paid",
                claim.kind.name(),
                claim.account,
                claim.due_nanoton,
                claim.paid_nanoton
            );
            lost = Some(Violation::at(claim.answered_at_ns, text));
        }
    }
    let unrestored = unaccounted(plan, rows)
        .into_iter()
        .find(|lost| lost.claims.iter().any(|claim| is_honest(claim)));
    Checked {
        count: checked,
        violation: lost.or(unrestored.map(|lost| lost.violation)),
    }
}

#[cfg(test)]
mod tests;

//! Every contract action of a proxy that is due (§5.4), over all its accounts: one rule needs to see them together.
//!
//! Contracts of profile `hardened` pay workers from nothing but what clients were charged. A payout that is not covered
//! would be refused and cost its fees, so it waits, and what clients owe in small amounts is collected for it. Where
//! nothing is left to collect, as after a client's forced refund, it is paid as far as it is covered.

use std::collections::BTreeMap;

use super::{ClientAccount, WorkerAccount};
use crate::{address::Address, payment::PaymentKind};

/// A contract action: sign and submit a payment of this kind for this count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueAction {
    /// Owner of the client or worker contract.
    pub owner: Address,
    /// The contract.
    pub contract: Address,
    /// Which payment; tells clients' contracts from workers'.
    pub kind: PaymentKind,
    /// Count to sign.
    pub tokens: u64,
}

/// Starts every action that is due, at most one an account. `earned_nanoton` is what the proxy contract has charged and
/// not paid out, where its profile keeps that count.
pub fn begin_due_actions(
    clients: &mut BTreeMap<Address, ClientAccount>,
    workers: &mut BTreeMap<Address, WorkerAccount>,
    price_per_token_nanoton: u64,
    earned_nanoton: Option<u64>,
) -> Vec<DueAction> {
    let mut due = Vec::new();
    for account in clients.values_mut() {
        if let Some(action) = account.begin_action() {
            due.push(DueAction {
                owner: account.owner(),
                contract: account.contract(),
                kind: action.kind,
                tokens: action.tokens,
            });
        }
    }
    let mut earned = earned_nanoton.map(u128::from);
    let mut missing_nanoton = 0_u128;
    let mut uncovered = Vec::new();
    for account in workers.values_mut() {
        let Some(action) = account.due_action() else { continue };
        // A payout takes the whole price out of what was earned: the worker's share and the proxy's.
        let unpaid_tokens = action.tokens.saturating_sub(account.tokens_paid());
        let cost = u128::from(unpaid_tokens) * u128::from(price_per_token_nanoton);
        match &mut earned {
            Some(earned) if cost > *earned => {
                missing_nanoton += cost - *earned;
                uncovered.push(account.owner());
                continue;
            }
            Some(earned) => *earned -= cost,
            None => {}
        }
        account.begin(action);
        due.push(DueAction {
            owner: account.owner(),
            contract: account.contract(),
            kind: action.kind,
            tokens: action.tokens,
        });
    }
    // The largest debts first, until it is enough.
    let mut debts: Vec<(u128, Address)> = match missing_nanoton {
        0 => Vec::new(),
        _ => clients
            .values()
            .filter_map(|account| Some((account.chargeable_nanoton()?, account.owner())))
            .collect(),
    };
    debts.sort_by_key(|(debt, _)| std::cmp::Reverse(*debt));
    for (debt, owner) in debts {
        if missing_nanoton == 0 {
            break;
        }
        let Some(account) = clients.get_mut(&owner) else {
            continue;
        };
        if let Some(action) = account.begin_charge() {
            missing_nanoton = missing_nanoton.saturating_sub(debt);
            due.push(DueAction {
                owner,
                contract: account.contract(),
                kind: action.kind,
                tokens: action.tokens,
            });
        }
    }
    let is_collecting = due.iter().any(|action| action.kind == PaymentKind::ClientCharge);
    let mut covered_tokens = match (earned, is_collecting) {
        (Some(earned), false) => earned.checked_div(price_per_token_nanoton.into()).unwrap_or(0),
        _ => 0,
    };
    for owner in uncovered {
        let Some(account) = workers.get_mut(&owner) else {
            continue;
        };
        let paid = account.tokens_paid();
        let covered = u64::try_from(covered_tokens).unwrap_or(u64::MAX);
        let Some(action) = account.due_action_within(paid.saturating_add(covered)) else {
            continue;
        };
        covered_tokens = covered_tokens.saturating_sub(action.tokens.saturating_sub(paid).into());
        account.begin(action);
        due.push(DueAction {
            owner,
            contract: account.contract(),
            kind: action.kind,
            tokens: action.tokens,
        });
    }
    due
}

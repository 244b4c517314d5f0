//! Whether anybody who keeps to the rules has less than its operations explain, to the nano.
//!
//! What a party *has* is the coins on its wallets and on its clients' and workers' accounts, what its clients have
//! booked at proxy contracts, and the owner's share and stake of its proxy contracts. A worker has besides what it was
//! signed for and has not asked for yet: a payout is judged as if its tokens had been worth their fee before.
//!
//! Everything that came of one message from outside is judged as one: before it began and after the last of its
//! messages arrived. In between coins are on their way, and a claim that is refused is not yet back.

use super::{Checked, Violation, coins::Book};
use crate::{
    deployment::Facts,
    plan::Plan,
    recorder::{ChainTransaction, ContractView, Rows},
    users::RequestRecord,
};
use std::collections::{BTreeMap, BTreeSet};

/// What an account sends with a message that only tells its proxy's node something.
const NOTICE_NANOTON: u128 = 1;
/// Owners of owners: an account belongs to a wallet, and that to a person.
const LONGEST_OWNERSHIP: usize = 4;

/// Who is behind the addresses of a run.
pub(super) struct Holdings<'a> {
    facts: &'a Facts,
    rows: &'a Rows,
    /// Proxy contracts: what is on them belongs to many.
    pools: BTreeSet<&'a str>,
    /// Accounts of clients and workers.
    accounts: BTreeSet<&'a str>,
}

impl<'a> Holdings<'a> {
    pub(super) fn of(facts: &'a Facts, rows: &'a Rows) -> Self {
        let mut found = Self {
            facts,
            rows,
            pools: BTreeSet::new(),
            accounts: BTreeSet::new(),
        };
        for state in &rows.contracts {
            match state.view {
                ContractView::Proxy { .. } => found.pools.insert(&state.address),
                ContractView::Client { .. } | ContractView::Worker { .. } => found.accounts.insert(&state.address),
                ContractView::Frozen | ContractView::Unreadable => false,
            };
        }
        found
    }

    /// Name of the party behind an address, if there is one and it keeps to the rules.
    pub(super) fn honest(&self, address: &'a str) -> Option<&'a str> {
        let mut owner = address;
        for _step in 0..LONGEST_OWNERSHIP {
            match self.rows.owners.get(owner) {
                Some(next) => owner = next,
                None => break,
            }
        }
        let party = self.facts.parties.get(owner)?;
        (!party.is_adversary).then_some(party.name.as_str())
    }

    /// The honest party whose coins are all that is on an address.
    fn holder(&self, address: &'a str) -> Option<&'a str> {
        let is_account = self.accounts.contains(address);
        (is_account || self.is_wallet(address)).then(|| self.honest(address))?
    }

    fn is_wallet(&self, address: &str) -> bool {
        let known = self.facts.parties.get(address);
        let is_known = known.is_some_and(|party| matches!(party.part, "owner" | "wallet"));
        let is_owned = self.rows.owners.contains_key(address);
        is_known || (is_owned && !self.pools.contains(address) && !self.accounts.contains(address))
    }
}

/// What became of what a party has.
#[derive(Debug, Default, Clone, Copy)]
struct Change {
    /// More coins, more booked, more charged: the last explains the second.
    gained_nanoton: i128,
    /// Fees, and what was given away.
    explained_nanoton: u128,
}

/// Everything that came of one message from outside, or of several that met in one block of a contract.
#[derive(Debug, Default)]
struct Affair<'a> {
    from_ns: u64,
    to_ns: u64,
    /// Messages that were sent and have not arrived.
    open: i64,
    parties: BTreeMap<&'a str, Change>,
}

impl<'a> Affair<'a> {
    fn gains(&mut self, party: &'a str, nanoton: i128) {
        self.parties.entry(party).or_default().gained_nanoton += nanoton;
    }

    fn explains(&mut self, party: &'a str, nanoton: u128) {
        self.parties.entry(party).or_default().explained_nanoton += nanoton;
    }
}

fn signed(nanoton: u128) -> i128 {
    // No chain has more coins than fit in 64 bits.
    i128::try_from(nanoton).unwrap_or(i128::MAX)
}

/// Which traces belong together: what a contract's data says is known after each block, and a block may hold
/// transactions of several traces on one contract.
fn affairs_of(holdings: &Holdings<'_>, rows: &Rows) -> BTreeMap<u64, u64> {
    let mut first: BTreeMap<u64, u64> = BTreeMap::new();
    fn root(first: &BTreeMap<u64, u64>, mut trace: u64) -> u64 {
        while let Some(next) = first.get(&trace).filter(|next| **next != trace) {
            trace = *next;
        }
        trace
    }
    let mut met: BTreeMap<(&str, u64), u64> = BTreeMap::new();
    for row in &rows.transactions {
        let Some(trace) = row.trace else { continue };
        first.entry(trace).or_insert(trace);
        let account = row.account.as_str();
        if holdings.pools.contains(account) || holdings.accounts.contains(account) {
            let other = *met.entry((account, row.at_ns)).or_insert(trace);
            let (a, b) = (root(&first, trace), root(&first, other));
            first.insert(a.max(b), a.min(b));
        }
    }
    let traces: Vec<u64> = first.keys().copied().collect();
    traces.into_iter().map(|trace| (trace, root(&first, trace))).collect()
}

/// Nobody honest loses more than charges, fees and what it gave away.
pub(super) fn losses(facts: &Facts, rows: &Rows) -> Checked {
    let holdings = Holdings::of(facts, rows);
    let belongs = affairs_of(&holdings, rows);
    let mut affairs: BTreeMap<u64, Affair<'_>> = BTreeMap::new();
    add_coins(&holdings, rows, &belongs, &mut affairs);
    add_bookings(&holdings, rows, &belongs, &mut affairs);
    let mut checked = 0;
    let mut lost: Option<Violation> = None;
    for affair in affairs.values().filter(|affair| affair.open == 0) {
        for (party, change) in &affair.parties {
            checked += 1;
            let short = -change.gained_nanoton - signed(change.explained_nanoton);
            let is_earlier = lost.as_ref().is_none_or(|lost| lost.at_ns > Some(affair.to_ns));
            if short > 0 && is_earlier {
                let text = format!(
                    "{party} has {short} nanoTON less for what began at {} s, beyond charges, fees and what it gave away",
                    affair.from_ns / 1_000_000_000
                );
                lost = Some(Violation::at(affair.to_ns, text));
            }
        }
    }
    Checked {
        count: checked,
        violation: lost,
    }
}

/// Coins that came and went, and what explains it.
fn add_coins<'a>(
    holdings: &Holdings<'a>,
    rows: &'a Rows,
    belongs: &BTreeMap<u64, u64>,
    affairs: &mut BTreeMap<u64, Affair<'a>>,
) {
    // Who asked for what came of a message from outside. Whoever is charged for the same message again did not.
    let mut accepted: BTreeSet<(&str, &str)> = BTreeSet::new();
    let mut asked: BTreeMap<u64, &str> = BTreeMap::new();
    let mut is_again: BTreeSet<u64> = BTreeSet::new();
    for row in &rows.transactions {
        let (Some(trace), Some(external)) = (row.trace, &row.external) else {
            continue;
        };
        if !accepted.insert((&row.account, external)) {
            is_again.insert(trace);
        } else if let Some(party) = holdings.holder(&row.account) {
            asked.insert(trace, party);
        }
    }
    for row in &rows.transactions {
        let Some(trace) = row.trace else { continue };
        let affair = affairs
            .entry(belongs.get(&trace).copied().unwrap_or(trace))
            .or_default();
        if affair.to_ns == 0 {
            affair.from_ns = row.at_ns;
        }
        affair.to_ns = affair.to_ns.max(row.at_ns);
        affair.open += i64::try_from(row.sent.len()).unwrap_or(i64::MAX) - i64::from(row.source.is_some());
        let holder = holdings.holder(&row.account);
        let asker = asked.get(&trace).copied();
        if let Some(holder) = holder {
            affair.gains(holder, signed(row.after_nanoton) - signed(row.before_nanoton));
            let is_repeated = row.external.is_some() && is_again.contains(&trace);
            if asker != Some(holder) && !is_repeated {
                affair.explains(holder, row.fees_nanoton);
            }
            affair.explains(holder, given_away(holdings, row, holder));
        }
        if let Some(asker) = asker {
            affair.explains(asker, row.fees_nanoton);
        }
    }
}

/// What a wallet sends to others, and what an account sends to say something.
fn given_away<'a>(holdings: &Holdings<'a>, row: &'a ChainTransaction, holder: &str) -> u128 {
    let is_wallet = holdings.is_wallet(&row.account);
    row.sent
        .iter()
        .filter(|sent| holdings.holder(&sent.to) != Some(holder))
        .filter(|sent| is_wallet || sent.value_nanoton <= NOTICE_NANOTON)
        .map(|sent| sent.value_nanoton)
        .sum()
}

/// What contracts have booked for their owners, more or less than before.
fn add_bookings<'a>(
    holdings: &Holdings<'a>,
    rows: &'a Rows,
    belongs: &BTreeMap<u64, u64>,
    affairs: &mut BTreeMap<u64, Affair<'a>>,
) {
    let mut cause: BTreeMap<(&str, u64), u64> = BTreeMap::new();
    for row in &rows.transactions {
        if let Some(affair) = row.trace.and_then(|trace| belongs.get(&trace)) {
            cause.insert((&row.account, row.at_ns), *affair);
        }
    }
    for (before, after) in super::settlement::changes(rows) {
        let Some(owner) = holdings.honest(&after.address) else {
            continue;
        };
        let Some(affair) = cause.get(&(after.address.as_str(), after.at_ns)) else {
            continue;
        };
        let more = worth(&after.view) - before.map_or(0, |before| worth(&before.view));
        affairs.entry(*affair).or_default().gains(owner, more);
    }
}

/// What a contract has booked for its owner, and for which charges it has booked less.
fn worth(view: &ContractView) -> i128 {
    let tokens_at = |tokens: u64, nanoton: u64| signed(u128::from(tokens) * u128::from(nanoton));
    match view {
        ContractView::Proxy {
            share_nanoton,
            stake_nanoton,
            ..
        } => i128::from(*share_nanoton) + i128::from(*stake_nanoton),
        ContractView::Client {
            balance_nanoton,
            tokens,
            price_nanoton,
            ..
        } => i128::from(*balance_nanoton) + tokens_at(*tokens, *price_nanoton),
        ContractView::Worker {
            tokens, fee_nanoton, ..
        } => -tokens_at(*tokens, *fee_nanoton),
        ContractView::Frozen | ContractView::Unreadable => 0,
    }
}

/// No client of the network is charged for more tokens than its requests used.
pub(super) fn charges(plan: &Plan, facts: &Facts, requests: &[RequestRecord], rows: &Rows) -> Checked {
    let book = Book::of(plan, requests, rows);
    let accounts = facts.accounts_by_address();
    let mut checked = 0;
    for state in &rows.contracts {
        let (ContractView::Client { tokens, .. }, Some(account)) = (&state.view, accounts.get(state.address.as_str()))
        else {
            continue;
        };
        if *tokens == 0 {
            continue;
        }
        checked += 1;
        let booked = book.most(account, state.at_ns);
        if *tokens > booked {
            let text = format!(
                "{} is charged for {tokens} tokens at {}, and used {booked}",
                account.holder, state.address
            );
            return Checked::violated(checked, Violation::at(state.at_ns, text));
        }
    }
    Checked::held(checked)
}

#[cfg(test)]
mod tests;

//! Movements of money, by what they are and whom they concern.

use std::collections::BTreeMap;

use crate::store::RunStore;

/// Payments of one kind between one proxy and one counterparty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentSummary {
    /// Kind of payment.
    pub kind: String,
    /// Proxy on whose books they are.
    pub proxy: String,
    /// Client or worker.
    pub counterparty: String,
    /// Number of payments.
    pub count: u64,
    /// Sum of the changes of the account, in billed units.
    pub delta_tokens: i128,
    /// Sum of money.
    pub nanoton: u128,
}

/// What proxies booked for requests of these runs beyond what they signed for: the last bookings of a run are signed by
/// a later bill, and what a proxy loses when it dies before it is written is never signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsigned {
    /// Kind of the payments that would cover it.
    pub kind: &'static str,
    /// Billed units.
    pub tokens: u128,
    /// What they are worth.
    pub nanoton: u128,
}

/// See [`Unsigned`]: what clients have not been charged and workers not been paid yet; kinds without any are left out.
pub fn unsigned(runs: &[RunStore]) -> Vec<Unsigned> {
    let requests = || runs.iter().flat_map(|run| &run.tables().requests);
    let booked: u128 = requests().map(|row| u128::from(row.adjusted_tokens)).sum();
    let worth = [
        (
            "client_charge",
            requests().map(|row| u128::from(row.cost_nanoton)).sum::<u128>(),
        ),
        (
            "worker_payout",
            requests().map(|row| u128::from(row.worker_fee_nanoton)).sum::<u128>(),
        ),
    ];
    let mut all = Vec::new();
    for (kind, worth) in worth {
        let (mut tokens, mut nanoton) = (0_i128, 0_u128);
        let payments = runs.iter().flat_map(|run| &run.tables().payments);
        for row in payments.filter(|row| row.kind == kind) {
            tokens += i128::from(row.delta_tokens);
            nanoton += u128::from(row.nanoton);
        }
        let signed = u128::try_from(tokens).unwrap_or(0);
        if let Some(tokens) = booked.checked_sub(signed).filter(|tokens| *tokens > 0) {
            all.push(Unsigned {
                kind,
                tokens,
                nanoton: worth.saturating_sub(nanoton),
            });
        }
    }
    all
}

/// Payments of these runs, ordered by kind, proxy and counterparty.
pub fn payments(runs: &[RunStore]) -> Vec<PaymentSummary> {
    let mut groups: BTreeMap<(&str, &str, &str), (u64, i128, u128)> = BTreeMap::new();
    let all = runs.iter().flat_map(|run| &run.tables().payments);
    // Coins on the chain are on nobody's books.
    for row in all.filter(|row| !row.proxy.is_empty()) {
        let (count, delta_tokens, nanoton) = groups.entry((&row.kind, &row.proxy, &row.counterparty)).or_default();
        *count += 1;
        *delta_tokens += i128::from(row.delta_tokens);
        *nanoton += u128::from(row.nanoton);
    }
    groups
        .into_iter()
        .map(
            |((kind, proxy, counterparty), (count, delta_tokens, nanoton))| PaymentSummary {
                kind: kind.to_owned(),
                proxy: proxy.to_owned(),
                counterparty: counterparty.to_owned(),
                count,
                delta_tokens,
                nanoton,
            },
        )
        .collect()
}

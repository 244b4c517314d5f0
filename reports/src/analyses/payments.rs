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

/// Payments of these runs, ordered by kind, proxy and counterparty.
pub fn payments(runs: &[RunStore]) -> Vec<PaymentSummary> {
    let mut groups: BTreeMap<(&str, &str, &str), (u64, i128, u128)> = BTreeMap::new();
    for row in runs.iter().flat_map(|run| &run.tables().payments) {
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

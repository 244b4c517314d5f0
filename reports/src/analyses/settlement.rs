//! What happened on the chain: who paid whom for what, and what operations cost.

use std::collections::BTreeMap;

use crate::store::RunStore;

/// Coins that went from one party to another for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// Who paid.
    pub payer: String,
    /// Why.
    pub reason: String,
    /// Who was paid.
    pub payee: String,
    /// Number of messages.
    pub count: u64,
    /// Coins.
    pub nanoton: u128,
}

/// The reason of coins that go to whoever runs the chain.
const FEES: &str = "fees";
/// Who runs it.
const NETWORK: &str = "the chain";

/// Flows of coins on the chain, the largest first. Fees go to the chain itself.
pub fn flows(runs: &[RunStore]) -> Vec<Flow> {
    let mut flows: BTreeMap<(&str, &str, &str), (u64, u128)> = BTreeMap::new();
    let mut add = |payer, reason, payee, nanoton: u64| {
        if nanoton > 0 {
            let (count, sum) = flows.entry((payer, reason, payee)).or_default();
            *count += 1;
            *sum += u128::from(nanoton);
        }
    };
    for run in runs {
        for row in run.tables().payments.iter().filter(|row| row.proxy.is_empty()) {
            add(&row.payer, &row.kind, &row.payee, row.nanoton);
        }
        for row in &run.tables().transactions {
            add(&row.account, FEES, NETWORK, row.fees_nanoton);
        }
    }
    let mut flows: Vec<Flow> = flows
        .into_iter()
        .map(|((payer, reason, payee), (count, nanoton))| Flow {
            payer: payer.to_owned(),
            reason: reason.to_owned(),
            payee: payee.to_owned(),
            count,
            nanoton,
        })
        .collect();
    // A stable sort: equal amounts stay in the order of their names.
    flows.sort_by_key(|flow| std::cmp::Reverse(flow.nanoton));
    flows
}

/// Transactions of one operation on one kind of account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationSummary {
    /// Kind of account.
    pub part: String,
    /// Operation.
    pub operation: String,
    /// Number of transactions.
    pub count: u64,
    /// Of these, those in which a contract refused or could not do what it was asked for.
    pub failed: u64,
    /// Gas of all of them.
    pub gas: u128,
    /// Fees that they paid.
    pub fees_nanoton: u128,
    /// What gas and messages cost at the prices until April 2026.
    pub old_price_nanoton: u128,
    /// The same at the prices since then.
    pub new_price_nanoton: u128,
}

/// What operations cost, ordered by account and name.
pub fn operations(runs: &[RunStore]) -> Vec<OperationSummary> {
    let mut operations: BTreeMap<(&str, &str), OperationSummary> = BTreeMap::new();
    for row in runs.iter().flat_map(|run| &run.tables().transactions) {
        let summary = operations
            .entry((&row.part, &row.operation))
            .or_insert_with(|| OperationSummary {
                part: row.part.clone(),
                operation: row.operation.clone(),
                count: 0,
                failed: 0,
                gas: 0,
                fees_nanoton: 0,
                old_price_nanoton: 0,
                new_price_nanoton: 0,
            });
        summary.count += 1;
        let failed = |code: Option<i64>| code.is_some_and(|code| code != 0);
        summary.failed += u64::from(failed(row.exit_code) || failed(row.action_code));
        summary.gas += u128::from(row.gas_used);
        summary.fees_nanoton += u128::from(row.fees_nanoton);
        summary.old_price_nanoton += u128::from(row.old_price_nanoton);
        summary.new_price_nanoton += u128::from(row.new_price_nanoton);
    }
    operations.into_values().collect()
}

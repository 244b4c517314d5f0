//! What came of a message: the tree of transactions, gas and fees by operation, the flow of value.

use std::collections::BTreeMap;
use std::sync::Arc;

use tycho_types::cell::HashBytes;
use tycho_types::models::StdAddr;

use crate::chain::{Chain, Message, MessageKind, TxRecord};

/// Where the fees of a transaction went, in nano.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeeSplit {
    /// Storage of the account.
    pub storage_nanoton: u128,
    /// Import of an external message.
    pub import_nanoton: u128,
    /// Gas.
    pub compute_nanoton: u128,
    /// Part of the forwarding fees of created messages that is collected at once, and fines.
    pub action_nanoton: u128,
    /// Forwarding fee that came with the message and is collected on its delivery.
    pub forward_nanoton: u128,
}

impl FeeSplit {
    /// All of it.
    #[must_use]
    pub const fn total_nanoton(&self) -> u128 {
        self.storage_nanoton + self.import_nanoton + self.compute_nanoton + self.action_nanoton + self.forward_nanoton
    }

    /// Fees of one transaction.
    #[must_use]
    pub fn of(record: &TxRecord) -> Self {
        Self {
            storage_nanoton: record.phases.storage_fee_nanoton,
            import_nanoton: record.phases.import_fee_nanoton,
            compute_nanoton: record.phases.gas_fee_nanoton,
            action_nanoton: record.phases.action_fee_nanoton,
            forward_nanoton: record.delivery_fee_nanoton,
        }
    }

    const fn add(&mut self, other: &Self) {
        self.storage_nanoton += other.storage_nanoton;
        self.import_nanoton += other.import_nanoton;
        self.compute_nanoton += other.compute_nanoton;
        self.action_nanoton += other.action_nanoton;
        self.forward_nanoton += other.forward_nanoton;
    }
}

/// A transaction in a trace.
#[derive(Debug, Clone)]
pub struct TraceRow {
    /// Place of the transaction whose message caused this one; none for the root.
    pub parent: Option<usize>,
    /// Distance from the root.
    pub depth: usize,
    /// The transaction.
    pub record: Arc<TxRecord>,
    /// Fees.
    pub fees: FeeSplit,
    /// Value that came with the message in nano.
    pub value_in_nanoton: u128,
    /// Value that left with created messages in nano.
    pub value_out_nanoton: u128,
}

impl TraceRow {
    /// First 32 bits of the body of the message; none when it is shorter or there is no message.
    #[must_use]
    pub fn op(&self) -> Option<u32> {
        self.record.in_message.as_ref().and_then(|message| message.op)
    }
}

/// Gas and fees of every transaction with the same operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OperationCost {
    /// Transactions.
    pub transactions: u64,
    /// Those that failed.
    pub aborted: u64,
    /// Gas.
    pub gas: u64,
    /// Fees.
    pub fees: FeeSplit,
}

/// How a transaction is told apart in a table of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// A message from outside; its body has no operation by convention.
    External,
    /// A message without a body, or one too short for an operation.
    Plain,
    /// A message that was sent back.
    Bounced,
    /// An internal message with this operation.
    Op(u32),
    /// Tick or tock.
    TickTock,
}

impl Operation {
    /// Operation of a transaction.
    #[must_use]
    pub fn of(record: &TxRecord) -> Self {
        match record.in_message.as_deref() {
            None => Self::TickTock,
            Some(message) => match (&message.kind, message.op) {
                (MessageKind::Internal { bounced: true, .. }, _) => Self::Bounced,
                (MessageKind::Internal { .. }, Some(op)) => Self::Op(op),
                (MessageKind::Internal { .. }, None) => Self::Plain,
                (MessageKind::ExternalIn { .. } | MessageKind::ExternalOut { .. }, _) => Self::External,
            },
        }
    }
}

/// Value that went from one account to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowEdge {
    /// Sender.
    pub from: StdAddr,
    /// Receiver.
    pub to: StdAddr,
    /// Messages.
    pub messages: u64,
    /// Value in nano.
    pub value_nanoton: u128,
}

/// The transactions that came of one message, parents before children, children in order of logical time.
#[derive(Debug, Clone)]
pub struct Trace {
    /// The transactions; the first is the root.
    pub rows: Vec<TraceRow>,
    /// Messages that were created and not yet delivered.
    pub pending: Vec<Arc<Message>>,
}

impl Trace {
    /// Whether everything that was sent has arrived.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.pending.is_empty()
    }

    /// All fees.
    #[must_use]
    pub fn fees(&self) -> FeeSplit {
        let mut fees = FeeSplit::default();
        for row in &self.rows {
            fees.add(&row.fees);
        }
        fees
    }
}

/// Gas and fees by operation, and value by sender and receiver, over any transactions.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    operations: BTreeMap<Operation, OperationCost>,
    flows: BTreeMap<(StdAddr, StdAddr), (u64, u128)>,
}

impl Ledger {
    /// Adds a transaction.
    pub fn add(&mut self, record: &TxRecord) {
        let cost = self.operations.entry(Operation::of(record)).or_default();
        cost.transactions += 1;
        cost.aborted += u64::from(record.phases.aborted);
        cost.gas += record.phases.gas_used;
        cost.fees.add(&FeeSplit::of(record));
        if let Some(message) = &record.in_message
            && let MessageKind::Internal {
                from,
                to,
                value_nanoton,
                ..
            } = &message.kind
        {
            let flow = self.flows.entry((from.clone(), to.clone())).or_default();
            flow.0 += 1;
            flow.1 += value_nanoton;
        }
    }

    /// Gas and fees by operation.
    #[must_use]
    pub const fn operations(&self) -> &BTreeMap<Operation, OperationCost> {
        &self.operations
    }

    /// Value by sender and receiver: the edges of a Sankey diagram.
    #[must_use]
    pub fn flows(&self) -> Vec<FlowEdge> {
        self.flows
            .iter()
            .map(|((from, to), (messages, value_nanoton))| FlowEdge {
                from: from.clone(),
                to: to.clone(),
                messages: *messages,
                value_nanoton: *value_nanoton,
            })
            .collect()
    }
}

impl<'a> FromIterator<&'a TxRecord> for Ledger {
    fn from_iter<I: IntoIterator<Item = &'a TxRecord>>(records: I) -> Self {
        let mut ledger = Self::default();
        for record in records {
            ledger.add(record);
        }
        ledger
    }
}

impl Chain {
    /// What came of a message. None while it has no transaction (or history is not kept).
    #[must_use]
    pub fn trace(&self, message: &HashBytes) -> Option<Trace> {
        Some(self.trace_from(self.transaction_by_message(message)?))
    }

    /// The whole trace that a transaction belongs to, from the message that began it.
    #[must_use]
    pub fn trace_of_transaction(&self, hash: &HashBytes) -> Option<Trace> {
        let mut record = self.transaction(hash)?;
        while let Some(parent) = self.parent(&record) {
            record = parent;
        }
        Some(self.trace_from(record))
    }

    /// The transaction whose message caused this one. Logical time falls with every step, so a walk ends.
    fn parent(&self, record: &TxRecord) -> Option<Arc<TxRecord>> {
        let message = record.in_message.as_ref()?;
        self.transaction_by_out_lt(message.from()?, message.created_lt)
    }

    fn trace_from(&self, root: Arc<TxRecord>) -> Trace {
        let mut trace = Trace {
            rows: Vec::new(),
            pending: Vec::new(),
        };
        let mut stack = vec![(None, 0, root)];
        while let Some((parent, depth, record)) = stack.pop() {
            let place = trace.rows.len();
            let mut children = Vec::new();
            for message in record.out_messages.iter().filter(|message| message.to().is_some()) {
                match self.transaction_by_message(&message.hash) {
                    Some(child) => children.push((Some(place), depth + 1, child)),
                    None => trace.pending.push(message.clone()),
                }
            }
            stack.extend(children.into_iter().rev());
            trace.rows.push(TraceRow {
                parent,
                depth,
                fees: FeeSplit::of(&record),
                value_in_nanoton: record.in_message.as_ref().map_or(0, |message| message.value_nanoton()),
                value_out_nanoton: record.out_messages.iter().map(|message| message.value_nanoton()).sum(),
                record,
            });
        }
        trace
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{COIN, broken_order, external, genesis, order, player_address, run};
    use crate::wallet::Transfer;

    /// 0 orders 1 to pay 2 and to send something to 3 that fails and comes back.
    fn played() -> (Chain, HashBytes) {
        let mut chain = Chain::new(genesis(4, 100)).unwrap();
        let failing = Transfer {
            bounce: true,
            body: Some(broken_order()),
            ..Transfer::new(player_address(3), COIN)
        };
        let inner = order(&[Transfer::new(player_address(2), 2 * COIN), failing]);
        let outer = Transfer {
            body: Some(inner),
            ..Transfer::new(player_address(1), 5 * COIN)
        };
        let hash = chain.submit(&external(&player_address(0), &[outer], 0)).unwrap();
        assert!(chain.trace(&hash).is_none());
        run(&mut chain, 2);
        (chain, hash)
    }

    #[test]
    fn a_trace_is_the_tree_of_its_messages() {
        let (chain, hash) = played();
        let trace = chain.trace(&hash).unwrap();
        assert!(trace.is_complete());
        let shape: Vec<_> = trace
            .rows
            .iter()
            .map(|row| (row.depth, row.parent, row.record.address.clone()))
            .collect();
        let at = player_address;
        assert_eq!(
            shape,
            [
                (0, None, at(0)),
                (1, Some(0), at(1)),
                (2, Some(1), at(2)),
                (2, Some(1), at(3)),
                (3, Some(3), at(1))
            ]
        );
        assert_eq!(trace.rows[1].op(), Some(1));
        assert_eq!(trace.rows[3].record.phases.exit_code, Some(9));
        assert_eq!(trace.rows[1].value_out_nanoton, 3 * COIN);
        // From any transaction of it the whole trace is found.
        let last = trace.rows.last().unwrap().record.hash;
        let again = chain.trace_of_transaction(&last).unwrap();
        assert_eq!(again.rows.len(), trace.rows.len());
        assert_eq!(again.rows[0].record.hash, trace.rows[0].record.hash);
    }

    #[test]
    fn fees_of_a_trace_are_all_that_the_accounts_lost() {
        let (chain, hash) = played();
        let trace = chain.trace(&hash).unwrap();
        for row in &trace.rows {
            let split = row.fees.total_nanoton();
            assert_eq!(split, row.record.total_fees_nanoton + row.record.delivery_fee_nanoton);
        }
        let left: u128 = (0..4).map(|index| chain.balance_nanoton(&player_address(index))).sum();
        assert_eq!(left + trace.fees().total_nanoton(), 400 * COIN);
        assert!(trace.fees().import_nanoton < trace.fees().compute_nanoton);
    }

    #[test]
    fn a_ledger_sums_by_operation_and_by_pair() {
        let (chain, hash) = played();
        let trace = chain.trace(&hash).unwrap();
        let ledger: Ledger = trace.rows.iter().map(|row| row.record.as_ref()).collect();
        let count = |operation| ledger.operations().get(&operation).map_or(0, |cost| cost.transactions);
        assert_eq!(count(Operation::External), 1);
        assert_eq!(count(Operation::Op(1)), 2);
        assert_eq!(count(Operation::Plain), 1);
        assert_eq!(count(Operation::Bounced), 1);
        assert_eq!(ledger.operations()[&Operation::Op(1)].aborted, 1);
        let flow = |from, to| {
            let (from, to) = (player_address(from), player_address(to));
            ledger
                .flows()
                .into_iter()
                .find(|edge| edge.from == from && edge.to == to)
                .unwrap()
                .value_nanoton
        };
        assert_eq!(flow(0, 1), 5 * COIN);
        assert_eq!(flow(1, 2), 2 * COIN);
        assert!(flow(3, 1) < COIN);
    }

    #[test]
    fn what_is_still_on_its_way_is_pending() {
        let mut plan = genesis(8, 10);
        plan.shards.initial_depth = 1;
        let mut chain = Chain::new(plan).unwrap();
        let side = |left: bool| {
            (0..8)
                .find(|i| (player_address(*i).address.0[0] < 0x80) == left)
                .unwrap()
        };
        let pay = Transfer::new(player_address(side(false)), COIN);
        let hash = chain.submit(&external(&player_address(side(true)), &[pay], 0)).unwrap();
        run(&mut chain, 1);
        assert_eq!(chain.trace(&hash).unwrap().pending.len(), 1);
        run(&mut chain, 1);
        assert!(chain.trace(&hash).unwrap().is_complete());
    }
}

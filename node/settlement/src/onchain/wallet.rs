//! The node wallet's queue (§5.6): which orders go into the next external message, and when it is sent again.
//!
//! Two things make it safe. An external message is signed once per number and repeated byte for byte until it has
//! expired, so that at most one set of orders can ever execute under a number. And orders leave the queue only when
//! the chain shows a larger number, never because a message was handed to somebody.

use std::collections::VecDeque;

use super::message::wallet::{
    MAX_ORDERS, MODE_FEES_APART, MODE_FEES_FROM_VALUE, Order, OutgoingMessage, WalletExternal,
};
use crate::keys::SigningKey;

const TON: u64 = 1_000_000_000;

/// The rules of a node wallet. [`Default`] has the network's (§5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalletRules {
    /// Nothing is sent with less.
    pub min_balance_nanoton: u64,
    /// An operator is warned below this.
    pub warn_balance_nanoton: u64,
    /// Counted for each message beside its value.
    pub reserve_per_message_nanoton: u64,
    /// Most that the messages of one external message may count together.
    pub max_batch_nanoton: u64,
    /// How long an external message is valid.
    pub valid_s: u32,
    /// How long to wait before the same message is sent again.
    pub resend_s: u32,
    /// Zero in this network.
    pub subwallet: u32,
}

impl Default for WalletRules {
    fn default() -> Self {
        Self {
            min_balance_nanoton: 2_100_000_000,
            warn_balance_nanoton: 5 * TON,
            reserve_per_message_nanoton: TON / 10,
            max_batch_nanoton: 1000 * TON,
            valid_s: 3600,
            resend_s: 30,
            subwallet: 0,
        }
    }
}

/// A queued message, named by its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The caller's name for it.
    pub id: u64,
    /// What to send.
    pub message: OutgoingMessage,
}

/// Why a message cannot be queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnqueueError {
    /// It could never be sent.
    #[error("a message of {value_nanoton} nanoTON is more than one external message may carry")]
    TooLarge {
        /// Value of the message.
        value_nanoton: u128,
    },
}

#[derive(Clone, Debug)]
struct Batch {
    messages: Vec<Queued>,
    external: WalletExternal,
    sent_s: u32,
}

/// Messages that a wallet still has to send. A pure state machine: the caller reads the chain and sends.
#[derive(Clone, Debug, Default)]
pub struct WalletQueue {
    rules: WalletRules,
    waiting: VecDeque<Queued>,
    in_flight: Option<Batch>,
}

impl WalletQueue {
    /// An empty queue.
    pub const fn new(rules: WalletRules) -> Self {
        Self {
            rules,
            waiting: VecDeque::new(),
            in_flight: None,
        }
    }

    /// Messages that wait, those in flight included.
    pub fn len(&self) -> usize {
        self.waiting.len() + self.in_flight.as_ref().map_or(0, |batch| batch.messages.len())
    }

    /// Whether nothing waits and nothing is in flight.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether an operator should add coins.
    pub const fn is_low(&self, balance_nanoton: u64) -> bool {
        balance_nanoton < self.rules.warn_balance_nanoton
    }

    /// Appends a message. Order is kept: a message that does not fit the balance holds up those behind it.
    ///
    /// # Errors
    /// A message that could never be sent.
    pub fn enqueue(&mut self, id: u64, message: OutgoingMessage) -> Result<(), EnqueueError> {
        let value_nanoton = message.value.nanoton();
        if self.counted(value_nanoton) > u128::from(self.rules.max_batch_nanoton) {
            return Err(EnqueueError::TooLarge { value_nanoton });
        }
        self.waiting.push_back(Queued { id, message });
        Ok(())
    }

    /// What to send now, if anything, given the wallet as the chain shows it.
    pub fn next_external(
        &mut self,
        now_s: u32,
        seqno: u32,
        balance_nanoton: u64,
        key: &SigningKey,
    ) -> Option<WalletExternal> {
        if let Some(batch) = &mut self.in_flight {
            // An older view of the chain, or orders that `observe` has to report first.
            if seqno != batch.external.seqno {
                return None;
            }
            if now_s >= batch.external.valid_until {
                // Expired: nobody can execute it any more, so it may be signed anew.
                let orders = batch.external.orders().to_vec();
                batch.external = sign(&self.rules, key, now_s, seqno, orders)?;
            } else if now_s < batch.sent_s.saturating_add(self.rules.resend_s) {
                return None;
            }
            batch.sent_s = now_s;
            return Some(batch.external.clone());
        }
        if balance_nanoton < self.rules.min_balance_nanoton {
            return None;
        }
        let limit = u128::from(balance_nanoton.min(self.rules.max_batch_nanoton));
        let mut counted = 0;
        let mut fitting = 0;
        for queued in self.waiting.iter().take(MAX_ORDERS) {
            counted += self.counted(queued.message.value.nanoton());
            if counted > limit {
                break;
            }
            fitting += 1;
        }
        if fitting == 0 {
            return None;
        }
        let messages: Vec<_> = self.waiting.drain(..fitting).collect();
        let orders = messages.iter().map(|queued| order(&queued.message)).collect();
        let external = sign(&self.rules, key, now_s, seqno, orders)?;
        self.in_flight = Some(Batch {
            messages,
            external: external.clone(),
            sent_s: now_s,
        });
        Some(external)
    }

    /// Takes the wallet's number as the chain shows it and returns the messages that were executed with it.
    ///
    /// Only this key can have moved the number. If another process has it too, what it sent is taken for ours: a
    /// wallet belongs to one process.
    pub fn observe(&mut self, seqno: u32) -> Vec<Queued> {
        match self.in_flight.take_if(|batch| seqno > batch.external.seqno) {
            Some(batch) => batch.messages,
            None => Vec::new(),
        }
    }

    fn counted(&self, value_nanoton: u128) -> u128 {
        value_nanoton + u128::from(self.rules.reserve_per_message_nanoton)
    }
}

/// Tiny values could not pay for their own fees.
fn order(message: &OutgoingMessage) -> Order {
    let mode = if message.value.nanoton() > 1 {
        MODE_FEES_FROM_VALUE
    } else {
        MODE_FEES_APART
    };
    Order {
        mode,
        message: message.to_cell(),
    }
}

/// `None` never happens: a batch has at most [`MAX_ORDERS`].
fn sign(rules: &WalletRules, key: &SigningKey, now_s: u32, seqno: u32, orders: Vec<Order>) -> Option<WalletExternal> {
    WalletExternal::sign(key, rules.subwallet, now_s.saturating_add(rules.valid_s), seqno, orders)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tycho_types::cell::Cell;

    use super::*;
    use crate::{contracts::vectors, onchain::Coins};

    fn message(value_nanoton: u64) -> OutgoingMessage {
        OutgoingMessage {
            bounce: true,
            dest: vectors::ROOT,
            value: Coins::from(value_nanoton),
            state_init: None,
            body: Cell::default(),
        }
    }

    fn queue(values: &[u64]) -> WalletQueue {
        let mut queue = WalletQueue::new(WalletRules::default());
        for (id, value) in values.iter().enumerate() {
            queue.enqueue(id as u64, message(*value)).unwrap();
        }
        queue
    }

    #[test]
    fn at_most_four_messages_in_their_order() {
        let (mut queue, key) = (queue(&[TON; 6]), vectors::key());
        let first = queue.next_external(100, 0, 50 * TON, &key).unwrap();
        assert_eq!((first.orders().len(), first.seqno, first.valid_until), (4, 0, 3700));
        assert!(first.verifies(&key.public()));
        assert_eq!(queue.observe(0), []);
        let executed: Vec<_> = queue.observe(1).iter().map(|queued| queued.id).collect();
        assert_eq!(executed, [0, 1, 2, 3]);
        assert_eq!(queue.next_external(101, 1, 50 * TON, &key).unwrap().orders().len(), 2);
        queue.observe(2);
        assert!(queue.is_empty());
    }

    #[test]
    fn values_and_reserves_must_fit_the_balance() {
        let key = vectors::key();
        // Two of 1 TON and their reserves are 2.2 TON; the third would be 3.3.
        assert_eq!(
            queue(&[TON; 3])
                .next_external(0, 0, 3_299_999_999, &key)
                .unwrap()
                .orders()
                .len(),
            2
        );
        assert_eq!(
            queue(&[TON; 3])
                .next_external(0, 0, 3_300_000_000, &key)
                .unwrap()
                .orders()
                .len(),
            3
        );
        // The first message holds up the others.
        assert_eq!(queue(&[5 * TON, 1]).next_external(0, 0, 5 * TON, &key), None);
        // Too little altogether, however small the message.
        assert_eq!(queue(&[1]).next_external(0, 0, 2_099_999_999, &key), None);
        assert!(queue(&[1]).next_external(0, 0, 2_100_000_000, &key).is_some());
        // A rich wallet is limited too.
        let large = 499 * TON + 900_000_000;
        assert_eq!(
            queue(&[large, large, 1])
                .next_external(0, 0, 9000 * TON, &key)
                .unwrap()
                .orders()
                .len(),
            2
        );
        let mut queue = queue(&[]);
        assert_eq!(
            queue.enqueue(0, message(1000 * TON)),
            Err(EnqueueError::TooLarge {
                value_nanoton: 1000 * u128::from(TON)
            })
        );
        assert!(queue.is_low(4 * TON) && !queue.is_low(5 * TON));
    }

    #[test]
    fn fees_of_tiny_values_come_from_the_balance() {
        let (mut queue, key) = (queue(&[0, 1, 2]), vectors::key());
        let external = queue.next_external(0, 0, 50 * TON, &key).unwrap();
        let modes: Vec<_> = external.orders().iter().map(|order| order.mode).collect();
        assert_eq!(modes, [1, 1, 0]);
    }

    #[test]
    fn the_same_message_is_repeated_until_it_expires() {
        let (mut queue, key) = (queue(&[TON, TON]), vectors::key());
        let first = queue.next_external(1000, 7, 50 * TON, &key).unwrap();
        queue.enqueue(9, message(TON)).unwrap();
        assert_eq!(queue.next_external(1029, 7, 50 * TON, &key), None, "too early");
        assert_eq!(
            queue.next_external(1030, 7, 50 * TON, &key),
            Some(first.clone()),
            "byte for byte"
        );
        assert_eq!(
            queue.next_external(1031, 6, 50 * TON, &key),
            None,
            "an older view of the chain"
        );
        // Also when the balance is gone: what was signed stays valid.
        assert_eq!(queue.next_external(1060, 7, 0, &key), Some(first.clone()));
        let renewed = queue.next_external(4600, 7, 50 * TON, &key).unwrap();
        assert_eq!(
            (renewed.seqno, renewed.valid_until, renewed.orders()),
            (7, 8200, first.orders())
        );
        assert_eq!(queue.observe(8).len(), 2);
        assert_eq!(queue.next_external(4601, 8, 50 * TON, &key).unwrap().orders().len(), 1);
    }

    /// Against a model of the wallet contract that executes, loses or delays what it is given: every message is sent
    /// once, in order.
    #[derive(Clone, Debug)]
    enum Step {
        Enqueue(u64),
        Wait(u32),
        Execute(usize),
        Observe,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..3 * TON).prop_map(Step::Enqueue),
            (0..2000_u32).prop_map(Step::Wait),
            any::<usize>().prop_map(Step::Execute),
            Just(Step::Observe),
        ]
    }

    proptest! {
        #[test]
        fn every_message_is_sent_once_and_in_order(steps in proptest::collection::vec(step(), 0..80)) {
            let key = vectors::key();
            let mut queue = WalletQueue::new(WalletRules::default());
            let (mut now, mut seqno, mut queued) = (1000_u32, 0_u32, 0_u64);
            let mut on_the_way: Vec<WalletExternal> = Vec::new();
            let (mut executed, mut reported) = (0, Vec::new());
            for step in steps {
                match step {
                    Step::Enqueue(value) => {
                        queue.enqueue(queued, message(value)).unwrap();
                        queued += 1;
                    }
                    Step::Wait(seconds) => {
                        now += seconds;
                        on_the_way.extend(queue.next_external(now, seqno, 100 * TON, &key));
                    }
                    Step::Execute(which) => {
                        let Some(external) = on_the_way.get(which % on_the_way.len().max(1)) else { continue };
                        // The contract's own checks; a copy may arrive again later.
                        if external.seqno == seqno && external.valid_until > now {
                            seqno += 1;
                            executed += external.orders().len();
                        }
                    }
                    Step::Observe => reported.extend(queue.observe(seqno).into_iter().map(|queued| queued.id)),
                }
            }
            reported.extend(queue.observe(seqno).into_iter().map(|queued| queued.id));
            prop_assert_eq!(reported.len(), executed);
            prop_assert_eq!(reported, (0..executed as u64).collect::<Vec<_>>());
            prop_assert_eq!(queue.len() as u64, queued - executed as u64);
        }
    }
}

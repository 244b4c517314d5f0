//! What always holds, computed anew from the cells: the running numbers of the chain are not trusted here.

use std::collections::BTreeMap;

use tycho_types::cell::HashBytes;
use tycho_types::error::Error;
use tycho_types::models::StdAddr;

use super::message::Message;
use super::shards::contains;
use super::{Block, Chain};

/// Where the coins are, in nano.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Audit {
    /// What the genesis issued.
    pub issued_nanoton: u128,
    /// Balances of accounts.
    pub balances_nanoton: u128,
    /// Value and forwarding fees of messages on their way.
    pub in_flight_nanoton: u128,
    /// Fees collected.
    pub fees_nanoton: u128,
    /// Destroyed.
    pub burned_nanoton: u128,
    /// In messages that could not be executed.
    pub stranded_nanoton: u128,
}

impl Audit {
    /// Everything but what was issued.
    #[must_use]
    pub const fn total_nanoton(&self) -> u128 {
        self.balances_nanoton + self.in_flight_nanoton + self.fees_nanoton + self.burned_nanoton + self.stranded_nanoton
    }
}

/// Something that must never be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Coins came from nowhere or went nowhere.
    #[error("{found_nanoton} nano found where {issued_nanoton} were issued")]
    Conservation {
        /// Coins found.
        found_nanoton: u128,
        /// Coins issued.
        issued_nanoton: u128,
    },
    /// A number of the chain differs from the cells.
    #[error("the balance of {address} is {cells_nanoton} nano in its cells and {kept_nanoton} beside them")]
    Balance {
        /// The account.
        address: StdAddr,
        /// In the cells.
        cells_nanoton: u128,
        /// Beside them.
        kept_nanoton: u128,
    },
    /// Logical time of an account went back.
    #[error("logical time of {address} went from {before} to {after}")]
    LogicalTime {
        /// The account.
        address: StdAddr,
        /// End of the earlier transaction.
        before: u64,
        /// Logical time of the later one.
        after: u64,
    },
    /// A message waits in a shard that does not hold its receiver.
    #[error("message {0} waits in a shard that does not hold its receiver")]
    WrongShard(HashBytes),
    /// A message was taken twice.
    #[error("message {0} was delivered twice")]
    DeliveredTwice(HashBytes),
    /// A message is nowhere.
    #[error("message {0} was lost")]
    Lost(HashBytes),
    /// A message was taken from a queue before one that was in front of it.
    #[error("message {0} was taken from its queue out of order")]
    QueueOrder(HashBytes),
    /// A message was taken before it was created.
    #[error("message {hash} with logical time {lt} was taken at logical time {at_lt}")]
    BeforeItsTime {
        /// The message.
        hash: HashBytes,
        /// When it was created.
        lt: u64,
        /// When it was taken.
        at_lt: u64,
    },
    /// Cells that cannot be read.
    #[error("cells: {0}")]
    Cells(#[from] Error),
}

impl Chain {
    /// Where the coins are, read from the cells of every account and message.
    pub fn audit(&self) -> Result<Audit, Violation> {
        let mut audit = Audit {
            issued_nanoton: self.state.coins.issued_nanoton,
            fees_nanoton: self.state.coins.fees_nanoton,
            burned_nanoton: self.state.coins.burned_nanoton,
            stranded_nanoton: self.state.coins.stranded_nanoton,
            ..Audit::default()
        };
        for (address, entry) in &self.state.accounts {
            let cells_nanoton = entry
                .account()?
                .map_or(0, |account| account.balance.tokens.into_inner());
            if cells_nanoton != entry.balance_nanoton {
                return Err(Violation::Balance {
                    address: address.clone(),
                    cells_nanoton,
                    kept_nanoton: entry.balance_nanoton,
                });
            }
            audit.balances_nanoton += cells_nanoton;
        }
        for envelope in self.in_flight() {
            let message = Message::parse(envelope.message.cell.clone()).map_err(|_| Error::InvalidData)?;
            audit.in_flight_nanoton += message.value_nanoton() + message.forward_fee_nanoton();
        }
        for shard in self.state.shards.values() {
            if let Some(envelope) = shard
                .inbox
                .values()
                .find(|envelope| !contains(&shard.ident, &envelope.to))
            {
                return Err(Violation::WrongShard(envelope.message.hash));
            }
        }
        if audit.total_nanoton() != audit.issued_nanoton {
            return Err(Violation::Conservation {
                found_nanoton: audit.total_nanoton(),
                issued_nanoton: audit.issued_nanoton,
            });
        }
        Ok(audit)
    }
}

/// Follows blocks and checks that messages are neither lost nor doubled and that logical time goes on.
#[derive(Debug, Clone, Default)]
pub struct MessageLedger {
    end_lt: BTreeMap<StdAddr, u64>,
    pending: BTreeMap<HashBytes, u64>,
    delivered: BTreeMap<HashBytes, u64>,
}

impl MessageLedger {
    /// Takes the next block, in the order in which they are made.
    pub fn follow(&mut self, block: &Block) -> Result<(), Violation> {
        let mut last_key = None;
        for record in &block.transactions {
            if let Some(key) = record.queue_key {
                if last_key.is_some_and(|last| key <= last) {
                    return Err(Violation::QueueOrder(key.1));
                }
                last_key = Some(key);
            }
            let end_lt = self.end_lt.entry(record.address.clone()).or_default();
            if record.lt < *end_lt {
                return Err(Violation::LogicalTime {
                    address: record.address.clone(),
                    before: *end_lt,
                    after: record.lt,
                });
            }
            *end_lt = record.end_lt;
            if let Some(message) = record.in_message.as_ref().filter(|message| message.from().is_some()) {
                if self.delivered.insert(message.hash, record.lt).is_some() {
                    return Err(Violation::DeliveredTwice(message.hash));
                }
                if self.pending.remove(&message.hash).is_none() {
                    return Err(Violation::Lost(message.hash));
                }
                if record.lt <= message.created_lt {
                    let (hash, lt) = (message.hash, message.created_lt);
                    return Err(Violation::BeforeItsTime {
                        hash,
                        lt,
                        at_lt: record.lt,
                    });
                }
            }
            for message in record.out_messages.iter().filter(|message| message.to().is_some()) {
                self.pending.insert(message.hash, message.created_lt);
            }
        }
        Ok(())
    }

    /// Checks that what was sent and not delivered is still on its way in `chain`.
    pub fn settle(&self, chain: &Chain) -> Result<(), Violation> {
        let mut on_the_way: BTreeMap<HashBytes, u32> = BTreeMap::new();
        for envelope in chain.in_flight() {
            *on_the_way.entry(envelope.message.hash).or_default() += 1;
        }
        if let Some((hash, _)) = on_the_way.iter().find(|(_, count)| **count > 1) {
            return Err(Violation::DeliveredTwice(*hash));
        }
        if let Some(hash) = self.pending.keys().find(|hash| !on_the_way.contains_key(*hash)) {
            return Err(Violation::Lost(*hash));
        }
        match on_the_way.keys().find(|hash| !self.pending.contains_key(*hash)) {
            Some(hash) => Err(Violation::DeliveredTwice(*hash)),
            None => Ok(()),
        }
    }

    /// Messages sent and not yet delivered.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
    }
}

//! Blocks and transactions as the chain records them.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use tycho_types::cell::{Cell, HashBytes};
use tycho_types::models::{AccountStatus, BlockId, ShardIdent, StdAddr};

use super::message::{Message, QueueKey};
use super::pool::DropReason;
use crate::exec::PhaseSummary;

/// A block by its place: chain, shard prefix, number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockNumber {
    /// -1 or 0.
    pub workchain: i32,
    /// Prefix of the shard with its end bit.
    pub shard: u64,
    /// Number of the block.
    pub seqno: u32,
}

/// A block by its place and its hashes.
///
/// The hashes commit to everything a block holds, but they are not those of a serialised TL-B block: blocks here are
/// records, and nothing in the simulation checks a Merkle proof against them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockRef {
    /// Its place.
    pub number: BlockNumber,
    /// Hash of its content.
    pub root_hash: HashBytes,
    /// A second hash, as every block identifier has one.
    pub file_hash: HashBytes,
}

impl BlockRef {
    /// As the executor names it; none when the shard prefix is no prefix.
    pub(super) fn to_block_id(self) -> Option<BlockId> {
        Some(BlockId {
            shard: ShardIdent::new(self.number.workchain, self.number.shard)?,
            seqno: self.number.seqno,
            root_hash: self.root_hash,
            file_hash: self.file_hash,
        })
    }
}

/// A transaction as the chain records it.
#[derive(Debug, Clone)]
pub struct TxRecord {
    /// Account.
    pub address: StdAddr,
    /// Logical time.
    pub lt: u64,
    /// First logical time after it.
    pub end_lt: u64,
    /// Unix time of its block.
    pub now_unix_s: u32,
    /// Hash of the transaction.
    pub hash: HashBytes,
    /// Root of the transaction.
    pub cell: Cell,
    /// Its block.
    pub block: BlockNumber,
    /// The previous transaction of the account: logical time and hash, zeros for none.
    pub previous: (u64, HashBytes),
    /// The message that caused it; none for tick and tock.
    pub in_message: Option<Arc<Message>>,
    /// Place by which the message waited in the queue of its shard; none when it came straight from its sender, from a
    /// dispatch queue or from outside.
    pub queue_key: Option<QueueKey>,
    /// Messages it created.
    pub out_messages: Vec<Arc<Message>>,
    /// What its phases did.
    pub phases: PhaseSummary,
    /// Fees collected by the transaction in nano.
    pub total_fees_nanoton: u128,
    /// Forwarding fee that came with the internal message and is collected on delivery, in nano.
    pub delivery_fee_nanoton: u128,
    /// Value destroyed at the black hole address in nano.
    pub burned_nanoton: u128,
    /// Balance before in nano.
    pub balance_before_nanoton: u128,
    /// Balance after in nano.
    pub balance_after_nanoton: u128,
    /// Status before.
    pub status_before: AccountStatus,
    /// Status after.
    pub status_after: AccountStatus,
    /// Hash of the account before.
    pub account_hash_before: HashBytes,
    /// Hash of the account after.
    pub account_hash_after: HashBytes,
}

/// A block.
#[derive(Debug, Clone)]
pub struct Block {
    /// Place and hashes.
    pub id: BlockRef,
    /// Slot in which it was made.
    pub slot: u64,
    /// Virtual time at which it was made.
    pub at_ns: u64,
    /// Unix time it carries.
    pub now_unix_s: u32,
    /// Logical time at which it begins.
    pub start_lt: u64,
    /// First logical time after it.
    pub end_lt: u64,
    /// The block before it: two after a merge.
    pub previous: Vec<BlockRef>,
    /// Last masterchain block it knows; none for the first masterchain block.
    pub masterchain: Option<BlockRef>,
    /// In a masterchain block: the last block of every shard.
    pub shards: Vec<BlockRef>,
    /// Transactions in order of execution.
    pub transactions: Vec<Arc<TxRecord>>,
    /// Gas used.
    pub gas_used: u64,
    /// Fees collected in nano, delivery included.
    pub fees_nanoton: u128,
    /// Whether a limit was reached.
    pub full: bool,
}

impl Block {
    /// Computes the hashes from everything else.
    pub(super) fn seal(&mut self) {
        let mut hash = Sha256::new();
        hash.update(b"chrysalis block 1");
        hash.update(self.id.number.workchain.to_be_bytes());
        hash.update(self.id.number.shard.to_be_bytes());
        hash.update(self.id.number.seqno.to_be_bytes());
        for number in [self.slot, self.at_ns, self.start_lt, self.end_lt, self.gas_used] {
            hash.update(number.to_be_bytes());
        }
        hash.update(self.fees_nanoton.to_be_bytes());
        for list in [&self.previous, &self.shards] {
            hash.update((list.len() as u64).to_be_bytes());
            for block in list {
                hash.update(block.root_hash.as_slice());
            }
        }
        if let Some(block) = &self.masterchain {
            hash.update(block.root_hash.as_slice());
        }
        hash.update((self.transactions.len() as u64).to_be_bytes());
        for transaction in &self.transactions {
            hash.update(transaction.hash.as_slice());
            hash.update(transaction.account_hash_after.as_slice());
        }
        let root: [u8; 32] = hash.finalize().into();
        let file: [u8; 32] = Sha256::new().chain_update(b"file").chain_update(root).finalize().into();
        self.id.root_hash = HashBytes(root);
        self.id.file_hash = HashBytes(file);
    }
}

/// What happened while time went on.
#[derive(Debug, Clone)]
pub enum BlockEvent {
    /// A block was made.
    Block(Arc<Block>),
    /// No block was made in a slot.
    SlotMissed {
        /// The slot.
        slot: u64,
        /// The chain that missed it.
        workchain: i32,
        /// Its shard.
        shard: u64,
    },
    /// An external message left the pool without a transaction.
    ExternalDropped {
        /// Its hash.
        hash: HashBytes,
        /// Why.
        reason: DropReason,
    },
    /// A message could not be executed at all: its coins stay with the network.
    Stranded {
        /// Its hash.
        hash: HashBytes,
        /// Value and forwarding fee in nano.
        coins_nanoton: u128,
        /// Why.
        reason: String,
    },
    /// A shard was split in two.
    ShardSplit {
        /// Prefix of the shard that was split.
        shard: u64,
    },
    /// Two shards became one.
    ShardMerge {
        /// Prefix of the shard that they became.
        shard: u64,
    },
    /// Another configuration came into force.
    ConfigChanged {
        /// Virtual time of the first block under it.
        at_ns: u64,
    },
}

impl BlockEvent {
    /// The block, if one was made.
    pub fn into_block(self) -> Option<Arc<Block>> {
        match self {
            Self::Block(block) => Some(block),
            _ => None,
        }
    }
}

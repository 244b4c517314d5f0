//! One block: what is executed in it, in which order, and where its messages go.
//!
//! Order of the reference node: dispatch queue, tick, messages from queues by (logical time, hash), external messages,
//! each followed by the messages that come of it, tock; what is left of the new messages goes to queues.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tycho_types::cell::HashBytes;
use tycho_types::models::{ShardAccount, StdAddr, TickTock};

use super::account::{AccountEntry, no_account};
use super::block::{Block, BlockEvent, BlockRef, TxRecord};
use super::genesis::{BlockLimits, Genesis};
use super::message::{Envelope, Message, QueueKey};
use super::pool::DropReason;
use super::shards::{ShardKey, ShardState};
use super::state::State;
use crate::exec::{BlockContext, ExecError, Executed, StorageDictCache, execute_message, execute_tick_tock};

/// Logical times of blocks are multiples of this.
const LT_STEP: u64 = 1_000_000;
/// New messages of one sender in a block after which further ones are deferred.
const DEFER_AFTER: u32 = 10;
/// Deferred messages of one sender released in a block, after the first round of one each.
const DISPATCH_PER_SENDER: u32 = 20;
/// Deferred messages released in a block.
const DISPATCH_TOTAL: u32 = 150;

/// Makes the next block of a shard. None when the shard is not there.
pub(super) fn collate(
    genesis: &Genesis,
    state: &mut State,
    cache: &mut StorageDictCache,
    key: ShardKey,
    events: &mut Vec<BlockEvent>,
) -> Result<Option<Arc<Block>>, tycho_types::error::Error> {
    let Some(shard) = state.shards.remove(&key) else {
        return Ok(None);
    };
    let mut collator = Collator::new(genesis, state, cache, shard, events);
    collator.dispatch()?;
    collator.tick_tock(TickTock::Tick)?;
    collator.inbound()?;
    collator.externals()?;
    collator.new_messages()?;
    collator.tick_tock(TickTock::Tock)?;
    Ok(Some(collator.finish()))
}

struct NewMessage {
    envelope: Envelope,
    /// The first message of a transaction is never deferred for its sender's count.
    first_of_transaction: bool,
}

struct Collator<'a> {
    genesis: &'a Genesis,
    state: &'a mut State,
    cache: &'a mut StorageDictCache,
    events: &'a mut Vec<BlockEvent>,
    shard: ShardState,
    context: BlockContext,
    limits: BlockLimits,
    block: Block,
    /// While messages wait in the inbox, new ones have to queue behind them.
    inbound_done: bool,
    new: BTreeMap<QueueKey, NewMessage>,
    sent: BTreeMap<StdAddr, u32>,
    released: u64,
    /// Accounts that ceased to exist in this block: until its end they remember their last transaction, so that logical
    /// time does not go back when another message reaches them.
    gone: BTreeMap<StdAddr, Arc<AccountEntry>>,
}

impl<'a> Collator<'a> {
    fn new(
        genesis: &'a Genesis,
        state: &'a mut State,
        cache: &'a mut StorageDictCache,
        shard: ShardState,
        events: &'a mut Vec<BlockEvent>,
    ) -> Self {
        let masterchain = state.last_masterchain_block();
        let is_masterchain = shard.ident.is_masterchain();
        // Later than everything it may import: its own blocks, and all that the masterchain refers to.
        let known = if is_masterchain {
            state.shards.values().map(|other| other.end_lt).max().unwrap_or(0)
        } else {
            state.masterchain().map_or(0, |chain| chain.end_lt)
        };
        let start_lt = (known.max(shard.end_lt) / LT_STEP + 1) * LT_STEP;
        let now_unix_s = unix_s(genesis, state.now_ns);
        let number = shard.next_number();
        let mut seed = Sha256::new();
        seed.update(genesis.seed);
        seed.update(number.workchain.to_be_bytes());
        seed.update(number.shard.to_be_bytes());
        seed.update(number.seqno.to_be_bytes());
        let context = BlockContext::new(
            state.config.clone(),
            now_unix_s,
            start_lt,
            HashBytes(seed.finalize().into()),
            masterchain.and_then(BlockRef::to_block_id),
        );
        let limits = genesis
            .congestion
            .iter()
            .find(|window| state.now_ns >= window.from_ns && state.now_ns < window.to_ns)
            .map_or(genesis.limits, |window| window.limits);
        let block = Block {
            id: BlockRef {
                number,
                root_hash: HashBytes::ZERO,
                file_hash: HashBytes::ZERO,
            },
            slot: state.slot,
            at_ns: state.now_ns,
            now_unix_s,
            start_lt,
            end_lt: start_lt + 1,
            previous: shard.previous.clone(),
            masterchain,
            shards: Vec::new(),
            transactions: Vec::new(),
            gas_used: 0,
            fees_nanoton: 0,
            full: false,
        };
        Self {
            genesis,
            state,
            cache,
            events,
            shard,
            context,
            limits,
            block,
            inbound_done: false,
            new: BTreeMap::new(),
            sent: BTreeMap::new(),
            released: 0,
            gone: BTreeMap::new(),
        }
    }

    fn has_room(&mut self, soft: bool) -> bool {
        let (gas, lt) = if soft {
            (self.limits.gas_soft, self.limits.lt_soft)
        } else {
            (self.limits.gas_hard, self.limits.lt_hard)
        };
        let room = self.block.gas_used < gas && self.block.end_lt - self.block.start_lt < lt;
        self.block.full |= !room;
        room
    }

    /// One message of every sender by logical time, then up to twenty of each, 150 in all. The messages leave the
    /// queue with a logical time of this block; they are executed with the new messages.
    fn dispatch(&mut self) -> Result<(), tycho_types::error::Error> {
        let mut budget = DISPATCH_TOTAL;
        for per_sender in [1, DISPATCH_PER_SENDER] {
            let mut senders: Vec<(u64, StdAddr)> = self
                .shard
                .dispatch
                .iter()
                .filter_map(|(sender, queue)| Some((queue.get_min()?.0, sender.clone())))
                .collect();
            senders.sort();
            for (_, sender) in senders {
                for _ in 0..per_sender {
                    if budget == 0 || !self.has_room(true) {
                        return Ok(());
                    }
                    if !self.release(&sender) {
                        break;
                    }
                    budget -= 1;
                }
            }
        }
        Ok(())
    }

    fn release(&mut self, sender: &StdAddr) -> bool {
        let Some(mut queue) = self.shard.dispatch.remove(sender) else {
            return false;
        };
        let Some((lt, envelope)) = queue.get_min().cloned() else {
            return false;
        };
        queue.remove(&lt);
        if !queue.is_empty() {
            self.shard.dispatch.insert(sender.clone(), queue);
        }
        self.released += 1;
        let envelope = Envelope {
            queue_lt: self.block.start_lt + self.released,
            dispatched: true,
            ..(*envelope).clone()
        };
        self.block.end_lt = self.block.end_lt.max(envelope.queue_lt + 1);
        self.new.insert(
            envelope.key(),
            NewMessage {
                envelope,
                first_of_transaction: true,
            },
        );
        true
    }

    fn tick_tock(&mut self, kind: TickTock) -> Result<(), tycho_types::error::Error> {
        if !self.shard.ident.is_masterchain() {
            return Ok(());
        }
        let accounts = self.state.tick_tock.clone();
        for (address, tick, tock) in accounts.iter() {
            let wanted = match kind {
                TickTock::Tick => *tick,
                TickTock::Tock => *tock,
            };
            if wanted {
                let (account, entry) = self.account(address)?;
                let min_lt = self.min_lt(entry.as_deref(), 0);
                let result = execute_tick_tock(&self.context, self.cache, address, kind, &account, min_lt);
                if let Ok(executed) = result {
                    self.commit(address, None, None, entry.as_deref(), &account, executed)?;
                }
            }
        }
        Ok(())
    }

    fn inbound(&mut self) -> Result<(), tycho_types::error::Error> {
        while let Some((key, envelope)) = self.shard.inbox.get_min().cloned() {
            if !self.has_room(false) {
                return Ok(());
            }
            self.shard.inbox.remove(&key);
            self.execute(&envelope, Some(key))?;
        }
        self.inbound_done = true;
        Ok(())
    }

    fn externals(&mut self) -> Result<(), tycho_types::error::Error> {
        if !self.inbound_done {
            return Ok(());
        }
        let now_ns = self.state.now_ns;
        let shard = &self.shard;
        for key in self.state.pool.ready(now_ns, |address| shard.contains(address)) {
            if !self.has_room(true) {
                return Ok(());
            }
            let Some(external) = self.state.pool.take(&key) else {
                continue;
            };
            let (account, entry) = self.account(&external.to)?;
            let min_lt = self.min_lt(entry.as_deref(), 0);
            let cell = &external.message.cell;
            match execute_message(&self.context, self.cache, &external.to, cell, &account, min_lt) {
                Ok(executed) => {
                    let message = Some(external.message.clone());
                    self.commit(&external.to, message, None, entry.as_deref(), &account, executed)?;
                    self.new_messages()?;
                }
                Err(ExecError::NotAccepted { exit_code }) => {
                    if !self.state.pool.retry(&external, now_ns, &self.genesis.pool) {
                        let reason = DropReason::NotAccepted { exit_code };
                        self.events.push(BlockEvent::ExternalDropped {
                            hash: external.message.hash,
                            reason,
                        });
                    }
                }
                Err(error) => {
                    let reason = DropReason::Invalid(error.to_string());
                    self.events.push(BlockEvent::ExternalDropped {
                        hash: external.message.hash,
                        reason,
                    });
                }
            }
        }
        Ok(())
    }

    /// Executes new messages of this shard while there is room; the others go to queues.
    fn new_messages(&mut self) -> Result<(), tycho_types::error::Error> {
        while let Some((_, new)) = self.new.pop_first() {
            let NewMessage {
                envelope,
                first_of_transaction,
            } = new;
            if !envelope.dispatched && self.must_defer(&envelope, first_of_transaction) {
                let lt = envelope.message.created_lt;
                let mut queue = self.shard.dispatch.remove(&envelope.from).unwrap_or_default();
                queue.insert(lt, Arc::new(envelope.clone()));
                self.shard.dispatch.insert(envelope.from, queue);
                continue;
            }
            if !self.shard.contains(&envelope.to) {
                self.shard.unreferenced.push_back(Arc::new(envelope));
            } else if self.inbound_done && self.has_room(true) {
                self.execute(&envelope, None)?;
            } else {
                self.shard.inbox.insert(envelope.key(), Arc::new(envelope));
            }
        }
        Ok(())
    }

    fn must_defer(&mut self, envelope: &Envelope, first_of_transaction: bool) -> bool {
        if envelope.from.is_masterchain() {
            return false;
        }
        let mut defer = self.shard.dispatch.contains_key(&envelope.from);
        if !first_of_transaction {
            let sent = self.sent.entry(envelope.from.clone()).or_default();
            *sent += 1;
            let queued = self.shard.inbox.len() + self.shard.unreferenced.len();
            let limit = self.context.config().parsed().size_limits.defer_out_queue_size_limit as usize;
            defer |= *sent > DEFER_AFTER || queued > limit;
        }
        defer
    }

    fn account(
        &self,
        address: &StdAddr,
    ) -> Result<(ShardAccount, Option<Arc<AccountEntry>>), tycho_types::error::Error> {
        match self.state.accounts.get(address).or_else(|| self.gone.get(address)) {
            Some(entry) => Ok((entry.state.clone(), Some(entry.clone()))),
            None => Ok((no_account()?, None)),
        }
    }

    /// Logical time of a transaction: after the block began, after its message, after the account's last.
    fn min_lt(&self, entry: Option<&AccountEntry>, message_lt: u64) -> u64 {
        (self.block.start_lt + 1)
            .max(message_lt + 1)
            .max(entry.map_or(0, |entry| entry.end_lt))
    }

    fn execute(&mut self, envelope: &Envelope, queue_key: Option<QueueKey>) -> Result<(), tycho_types::error::Error> {
        let (account, entry) = self.account(&envelope.to)?;
        let min_lt = self.min_lt(entry.as_deref(), envelope.queue_lt);
        let cell = &envelope.message.cell;
        match execute_message(&self.context, self.cache, &envelope.to, cell, &account, min_lt) {
            Ok(executed) => {
                let message = Some(envelope.message.clone());
                self.commit(&envelope.to, message, queue_key, entry.as_deref(), &account, executed)
            }
            Err(error) => {
                let coins_nanoton = envelope.coins_nanoton();
                self.state.coins.stranded_nanoton += coins_nanoton;
                self.events.push(BlockEvent::Stranded {
                    hash: envelope.message.hash,
                    coins_nanoton,
                    reason: error.to_string(),
                });
                Ok(())
            }
        }
    }

    fn commit(
        &mut self,
        address: &StdAddr,
        in_message: Option<Arc<Message>>,
        queue_key: Option<QueueKey>,
        entry: Option<&AccountEntry>,
        before: &ShardAccount,
        executed: Executed,
    ) -> Result<(), tycho_types::error::Error> {
        let mut out_messages = Vec::with_capacity(executed.out_messages.len());
        for cell in executed.out_messages {
            // The action phase has rewritten every address to a standard one of an existing workchain.
            match Message::parse(cell) {
                Ok(message) => out_messages.push(Arc::new(message)),
                Err(_) => return Err(tycho_types::error::Error::InvalidData),
            }
        }
        for (index, message) in out_messages.iter().enumerate() {
            if let Some(envelope) = Envelope::new(message.clone()) {
                self.new.insert(
                    envelope.key(),
                    NewMessage {
                        envelope,
                        first_of_transaction: index == 0,
                    },
                );
            }
        }
        let phases = executed.phases;
        let delivery_fee_nanoton = in_message.as_ref().map_or(0, |message| message.forward_fee_nanoton());
        let record = Arc::new(TxRecord {
            address: address.clone(),
            lt: executed.lt,
            end_lt: executed.end_lt,
            now_unix_s: self.block.now_unix_s,
            hash: *executed.transaction.repr_hash(),
            cell: executed.transaction,
            block: self.block.id.number,
            previous: (before.last_trans_lt, before.last_trans_hash),
            in_message,
            queue_key,
            out_messages,
            phases,
            total_fees_nanoton: executed.total_fees_nanoton,
            delivery_fee_nanoton,
            burned_nanoton: executed.burned_nanoton,
            balance_before_nanoton: entry.map_or(0, |entry| entry.balance_nanoton),
            balance_after_nanoton: executed.balance_nanoton,
            status_before: entry.map_or(tycho_types::models::AccountStatus::NotExists, |entry| entry.status),
            status_after: executed.end_status,
            account_hash_before: *before.account.repr_hash(),
            account_hash_after: *executed.state.account.repr_hash(),
        });
        self.block.gas_used += phases.gas_used;
        self.block.end_lt = self.block.end_lt.max(executed.end_lt);
        self.block.fees_nanoton += executed.total_fees_nanoton + delivery_fee_nanoton;
        self.state.coins.fees_nanoton += executed.total_fees_nanoton + delivery_fee_nanoton;
        self.state.coins.burned_nanoton += executed.burned_nanoton;
        let after = Arc::new(AccountEntry {
            state: executed.state,
            balance_nanoton: executed.balance_nanoton,
            status: executed.end_status,
            end_lt: executed.end_lt,
        });
        if executed.exists {
            self.state.accounts.insert(address.clone(), after);
        } else {
            self.state.accounts.remove(address);
            self.gone.insert(address.clone(), after);
        }
        if self.genesis.keep_history {
            let place = (record.address.clone(), record.lt);
            if let Some(message) = &record.in_message {
                self.state.history.by_in_message.insert(message.hash, place.clone());
            }
            self.state.history.by_hash.insert(record.hash, place.clone());
            self.state.history.transactions.insert(place, record.clone());
        }
        self.block.transactions.push(record);
        Ok(())
    }

    fn finish(mut self) -> Arc<Block> {
        if self.shard.ident.is_masterchain() {
            self.block.shards = self
                .state
                .shards
                .values()
                .filter(|shard| !shard.ident.is_masterchain())
                .flat_map(|shard| shard.previous.clone())
                .collect();
        }
        self.block.seal();
        let shard = &mut self.shard;
        shard.seqno = self.block.id.number.seqno;
        shard.previous = vec![self.block.id];
        shard.end_lt = self.block.end_lt;
        shard.full_blocks = if self.block.full { shard.full_blocks + 1 } else { 0 };
        shard.idle_blocks = if self.block.transactions.is_empty() {
            shard.idle_blocks + 1
        } else {
            0
        };
        let block = Arc::new(self.block);
        if self.genesis.keep_history {
            self.state.history.blocks.insert(block.id.number, block.clone());
        }
        self.state.shards.insert(self.shard.key(), self.shard);
        self.events.push(BlockEvent::Block(block.clone()));
        block
    }
}

/// Unix time at a virtual time.
pub(super) fn unix_s(genesis: &Genesis, now_ns: u64) -> u32 {
    genesis
        .start_unix_s
        .saturating_add(u32::try_from(now_ns / 1_000_000_000).unwrap_or(u32::MAX))
}

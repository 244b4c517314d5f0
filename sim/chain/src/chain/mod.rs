//! The chain: accounts, queues, blocks in virtual time.
//!
//! | module | holds |
//! |---|---|
//! | [`genesis`] | what a chain begins with, and its plans: configurations, missed slots, congestion |
//! | [`faults`] | faults of external messages and of finality, as data |
//! | [`account`], [`message`], [`block`] | what the chain is made of |
//! | [`shards`] | shards of workchain 0, split and merge by plan or load |
//! | [`provider`] | what a reader is told: the latest, a final, a stale or a false state |
//! | [`invariant`] | conservation and order, computed anew from the cells |
//! | `pool`, `collator`, `state`, `giver` | external messages, one block, all that changes, the faucet's account |
//! | `restore` | a state taken apart and put together |

pub mod account;
pub mod block;
mod collator;
#[cfg(test)]
mod fault_tests;
pub mod faults;
pub mod genesis;
mod giver;
pub mod invariant;
pub mod message;
mod pool;
pub mod provider;
mod restore;
pub mod shards;
mod state;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use tycho_types::cell::{Cell, HashBytes};
use tycho_types::error::Error;
use tycho_types::models::StdAddr;

pub use account::{AccountEntry, address_of, state_init};
pub use block::{Block, BlockEvent, BlockNumber, BlockRef, TxRecord};
pub use faults::{ExternalFault, ExternalFaultKind, ExternalFilter, Faults, SlowFinality};
pub use genesis::{BlockLimits, ConfigChange, Congestion, Genesis, GenesisAccount, MissedSlots, PoolLimits, Producer};
pub use invariant::{Audit, MessageLedger, Violation};
pub use message::{Envelope, Message, MessageError, MessageKind, QueueKey};
pub use pool::{DropReason, MessageHash, Refused};
pub use provider::{Lie, Provider, View};
pub use restore::RestoreError;
pub(crate) use restore::{Restored, RestoredShard};
pub use shards::{AutoShards, ShardChange, ShardPolicy};
pub use state::Coins;

use crate::boc::{self, BocLimits};
use crate::exec::{
    BlockContext, Config, ExecError, GetMethodError, GetMethodResult, StackValue, StorageDictCache, check_external,
    execute_message, run_get_method,
};
use crate::wallet::Transfer;
use shards::MASTERCHAIN;
use state::State;

/// How a chain can fail.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// Cells that the chain itself made or was given cannot be read.
    #[error("cells: {0}")]
    Cells(#[from] Error),
    /// A configuration of the plan.
    #[error(transparent)]
    Config(#[from] crate::exec::ConfigError),
    /// A plan that cannot be followed.
    #[error("genesis: {0}")]
    Genesis(&'static str),
}

/// Why a get-method has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// There is no such account.
    #[error("the account does not exist")]
    NoAccount,
    /// It cannot be run.
    #[error(transparent)]
    GetMethod(#[from] GetMethodError),
    /// Its cells cannot be read.
    #[error("cells: {0}")]
    Cells(#[from] Error),
}

/// A state as it was after a masterchain block.
#[derive(Debug)]
struct KeptState {
    final_at_ns: u64,
    state: State,
}

/// A point to come back to. Costs a few reference counts, whatever the chain holds.
#[derive(Debug, Clone)]
pub struct Snapshot {
    state: State,
    kept: VecDeque<Arc<KeptState>>,
}

/// The simulated chain.
#[derive(Debug)]
pub struct Chain {
    genesis: Arc<Genesis>,
    state: State,
    kept: VecDeque<Arc<KeptState>>,
    cache: StorageDictCache,
}

impl Chain {
    /// A chain at virtual time 0.
    pub fn new(genesis: Genesis) -> Result<Self, ChainError> {
        if genesis.block_interval_ns == 0 {
            return Err(ChainError::Genesis("an interval of zero between blocks"));
        }
        if !genesis
            .config_changes
            .windows(2)
            .all(|pair| pair[0].from_ns <= pair[1].from_ns)
        {
            return Err(ChainError::Genesis("changes of the configuration out of order"));
        }
        let state = State::new(&genesis)?;
        Ok(Self {
            genesis: Arc::new(genesis),
            state,
            kept: VecDeque::new(),
            cache: StorageDictCache::default(),
        })
    }

    /// What the chain began with.
    #[must_use]
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// Virtual time of the last slot.
    #[must_use]
    pub const fn now_ns(&self) -> u64 {
        self.state.now_ns
    }

    /// Unix time of the last slot.
    #[must_use]
    pub fn now_unix_s(&self) -> u32 {
        collator::unix_s(&self.genesis, self.state.now_ns)
    }

    /// Virtual time of the next slot.
    #[must_use]
    pub fn next_block_at_ns(&self) -> u64 {
        (self.state.slot + 1).saturating_mul(self.genesis.block_interval_ns)
    }

    /// The configuration in force.
    #[must_use]
    pub const fn config(&self) -> &Arc<Config> {
        &self.state.config
    }

    /// Makes every block up to and including `now_ns`. To look at the chain after every slot, advance to
    /// [`Chain::next_block_at_ns`] each time.
    pub fn advance(&mut self, now_ns: u64) -> Result<Vec<BlockEvent>, ChainError> {
        let mut events = Vec::new();
        while self.next_block_at_ns() <= now_ns {
            self.slot(&mut events)?;
        }
        Ok(events)
    }

    fn slot(&mut self, events: &mut Vec<BlockEvent>) -> Result<(), ChainError> {
        self.state.slot += 1;
        self.state.now_ns = self.state.slot * self.genesis.block_interval_ns;
        let now_ns = self.state.now_ns;
        self.update_config(events)?;
        shards::deliver_transit(&mut self.state);
        let mut dropped = Vec::new();
        self.state.pool.advance(now_ns, &mut dropped);
        events.extend(
            dropped
                .into_iter()
                .map(|(hash, reason)| BlockEvent::ExternalDropped { hash, reason }),
        );

        let shards: Vec<_> = self
            .state
            .shards
            .keys()
            .copied()
            .filter(|key| *key != MASTERCHAIN)
            .collect();
        for key in shards.into_iter().chain([MASTERCHAIN]) {
            let (workchain, shard) = key;
            let slot = self.state.slot;
            if self
                .genesis
                .missed_slots
                .iter()
                .any(|missed| missed.covers(slot, key == MASTERCHAIN))
            {
                events.push(BlockEvent::SlotMissed { slot, workchain, shard });
                continue;
            }
            collator::collate(&self.genesis, &mut self.state, &mut self.cache, key, events)?;
            if key == MASTERCHAIN {
                let extra_ns = self.genesis.faults.extra_finality_ns(now_ns);
                shards::reference_shards(&mut self.state, extra_ns);
                shards::change(&mut self.state, &self.genesis.shards, events);
                self.keep(now_ns + self.genesis.finality_delay_ns.saturating_add(extra_ns));
            }
        }
        Ok(())
    }

    fn keep(&mut self, final_at_ns: u64) {
        if self.genesis.kept_states == 0 {
            return;
        }
        while self.kept.len() >= self.genesis.kept_states {
            self.kept.pop_front();
        }
        self.kept.push_back(Arc::new(KeptState {
            final_at_ns,
            state: self.state.clone(),
        }));
    }

    fn update_config(&mut self, events: &mut Vec<BlockEvent>) -> Result<(), ChainError> {
        let now_ns = self.state.now_ns;
        let changes = &self.genesis.config_changes[self.state.config_changes_done..];
        let due = changes.iter().take_while(|change| change.from_ns <= now_ns).count();
        if due > 0 {
            self.state.config = changes[due - 1].config.clone();
            self.state.config_changes_done += due;
            events.push(BlockEvent::ConfigChanged { at_ns: now_ns });
        }
        let now_unix_s = self.now_unix_s();
        if due > 0 || now_unix_s >= self.state.config.valid_until_unix_s() {
            self.state.config = Arc::new(self.state.config.at(now_unix_s)?);
        }
        Ok(())
    }

    /// Takes an external message for a coming block.
    ///
    /// Admission is that of a node: form, size, pool limits, and whether the account would pay for it now, after the
    /// messages to it that wait already.
    pub fn submit(&mut self, boc: &[u8]) -> Result<MessageHash, Refused> {
        let limits = &self.state.config.parsed().size_limits;
        let boc_limits = BocLimits {
            bytes: limits.max_ext_msg_size as usize,
            cells: limits.max_msg_cells as usize,
            depth: usize::from(limits.max_ext_msg_depth),
        };
        let message = Message::parse(boc::decode(boc, boc_limits)?)?;
        let MessageKind::ExternalIn { to } = message.kind.clone() else {
            return Err(Refused::NotExternal);
        };
        let now_ns = self.state.now_ns;
        self.state.pool.room(&self.genesis.pool, now_ns, &message.hash, &to)?;
        self.would_accept(&to, &message.cell)?;
        let hash = message.hash;
        self.state
            .pool
            .submit(Arc::new(message), &to, now_ns, &self.genesis.pool, &self.genesis.faults);
        Ok(hash)
    }

    fn would_accept(&mut self, to: &StdAddr, message: &Cell) -> Result<(), Refused> {
        let not_accepted = |error: ExecError| match error {
            ExecError::NotAccepted { exit_code } => Refused::NotAccepted { exit_code },
            ExecError::Inactive | ExecError::Invalid(_) => Refused::NotAccepted { exit_code: None },
        };
        let cells = |_: Error| Refused::NotAccepted { exit_code: None };
        let context = self.next_context();
        let mut account = match self.state.accounts.get(to) {
            Some(entry) => entry.state.clone(),
            None => account::no_account().map_err(cells)?,
        };
        for waiting in self.state.pool.to(to) {
            let result = execute_message(&context, &mut self.cache, to, &waiting.message.cell, &account, 0);
            if let Ok(executed) = result {
                account = executed.state;
            }
        }
        check_external(&context, to, message, &account, 0).map_err(not_accepted)
    }

    /// What an external message would cost now, without sending it. With `ignore_signatures` every signature check of
    /// the code succeeds, so that unsigned drafts can be estimated.
    pub fn estimate(
        &mut self,
        to: &StdAddr,
        message: &Cell,
        ignore_signatures: bool,
    ) -> Result<crate::exec::Executed, ExecError> {
        let mut context = self.next_context();
        if ignore_signatures {
            context = context.ignoring_signatures();
        }
        let account = match self.state.accounts.get(to) {
            Some(entry) => entry.state.clone(),
            None => account::no_account()?,
        };
        execute_message(&context, &mut self.cache, to, message, &account, 0)
    }

    fn next_context(&self) -> BlockContext {
        let at_ns = self.next_block_at_ns();
        BlockContext::new(
            self.state.config.clone(),
            collator::unix_s(&self.genesis, at_ns),
            self.state.masterchain().map_or(0, |chain| chain.end_lt),
            HashBytes(self.genesis.seed),
            self.state.last_masterchain_block().and_then(BlockRef::to_block_id),
        )
    }

    /// Sends test coins from the giver: a real transfer in a coming block.
    pub fn faucet(&mut self, to: &StdAddr, value_nanoton: u128) -> Result<MessageHash, ChainError> {
        self.state.giver_orders += 1;
        let order = giver::order(&Transfer::new(to.clone(), value_nanoton), self.state.giver_orders)?;
        let message = Message::parse(order).map_err(|_| Error::InvalidData)?;
        let (hash, giver) = (message.hash, giver::address()?);
        // The operator's own order: neither limits nor faults of the public pool apply.
        let now_ns = self.state.now_ns;
        self.state.pool.submit(
            Arc::new(message),
            &giver,
            now_ns,
            &self.genesis.pool,
            &Faults::default(),
        );
        Ok(hash)
    }

    /// Address of the giver.
    pub fn giver(&self) -> Result<StdAddr, ChainError> {
        Ok(giver::address()?)
    }

    /// An account; none when it does not exist.
    #[must_use]
    pub fn account(&self, address: &StdAddr) -> Option<&AccountEntry> {
        self.state.accounts.get(address).map(Arc::as_ref)
    }

    /// Balance in nano; 0 for an account that does not exist.
    #[must_use]
    pub fn balance_nanoton(&self, address: &StdAddr) -> u128 {
        self.account(address).map_or(0, |entry| entry.balance_nanoton)
    }

    /// All accounts in order of address.
    pub fn accounts(&self) -> impl Iterator<Item = (&StdAddr, &AccountEntry)> {
        self.state
            .accounts
            .iter()
            .map(|(address, entry)| (address, entry.as_ref()))
    }

    /// Runs get-method `method` (see [`crate::exec::method_id`]) on the latest state.
    pub fn get_method(
        &self,
        address: &StdAddr,
        method: u32,
        arguments: &[StackValue],
    ) -> Result<GetMethodResult, ReadError> {
        let entry = self.account(address).ok_or(ReadError::NoAccount)?;
        let account = entry.account()?.ok_or(ReadError::NoAccount)?;
        Ok(run_get_method(
            &self.state.config,
            &account,
            method,
            arguments,
            self.now_unix_s(),
        )?)
    }

    /// Up to `limit` transactions of an account, the latest first, beginning with logical time `from_lt` (none for the
    /// last one).
    #[must_use]
    pub fn transactions(&self, address: &StdAddr, from_lt: Option<u64>, limit: usize) -> Vec<Arc<TxRecord>> {
        self.state.history.last_of(address, from_lt, limit)
    }

    /// Up to `limit` transactions of an account with a logical time above `after_lt`, the earliest first.
    #[must_use]
    pub fn transactions_after(&self, address: &StdAddr, after_lt: u64, limit: usize) -> Vec<Arc<TxRecord>> {
        let range = (address.clone(), after_lt.saturating_add(1))..=(address.clone(), u64::MAX);
        let found = self.state.history.transactions.range(range);
        found.take(limit).map(|(_, record)| record.clone()).collect()
    }

    /// A transaction by its hash.
    #[must_use]
    pub fn transaction(&self, hash: &HashBytes) -> Option<Arc<TxRecord>> {
        let history = &self.state.history;
        history.transactions.get(history.by_hash.get(hash)?).cloned()
    }

    /// The transaction that a message caused.
    #[must_use]
    pub fn transaction_by_message(&self, message: &MessageHash) -> Option<Arc<TxRecord>> {
        let history = &self.state.history;
        history.transactions.get(history.by_in_message.get(message)?).cloned()
    }

    /// The transaction of `address` that created the message with logical time `created_lt`.
    #[must_use]
    pub fn transaction_by_out_lt(&self, address: &StdAddr, created_lt: u64) -> Option<Arc<TxRecord>> {
        self.transactions(address, Some(created_lt), 1)
            .pop()
            .filter(|record| record.end_lt > created_lt)
    }

    /// A block by its place.
    #[must_use]
    pub fn block(&self, number: &BlockNumber) -> Option<Arc<Block>> {
        self.state.history.blocks.get(number).cloned()
    }

    /// The last masterchain block; none before the first.
    #[must_use]
    pub fn masterchain_block(&self) -> Option<BlockRef> {
        self.state.last_masterchain_block()
    }

    /// The shards of workchain 0: prefix and last block (two after a merge, none before the first).
    pub fn shards(&self) -> impl Iterator<Item = (u64, &[BlockRef])> {
        let base = self.state.shards.values().filter(|shard| shard.ident.workchain() == 0);
        base.map(|shard| (shard.ident.prefix(), shard.previous.as_slice()))
    }

    /// Internal messages on their way, in no particular order: waiting in a shard, deferred, between shards.
    pub fn in_flight(&self) -> impl Iterator<Item = &Envelope> {
        let shards = self.state.shards.values().flat_map(|shard| {
            let deferred = shard.dispatch.values().flat_map(imbl::OrdMap::values);
            shard.inbox.values().chain(shard.unreferenced.iter()).chain(deferred)
        });
        shards.chain(self.state.transit.values()).map(Arc::as_ref)
    }

    /// Messages that a shard may process next, in order.
    pub fn inbox(&self, workchain: i32, shard: u64) -> impl Iterator<Item = &Envelope> {
        self.state
            .shards
            .get(&(workchain, shard))
            .into_iter()
            .flat_map(|shard| shard.inbox.values())
            .map(Arc::as_ref)
    }

    /// External messages that wait.
    #[must_use]
    pub fn waiting_externals(&self) -> usize {
        self.state.pool.len()
    }

    /// Coins that are neither in an account nor on the way.
    #[must_use]
    pub const fn coins(&self) -> Coins {
        self.state.coins
    }

    /// Every coin there is in nano: balances, messages on the way, fees, burned and stranded. Always equal to what the
    /// genesis issued; [`Chain::audit`] checks it from the cells.
    #[must_use]
    pub fn total_nanoton(&self) -> u128 {
        let balances: u128 = self.state.accounts.values().map(|entry| entry.balance_nanoton).sum();
        let coins = self.state.coins;
        balances + self.state.in_flight_nanoton() + coins.fees_nanoton + coins.burned_nanoton + coins.stranded_nanoton
    }

    /// A point to come back to.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: self.state.clone(),
            kept: self.kept.clone(),
        }
    }

    /// Goes back to a point, or over to one of another branch of the same chain.
    pub fn revert(&mut self, snapshot: &Snapshot) {
        self.state = snapshot.state.clone();
        self.kept = snapshot.kept.clone();
    }
}

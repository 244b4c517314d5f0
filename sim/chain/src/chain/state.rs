//! Everything that changes. A clone shares all of it: that is what a snapshot is.

use std::sync::Arc;

use imbl::OrdMap;
use tycho_types::cell::HashBytes;
use tycho_types::error::Error;
use tycho_types::models::{ShardIdent, StdAddr};

use super::account::AccountEntry;
use super::block::{Block, BlockNumber, BlockRef, TxRecord};
use super::message::{Envelope, QueueKey};
use super::pool::Pool;
use super::shards::{MASTERCHAIN, ShardKey, ShardState, contains, initial};
use super::{Genesis, giver};
use crate::exec::Config;

/// Coins that are neither in an account nor on the way, in nano.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Coins {
    /// Coins that the genesis gave.
    pub issued_nanoton: u128,
    /// Fees collected by blocks.
    pub fees_nanoton: u128,
    /// Coins destroyed at the black hole address.
    pub burned_nanoton: u128,
    /// Coins of messages that could not be executed.
    pub stranded_nanoton: u128,
}

/// Transactions and blocks for look-up.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    pub(super) transactions: OrdMap<(StdAddr, u64), Arc<TxRecord>>,
    pub(super) by_in_message: OrdMap<HashBytes, (StdAddr, u64)>,
    pub(super) by_hash: OrdMap<HashBytes, (StdAddr, u64)>,
    pub(super) blocks: OrdMap<BlockNumber, Arc<Block>>,
}

impl History {
    /// Up to `limit` transactions of an account, the latest first, from `from_lt` down.
    pub(super) fn last_of(&self, address: &StdAddr, from_lt: Option<u64>, limit: usize) -> Vec<Arc<TxRecord>> {
        let range = (address.clone(), 0)..=(address.clone(), from_lt.unwrap_or(u64::MAX));
        self.transactions
            .range(range)
            .rev()
            .take(limit)
            .map(|(_, record)| record.clone())
            .collect()
    }
}

/// The state of a chain.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) now_ns: u64,
    pub(super) slot: u64,
    pub(super) config: Arc<Config>,
    /// Configurations of the plan that have come into force.
    pub(super) config_changes_done: usize,
    /// Accounts of all shards: a split or merge then moves queues only.
    pub(super) accounts: OrdMap<StdAddr, Arc<AccountEntry>>,
    /// Shards of workchain 0 and the masterchain.
    pub(super) shards: OrdMap<ShardKey, ShardState>,
    /// Messages between shards by the time from which their receiver may process them.
    pub(super) transit: OrdMap<(u64, QueueKey), Arc<Envelope>>,
    pub(super) pool: Pool,
    pub(super) coins: Coins,
    pub(super) history: History,
    pub(super) giver_orders: u64,
    /// Accounts of the masterchain that run in every block: address, tick, tock.
    pub(super) tick_tock: Arc<Vec<(StdAddr, bool, bool)>>,
}

impl State {
    pub(super) fn new(genesis: &Genesis) -> Result<Self, Error> {
        let mut accounts = OrdMap::new();
        let mut issued_nanoton = 0_u128;
        let mut tick_tock = Vec::new();
        let giver = giver::account(genesis.giver_nanoton)?;
        for given in genesis.accounts.iter().chain([&giver]) {
            let shard_account = super::account::genesis_account(
                &given.address,
                given.balance_nanoton,
                given.state.clone(),
                genesis.start_unix_s,
            )?;
            let special = given.state.as_ref().and_then(|state| state.special);
            if let Some(special) = special.filter(|_| given.address.is_masterchain()) {
                tick_tock.push((given.address.clone(), special.tick, special.tock));
            }
            let entry = AccountEntry::from_shard_account(shard_account)?;
            issued_nanoton += given.balance_nanoton;
            if accounts.insert(given.address.clone(), Arc::new(entry)).is_some() {
                // One address twice would issue coins that nobody has.
                return Err(Error::InvalidData);
            }
        }
        let mut shards = OrdMap::new();
        for ident in initial(&genesis.shards).into_iter().chain([ShardIdent::MASTERCHAIN]) {
            let shard = ShardState::new(ident);
            shards.insert(shard.key(), shard);
        }
        Ok(Self {
            now_ns: 0,
            slot: 0,
            config: genesis.config.clone(),
            config_changes_done: 0,
            accounts,
            shards,
            transit: OrdMap::new(),
            pool: Pool::default(),
            coins: Coins {
                issued_nanoton,
                ..Coins::default()
            },
            history: History::default(),
            giver_orders: 0,
            tick_tock: Arc::new(tick_tock),
        })
    }

    pub(super) fn masterchain(&self) -> Option<&ShardState> {
        self.shards.get(&MASTERCHAIN)
    }

    /// The last masterchain block.
    pub(super) fn last_masterchain_block(&self) -> Option<BlockRef> {
        self.masterchain().and_then(|chain| chain.previous.first().copied())
    }

    /// The shard that holds an address.
    pub(super) fn shard_of(&self, address: &StdAddr) -> Option<ShardKey> {
        self.shards
            .values()
            .find(|shard| contains(&shard.ident, address))
            .map(ShardState::key)
    }

    /// Coins on the way in nano: queues of shards, dispatch queues, transit.
    pub(super) fn in_flight_nanoton(&self) -> u128 {
        let coins = |envelope: &Arc<Envelope>| envelope.coins_nanoton();
        let shards: u128 = self
            .shards
            .values()
            .map(|shard| {
                shard.inbox.values().map(coins).sum::<u128>()
                    + shard.unreferenced.iter().map(coins).sum::<u128>()
                    + shard
                        .dispatch
                        .values()
                        .flat_map(OrdMap::values)
                        .map(coins)
                        .sum::<u128>()
            })
            .sum();
        shards + self.transit.values().map(coins).sum::<u128>()
    }
}

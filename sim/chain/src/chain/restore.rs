//! A chain taken apart and put together again: what a state file is made of.

use std::collections::BTreeSet;
use std::sync::Arc;

use tycho_types::models::{IntAddr, ShardAccount, ShardIdent, StdAddr};

use super::account::AccountEntry;
use super::message::Envelope;
use super::shards::{MASTERCHAIN, ShardState};
use super::{BlockRef, Chain, ChainError, Coins, Genesis, Violation};

/// Why parts do not make a chain.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The genesis.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// Cells.
    #[error("cells: {0}")]
    Cells(#[from] tycho_types::error::Error),
    /// Something that does not fit together.
    #[error("{0}")]
    Inconsistent(&'static str),
    /// Coins or queues are not what they must be.
    #[error(transparent)]
    Violation(#[from] Violation),
}

/// A shard and its queues.
#[derive(Debug, Clone)]
pub(crate) struct RestoredShard {
    pub(crate) ident: ShardIdent,
    pub(crate) seqno: u32,
    pub(crate) end_lt: u64,
    pub(crate) full_blocks: u32,
    pub(crate) idle_blocks: u32,
    pub(crate) previous: Vec<BlockRef>,
    pub(crate) inbox: Vec<Arc<Envelope>>,
    pub(crate) unreferenced: Vec<Arc<Envelope>>,
    pub(crate) deferred: Vec<Arc<Envelope>>,
}

/// Everything that a state is made of, but history and waiting external messages.
#[derive(Debug, Clone)]
pub(crate) struct Restored {
    pub(crate) slot: u64,
    pub(crate) config_changes_done: usize,
    pub(crate) giver_orders: u64,
    pub(crate) coins: Coins,
    pub(crate) accounts: Vec<(StdAddr, ShardAccount)>,
    pub(crate) shards: Vec<RestoredShard>,
    pub(crate) transit: Vec<(u64, Arc<Envelope>)>,
}

impl Chain {
    /// Takes the state apart.
    pub(crate) fn parts(&self) -> Restored {
        let state = &self.state;
        let shards = state.shards.values().map(|shard| RestoredShard {
            ident: shard.ident,
            seqno: shard.seqno,
            end_lt: shard.end_lt,
            full_blocks: shard.full_blocks,
            idle_blocks: shard.idle_blocks,
            previous: shard.previous.clone(),
            inbox: shard.inbox.values().cloned().collect(),
            unreferenced: shard.unreferenced.iter().cloned().collect(),
            deferred: shard
                .dispatch
                .values()
                .flat_map(imbl::OrdMap::values)
                .cloned()
                .collect(),
        });
        Restored {
            slot: state.slot,
            config_changes_done: state.config_changes_done,
            giver_orders: state.giver_orders,
            coins: state.coins,
            accounts: state
                .accounts
                .iter()
                .map(|(address, entry)| (address.clone(), entry.state.clone()))
                .collect(),
            shards: shards.collect(),
            transit: state
                .transit
                .iter()
                .map(|((release_ns, _), envelope)| (*release_ns, envelope.clone()))
                .collect(),
        }
    }

    /// Puts a state together. The result is audited: coins, queues and shards fit.
    pub(crate) fn restore(genesis: Genesis, parts: Restored) -> Result<Self, RestoreError> {
        let mut chain = Self::new(genesis)?;
        let changes = &chain.genesis.config_changes;
        if parts.config_changes_done > changes.len() {
            return Err(RestoreError::Inconsistent(
                "more changes of the configuration than the genesis plans",
            ));
        }
        let now_ns = parts.slot.checked_mul(chain.genesis.block_interval_ns);
        // A slot in the far future would overflow the clock soon after.
        let now_ns = now_ns
            .filter(|now_ns| *now_ns < u64::MAX / 2)
            .ok_or(RestoreError::Inconsistent("a slot out of range"))?;
        if let Some(change) = parts
            .config_changes_done
            .checked_sub(1)
            .and_then(|last| changes.get(last))
        {
            chain.state.config = change.config.clone();
        }
        chain.state.slot = parts.slot;
        chain.state.now_ns = now_ns;
        let now_unix_s = chain.now_unix_s();
        chain.state.config = Arc::new(chain.state.config.at(now_unix_s).map_err(ChainError::from)?);
        chain.state.config_changes_done = parts.config_changes_done;
        chain.state.giver_orders = parts.giver_orders;
        chain.state.coins = parts.coins;

        chain.state.accounts.clear();
        for (address, account) in parts.accounts {
            let own = account.load_account()?.map(|account| account.address);
            if own != Some(IntAddr::Std(address.clone())) {
                return Err(RestoreError::Inconsistent("an account that is not at its address"));
            }
            let entry = AccountEntry::from_shard_account(account)?;
            if chain.state.accounts.insert(address, Arc::new(entry)).is_some() {
                return Err(RestoreError::Inconsistent("an account twice"));
            }
        }
        check_shards(&parts.shards)?;
        chain.state.shards.clear();
        for shard in parts.shards {
            let mut restored = ShardState::new(shard.ident);
            restored.seqno = shard.seqno;
            restored.end_lt = shard.end_lt;
            restored.full_blocks = shard.full_blocks;
            restored.idle_blocks = shard.idle_blocks;
            restored.previous = shard.previous;
            restored.unreferenced = shard.unreferenced.into_iter().collect();
            for envelope in shard.inbox {
                restored.inbox.insert(envelope.key(), envelope);
            }
            for envelope in shard.deferred {
                let queue = restored.dispatch.entry(envelope.from.clone()).or_default();
                queue.insert(envelope.message.created_lt, envelope);
            }
            chain.state.shards.insert(restored.key(), restored);
        }
        for (release_ns, envelope) in parts.transit {
            chain.state.transit.insert((release_ns, envelope.key()), envelope);
        }
        chain.audit()?;
        Ok(chain)
    }
}

/// The masterchain, and shards of workchain 0 that cover it without overlap.
fn check_shards(shards: &[RestoredShard]) -> Result<(), RestoreError> {
    let inconsistent = Err(RestoreError::Inconsistent(
        "shards that do not cover the workchains exactly",
    ));
    let mut seen = BTreeSet::new();
    let mut covered = 0_u128;
    for shard in shards {
        let key = (shard.ident.workchain(), shard.ident.prefix());
        // Logical time must leave room for the blocks to come.
        if !seen.insert(key) || shard.end_lt > u64::MAX / 2 || shard.seqno > u32::MAX / 2 {
            return inconsistent;
        }
        match shard.ident.workchain() {
            0 => covered += 1_u128 << (64 - shard.ident.prefix_len().min(64)),
            -1 if key == MASTERCHAIN => {}
            _ => return inconsistent,
        }
    }
    let overlap = shards.iter().enumerate().any(|(index, left)| {
        shards[index + 1..]
            .iter()
            .any(|right| left.ident.intersects(&right.ident))
    });
    if covered == 1 << 64 && seen.contains(&MASTERCHAIN) && !overlap {
        Ok(())
    } else {
        inconsistent
    }
}

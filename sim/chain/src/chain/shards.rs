//! Shards of workchain 0: how they begin, when they split and merge.

use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::{OrdMap, Vector};
use tycho_types::models::{ShardIdent, StdAddr};

use super::block::{BlockEvent, BlockNumber, BlockRef};
use super::message::{Envelope, QueueKey};
use super::state::State;

/// A shard by workchain and prefix.
pub(super) type ShardKey = (i32, u64);

/// The masterchain.
pub(super) const MASTERCHAIN: ShardKey = (-1, ShardIdent::PREFIX_FULL);

/// A change of shards at a given slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardChange {
    /// The shard with this prefix is split.
    Split(u64),
    /// The two children of this prefix become one.
    Merge(u64),
}

/// When shards change by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AutoShards {
    /// Full blocks in a row after which a shard splits.
    pub split_after_full_blocks: u32,
    /// Blocks without transactions in a row after which two siblings merge.
    pub merge_after_idle_blocks: u32,
    /// Bits of prefix a shard has at least.
    pub min_depth: u16,
    /// Bits of prefix a shard has at most.
    pub max_depth: u16,
}

/// Shards at the beginning, and how they change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShardPolicy {
    /// Bits of prefix at the beginning: 0 for one shard, 2 for four. At most 8.
    pub initial_depth: u16,
    /// Changes by plan: after the masterchain block of the slot.
    pub plan: Vec<(u64, ShardChange)>,
    /// Changes by load.
    pub auto: Option<AutoShards>,
}

/// A shard and what waits in it.
#[derive(Debug, Clone)]
pub(super) struct ShardState {
    pub(super) ident: ShardIdent,
    /// Number of the last block.
    pub(super) seqno: u32,
    /// The last block: two after a merge, none before the first.
    pub(super) previous: Vec<BlockRef>,
    pub(super) end_lt: u64,
    /// Messages to this shard that it may process now.
    pub(super) inbox: OrdMap<QueueKey, Arc<Envelope>>,
    /// Messages to other shards made since the last masterchain block.
    pub(super) unreferenced: Vector<Arc<Envelope>>,
    /// Deferred messages by sender, then by logical time.
    pub(super) dispatch: OrdMap<StdAddr, OrdMap<u64, Arc<Envelope>>>,
    pub(super) full_blocks: u32,
    pub(super) idle_blocks: u32,
}

impl ShardState {
    pub(super) fn new(ident: ShardIdent) -> Self {
        Self {
            ident,
            seqno: 0,
            previous: Vec::new(),
            end_lt: 0,
            inbox: OrdMap::new(),
            unreferenced: Vector::new(),
            dispatch: OrdMap::new(),
            full_blocks: 0,
            idle_blocks: 0,
        }
    }

    pub(super) const fn key(&self) -> ShardKey {
        (self.ident.workchain(), self.ident.prefix())
    }

    pub(super) fn contains(&self, address: &StdAddr) -> bool {
        contains(&self.ident, address)
    }

    pub(super) const fn next_number(&self) -> BlockNumber {
        BlockNumber {
            workchain: self.ident.workchain(),
            shard: self.ident.prefix(),
            seqno: self.seqno + 1,
        }
    }
}

pub(super) fn contains(ident: &ShardIdent, address: &StdAddr) -> bool {
    ident.workchain() == i32::from(address.workchain) && ident.contains_account(&address.address)
}

/// The shards of a policy at the beginning.
pub(super) fn initial(policy: &ShardPolicy) -> Vec<ShardIdent> {
    let mut shards = vec![ShardIdent::new_full(0)];
    for _ in 0..policy.initial_depth.min(8) {
        shards = shards
            .iter()
            .flat_map(|shard| {
                shard
                    .split()
                    .map_or_else(|| vec![*shard], |(left, right)| vec![left, right])
            })
            .collect();
    }
    shards
}

/// Applies plan and load after a masterchain block.
pub(super) fn change(state: &mut State, policy: &ShardPolicy, events: &mut Vec<BlockEvent>) {
    for (slot, change) in &policy.plan {
        if *slot == state.slot {
            match change {
                ShardChange::Split(prefix) => split(state, (0, *prefix), events),
                ShardChange::Merge(prefix) => merge(state, *prefix, events),
            }
        }
    }
    let Some(auto) = policy.auto else {
        return;
    };
    let shards: Vec<ShardState> = state
        .shards
        .values()
        .filter(|shard| shard.ident.workchain() == 0)
        .cloned()
        .collect();
    for shard in &shards {
        let depth = shard.ident.prefix_len();
        if shard.full_blocks >= auto.split_after_full_blocks.max(1) && depth < auto.max_depth {
            split(state, shard.key(), events);
        }
    }
    for pair in shards.windows(2) {
        let [left, right] = pair else { continue };
        let idle = left.idle_blocks.min(right.idle_blocks) >= auto.merge_after_idle_blocks.max(1);
        let siblings = left.ident.opposite() == Some(right.ident) && left.ident.is_left_child();
        if idle
            && siblings
            && left.ident.prefix_len() > auto.min_depth
            && let Some(parent) = left.ident.merge()
        {
            merge(state, parent.prefix(), events);
        }
    }
}

/// A shard that is not there, or that cannot be split further, is left alone: a plan may meet another history.
fn split(state: &mut State, key: ShardKey, events: &mut Vec<BlockEvent>) {
    let Some((left, right)) = state.shards.get(&key).and_then(|shard| shard.ident.split()) else {
        return;
    };
    let Some(parent) = state.shards.remove(&key) else {
        return;
    };
    for ident in [left, right] {
        let child = ShardState {
            ident,
            seqno: parent.seqno,
            previous: parent.previous.clone(),
            end_lt: parent.end_lt,
            inbox: parent
                .inbox
                .iter()
                .filter(|(_, envelope)| contains(&ident, &envelope.to))
                .map(|(key, envelope)| (*key, envelope.clone()))
                .collect(),
            unreferenced: Vector::new(),
            dispatch: parent
                .dispatch
                .iter()
                .filter(|(sender, _)| contains(&ident, sender))
                .map(|(sender, queue)| (sender.clone(), queue.clone()))
                .collect(),
            full_blocks: 0,
            idle_blocks: 0,
        };
        state.shards.insert(child.key(), child);
    }
    // A masterchain block has just referred to the parent, so nothing of it is left unreferenced; were it otherwise,
    // the messages would have to be delivered all the same.
    for envelope in &parent.unreferenced {
        state.transit.insert((state.now_ns, envelope.key()), envelope.clone());
    }
    events.push(BlockEvent::ShardSplit { shard: key.1 });
}

fn merge(state: &mut State, parent_prefix: u64, events: &mut Vec<BlockEvent>) {
    let Some(parent) = ShardIdent::new(0, parent_prefix) else {
        return;
    };
    let Some((left, right)) = parent.split() else {
        return;
    };
    let keys = [(0, left.prefix()), (0, right.prefix())];
    if !keys.iter().all(|key| state.shards.contains_key(key)) {
        return;
    }
    let mut merged = ShardState::new(parent);
    for key in keys {
        if let Some(child) = state.shards.remove(&key) {
            merged.seqno = merged.seqno.max(child.seqno);
            merged.previous.extend(child.previous);
            merged.end_lt = merged.end_lt.max(child.end_lt);
            merged.inbox = merged.inbox.union(child.inbox);
            merged.dispatch = merged.dispatch.union(child.dispatch);
            merged.unreferenced.append(child.unreferenced);
        }
    }
    state.shards.insert(merged.key(), merged);
    events.push(BlockEvent::ShardMerge { shard: parent_prefix });
}

/// After a masterchain block: what its shards sent becomes deliverable once the block is final enough.
pub(super) fn reference_shards(state: &mut State, extra_ns: u64) {
    let keys: Vec<ShardKey> = state.shards.keys().copied().collect();
    let at_ns = state.now_ns.saturating_add(extra_ns);
    for key in keys {
        let Some(shard) = state.shards.get(&key).filter(|shard| !shard.unreferenced.is_empty()) else {
            continue;
        };
        let mut shard = shard.clone();
        for envelope in std::mem::take(&mut shard.unreferenced) {
            state.transit.insert((at_ns, envelope.key()), envelope);
        }
        state.shards.insert(key, shard);
    }
}

/// Moves what is due from transit to the shard that holds its receiver now.
pub(super) fn deliver_transit(state: &mut State) {
    let mut due: BTreeMap<ShardKey, Vec<Arc<Envelope>>> = BTreeMap::new();
    while let Some((key, envelope)) = state.transit.get_min().cloned()
        && key.0 <= state.now_ns
    {
        let Some(shard) = state.shard_of(&envelope.to) else {
            // Every standard address of workchain 0 and -1 is in a shard; other addresses are refused when sent.
            break;
        };
        state.transit.remove(&key);
        due.entry(shard).or_default().push(envelope);
    }
    for (key, envelopes) in due {
        if let Some(shard) = state.shards.get_mut(&key) {
            for envelope in envelopes {
                shard.inbox.insert(envelope.key(), envelope);
            }
        }
    }
}

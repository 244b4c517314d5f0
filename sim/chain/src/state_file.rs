//! A chain as a file: a JSON manifest and one bag of cells.
//!
//! The manifest holds what is not cells (time, slots, queues by index, coins); every account and every message is a
//! reference in a list of cells whose root is the bag, so that equal cells are stored once. A file taken up again goes
//! on with the same blocks, provided the genesis, which is code and plans and not state, is the same. History (old
//! transactions and blocks) is not part of the state and stays behind; external messages that wait do too, their
//! senders have to send again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tycho_types::boc::Boc;
use tycho_types::cell::{Cell, CellBuilder, CellFamily, HashBytes, Lazy};
use tycho_types::error::Error;
use tycho_types::models::{OptionalAccount, ShardAccount, ShardIdent, StdAddr};

use crate::boc::{self, BocError, BocLimits};
use crate::chain::{BlockNumber, BlockRef, Chain, Coins, Envelope, Message};
use crate::chain::{Genesis, RestoreError, Restored, RestoredShard};

/// Version of the format.
const VERSION: u32 = 1;

/// A chain as a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateFile {
    /// The manifest, JSON.
    pub manifest: String,
    /// The bag of cells.
    pub boc: Vec<u8>,
}

/// Why a file is no chain.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    /// The manifest is not what it should be.
    #[error("manifest: {0}")]
    Manifest(#[from] serde_json::Error),
    /// Another version of the format.
    #[error("version {0} of the format is not known")]
    Version(u32),
    /// The bag is not what it should be.
    #[error(transparent)]
    Boc(#[from] BocError),
    /// Cells are not what the manifest says.
    #[error("cells: {0}")]
    Cells(#[from] Error),
    /// An entry of the manifest that cannot be.
    #[error("manifest: {0}")]
    Entry(&'static str),
    /// The parts do not make a chain.
    #[error(transparent)]
    Restore(#[from] RestoreError),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    version: u32,
    /// Hash of the root of the bag: the two parts belong together.
    root_hash: String,
    slot: u64,
    config_changes_done: usize,
    giver_orders: u64,
    coins: ManifestCoins,
    accounts: Vec<ManifestAccount>,
    shards: Vec<ManifestShard>,
    transit: Vec<ManifestTransit>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestCoins {
    issued_nanoton: String,
    fees_nanoton: String,
    burned_nanoton: String,
    stranded_nanoton: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestAccount {
    address: String,
    cell: usize,
    last_transaction_lt: u64,
    last_transaction_hash: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestShard {
    workchain: i32,
    shard: String,
    seqno: u32,
    end_lt: u64,
    full_blocks: u32,
    idle_blocks: u32,
    previous: Vec<ManifestBlock>,
    inbox: Vec<ManifestMessage>,
    unreferenced: Vec<ManifestMessage>,
    deferred: Vec<ManifestMessage>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestBlock {
    workchain: i32,
    shard: String,
    seqno: u32,
    root_hash: String,
    file_hash: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestMessage {
    cell: usize,
    queue_lt: u64,
    dispatched: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestTransit {
    release_ns: u64,
    message: ManifestMessage,
}

/// Collects cells and gives them numbers.
#[derive(Default)]
struct Cells {
    list: Vec<Cell>,
}

impl Cells {
    fn add(&mut self, cell: &Cell) -> usize {
        self.list.push(cell.clone());
        self.list.len() - 1
    }

    /// A tree with the cells as leaves, four under a node: logarithmic depth, whatever their number.
    fn root(self) -> Result<Cell, Error> {
        let mut level = self.list;
        loop {
            let mut next = Vec::with_capacity(level.len() / 4 + 1);
            for group in level.chunks(4) {
                let mut node = CellBuilder::new();
                for cell in group {
                    node.store_reference(cell.clone())?;
                }
                next.push(node.build()?);
            }
            match next.len() {
                0 => return Ok(Cell::empty_cell()),
                1 => return Ok(next.swap_remove(0)),
                _ => level = next,
            }
        }
    }

    fn from_root(root: &Cell, count: usize) -> Result<Vec<Cell>, Error> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let mut depth = 1_u32;
        while 4_usize.checked_pow(depth).is_some_and(|leaves| leaves < count) {
            depth += 1;
        }
        let mut level = vec![root.clone()];
        for _ in 0..depth {
            let mut next = Vec::with_capacity(level.len().saturating_mul(4).min(count));
            for node in &level {
                for index in 0..node.reference_count() {
                    next.push(node.reference_cloned(index).ok_or(Error::CellUnderflow)?);
                }
            }
            if next.len() > count {
                return Err(Error::InvalidData);
            }
            level = next;
        }
        if level.len() == count {
            Ok(level)
        } else {
            Err(Error::InvalidData)
        }
    }
}

/// Writes the state of a chain.
pub fn export(chain: &Chain) -> Result<StateFile, StateFileError> {
    let parts = chain.parts();
    let mut cells = Cells::default();
    let accounts = parts
        .accounts
        .iter()
        .map(|(address, state)| ManifestAccount {
            address: address.to_string(),
            cell: cells.add(state.account.inner()),
            last_transaction_lt: state.last_trans_lt,
            last_transaction_hash: hex::encode(state.last_trans_hash.0),
        })
        .collect();
    let mut message = |envelope: &Envelope| ManifestMessage {
        cell: cells.add(&envelope.message.cell),
        queue_lt: envelope.queue_lt,
        dispatched: envelope.dispatched,
    };
    let shards = parts
        .shards
        .iter()
        .map(|shard| ManifestShard {
            workchain: shard.ident.workchain(),
            shard: format!("{:016x}", shard.ident.prefix()),
            seqno: shard.seqno,
            end_lt: shard.end_lt,
            full_blocks: shard.full_blocks,
            idle_blocks: shard.idle_blocks,
            previous: shard.previous.iter().map(manifest_block).collect(),
            inbox: shard.inbox.iter().map(|envelope| message(envelope)).collect(),
            unreferenced: shard.unreferenced.iter().map(|envelope| message(envelope)).collect(),
            deferred: shard.deferred.iter().map(|envelope| message(envelope)).collect(),
        })
        .collect();
    let transit = parts
        .transit
        .iter()
        .map(|(release_ns, envelope)| ManifestTransit {
            release_ns: *release_ns,
            message: message(envelope),
        })
        .collect();
    let root = cells.root()?;
    let coins = parts.coins;
    let manifest = Manifest {
        version: VERSION,
        root_hash: hex::encode(root.repr_hash().0),
        slot: parts.slot,
        config_changes_done: parts.config_changes_done,
        giver_orders: parts.giver_orders,
        coins: ManifestCoins {
            issued_nanoton: coins.issued_nanoton.to_string(),
            fees_nanoton: coins.fees_nanoton.to_string(),
            burned_nanoton: coins.burned_nanoton.to_string(),
            stranded_nanoton: coins.stranded_nanoton.to_string(),
        },
        accounts,
        shards,
        transit,
    };
    Ok(StateFile {
        manifest: serde_json::to_string(&manifest)?,
        boc: Boc::encode(root.as_ref()),
    })
}

/// Takes up a chain from a file. `genesis` gives what is not state: plans, limits, faults, configurations.
pub fn import(file: &StateFile, genesis: Genesis) -> Result<Chain, StateFileError> {
    let manifest: Manifest = serde_json::from_str(&file.manifest)?;
    if manifest.version != VERSION {
        return Err(StateFileError::Version(manifest.version));
    }
    let root = boc::decode(&file.boc, BocLimits::STATE_FILE)?;
    if hex::encode(root.repr_hash().0) != manifest.root_hash {
        return Err(StateFileError::Entry(
            "the bag of cells is not the one of this manifest",
        ));
    }
    let queued = |shard: &ManifestShard| shard.inbox.len() + shard.unreferenced.len() + shard.deferred.len();
    let count = manifest.accounts.len() + manifest.transit.len() + manifest.shards.iter().map(queued).sum::<usize>();
    let cells = Cells::from_root(&root, count)?;
    let cell = |index: usize| cells.get(index).cloned().ok_or(StateFileError::Entry("no such cell"));
    let message = |entry: &ManifestMessage| -> Result<Arc<Envelope>, StateFileError> {
        let message = Message::parse(cell(entry.cell)?).map_err(|_| StateFileError::Entry("not a message"))?;
        let envelope = Envelope::new(Arc::new(message)).ok_or(StateFileError::Entry("not an internal message"))?;
        Ok(Arc::new(Envelope {
            queue_lt: entry.queue_lt,
            dispatched: entry.dispatched,
            ..envelope
        }))
    };
    let messages = |entries: &[ManifestMessage]| entries.iter().map(&message).collect::<Result<Vec<_>, _>>();

    let mut accounts = Vec::with_capacity(manifest.accounts.len());
    for account in &manifest.accounts {
        let address: StdAddr = account
            .address
            .parse()
            .map_err(|_| StateFileError::Entry("not an address"))?;
        let state = ShardAccount {
            account: Lazy::<OptionalAccount>::from_raw(cell(account.cell)?)?,
            last_trans_hash: parse_hash(&account.last_transaction_hash)?,
            last_trans_lt: account.last_transaction_lt,
        };
        accounts.push((address, state));
    }
    let mut shards = Vec::with_capacity(manifest.shards.len());
    for shard in &manifest.shards {
        let ident = ShardIdent::new(shard.workchain, parse_shard(&shard.shard)?);
        let previous: Result<Vec<BlockRef>, StateFileError> = shard.previous.iter().map(parse_block).collect();
        shards.push(RestoredShard {
            ident: ident.ok_or(StateFileError::Entry("not a shard"))?,
            seqno: shard.seqno,
            end_lt: shard.end_lt,
            full_blocks: shard.full_blocks,
            idle_blocks: shard.idle_blocks,
            previous: previous?,
            inbox: messages(&shard.inbox)?,
            unreferenced: messages(&shard.unreferenced)?,
            deferred: messages(&shard.deferred)?,
        });
    }
    let mut transit = Vec::with_capacity(manifest.transit.len());
    for entry in &manifest.transit {
        transit.push((entry.release_ns, message(&entry.message)?));
    }
    let nano = |text: &str| text.parse().map_err(|_| StateFileError::Entry("not an amount"));
    let coins = Coins {
        issued_nanoton: nano(&manifest.coins.issued_nanoton)?,
        fees_nanoton: nano(&manifest.coins.fees_nanoton)?,
        burned_nanoton: nano(&manifest.coins.burned_nanoton)?,
        stranded_nanoton: nano(&manifest.coins.stranded_nanoton)?,
    };
    let restored = Restored {
        slot: manifest.slot,
        config_changes_done: manifest.config_changes_done,
        giver_orders: manifest.giver_orders,
        coins,
        accounts,
        shards,
        transit,
    };
    Ok(Chain::restore(genesis, restored)?)
}

fn manifest_block(block: &BlockRef) -> ManifestBlock {
    ManifestBlock {
        workchain: block.number.workchain,
        shard: format!("{:016x}", block.number.shard),
        seqno: block.number.seqno,
        root_hash: hex::encode(block.root_hash.0),
        file_hash: hex::encode(block.file_hash.0),
    }
}

fn parse_block(block: &ManifestBlock) -> Result<BlockRef, StateFileError> {
    Ok(BlockRef {
        number: BlockNumber {
            workchain: block.workchain,
            shard: parse_shard(&block.shard)?,
            seqno: block.seqno,
        },
        root_hash: parse_hash(&block.root_hash)?,
        file_hash: parse_hash(&block.file_hash)?,
    })
}

fn parse_shard(text: &str) -> Result<u64, StateFileError> {
    u64::from_str_radix(text, 16).map_err(|_| StateFileError::Entry("not a shard"))
}

fn parse_hash(text: &str) -> Result<HashBytes, StateFileError> {
    let bytes = hex::decode(text)
        .ok()
        .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    bytes.map(HashBytes).ok_or(StateFileError::Entry("not a hash"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::{BlockEvent, BlockLimits, Congestion};
    use crate::testing::{COIN, external, genesis, player_address, run};
    use crate::wallet::Transfer;

    /// A chain stopped while messages are everywhere they can be.
    fn busy() -> (Genesis, Chain) {
        let mut plan = genesis(12, 1_000);
        plan.shards.initial_depth = 1;
        plan.congestion = vec![Congestion {
            from_ns: 0,
            to_ns: 2_000_000_000,
            limits: BlockLimits {
                gas_soft: 6_000,
                gas_hard: 8_000,
                ..BlockLimits::BASE
            },
        }];
        plan.faults.slow_finality = vec![crate::chain::SlowFinality {
            from_ns: 0,
            to_ns: 3_000_000_000,
            extra_ns: 1_000_000_000,
        }];
        let mut chain = Chain::new(plan.clone()).unwrap();
        for round in 0..2 {
            for index in 0..12 {
                let pay = |step: u32| Transfer::new(player_address((index + step) % 12), COIN);
                chain
                    .submit(&external(&player_address(index), &[pay(1), pay(4), pay(6)], round))
                    .unwrap();
            }
            run(&mut chain, 1);
        }
        assert!(chain.in_flight().count() > 5);
        (plan, chain)
    }

    fn hashes(chain: &mut Chain) -> Vec<HashBytes> {
        let hash = |event: &BlockEvent| match event {
            BlockEvent::Block(block) => Some(block.id.root_hash),
            _ => None,
        };
        run(chain, 12).iter().filter_map(hash).collect()
    }

    #[test]
    fn a_chain_taken_up_goes_on_with_the_same_blocks() {
        let (plan, mut chain) = busy();
        // What waits outside of the state is let in first.
        run(&mut chain, 8);
        for index in 0..12 {
            let pay = Transfer::new(player_address((index + 5) % 12), COIN);
            chain.submit(&external(&player_address(index), &[pay], 9)).unwrap();
        }
        run(&mut chain, 1);
        assert_eq!(chain.waiting_externals(), 0);
        let file = export(&chain).unwrap();
        let mut again = import(&file, plan.clone()).unwrap();
        again.audit().unwrap();
        assert_eq!(export(&again).unwrap(), file);
        assert_eq!(again.now_ns(), chain.now_ns());
        assert_eq!(hashes(&mut again), hashes(&mut chain));
        // Control: another seed makes other blocks.
        let other = Genesis { seed: [1; 32], ..plan };
        let mut other = import(&file, other).unwrap();
        let mut again = import(&file, again.genesis().clone()).unwrap();
        for chain in [&mut other, &mut again] {
            chain.submit(&external(&player_address(0), &[], 77)).unwrap();
        }
        assert_eq!(hashes(&mut other).len(), hashes(&mut again).len());
    }

    #[test]
    fn messages_on_their_way_are_kept() {
        let (plan, chain) = busy();
        let again = import(&export(&chain).unwrap(), plan).unwrap();
        assert_eq!(again.in_flight().count(), chain.in_flight().count());
        assert_eq!(again.audit().unwrap(), chain.audit().unwrap());
    }

    #[test]
    fn malformed_files_are_errors() {
        let (plan, chain) = busy();
        let file = export(&chain).unwrap();
        let fails = |manifest: String, boc: Vec<u8>| import(&StateFile { manifest, boc }, plan.clone()).is_err();
        assert!(fails("{}".to_owned(), file.boc.clone()));
        assert!(fails(
            file.manifest.replacen("\"version\":1", "\"version\":2", 1),
            file.boc.clone()
        ));
        assert!(fails(file.manifest.clone(), file.boc[..file.boc.len() / 2].to_vec()));
        assert!(fails(file.manifest.clone(), Boc::encode(Cell::empty_cell())));
        let edited: serde_json::Value = serde_json::from_str(&file.manifest).unwrap();
        let mut edits = 0;
        let mut try_edit = |edit: &dyn Fn(&mut serde_json::Value)| {
            let mut value = edited.clone();
            edit(&mut value);
            assert_ne!(value, edited);
            assert!(fails(value.to_string(), file.boc.clone()), "edit {edits}");
            edits += 1;
        };
        try_edit(&|value| value["accounts"][0]["cell"] = 1_000_000.into());
        try_edit(&|value| value["accounts"][0]["address"] = "nowhere".into());
        try_edit(&|value| value["accounts"][1]["address"] = value["accounts"][0]["address"].clone());
        try_edit(&|value| value["accounts"][0]["last_transaction_hash"] = "00".into());
        try_edit(&|value| value["coins"]["fees_nanoton"] = "1".into());
        try_edit(&|value| value["coins"]["fees_nanoton"] = "-1".into());
        try_edit(&|value| value["shards"] = serde_json::json!([]));
        try_edit(&|value| value["shards"][0]["shard"] = "0000000000000000".into());
        try_edit(&|value| value["shards"][1]["shard"] = value["shards"][0]["shard"].clone());
        try_edit(&|value| value["slot"] = u64::MAX.into());
        try_edit(&|value| value["config_changes_done"] = 7.into());
        try_edit(&|value| value["unknown"] = 7.into());
        // Any account cell in the place of a message, and the other way round.
        try_edit(&|value| value["transit"][0]["message"]["cell"] = 0.into());
    }
}

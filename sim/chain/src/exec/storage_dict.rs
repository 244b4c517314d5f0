//! The storage dictionary of larger accounts (difference 9 of the notes).
//!
//! Since protocol version 11 an account of at least 26 cells outside the masterchain carries the hash of a dictionary
//! `cell hash -> (references u32, merkle depth u2)` over every cell below the root of its storage. The executor leaves
//! the hash out. Building the dictionary costs one hash per leaf and fork, so the part that seldom changes is built once:
//! that of the code, and, from the second time on, that of larger trees directly below the root of the data (the codes
//! and parameters that a proxy contract carries). A transaction then adds only what is left of the data.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tycho_types::cell::{Cell, CellBuilder, CellContext, DynCell, HashBytes, Store};
use tycho_types::dict::Dict;
use tycho_types::error::Error;
use tycho_types::models::StateInit;

/// Entry of the dictionary: references to the cell, and how many merkle cells lie below it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Entry {
    references: u32,
    merkle_depth: u8,
}

impl Store for Entry {
    fn store_into(&self, builder: &mut CellBuilder, _: &dyn CellContext) -> Result<(), Error> {
        builder.store_u32(self.references)?;
        builder.store_small_uint(self.merkle_depth, 2)
    }
}

type Entries = BTreeMap<HashBytes, Entry>;

/// The part of the dictionary that comes from one code cell, and perhaps from trees below the root of the data.
#[derive(Debug)]
struct StablePart {
    entries: Entries,
    dict: Dict<HashBytes, Entry>,
}

/// What has been computed for the codes seen so far. It changes how long a run takes, never what it computes.
#[derive(Debug, Clone, Default)]
pub struct StorageDictCache {
    codes: BTreeMap<HashBytes, Arc<StablePart>>,
    /// With trees of the data; by the hashes of the code and of the trees.
    trees: BTreeMap<Vec<HashBytes>, Arc<StablePart>>,
    /// Trees that were seen once: those that never come back are not worth a part.
    seen: BTreeSet<Vec<HashBytes>>,
}

/// Codes kept; a scenario has a handful, a fuzzer may have any number.
const MAX_CODES: usize = 256;
/// Parts with trees kept, and trees remembered.
const MAX_TREES: usize = 1_024;

impl StorageDictCache {
    /// Hash of the storage dictionary of `state`, or none when the account has fewer than `min_cells` cells.
    pub fn hash(&mut self, state: &StateInit, min_cells: u32) -> Result<Option<HashBytes>, Error> {
        let Some(code) = &state.code else {
            return self.hash_without_code(state, min_cells);
        };
        let mut part = self.code_part(code)?;
        let mut added = Entries::new();
        let with_trees = match &state.data {
            Some(data) if state.libraries.is_empty() => self.tree_part(&part, code, data)?,
            _ => None,
        };
        match (with_trees, &state.data) {
            (Some(trees), Some(data)) => {
                part = trees;
                add_root(data.as_ref(), &part.entries, &mut added);
            }
            _ => {
                for root in other_roots(state) {
                    add(root.as_ref(), &part.entries, &mut added);
                }
            }
        }
        let new_cells = added.keys().filter(|hash| !part.entries.contains_key(*hash)).count();
        // The root of the storage itself is counted by the limit and absent from the dictionary.
        if part.entries.len() + new_cells + 1 < min_cells as usize {
            return Ok(None);
        }
        let mut dict = part.dict.clone();
        for (hash, entry) in &added {
            dict.set(hash, entry)?;
        }
        Ok(dict.root().as_ref().map(|root| *root.repr_hash()))
    }

    fn hash_without_code(&self, state: &StateInit, min_cells: u32) -> Result<Option<HashBytes>, Error> {
        let mut entries = Entries::new();
        for root in other_roots(state) {
            add(root.as_ref(), &Entries::new(), &mut entries);
        }
        if entries.len() + 1 < min_cells as usize {
            return Ok(None);
        }
        Ok(build(&entries)?.root().as_ref().map(|root| *root.repr_hash()))
    }

    /// The part of the code and of the larger trees below the root of the data; none where it is not worth it yet, or
    /// where the root of the data is a part of the code.
    fn tree_part(&mut self, of_code: &StablePart, code: &Cell, data: &Cell) -> Result<Option<Arc<StablePart>>, Error> {
        let trees = || data.references().filter(|child| is_tree(*child));
        if trees().next().is_none() || of_code.entries.contains_key(data.repr_hash()) {
            return Ok(None);
        }
        let key: Vec<HashBytes> = [*code.repr_hash()]
            .into_iter()
            .chain(trees().map(|tree| *tree.repr_hash()))
            .collect();
        if let Some(part) = self.trees.get(&key) {
            return Ok(Some(part.clone()));
        }
        if !self.seen.remove(&key) {
            if self.seen.len() >= MAX_TREES {
                self.seen.clear();
            }
            self.seen.insert(key);
            return Ok(None);
        }
        if self.trees.len() >= MAX_TREES {
            self.trees.clear();
        }
        let mut entries = of_code.entries.clone();
        for tree in trees() {
            add(tree, &Entries::new(), &mut entries);
        }
        let dict = build(&entries)?;
        let part = Arc::new(StablePart { entries, dict });
        self.trees.insert(key, part.clone());
        Ok(Some(part))
    }

    fn code_part(&mut self, code: &Cell) -> Result<Arc<StablePart>, Error> {
        if let Some(part) = self.codes.get(code.repr_hash()) {
            return Ok(part.clone());
        }
        if self.codes.len() >= MAX_CODES {
            self.codes.clear();
        }
        let mut entries = Entries::new();
        add(code.as_ref(), &Entries::new(), &mut entries);
        let dict = build(&entries)?;
        let part = Arc::new(StablePart { entries, dict });
        self.codes.insert(*code.repr_hash(), part.clone());
        Ok(part)
    }
}

fn build(entries: &Entries) -> Result<Dict<HashBytes, Entry>, Error> {
    let sorted: Vec<(HashBytes, Entry)> = entries.iter().map(|(hash, entry)| (*hash, *entry)).collect();
    Dict::try_from_sorted_slice(&sorted)
}

fn other_roots(state: &StateInit) -> impl Iterator<Item = &Cell> {
    state.data.iter().chain(state.libraries.root().iter())
}

/// Whether a cell is worth keeping what it comes to: leaves are added as quickly as they are found.
fn is_tree(cell: &DynCell) -> bool {
    cell.reference_count() > 0
}

/// Counts the root of the data, whose trees `base` has counted, each as often as the root refers to it.
fn add_root(root: &DynCell, base: &Entries, entries: &mut Entries) {
    let mut merkle_depth = 0;
    for child in root.references() {
        let below = if is_tree(child) {
            base.get(child.repr_hash()).map_or(0, |entry| entry.merkle_depth)
        } else {
            add(child, base, entries)
        };
        merkle_depth = below.max(merkle_depth);
    }
    merkle_depth = (merkle_depth + u8::from(root.cell_type().is_merkle())).min(3);
    entries.insert(
        *root.repr_hash(),
        Entry {
            references: 1,
            merkle_depth,
        },
    );
}

/// Counts one reference to `cell`. A cell seen before, here or in `base`, has its own references counted already.
/// The recursion is bounded by the depth limit of account data (512) and of bags from outside (1,024).
fn add(cell: &DynCell, base: &Entries, entries: &mut Entries) -> u8 {
    let hash = cell.repr_hash();
    if let Some(entry) = entries.get_mut(hash) {
        entry.references = entry.references.saturating_add(1);
        return entry.merkle_depth;
    }
    if let Some(entry) = base.get(hash) {
        entries.insert(
            *hash,
            Entry {
                references: entry.references.saturating_add(1),
                ..*entry
            },
        );
        return entry.merkle_depth;
    }
    let mut merkle_depth = 0;
    for child in cell.references() {
        merkle_depth = add(child, base, entries).max(merkle_depth);
    }
    merkle_depth = (merkle_depth + u8::from(cell.cell_type().is_merkle())).min(3);
    entries.insert(
        *hash,
        Entry {
            references: 1,
            merkle_depth,
        },
    );
    merkle_depth
}

/// Whether both states hold the same cells, so that what was computed from one holds for the other.
#[must_use]
pub fn same_roots(left: &StateInit, right: &StateInit) -> bool {
    let hash = |cell: &Option<Cell>| cell.as_ref().map(|cell| *cell.repr_hash());
    hash(&left.code) == hash(&right.code)
        && hash(&left.data) == hash(&right.data)
        && hash(left.libraries.root()) == hash(right.libraries.root())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of `cells` cells, with one subtree shared by two parents.
    fn tree(cells: u32, salt: u32) -> Cell {
        let mut cell = CellBuilder::build_from(salt).unwrap();
        for level in 1..cells {
            let mut builder = CellBuilder::new();
            builder.store_u64(u64::from(salt) << 32 | u64::from(level)).unwrap();
            builder.store_reference(cell.clone()).unwrap();
            if level % 3 == 0 {
                builder.store_reference(cell).unwrap();
            }
            cell = builder.build().unwrap();
        }
        cell
    }

    fn state(code: Option<Cell>, data: Option<Cell>) -> StateInit {
        StateInit {
            code,
            data,
            ..StateInit::default()
        }
    }

    /// The definition, without any cache.
    fn reference(state: &StateInit) -> HashBytes {
        let mut entries = Entries::new();
        for root in state.code.iter().chain(other_roots(state)) {
            add(root.as_ref(), &Entries::new(), &mut entries);
        }
        *build(&entries).unwrap().root().as_ref().unwrap().repr_hash()
    }

    #[test]
    fn the_cached_hash_is_the_hash_by_definition() {
        let mut cache = StorageDictCache::default();
        let code = tree(20, 1);
        for data in [
            tree(9, 2),
            tree(7, 3),
            code.clone(),
            code.reference_cloned(0).unwrap(),
            tree(12, 1),
        ] {
            let state = state(Some(code.clone()), Some(data));
            assert_eq!(cache.hash(&state, 0).unwrap(), Some(reference(&state)));
            assert_eq!(cache.hash(&state, 0).unwrap(), Some(reference(&state)));
        }
        let only_data = state(None, Some(tree(30, 4)));
        assert_eq!(cache.hash(&only_data, 26).unwrap(), Some(reference(&only_data)));
    }

    /// Data as a proxy contract has it: trees, one of them twice, one shared with the code, and leaves that change.
    #[test]
    fn trees_of_the_data_are_kept_and_count_the_same() {
        let mut cache = StorageDictCache::default();
        let code = tree(20, 1);
        let data = |salt: u32, trees: &[Cell]| {
            let mut root = CellBuilder::new();
            root.store_u32(salt).unwrap();
            root.store_reference(CellBuilder::build_from(salt).unwrap()).unwrap();
            for tree in trees {
                root.store_reference(tree.clone()).unwrap();
            }
            root.build().unwrap()
        };
        let shared = code.reference_cloned(0).unwrap();
        for trees in [
            vec![tree(30, 2)],
            vec![tree(30, 2), tree(12, 3)],
            vec![tree(9, 4), tree(9, 4)],
            vec![shared, tree(5, 5)],
            vec![tree(8, 6).reference_cloned(0).unwrap(), tree(8, 6)],
        ] {
            for salt in 0..4 {
                let state = state(Some(code.clone()), Some(data(salt, &trees)));
                assert_eq!(cache.hash(&state, 0).unwrap(), Some(reference(&state)), "salt {salt}");
            }
        }
        assert_eq!((cache.trees.len(), cache.seen.len()), (5, 0));
        // What changes every time is never kept.
        for salt in 10..20 {
            let state = state(Some(code.clone()), Some(data(salt, &[tree(6, salt)])));
            assert_eq!(cache.hash(&state, 0).unwrap(), Some(reference(&state)));
        }
        assert_eq!((cache.trees.len(), cache.seen.len()), (5, 10));
    }

    #[test]
    fn another_count_of_references_is_another_hash() {
        let code = tree(20, 1);
        let once = state(Some(code.clone()), Some(tree(9, 2)));
        let twice = state(Some(code.clone()), Some(code));
        assert_ne!(reference(&once), reference(&twice));
    }

    #[test]
    fn smaller_accounts_have_none() {
        let mut cache = StorageDictCache::default();
        // 20 + 5 cells and the root are 26.
        assert!(
            cache
                .hash(&state(Some(tree(20, 1)), Some(tree(5, 2))), 26)
                .unwrap()
                .is_some()
        );
        assert!(
            cache
                .hash(&state(Some(tree(20, 1)), Some(tree(4, 2))), 26)
                .unwrap()
                .is_none()
        );
        assert!(cache.hash(&state(None, Some(tree(25, 2))), 26).unwrap().is_some());
        assert!(cache.hash(&state(None, Some(tree(24, 2))), 26).unwrap().is_none());
    }
}

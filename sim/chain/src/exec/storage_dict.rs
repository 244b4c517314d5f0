//! The storage dictionary of larger accounts (difference 9 of the notes).
//!
//! Since protocol version 11 an account of at least 26 cells outside the masterchain carries the hash of a dictionary
//! `cell hash -> (references u32, merkle depth u2)` over every cell below the root of its storage. The executor leaves
//! the hash out. Building the dictionary costs one hash per leaf and fork, so the part that belongs to the code, which
//! seldom changes, is built once per code; a transaction then adds only the cells of the data.

use std::collections::BTreeMap;
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

/// The part of the dictionary that comes from one code cell.
#[derive(Debug)]
struct CodePart {
    entries: Entries,
    dict: Dict<HashBytes, Entry>,
}

/// What has been computed for the codes seen so far. It changes how long a run takes, never what it computes.
#[derive(Debug, Clone, Default)]
pub struct StorageDictCache {
    codes: BTreeMap<HashBytes, Arc<CodePart>>,
}

/// Codes kept; a scenario has a handful, a fuzzer may have any number.
const MAX_CODES: usize = 256;

impl StorageDictCache {
    /// Hash of the storage dictionary of `state`, or none when the account has fewer than `min_cells` cells.
    pub fn hash(&mut self, state: &StateInit, min_cells: u32) -> Result<Option<HashBytes>, Error> {
        let Some(code) = &state.code else {
            return self.hash_without_code(state, min_cells);
        };
        let part = self.code_part(code)?;
        let mut added = Entries::new();
        for root in other_roots(state) {
            add(root.as_ref(), &part.entries, &mut added);
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

    fn code_part(&mut self, code: &Cell) -> Result<Arc<CodePart>, Error> {
        if let Some(part) = self.codes.get(code.repr_hash()) {
            return Ok(part.clone());
        }
        if self.codes.len() >= MAX_CODES {
            self.codes.clear();
        }
        let mut entries = Entries::new();
        add(code.as_ref(), &Entries::new(), &mut entries);
        let dict = build(&entries)?;
        let part = Arc::new(CodePart { entries, dict });
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

//! Names of files: what the process sees, and what survives.

use super::FileId;
use crate::entropy::EntropyKey;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// A change of names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    Add(PathBuf, FileId),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
}

impl Change {
    fn touches(&self, directory: &Path) -> bool {
        let is_in = |path: &Path| path.parent().unwrap_or(Path::new("")) == directory;
        match self {
            Self::Add(path, _) | Self::Remove(path) => is_in(path),
            Self::Rename(from, to) => is_in(from) || is_in(to),
        }
    }

    /// The directory whose journal holds it: a rename belongs to where the name ends up.
    fn directory(&self) -> &Path {
        match self {
            Self::Add(path, _) | Self::Remove(path) | Self::Rename(_, path) => path.parent().unwrap_or(Path::new("")),
        }
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, FileId>) {
        match self {
            Self::Add(path, file) => {
                names.insert(path.clone(), *file);
            }
            Self::Remove(path) => {
                names.remove(path);
            }
            Self::Rename(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    live: BTreeMap<PathBuf, FileId>,
    durable: BTreeMap<PathBuf, FileId>,
    /// Changes that are not durable yet, oldest first.
    pending: Vec<Change>,
}

impl Names {
    pub(super) fn get(&self, path: &Path) -> Option<FileId> {
        self.live.get(path).copied()
    }

    pub(super) fn add(&mut self, path: PathBuf, file: FileId) {
        self.change(Change::Add(path, file));
    }

    pub(super) fn remove(&mut self, path: PathBuf) {
        self.change(Change::Remove(path));
    }

    pub(super) fn rename(&mut self, from: PathBuf, to: PathBuf) {
        self.change(Change::Rename(from, to));
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.live);
        self.pending.push(change);
    }

    /// Makes the changes that touch a directory durable, and those before them on which they may depend.
    pub(super) fn sync(&mut self, directory: &Path) {
        let Some(last) = self.pending.iter().rposition(|change| change.touches(directory)) else {
            return;
        };
        let mut kept = Vec::new();
        for change in self.pending.drain(..=last) {
            // A change of another directory stays pending unless a later one here renames its result.
            if change.touches(directory) || kept.is_empty() && matches!(change, Change::Rename(..)) {
                change.apply(&mut self.durable);
            } else {
                kept.push(change);
            }
        }
        kept.append(&mut self.pending);
        self.pending = kept;
    }

    /// Of each directory's pending changes the first few survive.
    pub(super) fn power_loss(&mut self, key: &EntropyKey, epoch: u64) {
        let mut journals: BTreeMap<PathBuf, u64> = BTreeMap::new();
        for change in &self.pending {
            *journals.entry(change.directory().to_owned()).or_default() += 1;
        }
        for (directory, count) in &mut journals {
            *count = key.draw(&[super::path_digest(directory), NAMES, epoch]) % (*count + 1);
        }
        for change in std::mem::take(&mut self.pending) {
            if let Some(left) = journals.get_mut(change.directory())
                && *left > 0
            {
                *left -= 1;
                change.apply(&mut self.durable);
            }
        }
        self.live = self.durable.clone();
    }

    /// Whether a file can still be reached, now or after a power loss.
    pub(super) fn leads_to(&self, file: FileId) -> bool {
        self.live.values().any(|other| *other == file)
            || self.durable.values().any(|other| *other == file)
            || self
                .pending
                .iter()
                .any(|change| matches!(change, Change::Add(_, other) if *other == file))
    }
}

/// Tells decisions about names from those about sectors.
const NAMES: u64 = u64::MAX - 1;

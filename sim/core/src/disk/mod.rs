//! Files that lose what was not synchronised.
//!
//! Each node has a disk in memory with two faces: what its process sees (the page cache) and what survives a power
//! loss. The death of a process loses nothing. A power loss decides for every 512-byte sector that was written since
//! the last `sync` which of its versions survives, for every changed length whether the change does, and for every
//! directory how many of its unsynchronised name changes do, oldest first, as in a journal. The decisions are keyed
//! by what they are about (file name, sector, number of the power loss), not drawn one after another, so they do not
//! depend on the order in which a store happens to write.
//!
//! [`DiskFault::PowerLossAfter`] stops a node in the middle of synchronous code: with 0, 1, 2, ... operations until
//! none is left, a test tries every crash point of a sequence.

mod file;
mod handles;
mod names;

pub(crate) use handles::NodeFiles;

use crate::{entropy::EntropyKey, log::mix, node::NodeId, world::State};
use file::FileData;
use names::Names;
use std::{
    collections::BTreeMap,
    io,
    path::{Component, Path, PathBuf},
};

/// What a node's disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DiskSpec {
    /// Sum of all file lengths that fits; `None` is unlimited.
    pub capacity_bytes: Option<u64>,
}

/// A fault of a node's disk. A new one takes the place of the old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DiskFault {
    /// The disk is sound.
    #[default]
    None,
    /// Operations fail with this probability, without effect.
    Errors {
        /// Parts per million.
        ppm: u32,
    },
    /// Nothing can be written any more: `StorageFull`.
    Full,
    /// The machine loses its power when this many more operations are done: the next one fails, and so does every
    /// other until the poll that is going on is over and the node dies with [`crate::KillMode::PowerLoss`].
    PowerLossAfter {
        /// Operations that still succeed.
        operations: u64,
    },
}

/// Names one file over the disk's life.
pub(crate) type FileId = u64;

/// What is done to a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Open = 1,
    Rename,
    Remove,
    SyncNames,
    Length,
    Read,
    Write,
    SetLength,
    Sync,
}

/// Everything that a disk held at some moment.
#[derive(Debug, Clone)]
pub struct DiskImage {
    files: BTreeMap<FileId, FileData>,
    names: Names,
}

pub(crate) struct Disk {
    spec: DiskSpec,
    key: EntropyKey,
    files: BTreeMap<FileId, FileData>,
    names: Names,
    next_file: FileId,
    fault: DiskFault,
    operations: u64,
    power_losses: u64,
    /// The power is gone, but the node's code has not been stopped yet.
    dark: bool,
}

impl Disk {
    pub(crate) fn new(spec: DiskSpec, key: EntropyKey) -> Self {
        Self {
            spec,
            key,
            files: BTreeMap::new(),
            names: Names::default(),
            next_file: 0,
            fault: DiskFault::None,
            operations: 0,
            power_losses: 0,
            dark: false,
        }
    }

    pub(crate) fn operations(&self) -> u64 {
        self.operations
    }

    pub(crate) fn set_fault(&mut self, fault: DiskFault) {
        self.fault = fault;
    }

    /// Handles of the former life are gone.
    pub(crate) fn on_boot(&mut self) {
        self.dark = false;
        for file in self.files.values_mut() {
            file.open_handles = 0;
        }
        self.collect();
    }

    /// A copy of everything that the process sees.
    pub(crate) fn image(&self) -> DiskImage {
        DiskImage {
            files: self.files.clone(),
            names: self.names.clone(),
        }
    }

    /// Everything is as it was when the copy was made. Names of files go on from where they are: what was open stays
    /// none of the restored ones.
    pub(crate) fn restore(&mut self, image: &DiskImage) {
        self.files = image.files.clone();
        self.names = image.names.clone();
    }

    pub(crate) fn wipe(&mut self) {
        self.files.clear();
        self.names = Names::default();
    }

    /// Decides what survives.
    fn power_loss(&mut self) {
        self.power_losses += 1;
        self.dark = true;
        if matches!(self.fault, DiskFault::PowerLossAfter { .. }) {
            self.fault = DiskFault::None;
        }
        let (key, epoch) = (&self.key, self.power_losses);
        for file in self.files.values_mut() {
            file.power_loss(key, epoch);
        }
        self.names.power_loss(key, epoch);
        for file in self.files.values_mut() {
            file.open_handles = 0;
        }
        self.collect();
    }

    /// Frees files that no name and no handle leads to.
    fn collect(&mut self) {
        let names = &self.names;
        self.files
            .retain(|id, file| file.open_handles > 0 || names.leads_to(*id));
    }

    /// Counts an operation and lets the fault have its say. `Ok(true)`: the power has just gone.
    fn begin(&mut self, operation: Operation, subject: u64) -> io::Result<bool> {
        if self.dark {
            return Err(io::ErrorKind::Other.into());
        }
        self.operations += 1;
        match &mut self.fault {
            DiskFault::None => {}
            DiskFault::Errors { ppm } => {
                let draw = self.key.draw(&[operation as u64, subject, self.operations]);
                if draw % 1_000_000 < u64::from(*ppm) {
                    return Err(io::ErrorKind::Other.into());
                }
            }
            DiskFault::Full => {
                if matches!(operation, Operation::Write | Operation::SetLength) {
                    return Err(io::ErrorKind::StorageFull.into());
                }
            }
            DiskFault::PowerLossAfter { operations: 0 } => {
                self.dark = true;
                return Ok(true);
            }
            DiskFault::PowerLossAfter { operations } => *operations -= 1,
        }
        Ok(false)
    }

    /// Whether another file may be made.
    fn is_full(&self) -> bool {
        self.fault == DiskFault::Full
    }

    /// Whether `more` bytes fit.
    fn has_room(&self, more: u64) -> bool {
        let Some(capacity) = self.spec.capacity_bytes else {
            return true;
        };
        let used: u64 = self.files.values().map(FileData::length).sum();
        used.saturating_add(more) <= capacity
    }
}

impl State {
    /// A machine lost its power.
    pub(crate) fn disk_power_loss(&mut self, node: NodeId) {
        self.nodes[node.index()].disk.power_loss();
    }
}

/// A path below the root of a disk, without detours.
fn normalize(path: &Path) -> io::Result<PathBuf> {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => normal.push(part),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => return Err(io::ErrorKind::InvalidInput.into()),
        }
    }
    Ok(normal)
}

/// Identity of a path in decisions and in the event log.
fn path_digest(path: &Path) -> u64 {
    mix::bytes(path.as_os_str().as_encoded_bytes())
}

//! The files that a node holds.

use super::{Disk, FileId, Operation, file::FileData, normalize, path_digest};
use crate::{
    log::{EventKind, mix},
    node::NodeId,
    world::World,
};
use chrysalis_env::{File, Files, OpenMode};
use std::{io, path::Path, sync::Arc};

/// Memory is not a disk: beyond this a file is refused.
const FILE_BYTES_MAX: u64 = 1 << 36;

/// The disk as one life of a node sees it.
#[derive(Clone)]
pub(crate) struct NodeFiles {
    world: Arc<World>,
    node: NodeId,
    incarnation: u32,
}

impl NodeFiles {
    pub(crate) fn new(world: Arc<World>, node: NodeId, incarnation: u32) -> Self {
        Self {
            world,
            node,
            incarnation,
        }
    }

    /// Does an operation, unless the node is dead, the disk faulty or the power gone.
    fn operate<T>(
        &self,
        operation: Operation,
        subject: u64,
        content: &[u8],
        action: impl FnOnce(&mut Disk) -> io::Result<T>,
    ) -> io::Result<T> {
        let done = self.world.with(|state| {
            if !state.is_alive(self.node, self.incarnation) {
                return Err(io::ErrorKind::Other.into());
            }
            let disk = &mut state.nodes[self.node.index()].disk;
            let begun = disk.begin(operation, subject);
            let result = match begun {
                Ok(false) => action(disk),
                Ok(true) => {
                    state.crash_points.push(self.node);
                    Err(io::ErrorKind::Other.into())
                }
                Err(error) => Err(error),
            };
            let digest = mix::step(mix::bytes(content), u64::from(result.is_ok()));
            state.event(
                EventKind::Disk,
                self.node,
                operation as u64,
                content.len() as u64,
                digest ^ subject,
            );
            result
        });
        done.unwrap_or_else(|| Err(io::ErrorKind::Other.into()))
    }
}

impl Files for NodeFiles {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        let path = normalize(path)?;
        let subject = path_digest(&path);
        let file = self.operate(Operation::Open, subject, &[mode as u8], |disk| {
            let file = match (disk.names.get(&path), mode) {
                (None, OpenMode::Existing) => return Err(io::ErrorKind::NotFound.into()),
                (None, _) if disk.is_full() => return Err(io::ErrorKind::StorageFull.into()),
                (None, _) => {
                    let file = disk.next_file;
                    disk.next_file += 1;
                    disk.files.insert(file, FileData::new(subject));
                    disk.names.add(path, file);
                    file
                }
                (Some(file), _) => file,
            };
            let data = disk.files.get_mut(&file).ok_or(io::ErrorKind::NotFound)?;
            if mode == OpenMode::Truncate {
                data.set_length(0);
            }
            data.open_handles += 1;
            Ok(file)
        })?;
        Ok(Box::new(NodeFile {
            files: self.clone(),
            file,
            subject,
        }))
    }

    fn exists(&self, path: &Path) -> bool {
        let Ok(path) = normalize(path) else { return false };
        let exists = self.world.with(|state| {
            state.is_alive(self.node, self.incarnation)
                && state.nodes[self.node.index()].disk.names.get(&path).is_some()
        });
        exists.unwrap_or(false)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (normalize(from)?, normalize(to)?);
        let subject = mix::step(path_digest(&from), path_digest(&to));
        self.operate(Operation::Rename, subject, &[], |disk| {
            disk.names.get(&from).ok_or(io::ErrorKind::NotFound)?;
            if from != to {
                disk.names.rename(from, to);
            }
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let path = normalize(path)?;
        self.operate(Operation::Remove, path_digest(&path), &[], |disk| {
            disk.names.get(&path).ok_or(io::ErrorKind::NotFound)?;
            disk.names.remove(path);
            Ok(())
        })
    }

    fn sync_names(&self, directory: &Path) -> io::Result<()> {
        let directory = normalize(directory)?;
        self.operate(Operation::SyncNames, path_digest(&directory), &[], |disk| {
            disk.names.sync(&directory);
            disk.collect();
            Ok(())
        })
    }
}

/// An open file of one life of a node.
struct NodeFile {
    files: NodeFiles,
    file: FileId,
    subject: u64,
}

impl NodeFile {
    fn operate<T>(
        &self,
        operation: Operation,
        content: &[u8],
        action: impl FnOnce(&mut Disk, FileId) -> io::Result<T>,
    ) -> io::Result<T> {
        let file = self.file;
        self.files
            .operate(operation, self.subject, content, |disk| action(disk, file))
    }
}

fn data(disk: &mut Disk, file: FileId) -> io::Result<&mut FileData> {
    // A wiped disk takes its files from under their handles.
    disk.files.get_mut(&file).ok_or_else(|| io::ErrorKind::Other.into())
}

impl File for NodeFile {
    fn len_bytes(&self) -> io::Result<u64> {
        self.operate(Operation::Length, &[], |disk, file| Ok(data(disk, file)?.length()))
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.operate(Operation::Read, &[], |disk, file| {
            if data(disk, file)?.read(buffer, offset) {
                Ok(())
            } else {
                Err(io::ErrorKind::UnexpectedEof.into())
            }
        })
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.operate(Operation::Write, bytes, |disk, file| {
            let end = offset
                .checked_add(bytes.len() as u64)
                .filter(|end| *end <= FILE_BYTES_MAX)
                .ok_or(io::ErrorKind::FileTooLarge)?;
            let growth = end.saturating_sub(data(disk, file)?.length());
            if !disk.has_room(growth) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            data(disk, file)?.write(bytes, offset as usize);
            Ok(())
        })
    }

    fn set_len(&self, length_bytes: u64) -> io::Result<()> {
        self.operate(Operation::SetLength, &length_bytes.to_le_bytes(), |disk, file| {
            if length_bytes > FILE_BYTES_MAX {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            let growth = length_bytes.saturating_sub(data(disk, file)?.length());
            if !disk.has_room(growth) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            data(disk, file)?.set_length(length_bytes as usize);
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.operate(Operation::Sync, &[], |disk, file| {
            data(disk, file)?.sync();
            Ok(())
        })
    }
}

impl Drop for NodeFile {
    fn drop(&mut self) {
        let files = &self.files;
        files.world.with(|state| {
            if state.is_alive(files.node, files.incarnation) {
                let disk = &mut state.nodes[files.node.index()].disk;
                if let Some(data) = disk.files.get_mut(&self.file) {
                    data.open_handles = data.open_handles.saturating_sub(1);
                }
            }
        });
    }
}

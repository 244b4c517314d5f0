//! Durable storage with explicit synchronisation.
//!
//! Calls are synchronous: the embedded store that uses them is, and a simulated disk takes no real time. Nothing
//! written is promised to survive a crash until [`File::sync`] returned; a new, renamed or removed name not until
//! [`Files::sync_names`] did. A simulated disk makes use of that freedom.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Mutex,
};

/// How [`Files::open`] treats a file that is or is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// It must exist.
    Existing,
    /// It is created empty if it does not exist.
    CreateIfMissing,
    /// It is created empty, and emptied if it exists.
    Truncate,
}

/// A node's files, below a root that is its own.
pub trait Files: Send + Sync {
    /// Opens a file for reading and writing at offsets.
    ///
    /// # Errors
    /// Not found, or the disk failed.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>>;
    /// Whether the name exists.
    fn exists(&self, path: &Path) -> bool;
    /// Gives a file another name, replacing what has it.
    ///
    /// # Errors
    /// Not found, or the disk failed.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// Not found, or the disk failed.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes names in the directory `directory` durable.
    ///
    /// # Errors
    /// The disk failed.
    fn sync_names(&self, directory: &Path) -> io::Result<()>;
}

/// An open file.
pub trait File: Send + Sync {
    /// Length in bytes.
    ///
    /// # Errors
    /// The disk failed.
    fn len_bytes(&self) -> io::Result<u64>;
    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` past the end; the disk failed.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`, growing the file as needed.
    ///
    /// # Errors
    /// The disk is full or failed.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Cuts or zero-extends to `length_bytes`.
    ///
    /// # Errors
    /// The disk is full or failed.
    fn set_len(&self, length_bytes: u64) -> io::Result<()>;
    /// Returns when everything written is durable.
    ///
    /// # Errors
    /// The disk failed; what is durable is then unknown.
    fn sync(&self) -> io::Result<()>;
}

/// The operating system's files below a root directory.
#[derive(Debug)]
pub struct OsFiles {
    root: PathBuf,
}

impl OsFiles {
    /// Uses `root`, which is created when the first file is.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }
}

impl Files for OsFiles {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        let path = self.root.join(path);
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true);
        match mode {
            OpenMode::Existing => {}
            OpenMode::CreateIfMissing => {
                options.create(true).truncate(false);
            }
            OpenMode::Truncate => {
                options.create(true).truncate(true);
            }
        }
        if mode != OpenMode::Existing
            && let Some(parent) = path.parent()
        {
            fs::create_dir_all(parent)?;
        }
        Ok(Box::new(OsFile(Mutex::new(options.open(path)?))))
    }

    fn exists(&self, path: &Path) -> bool {
        self.root.join(path).exists()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(self.root.join(from), self.root.join(to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(self.root.join(path))
    }

    fn sync_names(&self, directory: &Path) -> io::Result<()> {
        fs::File::open(self.root.join(directory))?.sync_all()
    }
}

/// Seek and read under a lock: positioned reads are not in the portable part of the standard library.
struct OsFile(Mutex<fs::File>);

impl OsFile {
    fn with<T>(&self, action: impl FnOnce(&mut fs::File) -> io::Result<T>) -> io::Result<T> {
        // A panic in another holder leaves the file itself sound.
        let mut file = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        action(&mut file)
    }
}

impl File for OsFile {
    fn len_bytes(&self) -> io::Result<u64> {
        self.with(|file| Ok(file.metadata()?.len()))
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        use std::io::{Read, Seek};
        self.with(|file| {
            file.seek(io::SeekFrom::Start(offset))?;
            file.read_exact(buffer)
        })
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        use std::io::{Seek, Write};
        self.with(|file| {
            file.seek(io::SeekFrom::Start(offset))?;
            file.write_all(bytes)
        })
    }

    fn set_len(&self, length_bytes: u64) -> io::Result<()> {
        self.with(|file| file.set_len(length_bytes))
    }

    fn sync(&self) -> io::Result<()> {
        self.with(|file| file.sync_all())
    }
}

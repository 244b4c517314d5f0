//! Files that only their owner may read: key seeds and tokens. What is absent is made, once, from the operating
//! system's entropy.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// Largest secret.
const MAX_FILE_BYTES: u64 = 4096;
/// Permission bits of everybody but the owner.
const OTHERS: u32 = 0o077;

/// Why a secret is not at hand.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It can be neither read nor made.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others can read it, so it is a secret no more.
    #[error("{path}: others may read this secret (mode {mode:03o}); make a new one, or `chmod 600` if you are sure")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not what it should be.
    #[error("{path}: {expected}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it should be.
        expected: String,
    },
}

/// A secret's text and whether it was made just now.
#[derive(PartialEq, Eq)]
pub(super) struct SecretText {
    pub(super) text: String,
    pub(super) is_new: bool,
}

/// Reads a secret that somebody else has made.
#[cfg(feature = "toncenter")]
pub(super) fn read(path: &Path) -> Result<String, SecretError> {
    let failed = |source| SecretError::Io {
        path: path.to_owned(),
        source,
    };
    read_open(path, OpenOptions::new().read(true).open(path).map_err(failed)?)
}

/// Reads the secret, or makes it of 32 bytes in hexadecimal.
pub(super) fn read_or_create(path: &Path, entropy: impl FnOnce() -> [u8; 32]) -> Result<SecretText, SecretError> {
    let failed = |source| SecretError::Io {
        path: path.to_owned(),
        source,
    };
    let file = match OpenOptions::new().read(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = hex::encode(entropy());
            create(path, &text).map_err(failed)?;
            return Ok(SecretText { text, is_new: true });
        }
        Err(error) => return Err(failed(error)),
    };
    let text = read_open(path, file)?;
    Ok(SecretText { text, is_new: false })
}

fn read_open(path: &Path, file: fs::File) -> Result<String, SecretError> {
    let failed = |source| SecretError::Io {
        path: path.to_owned(),
        source,
    };
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.mode() & 0o777;
    if mode & OTHERS != 0 {
        return Err(SecretError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    let mut text = String::new();
    file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(failed)?;
    Ok(text.trim().to_owned())
}

/// As [`read_or_create`], of a key's seed: 32 bytes.
pub(super) fn seed(path: &Path, entropy: impl FnOnce() -> [u8; 32]) -> Result<([u8; 32], bool), SecretError> {
    let secret = read_or_create(path, entropy)?;
    let mut seed = [0; 32];
    hex::decode_to_slice(&secret.text, &mut seed).map_err(|_| SecretError::Malformed {
        path: path.to_owned(),
        expected: "a key's seed is 64 hexadecimal digits".to_owned(),
    })?;
    Ok((seed, secret.is_new))
}

/// Writes beside the name and links it there: a crash leaves no half a secret, and nobody's file is replaced.
fn create(path: &Path, text: &str) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)?;
        // The process's mask can only take permissions away; this says what remains.
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        writeln!(file, "{text}")?;
        file.sync_all()?;
        fs::hard_link(&beside, path)
    })();
    let removed = fs::remove_file(&beside);
    written.and(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_made_once_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.seed");
        assert_eq!(seed(&path, || [7; 32]).unwrap(), ([7; 32], true));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(seed(&path, || unreachable!("it exists")).unwrap(), ([7; 32], false));
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing is left beside it"
        );
    }

    #[test]
    fn what_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.seed");
        seed(&path, || [7; 32]).unwrap();
        for mode in [0o640, 0o604, 0o644] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(seed(&path, || [0; 32]), Err(SecretError::Exposed { mode: found, .. }) if found == mode));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert!(seed(&path, || [0; 32]).is_ok());
    }

    #[test]
    fn a_seed_of_another_length_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.seed");
        create(&path, "00").unwrap();
        assert!(matches!(seed(&path, || [0; 32]), Err(SecretError::Malformed { .. })));
        assert!(matches!(
            seed(&folder.path().join("no/such/folder"), || [0; 32]),
            Err(SecretError::Io { .. })
        ));
    }
}

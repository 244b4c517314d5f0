//! Files that are checked in and made by the tests.

use std::{env, fs, path::PathBuf};

/// A path within this package.
pub(crate) fn package_path(relative: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// Whether golden files are to be written instead of compared.
pub(crate) fn is_updating() -> bool {
    env::var_os("UPDATE_GOLDEN").is_some()
}

/// Compares a checked-in file with what it should hold.
pub(crate) fn assert_golden(relative: &str, expected: &[u8]) {
    let path = package_path(relative);
    if is_updating() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, expected).unwrap();
    }
    let found = fs::read(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{relative} is not current: run the tests once with UPDATE_GOLDEN=1"
    );
}

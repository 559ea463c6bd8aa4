//! Files that nobody else may read: directories 0700, files 0600, made before anything is written into them.

use super::OpenStoreError;
use std::{fs, os::unix::fs::DirBuilderExt, os::unix::fs::OpenOptionsExt, path::Path};

pub(super) fn private_directory(path: &Path) -> Result<(), OpenStoreError> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(()); // its mode is the operator's choice
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|e| OpenStoreError::file(path, e))
}

/// Makes the file if it is not there. SQLite gives its `-wal` and `-shm` files the mode of the main one.
pub(super) fn private_file(path: &Path) -> Result<(), OpenStoreError> {
    let made = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    made.map(|_| ()).map_err(|e| OpenStoreError::file(path, e))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::types::{RngExt, SystemRng};
    use std::{os::unix::fs::PermissionsExt, path::PathBuf};

    /// A directory that goes when the test does.
    pub struct Scratch(PathBuf);

    impl Scratch {
        pub fn new() -> Self {
            let path = std::env::temp_dir().join(format!("vestibule-{}", SystemRng.hex(8)));
            private_directory(&path).unwrap();
            Self(path)
        }
        pub fn path(&self) -> &Path {
            &self.0
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_is_made_is_private() {
        let dir = Scratch::new();
        let file = dir.path().join("x");
        private_file(&file).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(dir.path()), mode(&file)), (0o700, 0o600));
    }
}

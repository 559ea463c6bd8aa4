//! The keyring's file: made once, read at every start, replaced as a whole when a key is added.

use crate::{
    keys::{Keyring, RingError, TrustedHeader},
    types::{Rng, RngExt, SiteName, Timestamp},
};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// All of these are the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum KeyfileError {
    #[error("{} cannot be read: {cause}; `vestibule init` makes a new one, another node's copy keeps what is sealed", path.display())]
    Read { path: PathBuf, cause: io::Error },
    #[error("{} has mode {mode:03o}, so others can read every secret: chmod 600 it", path.display())]
    Mode { path: PathBuf, mode: u32 },
    #[error("{}: {cause}", path.display())]
    Ring { path: PathBuf, cause: RingError },
    #[error("{} cannot be written: {cause}", path.display())]
    Write { path: PathBuf, cause: io::Error },
    #[error("{} is not the keyring in use (was it replaced since the start?): restart the gateway first", path.display())]
    Other { path: PathBuf },
}

/// Reads the ring, and refuses a file that others may read.
pub fn read(path: &Path) -> Result<Keyring, KeyfileError> {
    let failed = |cause| KeyfileError::Read { path: path.to_owned(), cause };
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyfileError::Mode { path: path.to_owned(), mode });
    }
    let text = Zeroizing::new(fs::read_to_string(path).map_err(failed)?);
    Keyring::parse(&text).map_err(|cause| KeyfileError::Ring { path: path.to_owned(), cause })
}

/// Makes a new ring unless there is a file already; true if it did. Never overwrites: the old ring may be the only
/// one that opens what is stored.
pub fn create(path: &Path, rng: &dyn Rng, now: Timestamp) -> Result<bool, KeyfileError> {
    let ring = Keyring::generate(rng, now);
    match write_new(path, ring.to_text().expose()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(cause) => Err(KeyfileError::Write { path: path.to_owned(), cause }),
    }
}

/// Adds a key to the ring on disk, which must be the one in use, and returns the new ring.
pub fn rotate(path: &Path, in_use: &Keyring, rng: &dyn Rng, now: Timestamp) -> Result<Keyring, KeyfileError> {
    let mut ring = read_same(path, in_use)?;
    ring.rotate(rng, now);
    write(path, &ring, rng)?;
    Ok(ring)
}

/// Gives a site a new header name in the ring on disk, which must be the one in use, and returns the new ring.
pub fn rotate_header(
    path: &Path,
    in_use: &Keyring,
    site: &SiteName,
    rng: &dyn Rng,
) -> Result<(Keyring, TrustedHeader), KeyfileError> {
    let mut ring = read_same(path, in_use)?;
    let header = ring.rotate_header(site, rng).clone();
    write(path, &ring, rng)?;
    Ok((ring, header))
}

/// Gives those of the sites a header name that have none; returns the new names.
pub fn add_headers(
    path: &Path,
    sites: &[SiteName],
    rng: &dyn Rng,
) -> Result<Vec<(SiteName, TrustedHeader)>, KeyfileError> {
    let mut ring = read(path)?;
    let mut made = Vec::new();
    for site in sites {
        if ring.trusted_header(site).is_none() {
            made.push((site.clone(), ring.rotate_header(site, rng).clone()));
        }
    }
    if !made.is_empty() {
        write(path, &ring, rng)?;
    }
    Ok(made)
}

/// The file's ring, if its keys are those in use: header names may have come to it since.
fn read_same(path: &Path, in_use: &Keyring) -> Result<Keyring, KeyfileError> {
    let ring = read(path)?;
    let ids = |ring: &Keyring| ring.keys().iter().map(|key| key.id.clone()).collect::<Vec<_>>();
    if ids(&ring) != ids(in_use) || ring.digest("keyring", b"same") != in_use.digest("keyring", b"same") {
        return Err(KeyfileError::Other { path: path.to_owned() });
    }
    Ok(ring)
}

fn write(path: &Path, ring: &Keyring, rng: &dyn Rng) -> Result<(), KeyfileError> {
    replace(path, ring.to_text().expose(), rng).map_err(|cause| KeyfileError::Write { path: path.to_owned(), cause })
}

/// Written beside it, synced, then renamed over it: a crash leaves the old file or the new one, never half of one.
fn replace(path: &Path, text: &str, rng: &dyn Rng) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", rng.hex(4)));
    let beside = PathBuf::from(name);
    write_new(&beside, text)?;
    keep_owner(path, &beside)
        .and_then(|()| fs::rename(&beside, path))
        .inspect_err(|_| drop(fs::remove_file(&beside)))?;
    sync_folder(path)
}

/// Root may rotate while the gateway's own user is the one who has to read it at the next start.
fn keep_owner(old: &Path, new: &Path) -> io::Result<()> {
    let (was, is) = (fs::metadata(old)?, fs::metadata(new)?);
    if (was.uid(), was.gid()) == (is.uid(), is.gid()) {
        return Ok(());
    }
    chown(new, Some(was.uid()), Some(was.gid()))
}

/// Mode 0600 from the first moment, and only where nothing is yet (O_EXCL follows no link either).
pub(super) fn write_new(path: &Path, text: &str) -> io::Result<()> {
    write_new_with(path, text, 0o600)
}

/// The same for what is public, such as a certificate.
pub(super) fn write_new_with(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    sync_folder(path)
}

/// The name itself is only safe once its directory is.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::SystemRng;

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("vestibule-keys-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        path
    }

    #[test]
    fn a_ring_is_made_once_and_for_its_owner_alone() {
        let folder = folder("once");
        let file = folder.join("keys");
        assert!(create(&file, &SystemRng, Timestamp(0)).unwrap());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let first = fs::read_to_string(&file).unwrap();
        assert!(!create(&file, &SystemRng, Timestamp(0)).unwrap());
        assert_eq!(first, fs::read_to_string(&file).unwrap());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn rotation_replaces_the_file_and_leaves_nothing_beside_it() {
        let folder = folder("rotate");
        let file = folder.join("keys");
        create(&file, &SystemRng, Timestamp(0)).unwrap();
        let old = read(&file).unwrap();
        let sealed = old.seal(&SystemRng, "p", "a", b"x");
        let new = rotate(&file, &old, &SystemRng, Timestamp(1)).unwrap();
        assert_eq!((old.keys().len(), new.keys().len(), read(&file).unwrap().keys().len()), (1, 2, 2));
        assert_eq!(new.open("p", "a", &sealed).unwrap().expose(), b"x");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        // A second node's operator, whose gateway still has the old ring, is stopped before a fork.
        assert!(matches!(rotate(&file, &old, &SystemRng, Timestamp(2)), Err(KeyfileError::Other { .. })));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_rotation_by_root_leaves_the_file_to_its_owner() {
        let folder = folder("owner");
        let file = folder.join("keys");
        create(&file, &SystemRng, Timestamp(0)).unwrap();
        // Only root can give a file away; for everybody else there is nothing to get wrong.
        let given = chown(&file, Some(65534), Some(65534)).is_ok();
        rotate(&file, &read(&file).unwrap(), &SystemRng, Timestamp(1)).unwrap();
        let now = fs::metadata(&file).unwrap();
        assert_eq!(now.permissions().mode() & 0o777, 0o600);
        assert_eq!(now.uid() == 65534, given);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let folder = folder("mode");
        let file = folder.join("keys");
        create(&file, &SystemRng, Timestamp(0)).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read(&file), Err(KeyfileError::Mode { mode: 0o640, .. })));
        fs::remove_dir_all(folder).unwrap();
    }
}

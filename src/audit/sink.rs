//! Where audit lines end: appended to a file that others may rotate, or written to standard output.

use super::Target;
use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

pub(super) enum Sink {
    Stdout,
    File { path: PathBuf, file: File },
}

impl Sink {
    pub(super) fn open(target: &Target) -> io::Result<Self> {
        match target {
            Target::Stdout => Ok(Sink::Stdout),
            Target::File(path) => {
                if let Some(folder) = path.parent() {
                    std::fs::create_dir_all(folder)?;
                }
                Ok(Sink::File { path: path.clone(), file: append_to(path)? })
            }
        }
    }

    /// Whole lines, in one write each time, so that a reader never sees half of one from us.
    pub(super) fn write(&mut self, lines: &str) -> io::Result<()> {
        match self {
            Sink::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(lines.as_bytes())?;
                out.flush()
            }
            Sink::File { path, file } => {
                if rotated(path, file)? {
                    *file = append_to(path)?;
                }
                file.write_all(lines.as_bytes())
            }
        }
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    // Names and addresses are personal: readable for the gateway's user and group.
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

/// Is the file at `path` no longer the one that is open? logrotate renames, and expects a new one.
fn rotated(path: &Path, file: &File) -> io::Result<bool> {
    let open = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) != (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

//! The file as it was read: where it is, to read it again, and what stood in it, to say what has changed.

use serde_yaml::Value;
use std::{fmt, path::PathBuf};

#[derive(Clone)]
pub struct Original {
    pub file: PathBuf,
    pub(super) tree: Value,
}

impl Original {
    pub(super) fn new(file: PathBuf, text: &str) -> Self {
        // It has been read once without an error.
        Self { file, tree: serde_yaml::from_str(text).unwrap_or_default() }
    }

    /// The entry of that name in a list, as YAML: `sites`, or `chain.instances`. Two texts that are equal mean the same.
    pub fn entry(&self, list: &str, name: &str) -> Option<String> {
        let found = list.split('.').try_fold(&self.tree, |place, key| place.get(key))?.as_sequence()?;
        let entry = found.iter().find(|entry| entry.get("name").and_then(Value::as_str) == Some(name))?;
        serde_yaml::to_string(entry).ok()
    }
}

/// Without what stands in it.
impl fmt::Debug for Original {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())
    }
}

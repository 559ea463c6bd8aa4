//! `audit:` in gateway.yaml: where the audit log goes.

use serde::{Deserialize, Deserializer};
use std::path::PathBuf;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// A file to append to, one JSON object per line, or `stdout`.
    pub file: Target,
    /// Also keep the events in the database, where they can be asked for by account.
    pub database: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { file: Target::File(PathBuf::from("data/audit.jsonl")), database: true }
    }
}

/// Where audit lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Stdout,
    File(PathBuf),
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(if text == "stdout" { Target::Stdout } else { Target::File(PathBuf::from(text)) })
    }
}

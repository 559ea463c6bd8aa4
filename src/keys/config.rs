//! `keys:` in gateway.yaml: where the keyring is.

use serde::Deserialize;
use std::path::PathBuf;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Mode 0600, the same on all nodes, never in a store. Back it up: without it nothing sealed opens again.
    pub file: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Self { file: PathBuf::from("data/keys") }
    }
}

//! `store:` in gateway.yaml: where the gateway keeps what it must not forget.

use serde::Deserialize;
use std::path::PathBuf;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Sessions, unfinished sign-ins, counters: `embedded`, or a Redis URL.
    pub state: String,
    /// Where the embedded state store keeps its files.
    pub directory: PathBuf,
    /// Accounts, factors, tokens, audit: a SQLite or PostgreSQL URL.
    pub database: String,
    /// How long proven sessions go on while the state store does not answer; 0 for not at all.
    pub grace_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            state: "embedded".to_owned(),
            directory: PathBuf::from("data"),
            database: "sqlite:data/vestibule.db".to_owned(),
            grace_seconds: 30,
        }
    }
}

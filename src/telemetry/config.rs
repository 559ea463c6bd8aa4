//! `telemetry:` in gateway.yaml: how much is logged, and in which form.

use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// A level, or `info,vestibule::edge=debug` (tracing-subscriber's EnvFilter). Libraries never say more than `info`.
    pub log: String,
    pub format: Format,
}

impl Default for Config {
    fn default() -> Self {
        Self { log: "info".to_owned(), format: Format::Text }
    }
}

/// One line per event, for people or for machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    #[default]
    Text,
    Json,
}

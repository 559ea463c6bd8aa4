//! `chain:` in gateway.yaml: who is asked, in which order.

use crate::types::{SiteName, SourceId};
use serde::Deserialize;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Asked from top to bottom until one says OK or DENIED.
    pub instances: Vec<Instance>,
    pub strangers_during_error: Strangers,
}

/// One source with a name of its own. Several of one kind are normal.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// Stored with every account it vouches for: renaming it loses them.
    pub name: SourceId,
    pub kind: SourceKind,
    /// The site whose LMS is asked, and for whose visitors.
    pub site: SiteName,
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn yes() -> bool {
    true
}

/// What kind of source an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// The LMS itself judges, by its form or its token endpoint.
    Lms,
}

/// What an OK is worth for somebody without an account while an earlier instance could not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strangers {
    /// "Temporarily unavailable": the instance that was down might have owned the name.
    #[default]
    Refuse,
    /// An OK is an OK.
    Allow,
}

//! `tokens:` in gateway.yaml: how long an app stays signed in, and what becomes of the LMS's own tokens.

use serde::{Deserialize, Deserializer, de};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What becomes of a token that the gateway did not hand out. Has no default: the operator says.
    pub unregistered: Option<Unregistered>,
    /// A token ends after this time; Moodle's own last 12 weeks.
    pub lifetime_days: u64,
    /// A token ends when it was not used for so long.
    pub idle_days: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { unregistered: None, lifetime_days: 84, idle_days: 84 }
    }
}

/// `refuse`, `report` or `until: DATE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unregistered {
    /// Answered `invalidtoken`, so that the app asks its user to sign in again.
    Refuse,
    /// Let through and recorded. Comes with a later version.
    Report,
    /// Let through until a date. Comes with a later version.
    Until(String),
}

impl<'de> Deserialize<'de> for Unregistered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, deny_unknown_fields)]
        enum Form {
            Word(String),
            Until { until: String },
        }
        match Form::deserialize(deserializer) {
            Ok(Form::Word(word)) if word == "refuse" => Ok(Unregistered::Refuse),
            Ok(Form::Word(word)) if word == "report" => Ok(Unregistered::Report),
            Ok(Form::Until { until }) => Ok(Unregistered::Until(until)),
            Ok(Form::Word(word)) => Err(de::Error::unknown_variant(&word, &["refuse"])),
            Err(_) => Err(de::Error::unknown_variant("that", &["refuse"])),
        }
    }
}

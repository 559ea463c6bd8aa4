//! `sessions:` in gateway.yaml: how long a sign-in in a browser lasts.

use serde::Deserialize;

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// A session ends when nothing was asked for so long.
    pub idle_minutes: u64,
    /// A session ends after this time whatever happens.
    pub absolute_hours: u64,
    /// The LMS's own time-out: so long an expired session's LMS half can be resumed by the same account.
    pub lms_timeout_hours: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { idle_minutes: 120, absolute_hours: 12, lms_timeout_hours: 8 }
    }
}

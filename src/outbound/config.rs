//! `outbound:` in gateway.yaml.

use super::{mail, sms};
use serde::Deserialize;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where mail is handed over. `null`: nobody is mailed.
    pub mail: Option<mail::Config>,
    /// Where text messages are handed over. `null`: nobody gets any.
    pub sms: Option<sms::Config>,
}

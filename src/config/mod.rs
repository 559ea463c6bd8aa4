//! gateway.yaml: one field per module, each owned by its module.

use crate::{admin, audit, chain, edge, keys, limits, lms, mfa, sessions, store, telemetry, tokens};
use serde::Deserialize;

/// The whole of gateway.yaml. Top-level keys are module names, and `sites`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub edge: edge::Config,
    pub admin: admin::Config,
    pub sites: Vec<lms::Site>,
    pub chain: chain::Config,
    pub mfa: mfa::Config,
    pub sessions: sessions::Config,
    pub tokens: tokens::Config,
    pub limits: limits::Config,
    pub store: store::Config,
    pub audit: audit::Config,
    pub keys: keys::Config,
    pub telemetry: telemetry::Config,
}

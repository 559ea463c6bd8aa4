//! gateway.yaml: one field per module, each owned by its module.
//!
//! Reading takes four steps, and every problem of all of them is reported together with line, key and fix:
//! YAML without duplicate keys → typed, unknown keys refused (`typed`) → rules across modules (`check` ◇) → what
//! the machine has (`outside`). Secrets stand in it by reference only (`reference`).

mod check;
mod difference;
mod explain;
mod fixed;
mod load;
mod locate;
mod original;
mod outside;
mod problem;
mod reference;
mod typed;

pub use check::{about, check, check_accounts};
pub use difference::difference;
pub use explain::explain;
pub use fixed::needs_restart;
pub use load::{Loaded, admin_socket, load, load_before_init, parse};
pub use original::Original;
pub use outside::{Machine, Outside};
pub use problem::{Invalid, KeyPath, Problem, Segment, Severity};
pub use reference::{ReferenceError, resolve, store_with_secrets};

use crate::{admin, audit, chain, edge, keys, limits, lms, mfa, outbound, sessions, store, telemetry, tokens};
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
    pub outbound: outbound::Config,
    pub store: store::Config,
    pub audit: audit::Config,
    pub keys: keys::Config,
    pub telemetry: telemetry::Config,
    /// Where it was read, so that it can be read again; `None` where no file holds it.
    #[serde(skip)]
    pub original: Option<Original>,
}

impl Config {
    /// Whether anybody is signed in to this site's LMS by its trusted header.
    pub fn opens_by_header(&self, site: &lms::Site) -> bool {
        let by_header = |instance: &chain::config::Instance| {
            instance.common.enabled && instance.serves(&site.name) && instance.opens_by_header()
        };
        site.sign_in == lms::SignIn::Header || self.chain.instances.iter().any(by_header)
    }
}

//! `limits:` in gateway.yaml: how often somebody may be wrong (design §2 "MFA").

use serde::Deserialize;

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Wrong passwords for one account within `window_minutes`.
    pub wrong_passwords_per_account: u32,
    /// Wrong passwords from one address (IPv6: from one /64) within `window_minutes`.
    pub wrong_passwords_per_address: u32,
    /// How far back wrong passwords count, and how long sign-in is refused after too many.
    pub window_minutes: u64,
    /// Unfinished sign-ins of one account; the oldest goes.
    pub flows_per_account: u32,
    /// Unfinished sign-ins from one address; the oldest goes.
    pub flows_per_address: u32,
    /// Wrong codes that end one sign-in.
    pub wrong_factors_per_flow: u32,
    /// Wrong codes for one account and factor that lock that factor.
    pub wrong_factors_before_lock: u32,
    /// How long it is locked.
    pub lock_minutes: u64,
    /// Wrong codes of one account within 24 hours, all factors together.
    pub wrong_factors_per_day: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            wrong_passwords_per_account: 10,
            wrong_passwords_per_address: 100,
            window_minutes: 15,
            flows_per_account: 20,
            flows_per_address: 200,
            wrong_factors_per_flow: 5,
            wrong_factors_before_lock: 10,
            lock_minutes: 30,
            wrong_factors_per_day: 30,
        }
    }
}

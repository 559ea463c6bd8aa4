//! Rules across modules, in words: what a configuration that parses can still get wrong.
//!
//! Pure: what the machine has (files, environment) is looked at in `config::outside`. Every finding says what is
//! wrong, where, and what to write instead. An error stops the start; a warning says what the operator takes on.

mod accounts;
mod chain;
mod doors;
mod mfa;
mod operation;
mod outbound;
mod passkeys;
mod paths;
mod sites;

pub use accounts::{about, check_accounts};
pub(super) use mfa::first_enrolment;

use super::{Config, problem::Problem};
use crate::types::Timestamp;

/// Everything that is wrong or worth knowing, in no stated order.
pub fn check(config: &Config, now: Timestamp) -> Vec<Problem> {
    let mut found = Vec::new();
    doors::check(config, &mut found);
    sites::check(config, &mut found);
    chain::check(config, &mut found);
    mfa::check(config, now, &mut found);
    passkeys::check(config, &mut found);
    paths::check(config, &mut found);
    operation::check(config, &mut found);
    outbound::check(config, &mut found);
    found
}

/// What the operator gives a name to ends up in URLs of ours, logs, metrics and stored records.
fn is_short_name(text: &str) -> bool {
    let body = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    (1..=40).contains(&text.len()) && text.bytes().all(body) && text.as_bytes()[0].is_ascii_alphanumeric()
}

const SHORT_NAME: &str = "use 1 to 40 of a-z, 0-9, - and _, starting with a letter or digit";

//! Sessions, tokens, limits, stores, logs: figures that would lock everybody out, and secrets in the wrong place.

use crate::{
    config::{
        Config,
        problem::{Problem, at},
        reference::{Reference, holds_password},
    },
    telemetry,
    tokens::Unregistered,
};

pub(super) fn check(config: &Config, found: &mut Vec<Problem>) {
    sessions(config, found);
    tokens(config, found);
    limits(config, found);
    stores(config, found);
    if let Err(error) = telemetry::parse_filter(&config.telemetry.log) {
        found.push(Problem::error(
            at("telemetry.log"),
            format!("\"{}\" is not a log filter: {error}", config.telemetry.log),
            "write error, warn, info, debug or trace, or something like info,vestibule::edge=debug",
        ));
    }
}

/// Figures of which zero would shut the door for everybody.
pub(super) fn at_least_one(found: &mut Vec<Problem>, module: &str, figures: &[(&str, u64)]) {
    for (name, _) in figures.iter().filter(|(_, value)| *value == 0) {
        found.push(Problem::error(at(module).key(name), "0 would refuse everybody", "write at least 1"));
    }
}

pub(super) fn within(found: &mut Vec<Problem>, module: &str, figures: &[(&str, u64, u64, u64)]) {
    for (name, value, least, most) in figures.iter().filter(|(_, value, least, most)| value < least || value > most) {
        found.push(Problem::error(
            at(module).key(name),
            format!("{value} is not between {least} and {most}"),
            format!("write a number from {least} to {most}"),
        ));
    }
}

fn sessions(config: &Config, found: &mut Vec<Problem>) {
    let sessions = &config.sessions;
    within(
        found,
        "sessions",
        &[
            ("idle_minutes", sessions.idle_minutes, 1, 7 * 24 * 60),
            ("absolute_hours", sessions.absolute_hours, 1, 7 * 24),
            ("lms_timeout_hours", sessions.lms_timeout_hours, 0, 7 * 24),
        ],
    );
    if sessions.idle_minutes > sessions.absolute_hours.saturating_mul(60) {
        found.push(Problem::warning(
            at("sessions.idle_minutes"),
            "is longer than absolute_hours, which ends every session first",
            "write less than absolute_hours × 60",
        ));
    }
}

fn tokens(config: &Config, found: &mut Vec<Problem>) {
    let later = |which: &str| {
        Problem::error(
            at("tokens.unregistered"),
            format!("`{which}` comes with a later version"),
            "write `refuse`: apps that are signed in now sign in once more",
        )
    };
    match &config.tokens.unregistered {
        Some(Unregistered::Refuse) => {}
        Some(Unregistered::Report) => found.push(later("report")),
        Some(Unregistered::Until(_)) => found.push(later("until")),
        None => found.push(Problem::error(
            at("tokens.unregistered"),
            "has no default: say what becomes of app tokens that the gateway did not hand out",
            "write `unregistered: refuse`: apps that are signed in now sign in once more",
        )),
    }
    within(
        found,
        "tokens",
        &[("lifetime_days", config.tokens.lifetime_days, 1, 366), ("idle_days", config.tokens.idle_days, 1, 366)],
    );
}

fn limits(config: &Config, found: &mut Vec<Problem>) {
    let limits = &config.limits;
    at_least_one(
        found,
        "limits",
        &[
            ("wrong_passwords_per_account", limits.wrong_passwords_per_account.into()),
            ("wrong_passwords_per_address", limits.wrong_passwords_per_address.into()),
            ("window_minutes", limits.window_minutes),
            ("flows_per_account", limits.flows_per_account.into()),
            ("flows_per_address", limits.flows_per_address.into()),
            ("wrong_factors_per_flow", limits.wrong_factors_per_flow.into()),
            ("wrong_factors_before_lock", limits.wrong_factors_before_lock.into()),
            ("lock_minutes", limits.lock_minutes),
            ("wrong_factors_per_day", limits.wrong_factors_per_day.into()),
        ],
    );
    // 6 digits and a window of three steps: 30 tries a day find a code once in about 30 years.
    if limits.wrong_factors_per_day > 100 {
        found.push(Problem::warning(
            at("limits.wrong_factors_per_day"),
            format!("{} guesses a day at a six-digit code are many", limits.wrong_factors_per_day),
            "stay near the default of 30",
        ));
    }
}

fn stores(config: &Config, found: &mut Vec<Problem>) {
    let stores = [
        ("state", config.store.state.as_str(), &["embedded", "redis://", "rediss://"][..]),
        ("database", config.store.database.as_str(), &["sqlite:", "postgres://", "postgresql://"][..]),
    ];
    for (key, text, known) in stores {
        let path = at("store").key(key);
        let Reference::Inline(text) = Reference::of(text) else { continue };
        if holds_password(text) {
            // Never repeated: what `check` prints ends up in tickets.
            found.push(Problem::error(
                path,
                "holds a password, and this file is copied and printed",
                format!("put the whole URL into a file of mode 0600 and write {key}: \"file:/etc/vestibule/{key}\", or env:NAME"),
            ));
        } else if !known.iter().any(|prefix| text.starts_with(prefix)) {
            found.push(Problem::error(
                path,
                "is not a store of this version",
                format!("start with one of: {}; or file:PATH, env:NAME", known.join(", ")),
            ));
        }
    }
    within(found, "store", &[("grace_seconds", config.store.grace_seconds, 0, 300)]);
}

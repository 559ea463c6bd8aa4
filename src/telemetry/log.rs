//! Log lines: text for people, JSON for collectors, filtered by module and level.
//!
//! `error!` means that someone must act. Never secrets, codes, cookies, bodies or full query strings.

use super::{Config, Format};
use std::io::IsTerminal;
use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter,
    filter::{ParseError, filter_fn},
    fmt,
    prelude::*,
};

/// A level, or directives such as `info,vestibule::edge=debug`.
pub fn parse_filter(text: &str) -> Result<EnvFilter, ParseError> {
    // `EnvFilter` takes any word for a target; a lone word that is no level is a mistyped level.
    if !text.contains(['=', ',']) {
        text.parse::<tracing::level_filters::LevelFilter>().map_err(|_| invalid())?;
    }
    EnvFilter::builder().parse(text)
}

fn invalid() -> ParseError {
    EnvFilter::builder().parse("vestibule=nonsense").expect_err("no level has that name")
}

/// Sends log lines to standard error from now on; standard output may be the audit log's.
/// A second call in one process changes nothing (tests).
pub fn init(config: &Config) {
    let filter = parse_filter(&config.log).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let registry = tracing_subscriber::registry().with(filter).with(filter_fn(may_be_written));
    let _ = match config.format {
        Format::Text => registry.with(lines).try_init(),
        Format::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
}

/// Below `info` the libraries print whole heads, cookies and tokens among them (attack I6). Whatever an operator asks
/// for, their details stay out; ours are written to be read by others.
fn may_be_written(metadata: &Metadata<'_>) -> bool {
    may_say(metadata.target(), *metadata.level())
}

fn may_say(target: &str, level: Level) -> bool {
    match target.split("::").next() {
        Some("vestibule") => true,
        // Its warnings print the whole entry that nobody waited for any more; what went wrong, chain/sources/ldap says.
        Some("ldap3") => false,
        // It calls a refused answer an error, and anybody can send one; what was refused is audited.
        Some("webauthn_rs_core") => false,
        Some(_) | None => level <= Level::INFO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_directives_are_filters_and_slips_are_not() {
        for good in ["info", "WARN", "info,vestibule::edge=debug", "vestibule=trace"] {
            assert!(parse_filter(good).is_ok(), "{good}");
        }
        for bad in ["inof", "vestibule=loud"] {
            assert!(parse_filter(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn libraries_keep_their_details_to_themselves() {
        assert!(may_say("vestibule::edge", Level::TRACE));
        assert!(may_say("hyper::proto", Level::INFO) && !may_say("hyper::proto", Level::DEBUG));
        assert!(!may_say("ldap3::conn", Level::WARN) && may_say("ldap3x", Level::WARN));
    }
}

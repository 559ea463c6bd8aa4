//! `mfa.help`: how the help desk is reached.

use crate::config::{
    Config,
    problem::{Problem, at},
};

/// It becomes a link on a page that asks for secrets.
pub(super) fn check(config: &Config, found: &mut Vec<Problem>) {
    let Some(help) = &config.mfa.help else { return };
    let leads = |url: &String| ["https://", "http://", "mailto:"].iter().any(|scheme| url.starts_with(scheme));
    if let Some(url) = help.url.as_ref().filter(|url| !leads(url)) {
        found.push(Problem::error(
            at("mfa.help.url"),
            format!("\"{url}\" is no address that a browser opens"),
            "write https://… or mailto:…",
        ));
    }
    if help.text.is_none() && help.url.is_none() && help.phone.is_none() {
        found.push(Problem::error(at("mfa.help"), "says nothing", "give it a text, a url or a phone, or remove it"));
    }
}

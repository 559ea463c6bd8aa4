//! What a configuration means to the people who meet it, in sentences, for `vestibule check`.

use super::Config;
use crate::{
    lms::{AppMfa, Guest, SignIn, Site},
    mfa::{FirstEnrolment, Rule, Stage},
    types::{Door, FactorKind, Timestamp},
};
use std::fmt::Write;

/// One paragraph per site: who is asked, and what somebody at either door meets.
pub fn explain(config: &Config, now: Timestamp) -> String {
    let mut text = String::new();
    for site in &config.sites {
        let _ = writeln!(text, "{} at {} (LMS at {})", site.name, site.public_url, site.upstream.url);
        match site.sign_in {
            SignIn::Form => {}
            SignIn::Header => {
                let _ = writeln!(text, "  sign-in   on the gateway's own page; the LMS is told by a header it trusts");
            }
        }
        let _ = writeln!(text, "  asked     {}", sources(config, site));
        for door in [Door::Browser, Door::App] {
            let _ = writeln!(text, "  {:<9} {}", door.to_string(), at_door(config, site, door, now));
        }
        let guests = match site.guest {
            Guest::Allow => "may look around without an account, if the LMS lets them",
            Guest::Deny => "are turned away",
        };
        let _ = writeln!(text, "  guests    {guests}");
    }
    text
}

fn sources(config: &Config, site: &Site) -> String {
    let speaks = |i: &&crate::chain::config::Instance| i.common.enabled && i.serves(&site.name);
    let names: Vec<&str> = config.chain.instances.iter().filter(speaks).map(|i| i.name.as_str()).collect();
    if names.is_empty() { "nobody".to_owned() } else { names.join(", then ") }
}

fn at_door(config: &Config, site: &Site, door: Door, now: Timestamp) -> String {
    let strictest = Rule::strictest();
    let rule = config
        .mfa
        .rules
        .iter()
        .find(|rule| rule.paths.is_empty() && rule.serves(&site.name, door))
        .unwrap_or(&strictest);
    let name =
        if std::ptr::eq(rule, &strictest) { "no rule matches".to_owned() } else { format!("rule {}", rule.name) };
    let must = format!("password, then {}", factors(config));
    if door == Door::App {
        match site.app.mfa {
            AppMfa::Off => return "password alone (app.mfa: off)".to_owned(),
            AppMfa::Refuse if matches!(rule.stage, Stage::Optional | Stage::Required) => {
                return format!("refused where a factor is due (app.mfa: refuse; {name}: {})", rule.stage.as_str());
            }
            AppMfa::Refuse | AppMfa::Challenge => {}
        }
    }
    let meets = match rule.stage {
        Stage::Off => "password alone".to_owned(),
        Stage::Report => "password alone; what `required` would have asked is recorded".to_owned(),
        Stage::Optional => format!("{must}, for those who have enrolled; the others password alone"),
        Stage::Required => format!("{must}; {}", first(config, rule, now)),
    };
    format!("{}: {meets} ({name})", rule.stage.as_str())
}

fn factors(config: &Config) -> String {
    let worth = |kind| config.mfa.factors.iter().find(|f| f.kind == kind).map_or(0, |f| f.weight);
    match (worth(FactorKind::Totp), worth(FactorKind::Recovery)) {
        (100.., 100..) => "TOTP or a recovery code",
        (100.., _) => "TOTP",
        (_, 100..) => "a recovery code",
        _ => "TOTP and a recovery code",
    }
    .to_owned()
}

fn first(config: &Config, rule: &Rule, now: Timestamp) -> String {
    match (super::check::first_enrolment(config, rule), &rule.enrolment_window) {
        (FirstEnrolment::AtSignIn, Some(window)) if window.is_open(now) => {
            format!("first enrolment at sign-in until {}", window.until)
        }
        (FirstEnrolment::AtSignIn, Some(window)) => {
            format!("first enrolment closed since {}, only with a code of the help desk", window.until)
        }
        (FirstEnrolment::AfterEmailCode, _) => "first enrolment after a code by e-mail".to_owned(),
        (FirstEnrolment::AtSignIn, None) | (FirstEnrolment::ByHelpDesk, _) => {
            "first enrolment with a code of the help desk".to_owned()
        }
    }
}

//! `mfa.rules`: names, whom they are about, which can ever decide, and settings that contradict each other.

use super::{
    super::{SHORT_NAME, is_short_name, sites::known},
    READ_GROUPS, first_enrolment, is_source, known_sources, sites_without_groups,
};
use crate::{
    config::{
        Config,
        problem::{KeyPath, Problem, at},
    },
    lms::AppMfa,
    mfa::{FirstEnrolment, Grace, Rule, Stage, words},
    types::{Cidr, Door, Timestamp},
};

pub(super) fn check(config: &Config, now: Timestamp, found: &mut Vec<Problem>) {
    for (n, rule) in config.mfa.rules.iter().enumerate() {
        let here = at("mfa.rules").index(n);
        names(config, n, &here, found);
        whom(config, rule, &here, found);
        hidden(&config.mfa.rules[..n], rule, &here, found);
        counted(config, rule, &here, found);
        if rule.paths.is_empty() {
            enrolment(config, rule, now, &here, found);
            app_switch(config, rule, &here, found);
        } else {
            of_paths(rule, &here, found);
        }
        if let Some(grace) = &rule.grace {
            lenience(rule, grace, now, &here, found);
        }
    }
}

fn names(config: &Config, n: usize, here: &KeyPath, found: &mut Vec<Problem>) {
    let rule = &config.mfa.rules[n];
    if !is_short_name(&rule.name) {
        found.push(Problem::error(
            here.clone().key("name"),
            format!("\"{}\" cannot be a rule's name", rule.name),
            SHORT_NAME,
        ));
    }
    if config.mfa.rules[..n].iter().any(|other| other.name == rule.name) {
        found.push(Problem::error(
            here.clone().key("name"),
            format!("there is already a rule \"{}\"", rule.name),
            "give each rule a name of its own; it is stored with the enrolments made under it",
        ));
    }
}

fn whom(config: &Config, rule: &Rule, here: &KeyPath, found: &mut Vec<Problem>) {
    for (m, site) in rule.sites.iter().enumerate() {
        if !config.sites.iter().any(|other| other.name == *site) {
            found.push(Problem::error(
                here.clone().key("sites").index(m),
                format!("there is no site \"{site}\""),
                known(config),
            ));
        }
    }
    for (m, source) in rule.sources.iter().enumerate().filter(|(_, source)| !is_source(config, source)) {
        found.push(Problem::error(
            here.clone().key("sources").index(m),
            format!("there is no instance \"{source}\", so the rule would never be about its people"),
            known_sources(config),
        ));
    }
    if !rule.groups.is_empty() {
        for site in sites_without_groups(config, rule) {
            found.push(Problem::warning(
                here.clone().key("groups"),
                format!(
                    "nobody says who at site \"{site}\" is in which group, so nobody's groups are known there, and of all \
                     rules that could be about somebody the strictest decides: everybody gets that one"
                ),
                format!("{READ_GROUPS}, or choose by sources or networks"),
            ));
        }
    }
}

fn hidden(earlier: &[Rule], rule: &Rule, here: &KeyPath, found: &mut Vec<Problem>) {
    if let Some(other) = earlier.iter().find(|other| covers(other, rule)) {
        found.push(Problem::warning(
            here.clone(),
            format!("never applies: \"{}\" stands above it and matches all that it would", other.name),
            "move it up, or remove it",
        ));
    }
}

/// Whether whatever the later rule matches, the earlier one matches for certain. A rule with groups is never certain:
/// somebody's may not be known.
fn covers(earlier: &Rule, later: &Rule) -> bool {
    let sites = earlier.sites.is_empty()
        || (!later.sites.is_empty() && later.sites.iter().all(|site| earlier.sites.contains(site)));
    let sources = earlier.sources.is_empty()
        || (!later.sources.is_empty() && later.sources.iter().all(|source| earlier.sources.contains(source)));
    let inside = |range: &Cidr| earlier.networks.iter().any(|wider| wider.covers(*range));
    let networks = earlier.networks.is_empty() || (!later.networks.is_empty() && later.networks.iter().all(inside));
    let later_doors = if later.doors.is_empty() { &[Door::Browser, Door::App][..] } else { &later.doors[..] };
    let doors = later_doors.iter().all(|door| earlier.doors.is_empty() || earlier.doors.contains(door));
    let below = |path: &String| {
        earlier.paths.iter().any(|wider| wider == path || (wider.ends_with('/') && path.starts_with(wider.as_str())))
    };
    let paths = earlier.paths.is_empty() == later.paths.is_empty() && later.paths.iter().all(below);
    earlier.groups.is_empty() && sites && sources && networks && doors && paths
}

fn counted(config: &Config, rule: &Rule, here: &KeyPath, found: &mut Vec<Problem>) {
    for (m, kind) in rule.factors.iter().flatten().enumerate() {
        if config.mfa.factor(*kind).is_none() {
            found.push(Problem::error(
                here.clone().key("factors").index(m),
                format!("{kind} is not offered, so nobody has it or is asked for it"),
                format!("add {{ kind: {kind}, weight: 100 }} to mfa.factors, or remove it here"),
            ));
        }
    }
    for (m, name) in rule.signals.iter().flatten().enumerate() {
        if !config.mfa.signals.iter().any(|signal| signal.name == *name) {
            let names: Vec<&str> = config.mfa.signals.iter().map(|signal| signal.name.as_str()).collect();
            let fix = if names.is_empty() { "none is set in mfa.signals".to_owned() } else { names.join(", ") };
            found.push(Problem::error(
                here.clone().key("signals").index(m),
                format!("there is no signal \"{name}\""),
                format!("known: {fix}"),
            ));
        }
    }
}

fn enrolment(config: &Config, rule: &Rule, now: Timestamp, here: &KeyPath, found: &mut Vec<Problem>) {
    if !rule.paths.is_empty() {
        return;
    }
    match (first_enrolment(config, rule), &rule.enrolment_window) {
        (FirstEnrolment::AtSignIn, None) => found.push(Problem::error(
            here.clone().key("first_enrolment"),
            "at_sign_in lets whoever has the password first own the factor, so it needs an end",
            "add enrolment_window: { until: DATE }, such as 2027-09-30, or write by_help_desk",
        )),
        (FirstEnrolment::AtSignIn, Some(window)) if !window.is_open(now) => found.push(Problem::warning(
            here.clone().key("enrolment_window"),
            format!("ended on {}: who has no factor yet cannot sign in without the help desk's code", window.until),
            "write by_help_desk and remove the window, or give newcomers a later date",
        )),
        (FirstEnrolment::AtSignIn, Some(window)) => found.push(Problem::warning(
            here.clone().key("enrolment_window"),
            format!(
                "until {} whoever has somebody's password and comes first owns that account's factor",
                window.until
            ),
            "keep the window short; by_help_desk needs none",
        )),
        (FirstEnrolment::ByHelpDesk | FirstEnrolment::AfterEmailCode, Some(_)) => found.push(Problem::error(
            here.clone().key("enrolment_window"),
            "has a meaning with at_sign_in alone: mailed codes and those of the help desk carry the proof themselves",
            "remove it, or write first_enrolment: at_sign_in",
        )),
        (FirstEnrolment::AfterEmailCode, None) if config.outbound.mail.is_none() => found.push(Problem::error(
            here.clone().key("first_enrolment"),
            "after_email_code needs a mail server, and outbound.mail is not set: nobody could set up a first factor",
            "set outbound.mail, or write by_help_desk",
        )),
        (FirstEnrolment::AfterEmailCode | FirstEnrolment::ByHelpDesk, None) => {}
    }
}

/// A rule with paths is looked at when one of them is opened, by somebody who is signed in.
fn of_paths(rule: &Rule, here: &KeyPath, found: &mut Vec<Problem>) {
    for (key, given) in [("enrolment_window", rule.enrolment_window.is_some()), ("grace", rule.grace.is_some())] {
        if given {
            found.push(Problem::error(
                here.clone().key(key),
                "a rule with paths decides no sign-in: who opens one of them has passed another rule, which says this",
                format!("move {key} to the rule that decides the sign-in"),
            ));
        }
    }
}

fn lenience(rule: &Rule, grace: &Grace, now: Timestamp, here: &KeyPath, found: &mut Vec<Problem>) {
    let here = here.clone().key("grace");
    if !rule.paths.is_empty() {
        return;
    }
    if rule.stage < Stage::Optional {
        found.push(Problem::error(
            here.clone(),
            format!("at {} nobody is asked, so there is nothing to be let off", rule.stage.as_str()),
            "write stage: required, or remove grace",
        ));
    }
    if grace.until.is_none() && grace.days_after_import.is_none() {
        found.push(Problem::error(
            here.clone(),
            "does not say when it ends, and without an end nobody has it",
            "add until: DATE, such as 2027-09-30, or days_after_import: 14",
        ));
    }
    if let Some(until) = grace.until.as_ref().filter(|until| until.at() <= now) {
        found.push(Problem::warning(
            here.clone().key("until"),
            format!("ended on {until}: {} who has set up nothing is asked for a factor now", somebody(rule)),
            "remove it, or write a later date",
        ));
    }
    if let Some(days) = grace.days_after_import.filter(|days| !(1..=365).contains(days)) {
        found.push(Problem::error(
            here.key("days_after_import"),
            format!("{days} is not between 1 and 365"),
            "write how many days people have after they became known by an import",
        ));
    }
}

fn app_switch(config: &Config, rule: &Rule, here: &KeyPath, found: &mut Vec<Problem>) {
    if rule.stage != Stage::Required {
        return;
    }
    for site in config.sites.iter().filter(|site| site.app.mfa == AppMfa::Off && rule.serves(&site.name, Door::App)) {
        found.push(Problem::warning(
            here.clone().key("stage"),
            format!(
                "required, but site \"{}\" says app.mfa: off, so at its app door the password is enough",
                site.name
            ),
            "write app: { mfa: challenge }, or give the rule doors: [browser]",
        ));
    }
}

/// Whom a rule is about, as the subject of a sentence.
pub(super) fn somebody(rule: &Rule) -> String {
    words::whom(rule).map_or("anybody".to_owned(), |whom| format!("somebody {whom}"))
}

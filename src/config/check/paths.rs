//! Rules about paths: do they name places that there are, and what do those meet who come there?

use super::mfa::first_enrolment;
use crate::{
    config::{
        Config,
        problem::{KeyPath, Problem, at},
    },
    lms::PathGroup,
    mfa::{FirstEnrolment, Rule, Stage, paths::GROUP},
    types::Door,
};

/// A working day. A factor that is older is that of the sign-in, which no path rule is needed for.
const LONGEST: u64 = 1440;

pub(super) fn check(config: &Config, found: &mut Vec<Problem>) {
    for (n, rule) in config.mfa.rules.iter().enumerate() {
        let here = at("mfa.rules").index(n);
        paths(config, rule, &here, found);
        freshness(rule, &here, found);
        if !rule.paths.is_empty() && rule.stage >= Stage::Optional {
            doors(rule, &here, found);
            factors_of(config, rule, &here, found);
        }
    }
}

fn paths(config: &Config, rule: &Rule, here: &KeyPath, found: &mut Vec<Problem>) {
    let groups = groups(config, rule);
    for (n, path) in rule.paths.iter().enumerate() {
        let here = here.clone().key("paths").index(n);
        if let Some(name) = path.strip_prefix(GROUP) {
            if !groups.iter().any(|group| group.name == name) {
                let mut known: Vec<String> = groups.iter().map(|group| format!("{GROUP}{}", group.name)).collect();
                known.sort();
                let known = known.join(", ");
                found.push(Problem::error(
                    here,
                    format!("the LMS has no place called \"{name}\""),
                    format!("write one of {known}, or the path itself"),
                ));
            }
        } else if !path.starts_with('/') {
            found.push(Problem::error(
                here,
                format!("\"{path}\" is no path"),
                format!(
                    "write it from its slash on, such as /admin/ or /course/loginas.php, or a place such as {}",
                    groups.first().map_or_else(String::new, |group| format!("{GROUP}{}", group.name))
                ),
            ));
        } else if path.contains(['?', '#', '%', '*', '\\']) || path.contains("//") {
            found.push(Problem::error(
                here,
                format!(
                    "\"{path}\" never matches: paths are compared decoded, without their query, and know no wildcard"
                ),
                "write the script alone, or its folder with a slash at the end",
            ));
        }
    }
}

fn freshness(rule: &Rule, here: &KeyPath, found: &mut Vec<Problem>) {
    let Some(minutes) = rule.fresh_minutes else { return };
    let here = here.clone().key("fresh_minutes");
    if rule.paths.is_empty() {
        found.push(Problem::error(
            here,
            "has a meaning with paths alone: at sign-in every factor is fresh",
            "add paths: [\"@administration\"], or remove it",
        ));
        return;
    }
    if !(1..=LONGEST).contains(&minutes) {
        found.push(Problem::error(
            here.clone(),
            format!("{minutes} minutes are not between 1 and {LONGEST}"),
            "write 15 for what must not be done at somebody's unlocked computer",
        ));
    }
    let meets = match rule.stage {
        Stage::Required => return,
        Stage::Optional => {
            "asked only of those who have a factor: everybody else opens these paths with their password"
        }
        Stage::Report => "nobody is asked yet: what would have been asked is in the audit log, once per session",
        Stage::Off => "nobody is asked, and nothing is recorded",
    };
    found.push(Problem::warning(
        here,
        format!("stage is {}: {meets}", rule.stage.as_str()),
        "write stage: required once everybody who comes there has a factor",
    ));
}

fn doors(rule: &Rule, here: &KeyPath, found: &mut Vec<Problem>) {
    if !rule.doors.is_empty() && !rule.doors.contains(&Door::Browser) {
        found.push(Problem::warning(
            here.clone().key("doors"),
            "paths are looked at in browsers alone: this rule asks nobody",
            "remove doors, or write [browser]",
        ));
    }
}

/// An enrolment scores only under rules that would have allowed it: whoever comes with a weaker one is turned away.
fn factors_of(config: &Config, rule: &Rule, here: &KeyPath, found: &mut Vec<Problem>) {
    // Without a word of its own it takes what the rule of the sign-in takes.
    let Some(wants) = rule.first_enrolment else { return };
    let weaker = |other: &&Rule| {
        other.paths.is_empty() && other.stage >= Stage::Optional && first_enrolment(config, other) < wants
    };
    if let Some(other) = config.mfa.rules.iter().find(weaker) {
        found.push(Problem::warning(
            here.clone().key("first_enrolment"),
            format!(
                "{} here, and {} under \"{}\": a factor that was set up there does not count on these paths, \
                 and whoever has no other cannot open them",
                name(wants),
                name(first_enrolment(config, other)),
                other.name
            ),
            "write the same first_enrolment in both, or let the help desk's codes set up the factors of those who work there",
        ));
    }
}

fn name(first: FirstEnrolment) -> &'static str {
    match first {
        FirstEnrolment::AtSignIn => "at_sign_in",
        FirstEnrolment::AfterEmailCode => "after_email_code",
        FirstEnrolment::ByHelpDesk => "by_help_desk",
    }
}

/// The places of the sites that the rule is for.
fn groups(config: &Config, rule: &Rule) -> Vec<PathGroup> {
    let mut groups: Vec<PathGroup> = Vec::new();
    for site in config.sites.iter().filter(|site| rule.sites.is_empty() || rule.sites.contains(&site.name)) {
        for group in site.lms.kind.path_groups() {
            if !groups.contains(group) {
                groups.push(*group);
            }
        }
    }
    groups
}

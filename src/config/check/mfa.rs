//! Factors and rules: can everybody who is asked also answer, and does the first enrolment prove anything?

use super::{SHORT_NAME, is_short_name, sites::known};
use crate::{
    config::{
        Config,
        problem::{KeyPath, Problem, at},
    },
    lms::AppMfa,
    mfa::{FirstEnrolment, Rule, Stage, policy::default_enrolment},
    types::{Door, FactorKind, Timestamp},
};

pub(super) fn check(config: &Config, now: Timestamp, found: &mut Vec<Problem>) {
    factors(config, found);
    for (n, rule) in config.mfa.rules.iter().enumerate() {
        let here = at("mfa.rules").index(n);
        names(config, n, &here, found);
        enrolment(config, rule, now, &here, found);
        app_switch(config, rule, &here, found);
    }
    satisfiable(config, found);
    help(config, found);
    super::operation::within(
        found,
        "mfa",
        &[
            ("flow_minutes", config.mfa.flow_minutes, 1, 60),
            ("help_desk_code_hours", config.mfa.help_desk_code_hours, 1, 168),
        ],
    );
}

/// It becomes a link on a page that asks for secrets.
fn help(config: &Config, found: &mut Vec<Problem>) {
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

fn factors(config: &Config, found: &mut Vec<Problem>) {
    let factors = &config.mfa.factors;
    for (n, factor) in factors.iter().enumerate() {
        let here = at("mfa.factors").index(n);
        if !(1..=100).contains(&factor.weight) {
            found.push(Problem::error(
                here.clone().key("weight"),
                format!("{} points are not between 1 and 100", factor.weight),
                "write 100 for a factor that is enough by itself, less for one that needs another beside it",
            ));
        }
        if factors[..n].iter().any(|other| other.kind == factor.kind) {
            found.push(Problem::error(
                here.key("kind"),
                format!("{} is named twice; a factor never counts twice", factor.kind),
                "keep one of the two",
            ));
        }
    }
    let has = |kind| factors.iter().any(|factor| factor.kind == kind);
    if has(FactorKind::Recovery) && !has(FactorKind::Totp) {
        found.push(Problem::error(
            at("mfa.factors"),
            "recovery codes stand in for another factor and cannot be enrolled alone",
            "add { kind: totp, weight: 100 }",
        ));
    }
}

fn names(config: &Config, n: usize, here: &KeyPath, found: &mut Vec<Problem>) {
    let rule = &config.mfa.rules[n];
    let earlier = &config.mfa.rules[..n];
    if !is_short_name(&rule.name) {
        found.push(Problem::error(
            here.clone().key("name"),
            format!("\"{}\" cannot be a rule's name", rule.name),
            SHORT_NAME,
        ));
    }
    if earlier.iter().any(|other| other.name == rule.name) {
        found.push(Problem::error(
            here.clone().key("name"),
            format!("there is already a rule \"{}\"", rule.name),
            "give each rule a name of its own; it is stored with the enrolments made under it",
        ));
    }
    for (m, site) in rule.sites.iter().enumerate() {
        if !config.sites.iter().any(|other| other.name == *site) {
            found.push(Problem::error(
                here.clone().key("sites").index(m),
                format!("there is no site \"{site}\""),
                known(config),
            ));
        }
    }
    if let Some(other) = earlier.iter().find(|other| covers(other, rule)) {
        found.push(Problem::warning(
            here.clone(),
            format!("never applies: \"{}\" stands above it and matches all that it would", other.name),
            "move it up, or remove it",
        ));
    }
}

fn covers(earlier: &Rule, later: &Rule) -> bool {
    let narrower = !earlier.groups.is_empty() || !earlier.sources.is_empty() || !earlier.networks.is_empty();
    if narrower || earlier.paths.is_empty() != later.paths.is_empty() || !earlier.paths.is_empty() {
        return false;
    }
    let sites = earlier.sites.is_empty()
        || (!later.sites.is_empty() && later.sites.iter().all(|site| earlier.sites.contains(site)));
    let doors = |door| earlier.doors.is_empty() || earlier.doors.contains(&door);
    let later_doors = if later.doors.is_empty() { &[Door::Browser, Door::App][..] } else { &later.doors[..] };
    sites && later_doors.iter().all(|door| doors(*door))
}

fn enrolment(config: &Config, rule: &Rule, now: Timestamp, here: &KeyPath, found: &mut Vec<Problem>) {
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

/// What opens a first enrolment under a rule, said or not.
pub(in crate::config) fn first_enrolment(config: &Config, rule: &Rule) -> FirstEnrolment {
    rule.first_enrolment.unwrap_or(default_enrolment(config.outbound.mail.is_some()))
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

/// Would anybody who is asked be able to reach 100 points?
fn satisfiable(config: &Config, found: &mut Vec<Problem>) {
    let weight = |kind| config.mfa.factors.iter().find(|f| f.kind == kind).map_or(0, |f| f.weight);
    let (totp, recovery) = (weight(FactorKind::Totp), weight(FactorKind::Recovery));
    let asked = config.mfa.rules.iter().any(|rule| rule.stage >= Stage::Optional) || config.mfa.rules.is_empty();
    if asked && totp.saturating_add(recovery) < 100 {
        found.push(Problem::error(
            at("mfa.factors"),
            format!("all factors together bring {} points and 100 are needed: nobody could sign in", totp + recovery),
            "give totp a weight of 100",
        ));
    } else if asked && totp < 100 {
        found.push(Problem::warning(
            at("mfa.factors"),
            format!("totp alone brings {totp} of 100 points, so every sign-in uses up a recovery code"),
            "give totp a weight of 100",
        ));
    }
}

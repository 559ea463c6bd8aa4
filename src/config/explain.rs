//! What a configuration means to the people who meet it, in sentences, for `vestibule check`.

use super::Config;
use crate::{
    lms::{AppMfa, Guest, SignIn, Site},
    mfa::{
        FirstEnrolment, Grace, Rule, Stage,
        policy::{Policy, Surroundings},
        words,
    },
    types::{Door, Timestamp},
};
use std::fmt::Write;

/// One paragraph per site: who is asked, and what somebody at either door meets.
pub fn explain(config: &Config, now: Timestamp) -> String {
    let mut text = String::new();
    let surroundings = Surroundings { mail: config.outbound.mail.is_some(), ..Surroundings::default() };
    let told = Told { config, policy: Policy::new(&config.mfa, surroundings), now };
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
            paragraph(&mut text, &door.to_string(), &at_door(&told, site, door));
        }
        paragraph(&mut text, "paths", &at_paths(&told, site));
        let guests = match site.guest {
            Guest::Allow => "may look around without an account, if the LMS lets them",
            Guest::Deny => "are turned away",
        };
        let _ = writeln!(text, "  guests    {guests}");
    }
    text
}

/// A heading before the first line, and the others below it.
fn paragraph(text: &mut String, heading: &str, lines: &[String]) {
    for (n, line) in lines.iter().enumerate() {
        let _ = writeln!(text, "  {:<9} {line}", if n == 0 { heading } else { "" });
    }
}

fn sources(config: &Config, site: &Site) -> String {
    let speaks = |i: &&crate::chain::config::Instance| i.common.enabled && i.serves(&site.name);
    let names: Vec<&str> = config.chain.instances.iter().filter(speaks).map(|i| i.name.as_str()).collect();
    if names.is_empty() { "nobody".to_owned() } else { names.join(", then ") }
}

/// What somebody at this door meets, by the rules that could decide, in their order.
fn at_door(told: &Told<'_>, site: &Site, door: Door) -> Vec<String> {
    if door == Door::App && site.app.mfa == AppMfa::Off {
        return vec!["password alone (app.mfa: off)".to_owned()];
    }
    let mut lines = Vec::new();
    for rule in told.config.mfa.rules.iter().filter(|rule| rule.paths.is_empty() && rule.serves(&site.name, door)) {
        let whom = words::whom(rule);
        let of = whom.as_ref().map_or(String::new(), |whom| format!("{whom}: "));
        lines.push(format!("{of}{}", told.rule(rule, site, door, &format!("rule {}", rule.name))));
        if whom.is_none() {
            return lines;
        }
    }
    let strictest = Rule::strictest();
    let others = if lines.is_empty() { "" } else { "others: " };
    lines.push(format!("{others}{}", told.rule(&strictest, site, door, "no rule matches")));
    lines
}

/// What a path asks of those who are signed in.
fn at_paths(told: &Told<'_>, site: &Site) -> Vec<String> {
    let rules = told.config.mfa.rules.iter().filter(|rule| !rule.paths.is_empty() && rule.stage == Stage::Required);
    let here = rules.filter(|rule| [Door::Browser, Door::App].iter().any(|door| rule.serves(&site.name, *door)));
    let line = |rule: &Rule| {
        let of = words::whom(rule).map_or(String::new(), |whom| format!(", {whom}"));
        let asked = told.asked(rule, Door::Browser);
        let asks = match rule.fresh_minutes {
            Some(minutes) => format!("{asked}, not older than {minutes} minutes"),
            None => asked,
        };
        format!("{}{of}: {asks} (rule {})", rule.paths.join(", "), rule.name)
    };
    here.map(line).collect()
}

/// How many ways are told; the rest is `vestibule mfa combinations`'s to tell.
const MOST_WAYS: usize = 6;

/// What the sentences are made from.
struct Told<'a> {
    config: &'a Config,
    policy: Policy,
    now: Timestamp,
}

impl Told<'_> {
    fn rule(&self, rule: &Rule, site: &Site, door: Door, name: &str) -> String {
        if door == Door::App && site.app.mfa == AppMfa::Refuse && rule.stage >= Stage::Optional {
            return format!("refused where a factor is due (app.mfa: refuse; {name}: {})", rule.stage.as_str());
        }
        let must = || format!("password, then {}", self.asked(rule, door));
        let grace = rule.grace.as_ref().map_or(String::new(), |grace| self.grace(grace));
        let meets = match rule.stage {
            Stage::Off => "password alone".to_owned(),
            Stage::Report => "password alone; what `required` would have asked is recorded".to_owned(),
            Stage::Optional => format!("{}, for those who have enrolled; the others password alone", must()),
            Stage::Required => format!("{}; {}{grace}", must(), self.first(rule)),
        };
        format!("{}: {meets} ({name})", rule.stage.as_str())
    }

    /// `TOTP or a recovery code; nothing more from 10.0.0.0/8`.
    fn asked(&self, rule: &Rule, door: Door) -> String {
        let all = self.policy.combinations(rule, door);
        let (silent, asking): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| one.asked.is_empty());
        let mut ways: Vec<String> = asking.into_iter().map(|one| one.words).collect();
        if ways.len() > MOST_WAYS {
            let more = ways.len() - MOST_WAYS;
            ways.truncate(MOST_WAYS);
            ways.push(format!("{more} more (vestibule mfa combinations)"));
        }
        if ways.is_empty() {
            ways.push("what nobody has".to_owned());
        }
        let signal = |name: &String| self.config.mfa.signals.iter().find(|signal| signal.name == *name);
        let held =
            |names: &[String]| words::and(&names.iter().filter_map(signal).map(words::signal).collect::<Vec<_>>());
        let silent: Vec<String> = silent.iter().map(|one| held(&one.silent)).collect();
        let without = if silent.is_empty() { String::new() } else { format!("; nothing more {}", words::or(&silent)) };
        format!("{}{without}", words::or(&ways))
    }

    fn grace(&self, grace: &Grace) -> String {
        let days = |days: u32| format!("{days} days after their import");
        let ends = match (&grace.until, grace.days_after_import) {
            (Some(until), _) if until.at() <= self.now => return format!("; grace ended on {until}"),
            (Some(until), Some(n)) => format!("{}, and {until} at the latest", days(n)),
            (Some(until), None) => until.to_string(),
            (None, Some(n)) => days(n),
            (None, None) => return String::new(),
        };
        let led = if grace.force_setup { ", and are led to set one up" } else { "" };
        format!("; until {ends} those without a factor are let in{led}")
    }

    fn first(&self, rule: &Rule) -> String {
        match (super::check::first_enrolment(self.config, rule), &rule.enrolment_window) {
            (FirstEnrolment::AtSignIn, Some(window)) if window.is_open(self.now) => {
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
}

//! Would everybody who is asked be able to reach 100 points, and a newcomer too? Told as the journey of somebody who
//! tries.

use super::{can_be_enrolled, first_enrolment, rules::somebody, signals::MOST};
use crate::{
    config::{
        Config,
        problem::{KeyPath, Problem, at},
    },
    lms::AppMfa,
    mfa::{
        FirstEnrolment, Rule, Stage,
        policy::{Combination, Policy, Surroundings},
        words,
    },
    types::{Door, FactorKind},
};

pub(super) fn check(config: &Config, found: &mut Vec<Problem>) {
    // Refused already; too many to try.
    if config.mfa.signals.len() > MOST {
        return;
    }
    let policy = Policy::new(&config.mfa, Surroundings { mail: config.outbound.mail.is_some(), ..Default::default() });
    let strictest = Rule::strictest();
    if config.mfa.rules.is_empty() {
        one(config, &policy, &strictest, &at("mfa.factors"), found);
    }
    for (n, rule) in config.mfa.rules.iter().enumerate() {
        let asks = if rule.paths.is_empty() { Stage::Optional } else { Stage::Required };
        if rule.stage >= asks {
            one(config, &policy, rule, &at("mfa.rules").index(n), found);
        }
    }
}

fn one(config: &Config, policy: &Policy, rule: &Rule, here: &KeyPath, found: &mut Vec<Problem>) {
    let doors: Vec<Door> =
        [Door::Browser, Door::App].into_iter().filter(|door| is_served(config, rule, *door)).collect();
    let passing: Vec<(Door, Vec<Combination>)> =
        doors.into_iter().map(|door| (door, policy.combinations(rule, door))).collect();
    let shut: Vec<Door> = passing.iter().filter(|(_, all)| all.is_empty()).map(|(door, _)| *door).collect();
    if !shut.is_empty() {
        found.push(nobody_could(config, rule, &shut, here));
        return;
    }
    let can_have =
        |all: &[Combination]| all.iter().any(|one| one.asked.iter().all(|kind| can_be_enrolled(config, *kind)));
    if let Some((door, _)) = passing.iter().find(|(_, all)| !can_have(all)) {
        found.push(Problem::error(
            here.clone(),
            format!(
                "{} who {} is asked for {}, and none of it can be set up here: nobody could",
                somebody(rule),
                comes(rule, *door),
                counted(config, rule)
            ),
            "count a factor that needs nobody else, such as totp",
        ));
        return;
    }
    if let Some((door, all)) = passing.iter().find(|(_, all)| all.iter().all(|one| !one.silent.is_empty())) {
        needs_signal(rule, *door, all, here, found);
    }
    if let Some((_, all)) = passing.first() {
        uses_up_codes(all, here, found);
        if rule.stage == Stage::Required && rule.paths.is_empty() {
            newcomer(config, rule, all, here, found);
        }
    }
}

/// Whether some site has this door, for this rule.
fn is_served(config: &Config, rule: &Rule, door: Door) -> bool {
    let open = |mfa: AppMfa| door == Door::Browser || mfa == AppMfa::Challenge;
    config.sites.iter().any(|site| rule.serves(&site.name, door) && open(site.app.mfa))
}

fn comes(rule: &Rule, door: Door) -> String {
    match (rule.paths.first(), door) {
        (Some(path), _) => format!("opens {path}"),
        (None, Door::Browser) => "signs in with a browser".to_owned(),
        (None, Door::App) => "signs in with an app".to_owned(),
    }
}

/// `TOTP (50) and a recovery code (20)`.
fn counted(config: &Config, rule: &Rule) -> String {
    let factors = config.mfa.factors.iter().filter(|factor| rule.counts(factor.kind));
    let told: Vec<String> = factors.map(|f| format!("{} ({})", words::factor(f.kind), f.weight)).collect();
    if told.is_empty() { "no factor".to_owned() } else { words::and(&told) }
}

fn nobody_could(config: &Config, rule: &Rule, shut: &[Door], here: &KeyPath) -> Problem {
    let asked: u32 = config.mfa.factors.iter().filter(|f| rule.counts(f.kind)).map(|f| f.weight).sum();
    let signals: Vec<_> = config.mfa.signals.iter().filter(|signal| rule.counts_signal(&signal.name)).collect();
    let silent: u32 = signals.iter().map(|signal| signal.weight).sum();
    let names: Vec<&str> = signals.iter().map(|signal| signal.name.as_str()).collect();
    let beside = if names.is_empty() { String::new() } else { format!(", and for {}", words::and(&names)) };
    let who = format!("{} who {}", somebody(rule), shut.first().map_or_else(String::new, |door| comes(rule, *door)));
    let signals_alone = asked == 0 && silent >= 100 && (rule.fresh_minutes.is_some() || !shut.contains(&Door::Browser));
    let why = if signals_alone {
        match rule.fresh_minutes {
            Some(_) => "is asked for a fresh factor, and none counts here: a signal is no proof that somebody is there"
                .to_owned(),
            None => "would get a token without having been asked anything: signals alone hand out none".to_owned(),
        }
    } else if asked.saturating_add(silent) < 100 {
        format!("gets points for {}{beside}: {} of 100 with everything", counted(config, rule), asked + silent)
    } else {
        format!("gets points for {}{beside}, but never for enough of them at once", counted(config, rule))
    };
    Problem::error(
        here.clone(),
        format!("{who} {why}; nobody could"),
        "give totp a weight of 100, and let the rule count it",
    )
}

/// What holds only at some places or of some people lets nobody else in.
fn needs_signal(rule: &Rule, door: Door, all: &[Combination], here: &KeyPath, found: &mut Vec<Problem>) {
    let mut names: Vec<&str> = all.iter().flat_map(|one| &one.silent).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    found.push(Problem::warning(
        here.clone(),
        format!(
            "{} who {} without {} is refused, whatever they answer: all factors together are not enough without it",
            somebody(rule),
            comes(rule, door),
            words::or(&names)
        ),
        "give a factor a weight of 100, unless this is what you want",
    ));
}

fn uses_up_codes(all: &[Combination], here: &KeyPath, found: &mut Vec<Problem>) {
    let mut asking = all.iter().filter(|one| !one.asked.is_empty()).peekable();
    if asking.peek().is_some() && asking.all(|one| one.asked.contains(&FactorKind::Recovery)) {
        found.push(Problem::warning(
            here.clone(),
            "whatever is answered, a recovery code is among it: every sign-in that is asked uses one up",
            "give totp a weight of 100",
        ));
    }
}

/// Somebody who has set up nothing sets up one factor first, and must be in with it.
fn newcomer(config: &Config, rule: &Rule, all: &[Combination], here: &KeyPath, found: &mut Vec<Problem>) {
    let by_mail = first_enrolment(config, rule) == FirstEnrolment::AfterEmailCode;
    // The address that a mailed code has proven is a factor from then on.
    let first = |kind: FactorKind| {
        matches!(kind, FactorKind::Totp | FactorKind::Webauthn) || (by_mail && kind == FactorKind::Email)
    };
    let offered: Vec<FactorKind> =
        config.mfa.factors.iter().map(|f| f.kind).filter(|kind| rule.counts(*kind) && first(*kind)).collect();
    let who = somebody(rule);
    if offered.is_empty() && all.iter().all(|one| !one.asked.is_empty()) {
        let why = "the rule counts none that can be set up first";
        found.push(Problem::error(
            here.clone().key("factors"),
            format!("{who} who has set up nothing would be led to set up a first factor, and there is none: {why}; nobody could"),
            "count totp or webauthn too, or write first_enrolment: by_help_desk",
        ));
    } else if !offered.is_empty() && !offered.iter().any(|kind| all.iter().any(|one| is_reached_with(*kind, one))) {
        found.push(Problem::warning(
            here.clone(),
            format!(
                "{who} who has set up nothing sets up one factor, which is not enough by itself, and is refused until the \
                 help desk has opened the next one"
            ),
            "give totp a weight of 100, or help people to both factors before this rule is required",
        ));
    }
}

/// Recovery codes come with the first factor.
fn is_reached_with(first: FactorKind, one: &Combination) -> bool {
    one.asked.iter().all(|kind| *kind == first || *kind == FactorKind::Recovery)
}

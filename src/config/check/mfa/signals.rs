//! `mfa.signals`: names of their own, keys of their own kind, and something that can hold.

use super::{
    super::{SHORT_NAME, is_short_name},
    READ_GROUPS,
    factors::weight,
    is_source, known_sources, states_groups,
};
use crate::{
    config::{
        Config,
        problem::{KeyPath, Problem, at},
    },
    mfa::{Signal, SignalKind},
};

/// More are a rule nobody can read; and what they pass with is told by trying.
pub(super) const MOST: usize = 16;

pub(super) fn check(config: &Config, found: &mut Vec<Problem>) {
    let signals = &config.mfa.signals;
    for (n, signal) in signals.iter().enumerate() {
        let here = at("mfa.signals").index(n);
        name(&signals[..n], signal, &here, found);
        weight(signal.weight, "a signal", &here, found);
        keys(signal, &here, found);
        holds(config, signal, &here, found);
        used(config, signal, &here, found);
    }
    if signals.len() > MOST {
        found.push(Problem::error(
            at("mfa.signals"),
            format!("{} signals are more than anybody can foresee the combinations of", signals.len()),
            format!("keep at most {MOST}; one signal may have several networks, sources or groups"),
        ));
    }
}

fn name(earlier: &[Signal], signal: &Signal, here: &KeyPath, found: &mut Vec<Problem>) {
    if !is_short_name(&signal.name) {
        found.push(Problem::error(
            here.clone().key("name"),
            format!("\"{}\" cannot be a signal's name", signal.name),
            SHORT_NAME,
        ));
    }
    if earlier.iter().any(|other| other.name == signal.name) {
        found.push(Problem::error(
            here.clone().key("name"),
            format!("there is already a signal \"{}\"", signal.name),
            "give each signal a name of its own; rules and the audit log tell them apart by it",
        ));
    }
}

/// The keys a kind has, and whether it can do without.
fn keys(signal: &Signal, here: &KeyPath, found: &mut Vec<Problem>) {
    use SignalKind::*;
    let kind = signal.kind;
    for (key, empty, belongs) in [
        ("networks", signal.networks.is_empty(), kind == Network),
        ("sources", signal.sources.is_empty(), kind == Source),
        ("any_of", signal.any_of.is_empty(), kind == Group),
        ("none_of", signal.none_of.is_empty(), matches!(kind, Group | Administrator)),
        ("days", signal.days.is_none(), kind == Device),
        ("until", signal.until.is_none(), kind == Device),
        ("utc_offset", signal.utc_offset.is_none(), kind == Device),
    ] {
        if !empty && !belongs {
            found.push(Problem::error(
                here.clone().key(key),
                format!("{key} means nothing for a signal of kind {}", kind.as_str()),
                "remove it",
            ));
        }
    }
    let missing = match kind {
        Network if signal.networks.is_empty() => Some("networks: [10.0.0.0/8]"),
        Source if signal.sources.is_empty() => Some("sources: [NAME]"),
        Group if signal.any_of.is_empty() && signal.none_of.is_empty() => Some("any_of: [GROUP], or none_of: [GROUP]"),
        Network | Source | Group | Administrator | Device | NoSetup => None,
    };
    if let Some(example) = missing {
        found.push(Problem::error(
            here.clone(),
            format!("\"{}\" does not say when it holds", signal.name),
            format!("add {example}"),
        ));
    }
}

fn holds(config: &Config, signal: &Signal, here: &KeyPath, found: &mut Vec<Problem>) {
    for (n, source) in signal.sources.iter().enumerate().filter(|(_, source)| !is_source(config, source)) {
        found.push(Problem::error(
            here.clone().key("sources").index(n),
            format!("there is no instance \"{source}\", so the signal would never hold for its people"),
            known_sources(config),
        ));
    }
    if signal.networks.iter().any(|range| range.is_everybody()) {
        found.push(Problem::warning(
            here.clone().key("networks"),
            format!("holds wherever somebody is: {} points for everybody, asked or not", signal.weight),
            "name the ranges you mean",
        ));
    }
    let by_group =
        signal.kind == SignalKind::Group || (signal.kind == SignalKind::Administrator && !signal.none_of.is_empty());
    if by_group && !config.sites.iter().any(|site| states_groups(config, &site.name)) {
        found.push(Problem::warning(
            here.clone(),
            "nobody says who is in which group, and where that is not known the signal does not hold: nobody has its \
             points",
            format!("{READ_GROUPS}, or remove the signal"),
        ));
    }
    if signal.kind == SignalKind::NoSetup && signal.weight >= 100 {
        found.push(Problem::warning(
            here.clone(),
            "lets everybody in who has set up nothing, with the password alone, and an account that was reset too",
            "use grace with an end, or stage: optional, which say the same in a way that ends",
        ));
    }
}

fn used(config: &Config, signal: &Signal, here: &KeyPath, found: &mut Vec<Problem>) {
    let rules = &config.mfa.rules;
    if !rules.is_empty() && !rules.iter().any(|rule| rule.counts_signal(&signal.name)) {
        found.push(Problem::warning(
            here.clone(),
            format!("no rule counts \"{}\"", signal.name),
            "name it in a rule's signals, or remove it",
        ));
    }
}

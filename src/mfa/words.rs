//! Factors, signals and rules in the words of the command line, for those who run the gateway.

use super::config::{Rule, Signal, SignalKind};
use crate::types::FactorKind;
use std::fmt::Display;

pub fn factor(kind: FactorKind) -> &'static str {
    match kind {
        FactorKind::Totp => "TOTP",
        FactorKind::Webauthn => "a passkey",
        FactorKind::Email => "a code by e-mail",
        FactorKind::Sms => "a code by text message",
        FactorKind::Recovery => "a recovery code",
    }
}

/// What holds where this signal does.
pub fn signal(signal: &Signal) -> String {
    match signal.kind {
        SignalKind::Network => format!("from {}", or(&signal.networks)),
        SignalKind::Source => format!("signed in by {}", or(&signal.sources)),
        SignalKind::Group => {
            let any = (!signal.any_of.is_empty()).then(|| format!("in {}", or(&signal.any_of)));
            let none = (!signal.none_of.is_empty()).then(|| format!("not in {}", or(&signal.none_of)));
            let both: Vec<String> = any.into_iter().chain(none).collect();
            if both.is_empty() { "in groups that were read".to_owned() } else { both.join(" and ") }
        }
        SignalKind::Administrator => "not an administrator".to_owned(),
        SignalKind::Device => "on a trusted device".to_owned(),
        SignalKind::NoSetup => "with nothing to be asked for".to_owned(),
    }
}

/// Whom a rule is about, beside sites and doors: `in staff, from 10.0.0.0/8`; `None`: everybody.
pub fn whom(rule: &Rule) -> Option<String> {
    let mut parts = Vec::new();
    if !rule.groups.is_empty() {
        parts.push(format!("in {}", or(&rule.groups)));
    }
    if !rule.sources.is_empty() {
        parts.push(format!("signed in by {}", or(&rule.sources)));
    }
    if !rule.networks.is_empty() {
        parts.push(format!("from {}", or(&rule.networks)));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// `a`, `a or b`, `a, b or c`.
pub fn or(items: &[impl Display]) -> String {
    joined(items, " or ")
}

/// `a`, `a and b`, `a, b and c`.
pub fn and(items: &[impl Display]) -> String {
    joined(items, " and ")
}

fn joined(items: &[impl Display], last: &str) -> String {
    let texts: Vec<String> = items.iter().map(ToString::to_string).collect();
    match texts.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((end, start)) => format!("{}{last}{end}", start.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_and_rules_are_told_in_sentences() {
        let told = |yaml: &str| signal(&serde_yaml::from_str(yaml).unwrap());
        assert_eq!(
            told("{name: n, kind: network, networks: [10.0.0.0/8, 192.0.2.0/24]}"),
            "from 10.0.0.0/8 or 192.0.2.0/24"
        );
        assert_eq!(told("{name: n, kind: group, any_of: [a, b, c], none_of: [d]}"), "in a, b or c and not in d");
        let rule: Rule =
            serde_yaml::from_str("{name: r, groups: [staff], sources: [ad], networks: [10.0.0.0/8]}").unwrap();
        assert_eq!(whom(&rule).as_deref(), Some("in staff, signed in by ad, from 10.0.0.0/8"));
        assert_eq!(whom(&Rule::strictest()), None);
        assert_eq!(and(&["a", "b", "c"]), "a, b and c");
    }
}

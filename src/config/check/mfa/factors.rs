//! `mfa.factors`: each once, worth something, with options of its own kind, and to be had at all.

use super::can_be_enrolled;
use crate::{
    config::{
        Config,
        problem::{KeyPath, Problem, at},
    },
    mfa::Factor,
    types::FactorKind,
};

pub(super) fn check(config: &Config, found: &mut Vec<Problem>) {
    let factors = &config.mfa.factors;
    for (n, factor) in factors.iter().enumerate() {
        let here = at("mfa.factors").index(n);
        weight(factor.weight, "a factor", &here, found);
        if factors[..n].iter().any(|other| other.kind == factor.kind) {
            found.push(Problem::error(
                here.clone().key("kind"),
                format!("{} is named twice; a factor never counts twice", factor.kind),
                "keep one of the two",
            ));
        }
        options(factor, &here, found);
        to_be_had(config, factor.kind, &here, found);
    }
}

/// Of a factor or a signal.
pub(super) fn weight(weight: u32, of: &str, here: &KeyPath, found: &mut Vec<Problem>) {
    if !(1..=100).contains(&weight) {
        found.push(Problem::error(
            here.clone().key("weight"),
            format!("{weight} points are not between 1 and 100"),
            format!("write 100 for {of} that is enough by itself, less for one that needs another beside it"),
        ));
    }
}

/// Those of totp; `check::passkeys` looks at webauthn's.
fn options(factor: &Factor, here: &KeyPath, found: &mut Vec<Problem>) {
    if factor.kind != FactorKind::Totp {
        let options = [
            ("algorithm", factor.algorithm.is_some()),
            ("digits", factor.digits.is_some()),
            ("period", factor.period.is_some()),
        ];
        for (key, _) in options.into_iter().filter(|(_, given)| *given) {
            found.push(Problem::error(
                here.clone().key(key),
                format!("{key} is an option of totp; {} has none of that name", factor.kind),
                "remove it",
            ));
        }
        return;
    }
    if let Some(digits) = factor.digits.filter(|digits| !matches!(digits, 6 | 8)) {
        found.push(Problem::error(
            here.clone().key("digits"),
            format!("authenticator apps show 6 digits, some 8; none shows {digits}"),
            "write 6",
        ));
    }
    if let Some(period) = factor.period.filter(|period| !(15..=120).contains(period)) {
        found.push(Problem::error(
            here.clone().key("period"),
            format!(
                "a code that changes every {period} seconds is {}",
                if period < 15 { "gone before it is typed" } else { "good for too long" }
            ),
            "write 15 to 120; apps that show no other take 30",
        ));
    }
    let odd = factor.algorithm.is_some_and(|a| a != Default::default())
        || factor.digits == Some(8)
        || factor.period.is_some_and(|period| period != 30);
    if odd {
        found.push(Problem::warning(
            here.clone(),
            "several authenticator apps silently compute SHA-1, 6 digits and 30 seconds, whatever the QR code says: \
             their users cannot finish the enrolment",
            "leave out algorithm, digits and period, unless you know the apps of your users",
        ));
    }
}

fn to_be_had(config: &Config, kind: FactorKind, here: &KeyPath, found: &mut Vec<Problem>) {
    if can_be_enrolled(config, kind) {
        return;
    }
    let (what, fix) = match kind {
        FactorKind::Email => (
            "codes by e-mail need a mail server, and outbound.mail is not set: nobody could enrol an address or get a code",
            "set outbound.mail, or remove this factor",
        ),
        FactorKind::Sms => (
            "codes by text message need somebody to send them, and outbound.sms is not set: nobody could enrol a number \
             or get a code",
            "set outbound.sms, or remove this factor",
        ),
        FactorKind::Recovery => (
            "recovery codes stand in for another factor and cannot be enrolled alone",
            "add { kind: totp, weight: 100 }",
        ),
        FactorKind::Totp | FactorKind::Webauthn => return,
    };
    found.push(Problem::error(here.clone(), what, fix));
}

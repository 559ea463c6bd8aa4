//! The settings of tool_mfa and its factors, and what they are called in gateway.yaml.

use super::record::Record;
use crate::types::Timestamp;
use std::{collections::BTreeMap, time::Duration};
use time::OffsetDateTime;

/// tool_mfa's default weight of every factor.
const WEIGHT: u32 = 100;
/// factor_grace's default, a week.
const GRACE: u64 = 604_800;

/// `config_plugins`, for the plugins that are looked at.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// By plugin and name.
    values: BTreeMap<(String, String), String>,
}

/// Who is still in a grace period, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grace {
    pub people: usize,
    /// The last one's end.
    pub until: Timestamp,
}

/// Asked factors: (tool_mfa's name, ours). The others are signals.
const ASKED: [(&str, &str); 4] = [("totp", "totp"), ("webauthn", "webauthn"), ("email", "email"), ("sms", "sms")];

/// What a factor that asks nothing is called here.
enum Signal {
    /// It says all by itself.
    Whole(&'static str),
    /// Its kind, what is to be added, and what that is.
    Open(&'static str, &'static str, &'static str),
    /// There is none, and why.
    None(&'static str),
}

const SIGNALS: [(&str, Signal); 8] = [
    ("token", Signal::Whole("device")),
    ("admin", Signal::Whole("administrator")),
    ("nosetup", Signal::Whole("no_setup")),
    ("iprange", Signal::Open("network", "networks: []", "the ranges of `safeips`, as CIDR")),
    ("auth", Signal::Open("source", "sources: []", "the instances that stand for the plugins of `goodauth`")),
    ("cohort", Signal::Open("group", "none_of: []", "the cohorts, as \"cohort:NAME\"; sites.lms.groups reads them")),
    ("role", Signal::Open("group", "none_of: []", "the roles, as \"role:SHORTNAME\"; sites.lms.groups reads them")),
    ("capability", Signal::None("cannot be read from outside; name the roles that hold it in a `group` signal")),
];

impl Settings {
    pub fn note(&mut self, plugin: &str, name: &str, value: &str) {
        self.values.insert((plugin.to_owned(), name.to_owned()), value.trim().to_owned());
    }

    fn value(&self, plugin: &str, name: &str) -> Option<&str> {
        self.values.get(&(plugin.to_owned(), name.to_owned())).map(String::as_str)
    }

    fn number(&self, plugin: &str, name: &str) -> Option<u64> {
        self.value(plugin, name)?.parse().ok()
    }

    /// Whether tool_mfa is in use at all.
    pub fn enabled(&self) -> bool {
        self.value("tool_mfa", "enabled") == Some("1")
    }

    fn is_on(&self, factor: &str) -> bool {
        self.value(&format!("factor_{factor}"), "enabled") == Some("1")
    }

    /// Points, 1 to 100 as gateway.yaml takes them. tool_mfa takes any number, and 0 for nothing.
    fn weight(&self, factor: &str) -> u64 {
        self.number(&format!("factor_{factor}"), "weight").unwrap_or(u64::from(WEIGHT)).min(100)
    }

    /// The factors that are on, in the order in which they are asked.
    fn factors(&self) -> Vec<&str> {
        let order: Vec<&str> = self.value("tool_mfa", "factor_order").unwrap_or_default().split(',').collect();
        let named = self.values.keys().filter_map(|(plugin, _)| plugin.strip_prefix("factor_"));
        let mut on: Vec<&str> = named.filter(|factor| self.is_on(factor)).collect();
        on.dedup();
        on.sort_by_key(|factor| order.iter().position(|name| name == factor).unwrap_or(usize::MAX));
        on
    }

    /// `mfa:` with the same weights. What cannot be said by a machine stands beside it as a comment.
    pub fn yaml(&self) -> String {
        let on = self.factors();
        let mut text = "mfa:\n  factors:\n".to_owned();
        for (theirs, ours) in ASKED.iter().filter(|(theirs, _)| on.contains(theirs)) {
            let weight = self.weight(theirs);
            match weight {
                0 => text.push_str(&format!("    # {ours}: it is worth nothing in Moodle; leave it out\n")),
                _ => text.push_str(&format!("    - {{ kind: {ours}, weight: {weight} }}\n")),
            }
        }
        text.push_str(&format!(
            "    - {{ kind: recovery, weight: {} }} # stands in for a lost device\n",
            self.recovery_weight(&on)
        ));
        let signals: Vec<_> = on.iter().filter_map(|on| SIGNALS.iter().find(|(theirs, _)| theirs == on)).collect();
        if signals.iter().any(|(_, signal)| matches!(signal, Signal::Whole(_))) {
            text.push_str("  signals:\n");
        }
        for (theirs, signal) in signals {
            let weight = self.weight(theirs).max(1);
            text.push_str(&match signal {
                Signal::Whole(kind) => format!("    - {{ name: {theirs}, kind: {kind}, weight: {weight} }}\n"),
                Signal::Open(kind, more, what) => {
                    format!("    # - {{ name: {theirs}, kind: {kind}, weight: {weight}, {more} }}: {what}\n")
                }
                Signal::None(why) => format!("    # {theirs}: {why}\n"),
            });
        }
        text
    }

    /// As much as the strongest factor that it stands in for.
    fn recovery_weight(&self, on: &[&str]) -> u64 {
        let own = ["totp", "webauthn"].iter().filter(|factor| on.contains(factor)).map(|factor| self.weight(factor));
        own.max().unwrap_or(u64::from(WEIGHT)).max(1)
    }

    /// What was set otherwise in Moodle than it is here, and cannot be set the same.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.enabled() {
            notes.push("tool_mfa is switched off in Moodle: nobody is asked there at present".to_owned());
        }
        if let Some(lockout) = self.number("tool_mfa", "lockout").filter(|lockout| *lockout != 10) {
            notes.push(format!(
                "tool_mfa locks a factor after {lockout} wrong answers; here it is limits.wrong_factors_before_lock, 10, and it opens again after limits.lock_minutes"
            ));
        }
        if let Some(window) = self.number("factor_totp", "window").filter(|window| *window >= 60) {
            notes.push(format!(
                "codes up to {window} s early or late were accepted; here it is 30 s, and who is further off is told about the clock"
            ));
        }
        if self.is_on("email") && self.number("factor_email", "duration").unwrap_or(1800) > 600 {
            notes.push("mailed codes are good for 10 minutes here".to_owned());
        }
        if let Some(uv) = self.value("factor_webauthn", "userverification").filter(|_| self.is_on("webauthn")) {
            notes.push(format!("user verification of security keys is `{uv}` in Moodle: say the same of the factor"));
        }
        notes
    }

    /// Who is still within factor_grace's period: it began for each with the first sign-in that tool_mfa saw.
    pub fn grace(&self, records: &[Record], now: Timestamp) -> Option<Grace> {
        let period = Duration::from_secs(self.number("factor_grace", "graceperiod").unwrap_or(GRACE));
        let ends = records
            .iter()
            .filter(|record| self.is_on("grace") && record.factor == "grace" && record.created > 0)
            .map(|record| Timestamp::from_secs(record.created).plus(period))
            .filter(|end| *end > now);
        let ends: Vec<Timestamp> = ends.collect();
        let until = ends.iter().copied().max()?;
        Some(Grace { people: ends.len(), until })
    }
}

impl Grace {
    /// The day on which the last period ends, in UTC.
    pub fn day(&self) -> String {
        let date = OffsetDateTime::from_unix_timestamp(self.until.secs()).map(OffsetDateTime::date);
        date.map_or_else(|_| "never".to_owned(), |date| date.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        lms::moodle::tool_mfa::User,
        types::{LmsUserId, Secret},
    };

    fn settings(rows: &[(&str, &str, &str)]) -> Settings {
        let mut settings = Settings::default();
        for (plugin, name, value) in rows {
            settings.note(plugin, name, value);
        }
        settings
    }

    fn on<'a>(rows: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str, &'a str)> {
        let each = |(plugin, weight): &(&'a str, &'a str)| [(*plugin, "enabled", "1"), (*plugin, "weight", *weight)];
        rows.iter().flat_map(each).collect()
    }

    #[test]
    fn weights_become_the_factors_of_gateway_yaml() {
        let mut rows = on(&[("factor_totp", "100"), ("factor_email", "50"), ("factor_token", "100")]);
        rows.extend([("factor_webauthn", "enabled", "0"), ("factor_webauthn", "weight", "100")]);
        rows.extend([("tool_mfa", "enabled", "1"), ("tool_mfa", "factor_order", "token,email,totp")]);
        let yaml = settings(&rows).yaml();
        assert!(yaml.contains("- { kind: totp, weight: 100 }\n"), "{yaml}");
        assert!(yaml.contains("- { kind: email, weight: 50 }\n"), "{yaml}");
        assert!(yaml.contains("    - { name: token, kind: device, weight: 100 }"), "{yaml}");
        assert!(!yaml.contains("webauthn"), "{yaml}");
    }

    #[test]
    fn what_is_set_otherwise_is_told() {
        let rows = [("tool_mfa", "enabled", "1"), ("tool_mfa", "lockout", "3"), ("factor_totp", "window", "120")];
        let notes = settings(&rows).notes();
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(settings(&[]).notes()[0].contains("switched off"));
    }

    #[test]
    fn a_grace_period_ends_when_the_last_persons_does() {
        let begun = |created| Record {
            id: 1,
            user: LmsUserId(3),
            username: "student1".into(),
            state: User::Active,
            factor: "grace".into(),
            secret: Secret::new(String::new()),
            label: String::new(),
            created,
            verified: 0,
            revoked: false,
        };
        let rows = [("factor_grace", "enabled", "1"), ("factor_grace", "graceperiod", "86400")];
        let (settings, now) = (settings(&rows), Timestamp::from_secs(1_700_000_000));
        let records = [begun(1_699_000_000), begun(1_699_990_000), begun(1_699_999_000)];
        let grace = settings.grace(&records, now).unwrap();
        assert_eq!((grace.people, grace.until.secs(), grace.day().as_str()), (2, 1_700_085_400, "2023-11-15"));
        assert_eq!(settings.grace(&records[..1], now), None, "it is over");
    }
}

//! `mfa:` in gateway.yaml: what each factor is worth, and which rule applies where.

use crate::types::{Door, FactorKind, SiteName, Timestamp};
use serde::{Deserialize, Deserializer, de};
use std::{fmt, str::FromStr};
use time::{Date, OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description};

/// Points as in Moodle's tool_mfa: every answered factor brings its weight, 100 pass.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The factors that are offered. One that is left out is neither asked nor enrolled.
    pub factors: Vec<Factor>,
    /// The first rule that matches site and door decides. Where none does, [`Rule::strictest`] applies.
    pub rules: Vec<Rule>,
    /// What authenticator apps show above the code; `null`: the site's host name.
    pub issuer: Option<String>,
    /// How long an unfinished sign-in is kept.
    pub flow_minutes: u64,
    /// How long a code of `vestibule factor issue-enrolment-code` is good.
    pub help_desk_code_hours: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            factors: FactorKind::ALL.into_iter().map(|kind| Factor { kind, weight: 100 }).collect(),
            rules: Vec::new(),
            issuer: None,
            flow_minutes: 10,
            help_desk_code_hours: 24,
        }
    }
}

/// One factor and what it is worth.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Factor {
    pub kind: FactorKind,
    /// Points, 1 to 100.
    #[serde(default = "hundred")]
    pub weight: u32,
}

fn hundred() -> u32 {
    100
}

/// What is asked of whom.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Stored with enrolments made under it, and shown in the audit log.
    pub name: String,
    /// Empty: all sites.
    #[serde(default)]
    pub sites: Vec<SiteName>,
    /// Empty: both doors.
    #[serde(default)]
    pub doors: Vec<Door>,
    #[serde(default)]
    pub stage: Stage,
    #[serde(default)]
    pub first_enrolment: FirstEnrolment,
    /// Only with `first_enrolment: at_sign_in`, and required there.
    #[serde(default)]
    pub enrolment_window: Option<EnrolmentWindow>,
}

impl Rule {
    /// What applies where no rule matches: a factor is required, and only the help desk opens an enrolment.
    pub fn strictest() -> Self {
        Self {
            name: "default".to_owned(),
            sites: Vec::new(),
            doors: Vec::new(),
            stage: Stage::Required,
            first_enrolment: FirstEnrolment::ByHelpDesk,
            enrolment_window: None,
        }
    }

    pub fn matches(&self, site: &SiteName, door: Door) -> bool {
        (self.sites.is_empty() || self.sites.contains(site)) && (self.doors.is_empty() || self.doors.contains(&door))
    }
}

/// How far the rollout of a rule has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Nobody is asked.
    Off,
    /// Decided and recorded, but everybody is let through.
    Report,
    /// Asked of those who have enrolled.
    Optional,
    /// Asked of everybody.
    #[default]
    Required,
}

impl Stage {
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Off => "off",
            Stage::Report => "report",
            Stage::Optional => "optional",
            Stage::Required => "required",
        }
    }
}

/// What must be proven beyond the password before a first device is enrolled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstEnrolment {
    /// Nothing more: whoever has the password first owns the factor. Only inside an enrolment window.
    AtSignIn,
    /// A one-time code that the help desk gave out.
    #[default]
    ByHelpDesk,
}

/// The time in which first devices are enrolled with the password alone.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolmentWindow {
    pub until: Deadline,
}

impl EnrolmentWindow {
    pub fn is_open(&self, now: Timestamp) -> bool {
        now < self.until.at()
    }
}

/// An RFC 3339 date or date-time. A bare date lasts to the end of that day in UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadline {
    at: Timestamp,
    text: String,
}

/// Shown to the operator as it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a date such as 2027-09-30 or a time such as 2027-09-30T18:00:00+02:00")]
pub struct DeadlineError(String);

impl Deadline {
    /// The first moment that is too late.
    pub fn at(&self) -> Timestamp {
        self.at
    }
}

impl FromStr for Deadline {
    type Err = DeadlineError;

    fn from_str(text: &str) -> Result<Self, DeadlineError> {
        let moment = Date::parse(text, format_description!("[year]-[month]-[day]"))
            .ok()
            .and_then(|day| Some(day.next_day()?.midnight().assume_utc()))
            .or_else(|| OffsetDateTime::parse(text, &Rfc3339).ok())
            .ok_or_else(|| DeadlineError(text.to_owned()))?;
        Ok(Self { at: Timestamp::from_secs(moment.unix_timestamp()), text: text.to_owned() })
    }
}

impl fmt::Display for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Deadline {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_date_lasts_to_the_end_of_that_day() {
        let window = EnrolmentWindow { until: "2027-12-31".parse().unwrap() };
        let at = |text: &str| text.parse::<Deadline>().unwrap().at();
        assert!(window.is_open(at("2027-12-31T23:59:59Z")));
        assert!(!window.is_open(at("2028-01-01T00:00:00Z")));
        assert_eq!(at("2027-06-01T02:00:00+02:00"), at("2027-06-01T00:00:00Z"));
        assert!("31.12.2027".parse::<Deadline>().is_err());
        assert!("2027-02-30".parse::<Deadline>().is_err());
    }

    #[test]
    fn a_rule_without_sites_and_doors_matches_all() {
        let mut rule = Rule::strictest();
        let site = SiteName::new("campus");
        assert!(rule.matches(&site, Door::App));
        rule.doors = vec![Door::Browser];
        assert!(rule.matches(&site, Door::Browser) && !rule.matches(&site, Door::App));
        rule.sites = vec![SiteName::new("other")];
        assert!(!rule.matches(&site, Door::Browser));
    }
}

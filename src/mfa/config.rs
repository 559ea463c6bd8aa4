//! `mfa:` in gateway.yaml: what each factor is worth, and which rule applies where.

use super::factors::{device, totp, webauthn};
use crate::types::{Cidr, Door, FactorKind, SiteName, SourceId, Timestamp};
use serde::{Deserialize, Deserializer, de};
use std::{fmt, str::FromStr, time::Duration};
use time::{Date, OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description};

/// Points as in Moodle's tool_mfa: every answered factor and every signal that holds brings its weight, 100 pass.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The factors that are offered. One that is left out is neither asked nor enrolled.
    pub factors: Vec<Factor>,
    /// What counts without a question. None by default.
    pub signals: Vec<Signal>,
    /// The first rule that matches decides. Where none does, [`Rule::strictest`] applies.
    pub rules: Vec<Rule>,
    /// What authenticator apps show above the code; `null`: the site's host name.
    pub issuer: Option<String>,
    /// How long an unfinished sign-in is kept.
    pub flow_minutes: u64,
    /// How long a code of `vestibule factor issue-enrolment-code` is good.
    pub help_desk_code_hours: u64,
    /// Whom to turn to when nothing that is asked for is at hand; shown where it is asked.
    pub help: Option<Help>,
}

/// The help desk, as its users reach it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Help {
    /// Shown as it stands, in whatever language it is written.
    pub text: Option<String>,
    /// `https:`, `http:` or `mailto:`.
    pub url: Option<String>,
    pub phone: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            factors: [FactorKind::Totp, FactorKind::Recovery].into_iter().map(Factor::of).collect(),
            signals: Vec::new(),
            rules: Vec::new(),
            issuer: None,
            flow_minutes: 10,
            help_desk_code_hours: 24,
            help: None,
        }
    }
}

/// One factor and what it is worth. Which of the options belong to which kind, `check` says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Factor {
    pub kind: FactorKind,
    /// Points, 1 to 100.
    #[serde(default = "hundred")]
    pub weight: u32,
    /// Of `totp`: what new devices are enrolled with. Those that are enrolled keep what they have.
    #[serde(default)]
    pub algorithm: Option<totp::Algorithm>,
    /// Of `totp`: 6 or 8.
    #[serde(default)]
    pub digits: Option<u8>,
    /// Of `totp`: seconds, 15 to 120.
    #[serde(default)]
    pub period: Option<u32>,
    /// Of `webauthn`: whether PIN or biometrics are asked for.
    #[serde(default)]
    pub user_verification: Option<webauthn::UserVerification>,
    /// Of `webauthn`: which authenticators are offered for a new passkey.
    #[serde(default)]
    pub attachment: Option<webauthn::Attachment>,
    /// Of `webauthn`: whether a passkey alone signs in, at sites with a sign-in page of the gateway's own.
    #[serde(default)]
    pub passwordless: Option<bool>,
}

impl Factor {
    pub fn of(kind: FactorKind) -> Self {
        Self {
            kind,
            weight: hundred(),
            algorithm: None,
            digits: None,
            period: None,
            user_verification: None,
            attachment: None,
            passwordless: None,
        }
    }

    pub fn totp(&self) -> totp::Options {
        let usual = totp::Options::default();
        totp::Options {
            algorithm: self.algorithm.unwrap_or(usual.algorithm),
            digits: self.digits.unwrap_or(usual.digits),
            period: self.period.unwrap_or(usual.period),
            imported: false,
        }
    }
}

fn hundred() -> u32 {
    100
}

impl Config {
    /// The entry of a kind, where it is offered.
    pub fn factor(&self, kind: FactorKind) -> Option<&Factor> {
        self.factors.iter().find(|factor| factor.kind == kind)
    }

    /// How passkeys are enrolled and asked for.
    pub fn webauthn(&self) -> webauthn::Settings {
        let usual = webauthn::Settings::default();
        let Some(factor) = self.factor(FactorKind::Webauthn) else { return usual };
        webauthn::Settings {
            user_verification: factor.user_verification.unwrap_or(usual.user_verification),
            attachment: factor.attachment.unwrap_or(usual.attachment),
            passwordless: factor.passwordless.unwrap_or(usual.passwordless),
        }
    }

    /// What new TOTP devices are enrolled with.
    pub fn totp(&self) -> totp::Options {
        self.factor(FactorKind::Totp).map(Factor::totp).unwrap_or_default()
    }
}

/// Something that holds of a visitor without their being asked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signal {
    /// For rules, `explain` and the audit log.
    pub name: String,
    pub kind: SignalKind,
    /// Points, 1 to 100.
    #[serde(default = "hundred")]
    pub weight: u32,
    /// Of `network`: the visitor's address is in one of these.
    #[serde(default)]
    pub networks: Vec<Cidr>,
    /// Of `source`: the sign-in was vouched for by one of these instances.
    #[serde(default)]
    pub sources: Vec<SourceId>,
    /// Of `group`: in at least one of these.
    #[serde(default)]
    pub any_of: Vec<String>,
    /// Of `group` and `administrator`: in none of these (as tool_mfa's cohort and role factors mean it).
    #[serde(default)]
    pub none_of: Vec<String>,
    /// Of `device`: trusted for so many days, 1 to 365.
    #[serde(default)]
    pub days: Option<device::Days>,
    /// Of `device`: and no longer than to the last such time of day within them (`02:00`).
    #[serde(default)]
    pub until: Option<device::TimeOfDay>,
    /// Of `device`: what `until` is told in (`+01:00`); UTC by default.
    #[serde(default)]
    pub utc_offset: Option<device::Offset>,
}

impl Signal {
    /// How long a device is trusted. Where nothing is said: a day, and no longer than to the next 02:00.
    pub fn lifetime(&self) -> device::Lifetime {
        let usual = device::Lifetime::default();
        let utc_offset = self.utc_offset.unwrap_or_default();
        match (self.days, self.until) {
            (None, None) => device::Lifetime { utc_offset, ..usual },
            (days, until) => device::Lifetime { days: days.unwrap_or_default(), until, utc_offset },
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalKind {
    /// The visitor's address.
    Network,
    /// Who vouched for the first identity.
    Source,
    /// Groups, roles and cohorts, as the account's sources state them.
    Group,
    /// Holds of everybody who is *not* an administrator, as tool_mfa's `admin` factor does.
    Administrator,
    /// A browser that was trusted after an asked factor.
    Device,
    /// Holds of accounts that have nothing to be asked for.
    NoSetup,
}

impl SignalKind {
    pub fn as_str(self) -> &'static str {
        match self {
            SignalKind::Network => "network",
            SignalKind::Source => "source",
            SignalKind::Group => "group",
            SignalKind::Administrator => "administrator",
            SignalKind::Device => "device",
            SignalKind::NoSetup => "no_setup",
        }
    }
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
    /// In at least one of these; empty: everybody.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The instances that vouched for the sign-in; empty: all.
    #[serde(default)]
    pub sources: Vec<SourceId>,
    /// Where the visitor is; empty: anywhere.
    #[serde(default)]
    pub networks: Vec<Cidr>,
    /// A rule with paths is looked at when one of them is opened, and never at sign-in: it asks for more, not for
    /// less. `/admin/` is everything below, `/course/loginas.php` that script.
    #[serde(default)]
    pub paths: Vec<String>,
    #[serde(default)]
    pub stage: Stage,
    /// The factors that count; `null`: all that are offered.
    #[serde(default)]
    pub factors: Option<Vec<FactorKind>>,
    /// The signals that count, by their names; `null`: all.
    #[serde(default)]
    pub signals: Option<Vec<String>>,
    /// `null`: `after_email_code` where mail is set up, else `by_help_desk`.
    #[serde(default)]
    pub first_enrolment: Option<FirstEnrolment>,
    /// Only with `first_enrolment: at_sign_in`, and required there.
    #[serde(default)]
    pub enrolment_window: Option<EnrolmentWindow>,
    #[serde(default)]
    pub grace: Option<Grace>,
    /// With `paths`: an asked factor that is younger than so many minutes.
    #[serde(default)]
    pub fresh_minutes: Option<u64>,
}

impl Rule {
    /// What applies where no rule matches: a factor is required, and only the help desk opens an enrolment.
    pub fn strictest() -> Self {
        Self {
            name: "default".to_owned(),
            sites: Vec::new(),
            doors: Vec::new(),
            groups: Vec::new(),
            sources: Vec::new(),
            networks: Vec::new(),
            paths: Vec::new(),
            stage: Stage::Required,
            factors: None,
            signals: None,
            first_enrolment: Some(FirstEnrolment::ByHelpDesk),
            enrolment_window: None,
            grace: None,
            fresh_minutes: None,
        }
    }

    /// As far as the place goes, whoever comes and whatever they open.
    pub fn serves(&self, site: &SiteName, door: Door) -> bool {
        (self.sites.is_empty() || self.sites.contains(site)) && (self.doors.is_empty() || self.doors.contains(&door))
    }

    pub fn counts(&self, factor: FactorKind) -> bool {
        self.factors.as_ref().is_none_or(|named| named.contains(&factor))
    }

    pub fn counts_signal(&self, name: &str) -> bool {
        self.signals.as_ref().is_none_or(|named| named.iter().any(|other| other == name))
    }
}

/// A time in which those who have nothing to be asked for are let through.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grace {
    /// It ends for everybody with this day.
    pub until: Option<Deadline>,
    /// It ends so many days after the account became known by an import; never counted from a sign-in. Whoever was
    /// not imported has none.
    pub days_after_import: Option<u32>,
    /// Sends people to set up a factor at each sign-in until they have one.
    pub force_setup: bool,
}

impl Grace {
    /// The first moment that is too late, for an account of that import. The earlier of two.
    pub fn ends(&self, imported: Option<Timestamp>) -> Option<Timestamp> {
        let by_import = |days: u32| imported.map(|at| at.plus(Duration::from_secs(u64::from(days) * 86_400)));
        match (self.until.as_ref().map(Deadline::at), self.days_after_import) {
            (Some(until), Some(days)) => by_import(days).map(|end| end.min(until)),
            (Some(until), None) => Some(until),
            (None, Some(days)) => by_import(days),
            (None, None) => None,
        }
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

/// What must be proven beyond the password before a first device is enrolled. From the weakest to the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstEnrolment {
    /// Nothing more: whoever has the password first owns the factor. Only inside an enrolment window.
    AtSignIn,
    /// A code mailed to the address that the account's source states.
    AfterEmailCode,
    /// A one-time code that the help desk gave out.
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
        assert!(rule.serves(&site, Door::App));
        rule.doors = vec![Door::Browser];
        assert!(rule.serves(&site, Door::Browser) && !rule.serves(&site, Door::App));
        rule.sites = vec![SiteName::new("other")];
        assert!(!rule.serves(&site, Door::Browser));
    }

    #[test]
    fn f11_grace_ends_on_its_date_or_so_many_days_after_the_import_and_no_sign_in_moves_it() {
        let at = |text: &str| text.parse::<Deadline>().unwrap();
        let until = Grace { until: Some(at("2027-06-30")), ..Grace::default() };
        assert_eq!(until.ends(None), Some(at("2027-07-01T00:00:00Z").at()));
        let days = Grace { days_after_import: Some(14), ..Grace::default() };
        assert_eq!(days.ends(None), None, "whoever was not imported has none");
        assert_eq!(days.ends(Some(at("2027-06-01T00:00:00Z").at())), Some(at("2027-06-15T00:00:00Z").at()));
        let both = Grace { until: Some(at("2027-06-10T00:00:00Z")), days_after_import: Some(14), force_setup: false };
        assert_eq!(both.ends(Some(at("2027-06-01T00:00:00Z").at())), Some(at("2027-06-10T00:00:00Z").at()));
    }
}

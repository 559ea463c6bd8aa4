//! What has been proven about somebody, and when: RFC 8176 method names and dated facts.

use super::{EnrolmentId, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Through which door a request came; rules can tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    Browser,
    App,
}

impl Door {
    pub fn as_str(self) -> &'static str {
        match self {
            Door::Browser => "browser",
            Door::App => "app",
        }
    }
    pub fn parse(text: &str) -> Option<Self> {
        [Door::Browser, Door::App].into_iter().find(|door| door.as_str() == text)
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An asked factor by its name in configuration, API and store (`totp`, `webauthn`, `email`, `sms`, `recovery`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactorKind {
    Totp,
    Webauthn,
    Email,
    Sms,
    Recovery,
}

impl FactorKind {
    pub const ALL: [FactorKind; 5] =
        [FactorKind::Totp, FactorKind::Webauthn, FactorKind::Email, FactorKind::Sms, FactorKind::Recovery];

    pub fn as_str(self) -> &'static str {
        match self {
            FactorKind::Totp => "totp",
            FactorKind::Webauthn => "webauthn",
            FactorKind::Email => "email",
            FactorKind::Sms => "sms",
            FactorKind::Recovery => "recovery",
        }
    }
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl fmt::Display for FactorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A factor that was answered, and when. Sessions hold facts, not verdicts (design §2 "MFA").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    pub factor: FactorKind,
    pub at: Timestamp,
    /// By which of the account's enrolments; `None` for a recovery code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrolment: Option<EnrolmentId>,
}

/// Authentication Method Reference values, RFC 8176 §2 (`pwd`, `otp`, `mfa`), sorted and without repeats.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Amr(Vec<String>);

impl Amr {
    /// Of a password sign-in with these facts. `mfa` is added as soon as a second, different method was proven.
    pub fn of_password_and(facts: &[Fact]) -> Self {
        let mut values = vec!["pwd"];
        // RFC 8176 has no value of its own for single-use recovery codes; they are one-time passwords.
        if !facts.is_empty() {
            values.extend(["otp", "mfa"]);
        }
        values.sort_unstable();
        Self(values.into_iter().map(str::to_owned).collect())
    }
    pub fn values(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Amr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

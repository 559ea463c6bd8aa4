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
    /// What that enrolment rests on; of a recovery code, the weakest of the account's. A rule that would not have
    /// allowed it counts nothing for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<Made>,
}

/// Under which rule an enrolment was made, and which proof opened it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    pub rule: String,
    pub proof: EnrolmentProof,
}

/// Which proof beyond the password opened a first enrolment (design §2 "First enrolment"), from the weakest to the
/// strongest. A further one, which an answered factor opened, has that factor's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnrolmentProof {
    /// The password alone, inside an enrolment window.
    AtSignIn,
    /// A code mailed to the address that the source stated.
    AfterEmailCode,
    /// A one-time code that the help desk gave out.
    ByHelpDesk,
    /// An administrator took it over from another system.
    Imported,
}

impl EnrolmentProof {
    const ALL: [EnrolmentProof; 4] = [
        EnrolmentProof::AtSignIn,
        EnrolmentProof::AfterEmailCode,
        EnrolmentProof::ByHelpDesk,
        EnrolmentProof::Imported,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            EnrolmentProof::AtSignIn => "at_sign_in",
            EnrolmentProof::AfterEmailCode => "after_email_code",
            EnrolmentProof::ByHelpDesk => "by_help_desk",
            EnrolmentProof::Imported => "imported",
        }
    }
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|proof| proof.as_str() == text)
    }
}

/// What somebody showed before any factor was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstProof {
    #[default]
    Password,
    /// A passkey that verified its user; it is among the facts as well.
    Passkey,
}

/// Authentication Method Reference values, RFC 8176 §2 (`pwd`, `otp`, `pop`, `user`, `mfa`), sorted and without repeats.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Amr(Vec<String>);

impl Amr {
    /// Of a sign-in that began so, with these facts. `mfa` is added as soon as a second, different method was proven.
    pub fn of(first: FirstProof, facts: &[Fact]) -> Self {
        let mut values: Vec<&str> = facts.iter().flat_map(|fact| method(fact.factor)).copied().collect();
        match first {
            FirstProof::Password => values.push("pwd"),
            // Something one has, unlocked by something one knows or is.
            FirstProof::Passkey => values.push("mfa"),
        }
        if !facts.is_empty() {
            values.push("mfa");
        }
        values.sort_unstable();
        values.dedup();
        Self(values.into_iter().map(str::to_owned).collect())
    }
    pub fn values(&self) -> &[String] {
        &self.0
    }
}

/// A factor in RFC 8176's words.
fn method(factor: FactorKind) -> &'static [&'static str] {
    match factor {
        // It has no value of its own for single-use recovery codes and mailed ones; they are one-time passwords.
        FactorKind::Totp | FactorKind::Recovery | FactorKind::Email => &["otp"],
        FactorKind::Sms => &["otp", "sms"],
        // Possession of a key, and that its user was present. Where the key lies (`hwk`, `swk`) only an attestation
        // would tell, and none is believed.
        FactorKind::Webauthn => &["pop", "user"],
    }
}

impl fmt::Display for Amr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amr_says_what_was_shown_and_nothing_more() {
        let amr = |first, factors: &[FactorKind]| {
            let facts: Vec<Fact> =
                factors.iter().map(|&factor| Fact { factor, at: Timestamp(0), enrolment: None, made: None }).collect();
            Amr::of(first, &facts).to_string()
        };
        assert_eq!(amr(FirstProof::Password, &[]), "pwd");
        assert_eq!(amr(FirstProof::Password, &[FactorKind::Totp, FactorKind::Recovery]), "mfa otp pwd");
        assert_eq!(amr(FirstProof::Password, &[FactorKind::Webauthn]), "mfa pop pwd user");
        assert_eq!(amr(FirstProof::Passkey, &[FactorKind::Webauthn]), "mfa pop user");
        assert_eq!(amr(FirstProof::Password, &[FactorKind::Sms]), "mfa otp pwd sms");
    }
}

//! Everything vestibule mails, and the sentences each letter is made of.

use super::letter::moment;
use crate::types::{FactorKind, Secret, Timestamp};
use minijinja::{Value, context};
use std::time::Duration;

/// One occasion to write to somebody. `site` is the public host the person knows; a `label` is what somebody called
/// a factor or a device.
///
/// Whatever a person or a source chose goes through [`line`] on its way into a letter.
#[derive(Clone, Debug)]
pub enum Message {
    /// The code of a sign-in that is going on, and the page that its link leads to.
    MailedCode {
        site: String,
        code: Secret<String>,
        link: Secret<String>,
        asker: Asker,
    },
    /// To the help desk: whoever reads an account's mail says that a sign-in was somebody else's.
    NotMe {
        site: String,
        account: String,
        asker: Asker,
    },
    /// Another way to sign in belongs to the account now; `source` is its label.
    MethodLinked {
        site: String,
        source: String,
    },
    MethodUnlinked {
        site: String,
        source: String,
    },
    PrimaryChanged {
        site: String,
        source: String,
    },
    /// One more factor; of recovery codes: a new set.
    FactorEnrolled {
        site: String,
        factor: FactorKind,
    },
    /// To every address that is known: the account has a second step now, and had none before.
    FirstEnrolment {
        site: String,
        factor: FactorKind,
    },
    FactorRemoved {
        site: String,
        factor: FactorKind,
        label: String,
    },
    FactorRenamed {
        site: String,
        factor: FactorKind,
        from: String,
        to: String,
    },
    /// It does not count any more until another factor was answered for it: its counter went back, or its address
    /// changed at the source.
    FactorSuspended {
        site: String,
        factor: FactorKind,
        label: String,
    },
    /// The help desk took all factors away.
    FactorsReset {
        site: String,
    },
    RecoveryCodesMade {
        site: String,
    },
    RecoveryCodeUsed {
        site: String,
        left: usize,
    },
    /// To the old address: the source says another one now, and no code goes to either until that is confirmed.
    AddressAboutToChange {
        site: String,
    },
    /// To the old address: codes go elsewhere from now on.
    AddressChanged {
        site: String,
    },
    /// The help desk lets the account in without its second step for a while.
    BypassGiven {
        site: String,
        until: Timestamp,
    },
    /// A trusted device's cookie came twice: somebody has a copy of it.
    TrustedDeviceStolen {
        site: String,
        label: String,
        asker: Asker,
    },
    /// The account has no second step yet and will need one from `until` on.
    GraceEnds {
        site: String,
        until: Timestamp,
    },
    /// The password that vestibule itself keeps for the account.
    PasswordChangedHere {
        site: String,
    },
    /// To administrators: somebody came in by the break-glass account.
    BreakGlassUsed {
        site: String,
        user: String,
        address: String,
    },
    /// `vestibule mail test`.
    Test,
}

/// Who caused a letter, as far as their connection says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Of the network.
    pub address: String,
    /// From the User-Agent.
    pub browser: String,
}

impl Message {
    /// One of each, for tests and samples.
    pub fn samples() -> Vec<Self> {
        let (site, source) = ("campus.example.org".to_owned(), "Staff directory".to_owned());
        let (until, label) = (Timestamp(1_795_305_600_000), "Ann's phone".to_owned());
        let asker = Asker { address: "192.0.2.7".to_owned(), browser: "Firefox on Linux".to_owned() };
        let (code, link) = ("123456".to_owned(), format!("https://{site}/vestibule/mailed/x"));
        let mut samples = vec![
            Self::MailedCode {
                site: site.clone(),
                code: Secret::new(code),
                link: Secret::new(link),
                asker: asker.clone(),
            },
            Self::NotMe { site: site.clone(), account: "alice".to_owned(), asker: asker.clone() },
            Self::MethodLinked { site: site.clone(), source: source.clone() },
            Self::MethodUnlinked { site: site.clone(), source: source.clone() },
            Self::PrimaryChanged { site: site.clone(), source },
            Self::FactorsReset { site: site.clone() },
            Self::RecoveryCodesMade { site: site.clone() },
            Self::AddressAboutToChange { site: site.clone() },
            Self::AddressChanged { site: site.clone() },
            Self::BypassGiven { site: site.clone(), until },
            Self::TrustedDeviceStolen { site: site.clone(), label: label.clone(), asker },
            Self::GraceEnds { site: site.clone(), until },
            Self::PasswordChangedHere { site: site.clone() },
            Self::BreakGlassUsed { site: site.clone(), user: "emergency".to_owned(), address: "192.0.2.7".to_owned() },
            Self::Test,
        ];
        for left in [0, 1, 3] {
            samples.push(Self::RecoveryCodeUsed { site: site.clone(), left });
        }
        for factor in FactorKind::ALL {
            let (site, label) = (site.clone(), label.clone());
            samples.push(Self::FactorEnrolled { site: site.clone(), factor });
            samples.push(Self::FirstEnrolment { site: site.clone(), factor });
            samples.push(Self::FactorRemoved { site: site.clone(), factor, label: label.clone() });
            let (from, to) = (label.clone(), "Phone 2".to_owned());
            samples.push(Self::FactorRenamed { site: site.clone(), factor, from, to });
            samples.push(Self::FactorSuspended { site, factor, label });
        }
        samples
    }

    /// The name under which metrics and logs count it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::MailedCode { .. } => "mailed_code",
            Self::NotMe { .. } => "not_me",
            Self::MethodLinked { .. } => "method_linked",
            Self::MethodUnlinked { .. } => "method_unlinked",
            Self::PrimaryChanged { .. } => "primary_changed",
            Self::FactorEnrolled { .. } => "factor_enrolled",
            Self::FirstEnrolment { .. } => "first_enrolment",
            Self::FactorRemoved { .. } => "factor_removed",
            Self::FactorRenamed { .. } => "factor_renamed",
            Self::FactorSuspended { .. } => "factor_suspended",
            Self::FactorsReset { .. } => "factors_reset",
            Self::RecoveryCodesMade { .. } => "recovery_codes_made",
            Self::RecoveryCodeUsed { .. } => "recovery_code_used",
            Self::AddressAboutToChange { .. } => "address_about_to_change",
            Self::AddressChanged { .. } => "address_changed",
            Self::BypassGiven { .. } => "bypass_given",
            Self::TrustedDeviceStolen { .. } => "trusted_device_stolen",
            Self::GraceEnds { .. } => "grace_ends",
            Self::PasswordChangedHere { .. } => "password_changed",
            Self::BreakGlassUsed { .. } => "break_glass_used",
            Self::Test => "test",
        }
    }

    /// After how long nobody needs the letter any more, where that is soon: it is dropped then.
    pub(super) fn useless_after(&self) -> Option<Duration> {
        match self {
            Self::MailedCode { .. } => Some(CODE_LIVES),
            _ => None,
        }
    }

    /// Its sentences: subject, what happened, what to do about it; and what they speak of. The sentences about a
    /// factor choose their words by its name.
    pub(super) fn said(&self) -> Said {
        let said = |subject, text, advice, values| Said { subject, text, advice, values, code: None, link: None };
        match self {
            Self::MailedCode { site, code, link, asker } => Said {
                code: Some(code.clone()),
                link: Some(link.clone()),
                ..said("code", "code-text", "code-advice", asker.values(site))
            },
            Self::NotMe { site, account, asker } => {
                let Asker { address, browser } = asker.lines();
                let values = context! { site => line(site), account => line(account), address, browser };
                said("not-me", "not-me-text", "not-me-advice", values)
            }
            Self::MethodLinked { site, source } => {
                said("linked", "linked-text", "not-you", context! { site => line(site), source => line(source) })
            }
            Self::MethodUnlinked { site, source } => {
                said("unlinked", "unlinked-text", "not-you", context! { site => line(site), source => line(source) })
            }
            Self::PrimaryChanged { site, source } => {
                said("primary", "primary-text", "not-you", context! { site => line(site), source => line(source) })
            }
            Self::FactorEnrolled { site, factor } => {
                said("enrolled", "enrolled-text", "not-you", of_factor(site, *factor, ""))
            }
            Self::FirstEnrolment { site, factor } => {
                said("first", "first-text", "not-you", of_factor(site, *factor, ""))
            }
            Self::FactorRemoved { site, factor, label } => {
                said("removed", "removed-text", "not-you", of_factor(site, *factor, label))
            }
            Self::FactorRenamed { site, factor, from, to } => {
                let values = context! { to => line(to), ..of_factor(site, *factor, from) };
                said("renamed", "renamed-text", "not-you", values)
            }
            Self::FactorSuspended { site, factor, label } => {
                said("suspended", "suspended-text", "suspended-advice", of_factor(site, *factor, label))
            }
            Self::FactorsReset { site } => said("reset", "reset-text", "reset-advice", of_site(site)),
            Self::RecoveryCodesMade { site } => said("codes-made", "codes-made-text", "not-you", of_site(site)),
            Self::RecoveryCodeUsed { site, left } => {
                let values = context! { site => line(site), left };
                said("code-used", "code-used-text", "not-you", values)
            }
            Self::AddressAboutToChange { site } => said("address-soon", "address-soon-text", "not-you", of_site(site)),
            Self::AddressChanged { site } => said("address", "address-text", "not-you", of_site(site)),
            Self::BypassGiven { site, until } => {
                let values = context! { site => line(site), until => moment(*until) };
                said("bypass", "bypass-text", "bypass-advice", values)
            }
            Self::TrustedDeviceStolen { site, label, asker } => {
                let values = context! { label => line(label), ..asker.values(site) };
                said("stolen", "stolen-text", "not-you", values)
            }
            Self::GraceEnds { site, until } => {
                let values = context! { site => line(site), until => moment(*until) };
                said("grace", "grace-text", "grace-advice", values)
            }
            Self::PasswordChangedHere { site } => said("password", "password-text", "not-you", of_site(site)),
            Self::BreakGlassUsed { site, user, address } => said(
                "break-glass",
                "break-glass-text",
                "break-glass-advice",
                context! { site => line(site), user => line(user), address => line(address) },
            ),
            Self::Test => said("test", "test-text", "test-advice", context! {}),
        }
    }
}

fn of_site(site: &str) -> Value {
    context! { site => line(site) }
}

fn of_factor(site: &str, factor: FactorKind, label: &str) -> Value {
    context! { site => line(site), factor => factor.as_str(), label => line(label) }
}

impl Asker {
    fn lines(&self) -> Self {
        Self { address: line(&self.address), browser: line(&self.browser) }
    }

    fn values(&self, site: &str) -> Value {
        let Self { address, browser } = self.lines();
        context! { site => line(site), address, browser }
    }
}

/// The keys of a letter's sentences.
pub(super) struct Said {
    pub subject: &'static str,
    pub text: &'static str,
    pub advice: &'static str,
    pub values: Value,
    /// Shown by themselves, to be read and pressed.
    pub code: Option<Secret<String>>,
    pub link: Option<Secret<String>>,
}

/// How long a mailed code is good (design §2 "MFA").
pub const CODE_LIVES: Duration = Duration::from_secs(600);

/// A name is a few words; what is longer wants to be something else.
const LONGEST: usize = 80;

/// One short line of visible text: line ends and controls are spaces, marks that turn the reading direction are gone,
/// and what is too long is cut.
fn line(text: &str) -> String {
    let turns = |c: &char| !matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let visible = text
        .chars()
        .take(4 * LONGEST)
        .filter(turns)
        .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c });
    let mut words = visible.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = words.char_indices().nth(LONGEST) {
        words.truncate(end);
        words.push('…');
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f5_i4_a_name_is_one_short_line() {
        assert_eq!(line("Ann\r\nBcc: all@example.org\0\u{202e}x"), "Ann Bcc: all@example.org x");
        assert_eq!(line(&"ä".repeat(64 * 1024)).chars().count(), LONGEST + 1);
        assert_eq!(line("Zoë 🎓"), "Zoë 🎓");
        assert_eq!(line("\n\r\u{2028}"), "");
    }
}

//! Everything vestibule mails, and the sentences each letter is made of.

use crate::types::FactorKind;
use minijinja::{Value, context};

/// One occasion to write to somebody. `site` is the public host the person knows.
///
/// Whatever a person or a source chose goes through [`line`] on its way into a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
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
    FactorEnrolled {
        site: String,
        factor: FactorKind,
    },
    /// By the help desk.
    FactorRevoked {
        site: String,
        factor: FactorKind,
    },
    /// The help desk lets the account in without a second step, until then.
    Exempted {
        site: String,
        until: String,
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

impl Message {
    /// One of each, for tests and samples.
    pub fn samples() -> Vec<Self> {
        let (site, source) = ("campus.example.org".to_owned(), "Staff directory".to_owned());
        vec![
            Self::MethodLinked { site: site.clone(), source: source.clone() },
            Self::MethodUnlinked { site: site.clone(), source: source.clone() },
            Self::PrimaryChanged { site: site.clone(), source },
            Self::FactorEnrolled { site: site.clone(), factor: FactorKind::Totp },
            Self::FactorEnrolled { site: site.clone(), factor: FactorKind::Webauthn },
            Self::FactorEnrolled { site: site.clone(), factor: FactorKind::Email },
            Self::FactorEnrolled { site: site.clone(), factor: FactorKind::Sms },
            Self::FactorEnrolled { site: site.clone(), factor: FactorKind::Recovery },
            Self::FactorRevoked { site: site.clone(), factor: FactorKind::Totp },
            Self::Exempted { site: site.clone(), until: "2027-03-01T12:00:00Z".to_owned() },
            Self::PasswordChangedHere { site: site.clone() },
            Self::BreakGlassUsed { site, user: "emergency".to_owned(), address: "192.0.2.7".to_owned() },
            Self::Test,
        ]
    }

    /// The name under which metrics and logs count it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::MethodLinked { .. } => "method_linked",
            Self::MethodUnlinked { .. } => "method_unlinked",
            Self::PrimaryChanged { .. } => "primary_changed",
            Self::FactorEnrolled { .. } => "factor_enrolled",
            Self::FactorRevoked { .. } => "factor_revoked",
            Self::Exempted { .. } => "exempted",
            Self::PasswordChangedHere { .. } => "password_changed",
            Self::BreakGlassUsed { .. } => "break_glass_used",
            Self::Test => "test",
        }
    }

    /// Its sentences: subject, what happened, what to do about it; and what they speak of.
    pub(super) fn said(&self) -> Said {
        let said = |subject, text, advice, values| Said { subject, text, advice, values };
        match self {
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
                let text = match factor {
                    FactorKind::Totp => "enrolled-totp",
                    FactorKind::Webauthn => "enrolled-webauthn",
                    FactorKind::Email => "enrolled-email",
                    FactorKind::Sms => "enrolled-sms",
                    FactorKind::Recovery => "enrolled-recovery",
                };
                said("enrolled", text, "not-you", context! { site => line(site) })
            }
            Self::FactorRevoked { site, factor } => {
                let values = context! { site => line(site), factor => factor.as_str() };
                said("revoked", "revoked-text", "not-asked", values)
            }
            Self::Exempted { site, until } => {
                said("exempted", "exempted-text", "not-asked", context! { site => line(site), until => line(until) })
            }
            Self::PasswordChangedHere { site } => {
                said("password", "password-text", "not-you", context! { site => line(site) })
            }
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

/// The keys of a letter's sentences.
pub(super) struct Said {
    pub subject: &'static str,
    pub text: &'static str,
    pub advice: &'static str,
    pub values: Value,
}

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

//! Where an enrolment's codes go: a mail address or a phone number, frozen when it was made.
//!
//! What the account's source says later does not move it (attack J10): whoever can change an address at the source, at
//! the LMS with the password alone, would have the codes sent to themselves. The enrolment remembers, as a digest,
//! which address the source stated when it was confirmed last; with another one it rests until its owner has confirmed
//! it with another factor.

use crate::{
    keys::Keyring,
    types::{AccountId, Secret},
};
use serde::{Deserialize, Serialize};

/// An enrolment's secret, as it is sealed.
#[derive(Clone, Serialize, Deserialize)]
pub struct Destination {
    pub to: String,
    /// Digest of what the source stated at the last confirmation; `None` where it matters not, or it stated none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stated: Option<String>,
}

impl Destination {
    /// A mail address, while the source states `stated`.
    pub fn mail(ring: &Keyring, account: &AccountId, to: &str, stated: Option<&str>) -> Self {
        Self { to: to.to_owned(), stated: stated.map(|address| digest(ring, account, address)) }
    }

    pub fn phone(number: &Number) -> Self {
        Self { to: number.0.clone(), stated: None }
    }

    pub fn to_plain(&self) -> Secret<Vec<u8>> {
        Secret::new(serde_json::to_vec(self).unwrap_or_default())
    }

    pub fn from_plain(plain: &Secret<Vec<u8>>) -> Option<Self> {
        serde_json::from_slice(plain.expose()).ok()
    }

    /// Whether it was the source's own address when it was confirmed last.
    pub fn follows_source(&self, ring: &Keyring, account: &AccountId) -> bool {
        self.stated.as_ref() == Some(&digest(ring, account, &self.to))
    }

    /// Whether the source says another address now than when this was confirmed. That it says none is no other one: a
    /// directory that lost an attribute would suspend a whole school.
    pub fn was_overtaken(&self, ring: &Keyring, account: &AccountId, stated: Option<&str>) -> bool {
        stated.is_some_and(|address| {
            let now = digest(ring, account, address);
            self.stated.as_ref() != Some(&now) && !address.eq_ignore_ascii_case(&self.to)
        })
    }
}

/// Enough to know it again, too little to write to: `a…@example.org`, `…67`.
pub fn masked(to: &str) -> String {
    match to.rsplit_once('@') {
        Some((local, domain)) => format!("{}…@{domain}", local.chars().next().map(String::from).unwrap_or_default()),
        None => format!("…{}", to.chars().skip(to.chars().count().saturating_sub(2)).collect::<String>()),
    }
}

fn digest(ring: &Keyring, account: &AccountId, address: &str) -> String {
    ring.digest("stated-address", format!("{account}\n{}", address.trim().to_lowercase()).as_bytes())
}

/// A phone number in international form (ITU-T E.164): `+` and up to 15 digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number(String);

impl Number {
    /// What somebody typed, with the usual marks between digits. A number without its country is refused: it would
    /// reach somebody in another one.
    pub fn parse(typed: &str) -> Option<Self> {
        let between = |c: &char| c.is_whitespace() || matches!(c, '-' | '/' | '.' | '(' | ')' | '\u{200b}');
        let plain: String = typed.chars().filter(|c| !between(c)).take(20).collect();
        let digits = plain.strip_prefix('+')?;
        let fits = (8..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        (fits && !digits.starts_with('0')).then(|| Self(plain.clone()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{SystemRng, Timestamp};

    #[test]
    fn j10_another_stated_address_overtakes_an_enrolment_and_the_same_or_none_does_not() {
        let ring = Keyring::generate(&SystemRng, Timestamp(0));
        let ann = AccountId::new("ann");
        let at = |stated| Destination::mail(&ring, &ann, "ann@example.org", stated);
        let known = at(Some("ann@example.org"));
        for same in [Some("ann@example.org"), Some("Ann@Example.ORG"), None] {
            assert!(!known.was_overtaken(&ring, &ann, same), "{same:?}");
        }
        assert!(known.was_overtaken(&ring, &ann, Some("eve@example.org")));
        // One's own choice, beside what the source says.
        let private = Destination::mail(&ring, &ann, "ann@home.example", Some("ann@example.org"));
        assert!(!private.was_overtaken(&ring, &ann, Some("ann@example.org")));
        assert!(private.was_overtaken(&ring, &ann, Some("eve@example.org")));
        // Enrolled before the source said any.
        assert!(at(None).was_overtaken(&ring, &ann, Some("eve@example.org")));
        assert!(!at(None).was_overtaken(&ring, &ann, Some("ann@example.org")));
        let again = Destination::from_plain(&known.to_plain()).unwrap();
        assert_eq!((again.to, again.stated), (known.to, known.stated));
    }

    #[test]
    fn a_masked_address_is_known_again_and_cannot_be_written_to() {
        assert_eq!(masked("alice@example.org"), "a…@example.org");
        assert_eq!(masked("@"), "…@");
        assert_eq!(masked("+491701234567"), "…67");
        assert_eq!(masked(""), "…");
    }

    #[test]
    fn a_number_is_international_and_digits_alone() {
        for (typed, number) in [
            ("+49 170 1234567", "+491701234567"),
            (" +1 (555) 010-9999 ", "+15550109999"),
            ("+44/20.7946.0958", "+442079460958"),
        ] {
            assert_eq!(Number::parse(typed).map(|n| n.0).as_deref(), Some(number), "{typed}");
        }
        for typed in [
            "",
            "0170 1234567",
            "00491701234567",
            "+0491701234567",
            "+49",
            "+4917012345678901",
            "+49170x234567",
            "++491701234567",
            "+４９1701234567",
            "+491701234567;+1900",
            &"+4".repeat(99),
        ] {
            assert_eq!(Number::parse(typed), None, "{typed}");
        }
    }
}

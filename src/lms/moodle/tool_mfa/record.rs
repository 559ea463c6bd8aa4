//! One row of `tool_mfa`, and what it is worth outside Moodle.

use super::webauthn::{PublicKey, Registration};
use crate::types::{LmsUserId, Secret};
use std::fmt;

/// Below this a secret can be guessed offline from a few codes; Moodle's have just this.
const SHORTEST_SECRET: usize = 10;
/// Longer ones are no TOTP secret: the hash's block has 64 bytes.
const LONGEST_SECRET: usize = 64;

/// A row as it is stored. Times are seconds since 1970, 0 where there is none.
#[derive(Clone, Debug)]
pub struct Record {
    pub id: u64,
    pub user: LmsUserId,
    pub username: String,
    pub state: User,
    /// The factor's name without `factor_`.
    pub factor: String,
    /// Base32, JSON, a code or nothing, as the factor has it.
    pub secret: Secret<String>,
    pub label: String,
    pub created: i64,
    pub verified: i64,
    pub revoked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    Active,
    Suspended,
    Deleted,
}

/// What a row holds that somebody can go on using.
#[derive(Clone, Debug)]
pub enum Stored {
    /// HMAC-SHA-1, six digits, 30 seconds: Moodle knows no other.
    Totp(Secret<Vec<u8>>),
    Webauthn(Box<Registration>),
}

/// Why a row stays behind. In the order in which a report lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Left {
    Revoked,
    Deleted,
    /// Moodle's e-mail factor keeps a code of the moment; the address is the account's.
    Email,
    Sms,
    /// The begin of a grace period: a date of a rule here.
    Grace,
    /// Cookies of trusted devices: theirs cannot be told from a copy.
    Token,
    /// Nothing of the person's own: a rule or a signal here.
    Silent,
    /// A factor of a plugin that is not known here.
    Unknown,
    /// A security key of an algorithm that is not verified here.
    Algorithm,
    Unreadable,
}

impl Left {
    /// For the report: what to do, or why nothing.
    pub fn why(self) -> &'static str {
        match self {
            Left::Revoked => "revoked in Moodle: never carried over",
            Left::Deleted => "its user is deleted in Moodle",
            Left::Email => {
                "holds a code of the moment, no secret; the address is frozen when the person enrols it here"
            }
            Left::Sms => "numbers are confirmed anew: the person enrols theirs here where SMS is offered",
            Left::Grace => "the begin of a grace period; the date below says what became of it",
            Left::Token => "trusted devices are not carried over: each is asked once and trusted anew",
            Left::Silent => "holds nothing of the person's; it is a signal in gateway.yaml",
            Left::Unknown => "a factor that vestibule does not have",
            Left::Algorithm => "its key is EdDSA, which vestibule does not verify; the person enrols it anew",
            Left::Unreadable => "cannot be read as what tool_mfa stores",
        }
    }

    /// Whether the person was asked something: without what stays behind they are asked less than before.
    pub fn was_asked(self) -> bool {
        match self {
            Left::Revoked | Left::Email | Left::Sms | Left::Unknown | Left::Algorithm | Left::Unreadable => true,
            Left::Deleted | Left::Grace | Left::Token | Left::Silent => false,
        }
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.why())
    }
}

/// The factors of Moodle and of its plugin that ask nothing and store at most that they exist.
const SILENT: [&str; 9] =
    ["admin", "auth", "capability", "cohort", "iprange", "nosetup", "role", "exemption", "loginbanner"];

impl Record {
    /// What can be carried over. Whether a security key was made for the site's host name, the registration says.
    pub fn sort(&self) -> Result<Stored, Left> {
        if self.state == User::Deleted {
            return Err(Left::Deleted);
        }
        if self.revoked {
            return Err(Left::Revoked);
        }
        match self.factor.as_str() {
            "totp" => secret(self.secret.expose()).map(Stored::Totp).ok_or(Left::Unreadable),
            "webauthn" => {
                let registration = Registration::parse(self.secret.expose()).ok_or(Left::Unreadable)?;
                match registration.key {
                    // None of our libraries verifies its signatures.
                    PublicKey::Ed25519 { .. } => Err(Left::Algorithm),
                    PublicKey::Es256 { .. } | PublicKey::Rs256 { .. } => Ok(Stored::Webauthn(Box::new(registration))),
                }
            }
            "email" => Err(Left::Email),
            "sms" => Err(Left::Sms),
            "grace" => Err(Left::Grace),
            "token" => Err(Left::Token),
            // Answers to questions were asked, and are nothing that counts here.
            "secq" => Err(Left::Unknown),
            name if SILENT.contains(&name) => Err(Left::Silent),
            _ => Err(Left::Unknown),
        }
    }
}

/// RFC 4648 base32, as OTPHP writes and reads it: in either case, padding and blanks without meaning.
fn secret(text: &str) -> Option<Secret<Vec<u8>>> {
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0_u32);
    for c in text.bytes().filter(|c| !matches!(c, b'=' | b' ' | b'-')) {
        let value = match c.to_ascii_uppercase() {
            c @ b'A'..=b'Z' => c - b'A',
            c @ b'2'..=b'7' => c - b'2' + 26,
            _ => return None,
        };
        (held, bits) = (((held << 5) | u32::from(value)) & 0xfff, bits + 5);
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((held >> bits) & 0xff).ok()?);
        }
    }
    (SHORTEST_SECRET..=LONGEST_SECRET).contains(&bytes.len()).then(|| Secret::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(factor: &str, secret: &str) -> Record {
        Record {
            id: 1,
            user: LmsUserId(3),
            username: "student1".into(),
            state: User::Active,
            factor: factor.into(),
            secret: Secret::new(secret.into()),
            label: "phone".into(),
            created: 1_700_000_000,
            verified: 0,
            revoked: false,
        }
    }

    fn bytes(text: &str) -> Option<Vec<u8>> {
        secret(text).map(|secret| secret.expose().clone())
    }

    /// RFC 4648 §10, and the shape of `substr($totp->getSecret(), 0, 16)`.
    #[test]
    fn a_secret_of_moodles_is_ten_bytes() {
        assert_eq!(bytes("MZXW6YTBOJRGC4TP"), Some(b"foobarbaro".to_vec()));
        assert_eq!(bytes("mzxw6ytb ojrgc4tp===="), Some(b"foobarbaro".to_vec()));
        assert_eq!(bytes(&"A".repeat(16)).map(|b| b.len()), Some(10));
        for not in ["", "MZXW6YTB", "MZXW6YTBOJRGC4T1", "{\"a\":1}", &"A".repeat(200)] {
            assert_eq!(bytes(not), None, "{not}");
        }
    }

    #[test]
    fn what_is_revoked_or_whose_user_is_gone_is_never_carried_over() {
        let carried = row("totp", "MZXW6YTBOJRGC4TP");
        assert!(matches!(carried.sort(), Ok(Stored::Totp(_))));
        let left = |record: Record| record.sort().err();
        assert_eq!(left(Record { revoked: true, ..carried.clone() }), Some(Left::Revoked));
        assert_eq!(left(Record { state: User::Deleted, ..carried.clone() }), Some(Left::Deleted));
        assert_eq!(left(Record { state: User::Suspended, ..carried }), None);
    }

    #[test]
    fn every_other_factor_says_why_it_stays_behind() {
        for (factor, why) in [
            ("email", Left::Email),
            ("sms", Left::Sms),
            ("grace", Left::Grace),
            ("token", Left::Token),
            ("role", Left::Silent),
            ("secq", Left::Unknown),
            ("telepathy", Left::Unknown),
            ("totp", Left::Unreadable),
            ("webauthn", Left::Unreadable),
        ] {
            assert_eq!(row(factor, "123456").sort().err(), Some(why), "{factor}");
        }
    }

    #[test]
    fn a_record_shows_no_secret() {
        assert!(!format!("{:?}", row("totp", "MZXW6YTBOJRGC4TP")).contains("MZXW"));
    }
}

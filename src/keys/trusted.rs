//! The secret name of a site's trusted header: who knows it, and reaches the LMS, is whoever they say they are
//! (design §3, attack J2). So it is a key like the others, and lives in the keyring's file.

use crate::types::{Rng, RngExt, Secret};

/// `X-V-` and 32 hex digits. Hygiene removes the whole family from what clients send, so that a name made by a
/// rotation is protected before anybody has heard of it (R7).
#[derive(Clone, Debug)]
pub struct TrustedHeader(Secret<String>);

/// What the LMS is told beside the user, each in a header of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    FirstName,
    LastName,
    Email,
}

const FAMILY: &str = "X-V-";
const DIGITS: usize = 32;

impl TrustedHeader {
    pub fn generate(rng: &dyn Rng) -> Self {
        Self(Secret::new(format!("{FAMILY}{}", rng.hex(DIGITS / 2))))
    }

    /// `None` for what is not of the family: hygiene would let a client send it.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(FAMILY)?;
        let fits = digits.len() == DIGITS && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        fits.then(|| Self(Secret::new(text.to_owned())))
    }

    /// The header that names the user.
    pub fn user(&self) -> &Secret<String> {
        &self.0
    }

    /// The header beside it.
    pub fn attribute(&self, attribute: Attribute) -> Secret<String> {
        let suffix = match attribute {
            Attribute::FirstName => "Firstname",
            Attribute::LastName => "Lastname",
            Attribute::Email => "Email",
        };
        Secret::new(format!("{}-{suffix}", self.0.expose()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::SystemRng;

    #[test]
    fn a_name_survives_its_text_and_is_never_shown() {
        let made = TrustedHeader::generate(&SystemRng);
        let again = TrustedHeader::parse(made.user().expose()).unwrap();
        assert_eq!(made.user().expose(), again.user().expose());
        assert!(!format!("{made:?}").contains(&made.user().expose()[4..]));
        assert_ne!(made.user().expose(), TrustedHeader::generate(&SystemRng).user().expose());
    }

    #[test]
    fn r7_only_names_that_hygiene_removes_are_taken() {
        let digits = "0123456789abcdef0123456789abcdef";
        assert!(TrustedHeader::parse(&format!("X-V-{digits}")).is_some());
        for bad in ["X-Remote-User", "X-V-", "X-V-0123", digits, &format!("X-W-{digits}"), &format!("X-V-{digits}0")] {
            assert!(TrustedHeader::parse(bad).is_none(), "{bad}");
        }
    }
}

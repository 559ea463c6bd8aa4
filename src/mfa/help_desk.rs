//! The help desk's one-time code: the proof beyond the password that opens a first enrolment (design §2).
//!
//! Twelve characters of an alphabet without look-alikes, read out over the phone as `XXXX-XXXX-XXXX`: 60 bits,
//! so that its keyed digest tells nothing and guessing within the limits finds nothing.

use crate::{
    keys::Keyring,
    types::{AccountId, Rng, RngExt, Secret},
};

/// Without 0, O, 1 and I. 32 letters: five bits each, and no letter is likelier than another.
const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
const LENGTH: usize = 12;

/// A fresh code in canonical form.
pub fn generate_enrolment_code(rng: &dyn Rng) -> Secret<String> {
    let bytes: [u8; LENGTH] = rng.array();
    Secret::new(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect())
}

/// As it is told to its owner: `XXXX-XXXX-XXXX`.
pub fn shown_enrolment_code(canonical: &Secret<String>) -> Secret<String> {
    let mut shown = String::with_capacity(LENGTH + 2);
    for (n, letter) in canonical.expose().chars().enumerate() {
        if n > 0 && n % 4 == 0 {
            shown.push('-');
        }
        shown.push(letter);
    }
    Secret::new(shown)
}

/// What somebody typed, as [`generate_enrolment_code`] made it: upper case, without hyphens and spaces.
/// `None` where it cannot be a code; the store is not asked about it then.
pub fn canonical_enrolment_code(typed: &str) -> Option<String> {
    let canonical: String =
        typed.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '‐' | '‑' | '–')).collect();
    let canonical = canonical.to_ascii_uppercase();
    let fits = canonical.len() == LENGTH && canonical.bytes().all(|byte| ALPHABET.contains(&byte));
    fits.then_some(canonical)
}

/// The form in which a code is stored. Bound to the account: another's code opens nothing.
pub fn enrolment_code_digest(ring: &Keyring, account: &AccountId, canonical: &str) -> String {
    ring.digest(&format!("enrolment-code:{account}"), canonical.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{SystemRng, Timestamp};

    #[test]
    fn what_is_shown_can_be_typed_in_any_usual_way() {
        let code = generate_enrolment_code(&SystemRng);
        let shown = shown_enrolment_code(&code);
        assert_eq!(shown.expose().len(), 14);
        for typed in [shown.expose().clone(), shown.expose().to_lowercase(), shown.expose().replace('-', " ")] {
            assert_eq!(canonical_enrolment_code(&typed).as_ref(), Some(code.expose()));
        }
    }

    #[test]
    fn what_cannot_be_a_code_is_none() {
        for typed in ["", "ABCD-EFGH", "ABCD-EFGH-JKL0", "ABCD-EFGH-JKLMN", "ÀBCD-EFGH-JKLM"] {
            assert_eq!(canonical_enrolment_code(typed), None, "{typed}");
        }
    }

    #[test]
    fn a_code_is_one_accounts() {
        let ring = Keyring::generate(&SystemRng, Timestamp(0));
        let of = |id: &str| enrolment_code_digest(&ring, &AccountId::new(id), "ABCDEFGHJKLM");
        assert_ne!(of("a"), of("b"));
    }
}

//! The help desk's one-time code, which opens a first enrolment: `XXXX-XXXX-XXXX` of an unambiguous alphabet.

use crate::{
    keys::Keyring,
    types::{AccountId, Rng, RngExt},
};

const LENGTH: usize = 12;
/// No 0/O, 1/I/L: twelve of 31 letters and digits are 59 bits.
const ALPHABET: &[u8; 31] = b"ABCDEFGHJKMNPQRSTUVWXYZ23456789";

/// A new code, as it is read out.
pub fn new_enrolment_code(rng: &dyn Rng) -> String {
    let mut letters = String::new();
    while letters.len() < LENGTH {
        // 248 = 8 × 31: bytes above it would favour the alphabet's first letters.
        let [byte] = rng.array::<1>();
        if byte < 248 {
            letters.push(char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
        }
    }
    format!("{}-{}-{}", &letters[..4], &letters[4..8], &letters[8..])
}

/// The one spelling that is digested; `None` where the text cannot be a code.
pub fn canonical_enrolment_code(typed: &str) -> Option<String> {
    let code: String =
        typed.chars().filter(|c| c.is_ascii_alphanumeric()).map(|c| c.to_ascii_uppercase()).take(LENGTH + 1).collect();
    (code.len() == LENGTH && code.bytes().all(|b| ALPHABET.contains(&b))).then_some(code)
}

/// What is stored and looked up for a code of this account.
pub fn digest(ring: &Keyring, account: &AccountId, canonical: &str) -> String {
    ring.digest(&format!("enrolment-code:{account}"), canonical.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::SystemRng;

    #[test]
    fn a_code_is_read_back_however_it_is_typed() {
        let code = new_enrolment_code(&SystemRng);
        let canonical = canonical_enrolment_code(&code).unwrap();
        assert_eq!(canonical_enrolment_code(&code.to_lowercase().replace('-', " ")).unwrap(), canonical);
        assert_eq!(canonical_enrolment_code(&code[1..]), None);
        assert_eq!(canonical_enrolment_code(&format!("{code}A")), None);
    }
}

//! Recovery codes: ten single-use codes that stand in for a lost device (NIST SP 800-63B §5.1.2, look-up secrets).
//!
//! They are shown once, at enrolment, and stored only as keyed digests bound to the account; that each counts once
//! is the database's conditional update (`EnrolmentStore::claim_recovery`). The alphabet leaves out what is misread
//! on paper (`0 o 1 l i`); case, spaces and any kind of hyphen do not matter when a code is typed.

use super::Kind;
use crate::{
    keys::Keyring,
    types::{AccountId, FactorKind, Rng, RngExt},
};

pub const KIND: Kind = Kind { factor: FactorKind::Recovery, weight: 100, asked: true };

/// How many codes an enrolment gets.
pub const COUNT: usize = 10;
/// Characters of a code, without the hyphen: 31^10 is 49.5 bits.
const LENGTH: usize = 10;
const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";

/// Ten codes in the shape `xxxxx-xxxxx`, as they are shown.
pub fn generate(rng: &dyn Rng) -> [String; COUNT] {
    std::array::from_fn(|_| one(rng))
}

/// The one spelling a code is digested in (ten characters, no hyphen); `None` where the text cannot be a code.
pub fn canonical(input: &str) -> Option<String> {
    let mut code = String::with_capacity(LENGTH);
    for c in input.chars().filter(|c| !ignored(*c)) {
        let c = c.to_ascii_lowercase();
        let known = u8::try_from(c).is_ok_and(|byte| ALPHABET.contains(&byte));
        if !known || code.len() == LENGTH {
            return None;
        }
        code.push(c);
    }
    (code.len() == LENGTH).then_some(code)
}

/// What is stored and looked up for a canonical code of this account.
pub fn digest(ring: &Keyring, account: &AccountId, canonical: &str) -> String {
    ring.digest(&format!("recovery:{account}"), canonical.as_bytes())
}

/// Phones turn a typed hyphen into a dash, and a copied list brings soft hyphens and zero-width spaces.
fn ignored(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '\u{ad}' | '\u{200b}' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

fn one(rng: &dyn Rng) -> String {
    let mut code = String::with_capacity(LENGTH + 1);
    let mut left = LENGTH;
    while left > 0 {
        for byte in rng.array::<16>() {
            // 248 = 8 × 31: bytes above it would favour the alphabet's first letters.
            if byte < 248 && left > 0 {
                if left == LENGTH / 2 {
                    code.push('-');
                }
                code.push(char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
                left -= 1;
            }
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{SystemRng, Timestamp};
    use proptest::prelude::*;

    #[test]
    fn ten_different_codes_of_one_shape_with_at_least_48_bits() {
        let codes = generate(&SystemRng);
        for (i, code) in codes.iter().enumerate() {
            let (left, right) = code.split_once('-').unwrap();
            assert_eq!((left.len(), right.len()), (5, 5), "{code}");
            assert!(code.bytes().all(|b| b == b'-' || ALPHABET.contains(&b)), "{code}");
            assert!(!codes[..i].contains(code));
        }
        assert!((ALPHABET.len() as f64).log2() * LENGTH as f64 >= 48.0);
        assert!(!ALPHABET.iter().any(|b| b"0o1li".contains(b)));
    }

    #[test]
    fn f6_case_spaces_and_hyphens_do_not_matter() {
        for typed in
            ["abcde-fghjk", "ABCDE-FGHJK", " abcdefghjk ", "ab cde\u{2013}FG\u{a0}hjk", "a-b-c-d-e-f-g-h-j-k\n"]
        {
            assert_eq!(canonical(typed).as_deref(), Some("abcdefghjk"), "{typed:?}");
        }
    }

    #[test]
    fn what_cannot_be_a_code_is_not_looked_up() {
        for typed in ["", "-", "abcde-fghj", "abcde-fghjkm", "abcde-fghj0", "abcde-fghjé", "123456", "abcde_fghjk"] {
            assert_eq!(canonical(typed), None, "{typed:?}");
        }
    }

    #[test]
    fn a_digest_belongs_to_one_account() {
        let ring = Keyring::generate(&SystemRng, Timestamp(0));
        let (a, b) = (AccountId::new("a"), AccountId::new("b"));
        assert_eq!(digest(&ring, &a, "abcdefghjk"), ring.digest("recovery:a", b"abcdefghjk"));
        assert_ne!(digest(&ring, &a, "abcdefghjk"), digest(&ring, &b, "abcdefghjk"));
    }

    proptest! {
        #[test]
        fn canonical_accepts_its_own_results_and_panics_at_nothing(text: String) {
            if let Some(code) = canonical(&text) {
                prop_assert_eq!(canonical(&code), Some(code.clone()));
            }
        }
    }

    #[test]
    fn every_generated_code_is_canonical_without_its_hyphen() {
        for code in generate(&SystemRng) {
            assert_eq!(canonical(&code.to_uppercase()), Some(code.replace('-', "")));
        }
    }
}

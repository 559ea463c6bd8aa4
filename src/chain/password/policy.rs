//! Which new passwords are accepted (NIST SP 800-63B §5.1.1.2): long enough, not one that everybody tries first, not
//! the account's own name. There are no rules of composition and no expiry; the same section says why.
//!
//! It judges what is being chosen. What is already stored is verified as it is.

use crate::types::Password;
use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization;

/// Lower-case ASCII, one a line, in byte order: of the frequency lists that Django (BSD) and zxcvbn (MIT) ship, all of
/// ten characters and more, then the most frequent shorter ones, which count as the core of a longer password.
static COMMON: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("common.txt").lines().collect());

/// Characters. SP 800-63B asks for 8 where a second factor follows; a reused short password still falls to guessing.
pub const MIN_CHARACTERS: usize = 10;
/// Bytes: four times the 64 characters that SP 800-63B wants accepted, and little enough to hash.
pub const MAX_BYTES: usize = 256;

/// A common password with at most this many characters around it is still that password.
const TRIMMINGS: usize = 5;
/// A name shorter than this may occur in a password by chance.
const SHORTEST_NAME: usize = 4;
const FEWEST_DIFFERENT: usize = 4;

/// Why a password is refused, in a sentence for the person who chose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Weak {
    #[error("The password needs at least {MIN_CHARACTERS} characters.")]
    Short,
    #[error("The password may have at most {MAX_BYTES} bytes.")]
    Long,
    #[error("The password may not contain control characters.")]
    Control,
    #[error("The password consists of too few different characters.")]
    Repetitive,
    #[error("The password is, or is little more than, one of the most common passwords.")]
    Common,
    #[error("The password may not contain the account's name, forwards or backwards.")]
    Name,
}

/// Whether somebody of this name may choose this password.
pub fn check(password: &Password, username: &str) -> Result<(), Weak> {
    let typed = password.expose();
    let lower = zeroize::Zeroizing::new(typed.to_lowercase());
    if typed.len() > MAX_BYTES {
        Err(Weak::Long)
    } else if typed.chars().count() < MIN_CHARACTERS {
        Err(Weak::Short)
    } else if typed.chars().any(char::is_control) {
        Err(Weak::Control)
    } else if is_repetitive(&lower) {
        Err(Weak::Repetitive)
    } else if is_common(&lower) {
        Err(Weak::Common)
    } else if holds_name(&lower, &username.to_lowercase()) {
        Err(Weak::Name)
    } else {
        Ok(())
    }
}

/// The one spelling in which a password is hashed and verified: Unicode NFC, as RFC 8265 §4.2 (OpaqueString) has it,
/// because one keyboard sends `é` as one character and another as two. ASCII stays as it is.
pub fn prepared(password: &Password) -> Password {
    Password::new(password.expose().nfc().collect())
}

fn is_repetitive(lower: &str) -> bool {
    let mut seen: Vec<char> = Vec::with_capacity(FEWEST_DIFFERENT);
    for c in lower.chars() {
        if !seen.contains(&c) {
            seen.push(c);
        }
        if seen.len() >= FEWEST_DIFFERENT {
            return false;
        }
    }
    true
}

/// On the list as it is, or when the digits and signs around it are taken off (`football2024!`).
fn is_common(lower: &str) -> bool {
    let listed = |word: &str| COMMON.binary_search(&word).is_ok();
    let core = lower.trim_matches(|c: char| !c.is_alphabetic());
    let trimmings = lower.chars().count() - core.chars().count();
    listed(lower) || (trimmings <= TRIMMINGS && !core.is_empty() && listed(core))
}

fn holds_name(lower: &str, username: &str) -> bool {
    let local = username.split('@').next().unwrap_or_default();
    [username, local].into_iter().any(|name| {
        let backwards: String = name.chars().rev().collect();
        let long = name.chars().count() >= SHORTEST_NAME;
        lower == name || lower == backwards || (long && (lower.contains(name) || lower.contains(&backwards)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(password: &str) -> Result<(), Weak> {
        super::check(&Password::new(password.into()), "m.rossi@campus.example")
    }

    #[test]
    fn the_list_is_sorted_lower_case_and_of_ten_thousand() {
        assert_eq!(COMMON.len(), 10_000);
        assert!(COMMON.windows(2).all(|pair| pair[0] < pair[1]), "binary search needs the order");
        assert!(COMMON.iter().all(|word| !word.is_empty() && word.to_lowercase() == **word));
    }

    #[test]
    fn length_counts_characters_at_the_bottom_and_bytes_at_the_top() {
        assert_eq!(check("tulip-9xq"), Err(Weak::Short));
        assert_eq!(check("tulip-9xqä"), Ok(()));
        assert_eq!(check("éàüöîçñßåø"), Ok(()), "ten characters in twenty bytes");
        assert_eq!(check(&"tulip-9xqä".repeat(23)), Ok(()));
        assert_eq!(check(&"tulip-9xqä".repeat(24)), Err(Weak::Long));
    }

    #[test]
    fn what_everybody_tries_first_is_refused_in_any_case_and_with_trimmings() {
        for password in ["qwertyuiop", "QwertyUiop", "password1234", "Football2024!", "!!iloveyou!!", "12baseball12"] {
            assert_eq!(check(password), Err(Weak::Common), "{password}");
        }
        assert_eq!(check("football-under-lamps"), Ok(()));
        assert_eq!(check("93571-dragon-20486"), Ok(()), "the rest is more than trimmings");
    }

    #[test]
    fn few_different_characters_and_control_characters_are_refused() {
        assert_eq!(check("aaaaaaaaaaAA"), Err(Weak::Repetitive));
        assert_eq!(check("xyzxyzxyzxyz"), Err(Weak::Repetitive));
        assert_eq!(check("tulip-9xq\0abc"), Err(Weak::Control));
        assert_eq!(check("tulip-9xq\nabc"), Err(Weak::Control));
    }

    #[test]
    fn the_accounts_own_name_is_refused_forwards_and_backwards() {
        for password in ["m.rossi@campus.example", "M.Rossi-77-x", "x77-issor.m", "elpmaxe.supmac@issor.m"] {
            assert_eq!(check(password), Err(Weak::Name), "{password}");
        }
        let short = super::check(&Password::new("linden-and-oak".into()), "li");
        assert_eq!(short, Ok(()), "a short name may occur by chance");
    }

    #[test]
    fn one_password_in_two_spellings_is_prepared_alike() {
        let spelling = |text: &str| prepared(&Password::new(text.into())).expose().clone();
        assert_eq!(spelling("cafe\u{301}"), spelling("caf\u{e9}"));
        assert_eq!(spelling("ASCII stays ﬁ"), "ASCII stays ﬁ", "compatibility forms are not folded");
    }
}

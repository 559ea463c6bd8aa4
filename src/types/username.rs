//! A user name in the one form in which names are compared (attack E3).

use serde::{Deserialize, Serialize};
use std::fmt;
use unicode_normalization::UnicodeNormalization;

/// The longest canonical name, in characters: Moodle's column.
const LONGEST: usize = 100;

/// A canonical name: NFKC, trimmed, lower-case, of letters, digits and `. _ - @ +` alone.
///
/// What was typed is *refused*, never repaired, where it holds anything else: two spellings are either one name or
/// one of them is nobody's. An LMS folds further by rules of its own; its adapter knows them.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Username(String);

impl Username {
    /// `None` where no name can be meant: empty, too long, or with a character that names do not have (controls,
    /// zero-width ones, spaces inside, quotes, backslashes).
    pub fn canonical(typed: &str) -> Option<Self> {
        // Longer texts are not looked at: normalising may make them longer still.
        if typed.len() > 8 * LONGEST {
            return None;
        }
        // Twice: lower-casing `İ` leaves a combining dot that a second pass must see.
        let folded: String = typed.nfkc().flat_map(char::to_lowercase).nfkc().collect();
        let name = folded.trim();
        let fits = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '+');
        let right = !name.is_empty() && name.chars().count() <= LONGEST && name.chars().all(fits);
        right.then(|| Self(name.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name before `suffix`, if it ends so and is not the suffix alone.
    pub fn without(&self, suffix: &str) -> Option<&str> {
        self.0.strip_suffix(suffix).filter(|name| !name.is_empty())
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canonical(typed: &str) -> Option<String> {
        Username::canonical(typed).map(|name| name.as_str().to_owned())
    }

    #[test]
    fn e3_every_spelling_is_one_name_or_nobodys() {
        for typed in ["alice", "Alice", " alice ", "ALICE", "ａｌｉｃｅ", "\u{3000}alice"] {
            assert_eq!(canonical(typed).as_deref(), Some("alice"), "{typed:?}");
        }
        // NFC and NFD are one.
        assert_eq!(canonical("andr\u{e9}"), canonical("andre\u{301}"));
        for typed in
            ["", " ", "al!ice", "al ice", "alice\0", "al\u{200b}ice", "al\u{202e}ice", "a\\alice", "*", "ALİCE"]
        {
            assert!(canonical(typed).is_none_or(|name| name != "alice"), "{typed:?}");
        }
        for typed in ["al!ice", "alice\0", "al\u{200b}ice", "*)(uid=*", "a,b", "a\"b", "a/b", "a\\b"] {
            assert_eq!(canonical(typed), None, "{typed:?}");
        }
        // Dotless i is another letter, hence another name.
        assert_ne!(canonical("al\u{131}ce").as_deref(), Some("alice"));
        assert_eq!(canonical(&"a".repeat(101)), None);
        assert_eq!(canonical(&"ﷺ".repeat(200)), None);
    }

    #[test]
    fn a_suffix_is_taken_off_once_and_never_leaves_nothing() {
        let name = Username::canonical("alice@staff").unwrap();
        assert_eq!(name.without("@staff"), Some("alice"));
        assert_eq!(name.without("@student"), None);
        assert_eq!(Username::canonical("@staff").unwrap().without("@staff"), None);
    }

    proptest! {
        #[test]
        fn canonical_names_are_their_own_canonical_form(typed in "\\PC{0,40}") {
            if let Some(name) = Username::canonical(&typed) {
                prop_assert_eq!(Username::canonical(name.as_str()), Some(name));
            }
        }
    }
}

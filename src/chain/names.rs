//! `names:` of an instance: which user names can be its own at all.

use crate::types::Username;
use regex::Regex;
use serde::{Deserialize, Deserializer, de::Error as _};

/// A regular expression that the whole canonical name must match. It runs in linear time (attack I9).
#[derive(Clone, Debug)]
pub struct NamePattern(Regex);

impl NamePattern {
    pub fn new(pattern: &str) -> Result<Self, regex::Error> {
        let whole = format!("^(?:{pattern})$");
        // Names are short; a pattern that needs more than this is a list, and belongs into the directory.
        regex::RegexBuilder::new(&whole).size_limit(256 << 10).build().map(Self)
    }

    pub fn matches(&self, name: &Username) -> bool {
        self.0.is_match(name.as_str())
    }
}

impl<'de> Deserialize<'de> for NamePattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pattern = String::deserialize(deserializer)?;
        Self::new(&pattern).map_err(|_| D::Error::custom(format!("\"{pattern}\" is no regular expression")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_name_must_match() {
        let pattern = NamePattern::new("s[0-9]{6}|guest-.*").unwrap();
        let matches = |name: &str| pattern.matches(&Username::canonical(name).unwrap());
        assert!(matches("s123456") && matches("guest-a") && matches("S123456"));
        assert!(!matches("xs123456") && !matches("s1234567") && !matches("a-guest-a"));
        assert!(NamePattern::new("(").is_err());
    }
}

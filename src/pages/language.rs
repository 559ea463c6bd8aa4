//! The pages' sentences, one file per language.

use crate::language::Lang;

pub(super) fn source(lang: Lang) -> &'static str {
    match lang {
        Lang::En => include_str!("locales/en.ftl"),
        Lang::De => include_str!("locales/de.ftl"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The message keys of a language, read from its file.
    pub(in super::super) fn keys(lang: Lang) -> BTreeSet<String> {
        let id = |line: &str| line.split_once(" =").map(|(id, _)| id.to_owned());
        source(lang).lines().filter(|l| l.starts_with(|c: char| c.is_ascii_lowercase())).filter_map(id).collect()
    }

    #[test]
    fn every_message_exists_in_every_language() {
        let english = keys(Lang::En);
        assert!(english.len() > 50);
        for lang in Lang::ALL {
            assert_eq!(keys(lang), english, "{} differs from en", lang.as_str());
        }
    }
}

//! Letters' sentences, one file per language.

use crate::language::Lang;

pub(super) fn source(lang: Lang) -> &'static str {
    match lang {
        Lang::En => include_str!("locales/en.ftl"),
        Lang::De => include_str!("locales/de.ftl"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_exists_in_every_language() {
        let keys = |lang: Lang| -> Vec<&str> {
            let named = |line: &'static str| line.split_once(" = ").map(|(key, _)| key);
            source(lang).lines().filter(|line| !line.starts_with('#')).filter_map(named).collect()
        };
        assert!(keys(Lang::En).len() > 15);
        for lang in Lang::ALL {
            assert_eq!(keys(lang), keys(Lang::En), "{} differs from en", lang.as_str());
        }
    }
}

//! The languages people are spoken to, which one a browser gets, and sentences in them: for pages and for mail.
//!
//! A browser's wish (RFC 9110 §12.5.4) only ever selects a [`Lang`]; no text of the request names a file (I3).
//! Sentences are Fluent messages, compiled in by who says them. Bidi isolation marks are off: they would be copied
//! along with a secret or a user name, and all languages run left to right.
//!
//! # Adding a language
//!
//! One variant of [`Lang`], and one file in each `locales/` folder (`pages`, `outbound/mail`). The compiler and the
//! tests name what is missing.

use fluent_bundle::{FluentArgs, FluentResource, FluentValue, concurrent::FluentBundle};
use minijinja::{
    Error, ErrorKind,
    value::{Kwargs, Value},
};
use unic_langid::LanguageIdentifier;

/// A language that there are sentences in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lang {
    #[default]
    En,
    De,
}

impl Lang {
    pub const ALL: [Lang; 2] = [Lang::En, Lang::De];

    /// The primary language subtag (BCP 47), as in the `lang` attribute.
    pub fn as_str(self) -> &'static str {
        match self {
            Lang::En => "en",
            Lang::De => "de",
        }
    }

    /// The best of ours for an `Accept-Language` value; English where nothing fits or nothing can be read.
    pub fn negotiate(accept_language: Option<&str>) -> Lang {
        let mut best = (0, Lang::default());
        // Nobody reads thirty languages; a longer list is not worth the time.
        for range in accept_language.unwrap_or_default().split(',').take(30) {
            let mut parts = range.split(';').map(str::trim);
            let tag = parts.next().unwrap_or_default();
            let primary = tag.split('-').next().unwrap_or_default();
            let known = Lang::ALL.into_iter().find(|lang| lang.as_str().eq_ignore_ascii_case(primary));
            let quality = parts.find_map(|p| p.strip_prefix("q=")).map_or(Some(1000), thousandths);
            if let (Some(lang), Some(quality)) = (known, quality)
                && quality > best.0
            {
                best = (quality, lang);
            }
        }
        best.1
    }
}

/// A quality value in thousandths (RFC 9110 §12.4.2); `None` where it is not one.
fn thousandths(text: &str) -> Option<u32> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let digits = rest.len() <= 3 && rest.bytes().all(|b| b.is_ascii_digit());
    let fraction: u32 = if digits { format!("{rest:0<3}").parse().ok()? } else { return None };
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(1000),
        _ => None,
    }
}

/// Sentences that cannot be used. Always ours: they are compiled in.
#[derive(Debug, thiserror::Error)]
#[error("locale {lang}: {problem}")]
pub struct LocaleError {
    lang: &'static str,
    problem: String,
}

/// The sentences of one language.
pub struct Texts {
    bundle: FluentBundle<FluentResource>,
}

impl Texts {
    /// Of the text of a Fluent file.
    pub fn load(lang: Lang, source: &'static str) -> Result<Self, LocaleError> {
        let locale = |problem: String| LocaleError { lang: lang.as_str(), problem };
        let id: LanguageIdentifier = lang.as_str().parse().map_err(|e| locale(format!("{e}")))?;
        let resource = FluentResource::try_new(source.to_owned())
            .map_err(|(_, errors)| locale(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))?;
        let mut bundle = FluentBundle::new_concurrent(vec![id]);
        bundle.set_use_isolating(false);
        bundle
            .add_resource(resource)
            .map_err(|errors| locale(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))?;
        Ok(Self { bundle })
    }

    /// The templates' `t` function: `t("key", name=value)`.
    pub fn function(self) -> Value {
        Value::from_function(move |key: &str, kwargs: Kwargs| self.call(key, &kwargs))
    }

    /// The message `key` with its variables filled in, as plain text.
    fn text(&self, key: &str, args: &FluentArgs<'_>) -> Result<String, Error> {
        let missing = || Error::new(ErrorKind::InvalidOperation, format!("no message {key}"));
        let pattern = self.bundle.get_message(key).and_then(|message| message.value()).ok_or_else(missing)?;
        let mut errors = Vec::new();
        let text = self.bundle.format_pattern(pattern, Some(args), &mut errors).into_owned();
        match errors.first() {
            None => Ok(text),
            Some(error) => Err(Error::new(ErrorKind::InvalidOperation, format!("message {key}: {error}"))),
        }
    }

    fn call(&self, key: &str, kwargs: &Kwargs) -> Result<String, Error> {
        let mut args = FluentArgs::new();
        for name in kwargs.args() {
            let value: Value = kwargs.get(name)?;
            let value = match value.as_i64() {
                // Only numbers select a plural form; digits in a string must stay text.
                Some(number) if value.is_number() => FluentValue::from(number),
                _ => FluentValue::from(value.to_string()),
            };
            args.set(name.to_owned(), value);
        }
        self.text(key, &args)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_browser_s_wish_picks_a_language() {
        let cases = [
            (None, Lang::En),
            (Some(""), Lang::En),
            (Some("de"), Lang::De),
            (Some("de-AT,en;q=0.5"), Lang::De),
            (Some("fr, DE-de;q=0.8, en;q=0.7"), Lang::De),
            (Some("en-GB,en;q=0.9,de;q=0.8"), Lang::En),
            (Some("en;q=0.2,de;q=0.9"), Lang::De),
            (Some("de;q=0"), Lang::En),
            (Some("fr"), Lang::En),
            (Some("*"), Lang::En),
            (Some("deu"), Lang::En),
        ];
        for (wish, lang) in cases {
            assert_eq!(Lang::negotiate(wish), lang, "{wish:?}");
        }
    }

    #[test]
    fn i3_a_wish_that_is_a_path_is_not_a_language() {
        for wish in
            ["../../etc", "de/../../etc/passwd", "..%2f..%2fde", "de\0", "/de", "de;q=NaN", "de;q=1e9", "de;q=-1"]
        {
            assert_eq!(Lang::negotiate(Some(wish)), Lang::En, "{wish:?}");
        }
    }

    proptest! {
        #[test]
        fn no_wish_panics(wish: String) {
            let _ = Lang::negotiate(Some(&wish));
        }
    }
}

//! `outbound.sms:` in gateway.yaml.

use crate::{
    language::Lang,
    types::{Origin, Scheme},
};
use serde::Deserialize;
use std::{fmt, net::IpAddr, path::PathBuf};

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Who takes our messages.
    pub url: Webhook,
    /// `file:PATH` or `env:NAME`: the bearer token it knows us by.
    pub secret: String,
    /// PEM; verifies the service instead of the public roots.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The operator's word that codes may cross a network in the clear.
    #[serde(default)]
    pub insecure: bool,
    /// The reader of the page waits for it.
    #[serde(default = "timeout")]
    pub timeout_seconds: u64,
    /// What a message says, by language.
    #[serde(default)]
    pub texts: Texts,
}

fn timeout() -> u64 {
    5
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Texts {
    pub en: Template,
    pub de: Template,
}

impl Default for Texts {
    /// The last line lets a phone fill the code in at this site and at no other (origin-bound one-time codes).
    fn default() -> Self {
        let of = |text: &str| Template(text.to_owned());
        Self {
            en: of("{code} is your code for {site}. Give it to nobody.\n\n@{site} #{code}"),
            de: of("{code} ist Ihr Code für {site}. Geben Sie ihn niemandem.\n\n@{site} #{code}"),
        }
    }
}

impl Texts {
    pub fn of(&self, lang: Lang) -> &Template {
        match lang {
            Lang::En => &self.en,
            Lang::De => &self.de,
        }
    }
}

/// A text with `{code}` in it, and `{site}` where one likes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Template(String);

/// Two messages of the short kind; every further one costs again.
const LONGEST: usize = 300;

impl TryFrom<String> for Template {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let odd = |c: char| c.is_control() && c != '\n';
        if !text.contains("{code}") {
            return Err("has no {code}, which is where the code goes".to_owned());
        }
        if text.chars().count() > LONGEST || text.chars().any(odd) {
            return Err(format!("is longer than {LONGEST} characters, or holds control characters"));
        }
        Ok(Self(text))
    }
}

impl Template {
    pub fn fill(&self, code: &str, site: &str) -> String {
        self.0.replace("{site}", site).replace("{code}", code)
    }
}

/// `https://sms.example.org/send?account=7`: an origin, and what follows it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Webhook {
    pub origin: Origin,
    /// Path and query.
    pub target: String,
}

impl TryFrom<String> for Webhook {
    type Error = String;

    /// The text is not repeated: somebody may have written a password into it.
    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || "is no address: write https://HOST[:PORT]/PATH".to_owned();
        let from = text.find("://").ok_or_else(wrong)? + 3;
        let (origin, target) = match text[from..].find(['/', '?', '#']) {
            Some(at) => text.split_at(from + at),
            None => (text.as_str(), "/"),
        };
        let visible = target.bytes().all(|b| b.is_ascii_graphic());
        if !target.starts_with('/') || target.contains('#') || !visible {
            return Err(wrong());
        }
        if origin.contains('@') {
            return Err("holds a user or password; the service knows us by secret".to_owned());
        }
        Ok(Self { origin: origin.parse().map_err(|_| wrong())?, target: target.to_owned() })
    }
}

impl Webhook {
    /// Does a message stay on this machine, or travel protected?
    pub fn is_private(&self) -> bool {
        let host = self.origin.host().trim_start_matches('[').trim_end_matches(']');
        let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        loopback || self.origin.scheme() == Scheme::Https
    }
}

impl fmt::Debug for Webhook {
    /// Without what follows the origin: keys are put there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/…", self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(text: &str) -> Result<(String, String), String> {
        Webhook::try_from(text.to_owned()).map(|w| (w.origin.to_string(), w.target))
    }

    #[test]
    fn a_webhook_is_an_origin_and_what_follows() {
        let of = |origin: &str, target: &str| Ok((origin.to_owned(), target.to_owned()));
        assert_eq!(webhook("https://sms.example.org/send?a=1"), of("https://sms.example.org", "/send?a=1"));
        assert_eq!(webhook("http://127.0.0.1:9/"), of("http://127.0.0.1:9", "/"));
        assert_eq!(webhook("https://sms.example.org"), of("https://sms.example.org", "/"));
        for wrong in ["", "sms.example.org", "ftp://x/", "https:///x", "https://x/a b", "https://x?y", "https://x/#y"] {
            assert!(webhook(wrong).is_err(), "{wrong}");
        }
        let told = webhook("https://v:hunter2@sms.example.org/x").unwrap_err();
        assert!(!told.contains("hunter2"), "{told}");
        let shown = format!("{:?}", Webhook::try_from("https://sms.example.org/k/hunter2".to_owned()).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_text_holds_the_code_and_is_short() {
        let texts = Texts::default();
        for lang in Lang::ALL {
            let text = texts.of(lang).fill("012345", "campus.example.org");
            assert!(text.starts_with("012345 ") && text.ends_with("\n@campus.example.org #012345"), "{text}");
            assert!(text.chars().count() < 160);
        }
        for wrong in ["", "your code", &format!("{{code}}{}", "x".repeat(LONGEST)), "{code}\0"] {
            assert!(Template::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}

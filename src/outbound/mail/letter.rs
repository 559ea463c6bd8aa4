//! From an occasion to the bytes a relay takes: RFC 5322 with a text and an HTML form of the same (RFC 2046 §5.1.4).
//!
//! `Auto-Submitted: auto-generated` (RFC 3834 §5) keeps holiday notices from answering.

use super::{Message, Sender, language};
use crate::{
    language::{Lang, LocaleError, Texts},
    types::{Rng, RngExt, Secret, Timestamp},
};
use lettre::{
    Address,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{HeaderName, HeaderValue},
    },
};
use minijinja::{Environment, UndefinedBehavior, Value, context};
use serde::{Deserialize, Serialize};
use std::time::{Duration, UNIX_EPOCH};

const TEMPLATES: [(&str, &str); 3] = [
    ("subject.txt", "{{ t(subject) }}"),
    ("letter.txt", include_str!("templates/letter.txt")),
    ("letter.html", include_str!("templates/letter.html")),
];

/// The longest an address may be (RFC 5321 §4.5.3.1.3, without the angle brackets).
const LONGEST_ADDRESS: usize = 254;

/// A finished letter: envelope and message. Personal data; it stands in the queue sealed, and in no log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    pub from: String,
    pub to: String,
    /// With CRLF line ends, and in ASCII wherever the recipient's address is.
    pub message: String,
    /// Nobody needs it any more from then on: a code that has run out.
    #[serde(default)]
    pub useless_from: Option<Timestamp>,
}

impl std::fmt::Debug for Letter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Letter")
    }
}

/// Why there is no letter.
#[derive(Debug, thiserror::Error)]
pub enum LetterError {
    /// The source's fault, or the operator's; the address is not repeated.
    #[error("the recipient's address is none that mail can be sent to")]
    Recipient,
    /// Ours: everything a letter is made of is compiled in.
    #[error("a letter could not be written: {0}")]
    Template(#[from] minijinja::Error),
    #[error(transparent)]
    Locale(#[from] LocaleError),
    #[error("a letter could not be put together: {0}")]
    Build(#[from] lettre::error::Error),
}

/// The compiled templates, the sentences of every language, and whom letters come from.
pub struct Stationery {
    templates: Environment<'static>,
    sentences: Vec<(Lang, Value)>,
    from: Mailbox,
}

impl Stationery {
    pub fn new(from: &Sender) -> Result<Self, LetterError> {
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        for (name, source) in TEMPLATES {
            templates.add_template(name, source)?;
        }
        let sentences = Lang::ALL
            .into_iter()
            .map(|lang| Ok((lang, Texts::load(lang, language::source(lang))?.function())))
            .collect::<Result<_, LocaleError>>()?;
        Ok(Self { templates, sentences, from: from.0.clone() })
    }

    pub fn write(
        &self,
        to: &str,
        lang: Lang,
        message: &Message,
        now: Timestamp,
        rng: &dyn Rng,
    ) -> Result<Letter, LetterError> {
        let to = recipient(to)?;
        let (subject, text, html) = self.forms(lang, message, now)?;
        let alternative = MultiPart::alternative()
            .boundary(rng.hex(16))
            .singlepart(SinglePart::plain(text))
            .singlepart(SinglePart::html(html));
        let written = lettre::Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to.clone()))
            .subject(subject)
            .message_id(Some(format!("<{}@{}>", rng.hex(16), self.from.email.domain())))
            .date(UNIX_EPOCH + now.since(Timestamp(0)))
            .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()))
            .multipart(alternative)?;
        Ok(Letter {
            from: self.from.email.to_string(),
            to: to.to_string(),
            message: String::from_utf8_lossy(&written.formatted()).into_owned(),
            useless_from: message.useless_after().map(|after| now.plus(after)),
        })
    }

    /// Subject, text and HTML.
    fn forms(&self, lang: Lang, message: &Message, now: Timestamp) -> Result<(String, String, String), LetterError> {
        let said = message.said();
        let values = context! {
            t => self.sentences.iter().find(|(of, _)| *of == lang).map(|(_, t)| t.clone()),
            lang => lang.as_str(),
            when => moment(now),
            subject => said.subject,
            text => said.text,
            advice => said.advice,
            values => said.values,
            code => said.code.as_ref().map(Secret::expose),
            link => said.link.as_ref().map(Secret::expose),
        };
        let form = |name: &str| self.templates.get_template(name)?.render(&values);
        Ok((form("subject.txt")?, form("letter.txt")?, form("letter.html")?))
    }
}

/// `2026-11-21 22:47 UTC`: to the minute, and in a zone that is the same for everybody who reads it.
pub(super) fn moment(now: Timestamp) -> String {
    let text = Timestamp(now.since(Timestamp(0)).as_millis().try_into().unwrap_or(i64::MAX)).to_string();
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(minute)) => format!("{day} {minute} UTC"),
        _ => text,
    }
}

/// One address and nothing else: no list, no name, no line end (attack F5).
pub(super) fn recipient(text: &str) -> Result<Address, LetterError> {
    if text.len() > LONGEST_ADDRESS || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(LetterError::Recipient);
    }
    text.parse().map_err(|_| LetterError::Recipient)
}

/// After which attempt to wait how long (the first is 1).
pub(super) fn back_off(attempts: u32) -> Duration {
    Duration::from_secs(
        60 * match attempts {
            0 | 1 => 1,
            2 => 5,
            3 => 30,
            _ => 120,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::SystemRng;

    const NOW: Timestamp = Timestamp(1_795_219_200_000);

    fn stationery() -> Stationery {
        Stationery::new(&Sender::try_from("Campus sign-in <sign-in@example.org>".to_owned()).unwrap()).unwrap()
    }

    fn write(to: &str, lang: Lang, message: &Message) -> Result<Letter, LetterError> {
        stationery().write(to, lang, message, NOW, &SystemRng)
    }

    /// Name and value of each header line, folded ones put together.
    fn headers(letter: &Letter) -> Vec<(String, String)> {
        let head = letter.message.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
        head.split("\r\n").map(|line| line.split_once(": ").unwrap()).map(|(a, b)| (a.into(), b.into())).collect()
    }

    #[test]
    fn every_message_is_written_in_every_language() {
        let stationery = stationery();
        for lang in Lang::ALL {
            for message in Message::samples() {
                let (subject, text, html) = stationery.forms(lang, &message, NOW).unwrap();
                assert!(!subject.is_empty() && !subject.contains('\n'), "{message:?}");
                assert!(text.contains("2026-11-21 00:00 UTC") && html.contains("2026-11-21 00:00 UTC"), "{text}");
                assert!(html.contains(&format!("<html lang=\"{}\">", lang.as_str())), "{html}");
            }
        }
        let german = stationery.forms(Lang::De, &Message::Test, NOW).unwrap();
        assert_eq!(german.0, "Ein Test der Mail-Einstellungen");
    }

    #[test]
    fn a_letter_has_the_headers_of_a_notice_and_both_forms() {
        let letter = write("ann@example.org", Lang::De, &Message::samples()[0]).unwrap();
        let of = |name: &str| headers(&letter).into_iter().find(|h| h.0 == name).unwrap_or_else(|| panic!("{name}")).1;
        assert_eq!(of("From"), "\"Campus sign-in\" <sign-in@example.org>");
        assert_eq!(of("To"), "ann@example.org");
        assert_eq!(of("Date"), "Sat, 21 Nov 2026 00:00:00 +0000");
        assert_eq!(of("Auto-Submitted"), "auto-generated");
        assert!(of("Message-ID").ends_with("@example.org>"));
        assert!(of("Content-Type").starts_with("multipart/alternative"));
        let plain = letter.message.find("text/plain").unwrap();
        assert!(plain < letter.message.find("text/html").unwrap(), "the better form is the last one");
        assert!(letter.message.is_ascii(), "no relay has to know 8BITMIME");
    }

    #[test]
    fn a_mailed_code_stands_by_itself_with_a_link_and_dies_with_it() {
        let code = Message::samples().into_iter().find(|m| matches!(m, Message::MailedCode { .. })).unwrap();
        let (subject, text, html) = stationery().forms(Lang::En, &code, NOW).unwrap();
        assert!(!subject.contains("123456"), "a locked phone shows subjects");
        assert!(text.contains("\n    123456\n") && text.contains("\nhttps://campus.example.org/vestibule/mailed/x\n"));
        assert!(
            html.contains("<a href=\"https:&#x2f;&#x2f;campus.example.org&#x2f;vestibule&#x2f;mailed&#x2f;x\">"),
            "{html}"
        );
        assert!(!format!("{code:?}").contains("123456"), "{code:?}");
        let letter = write("ann@example.org", Lang::En, &code).unwrap();
        assert_eq!(letter.useless_from, Some(NOW.plus(crate::outbound::mail::CODE_LIVES)));
        assert_eq!(write("ann@example.org", Lang::En, &Message::Test).unwrap().useless_from, None);
    }

    #[test]
    fn f5_i4_a_hostile_browser_s_name_adds_nothing_to_a_code() {
        let asker = crate::outbound::mail::Asker {
            address: "192.0.2.7".into(),
            browser: "x\r\nBcc: a@b.example\r\n\r\n<a href=\"https://evil.example\">".into(),
        };
        let (site, secret) = ("campus.example.org".to_owned(), |text: &str| Secret::new(text.to_owned()));
        let message =
            Message::MailedCode { site, code: secret("1"), link: secret("https://campus.example.org/"), asker };
        let (_, text, html) = stationery().forms(Lang::En, &message, NOW).unwrap();
        assert_eq!(html.matches("<a href").count(), 1, "{html}");
        assert!(text.lines().all(|line| !line.starts_with("Bcc")), "{text}");
    }

    #[test]
    fn f5_i4_a_hostile_name_adds_no_header_no_markup_and_no_length() {
        for name in [
            "x\r\nBcc: all@example.org\r\n\r\n<h1>",
            "<script>alert(1)</script><a href=\"https://evil.example\">",
            "{{ 7*7 }}{% include 'letter.txt' %} { $when }",
            &"🎓<b>".repeat(16 * 1024),
            "--boundary\r\n.\r\nMAIL FROM:<a@b.example>",
        ] {
            let message = Message::MethodLinked { site: "campus.example.org".into(), source: name.to_owned() };
            let letter = write("ann@example.org", Lang::En, &message).unwrap();
            let plain = headers(&write("ann@example.org", Lang::En, &Message::samples()[0]).unwrap());
            let names = |of: Vec<(String, String)>| of.into_iter().map(|h| h.0).collect::<Vec<_>>();
            assert_eq!(names(headers(&letter)), names(plain), "{name:.40}");
            assert!(letter.message.len() < 8 * 1024, "{name:.40}");
            let (_, text, html) = stationery().forms(Lang::En, &message, NOW).unwrap();
            assert!(!html.contains("<script") && !html.contains("<b>") && !html.contains("<a href"), "{html}");
            assert_eq!(html.matches("<h1>").count(), 1, "{html}");
            assert!(!text.contains("49"), "{text}");
            assert!(text.lines().all(|line| !line.starts_with("Bcc") && line != "."), "{text}");
        }
    }

    #[test]
    fn f5_what_is_not_one_address_gets_no_letter() {
        for wrong in [
            "",
            "ann",
            "a@evil@corp.example",
            "ann@example.org, bob@example.org",
            "ann@example.org\r\nBcc: bob@example.org",
            "ann@example.org\r\nRCPT TO:<bob@example.org>",
            "Ann <ann@example.org>",
            "\"a b\"@example.org",
            "ann@example.org ",
            "ann@exam ple.org",
            "ann@example.org>",
            "<ann@example.org",
            &format!("{}@example.org", "a".repeat(300)),
        ] {
            assert!(matches!(write(wrong, Lang::En, &Message::Test), Err(LetterError::Recipient)), "{wrong:?}");
        }
        for right in ["ann@example.org", "ann+lms@example.org", "o'neill@example.org", "jörg@example.org"] {
            assert!(write(right, Lang::En, &Message::Test).is_ok(), "{right}");
        }
    }

    #[test]
    fn debug_shows_nothing_of_a_letter() {
        let letter = write("ann@example.org", Lang::En, &Message::Test).unwrap();
        assert_eq!(format!("{letter:?}"), "Letter");
    }
}

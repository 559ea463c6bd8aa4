//! `outbound.mail:` in gateway.yaml.

use super::letter::recipient;
use crate::types::Origin;
use lettre::message::Mailbox;
use serde::Deserialize;
use std::{fmt, net::IpAddr, path::PathBuf};

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The relay that takes our mail.
    pub server: Server,
    /// Whom we sign in as there, if it asks.
    #[serde(default)]
    pub user: Option<String>,
    /// `file:PATH` or `env:NAME`, never the password.
    #[serde(default)]
    pub password: Option<String>,
    /// `Campus sign-in <sign-in@example.org>`.
    pub from: Sender,
    /// Who is told when somebody says of a sign-in that it was not theirs. `null`: the audit log alone.
    #[serde(default)]
    pub help_desk: Option<Recipient>,
    /// PEM; verifies the relay instead of the public roots.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The operator's word that mail may cross a network in the clear, password included.
    #[serde(default)]
    pub insecure: bool,
    /// Letters one address gets at most within an hour; the rest are not sent.
    #[serde(default = "per_hour")]
    pub per_recipient_per_hour: u32,
    /// For a connection until it is signed in, and again for each letter.
    #[serde(default = "timeout")]
    pub timeout_seconds: u64,
}

fn per_hour() -> u32 {
    20
}

fn timeout() -> u64 {
    60
}

/// How a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TLS from the first byte (RFC 8314 §3.3).
    Tls,
    /// STARTTLS, and nothing is said before it (RFC 3207). A relay without it gets no mail.
    StartTls,
    Plain,
}

/// `smtps://host`, `smtp+starttls://host:587`, `smtp://localhost:25`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Server {
    pub transport: Transport,
    /// Without port; an IPv6 address without its brackets.
    pub host: String,
    pub port: u16,
}

const SCHEMES: [(&str, Transport, u16); 3] =
    [("smtps", Transport::Tls, 465), ("smtp+starttls", Transport::StartTls, 587), ("smtp", Transport::Plain, 25)];

impl TryFrom<String> for Server {
    type Error = String;

    /// The text is not repeated: somebody may have written a password into it.
    fn try_from(text: String) -> Result<Self, String> {
        let forms = "write smtps://HOST[:PORT], smtp+starttls://HOST[:PORT], or smtp://localhost[:PORT]";
        let (scheme, rest) = text.split_once("://").ok_or_else(|| format!("is no mail server: {forms}"))?;
        let (_, transport, port) = SCHEMES
            .into_iter()
            .find(|(name, ..)| *name == scheme)
            .ok_or_else(|| format!("has an unknown scheme: {forms}"))?;
        if rest.contains('@') {
            return Err("holds a user or password, which have keys of their own: user, password".to_owned());
        }
        let bare = rest.trim_end_matches('/');
        // 443 and 80 would be the origin's own defaults; whether a port was named is asked of both.
        let (named, other) = (origin("https", bare)?, origin("http", bare)?);
        let port = if named.port() == other.port() { named.port() } else { port };
        let host = named.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { transport, host, port })
    }
}

fn origin(scheme: &str, authority: &str) -> Result<Origin, String> {
    format!("{scheme}://{authority}")
        .parse()
        .map_err(|_| "has no usable host or port, or goes on after them".to_owned())
}

impl Server {
    /// Does mail stay on this machine?
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = SCHEMES.iter().find(|(_, transport, _)| *transport == self.transport).map_or("", |s| s.0);
        let bracket = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{}{}{}:{}", bracket.0, self.host, bracket.1, self.port)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Whom our mail comes from.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct Sender(pub Mailbox);

impl TryFrom<String> for Sender {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || "is no sender: write an address, or \"A name <address>\"".to_owned();
        if text.chars().any(char::is_control) {
            return Err(wrong());
        }
        text.parse().map(Sender).map_err(|_| wrong())
    }
}

/// One address that letters can go to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Recipient(pub String);

impl TryFrom<String> for Recipient {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        recipient(&text).map_err(|_| "is no mail address: write help-desk@example.org".to_owned())?;
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> Result<String, String> {
        Server::try_from(text.to_owned()).map(|server| server.to_string())
    }

    #[test]
    fn a_server_has_a_scheme_a_host_and_a_port() {
        assert_eq!(server("smtps://mail.example.org").unwrap(), "smtps://mail.example.org:465");
        assert_eq!(server("smtp+starttls://mail.example.org").unwrap(), "smtp+starttls://mail.example.org:587");
        assert_eq!(server("smtp://[::1]:2525/").unwrap(), "smtp://[::1]:2525");
        assert_eq!(server("smtps://mail.example.org:443").unwrap(), "smtps://mail.example.org:443");
        assert_eq!(server("smtps://mail.example.org:80").unwrap(), "smtps://mail.example.org:80");
        for wrong in
            ["mail.example.org", "http://x", "smtps://", "smtps://a b", "smtps://x:0x", "smtps://x/y", "smtp:x"]
        {
            assert!(server(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn i6_a_password_in_the_server_is_refused_and_not_repeated() {
        let told = server("smtps://v:hunter2@mail.example.org").unwrap_err();
        assert!(told.contains("user, password") && !told.contains("hunter2"), "{told}");
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for (text, loopback) in [
            ("smtp://localhost", true),
            ("smtp://127.1.2.3", true),
            ("smtp://[::1]", true),
            ("smtp://localhost.example.org", false),
            ("smtp://10.0.0.1", false),
        ] {
            assert_eq!(Server::try_from(text.to_owned()).unwrap().is_loopback(), loopback, "{text}");
        }
    }

    #[test]
    fn f5_a_recipient_is_one_address() {
        assert!(Recipient::try_from("help-desk@example.org".to_owned()).is_ok());
        for wrong in ["", "desk", "Desk <desk@example.org>", "a@example.org, b@example.org", "a@example.org\r\nBcc: b"]
        {
            assert!(Recipient::try_from(wrong.to_owned()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_sender_is_one_mailbox() {
        let sender = |text: &str| Sender::try_from(text.to_owned());
        assert!(sender("a@example.org").is_ok() && sender("Campus <a@example.org>").is_ok());
        for wrong in ["", "a", "a@b@c", "a@example.org, b@example.org", "a@example.org\r\nBcc: b@example.org"] {
            assert!(sender(wrong).is_err(), "{wrong:?}");
        }
    }
}

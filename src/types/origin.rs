//! A web origin, RFC 6454 §4: scheme, host and port, and nothing after them.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};

/// Which of the two schemes that a gateway speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// `https://lms.example.org:8443`: the host in lower case without a trailing dot, the port always known.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: Scheme,
    host: String,
    port: u16,
}

/// Why a text is not an origin. Shown to the operator as it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    #[error("\"{0}\" does not start with http:// or https://")]
    Scheme(String),
    #[error("a user name or password has no place in \"{0}\"")]
    UserInfo(String),
    #[error("\"{0}\" goes on after the host: write scheme, host and port only, as in https://lms.example.org")]
    Path(String),
    #[error("\"{0}\" has no usable host name or address")]
    Host(String),
    #[error("\"{0}\" has no usable port")]
    Port(String),
}

impl Origin {
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }
    /// Without port; an IPv6 address keeps its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }
    pub fn port(&self) -> u16 {
        self.port
    }
    /// What a `Host` field says: the port is left out where it is the scheme's own (RFC 9110 §7.2).
    pub fn authority(&self) -> String {
        if self.port == self.scheme.default_port() { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let (scheme, rest) = if let Some(rest) = text.strip_prefix("https://") {
            (Scheme::Https, rest)
        } else if let Some(rest) = text.strip_prefix("http://") {
            (Scheme::Http, rest)
        } else {
            return Err(OriginError::Scheme(text.to_owned()));
        };
        // One slash at the end is how people copy an address; it says nothing.
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '\\']) {
            return Err(OriginError::Path(text.to_owned()));
        }
        if authority.contains('@') {
            // Never echoed in full: what stands before the @ may be a password.
            return Err(OriginError::UserInfo(format!("{}://…", scheme.as_str())));
        }
        let (host, port) = split_port(authority).ok_or_else(|| OriginError::Port(text.to_owned()))?;
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        if !is_host(&host) {
            return Err(OriginError::Host(text.to_owned()));
        }
        Ok(Self { scheme, host, port: port.unwrap_or(scheme.default_port()) })
    }
}

fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    // The colons inside [::1] are not the port's.
    let from = authority.rfind(']').map_or(0, |at| at + 1);
    match authority[from..].find(':') {
        None => Some((authority, None)),
        Some(at) => {
            let (host, port) = authority.split_at(from + at);
            let port: u16 = port[1..].parse().ok()?;
            (port != 0).then_some((host, Some(port)))
        }
    }
}

fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        return inner.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let label = |label: &str| {
        !label.is_empty() && label.len() <= 63 && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    host.len() <= 253 && host.split('.').all(label)
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.authority())
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({self})")
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Result<String, OriginError> {
        text.parse::<Origin>().map(|o| o.to_string())
    }

    #[test]
    fn an_origin_has_one_spelling() {
        assert_eq!(origin("https://LMS.Example.org.:443/").unwrap(), "https://lms.example.org");
        assert_eq!(origin("http://[::1]:8081").unwrap(), "http://[::1]:8081");
        assert_eq!(origin("https://localhost:8443").unwrap(), "https://localhost:8443");
    }

    #[test]
    fn what_is_more_or_less_than_an_origin_is_refused() {
        assert!(matches!(origin("lms.example.org"), Err(OriginError::Scheme(_))));
        assert!(matches!(origin("https://lms.example.org/moodle"), Err(OriginError::Path(_))));
        assert!(matches!(origin("https://lms.example.org?x"), Err(OriginError::Path(_))));
        assert!(matches!(origin("https://lms:0"), Err(OriginError::Port(_))));
        assert!(matches!(origin("https://"), Err(OriginError::Host(_))));
        assert!(matches!(origin("https://a b"), Err(OriginError::Host(_))));
    }

    #[test]
    fn a_password_in_an_address_is_not_repeated() {
        assert!(!origin("https://u:hunter2@lms").unwrap_err().to_string().contains("hunter2"));
    }
}

//! Which site a request names, in one spelling (A16; RFC 9110 §7.2, RFC 3986 §3.2.2).

use super::BadRequest;

/// A host and, if one was written, a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host {
    /// Lower case, without a trailing dot; an IPv6 address in brackets.
    pub name: String,
    pub port: Option<u16>,
}

impl Host {
    /// Same name, and the same port once the scheme's own is filled in.
    pub fn is_same(&self, other: &Host, default_port: u16) -> bool {
        self.name == other.name && self.port.unwrap_or(default_port) == other.port.unwrap_or(default_port)
    }
}

/// A Host field, `:authority`, or the authority of an absolute-form target.
///
/// One trailing dot says "fully qualified" in DNS and is dropped, so that `lms.` meets the rules of `lms`. User
/// information, white space, commas (joined duplicates), percent-encoding and bytes beyond ASCII are refused; an
/// internationalised name arrives as `xn--`.
pub fn canonical_host(text: &str) -> Result<Host, BadRequest> {
    let bad = BadRequest::new("host");
    if text.len() > 255 + 6 {
        return Err(bad);
    }
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']').ok_or(bad)?;
            let address: std::net::Ipv6Addr = address.parse().map_err(|_| bad)?;
            let port = match after {
                "" => None,
                after => Some(after.strip_prefix(':').ok_or(bad)?),
            };
            (format!("[{address}]"), port)
        }
        None => match text.split_once(':') {
            Some((name, port)) => (dns_name(name)?, Some(port)),
            None => (dns_name(text)?, None),
        },
    };
    Ok(Host { name, port: port.map(canonical_port).transpose()? })
}

fn dns_name(text: &str) -> Result<String, BadRequest> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let lawful = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if !name.split('.').all(lawful) {
        return Err(BadRequest::new("host"));
    }
    Ok(name.to_ascii_lowercase())
}

/// Digits as people write them: an empty port, `0443` and `+443` are other spellings and refused.
fn canonical_port(text: &str) -> Result<u16, BadRequest> {
    let canonical = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| canonical).ok_or(BadRequest::new("port"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a16_spellings_of_one_host_meet_one_rule() {
        for text in ["lms.example.org", "LMS.Example.ORG", "lms.example.org.", "Lms.example.org."] {
            assert_eq!(canonical_host(text).unwrap().name, "lms.example.org", "{text}");
        }
        let with_port = canonical_host("lms:443").unwrap();
        assert_eq!((with_port.name.as_str(), with_port.port), ("lms", Some(443)));
        assert!(with_port.is_same(&canonical_host("LMS.").unwrap(), 443));
        assert!(!with_port.is_same(&canonical_host("lms:8443").unwrap(), 443));
        assert_eq!(canonical_host("xn--bcher-kva.example").unwrap().name, "xn--bcher-kva.example");
        assert_eq!(canonical_host("127.0.0.1:8443").unwrap().port, Some(8443));
        assert_eq!(canonical_host("[0:0::1]:8443").unwrap().name, "[::1]");
    }

    #[test]
    fn a16_ambiguous_hosts_are_refused() {
        for text in [
            "",
            ".",
            "lms..",
            ".lms",
            "a..b",
            "lms,other",
            "lms, lms",
            "lms lms",
            " lms",
            "user@lms",
            "lms/",
            "lms#x",
            "lms?x",
            "lms\\x",
            "l%6ds",
            "lms:",
            "lms:0443",
            "lms:+443",
            "lms:65536",
            "lms:443:443",
            "lms:443 ",
            "bücher.example",
            "[::1",
            "[::1]443",
            "::1",
            "[lms]",
            "lms\t",
            "lms\0",
        ] {
            assert!(canonical_host(text).is_err(), "{text:?}");
        }
        assert!(canonical_host(&"a".repeat(64)).is_err());
        assert!(canonical_host(&"a.".repeat(200)).is_err());
    }
}

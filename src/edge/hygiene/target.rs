//! The request target: path and query, in the form that is judged and forwarded (A8, A9, A14; RFC 9112 §3.2).

use super::{BadRequest, CanonicalPath, Host, canonical_host};

/// Moodle's longest queries (yui_combo, filters) stay below 8 kB.
pub const MAX_QUERY: usize = 20 * 1024;

/// What is asked for on a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub path: CanonicalPath,
    /// As it came, without the `?`; `None` where there was no `?`. PHP reads it, [`crate::lms`] knows how.
    pub query: Option<String>,
}

impl Target {
    /// Origin-form, or absolute-form naming this very host. Authority-form (CONNECT) and `*` are no target here.
    pub fn parse(raw: &[u8], host: &Host, default_port: u16) -> Result<Target, BadRequest> {
        let raw = match raw.first() {
            Some(b'/') => raw,
            _ => origin_form(raw, host, default_port)?,
        };
        let (path, query) = match raw.iter().position(|b| *b == b'?') {
            Some(at) => (&raw[..at], Some(&raw[at + 1..])),
            None => (raw, None),
        };
        let query = query.map(canonical_query).transpose()?.map(str::to_owned);
        Ok(Target { path: CanonicalPath::parse(path)?, query })
    }

    /// What is written on the request line to the LMS.
    pub fn forwarded(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path.encoded()),
            None => self.path.encoded().to_owned(),
        }
    }
}

/// A9: `GET http://other/public/` with `Host: lms` would be judged by one name and served by the other.
fn origin_form<'a>(raw: &'a [u8], host: &Host, default_port: u16) -> Result<&'a [u8], BadRequest> {
    let bad = BadRequest::new("target is neither a path nor a URL of this host");
    let text = std::str::from_utf8(raw).map_err(|_| bad)?;
    let (scheme, rest) = text.split_once("://").ok_or(bad)?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(bad);
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    if !canonical_host(&rest[..end])?.is_same(host, default_port) {
        return Err(BadRequest::new("target names another host"));
    }
    // `http://lms` and `http://lms?x` have an empty path, which means `/`; nobody sends them, so no spelling for it.
    Some(&rest.as_bytes()[end..]).filter(|path| path.first() == Some(&b'/')).ok_or(bad)
}

/// Printable ASCII without `#`, `"`, `<`, `>` and backslash, which every sender encodes, and not too long.
/// Broken percent-encodings pass: PHP keeps them as they are, and so do our readers.
pub fn canonical_query(raw: &[u8]) -> Result<&str, BadRequest> {
    if raw.len() > MAX_QUERY {
        return Err(BadRequest::with_status(414, "query is too long"));
    }
    if raw.iter().any(|b| !b.is_ascii_graphic() || b"#\"<>\\".contains(b)) {
        return Err(BadRequest::new("query has a byte that must be encoded"));
    }
    std::str::from_utf8(raw).map_err(|_| BadRequest::new("query is not ASCII"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(raw: &str) -> Result<Target, BadRequest> {
        Target::parse(raw.as_bytes(), &canonical_host("lms.example.org").unwrap(), 443)
    }

    #[test]
    fn a8_a_query_is_no_path_and_a_hash_is_refused() {
        let ok = target("/grade?x=/public/").unwrap();
        assert_eq!((ok.path.decoded(), ok.query.as_deref()), ("/grade", Some("x=/public/")));
        assert_eq!(ok.forwarded(), "/grade?x=/public/");
        assert_eq!(target("/grade?a?b").unwrap().query.as_deref(), Some("a?b"));
        assert_eq!(target("/grade?").unwrap().forwarded(), "/grade?");
        assert!(target("/grade#/public/").is_err());
        assert!(target("/grade?x#/public/").is_err());
    }

    #[test]
    fn a9_an_absolute_target_must_name_the_host() {
        assert_eq!(target("https://LMS.example.org:443/a//b").unwrap().forwarded(), "/a/b");
        assert_eq!(target("http://lms.example.org/a?b").unwrap().forwarded(), "/a?b");
        for raw in [
            "http://other/public/",
            "https://lms.example.org:8443/",
            "https://lms.example.org@other/",
            "https://lms.example.org",
            "https://lms.example.org?x",
            "https://lms.example.org\\@other/",
            "ftp://lms.example.org/",
            "//",
            "*",
            "lms.example.org:443",
            "",
        ] {
            assert!(target(raw).is_err() || raw == "//", "{raw}");
        }
        assert_eq!(target("//other/public/").unwrap().path.decoded(), "/other/public/");
    }

    #[test]
    fn a13_bytes_no_query_may_hold_are_refused() {
        for raw in [&b"a b"[..], b"a\0", b"a\r\nb", b"a\xff", b"a\tb", b"a\"", b"<a>", b"a\\b", b"a\x7f"] {
            assert!(canonical_query(raw).is_err(), "{raw:?}");
        }
        assert_eq!(canonical_query(b"a[0]=%zz&b=%&c={|}^`'()*").unwrap(), "a[0]=%zz&b=%&c={|}^`'()*");
    }

    #[test]
    fn a14_a_long_query_is_414() {
        assert_eq!(canonical_query(&vec![b'a'; MAX_QUERY + 1]).unwrap_err().status, 414);
        assert!(canonical_query(&vec![b'a'; MAX_QUERY]).is_ok());
    }
}

//! The Cookie field: tolerant in what it skips, bounded in what it takes, strict about our own names (D4; RFC 6265).
//!
//! Nobody forwards what is read here as it came: the gateway writes the LMS's Cookie field anew.

use super::BadRequest;

/// Moodle with all its plugins sets about ten.
pub const MAX_COOKIES: usize = 64;
/// All Cookie fields together.
pub const MAX_COOKIE_BYTES: usize = 16 * 1024;

/// Name and value, in the order in which they came.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Cookies<'a>(Vec<(&'a str, &'a str)>);

/// Every Cookie field of the request (HTTP/2 splits them: RFC 9113 §8.2.3). Pairs that are no `name=value` of plain
/// ASCII are skipped; too many or too much is 431.
pub fn parse_cookies<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> Result<Cookies<'a>, BadRequest> {
    let too_large = BadRequest::with_status(431, "cookies are too large");
    let mut bytes = 0;
    let mut cookies = Vec::new();
    for field in fields {
        bytes += field.len();
        if bytes > MAX_COOKIE_BYTES {
            return Err(too_large);
        }
        for pair in field.split(|b| *b == b';').filter_map(plain_pair) {
            if cookies.len() == MAX_COOKIES {
                return Err(too_large);
            }
            cookies.push(pair);
        }
    }
    Ok(Cookies(cookies))
}

impl<'a> Cookies<'a> {
    /// One of **our** cookies. A second one of the same name (a sibling domain tossed it, or a path shadows it) makes
    /// both worthless: the visitor signs in again rather than with somebody else's session.
    pub fn ours(&self, name: &str) -> Option<&'a str> {
        let mut found = self.0.iter().filter(|(n, _)| *n == name);
        let first = found.next()?;
        found.next().is_none().then_some(first.1)
    }

    /// The first of a name, which is the one PHP takes.
    pub fn first(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, value)| *value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().copied()
    }
}

fn plain_pair(pair: &[u8]) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(pair).ok()?.trim_matches([' ', '\t']);
    let (name, value) = text.split_once('=')?;
    let plain = |b: u8| b.is_ascii_graphic() || b == b' ';
    let lawful = !name.is_empty() && name.bytes().all(super::head::is_token) && value.bytes().all(plain);
    lawful.then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse<'a>(fields: &[&'a str]) -> Cookies<'a> {
        parse_cookies(fields.iter().map(|f| f.as_bytes())).unwrap()
    }

    #[test]
    fn d4_two_cookies_of_one_of_our_names_are_none() {
        let cookies = parse(&["a=1; __Host-v=x", "__Host-v=y;b=2"]);
        assert_eq!(cookies.ours("__Host-v"), None);
        assert_eq!(cookies.ours("a"), Some("1"));
        assert_eq!(cookies.ours("c"), None);
        assert_eq!(parse(&["MoodleSession=first; MoodleSession=second"]).first("MoodleSession"), Some("first"));
        // The same value twice is still two cookies.
        assert_eq!(parse(&["__Host-v=x; __Host-v=x"]).ours("__Host-v"), None);
    }

    #[test]
    fn d4_odd_pairs_are_skipped() {
        let cookies = parse(&["junk; =x; a b=1; ok=1=2; é=1; q=\"v\"; ; \tt=1 ; bad=\u{1}; empty="]);
        let pairs: Vec<_> = cookies.iter().collect();
        assert_eq!(pairs, [("ok", "1=2"), ("q", "\"v\""), ("t", "1"), ("empty", "")]);
        assert_eq!(parse_cookies([&b"a=\xff; b=2"[..]]).unwrap().iter().collect::<Vec<_>>(), [("b", "2")]);
    }

    #[test]
    fn d4_many_or_large_cookies_are_a_clean_431() {
        let sixty: String = (0..60).map(|n| format!("c{n}=x; ")).collect();
        assert_eq!(parse(&[&sixty]).iter().count(), 60);
        let many: String = (0..65).map(|n| format!("c{n}=x; ")).collect();
        assert_eq!(parse_cookies([many.as_bytes()]).unwrap_err().status, 431);
        let large = format!("a={}", "x".repeat(MAX_COOKIE_BYTES));
        assert_eq!(parse_cookies([large.as_bytes()]).unwrap_err().status, 431);
    }
}

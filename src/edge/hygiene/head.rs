//! The raw head of an HTTP/1 request, before any library has tidied it up (C1, C2, C5; RFC 9112).
//!
//! Smuggling needs two parsers that disagree about where a request ends. Ours (Pingora's) accepts bare line feeds, a
//! missing Host and Content-Length beside Transfer-Encoding; servers behind it may take those otherwise. So the bytes
//! are held against the grammar first, in its strict reading, and the connection is closed on any deviation.

use super::BadRequest;

/// Path (8 kB), query (20 kB), cookies (16 kB) and room for the rest.
pub const MAX_HEAD: usize = 52 * 1024;
/// Browsers send about 25.
pub const MAX_FIELDS: usize = 100;

/// `raw` is everything up to and including the empty line.
pub fn scan_head(raw: &[u8]) -> Result<(), BadRequest> {
    if raw.len() > MAX_HEAD {
        return Err(BadRequest::with_status(431, "head is too large"));
    }
    let mut lines = Lines(raw);
    let version = request_line(lines.next_line()?)?;
    let mut framing = Framing::default();
    let mut fields = 0;
    loop {
        let line = lines.next_line()?;
        if line.is_empty() {
            break;
        }
        fields += 1;
        count_fields(fields)?;
        framing.field(line)?;
    }
    if !lines.0.is_empty() {
        return Err(BadRequest::new("bytes after the head"));
    }
    framing.judge(version)
}

/// A14, for either protocol.
pub fn count_fields(fields: usize) -> Result<(), BadRequest> {
    if fields > MAX_FIELDS { Err(BadRequest::with_status(431, "too many header fields")) } else { Ok(()) }
}

/// Lines that end in CRLF and hold no other CR, LF or NUL.
struct Lines<'a>(&'a [u8]);

impl<'a> Lines<'a> {
    fn next_line(&mut self) -> Result<&'a [u8], BadRequest> {
        let bad = BadRequest::new("line does not end in CRLF");
        let end = self.0.iter().position(|b| matches!(b, b'\n' | b'\r' | 0)).ok_or(bad)?;
        let (line, rest) = self.0.split_at(end);
        self.0 = rest.strip_prefix(b"\r\n").ok_or(bad)?;
        Ok(line)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

struct RequestLine {
    version: Version,
    /// The method promises a body.
    sends: bool,
}

/// `METHOD SP target SP HTTP/1.x`, one space each (RFC 9112 §3).
fn request_line(line: &[u8]) -> Result<RequestLine, BadRequest> {
    let mut parts = line.split(|b| *b == b' ');
    let (Some(method), Some(target), Some(version), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(BadRequest::new("request line"));
    };
    if method.is_empty()
        || !method.iter().all(|b| is_token(*b))
        || !target.iter().all(u8::is_ascii_graphic)
        || target.is_empty()
    {
        return Err(BadRequest::new("request line"));
    }
    let version = match version {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        _ => return Err(BadRequest::new("version")),
    };
    Ok(RequestLine { version, sends: matches!(method, b"POST" | b"PUT" | b"PATCH") })
}

#[derive(Default)]
struct Framing {
    hosts: u32,
    lengths: u32,
    encodings: u32,
}

impl Framing {
    fn field(&mut self, line: &[u8]) -> Result<(), BadRequest> {
        // A line that begins with white space is an obs-fold; white space before the colon is no token either.
        let colon = line.iter().position(|b| *b == b':').ok_or(BadRequest::new("header without a colon"))?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if name.is_empty() || !name.iter().all(|b| is_token(*b)) {
            return Err(BadRequest::new("header name"));
        }
        if value.iter().any(|b| (*b < 0x20 && *b != b'\t') || *b == 0x7f) {
            return Err(BadRequest::new("control character in a header"));
        }
        let value = value.strip_prefix(b" ").unwrap_or(value);
        if name.eq_ignore_ascii_case(b"host") {
            self.hosts += 1;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            self.lengths += 1;
            // 18 digits are 888 PB; more could overflow somebody's integer. `5, 5`, `+5`, `0x5` are no digits.
            if value.is_empty() || value.len() > 18 || !value.iter().all(u8::is_ascii_digit) {
                return Err(BadRequest::new("Content-Length"));
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.encodings += 1;
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err(BadRequest::new("Transfer-Encoding"));
            }
        }
        Ok(())
    }

    fn judge(&self, line: RequestLine) -> Result<(), BadRequest> {
        let reason = match (line.version, self.hosts, self.lengths, self.encodings) {
            (Version::Http11, 0, _, _) => "no Host",
            (_, 2.., _, _) => "several Hosts",
            (_, _, 2.., _) => "several Content-Lengths",
            (_, _, _, 2..) => "several Transfer-Encodings",
            (_, _, 1, 1) => "Content-Length and Transfer-Encoding",
            (Version::Http10, _, _, 1) => "Transfer-Encoding in HTTP/1.0",
            // A body that would end with the connection.
            (Version::Http10, _, 0, 0) if line.sends => "HTTP/1.0 body without a length",
            _ => return Ok(()),
        };
        Err(BadRequest::new(reason))
    }
}

/// RFC 9110 §5.6.2.
pub(super) fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(fields: &str) -> Result<(), BadRequest> {
        scan_head(format!("POST /login/token.php HTTP/1.1\r\nHost: lms\r\n{fields}\r\n").as_bytes())
    }

    #[test]
    fn ordinary_heads_pass() {
        head("").unwrap();
        head("Content-Length: 0\r\n").unwrap();
        head("Transfer-Encoding: chunked\r\n").unwrap();
        head("transfer-encoding:Chunked\r\nX-Empty:\r\nX: a\tb \r\nX-Latin: \u{fc}\r\n").unwrap();
        scan_head(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        scan_head(b"get https://lms/x?y HTTP/1.1\r\nhost: lms:443\r\n\r\n").unwrap();
    }

    #[test]
    fn c1_transfer_encodings_nobody_agrees_on_are_refused() {
        for fields in [
            "Transfer-Encoding : chunked\r\n",
            "Transfer-Encoding: xchunked\r\n",
            "Transfer-Encoding:\tchunked\r\n",
            "Transfer-Encoding:  chunked\r\n",
            "Transfer-Encoding: chunked \r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked, identity\r\n",
            "Transfer-Encoding: identity\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: \"chunked\"\r\n",
            "Transfer-Encoding:\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "Content-Length: 5\r\ntransfer-encoding: chunked\r\n",
            "Transfer-Encoding\r\n : chunked\r\n",
            "X: y\r\n Transfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\nX: y\r\n",
            "X: y\nTransfer-Encoding: chunked\r\n",
            "X: y\rTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chun\0ked\r\n",
            "Transfer-Encoding: \x0bchunked\r\n",
            ": chunked\r\n",
            "Transfer Encoding: chunked\r\n",
            "no colon\r\n",
        ] {
            assert!(head(fields).is_err(), "{fields:?}");
        }
    }

    #[test]
    fn c2_lengths_are_plain_digits_once() {
        for value in ["+5", "0x5", "5,5", "5, 6", "", " ", "-1", "5 5", "5;", "1e3", "٥", "99999999999999999999", "5\t"]
        {
            assert!(head(&format!("Content-Length: {value}\r\n")).is_err(), "{value:?}");
        }
        assert!(head("Content-Length: 5\r\nContent-Length: 5\r\n").is_err());
        assert!(head("Content-Length: 5\r\ncontent-length: 6\r\n").is_err());
    }

    #[test]
    fn c5_http_1_0_has_neither_chunks_nor_endless_bodies() {
        assert!(scan_head(b"POST / HTTP/1.0\r\nHost: lms\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
        assert!(scan_head(b"POST / HTTP/1.0\r\nHost: lms\r\n\r\n").is_err());
        scan_head(b"POST / HTTP/1.0\r\nHost: lms\r\nContent-Length: 1\r\n\r\n").unwrap();
    }

    #[test]
    fn a16_hosts_are_one() {
        assert!(scan_head(b"GET / HTTP/1.1\r\n\r\n").is_err());
        assert!(head("Host: lms\r\n").is_err());
        assert!(head("hOST: other\r\n").is_err());
    }

    #[test]
    fn c1_lines_and_request_lines_are_strict() {
        for raw in [
            &b"GET / HTTP/1.1\nHost: lms\n\n"[..],
            b"GET / HTTP/1.1\r\nHost: lms\r\n\n",
            b"GET / HTTP/1.1\r\nHost: lms\r\n",
            b"GET / HTTP/1.1\r\nHost: lms\r\n\r\nX",
            b"GET  / HTTP/1.1\r\nHost: lms\r\n\r\n",
            b"GET / x HTTP/1.1\r\nHost: lms\r\n\r\n",
            b"GET\t/ HTTP/1.1\r\nHost: lms\r\n\r\n",
            b" GET / HTTP/1.1\r\nHost: lms\r\n\r\n",
            b"\r\nGET / HTTP/1.1\r\nHost: lms\r\n\r\n",
            b"GET /\xff HTTP/1.1\r\nHost: lms\r\n\r\n",
            b"GET / HTTP/1.2\r\nHost: lms\r\n\r\n",
            b"GET / HTTP/2.0\r\nHost: lms\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\n",
            b"GET /\r\n\r\n",
            b"GE(T / HTTP/1.1\r\nHost: lms\r\n\r\n",
            b"",
        ] {
            assert!(scan_head(raw).is_err(), "{:?}", String::from_utf8_lossy(raw));
        }
    }

    #[test]
    fn a14_large_heads_are_431() {
        let many = "X: y\r\n".repeat(200);
        assert_eq!(head(&many).unwrap_err().status, 431);
        assert_eq!(head(&format!("X: {}\r\n", "y".repeat(64 * 1024))).unwrap_err().status, 431);
    }

    proptest! {
        #[test]
        fn c1_any_bytes_are_judged_without_panic(raw in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = scan_head(&raw);
        }

        #[test]
        fn c1_what_passes_has_one_framing(fields in proptest::collection::vec(
            prop_oneof![
                Just("Content-Length: 5"), Just("Content-Length: 6"), Just("Transfer-Encoding: chunked"),
                Just("Transfer-Encoding: identity"), Just(" folded"), Just("X: y"), Just("Host: b"), Just("A : b"),
            ], 0..5)) {
            let text: String = fields.iter().map(|f| format!("{f}\r\n")).collect();
            if head(&text).is_ok() {
                let framings = fields.iter().filter(|f| !f.starts_with('X')).count();
                prop_assert!(framings <= 1);
            }
        }
    }
}

//! The path of a request in the one form in which it is judged *and* forwarded (R8; attacks A1–A8, A13, A14).
//!
//! RFC 3986 §6.2 leaves room for many spellings of one path, and every layer of an LMS's web server (nginx, Apache,
//! FastCGI, PHP's PATH_INFO) undoes a different set of them. Here the percent-encoding is undone **once**, `//` and
//! `/./` are collapsed, and whatever two layers could still read differently is refused: `..` in any spelling, an
//! encoded slash, backslash, NUL, control characters, bytes that are not UTF-8, a raw `;`, and an encoding that would
//! become one of these if somebody decoded a second time. What remains is written out again in one way.
//!
//! It lives among the words because both the LMS's routes and the edge speak of it, and neither may lean on the other.

use super::BadRequest;

/// RFC 9110 §4.1 asks for at least 8,000 octets; Moodle's longest (theme/yui_combo.php) stay below 4 kB.
pub const MAX_PATH: usize = 8 * 1024;

/// A canonical absolute path. Both forms start with `/`; neither holds `//`, `/./`, `/../`, `;`-parameters or NUL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CanonicalPath {
    encoded: String,
    /// `None` where it equals `encoded`, which is nearly always.
    decoded: Option<String>,
}

impl CanonicalPath {
    /// `raw` is the target up to (not including) the first `?`.
    pub fn parse(raw: &[u8]) -> Result<CanonicalPath, BadRequest> {
        if raw.len() > MAX_PATH {
            return Err(BadRequest::with_status(414, "path is too long"));
        }
        if raw.first() != Some(&b'/') {
            return Err(BadRequest::new("path does not start with a slash"));
        }
        let mut out = Writer::with_capacity(raw.len());
        let mut directory = false;
        for segment in raw[1..].split(|b| *b == b'/') {
            directory = out.segment(segment)? == Segment::Vanished;
        }
        if directory {
            out.slash();
        }
        out.finish()
    }

    /// For policy: percent-encoding undone. No `/` in it came from an encoded one.
    pub fn decoded(&self) -> &str {
        self.decoded.as_deref().unwrap_or(&self.encoded)
    }

    /// For forwarding: what PHP's rawurlencode would write, except that RFC 3986 sub-delimiters, `:` and `@` stay as
    /// they came (raw or encoded): the web server reads both alike and Moodle compares REQUEST_URI with its own links.
    pub fn encoded(&self) -> &str {
        &self.encoded
    }

    /// The script a PHP web server would run, without the leading slash: everything up to and including the first
    /// segment with `.php` in it, in any case. It may end in something else (`token.php.`): its owner must judge that.
    pub fn script(&self) -> Option<&str> {
        self.script_end().map(|end| &self.decoded()[1..end])
    }

    /// What follows the script, from its slash on (CGI's PATH_INFO, RFC 3875 §4.1.5); empty if nothing does.
    pub fn path_info(&self) -> &str {
        self.script_end().map_or("", |end| &self.decoded()[end..])
    }

    fn script_end(&self) -> Option<usize> {
        let path = self.decoded();
        let at = find_ignoring_case(path.as_bytes(), b".php")?;
        Some(path[at..].find('/').map_or(path.len(), |slash| at + slash))
    }
}

/// `//` and `/./` vanish; at the end of a path they leave the slash that says "directory".
#[derive(PartialEq, Eq)]
enum Segment {
    Written,
    Vanished,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Spelling {
    Raw,
    Encoded,
}

struct Writer {
    encoded: String,
    decoded: Vec<u8>,
}

impl Writer {
    fn with_capacity(n: usize) -> Self {
        Writer { encoded: String::with_capacity(n + 8), decoded: Vec::with_capacity(n) }
    }

    fn segment(&mut self, raw: &[u8]) -> Result<Segment, BadRequest> {
        let (encoded_from, decoded_from) = (self.encoded.len(), self.decoded.len());
        self.slash();
        let mut rest = raw;
        while !rest.is_empty() {
            let (byte, spelling, after) = next_byte(rest)?;
            self.byte(byte, spelling);
            rest = after;
        }
        let segment = &self.decoded[decoded_from + 1..];
        if is_dotted(segment) {
            return Err(BadRequest::new("path climbs, or hides dots and spaces in a segment"));
        }
        if segment.is_empty() || segment == b"." {
            self.encoded.truncate(encoded_from);
            self.decoded.truncate(decoded_from);
            return Ok(Segment::Vanished);
        }
        Ok(Segment::Written)
    }

    fn slash(&mut self) {
        self.encoded.push('/');
        self.decoded.push(b'/');
    }

    fn byte(&mut self, byte: u8, spelling: Spelling) {
        self.decoded.push(byte);
        let stays_raw = byte.is_ascii_alphanumeric()
            || b"-._~".contains(&byte)
            || (spelling == Spelling::Raw && b"!$&'()*+,=:@".contains(&byte));
        if stays_raw {
            self.encoded.push(char::from(byte));
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            self.encoded.push('%');
            self.encoded.push(char::from(HEX[usize::from(byte >> 4)]));
            self.encoded.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }

    fn finish(self) -> Result<CanonicalPath, BadRequest> {
        if hides_a_second_decoding(&self.decoded) {
            return Err(BadRequest::new("path is encoded twice"));
        }
        if self.decoded == self.encoded.as_bytes() {
            return Ok(CanonicalPath { encoded: self.encoded, decoded: None });
        }
        let decoded = String::from_utf8(self.decoded).map_err(|_| BadRequest::new("path is not UTF-8"))?;
        Ok(CanonicalPath { encoded: self.encoded, decoded: Some(decoded) })
    }
}

/// The next byte, how it was spelled, and the rest.
fn next_byte(raw: &[u8]) -> Result<(u8, Spelling, &[u8]), BadRequest> {
    match raw {
        [b'%', high, low, rest @ ..] => {
            let digit = |b: &u8| char::from(*b).to_digit(16);
            let (Some(high), Some(low)) = (digit(high), digit(low)) else {
                return Err(BadRequest::new("path has a broken percent-encoding"));
            };
            match (high * 16 + low) as u8 {
                0..=0x1f | 0x7f => Err(BadRequest::new("path has an encoded control character")),
                b'/' | b'\\' => Err(BadRequest::new("path has an encoded slash or backslash")),
                byte => Ok((byte, Spelling::Encoded, rest)),
            }
        }
        [b'%', ..] => Err(BadRequest::new("path has a broken percent-encoding")),
        [b';', ..] => Err(BadRequest::new("path has a parameter")),
        [b'\\', ..] => Err(BadRequest::new("path has a backslash")),
        [0..=0x20 | 0x7f.. | b'#' | b'?' | b'"' | b'<' | b'>', ..] => {
            Err(BadRequest::new("path has a byte that must be encoded"))
        }
        [byte, rest @ ..] => Ok((*byte, Spelling::Raw, rest)),
        [] => Err(BadRequest::new("path ends in the middle")),
    }
}

/// `..`, and what some servers fold to it or to nothing: `..;x` (Tomcat), `.. ` and `...` (Windows). A lone `.` is not.
fn is_dotted(segment: &[u8]) -> bool {
    let name = segment.split(|b| *b == b';').next().unwrap_or(segment);
    let only_dots = !name.is_empty() && name.iter().all(|b| matches!(b, b'.' | b' '));
    only_dots && segment != b"."
}

/// `%2e`, `%2f`, `%5c`, `%00`, also behind further `%25`: harmless now, a bypass for whoever decodes again (A2).
/// A lone `%` (`100%.pdf`) passes.
fn hides_a_second_decoding(decoded: &[u8]) -> bool {
    decoded.iter().enumerate().filter(|(_, b)| **b == b'%').any(|(at, _)| {
        let mut rest = &decoded[at + 1..];
        while let Some(deeper) = rest.strip_prefix(b"25") {
            rest = deeper;
        }
        matches!(rest, [b'2', b'e' | b'E' | b'f' | b'F', ..] | [b'5', b'c' | b'C', ..] | [b'0', b'0', ..])
    })
}

fn find_ignoring_case(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window.eq_ignore_ascii_case(needle))
}

#[cfg(test)]
#[path = "path_tests.rs"]
mod tests;

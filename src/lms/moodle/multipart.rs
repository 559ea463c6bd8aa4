//! multipart/form-data as PHP 8.2 reads it (main/rfc1867.c), or a refusal; whole, or as a stream for uploads (H1).
//!
//! PHP's reader is lenient where it matters: it takes the last `name=` of a header, unquotes `'`, folds continuation
//! lines, ends a value at any `\n--BOUNDARY…`, resumes at later boundaries after the final one, and reads headers in
//! 5 kB lines. RFC 7578 senders need none of this, so everything but the plain form is refused: CRLF line ends, exactly
//! one Content-Disposition with one name, no backslash, no preamble or epilogue, a final delimiter.

use super::params::{Ambiguous, MAX_VARS, fold_name};
use std::ops::Range;

/// RFC 2046 §5.1.1.
const MAX_BOUNDARY: usize = 70;
/// Headers of one part; browsers send below 1 kB.
const MAX_HEADER: usize = 8 * 1024;
/// PHP reads header lines through a buffer of 5120 bytes and cuts longer ones.
const MAX_LINE: usize = 4 * 1024;
/// What the [`Scanner`] keeps of a field's value.
pub const MAX_VALUE: usize = 4 * 1024;

/// The boundary from a Content-Type's parameter: token or quoted, 1–70 characters that need no further thought.
/// PHP ends an unquoted one at `,` or `;` and knows no escapes.
pub fn boundary(value: &str) -> Result<String, Ambiguous> {
    let quoted = value.strip_prefix('"').map(|rest| rest.strip_suffix('"'));
    let text = match quoted {
        Some(inner) => inner.ok_or(Ambiguous("boundary"))?,
        None => value,
    };
    let sane = |b: u8| b.is_ascii_alphanumeric() || b"'()+_-./:=?".contains(&b);
    if text.is_empty() || text.len() > MAX_BOUNDARY || !text.bytes().all(sane) {
        return Err(Ambiguous("boundary"));
    }
    Ok(text.to_owned())
}

/// One part of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The name as sent; PHP's folding is not undone yet.
    pub name: Vec<u8>,
    /// It has a `filename`: PHP puts it under `$_FILES`.
    pub is_file: bool,
    /// The value of a field, as long as it is within the scanner's limit.
    pub value: Option<Vec<u8>>,
    /// Where its content lies in the stream. The end is known when the part is over.
    pub content: Range<u64>,
    pub complete: bool,
}

/// A whole body. Values of any size are kept; the caller has bounded the body.
pub fn parse(boundary: &str, body: &[u8]) -> Result<Vec<Part>, Ambiguous> {
    let mut scanner = Scanner { max_value: usize::MAX, ..Scanner::new(boundary)? };
    scanner.feed(body)?;
    scanner.finish()
}

/// What the stream has said about a name so far.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen<'a> {
    /// Not yet, and it may still come: feed more.
    NotYet,
    /// A field, and it is complete.
    Field(&'a Part),
    /// A file has begun (or the form has ended) without it, so it will not come any more.
    Absent,
}

/// Reads a form as it passes. Memory: one part's headers, [`MAX_VALUE`] per field, and the parts' names.
pub struct Scanner {
    /// `\n--BOUNDARY`
    delimiter: Vec<u8>,
    /// Names (as PHP registers them) that must be plain fields, once, before any file.
    guarded: Vec<Vec<u8>>,
    max_value: usize,
    state: State,
    /// Bytes not yet judged begin at `start`, which is `offset` in the stream.
    pending: Vec<u8>,
    start: usize,
    offset: u64,
    parts: Vec<Part>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing but `--BOUNDARY` may stand here.
    Start,
    /// After a delimiter: CRLF, or `--` for the end.
    AfterDelimiter,
    Headers,
    Body,
    /// After the final delimiter: CRLF at most.
    End,
}

impl Scanner {
    pub fn new(boundary: &str) -> Result<Scanner, Ambiguous> {
        let boundary = self::boundary(boundary)?;
        Ok(Scanner {
            delimiter: [b"\n--", boundary.as_bytes()].concat(),
            guarded: Vec::new(),
            max_value: MAX_VALUE,
            state: State::Start,
            pending: Vec::new(),
            start: 0,
            offset: 0,
            parts: Vec::new(),
        })
    }

    /// A field of this name (as PHP registers it) after a file part, twice, as an array, as a file or longer than
    /// [`MAX_VALUE`] is refused: by then the caller has decided on the first one.
    #[must_use]
    pub fn guard(mut self, name: &str) -> Scanner {
        self.guarded.push(name.as_bytes().to_vec());
        self
    }

    /// The next bytes of the stream. After an error the stream must not be forwarded any further.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<(), Ambiguous> {
        self.pending.extend_from_slice(chunk);
        while self.step()? {}
        // Once per chunk, not per part: a thousand small parts would move a large chunk a thousand times.
        self.pending.drain(..self.start);
        self.start = 0;
        Ok(())
    }

    /// The stream has ended: it must have ended as a form ends.
    pub fn finish(self) -> Result<Vec<Part>, Ambiguous> {
        match (self.state, self.rest()) {
            (State::End, b"" | b"\r\n") => Ok(self.parts),
            _ => Err(Ambiguous("multipart body is not closed")),
        }
    }

    /// Every part whose headers were read, in order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Asks for a guarded name. Its value's place in the stream is [`Part::content`].
    pub fn seen(&self, name: &str) -> Seen<'_> {
        let is_it = |part: &&Part| fold_name(&part.name).is_ok_and(|(folded, _)| folded == name.as_bytes());
        match self.parts.iter().find(is_it) {
            Some(part) if part.complete => Seen::Field(part),
            Some(_) => Seen::NotYet,
            None if self.state == State::End || self.parts.iter().any(|p| p.is_file) => Seen::Absent,
            None => Seen::NotYet,
        }
    }

    /// One transition; false when more bytes are needed.
    fn step(&mut self) -> Result<bool, Ambiguous> {
        match self.state {
            State::Start => self.start(),
            State::AfterDelimiter => self.after_delimiter(),
            State::Headers => self.headers(),
            State::Body => self.body(),
            State::End => match b"\r\n".starts_with(self.rest()) {
                true => Ok(false),
                false => Err(Ambiguous("multipart epilogue")),
            },
        }
    }

    fn start(&mut self) -> Result<bool, Ambiguous> {
        let opening = &self.delimiter[1..];
        let n = opening.len().min(self.rest().len());
        if self.rest()[..n] != opening[..n] {
            return Err(Ambiguous("multipart preamble"));
        }
        if n < opening.len() {
            return Ok(false);
        }
        self.consume(n);
        self.state = State::AfterDelimiter;
        Ok(true)
    }

    fn after_delimiter(&mut self) -> Result<bool, Ambiguous> {
        match self.rest() {
            [b'\r', b'\n', ..] => self.state = State::Headers,
            [b'-', b'-', ..] => self.state = State::End,
            [] | [b'\r' | b'-'] => return Ok(false),
            // PHP would end the value here and look for the next whole line `--BOUNDARY`.
            _ => return Err(Ambiguous("text after a boundary")),
        }
        self.consume(2);
        Ok(true)
    }

    fn headers(&mut self) -> Result<bool, Ambiguous> {
        let rest = self.rest();
        let Some(end) = rest.windows(4).take(MAX_HEADER).position(|w| w == b"\r\n\r\n") else {
            return if rest.len() > MAX_HEADER { Err(Ambiguous("part headers are too long")) } else { Ok(false) };
        };
        let head = std::str::from_utf8(&rest[..end]).map_err(|_| Ambiguous("part header is not UTF-8"))?;
        let (name, is_file) = parse_head(head)?;
        self.check(&name, is_file)?;
        self.consume(end + 4);
        let content = self.offset..self.offset;
        self.parts.push(Part { name, is_file, value: (!is_file).then(Vec::new), content, complete: false });
        self.state = State::Body;
        Ok(true)
    }

    fn body(&mut self) -> Result<bool, Ambiguous> {
        let begins = self.parts.last().map_or(self.offset, |part| part.content.start);
        match find(self.rest(), &self.delimiter) {
            Some(at) => {
                let value_end = match self.rest()[..at].last() {
                    Some(b'\r') => at - 1,
                    _ => return Err(Ambiguous("bare line feed before a boundary")),
                };
                self.keep(value_end)?;
                let end = self.offset + value_end as u64;
                if let Some(part) = self.parts.last_mut() {
                    part.content = begins..end;
                    part.complete = true;
                }
                self.consume(at + self.delimiter.len());
                self.state = State::AfterDelimiter;
                Ok(true)
            }
            None => {
                // Hold back what may be the beginning of CRLF + delimiter.
                let ready = self.rest().len().saturating_sub(self.delimiter.len() + 1);
                self.keep(ready)?;
                self.consume(ready);
                Ok(false)
            }
        }
    }

    /// The first `n` pending bytes belong to the current part.
    fn keep(&mut self, n: usize) -> Result<(), Ambiguous> {
        let Some(part) = self.parts.last_mut() else { return Ok(()) };
        let Some(value) = &mut part.value else { return Ok(()) };
        if value.len() + n <= self.max_value {
            value.extend_from_slice(&self.pending[self.start..self.start + n]);
        } else {
            part.value = None;
            let (folded, _) = fold_name(&part.name)?;
            if self.guarded.contains(&folded) {
                return Err(Ambiguous("guarded field is too long"));
            }
        }
        Ok(())
    }

    fn check(&self, name: &[u8], is_file: bool) -> Result<(), Ambiguous> {
        if self.parts.len() >= MAX_VARS {
            return Err(Ambiguous("more parts than PHP reads"));
        }
        let (folded, path) = fold_name(name)?;
        // rfc1867.c skips a file whose name has unbalanced brackets.
        if folded.is_empty() || folded.contains(&b']') {
            return Err(Ambiguous("part whose name PHP drops"));
        }
        if !self.guarded.contains(&folded) {
            return Ok(());
        }
        let again = self.parts.iter().any(|p| p.is_file || fold_name(&p.name).is_ok_and(|(n, _)| n == folded));
        if is_file || again || !path.is_empty() {
            return Err(Ambiguous("guarded field twice, late, or not plain"));
        }
        Ok(())
    }

    fn consume(&mut self, n: usize) {
        self.start += n;
        self.offset += n as u64;
    }

    fn rest(&self) -> &[u8] {
        &self.pending[self.start..]
    }
}

/// A part's header block: its name, and whether it is a file.
fn parse_head(head: &str) -> Result<(Vec<u8>, bool), Ambiguous> {
    let mut disposition = None;
    for line in head.split("\r\n") {
        if line.len() > MAX_LINE || line.bytes().any(|b| b < 0x20 || b == 0x7f) {
            return Err(Ambiguous("part header line"));
        }
        let (name, value) = line.split_once(':').ok_or(Ambiguous("part header without a colon"))?;
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(Ambiguous("part header name"));
        }
        match name.to_ascii_lowercase().as_str() {
            "content-disposition" if disposition.is_none() => disposition = Some(parse_disposition(value)?),
            "content-disposition" => return Err(Ambiguous("two Content-Dispositions")),
            "content-transfer-encoding" if !is_plain_encoding(value) => return Err(Ambiguous("part is encoded")),
            _ => {}
        }
    }
    disposition.ok_or(Ambiguous("part without a Content-Disposition"))
}

/// PHP decodes no transfer encoding, others do.
fn is_plain_encoding(value: &str) -> bool {
    ["7bit", "8bit", "binary"].iter().any(|plain| value.trim_matches(' ').eq_ignore_ascii_case(plain))
}

/// `form-data; name="x"[; filename="y"]`, each parameter once, quoted or a token, no escapes.
fn parse_disposition(value: &str) -> Result<(Vec<u8>, bool), Ambiguous> {
    let rest = value.trim_start_matches(' ').strip_prefix("form-data").ok_or(Ambiguous("disposition"))?;
    let (mut name, mut filename) = (None, None);
    let mut rest = rest.trim_end_matches(' ');
    while !rest.is_empty() {
        rest = rest.trim_start_matches(' ').strip_prefix(';').ok_or(Ambiguous("disposition"))?.trim_start_matches(' ');
        let (key, after) = rest.split_once('=').ok_or(Ambiguous("disposition"))?;
        let (text, after) = parameter_value(after)?;
        rest = after;
        let slot = match key {
            "name" => &mut name,
            "filename" => &mut filename,
            // `filename*`, `NAME` (PHP ignores case), anything else.
            _ => return Err(Ambiguous("disposition parameter")),
        };
        if slot.replace(text).is_some() {
            return Err(Ambiguous("disposition parameter twice"));
        }
    }
    let name = name.filter(|n| !n.is_empty()).ok_or(Ambiguous("part without a name"))?;
    Ok((name.as_bytes().to_vec(), filename.is_some()))
}

fn parameter_value(text: &str) -> Result<(&str, &str), Ambiguous> {
    let (value, rest) = match text.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').ok_or(Ambiguous("unclosed quote"))?,
        None => {
            let token = |c: char| c.is_ascii_alphanumeric() || "_-.[]".contains(c);
            text.split_at(text.find(|c| !token(c)).unwrap_or(text.len()))
        }
    };
    if value.contains('\\') {
        return Err(Ambiguous("backslash in a name"));
    }
    Ok((value, rest))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = haystack[from..].iter().position(|b| *b == needle[0]) {
        if haystack[from + at..].starts_with(needle) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
#[path = "multipart_tests.rs"]
mod tests;

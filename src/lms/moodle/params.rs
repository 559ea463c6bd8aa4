//! Query and body parameters exactly as PHP 8.2 reads them, or a refusal (R8, H1).
//!
//! The rules are those of `php_register_variable_ex` and `php_default_treat_data` (main/php_variables.c) and of
//! `sapi_read_post_data` (main/SAPI.c), with PHP's default ini. They are held against a real php-cgi 8.2 by the corpus
//! in `tests/fixtures/php-params.json`: for each of its inputs this module reads what PHP read, or refuses.
//!
//! - Pairs are separated by `&` (never `;`), decoded once (`+` is a space; a broken `%` stays as it is).
//! - A name loses leading spaces, ends at NUL; ` ` and `.` before the first `[` become `_`; an empty one is dropped.
//! - The last duplicate wins; `a[x][]=` builds arrays. What PHP does with unbalanced brackets is refused, not imitated.
//! - Over `max_input_vars` (1000) PHP silently stops reading: refused.

use super::{content_type::BodyType, multipart};
use std::fmt;

/// PHP's default `max_input_vars`. Later variables are dropped by PHP with a warning nobody sees.
pub const MAX_VARS: usize = 1000;
/// PHP's `max_input_nesting_level` is 64; Moodle's deepest argument is far below this.
const MAX_DEPTH: usize = 16;

/// The request could be read in two ways. The caller answers 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous(pub &'static str);

impl fmt::Display for Ambiguous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ambiguous parameters: {}", self.0)
    }
}

impl std::error::Error for Ambiguous {}

/// `$_GET` or `$_POST`: top-level names in the order in which PHP holds them, each once.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Params {
    entries: Vec<(Vec<u8>, Value)>,
    read: usize,
}

/// What stands under a top-level name.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    Scalar(Vec<u8>),
    /// Bracketed keys and their values in the order in which they came: `requests[0][function]=x` is
    /// `([Key("0"), Key("function")], "x")`. A key may occur twice; PHP's later one wins.
    Array(Vec<(Vec<Index>, Vec<u8>)>),
}

/// One pair of brackets.
#[derive(Clone, PartialEq, Eq)]
pub enum Index {
    /// `[]`
    Next,
    Key(Vec<u8>),
}

/// What `$_POST` holds for a POST. For any other method PHP reads no body: don't ask then.
pub enum BodyParams {
    /// PHP reads nothing: JSON, no type, any other type.
    NotForm,
    Form {
        params: Params,
        /// Top-level names that arrived as files (`$_FILES`).
        files: Vec<Vec<u8>>,
    },
}

impl BodyParams {
    pub fn params(&self) -> Option<&Params> {
        match self {
            BodyParams::NotForm => None,
            BodyParams::Form { params, .. } => Some(params),
        }
    }
}

impl Params {
    /// An urlencoded query, without its `?`.
    pub fn parse_query(query: &[u8]) -> Result<Params, Ambiguous> {
        // PHP cuts $_GET at NUL but not $_POST; no query with one gets this far.
        if query.contains(&0) {
            return Err(Ambiguous("NUL in the query"));
        }
        Params::parse_urlencoded(query)
    }

    /// The body of a POST under its Content-Type.
    pub fn parse_body(content_type: Option<&str>, body: &[u8]) -> Result<BodyParams, Ambiguous> {
        match BodyType::parse(content_type)? {
            BodyType::NotForm => Ok(BodyParams::NotForm),
            BodyType::UrlEncoded => Ok(BodyParams::Form { params: Params::parse_urlencoded(body)?, files: Vec::new() }),
            BodyType::Multipart { boundary } => {
                let mut params = Params::default();
                let mut files = Vec::new();
                for part in multipart::parse(&boundary, body)? {
                    match part.value {
                        Some(value) if !part.is_file => params.register(&part.name, value)?,
                        _ => files.push(fold_name(&part.name)?.0),
                    }
                }
                Ok(BodyParams::Form { params, files })
            }
        }
    }

    fn parse_urlencoded(text: &[u8]) -> Result<Params, Ambiguous> {
        let mut params = Params::default();
        if text.is_empty() {
            return Ok(params);
        }
        for pair in text.split(|b| *b == b'&') {
            let (name, value) = match pair.iter().position(|b| *b == b'=') {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &b""[..]),
            };
            params.register(&decode(name), decode(value))?;
        }
        Ok(params)
    }

    /// One variable, as PHP would register it. `name` is decoded.
    fn register(&mut self, name: &[u8], value: Vec<u8>) -> Result<(), Ambiguous> {
        self.read += 1;
        if self.read > MAX_VARS {
            return Err(Ambiguous("more parameters than PHP reads"));
        }
        let (name, path) = fold_name(name)?;
        if name.is_empty() {
            return Ok(());
        }
        let slot = match self.entries.iter().position(|(n, _)| *n == name) {
            Some(at) => &mut self.entries[at].1,
            None => {
                self.entries.push((name, Value::Array(Vec::new())));
                let last = self.entries.len() - 1;
                &mut self.entries[last].1
            }
        };
        match (path.is_empty(), slot) {
            (true, slot) => *slot = Value::Scalar(value),
            (false, Value::Array(items)) => items.push((path, value)),
            (false, slot) => *slot = Value::Array(vec![(path, value)]),
        }
        Ok(())
    }

    /// The value PHP has under this name. An array there is refused: Moodle's required_param and a plain `isset` would
    /// go different ways. `name` is a name as PHP registers it.
    pub fn get(&self, name: &str) -> Result<Option<&[u8]>, Ambiguous> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Scalar(value)) => Ok(Some(value)),
            Some(Value::Array(_)) => Err(Ambiguous("array where a plain value belongs")),
        }
    }

    /// [`get`](Self::get), as text: UTF-8 without NUL. For credentials; PHP's fix_utf8 would silently change others.
    pub fn text(&self, name: &str) -> Result<Option<&str>, Ambiguous> {
        match self.get(name)? {
            None => Ok(None),
            Some(bytes) if bytes.contains(&0) => Err(Ambiguous("NUL in a value")),
            Some(bytes) => std::str::from_utf8(bytes).map(Some).map_err(|_| Ambiguous("value is not UTF-8")),
        }
    }

    /// Scalar or array.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.entries.iter().find(|(n, _)| n == name.as_bytes()).map(|(_, v)| v)
    }

    pub fn contains(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Top-level names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Value)> {
        self.entries.iter().map(|(name, value)| (name.as_slice(), value))
    }

    /// Takes the name out, arrays too.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let at = self.entries.iter().position(|(n, _)| n == name.as_bytes())?;
        Some(self.entries.remove(at).1)
    }

    /// Puts a plain value under the name, in its old place or at the end.
    pub fn replace(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        let value = Value::Scalar(value.into());
        match self.entries.iter_mut().find(|(n, _)| n == name.as_bytes()) {
            Some(entry) => entry.1 = value,
            None => self.entries.push((name.as_bytes().to_vec(), value)),
        }
    }

    /// PHP's `array_merge($_GET, $_POST)`, which is how Moodle's REST server reads: a name of the body takes the place
    /// of the query's. Names that PHP holds as integers are renumbered, not replaced; nobody reads those by name.
    pub fn merged(query: &Params, body: Option<&Params>) -> Params {
        let mut merged = Params::default();
        let mut next = 0usize;
        for (name, value) in query.entries.iter().chain(body.iter().flat_map(|b| &b.entries)) {
            if is_integer(name) {
                merged.entries.push((next.to_string().into_bytes(), value.clone()));
                next += 1;
            } else if let Some(entry) = merged.entries.iter_mut().find(|(n, _)| n == name) {
                entry.1 = value.clone();
            } else {
                merged.entries.push((name.clone(), value.clone()));
            }
        }
        merged
    }

    /// The canonical spelling: what is sent on instead of what came. PHP reads it back as these same parameters.
    pub fn to_urlencoded(&self) -> String {
        let mut out = String::new();
        for (name, value) in &self.entries {
            match value {
                Value::Scalar(value) => encode_pair(&mut out, name, &[], value),
                Value::Array(items) => items.iter().for_each(|(path, value)| encode_pair(&mut out, name, path, value)),
            }
        }
        out
    }
}

/// Names only: values may be passwords.
impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries.iter().map(|(name, _)| String::from_utf8_lossy(name))).finish()
    }
}

/// PHP's variable name for a decoded name, and its brackets. An empty name is one that PHP drops.
pub(super) fn fold_name(name: &[u8]) -> Result<(Vec<u8>, Vec<Index>), Ambiguous> {
    let name = &name[..name.iter().position(|b| *b == 0).unwrap_or(name.len())];
    let name = &name[name.iter().position(|b| *b != b' ').unwrap_or(name.len())..];
    let open = name.iter().position(|b| *b == b'[').unwrap_or(name.len());
    let folded: Vec<u8> = name[..open].iter().map(|b| if matches!(b, b' ' | b'.') { b'_' } else { *b }).collect();
    // Since 8.1.11 PHP drops names that only become `__Host-…` by folding; older ones keep them.
    if folded.starts_with(b"__Host-") || folded.starts_with(b"__Secure-") {
        return Err(Ambiguous("name with a cookie prefix"));
    }
    if folded.is_empty() && open < name.len() {
        return Err(Ambiguous("brackets without a name"));
    }
    Ok((folded, brackets(&name[open..])?))
}

/// `[a][][0]`, well-formed to the end.
fn brackets(mut rest: &[u8]) -> Result<Vec<Index>, Ambiguous> {
    let mut path = Vec::new();
    while let Some(inner) = rest.strip_prefix(b"[") {
        let close = inner.iter().position(|b| *b == b']').ok_or(Ambiguous("unbalanced brackets"))?;
        let key = &inner[..close];
        if key.contains(&b'[') || key.first().is_some_and(|b| matches!(b, b' ' | b'\t'..=b'\r')) {
            return Err(Ambiguous("odd key in brackets"));
        }
        path.push(if key.is_empty() { Index::Next } else { Index::Key(key.to_vec()) });
        if path.len() > MAX_DEPTH {
            return Err(Ambiguous("brackets nested too deep"));
        }
        rest = &inner[close + 1..];
    }
    if !rest.is_empty() {
        return Err(Ambiguous("text after brackets"));
    }
    Ok(path)
}

/// A cookie's name as the most lenient PHP would register it.
pub(super) fn fold_cookie_name(name: &str) -> Vec<u8> {
    let decoded = decode(name.as_bytes());
    let start = decoded.iter().position(|b| !b.is_ascii_whitespace()).unwrap_or(decoded.len());
    decoded[start..].iter().map(|b| if matches!(b, b' ' | b'.') { b'_' } else { *b }).collect()
}

/// php_url_decode: `+` is a space, `%XX` a byte, any other `%` itself.
fn decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        match rest {
            [] => return out,
            [b'%', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digit = |b: u8| char::from(b).to_digit(16).unwrap_or(0) as u8;
                out.push(digit(*high) << 4 | digit(*low));
                rest = after;
            }
            [byte, after @ ..] => {
                out.push(if *byte == b'+' { b' ' } else { *byte });
                rest = after;
            }
        }
    }
}

fn encode_pair(out: &mut String, name: &[u8], path: &[Index], value: &[u8]) {
    if !out.is_empty() {
        out.push('&');
    }
    encode(out, name);
    for index in path {
        out.push_str("%5B");
        if let Index::Key(key) = index {
            encode(out, key);
        }
        out.push_str("%5D");
    }
    out.push('=');
    encode(out, value);
}

/// RFC 3986 unreserved characters stay; everything else is `%XX`, the space too.
fn encode(out: &mut String, bytes: &[u8]) {
    const RESERVED: percent_encoding::AsciiSet =
        percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    out.extend(percent_encoding::percent_encode(bytes, &RESERVED));
}

/// Does PHP hold this array key as an integer? (`ZEND_HANDLE_NUMERIC_STR`: canonical decimal that fits.)
fn is_integer(name: &[u8]) -> bool {
    let text = std::str::from_utf8(name).unwrap_or("");
    text.parse::<i64>().is_ok_and(|n| n != i64::MIN && n.to_string() == text)
}

#[cfg(test)]
#[path = "params_tests.rs"]
mod tests;

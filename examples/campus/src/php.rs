//! What PHP makes of parameters and cookies, and how it writes JSON and HTML.
//!
//! The gateway in front must read a request exactly as this file does, so the rules are kept
//! close to `main/php_variables.c`: the last duplicate wins, leading spaces of a name go away, a
//! name ends at NUL, `.` and space become `_`, brackets make arrays. Nothing here judges.

use std::borrow::Cow;

/// PHP stops reading variables here (`max_input_vars`).
const MAX_INPUT_VARS: usize = 1000;

/// One of `$_GET` and `$_POST`.
#[derive(Debug, Default, Clone)]
pub(crate) struct Params {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    name: String,
    path: Vec<String>,
    value: String,
}

/// What a name holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Text(&'a str),
    Array,
}

impl Params {
    pub(crate) fn urlencoded(text: &[u8]) -> Params {
        let mut params = Params::default();
        for pair in text.split(|&b| b == b'&').filter(|pair| !pair.is_empty()) {
            let (name, value) = match pair.iter().position(|&b| b == b'=') {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &pair[..0]),
            };
            params.register(&percent_decode(name, Plus::Space), &percent_decode(value, Plus::Space));
        }
        params
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn get(&self, name: &str) -> Option<Value<'_>> {
        let entry = self.entries.iter().rev().find(|e| e.name == name)?;
        Some(if entry.path.is_empty() { Value::Text(&entry.value) } else { Value::Array })
    }

    /// `$params[name][path…]`, for the arguments of web-service functions.
    pub(crate) fn at(&self, name: &str, path: &[&str]) -> Option<&str> {
        self.entries.iter().rev().find(|e| e.name == name && e.path == path).map(|e| e.value.as_str())
    }

    pub(crate) fn register(&mut self, name: &[u8], value: &[u8]) {
        if self.entries.len() >= MAX_INPUT_VARS {
            return;
        }
        let Some((name, mut path)) = variable(name) else {
            return;
        };
        for depth in 0..path.len() {
            if path[depth].is_empty() {
                path[depth] = self.next_index(&name, &path[..depth]);
            }
        }
        // a scalar replaces an array of the same name, and the other way round
        let scalar = path.is_empty();
        self.entries.retain(|e| e.name != name || (!scalar && !e.path.is_empty() && e.path != path));
        self.entries.push(Entry { name, path, value: String::from_utf8_lossy(value).into_owned() });
    }

    fn next_index(&self, name: &str, prefix: &[String]) -> String {
        self.entries
            .iter()
            .filter(|e| e.name == name && e.path.starts_with(prefix))
            .filter_map(|e| e.path.get(prefix.len())?.parse::<u64>().ok())
            .max()
            .map_or(0, |highest| highest + 1)
            .to_string()
    }
}

/// `php_register_variable_ex`: the name and its brackets, or `None` when nothing is left of it.
fn variable(raw: &[u8]) -> Option<(String, Vec<String>)> {
    let raw = raw.split(|&b| b == 0).next().unwrap_or_default();
    let text = String::from_utf8_lossy(raw);
    let text = text.trim_start_matches(' ');
    let (root, rest) = match text.find('[') {
        Some(at) => (&text[..at], &text[at..]),
        None => (text, ""),
    };
    let name = root.replace(['.', ' '], "_");
    if name.is_empty() {
        return None;
    }
    let mut path = Vec::new();
    let mut rest = rest;
    while let Some(open) = rest.strip_prefix('[') {
        match open.find(']') {
            Some(end) => {
                path.push(open[..end].trim_start().to_owned());
                rest = &open[end + 1..];
            }
            // `a[b` is the plain variable `a_b`
            None if path.is_empty() => return Some((format!("{name}_{open}"), path)),
            None => break,
        }
    }
    Some((name, path))
}

/// The value PHP puts in `$_COOKIE[name]`: the first of several; names are compared as bytes.
pub(crate) fn cookie(headers: &str, name: &str) -> Option<String> {
    headers.split(';').find_map(|piece| {
        let (key, value) = piece.split_once('=')?;
        (key.trim_start() == name)
            .then(|| String::from_utf8_lossy(&percent_decode(value.as_bytes(), Plus::Space)).into())
    })
}

/// Moodle's `PARAM_USERNAME`: trimmed, lower case, other characters deleted.
pub(crate) fn username(raw: &str) -> String {
    raw.trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.@_".contains(*c))
        .collect()
}

/// Moodle's `PARAM_ALPHANUM`.
pub(crate) fn alphanum(raw: &str) -> String {
    raw.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// As `json_encode` without flags: slashes and everything beyond ASCII escaped.
pub(crate) fn json(value: &serde_json::Value) -> String {
    let mut text = String::new();
    for c in value.to_string().chars() {
        match c {
            '/' => text.push_str("\\/"),
            c if c.is_ascii() => text.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    text.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    text
}

/// For text inside HTML, quotes included.
pub(crate) fn html(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
            .replace('\'', "&#039;"),
    )
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Plus {
    Kept,
    Space,
}

pub(crate) fn percent_decode(text: &[u8], plus: Plus) -> Vec<u8> {
    let spaced: Vec<u8> = match plus {
        Plus::Kept => text.to_vec(),
        Plus::Space => text.iter().map(|&b| if b == b'+' { b' ' } else { b }).collect(),
    };
    percent_encoding::percent_decode(&spaced).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<'a>(params: &'a Params, name: &str) -> Option<&'a str> {
        match params.get(name)? {
            Value::Text(text) => Some(text),
            Value::Array => None,
        }
    }

    #[test]
    fn names_are_folded_as_php_folds_them() {
        for alias in ["+username", "%20username", "username%00x", "%75sername"] {
            let params = Params::urlencoded(format!("{alias}=a").as_bytes());
            assert_eq!(text(&params, "username"), Some("a"), "{alias}");
        }
        for other in ["Username", "user.name", "username%5B%5D"] {
            let params = Params::urlencoded(format!("{other}=a").as_bytes());
            assert_eq!(text(&params, "username"), None, "{other}");
        }
        assert_eq!(text(&Params::urlencoded(b"a.b=1"), "a_b"), Some("1"));
        assert_eq!(text(&Params::urlencoded(b"a[b=1"), "a_b"), Some("1"));
    }

    #[test]
    fn the_last_duplicate_wins_and_arrays_keep_their_indices() {
        let params = Params::urlencoded(b"a=1&a=2&r[]=x&r[]=y&q[0][f]=z&w=1&w[]=2");
        assert_eq!(text(&params, "a"), Some("2"));
        assert_eq!(params.at("r", &["1"]), Some("y"));
        assert_eq!(params.at("q", &["0", "f"]), Some("z"));
        assert_eq!(params.get("w"), Some(Value::Array));
    }

    #[test]
    fn the_first_of_two_session_cookies_counts() {
        let header = "a=1;  MoodleSession=one; MoodleSession=two";
        assert_eq!(cookie(header, "MoodleSession").as_deref(), Some("one"));
        assert_eq!(cookie("%4doodleSession=x", "MoodleSession"), None);
    }

    #[test]
    fn a_username_loses_what_moodle_deletes() {
        assert_eq!(username("  STU!DENT1 "), "student1");
    }
}

//! What PHP behind nginx makes of a request: path, parameters, cookies.
//!
//! The gateway in front must read a request exactly as this file does, so the rules are kept
//! close to `main/php_variables.c`: the last duplicate wins, leading spaces of a name go away, a
//! name ends at NUL, `.` and space become `_`, brackets make arrays. Nothing here judges.

use std::borrow::Cow;

/// PHP stops reading variables here (`max_input_vars`).
const MAX_INPUT_VARS: usize = 1000;

/// A path as nginx maps it: the script, and what follows it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub script: String,
    pub info: String,
}

/// Decodes once, folds slashes and dots, splits at the first `.php`. `None` for a NUL.
pub(crate) fn resolve(path: &str) -> Option<Place> {
    let decoded = percent_decode(path.as_bytes(), Plus::Kept);
    if decoded.contains(&0) {
        return None;
    }
    let decoded = String::from_utf8_lossy(&decoded).into_owned();
    let folded = fold(&decoded);
    let end = folded
        .match_indices(".php")
        .map(|(at, _)| at + 4)
        .find(|&end| end == folded.len() || folded.as_bytes()[end] == b'/');
    Some(match end {
        Some(end) => Place {
            script: folded[..end].to_owned(),
            info: folded[end..].to_owned(),
        },
        None if folded.ends_with('/') => Place {
            script: format!("{folded}index.php"),
            info: String::new(),
        },
        None => Place {
            script: folded,
            info: String::new(),
        },
    })
}

fn fold(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            other => kept.push(other),
        }
    }
    let directory = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    let mut folded = format!("/{}", kept.join("/"));
    if directory && folded.len() > 1 {
        folded.push('/');
    }
    folded
}

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
            params.register(
                &percent_decode(name, Plus::Space),
                &percent_decode(value, Plus::Space),
            );
        }
        params
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn get(&self, name: &str) -> Option<Value<'_>> {
        let entry = self.entries.iter().rev().find(|e| e.name == name)?;
        Some(if entry.path.is_empty() {
            Value::Text(&entry.value)
        } else {
            Value::Array
        })
    }

    /// `$params[name][path…]`, for the arguments of web-service functions.
    pub(crate) fn at(&self, name: &str, path: &[&str]) -> Option<&str> {
        self.entries
            .iter()
            .rev()
            .find(|e| e.name == name && e.path == path)
            .map(|e| e.value.as_str())
    }

    fn register(&mut self, name: &[u8], value: &[u8]) {
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
        self.entries
            .retain(|e| e.name != name || (!scalar && !e.path.is_empty() && e.path != path));
        self.entries.push(Entry {
            name,
            path,
            value: String::from_utf8_lossy(value).into_owned(),
        });
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

/// A file of a multipart form.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    pub filename: String,
    pub content_type: String,
    pub content: Vec<u8>,
    /// The true size; more than `content` holds when the body was longer than what is kept.
    pub size: u64,
}

/// `$_POST` and `$_FILES`. `kept` is the beginning of a body of `total` bytes.
pub(crate) fn form(content_type: &str, kept: &[u8], total: u64) -> (Params, Vec<Upload>) {
    let kind = content_type
        .split([';', ',', ' '])
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    match kind.as_str() {
        "application/x-www-form-urlencoded" => (Params::urlencoded(kept), Vec::new()),
        "multipart/form-data" => match boundary(content_type) {
            Some(boundary) => multipart(&boundary, kept, total),
            None => Default::default(),
        },
        _ => Default::default(),
    }
}

fn boundary(content_type: &str) -> Option<String> {
    let at = content_type.to_ascii_lowercase().find("boundary=")? + "boundary=".len();
    let rest = &content_type[at..];
    let value = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => rest.split([';', ',']).next()?.trim(),
    };
    (!value.is_empty()).then(|| value.to_owned())
}

fn multipart(boundary: &str, kept: &[u8], total: u64) -> (Params, Vec<Upload>) {
    let (mut params, mut files) = (Params::default(), Vec::new());
    let line = format!("--{boundary}").into_bytes();
    let Some(mut at) = find(kept, &line, 0).map(|at| at + line.len()) else {
        return (params, files);
    };
    let closing = [b"\r\n", line.as_slice()].concat();
    while !kept[at..].starts_with(b"--") {
        let Some(head_end) = find(kept, b"\r\n\r\n", at) else {
            break;
        };
        let head = String::from_utf8_lossy(&kept[at..head_end]).into_owned();
        let start = head_end + 4;
        // the boundary's CRLF may be the one that ended the head: an empty part
        let end = find(kept, &closing, start);
        let content = &kept[start..end.unwrap_or(kept.len())];
        let size = match end {
            Some(_) => content.len() as u64,
            None => total.saturating_sub((start + closing.len() + b"--\r\n".len()) as u64),
        };
        part(&head, content, size, &mut params, &mut files);
        match end {
            Some(end) => at = end + closing.len(),
            None => break,
        }
    }
    (params, files)
}

fn part(head: &str, content: &[u8], size: u64, params: &mut Params, files: &mut Vec<Upload>) {
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.trim()
                .eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    };
    let disposition = header("Content-Disposition").unwrap_or_default();
    let Some(name) = attribute(&disposition, "name") else {
        return;
    };
    match attribute(&disposition, "filename") {
        Some(filename) => files.push(Upload {
            filename: filename
                .rsplit(['/', '\\'])
                .next()
                .unwrap_or_default()
                .to_owned(),
            content_type: header("Content-Type").unwrap_or_else(|| "text/plain".into()),
            content: content.to_vec(),
            size,
        }),
        None => params.register(name.as_bytes(), content),
    }
}

fn attribute<'a>(disposition: &'a str, name: &str) -> Option<&'a str> {
    disposition.split(';').skip(1).find_map(|piece| {
        let (key, value) = piece.split_once('=')?;
        key.trim()
            .eq_ignore_ascii_case(name)
            .then(|| value.trim().trim_matches('"'))
    })
}

fn find(text: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    text.get(from..)?
        .windows(needle.len())
        .position(|window| window == needle)
        .map(|at| at + from)
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
enum Plus {
    Kept,
    Space,
}

fn percent_decode(text: &[u8], plus: Plus) -> Vec<u8> {
    let spaced: Vec<u8> = match plus {
        Plus::Kept => text.to_vec(),
        Plus::Space => text
            .iter()
            .map(|&b| if b == b'+' { b' ' } else { b })
            .collect(),
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
    fn a_multipart_form_gives_fields_and_files() {
        let body = b"--XX\r\nContent-Disposition: form-data; name=\"filearea\"\r\n\r\ndraft\r\n--XX\r\n\
            Content-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--XX--\r\n";
        let (params, files) = form("Multipart/Form-Data; boundary=XX", body, body.len() as u64);
        assert_eq!(text(&params, "filearea"), Some("draft"));
        assert_eq!((files[0].filename.as_str(), files[0].size), ("a.txt", 5));
    }

    #[test]
    fn the_size_of_a_long_upload_is_known_though_its_end_is_not_kept() {
        let head =
            b"--XX\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\n".to_vec();
        let kept = [head.as_slice(), &[b'x'; 100]].concat();
        let total = head.len() as u64 + 5_000_000_000 + b"\r\n--XX--\r\n".len() as u64;
        let (_, files) = form("multipart/form-data; boundary=XX", &kept, total);
        assert_eq!(files[0].size, 5_000_000_000);
    }

    #[test]
    fn every_spelling_of_a_path_reaches_the_same_script() {
        for path in [
            "//login//token.php",
            "/login/./token.php",
            "/x/../login/token.php",
            "/course/..%2flogin/token.php",
            "/login/%74oken.php",
            "/login/token%2ephp/a.css",
            "/login/token.php/anything",
            "/login/token.php%2f",
        ] {
            assert_eq!(resolve(path).unwrap().script, "/login/token.php", "{path}");
        }
        assert_eq!(resolve("/login/").unwrap().script, "/login/index.php");
        assert_eq!(
            resolve("/LOGIN/token.php").unwrap().script,
            "/LOGIN/token.php"
        );
        assert_eq!(resolve("/a%00.php"), None);
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

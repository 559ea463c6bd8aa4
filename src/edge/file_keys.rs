//! Moodle's permanent file key in web-service answers: where it stands, so that it can be swapped (design R2).

use crate::types::LmsUserId;
use serde_json::Value;

const KEY_LENGTH: usize = 32;

/// Keys inside links to `tokenpluginfile.php`, JSON-escaped or not.
pub fn in_links(text: &str) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for (at, marker) in text.match_indices("tokenpluginfile.php") {
        let rest = text[at + marker.len()..].trim_start_matches('\\');
        let candidate = rest.strip_prefix('/').and_then(|rest| rest.get(..KEY_LENGTH));
        if let Some(key) = candidate.filter(|key| is_key(key))
            && !keys.iter().any(|known| known == key)
        {
            keys.push(key.to_owned());
        }
    }
    keys
}

/// Whose site_info an answer is, and the key in it, from JSON or XML. `None` for anything else, such as an error.
pub fn in_site_info(text: &str) -> Option<(LmsUserId, Option<String>)> {
    let (id, key) = match serde_json::from_str::<Value>(text) {
        Ok(json) => {
            let key = json.get("userprivateaccesskey").and_then(Value::as_str).map(str::to_owned);
            (json.get("userid")?.as_u64()?, key)
        }
        Err(_) => (in_xml(text, "userid")?.parse().ok()?, in_xml(text, "userprivateaccesskey").map(str::to_owned)),
    };
    Some((LmsUserId(id), key.filter(|key| is_key(key))))
}

/// `<KEY name="NAME"><VALUE>…</VALUE>` at the top of Moodle's XML.
fn in_xml<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let open = format!("<KEY name=\"{name}\"><VALUE>");
    let start = text.find(&open)? + open.len();
    let end = text[start..].find("</VALUE>")? + start;
    Some(&text[start..end])
}

fn is_key(text: &str) -> bool {
    (16..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "cc105c26c9efbc3a01e6bfb9adeb42fd";

    #[test]
    fn the_key_is_found_in_both_formats_with_its_owner() {
        let json = format!(r#"{{"username":"student1","userid":3,"userprivateaccesskey":"{KEY}"}}"#);
        assert_eq!(in_site_info(&json), Some((LmsUserId(3), Some(KEY.into()))));
        let xml = format!(
            "<KEY name=\"userid\"><VALUE>3</VALUE>\n</KEY>\n<KEY name=\"userprivateaccesskey\"><VALUE>{KEY}</VALUE>"
        );
        assert_eq!(in_site_info(&xml), Some((LmsUserId(3), Some(KEY.into()))));
        assert_eq!(in_site_info(r#"{"exception":"x","errorcode":"invalidtoken"}"#), None);
    }

    #[test]
    fn keys_in_links_are_found_however_the_slash_is_written() {
        let json = format!(r#""https:\/\/lms\/tokenpluginfile.php\/{KEY}\/5\/user\/icon""#);
        assert_eq!(in_links(&json), [KEY]);
        assert_eq!(in_links(&format!("https://lms/tokenpluginfile.php/{KEY}/5 tokenpluginfile.php/{KEY}/6")), [KEY]);
        assert!(in_links("tokenpluginfile.php").is_empty());
        assert!(in_links("tokenpluginfile.php/short/x").is_empty());
    }
}

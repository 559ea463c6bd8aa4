//! The few marks that are read from Moodle's pages. They are structure, never wording: themes and languages differ.

/// The hidden field `logintoken` of the login form: 32 letters and digits, in either order of attributes.
pub fn logintoken(page: &str) -> Option<String> {
    let mut rest = page;
    while let Some(at) = rest.find("name=\"logintoken\"") {
        let start = rest[..at].rfind('<').unwrap_or(at);
        let end = rest[at..].find('>').map_or(rest.len(), |i| at + i);
        if let Some(value) = between(&rest[start..end], "value=\"", "\"")
            && (8..=128).contains(&value.len())
            && value.bytes().all(|b| b.is_ascii_alphanumeric())
        {
            return Some(value.to_owned());
        }
        rest = &rest[end..];
    }
    None
}

/// `"sesskey":"…"` of `M.cfg`: ten letters and digits, changed at every sign-in.
pub fn sesskey(page: &str) -> Option<String> {
    let value = between(page, "\"sesskey\":\"", "\"")?;
    let fits = (4..=64).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_alphanumeric());
    fits.then(|| value.to_owned())
}

fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let start = text.find(open)? + open.len();
    let end = text[start..].find(close)? + start;
    Some(&text[start..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logintoken_is_found_whatever_the_order_of_attributes() {
        let token = "7RLdHCdtR9CTfCyrEtPUeDyK1XszKsoG";
        for page in [
            format!(r#"<input type="hidden" name="logintoken" value="{token}">"#),
            format!(r#"<input value="{token}" name="logintoken" type="hidden"/>"#),
        ] {
            assert_eq!(logintoken(&page).as_deref(), Some(token));
        }
        assert_eq!(logintoken("<input name=\"logintoken\" value=\"\">"), None);
        assert_eq!(logintoken("no form"), None);
    }

    #[test]
    fn a_sesskey_is_plain_text_or_nothing() {
        assert_eq!(sesskey(r#"M.cfg = {"wwwroot":"x","sesskey":"Jo3kVizWkw","a":1}"#).as_deref(), Some("Jo3kVizWkw"));
        assert_eq!(sesskey(r#""sesskey":"a&b=c""#), None);
    }
}

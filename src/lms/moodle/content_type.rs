//! What PHP reads of a body, by its Content-Type (H1; main/SAPI.c, `sapi_read_post_data`).

use super::{multipart, params::Ambiguous};

/// What PHP makes of a Content-Type.
#[derive(Debug, PartialEq, Eq)]
pub enum BodyType {
    NotForm,
    UrlEncoded,
    Multipart { boundary: String },
}

impl BodyType {
    /// PHP lower-cases the type and ends it at `;`, `,` or a space, then compares whole. Parameters are refused unless
    /// every reader finds the same in them: `charset=utf-8`, and for multipart one `boundary`.
    pub fn parse(content_type: Option<&str>) -> Result<BodyType, Ambiguous> {
        let Some(text) = content_type else { return Ok(BodyType::NotForm) };
        // Web servers trim the field's value (RFC 9110 §5.5), PHP doesn't.
        if text.starts_with([' ', '\t']) {
            return Err(Ambiguous("content type"));
        }
        let end = text.find([';', ',', ' ']).unwrap_or(text.len());
        let (kind, rest) = (text[..end].to_ascii_lowercase(), text[end..].trim_start_matches(' '));
        let multipart = match kind.as_str() {
            "application/x-www-form-urlencoded" => false,
            "multipart/form-data" => true,
            // A stray tab or another list delimiter: PHP reads nothing, a laxer reader a form.
            other if other.contains("x-www-form-urlencoded") || other.contains("form-data") => {
                return Err(Ambiguous("content type"));
            }
            _ => return Ok(BodyType::NotForm),
        };
        let mut boundary = None;
        for parameter in rest.split(';').map(|p| p.trim_start_matches(' ')).filter(|p| !p.is_empty()) {
            let (name, value) = parameter.split_once('=').ok_or(Ambiguous("content type"))?;
            match name.to_ascii_lowercase().as_str() {
                "charset" if value.trim_end_matches(' ').trim_matches('"').eq_ignore_ascii_case("utf-8") => {}
                // A space after it belongs to PHP's boundary and to nobody else's.
                "boundary" if multipart && boundary.is_none() => boundary = Some(multipart::boundary(value)?),
                _ => return Err(Ambiguous("content type")),
            }
        }
        if !rest.is_empty() && !rest.starts_with(';') {
            return Err(Ambiguous("content type"));
        }
        match (multipart, boundary) {
            (false, _) => Ok(BodyType::UrlEncoded),
            (true, Some(boundary)) => Ok(BodyType::Multipart { boundary }),
            (true, None) => Err(Ambiguous("multipart without a boundary")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h1_content_types_are_php_s_or_refused() {
        let form = "application/x-www-form-urlencoded";
        for text in
            [form, &form.to_uppercase(), &format!("{form};charset=utf-8"), &format!("{form} ; Charset=\"UTF-8\"")]
        {
            assert_eq!(BodyType::parse(Some(text)), Ok(BodyType::UrlEncoded), "{text}");
        }
        for text in
            ["application/json", "text/plain", "", "multipart/mixed; boundary=B", "application/json; charset=utf-8"]
        {
            assert_eq!(BodyType::parse(Some(text)), Ok(BodyType::NotForm), "{text}");
        }
        assert_eq!(BodyType::parse(None), Ok(BodyType::NotForm));
        for text in [
            &format!("{form};charset=utf-16"),
            &format!("{form}, text/plain"),
            &format!("{form}\u{b}"),
            &format!("{form}x"),
            &format!("{form}; boundary=x"),
            &format!(" {form}"),
            &format!("\t{form}"),
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=a b",
            "multipart/form-data; boundary=\"a",
            "multipart/form-data; boundary=a; boundary=b",
            "multipart/form-data; x=\"boundary=a\"; boundary=b",
            "multipart/form-data; boundary=a,b",
        ] {
            assert!(BodyType::parse(Some(text)).is_err(), "{text}");
        }
    }
}

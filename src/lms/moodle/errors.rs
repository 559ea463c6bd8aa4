//! Moodle's own error bodies, byte for byte as recorded on 4.2, so that pages and the app understand a refusal.
//!
//! All of them travel with HTTP 200: the app shows nothing of an answer with another status, and reads `errorcode`.

/// Where Moodle's `link` and `moreinfourl` point.
#[derive(Clone, Copy, Debug)]
pub struct Links<'a> {
    /// The public URL without a trailing slash.
    pub wwwroot: &'a str,
    /// `Some("402")` for 4.2; without it the link has no version, and docs.moodle.org finds the current one.
    pub branch: Option<&'a str>,
}

/// Refusals of `/lib/ajax/service*.php`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AjaxError {
    /// The function needs a login and there is none (any more).
    RequiresLogin,
    /// The function is unknown, or not for AJAX.
    NotAvailable,
    /// The function hands out a credential, whoever asks.
    Access,
    /// The function needs a fresh factor. A code of ours: at `servicerequireslogin` Moodle's scripts go to the login
    /// page, which has nothing to ask somebody who is signed in; any other message they show.
    StepUp,
}

/// `application/json; charset=utf-8`. One element: Moodle stops at the first error.
pub fn ajax_error(error: AjaxError, links: Links<'_>) -> String {
    let (code, message) = match error {
        AjaxError::RequiresLogin => {
            ("servicerequireslogin", "Web service is not available. (The session has been logged out or has expired.)")
        }
        AjaxError::NotAvailable => ("servicenotavailable", SERVICE_NOT_AVAILABLE),
        AjaxError::Access => ("accessexception", "Access control exception"),
        AjaxError::StepUp => ("stepuprequired", "To do this, confirm that it is you: open the page again."),
    };
    let branch = links.branch.map(|b| format!("{b}/")).unwrap_or_default();
    format!(
        r#"[{{"error":true,"exception":{{"message":{},"errorcode":"{code}","link":{},"moreinfourl":{}}}}}]"#,
        php_json(message),
        php_json(&format!("{}/", links.wwwroot)),
        php_json(&format!("https://docs.moodle.org/{branch}en/error/webservice/{code}")),
    )
}

const SERVICE_NOT_AVAILABLE: &str = "Web service is not available. (It doesn't exist or might be disabled.)";

/// Refusals of `/webservice/rest/server.php`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestError {
    /// Unknown, revoked or expired: the app asks its user to sign in again. (Moodle itself answers `accessexception`
    /// for an expired token, which the app shows as an ordinary error.)
    InvalidToken,
    /// The function is not for this token.
    Access,
    /// Arguments nobody can read.
    InvalidParameter,
}

/// `moodlewsrestformat`: XML unless it says `json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestFormat {
    Json,
    Xml,
}

impl RestFormat {
    pub fn from_param(value: Option<&[u8]>) -> RestFormat {
        if value == Some(b"json") { RestFormat::Json } else { RestFormat::Xml }
    }
    pub fn content_type(self) -> &'static str {
        match self {
            RestFormat::Json => "application/json",
            RestFormat::Xml => "application/xml; charset=utf-8",
        }
    }
}

pub fn rest_error(error: RestError, format: RestFormat) -> String {
    let (class, code, message) = match error {
        RestError::InvalidToken => ("moodle_exception", "invalidtoken", INVALID_TOKEN),
        RestError::Access => ("webservice_access_exception", "accessexception", "Access control exception"),
        RestError::InvalidParameter => {
            ("invalid_parameter_exception", "invalidparameter", "Invalid parameter value detected")
        }
    };
    match format {
        RestFormat::Json => {
            format!(r#"{{"exception":"{class}","errorcode":"{code}","message":{}}}"#, php_json(message))
        }
        RestFormat::Xml => format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<EXCEPTION class=\"{class}\">\n\
             <ERRORCODE>{code}</ERRORCODE>\n<MESSAGE>{message}</MESSAGE>\n</EXCEPTION>\n"
        ),
    }
}

const INVALID_TOKEN: &str = "Invalid token - token not found";

/// The five-key error of token.php, upload.php and pluginfile.php (`application/json; charset=utf-8`). Never put a
/// `token` key in it: the app takes any answer with one for a success.
pub fn five_keys(code: &str, message: &str) -> String {
    format!(
        r#"{{"error":{},"errorcode":{},"stacktrace":null,"debuginfo":null,"reproductionlink":null}}"#,
        php_json(message),
        php_json(code)
    )
}

/// Every failure of the password at token.php: wrong, unknown, suspended, locked.
pub fn invalid_login() -> String {
    five_keys("invalidlogin", "Invalid login, please try again")
}

/// The first missing parameter; token.php asks for username, password, service in this order.
pub fn missing_param(name: &str) -> String {
    five_keys("missingparam", &format!("A required parameter ({name}) was missing"))
}

/// A file or upload token that is not (or no longer) ours.
pub fn invalid_token() -> String {
    five_keys("invalidtoken", INVALID_TOKEN)
}

/// A service that is unknown or closed, after a right password.
pub fn service_not_available() -> String {
    five_keys("servicenotavailable", SERVICE_NOT_AVAILABLE)
}

/// PHP's json_encode: `/` escaped, everything beyond ASCII as `\uXXXX`.
pub fn php_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for unit in text.encode_utf16() {
        match unit {
            0x22 => out.push_str("\\\""),
            0x5c => out.push_str("\\\\"),
            0x2f => out.push_str("\\/"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            0x0a => out.push_str("\\n"),
            0x0d => out.push_str("\\r"),
            0x09 => out.push_str("\\t"),
            0x20..=0x7f => out.push(char::from(unit as u8)),
            _ => out.push_str(&format!("\\u{unit:04x}")),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINKS: Links<'static> = Links { wwwroot: "https://lms.test:8443", branch: Some("402") };

    #[test]
    fn ajax_errors_are_the_recorded_bytes() {
        // recordings: ajax-anon-goodsesskey, ws-nologin-bad (Moodle 4.2)
        assert_eq!(
            ajax_error(AjaxError::RequiresLogin, LINKS),
            r#"[{"error":true,"exception":{"message":"Web service is not available. (The session has been logged out or has expired.)","errorcode":"servicerequireslogin","link":"https:\/\/lms.test:8443\/","moreinfourl":"https:\/\/docs.moodle.org\/402\/en\/error\/webservice\/servicerequireslogin"}}]"#
        );
        assert_eq!(
            ajax_error(AjaxError::NotAvailable, LINKS),
            r#"[{"error":true,"exception":{"message":"Web service is not available. (It doesn't exist or might be disabled.)","errorcode":"servicenotavailable","link":"https:\/\/lms.test:8443\/","moreinfourl":"https:\/\/docs.moodle.org\/402\/en\/error\/webservice\/servicenotavailable"}}]"#
        );
        let neutral = ajax_error(AjaxError::RequiresLogin, Links { branch: None, ..LINKS });
        assert!(neutral.contains(r"https:\/\/docs.moodle.org\/en\/error\/webservice\/servicerequireslogin"));
    }

    #[test]
    fn rest_errors_are_the_recorded_bytes() {
        // recordings: ws-invalidtoken-json, ws-invalidtoken-xml, ws-expired, ws-nofunction
        assert_eq!(
            rest_error(RestError::InvalidToken, RestFormat::Json),
            r#"{"exception":"moodle_exception","errorcode":"invalidtoken","message":"Invalid token - token not found"}"#
        );
        assert_eq!(
            rest_error(RestError::InvalidToken, RestFormat::Xml),
            "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<EXCEPTION class=\"moodle_exception\">\n<ERRORCODE>invalidtoken</ERRORCODE>\n<MESSAGE>Invalid token - token not found</MESSAGE>\n</EXCEPTION>\n"
        );
        assert_eq!(
            rest_error(RestError::Access, RestFormat::Json),
            r#"{"exception":"webservice_access_exception","errorcode":"accessexception","message":"Access control exception"}"#
        );
        assert_eq!(
            rest_error(RestError::InvalidParameter, RestFormat::Json),
            r#"{"exception":"invalid_parameter_exception","errorcode":"invalidparameter","message":"Invalid parameter value detected"}"#
        );
        assert_eq!(RestFormat::from_param(Some(b"JSON")), RestFormat::Xml);
    }

    #[test]
    fn five_key_errors_are_the_recorded_bytes() {
        // recordings: token-wrongpw, token-missing-all, ws-upload-notoken, ws-pluginfile-badtoken, token-bad-service
        assert_eq!(
            invalid_login(),
            r#"{"error":"Invalid login, please try again","errorcode":"invalidlogin","stacktrace":null,"debuginfo":null,"reproductionlink":null}"#
        );
        assert_eq!(
            missing_param("username"),
            r#"{"error":"A required parameter (username) was missing","errorcode":"missingparam","stacktrace":null,"debuginfo":null,"reproductionlink":null}"#
        );
        assert_eq!(
            invalid_token(),
            r#"{"error":"Invalid token - token not found","errorcode":"invalidtoken","stacktrace":null,"debuginfo":null,"reproductionlink":null}"#
        );
        assert_eq!(
            service_not_available(),
            r#"{"error":"Web service is not available. (It doesn't exist or might be disabled.)","errorcode":"servicenotavailable","stacktrace":null,"debuginfo":null,"reproductionlink":null}"#
        );
    }

    #[test]
    fn strings_are_escaped_as_php_does() {
        assert_eq!(php_json("a/b\"\\\u{1}\u{7f}é😀<>&'"), "\"a\\/b\\\"\\\\\\u0001\u{7f}\\u00e9\\ud83d\\ude00<>&'\"");
    }
}

//! Moodle 3.2 to 5.x, as recorded on 4.2 and 4.3 and read from source elsewhere.
//!
//! Pure: [`routes`] says what a path is, [`params`] and [`multipart`] read parameters as PHP 8.2 does, [`ajax`] and
//! [`rest`] look into batched calls, [`errors`] answers in Moodle's own bytes. The conversations (sign in, mint, ask
//! who a session is) are [`Moodle`].

mod adapter;
pub mod ajax;
mod app;
pub mod content_type;
pub mod errors;
mod groups;
mod header;
mod markers;
pub mod multipart;
pub mod params;
pub mod rest;
pub mod routes;
pub mod sensitive;
mod sign_in;
pub mod tool_mfa;

pub use adapter::Moodle;
pub use groups::Cohorts;
pub use header::header_settings;
pub use routes::classify;

use adapter::own_address;

/// Where somebody with a session changes their password (entry 18).
pub const CHANGE_PASSWORD: &str = "login/change_password.php";

/// Whether an answer to its POST shows the form again: the password was not changed. The field is structure, the
/// wording beside it is the theme's.
pub fn shows_password_form(page: &str) -> bool {
    page.contains("name=\"newpassword1\"")
}

/// The guest: the second account that Moodle's installation makes is the administrator, the first is nobody.
pub const GUEST: crate::types::LmsUserId = crate::types::LmsUserId(1);

/// The official app's web service.
pub const APP_SERVICE: &str = "moodle_mobile_app";

/// `headerloguser` (Moodle 3.3+): names the user of an answer. Never reaches a client.
pub fn log_user_header() -> http::HeaderName {
    http::HeaderName::from_static("x-moodleuser")
}

/// Whom an answer names. A full name (mode 2) may hold letters beyond ASCII; it is only ever compared.
pub fn log_user(headers: &http::HeaderMap) -> Option<String> {
    headers.get(log_user_header()).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn is_session_cookie(name: &str) -> bool {
    cookie_class(name) == CookieClass::Session
}

/// `application/x-www-form-urlencoded`, as a browser writes it (WHATWG URL §5.2).
pub fn encode_form(fields: &[(&str, &str)]) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const SET: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');
    let encode = |text: &str| utf8_percent_encode(text, SET).to_string();
    let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    pairs.join("&")
}

/// What is done with a cookie of the LMS's, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieClass {
    /// The session cookie: sealed on its way out, opened on its way in (R2).
    Session,
    /// Never passes in either direction: it carries a user name, or is tool_mfa's "trust this device".
    Drop,
    Other,
}

/// `MoodleSession` may carry `$CFG->sessioncookie` as a suffix, the others the user's id or the same suffix.
///
/// The name is folded before it is judged: PHP before 7.4.11 url-decodes cookie names, skips leading spaces and turns
/// `.` and ` ` into `_`, so `%4doodleSession` was the session cookie there. Other case never was, but loses nothing.
pub fn cookie_class(name: &str) -> CookieClass {
    let folded = params::fold_cookie_name(name);
    let starts = |prefix: &str| folded.get(..prefix.len()).is_some_and(|s| s.eq_ignore_ascii_case(prefix.as_bytes()));
    if starts("MoodleSession") {
        CookieClass::Session
    } else if starts("MOODLEID") || starts("MFA_TOKEN_") {
        CookieClass::Drop
    } else {
        CookieClass::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r2_the_session_cookie_is_known_under_every_name_php_gave_it() {
        for name in ["MoodleSession", "MoodleSessionlab", "%4doodleSession", "+MoodleSession", "moodlesession"] {
            assert_eq!(cookie_class(name), CookieClass::Session, "{name}");
        }
        for name in ["MOODLEID1_", "MOODLEID1_lab", "MOODLEID_", "MFA_TOKEN_5", "MFA.TOKEN.5"] {
            assert_eq!(cookie_class(name), CookieClass::Drop, "{name}");
        }
        for name in ["", "lang", "Moodle", "XMoodleSession", "é", "MoodleSessio"] {
            assert_eq!(cookie_class(name), CookieClass::Other, "{name}");
        }
    }
}

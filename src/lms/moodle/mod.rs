//! Moodle, 3.2 to 5.x, as it behaves on the wire.

mod adapter;
mod app;
mod markers;
mod sign_in;

pub use adapter::Moodle;
use adapter::own_address;

/// The official app's web service.
pub const APP_SERVICE: &str = "moodle_mobile_app";

/// `headerloguser` (Moodle 3.3+): names the user of an answer. Never reaches a client.
pub fn log_user_header() -> http::HeaderName {
    http::HeaderName::from_static("x-moodleuser")
}

/// `MoodleSession`, with or without the suffix of `$CFG->sessioncookie`.
pub fn is_session_cookie(name: &str) -> bool {
    name.starts_with("MoodleSession")
}

/// `application/x-www-form-urlencoded`, as a browser writes it (WHATWG URL §5.2).
pub fn encode_form(fields: &[(&str, &str)]) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const SET: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');
    let encode = |text: &str| utf8_percent_encode(text, SET).to_string();
    let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    pairs.join("&")
}

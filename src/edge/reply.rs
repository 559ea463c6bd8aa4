//! Answers of our own: pages, redirects and JSON, each with the headers that keep it to itself.

use crate::sessions::cookie::{self, Jar};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

pub type Reply = Response<Bytes>;

/// Own pages: no framing, no other origin, nothing inline, nothing kept (attacks D12, D13, J19).
const PAGE_HEADERS: [(&str, &str); 8] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; form-action 'self'; \
         frame-ancestors 'none'; base-uri 'none'",
    ),
    ("x-frame-options", "DENY"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cache-control", "no-store"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
];

pub fn page(status: u16, html: String) -> Reply {
    let mut reply = plain(status, "text/html; charset=utf-8", html);
    for (name, value) in PAGE_HEADERS {
        reply.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    reply
}

/// JSON for programs; never cached.
pub fn json(status: u16, body: impl Into<Bytes>) -> Reply {
    plain(status, "application/json; charset=utf-8", body)
}

/// What the mobile app reads: its WebView stack needs `*` on every answer, errors included (`moodle-app.md` §1).
pub fn app(status: u16, content_type: &str, body: impl Into<Bytes>) -> Reply {
    let mut reply = plain(status, content_type, body);
    reply.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    reply
}

pub fn plain(status: u16, content_type: &str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(body.into());
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = reply.headers_mut();
    set(headers, header::CONTENT_TYPE, content_type);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}

/// 303 to a same-origin path (RFC 9110 §15.4.4).
pub fn see_other(location: &str) -> Reply {
    let mut reply = Response::new(Bytes::new());
    *reply.status_mut() = StatusCode::SEE_OTHER;
    let headers = reply.headers_mut();
    set(headers, header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    reply
}

pub fn no_content() -> Reply {
    let mut reply = Response::new(Bytes::new());
    *reply.status_mut() = StatusCode::NO_CONTENT;
    reply
}

/// Adds a `Set-Cookie` line.
pub fn add_cookie(reply: &mut Reply, line: &str) {
    if let Ok(value) = HeaderValue::from_str(line) {
        reply.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// The browser forgets what belonged to a session or visit that is over.
pub fn clear_cookies<'a>(reply: &mut Reply, present: impl Iterator<Item = &'a str>, keep: &[&str]) {
    for name in present {
        let sealed = Jar::Session.holds(name) || Jar::Visit.holds(name);
        let ours = sealed || matches!(name, cookie::SESSION | cookie::FLOW | cookie::VISIT | cookie::AWAY);
        if ours && !keep.contains(&name) {
            add_cookie(reply, &cookie::clear(name));
        }
    }
}

pub fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

//! Requests whose body was read here: sent on by the gateway's own client, because pingora replays at most 64 KiB.

use super::{
    gate::{Gate, House},
    hygiene::drop_response_header,
    reply::{self, Reply},
};
use crate::outbound::{Answer, OutboundError};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, header};

/// An answer that is read whole: AJAX and web-service answers of real courses stay below 5 MB.
const ANSWER_LIMIT: usize = 64 << 20;

pub fn header_map(headers: &[(String, Vec<u8>)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), HeaderValue::from_bytes(value)) {
            map.append(name, value);
        }
    }
    map
}

impl Gate {
    /// Sends a rebuilt request of somebody known.
    pub async fn relay(
        &self,
        house: &House,
        method: Method,
        target: &str,
        headers: &[(String, Vec<u8>)],
        content_type: Option<&'static str>,
        body: Bytes,
    ) -> Result<Answer, OutboundError> {
        self.relay_within(ANSWER_LIMIT, house, headers, Calling { method, target, content_type, body }).await
    }

    /// The same with a limit of one's own on the answer.
    pub async fn relay_within(
        &self,
        limit: usize,
        house: &House,
        headers: &[(String, Vec<u8>)],
        Calling { method, target, content_type, body }: Calling<'_>,
    ) -> Result<Answer, OutboundError> {
        let mut headers = header_map(headers);
        if let Some(content_type) = content_type {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        // Answers are looked into: they come plain. Conditional and partial ones make no sense for calls.
        headers.remove(header::ACCEPT_ENCODING);
        headers.remove(header::RANGE);
        house.upstream.fetch(method, target, headers, body, limit).await
    }
}

/// A request that was written anew. `content_type` replaces the client's, because the body is ours.
pub struct Calling<'a> {
    pub method: Method,
    pub target: &'a str,
    pub content_type: Option<&'static str>,
    pub body: Bytes,
}

/// An LMS answer as ours: scrubbed, with these cookies and no others.
pub fn pass(answer: Answer, house: &House, set_cookies: &[String]) -> Reply {
    let mut reply = Response::new(answer.body);
    *reply.status_mut() = answer.status;
    for (name, value) in &answer.headers {
        let framing = matches!(*name, header::CONTENT_LENGTH | header::TRANSFER_ENCODING | header::SET_COOKIE);
        if !framing && !drop_response_header(name.as_str()) {
            reply.headers_mut().append(name, value.clone());
        }
    }
    rewrite_location(reply.headers_mut(), house);
    set_cookies.iter().for_each(|line| reply::add_cookie(&mut reply, line));
    reply
}

/// The one Location that is not on wwwroot is the web server's own (`GET /login` → its scheme, host and port;
/// `moodle-wire.md` §4).
pub fn rewrite_location(headers: &mut HeaderMap, house: &House) {
    let Some(location) = headers.get(header::LOCATION).and_then(|v| v.to_str().ok()) else { return };
    let rest = location.strip_prefix("http://").or_else(|| location.strip_prefix("https://"));
    let Some(rest) = rest else { return };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = house.authority.split(':').next().unwrap_or_default();
    let own_server = authority == house.upstream_authority
        || (authority.split(':').next() == Some(host) && authority != house.authority)
        || (authority == house.authority && location.starts_with("http://"));
    if own_server {
        let fixed = format!("{}{path}", house.public_url);
        reply::set(headers, header::LOCATION, &fixed);
    }
}

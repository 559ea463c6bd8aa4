//! What a client may not say to the LMS, and what the LMS may not say to a client (R7; attacks B1–B3, B7, A10, A11).
//!
//! CGI turns `X-Forwarded-User` and `x_forwarded_user` into one variable, and some servers fold every other sign as
//! well; so a name passes only if it is letters, digits and hyphens, and is judged in lower case. The list is a
//! block-list because browsers and apps send fields nobody can list, but it blocks by family, and what the gateway
//! itself sends (`X-Vestibule-…`, the configured names) is always among them. Ours are added after this, once.

use super::{BadRequest, head::is_token};

/// What becomes of one request header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Keep,
    Drop,
}

/// The rules of one site.
#[derive(Clone, Debug)]
pub struct HeaderRules {
    /// Identity headers under their configured names, in lower case. The secret sign-in header is of a family.
    identity: Vec<String>,
    authorization: Fate,
}

/// Names that are dropped whole.
#[rustfmt::skip]
const DROPPED: &[&str] = &[
    // who somebody is, by the names that LMS plugins and web servers trust
    "remote-user", "auth-user", "auth-type", "user", "x-user", "x-auth-user", "x-authenticated-user", "x-webauth-user",
    "x-moodleuser", "proxy-user",
    // where they come from (B3)
    "forwarded", "via", "x-real-ip", "client-ip", "x-client-ip", "x-cluster-client-ip", "fastly-client-ip",
    "cf-connecting-ip", "cf-connecting-ipv6", "true-client-ip", "x-originating-ip", "x-host", "x-scheme",
    "front-end-https",
    // what they ask for (A10, A11)
    "x-original-url", "x-original-uri", "x-original-host", "x-rewrite-url", "x-http-method-override", "x-http-method",
    "x-method-override", "x-http-host-override", "x-host-override",
    // the name a request has in both logs
    "x-request-id",
    // httpoxy (B7): becomes HTTP_PROXY, which libraries take for the outgoing proxy
    "proxy",
    // always written anew, or nobody's business but ours
    "cookie", "cookie2", "expect", "proxy-authorization",
    // hop by hop (RFC 9110 §7.6.1); no trailers in either direction (B6)
    "connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade", "http2-settings",
];

const DROPPED_FAMILIES: &[&str] = &[
    "x-vestibule-",
    // the secret names of trusted headers (`keys::TrustedHeader` makes no others), today's and any that a rotation makes
    "x-v-",
    "x-forwarded",
    "x-remote-",
    "remote-",
    "redirect-",
    "shib-",
    "x-shib-",
    "shibboleth-",
    "oidc-",
    "mellon-",
    "cas-",
    "x-auth-request-",
    "x-ssl-",
    "ssl-",
    "x-accel-",
    "x-sendfile",
];

/// Fields that decide how the LMS reads the request. Naming one in `Connection` would make the next hop drop what we
/// judged by (hop-by-hop abuse), so such a request is refused.
const NOT_HOP_BY_HOP: &[&str] = &[
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "cookie",
    "authorization",
    "origin",
    "referer",
    "user-agent",
    "sec-fetch-mode",
    "sec-fetch-dest",
    "sec-fetch-site",
];

impl HeaderRules {
    /// `identity`: every header name the site's configuration gives to something the LMS is told.
    pub fn new(identity: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let identity = identity.into_iter().map(|name| name.as_ref().to_ascii_lowercase().replace('_', "-")).collect();
        HeaderRules { identity, authorization: Fate::Drop }
    }

    /// B10: `Authorization` passes only where the site says so.
    #[must_use]
    pub fn with_authorization(self) -> Self {
        HeaderRules { authorization: Fate::Keep, ..self }
    }

    /// May a field of this name pass? Allocates nothing.
    pub fn fate(&self, name: &str) -> Fate {
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Fate::Drop;
        }
        if name.eq_ignore_ascii_case("authorization") {
            return self.authorization;
        }
        let of_family =
            |family: &&str| name.get(..family.len()).is_some_and(|start| start.eq_ignore_ascii_case(family));
        let dropped = is_any(name, DROPPED)
            || DROPPED_FAMILIES.iter().any(of_family)
            || self.identity.iter().any(|ours| ours.eq_ignore_ascii_case(name));
        if dropped { Fate::Drop } else { Fate::Keep }
    }
}

/// The further fields a `Connection` field names, which are dropped with it (RFC 9110 §7.6.1). For most requests the
/// list is empty and nothing is allocated.
pub fn connection_named(value: &[u8]) -> Result<Vec<&str>, BadRequest> {
    let bad = BadRequest::new("Connection");
    let mut named = Vec::new();
    let text = std::str::from_utf8(value).map_err(|_| bad)?;
    for option in text.split(',').map(|o| o.trim_matches([' ', '\t'])).filter(|o| !o.is_empty()) {
        if !option.bytes().all(is_token) {
            return Err(bad);
        }
        if is_any(option, NOT_HOP_BY_HOP) {
            return Err(BadRequest::new("Connection names a field that belongs to the request"));
        }
        if !is_any(option, &["close", "keep-alive", "upgrade", "te", "trailer", "http2-settings"]) {
            named.push(option);
        }
    }
    Ok(named)
}

/// The fields that are sent on, in order, values untouched but for the User-Agent (door 19).
pub fn scrub<'a>(
    headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
    rules: &HeaderRules,
) -> Result<Vec<(String, Vec<u8>)>, BadRequest> {
    let mut named = Vec::new();
    for (_, value) in headers.clone().filter(|(name, _)| name.eq_ignore_ascii_case("connection")) {
        named.extend(connection_named(value)?);
    }
    let keeps = |name: &str| rules.fate(name) == Fate::Keep && !is_any(name, &named);
    let kept = headers.filter(|(name, _)| keeps(name)).map(|(name, value)| {
        let value = match name {
            _ if name.eq_ignore_ascii_case("user-agent") => user_agent(value).unwrap_or(value),
            _ => value,
        };
        (name.to_owned(), value.to_vec())
    });
    Ok(kept.collect())
}

/// Door 19: lib/setup.php signs these validators in as a guest under `debugvalidators`. `None`: leave it as it is.
pub fn user_agent(value: &[u8]) -> Option<&'static [u8]> {
    let names = |needle: &[u8]| value.windows(needle.len()).any(|w| w.eq_ignore_ascii_case(needle));
    (names(b"W3C_Validator") || names(b"Cynthia")).then_some(b"Mozilla/5.0 (compatible)")
}

/// What an answer of the LMS's loses on its way out: who the user is, instructions to a web server, hop-by-hop fields
/// and trailers (B6). `Set-Cookie` and `Location` are the gate's, framing is the proxy's, and so are the `Connection` and
/// `Upgrade` of a 101.
pub fn drop_response_header(name: &str) -> bool {
    const EXACT: &[&str] = &[
        "x-moodleuser",
        "x-powered-by",
        "x-sendfile",
        "x-lighttpd-send-file",
        "x-reproxy-url",
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authenticate",
        "proxy-authentication-info",
        "te",
        "trailer",
        "upgrade",
    ];
    let starts = |family: &str| name.get(..family.len()).is_some_and(|start| start.eq_ignore_ascii_case(family));
    is_any(name, EXACT) || starts("x-accel-") || starts("x-vestibule-") || starts("x-v-")
}

fn is_any(name: &str, list: &[&str]) -> bool {
    list.iter().any(|other| other.eq_ignore_ascii_case(name))
}

#[cfg(test)]
#[path = "headers_tests.rs"]
mod tests;

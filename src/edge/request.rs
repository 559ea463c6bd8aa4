//! One reading of a request (design R8): what pingora parsed is held against the raw bytes, and what the gate decides
//! on is this, not the original.

use super::{
    conn::Conn,
    hygiene::{self, BadRequest, Host, Target, canonical_host, parse_cookies, scan_head},
};
use crate::types::{Cidr, ClientAddr, RequestId};
use http::{HeaderMap, HeaderName, Method, Version, header};
use pingora_proxy::Session;
use std::net::IpAddr;

/// A request that has one meaning.
pub struct Incoming {
    pub id: RequestId,
    pub method: Method,
    pub version: Version,
    pub host: Host,
    pub target: Target,
    pub headers: HeaderMap,
    pub client: ClientAddr,
    /// (name, value), bounded.
    pub cookies: Vec<(String, String)>,
}

impl Incoming {
    pub fn read(session: &Session, id: RequestId, limit: usize, trusted: &[Cidr]) -> Result<Self, BadRequest> {
        let head = session.req_header();
        let info = Conn::info(session.digest()).ok_or(BadRequest::with_status(500, "connection"))?;
        let raw = session.as_http1().map(|h1| h1.get_headers_raw_bytes());
        if let Some(raw) = &raw {
            if raw.len() > limit {
                return Err(BadRequest::with_status(431, "head is too large"));
            }
            scan_head(raw)?;
        }
        hygiene::count_fields(head.headers.len())?;
        if matches!(head.method, Method::TRACE | Method::CONNECT) {
            return Err(BadRequest::with_status(405, "method"));
        }
        let host = host(head.uri.authority().map(|a| a.as_str()), &head.headers)?;
        if info.sni.as_ref().is_some_and(|sni| *sni != host.name) {
            return Err(BadRequest::with_status(421, "the TLS name is another site's"));
        }
        // Pingora drops a fragment and re-reads absolute forms; the request line itself says what was asked.
        let line_target = raw.as_ref().and_then(|raw| raw.split(|b| *b == b' ').nth(1));
        let target = Target::parse(line_target.unwrap_or(head.raw_path()), &host, 443)?;
        let cookies = parse_cookies(head.headers.get_all(header::COOKIE).iter().map(|v| v.as_bytes()))?;
        let cookies = cookies.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        Ok(Self {
            id,
            method: head.method.clone(),
            version: head.version,
            host,
            target,
            headers: head.headers.clone(),
            client: client(info.peer.ip(), &head.headers, trusted),
            cookies,
        })
    }

    /// A header's value, if it is there once and is text.
    pub fn header(&self, name: impl Into<HeaderName>) -> Option<&str> {
        let mut values = self.headers.get_all(name.into()).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok(),
            (Some(_), Some(_)) | (None, _) => None,
        }
    }

    /// The one cookie of ours; two of a name count as none (attack D4).
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let mut found = self.cookies.iter().filter(|(n, _)| n == name);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Some(value),
            (Some(_), Some(_)) | (None, _) => None,
        }
    }

    pub fn cookie_pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.cookies.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether a person's browser is going somewhere, so that a redirect to sign-in helps. Everything else gets an
    /// answer a program understands.
    pub fn is_navigation(&self) -> bool {
        match self.header(SEC_FETCH_MODE) {
            Some(mode) => mode == "navigate",
            None => {
                let accepts_html = self.header(header::ACCEPT).is_some_and(|accept| accept.contains("text/html"));
                matches!(self.method, Method::GET | Method::HEAD)
                    && !self.headers.contains_key("x-requested-with")
                    && accepts_html
            }
        }
    }

    /// Whether our own pages may be shown: to a top-level navigation, where the browser says what it is doing
    /// (attacks J5, J19).
    pub fn is_top_level(&self) -> bool {
        let fits = |name, wanted| self.headers.get(name).is_none_or(|value| value == wanted);
        fits(SEC_FETCH_MODE, "navigate") && fits(SEC_FETCH_DEST, "document")
    }

    /// Whether a form came from a page of this very site: `Origin`, else `Referer`; neither is a refusal
    /// (attack D6: login CSRF, since the LMS's own token no longer guards).
    pub fn is_same_origin(&self, public_url: &str) -> bool {
        let site_says = self.headers.get(SEC_FETCH_SITE).is_none_or(|site| site == "same-origin" || site == "none");
        let origin = match self.header(header::ORIGIN) {
            Some(origin) => origin.eq_ignore_ascii_case(public_url),
            None if self.headers.contains_key(header::ORIGIN) => false,
            None => self.header(header::REFERER).is_some_and(|referer| {
                let rest = referer.get(..public_url.len()).filter(|start| start.eq_ignore_ascii_case(public_url));
                rest.is_some() && matches!(referer.as_bytes().get(public_url.len()), None | Some(b'/' | b'?'))
            }),
        };
        site_says && origin
    }

    /// For what every browser sends with an Origin; who sends none is no browser.
    pub fn is_own_or_no_origin(&self, public_url: &str) -> bool {
        !self.headers.contains_key(header::ORIGIN)
            || self.header(header::ORIGIN).is_some_and(|origin| origin.eq_ignore_ascii_case(public_url))
    }
}

pub const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
pub const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
pub const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// `:authority` and Host must name the same (attack A16); one of them must be there.
fn host(authority: Option<&str>, headers: &HeaderMap) -> Result<Host, BadRequest> {
    let mut fields = headers.get_all(header::HOST).iter();
    let field = match (fields.next(), fields.next()) {
        (None, _) => None,
        (Some(value), None) => Some(value.to_str().map_err(|_| BadRequest::new("host"))?),
        (Some(_), Some(_)) => return Err(BadRequest::new("two hosts")),
    };
    match (authority.map(canonical_host).transpose()?, field.map(canonical_host).transpose()?) {
        (Some(authority), Some(field)) if authority.is_same(&field, 443) => Ok(authority),
        (Some(_), Some(_)) => Err(BadRequest::new("authority and host differ")),
        (Some(host), None) | (None, Some(host)) => Ok(host),
        (None, None) => Err(BadRequest::new("no host")),
    }
}

/// The rightmost address of `X-Forwarded-For` that is no trusted proxy, and only if the peer is one (attacks B3, B4).
/// Anything that is no plain address ends the walk at the last address that was sure.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[Cidr]) -> ClientAddr {
    let is_trusted = |ip: IpAddr| trusted.iter().any(|range| range.contains(ClientAddr::new(ip)));
    let mut sure = peer;
    if !is_trusted(peer) {
        return ClientAddr::new(peer);
    }
    let chain: Vec<&str> = headers.get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok()).collect();
    for hop in chain.join(",").rsplit(',').take(50) {
        let Ok(ip) = hop.trim().parse::<IpAddr>() else { break };
        sure = ip;
        if !is_trusted(ip) {
            break;
        }
    }
    ClientAddr::new(sure)
}

/// A short name for a browser or app, from its User-Agent: what lists show. Visible ASCII, 120 characters.
pub fn agent_label(headers: &HeaderMap) -> String {
    let text = headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(120).collect()
}

/// The fields that are sent on, scrubbed (design R7).
pub fn forwarded_headers(
    headers: &HeaderMap,
    rules: &hygiene::HeaderRules,
) -> Result<Vec<(String, Vec<u8>)>, BadRequest> {
    let pairs: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    hygiene::scrub(pairs.into_iter(), rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xff(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", value.parse().unwrap());
        headers
    }

    #[test]
    fn b3_b4_only_a_trusted_peer_speaks_for_another_address() {
        let trusted: Vec<Cidr> = vec!["10.0.0.0/8".parse().unwrap()];
        let of = |peer: &str, chain: &str| client(peer.parse().unwrap(), &xff(chain), &trusted).to_string();
        assert_eq!(of("192.0.2.1", "198.51.100.7"), "192.0.2.1");
        assert_eq!(of("10.0.0.1", "198.51.100.7"), "198.51.100.7");
        assert_eq!(of("10.0.0.1", "127.0.0.1, 198.51.100.7, 10.0.0.2"), "198.51.100.7");
        assert_eq!(of("10.0.0.1", "198.51.100.7, junk"), "10.0.0.1");
        assert_eq!(of("10.0.0.1", "198.51.100.7:443"), "10.0.0.1");
        assert_eq!(of("::ffff:10.0.0.1", "::ffff:198.51.100.7"), "198.51.100.7");
        assert_eq!(of("10.0.0.1", &"10.0.0.3,".repeat(300)), "10.0.0.1");
    }

    #[test]
    fn a16_host_and_authority_must_agree() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "lms.example.org".parse().unwrap());
        assert!(host(Some("lms.example.org:443"), &headers).is_ok());
        assert!(host(Some("other.example.org"), &headers).is_err());
        headers.append(header::HOST, "lms.example.org".parse().unwrap());
        assert!(host(None, &headers).is_err());
        assert!(host(None, &HeaderMap::new()).is_err());
    }
}

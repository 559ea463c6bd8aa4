//! `edge:` in gateway.yaml: where the gateway listens, with which certificates, and how long it waits for anybody.

use crate::types::Cidr;
use serde::Deserialize;
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

/// Limits are per connection unless said otherwise; each has a reason (design R10).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where browsers and apps come in, over TLS.
    pub https: SocketAddr,
    /// Answers plain HTTP with a redirect to https, and with nothing else. `null` for no such listener.
    pub http: Option<SocketAddr>,
    /// Chosen by the name the client asks for (SNI); the first one is shown to clients that name none.
    pub certificates: Vec<Certificate>,
    /// Whose `X-Forwarded-For` is believed. Everybody else's is dropped.
    pub trusted_proxies: Vec<Cidr>,
    /// From the first byte of a request to the end of its head, as a whole: a client cannot drip.
    pub head_timeout_seconds: u64,
    /// Request line and header fields together; more is answered 431.
    pub max_head_bytes: usize,
    /// What the gateway reads of a web-service call before it decides; more is answered 413.
    pub rest_body_bytes: usize,
    /// What the gateway reads of a form of its own or of a sign-in; more is answered 413.
    pub form_body_bytes: usize,
    /// How long the LMS has to accept a connection.
    pub upstream_connect_seconds: u64,
    /// How long the LMS may say nothing in the middle of an answer.
    pub upstream_read_seconds: u64,
    /// How long requests in flight have to end once the gateway was told to stop.
    pub drain_seconds: u64,
    /// Connections of clients at one time; the next ones wait in the kernel's queue.
    pub max_connections: usize,
    /// `max-age` of Strict-Transport-Security (RFC 6797 §6.1.1); 0 leaves the field out.
    pub hsts_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            https: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8443)),
            http: Some(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080))),
            certificates: Vec::new(),
            trusted_proxies: Vec::new(),
            head_timeout_seconds: 10,
            max_head_bytes: 32 * 1024,
            rest_body_bytes: 16 * 1024 * 1024,
            form_body_bytes: 64 * 1024,
            upstream_connect_seconds: 5,
            upstream_read_seconds: 60,
            drain_seconds: 30,
            max_connections: 10_000,
            hsts_seconds: 31_536_000,
        }
    }
}

/// A certificate chain with its private key, both PEM.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// The site's certificate first, then the intermediates.
    pub chain: PathBuf,
    /// PKCS#8, PKCS#1 or SEC1; readable by the gateway's user alone.
    pub key: PathBuf,
}

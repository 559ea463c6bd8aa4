//! Listeners, certificates, proxies, administration.

use crate::config::{
    Config,
    problem::{KeyPath, Problem, at},
};
use std::net::SocketAddr;

pub(super) fn check(config: &Config, found: &mut Vec<Problem>) {
    certificates(config, found);
    addresses(config, found);
    edge_figures(config, found);
    for (n, range) in config.edge.trusted_proxies.iter().enumerate() {
        if range.is_everybody() {
            found.push(Problem::error(
                at("edge.trusted_proxies").index(n),
                "trusts every address there is, so that anybody could name an address of their choice",
                "name the proxies in front of the gateway, such as 10.1.2.3",
            ));
        }
    }
    administration(config, found);
}

fn certificates(config: &Config, found: &mut Vec<Problem>) {
    if config.edge.certificates.is_empty() {
        found.push(Problem::error(
            at("edge.certificates"),
            "no certificate is named",
            "name a chain and its key; `vestibule init` makes certs/localhost.pem and certs/localhost.key to try with",
        ));
    }
}

fn addresses(config: &Config, found: &mut Vec<Problem>) {
    let listeners: Vec<(KeyPath, SocketAddr)> = [
        (at("edge.https"), Some(config.edge.https)),
        (at("edge.http"), config.edge.http),
        (at("admin.listen"), config.admin.listen),
    ]
    .into_iter()
    .filter_map(|(path, address)| Some((path, address?)))
    .collect();
    for (n, (path, address)) in listeners.iter().enumerate() {
        let clash = listeners[..n].iter().find(|(_, other)| overlap(*other, *address));
        if let Some((other, _)) = clash {
            found.push(Problem::error(
                path.clone(),
                format!("{address} is already taken by {other}"),
                "give each listener a port of its own",
            ));
        }
    }
    if let Some(listen) = config.admin.listen.filter(|a| !a.ip().is_loopback()) {
        found.push(Problem::warning(
            at("admin.listen"),
            format!("metrics and health are readable by whoever reaches {listen}, without TLS or password"),
            "listen on 127.0.0.1, or see to it that only monitoring reaches this address",
        ));
    }
    for (n, site) in config.sites.iter().enumerate() {
        let upstream = &site.upstream.url;
        let here = matches!(upstream.host(), "localhost" | "127.0.0.1" | "[::1]");
        if let Some((own, _)) = listeners.iter().find(|(_, l)| here && l.port() == upstream.port()) {
            found.push(Problem::error(
                at("sites").index(n).key("upstream").key("url"),
                format!("{upstream} is the gateway itself ({own}); it would ask itself in circles"),
                "name the address of the LMS",
            ));
        }
    }
}

/// Port 0 is the system's choice and clashes with nothing.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port() && a.port() != 0 && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}

fn edge_figures(config: &Config, found: &mut Vec<Problem>) {
    let edge = &config.edge;
    super::operation::at_least_one(
        found,
        "edge",
        &[
            ("head_timeout_seconds", edge.head_timeout_seconds),
            ("upstream_connect_seconds", edge.upstream_connect_seconds),
            ("upstream_read_seconds", edge.upstream_read_seconds),
            ("max_connections", edge.max_connections as u64),
        ],
    );
    let smallest = [
        ("max_head_bytes", edge.max_head_bytes, 4 * 1024),
        ("rest_body_bytes", edge.rest_body_bytes, 64 * 1024),
        ("form_body_bytes", edge.form_body_bytes, 8 * 1024),
    ];
    for (name, value, least) in smallest {
        if value < least {
            found.push(Problem::error(
                at("edge").key(name),
                format!("{value} bytes are less than ordinary requests of the LMS need"),
                format!("write at least {least}"),
            ));
        }
    }
}

fn administration(config: &Config, found: &mut Vec<Problem>) {
    // sockaddr_un holds 108 bytes with the final NUL.
    if config.admin.socket.as_os_str().len() > 100 {
        found.push(Problem::error(
            at("admin.socket"),
            "the path is longer than a Unix socket's name may be",
            "choose a path of at most 100 bytes",
        ));
    }
}

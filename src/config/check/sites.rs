//! Sites and the names of their headers.

use super::{SHORT_NAME, is_short_name};
use crate::{
    config::{
        Config,
        problem::{KeyPath, Problem, at},
    },
    lms::{SignIn, Site},
    outbound::database::{Fault, Gravity},
    types::Scheme,
};

pub(super) fn check(config: &Config, found: &mut Vec<Problem>) {
    if config.sites.is_empty() {
        found.push(Problem::error(
            at("sites"),
            "no site is named, so there is nothing to stand in front of",
            "add one: - { name: campus, public_url: \"https://lms.example.org\", upstream: { url: \"http://127.0.0.1:8081\" } }",
        ));
    }
    for (n, site) in config.sites.iter().enumerate() {
        let here = at("sites").index(n);
        names(config, n, &here, found);
        one_site(site, &here, found);
        if config.opens_by_header(site) {
            by_header(config, site, &here, found);
        }
        if let Some(groups) = &site.lms.groups {
            let here = here.clone().key("lms").key("groups");
            found.extend(groups.faults().into_iter().map(|fault| groups_fault(&here, fault)));
        }
        headers(site, &here, found);
    }
}

fn groups_fault(here: &KeyPath, fault: Fault) -> Problem {
    let path = fault.key.split('.').filter(|key| !key.is_empty()).fold(here.clone(), KeyPath::key);
    match fault.gravity {
        Gravity::Error => Problem::error(path, fault.what, fault.fix),
        Gravity::Warning => Problem::warning(path, fault.what, fault.fix),
    }
}

fn names(config: &Config, n: usize, here: &KeyPath, found: &mut Vec<Problem>) {
    let site = &config.sites[n];
    let earlier = &config.sites[..n];
    if !is_short_name(site.name.as_str()) {
        found.push(Problem::error(
            here.clone().key("name"),
            format!("\"{}\" cannot be a site's name", site.name),
            SHORT_NAME,
        ));
    }
    if earlier.iter().any(|other| other.name == site.name) {
        found.push(Problem::error(
            here.clone().key("name"),
            format!("there is already a site \"{}\"", site.name),
            "give each site a name of its own",
        ));
    }
    if let Some(other) = earlier.iter().find(|other| other.public_url.host() == site.public_url.host()) {
        found.push(Problem::error(
            here.clone().key("public_url"),
            format!("site \"{}\" already has the host {}", other.name, site.public_url.host()),
            "give each site a host name of its own: browsers share cookies between the ports of one host",
        ));
    }
}

fn one_site(site: &Site, here: &KeyPath, found: &mut Vec<Problem>) {
    if site.public_url.scheme() != Scheme::Https {
        found.push(Problem::error(
            here.clone().key("public_url"),
            format!("{} is not https; the gateway's cookies are never sent over plain HTTP", site.public_url),
            "write https://…, the address that people type (and $CFG->wwwroot in Moodle)",
        ));
    }
    if site.public_url == site.upstream.url {
        found.push(Problem::error(
            here.clone().key("upstream").key("url"),
            "is the same as public_url; the gateway would ask itself in circles",
            "name the address of the LMS behind the gateway",
        ));
    }
}

/// Header sign-in stands on two things that the gateway cannot find out by itself.
fn by_header(config: &Config, site: &Site, here: &KeyPath, found: &mut Vec<Problem>) {
    let source = config.chain.instances.iter().find(|i| i.serves(&site.name) && i.opens_by_header());
    let who = match (site.sign_in, source) {
        (SignIn::Form, Some(source)) => format!(
            "the LMS does not know the passwords of \"{}\" (no `lms_password: same` there), so its users are signed in by a header",
            source.name
        ),
        (SignIn::Header, _) | (SignIn::Form, None) => "`sign_in: header` makes the LMS believe a header".to_owned(),
    };
    if !site.upstream.exclusive {
        found.push(Problem::error(
            here.clone().key("upstream").key("exclusive"),
            format!("{who}; nobody may reach the LMS around the gateway"),
            "see to that (`vestibule check --probe` helps to look), then write `exclusive: true`",
        ));
    }
    if site.lms.users_before.is_none() {
        found.push(Problem::error(
            here.clone().key("lms").key("users_before"),
            format!(
                "{who}; the gateway must know which accounts the LMS had before, and never hands them to a newcomer of \
                 the same name"
            ),
            "ask the LMS's database once, `SELECT MAX(id) FROM mdl_user`, and write `users_before: THAT`; leave it so",
        ));
    }
}

fn headers(site: &Site, here: &KeyPath, found: &mut Vec<Problem>) {
    let all = site.headers.all();
    for (n, (key, name)) in all.iter().enumerate() {
        let path = || here.clone().key("headers").key(key);
        // No `_`: PHP reads `-` and `_` alike, and hygiene drops every field with one (design R7).
        let token = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !token {
            found.push(Problem::error(
                path(),
                format!("\"{name}\" cannot be the name of an identity header"),
                "use letters, digits and hyphens, as in X-Vestibule-User",
            ));
        } else if !name.contains('-') || STANDARD.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            // Every client copy of an identity header is removed: requests could not live without these.
            found.push(Problem::error(
                path(),
                format!("\"{name}\" may mean something else to browsers and servers"),
                "choose a name of its own, such as X-Vestibule-User or Remote-User",
            ));
        }
        if let Some((other, _)) = all[..n].iter().find(|(_, earlier)| earlier.eq_ignore_ascii_case(name)) {
            found.push(Problem::error(
                path(),
                format!("\"{name}\" is already the name for \"{other}\""),
                "give each value a header of its own",
            ));
        }
    }
}

/// Names with a hyphen that belong to HTTP or to the gateway's own doings.
const STANDARD: &[&str] = &[
    "Accept-Charset",
    "Accept-Encoding",
    "Accept-Language",
    "Access-Control-Request-Headers",
    "Access-Control-Request-Method",
    "Cache-Control",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-Location",
    "Content-Range",
    "Content-Type",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Keep-Alive",
    "Max-Forwards",
    "Proxy-Authorization",
    "Proxy-Connection",
    "Sec-Fetch-Dest",
    "Sec-Fetch-Mode",
    "Sec-Fetch-Site",
    "Sec-Fetch-User",
    "Sec-WebSocket-Accept",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Version",
    "Transfer-Encoding",
    "User-Agent",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Proto",
    "X-Real-IP",
    "X-Requested-With",
];

/// A fix that lists what could have been meant.
pub(super) fn known(config: &Config) -> String {
    let names: Vec<&str> = config.sites.iter().map(|site| site.name.as_str()).collect();
    if names.is_empty() { "add it under sites".to_owned() } else { format!("write one of: {}", names.join(", ")) }
}

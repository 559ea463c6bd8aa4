//! Mail and text messages: nothing in the clear without the operator's word, and passwords elsewhere.

use super::operation::within;
use crate::{
    config::{
        Config,
        problem::{Problem, at},
        reference::Reference,
    },
    outbound::{
        mail::{self, Transport},
        sms,
    },
};

pub(super) fn check(config: &Config, found: &mut Vec<Problem>) {
    if let Some(sms) = &config.outbound.sms {
        messages(sms, found);
    }
    let Some(mail) = &config.outbound.mail else { return };
    transport(mail, found);
    credentials(mail, found);
    // Two of them, connecting and one letter, must be over before another node may take the letter up.
    let figures = [
        ("timeout_seconds", mail.timeout_seconds, 1, 120),
        ("per_recipient_per_hour", mail.per_recipient_per_hour.into(), 1, 1000),
    ];
    within(found, "outbound.mail", &figures);
}

fn messages(sms: &sms::Config, found: &mut Vec<Problem>) {
    match (sms.url.is_private(), sms.insecure) {
        (true, false) => {}
        (false, true) => found.push(Problem::warning(
            at("outbound.sms.url"),
            "codes and the secret cross the network in the clear, and anybody on the way can read them",
            "write https://",
        )),
        (false, false) => found.push(Problem::error(
            at("outbound.sms.url"),
            "would send codes in the clear to another machine",
            "write https://; if the network between is yours alone, add insecure: true",
        )),
        (true, true) => found.push(Problem::warning(
            at("outbound.sms.insecure"),
            "changes nothing: this service is spoken to over TLS, or on this machine",
            "leave it out",
        )),
    }
    if let Reference::Inline(_) = Reference::of(&sms.secret) {
        found.push(Problem::error(
            at("outbound.sms.secret"),
            "is the secret itself, and this file is copied and printed",
            "put it into a file of mode 0600 and write secret: \"file:/etc/vestibule/sms-secret\", or env:NAME",
        ));
    }
    // Its reader waits for it, in front of a page.
    within(found, "outbound.sms", &[("timeout_seconds", sms.timeout_seconds, 1, 20)]);
}

fn transport(mail: &mail::Config, found: &mut Vec<Problem>) {
    let server = at("outbound.mail.server");
    match mail.server.transport {
        Transport::Plain if mail.server.is_loopback() => {}
        Transport::Plain if mail.insecure => found.push(Problem::warning(
            server,
            "mail and the password cross the network in the clear, and anybody on the way can change them",
            "write smtp+starttls:// or smtps://",
        )),
        Transport::Plain => found.push(Problem::error(
            server,
            "would send mail in the clear to another machine",
            "write smtp+starttls:// or smtps://; if the network between is yours alone, add insecure: true",
        )),
        Transport::Tls | Transport::StartTls if mail.insecure => found.push(Problem::warning(
            at("outbound.mail.insecure"),
            "changes nothing: this server is spoken to over TLS",
            "leave it out",
        )),
        Transport::Tls | Transport::StartTls => {}
    }
    if mail.server.transport == Transport::Plain && mail.ca_file.is_some() {
        found.push(Problem::error(
            at("outbound.mail.ca_file"),
            "has nothing to verify: this server is spoken to without TLS",
            "write smtp+starttls:// or smtps:// as server, or leave ca_file out",
        ));
    }
}

fn credentials(mail: &mail::Config, found: &mut Vec<Problem>) {
    match (&mail.user, &mail.password) {
        (None, None) => {}
        (Some(_), None) => found.push(Problem::error(
            at("outbound.mail.user"),
            "has no password",
            "add password: \"file:/etc/vestibule/mail-password\", or leave user out",
        )),
        (None, Some(_)) => found.push(Problem::error(
            at("outbound.mail.password"),
            "has no user",
            "add user: …, or leave password out",
        )),
        (Some(_), Some(password)) => {
            if let Reference::Inline(_) = Reference::of(password) {
                // Never repeated: what `check` prints ends up in tickets.
                found.push(Problem::error(
                    at("outbound.mail.password"),
                    "is the password itself, and this file is copied and printed",
                    "put it into a file of mode 0600 and write password: \"file:/etc/vestibule/mail-password\", or env:NAME",
                ));
            }
        }
    }
}

//! What a running gateway cannot exchange: its sockets, its stores, and where it writes.
//!
//! Each section is taken apart without a `..`, so that a key added to one has to be put on one side or the other.

use super::Config;
use crate::{admin, audit, edge, keys, store, telemetry};

/// The keys that are another in `after` and count only from the next start.
pub fn needs_restart(before: &Config, after: &Config) -> Vec<&'static str> {
    let edge::Config {
        https,
        http,
        certificates: _,
        trusted_proxies: _,
        head_timeout_seconds,
        max_head_bytes,
        rest_body_bytes: _,
        form_body_bytes: _,
        upstream_connect_seconds: _,
        upstream_read_seconds: _,
        drain_seconds,
        max_connections,
        hsts_seconds: _,
    } = &after.edge;
    let admin::Config { listen, socket, administrators: _ } = &after.admin;
    let store::Config { state, directory, database, grace_seconds } = &after.store;
    let audit::Config { file, database: copy } = &after.audit;
    let keys::Config { file: ring } = &after.keys;
    let telemetry::Config { log, format } = &after.telemetry;
    let same = [
        ("edge.https", before.edge.https == *https),
        ("edge.http", before.edge.http == *http),
        ("edge.head_timeout_seconds", before.edge.head_timeout_seconds == *head_timeout_seconds),
        ("edge.max_head_bytes", before.edge.max_head_bytes == *max_head_bytes),
        ("edge.drain_seconds", before.edge.drain_seconds == *drain_seconds),
        ("edge.max_connections", before.edge.max_connections == *max_connections),
        ("admin.listen", before.admin.listen == *listen),
        ("admin.socket", before.admin.socket == *socket),
        ("outbound.mail", before.outbound.mail == after.outbound.mail),
        ("outbound.sms", before.outbound.sms == after.outbound.sms),
        ("store.state", before.store.state == *state),
        ("store.directory", before.store.directory == *directory),
        ("store.database", before.store.database == *database),
        ("store.grace_seconds", before.store.grace_seconds == *grace_seconds),
        ("audit.file", before.audit.file == *file),
        ("audit.database", before.audit.database == *copy),
        ("keys.file", before.keys.file == *ring),
        ("telemetry.log", before.telemetry.log == *log),
        ("telemetry.format", before.telemetry.format == *format),
    ];
    same.into_iter().filter(|(_, same)| !same).map(|(key, _)| key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Config {
        serde_yaml::from_str(text).unwrap()
    }

    #[test]
    fn sockets_stores_and_where_is_written_need_a_restart() {
        let after = read(
            "edge: { https: \"127.0.0.1:9\", http: null, hsts_seconds: 1 }\nadmin: { socket: a }\n\
             store: { database: \"sqlite:x\" }\naudit: { file: stdout }\nkeys: { file: k }\ntelemetry: { log: debug }\n\
             outbound: { mail: { server: \"smtps://mail.example.org\", from: a@example.org } }\n",
        );
        let expected = [
            "edge.https",
            "edge.http",
            "admin.socket",
            "outbound.mail",
            "store.database",
            "audit.file",
            "keys.file",
            "telemetry.log",
        ];
        assert_eq!(needs_restart(&Config::default(), &after), expected);
        assert!(needs_restart(&after, &after.clone()).is_empty());
    }

    #[test]
    fn everything_else_may_change_while_it_runs() {
        let after = read(
            "edge: { hsts_seconds: 1, upstream_read_seconds: 9 }\nlimits: { window_minutes: 3 }\n\
             chain: { instances: [ { name: a, kind: lms, site: b } ] }\nmfa: { rules: [ { name: r, stage: required } ] }\n",
        );
        assert!(needs_restart(&Config::default(), &after).is_empty());
    }
}

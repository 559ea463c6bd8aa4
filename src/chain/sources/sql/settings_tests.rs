//! What `check` says about an instance's settings.

use super::*;
use crate::chain::sources::{Settings as _, Severity};

const QUERY: &str =
    "query: SELECT id AS subject FROM u WHERE n = :username\nby_subject: SELECT 1 WHERE :subject = 'a'\n";

fn settings(yaml: &str) -> Settings {
    serde_yaml::from_str(yaml).unwrap()
}

/// The severities and keys of what is found.
fn found(yaml: &str) -> Vec<(Severity, String)> {
    settings(yaml).check().into_iter().map(|finding| (finding.severity, finding.key)).collect()
}

fn with(more: &str) -> Vec<(Severity, String)> {
    found(&format!("{QUERY}{more}"))
}

fn error(key: &str) -> Vec<(Severity, String)> {
    vec![(Severity::Error, key.to_owned())]
}

fn warning(key: &str) -> Vec<(Severity, String)> {
    vec![(Severity::Warning, key.to_owned())]
}

#[test]
fn a_plain_table_is_fine() {
    for database in ["postgres://v@db/x", "mariadb://v@db/x", "sqlite:data/u.db", "env:URL", "file:/run/url"] {
        assert_eq!(with(&format!("database: {database}")), [], "{database}");
    }
}

#[test]
fn a_password_stands_in_no_configuration() {
    assert_eq!(with("database: postgres://v:secret@db/x"), error("database"));
    assert_eq!(with("database: mysql://db/x?password=secret"), error("database"));
    assert_eq!(with("database: postgres://v@db/x\npassword: secret"), error("password"));
    assert_eq!(with("database: postgres://v@db/x\npassword: env:SECRET"), []);
}

#[test]
fn an_unencrypted_way_to_another_machine_is_pointed_out() {
    assert_eq!(with("database: postgres://v@db/x\ntls: off"), warning("tls"));
    assert_eq!(with("database: env:URL\ntls: off"), warning("tls"));
    assert_eq!(with("database: postgres://v@127.0.0.1/x\ntls: off"), []);
    assert_eq!(with("database: postgres://v@db/x?sslmode=disable"), error("database"));
}

#[test]
fn e12_each_format_for_migration_only_is_named_and_none_is_accepted_unasked() {
    let formats = settings(&format!("{QUERY}database: env:U")).hashes;
    assert!(formats.iter().all(|hash| !Format::from(*hash).is_for_migration()) && formats.len() == 6, "{formats:?}");
    let all = with("database: env:U\nhashes: [bcrypt, salted_sha, sha, md5]");
    assert_eq!(all, [warning("hashes"), warning("hashes"), warning("hashes")].concat());
    assert_eq!(with("database: env:U\nhashes: []"), error("hashes"));
}

#[test]
fn the_subject_is_not_the_username_unless_that_is_said() {
    assert_eq!(with("database: env:U\ncolumns: { subject: Login, username: login }"), error("columns.subject"));
    assert_eq!(with("database: env:U\ncolumns: { subject: username }"), error("columns.subject"));
    let said = "database: env:U\ncolumns: { subject: login, username: login }\nsubject_is_username: true";
    assert_eq!(with(said), []);
}

#[test]
fn queries_are_read_for_their_database() {
    let query = |sql: &str| found(&format!("database: sqlite:u.db\nquery: \"{sql}\"\nby_subject: SELECT :subject"));
    assert_eq!(query("SELECT 1; DROP TABLE u"), error("query"));
    assert_eq!(query("SELECT * FROM u WHERE n = '$username'"), error("query"));
    assert_eq!(query("SELECT * FROM u WHERE n = :username"), []);
    assert_eq!(found("database: sqlite:u.db\nquery: SELECT :username"), warning("by_subject"));
}

//! What is said about an `ldap` instance's keys.

use super::*;
use crate::chain::sources::{Settings as _, Severity};

const GOOD: &str = "urls: [\"ldaps://ldap.example.org\"]\n\
                    bind: {dn: \"cn=v,dc=x\", password: \"file:/p\"}\nsearch: {base: \"dc=x\"}\n";

fn settings(yaml: &str) -> Settings {
    serde_yaml::from_str(yaml).unwrap()
}

fn found(yaml: &str) -> Vec<(Severity, String)> {
    settings(yaml).check().into_iter().map(|finding| (finding.severity, finding.key)).collect()
}

fn error(key: &str) -> (Severity, String) {
    (Severity::Error, key.to_owned())
}

fn warning(key: &str) -> (Severity, String) {
    (Severity::Warning, key.to_owned())
}

#[test]
fn a_usual_instance_has_nothing_to_mend() {
    assert_eq!(found(GOOD), []);
    let settings = settings(GOOD);
    assert_eq!(settings.references(), [("bind.password", "file:/p")]);
    assert_eq!(settings.filter(), "(uid={username})");
    assert_eq!(settings.attributes().subject, "entryUUID");
}

#[test]
fn active_directory_has_names_of_its_own() {
    let settings = settings(&format!("{GOOD}directory: active_directory\nattributes: {{email: proxyAddress}}"));
    assert_eq!(settings.check(), []);
    assert!(settings.filter().contains("sAMAccountName={username}"));
    let attributes = settings.attributes();
    assert_eq!((attributes.subject.as_str(), attributes.email.as_str()), ("objectGUID", "proxyAddress"));
}

#[test]
fn e8_a_connection_without_tls_is_refused_or_warned_about() {
    let plain = GOOD.replace("ldaps:", "ldap:");
    assert_eq!(found(&plain), [error("urls")]);
    assert_eq!(found(&format!("{plain}starttls: true")), []);
    assert_eq!(found(&format!("{plain}plaintext: allow")), [warning("urls")]);
    assert_eq!(found(&GOOD.replace("ldaps://", "https://")), [error("urls")]);
    assert_eq!(found(&GOOD.replace("\"ldaps://ldap.example.org\"", "")), [error("urls")]);
}

#[test]
fn a_filter_or_template_for_everybody_alike_is_refused() {
    let filter = |text: &str| GOOD.replace("search: {", &format!("search: {{filter: \"{text}\", "));
    assert_eq!(found(&filter("(uid=mlind)")), [error("search.filter")]);
    assert_eq!(found(&filter("(uid={username}")), [error("search.filter")]);
    assert_eq!(found(&format!("{GOOD}direct: \"uid=mlind,dc=x\"")), [error("direct")]);
    assert_eq!(
        found(&format!("{GOOD}groups: {{from: search, base: dc=x, filter: \"(member=\"}}")),
        [error("groups.filter")]
    );
}

#[test]
fn what_does_not_go_together_is_said() {
    let direct = "urls: [\"ldaps://ldap.example.org\"]\ndirect: \"uid={username},dc=x\"";
    assert_eq!(found(direct), [warning("direct")]);
    assert_eq!(found(&direct.replace("uid={username},dc=x", "{username}@x")), [error("search"), warning("direct")]);
    assert_eq!(found(&format!("{GOOD}groups: {{from: search}}")), [error("groups.base")]);
    assert_eq!(found(&format!("{GOOD}groups: {{from: member_of, nested: true}}")), [error("groups.nested")]);
    assert_eq!(found(&format!("{GOOD}referrals: {{follow: [dc2.example.org]}}")), [warning("referrals.follow")]);
    assert_eq!(found(&GOOD.replace("file:/p", "hunter2")), [error("bind.password")]);
    assert!(serde_yaml::from_str::<Settings>(&format!("{GOOD}verify: false")).is_err(), "there is no such key");
}

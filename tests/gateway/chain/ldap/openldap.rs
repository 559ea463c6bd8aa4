//! The `ldap` source against a real OpenLDAP: who is accepted, who is refused and why, and what is known of them.

use super::{DEADLINE, build, judge};
use crate::directories::{
    Between, Slapd, Way,
    slapd::{GROUPS, PASSWORD, PEOPLE, SERVICE, SERVICE_PASSWORD, dn},
};
use vestibule::{
    chain::{
        Standing,
        sources::{Source, ldap::KIND},
    },
    types::Subject,
};

/// The keys that most instances here share; `more` is added to them.
pub fn yaml(slapd: &Slapd, urls: &[String], more: &str) -> String {
    format!(
        "urls: {urls:?}\nca_file: {:?}\nbind: {{dn: \"{SERVICE}\", password: {SERVICE_PASSWORD}}}\n\
         search: {{base: \"{PEOPLE}\"}}\n{more}\n",
        slapd.ca_file()
    )
}

pub fn source(slapd: &Slapd, urls: &[String], more: &str) -> Source {
    build(KIND, &yaml(slapd, urls, more), DEADLINE).unwrap()
}

fn over_tls(slapd: &Slapd, more: &str) -> Source {
    source(slapd, &[slapd.tls_url()], more)
}

async fn standing(source: &Source, subject: &Subject) -> Standing {
    source.directory.as_ref().unwrap().standing(subject).await.unwrap()
}

#[tokio::test]
async fn a_right_password_says_who_that_is() {
    let slapd = Slapd::start();
    let source = over_tls(&slapd, "groups: {from: member_of, base: \"ou=groups,dc=example,dc=org\"}");
    let judged = judge(&source, "mlind", PASSWORD).await;
    assert_eq!(
        judged.steps(),
        ["connect", "tls", "bind", "search", "connect", "tls", "user bind", "attributes", "verdict"]
    );
    assert!(!judged.notes.iter().any(|(_, said)| said.contains(PASSWORD) || said.contains(SERVICE_PASSWORD)));
    let person = judged.person();
    assert_eq!(person.subject.as_str(), slapd.entry_uuid("mlind"));
    assert_eq!(person.username.as_deref(), Some("mlind"));
    assert_eq!((person.first_name.as_deref(), person.last_name.as_deref()), (Some("Mara"), Some("Lind")));
    assert_eq!(person.name.as_deref(), Some("Mara Lind"));
    assert_eq!(person.email.as_deref(), Some("mlind@example.org"));
    assert_eq!(person.groups, Some(vec!["staff".to_owned()]));
    assert!(person.password_mark.is_some());
    assert_eq!(judge(&source, "mlind", "wrong").await.said(), "declined");
    assert_eq!(judge(&source, "nobody", PASSWORD).await.said(), "declined");
    source.password.unwrap().probe().await.unwrap();
}

#[tokio::test]
async fn starttls_is_as_good_as_ldaps() {
    let slapd = Slapd::start();
    let source = source(&slapd, &[slapd.url()], "starttls: true");
    assert_eq!(judge(&source, "mlind", PASSWORD).await.said(), "ok");
    assert!(slapd.logged("TLS established") >= 2, "both connections were upgraded");
    assert_eq!(slapd.logged("BIND"), slapd.logged("TLS established") * 2, "nobody was bound without (two lines each)");
}

/// The account's state is told only where the password was right. ppolicy answers right and wrong passwords alike where
/// the account is locked or past its end, so there both are DENIED.
#[tokio::test]
async fn e2_the_audit_knows_why_somebody_may_not_sign_in() {
    let slapd = Slapd::start();
    let source = over_tls(&slapd, "");
    for (name, right, wrong) in [
        ("expired", "denied: password expired", "declined"),
        ("mustchange", "denied: password must change", "declined"),
        ("ended", "denied: account expired", "denied: account expired"),
        ("grace", "ok", "declined"),
        ("locked", "denied: account locked", "denied: account locked"),
        ("twin", "denied: ambiguous name", "denied: ambiguous name"),
    ] {
        assert_eq!(judge(&source, name, PASSWORD).await.said(), right, "{name}");
        assert_eq!(judge(&source, name, "wrong").await.said(), wrong, "{name}");
    }
}

#[tokio::test]
async fn too_many_wrong_passwords_lock_and_the_audit_says_so() {
    let slapd = Slapd::start();
    let source = over_tls(&slapd, "");
    for _ in 0..5 {
        assert_eq!(judge(&source, "jroth", "wrong").await.said(), "declined");
    }
    assert_eq!(judge(&source, "jroth", PASSWORD).await.said(), "denied: account locked");
}

/// The same operations on the same number of connections, whether somebody of that name exists or not.
#[tokio::test]
async fn e1_an_unknown_name_costs_what_a_wrong_password_costs() {
    let slapd = Slapd::start();
    let source = over_tls(&slapd, "");
    judge(&source, "mlind", "wrong").await; // the service account's connection is open from here on
    let mut costs = Vec::new();
    for name in ["mlind", "nobody", "twin", "locked"] {
        let before = slapd.log().len();
        judge(&source, name, "wrong").await;
        let log = slapd.log().split_off(before);
        let count = |what: &str| log.lines().filter(|line| line.contains(what)).count();
        costs.push((name, count("ACCEPT"), count(" SRCH base="), count(" BIND dn="), count("TLS established")));
    }
    for (name, accepted, searched, bound, secured) in costs {
        assert_eq!((accepted, searched, bound, secured), (1, 1, 1, 1), "{name}");
    }
}

/// Attack E7. The chain lets none of these names through; the source would not need it to.
#[tokio::test]
async fn e7_what_is_typed_never_becomes_a_filter_or_a_dn() {
    let slapd = Slapd::start();
    let searching = over_tls(&slapd, "");
    let direct = over_tls(&slapd, &format!("direct: \"uid={{username}},{PEOPLE}\""));
    let of_own = build(
        KIND,
        &format!(
            "urls: [\"{}\"]\nca_file: {:?}\ndirect: \"uid={{username}},{PEOPLE}\"",
            slapd.tls_url(),
            slapd.ca_file()
        ),
        DEADLINE,
    )
    .unwrap();
    for name in [
        "*",
        "m*",
        "*)(uid=*",
        "mlind)(|(uid=*",
        "mlind)(objectClass=*",
        "\\2a",
        "mlind\0",
        "mlind,ou=people,dc=example,dc=org",
        "x+uid=mlind",
    ] {
        for source in [&searching, &direct, &of_own] {
            assert_eq!(judge(source, name, PASSWORD).await.said(), "declined", "{name:?}");
        }
    }
    assert_eq!(judge(&direct, "mlind", PASSWORD).await.said(), "ok");
    assert_eq!(judge(&of_own, "mlind", PASSWORD).await.said(), "ok");
}

/// Attack E7: an empty password would be an unauthenticated bind, which a directory may answer with success.
#[tokio::test]
async fn e7_no_bind_is_made_with_what_cannot_be_a_password() {
    let slapd = Slapd::start();
    let searching = over_tls(&slapd, "");
    let direct = over_tls(&slapd, &format!("direct: \"uid={{username}},{PEOPLE}\""));
    let million = "a".repeat(1 << 20);
    for password in ["", "\0", "right-password\0", &million] {
        for source in [&searching, &direct] {
            assert_eq!(judge(source, "mlind", password).await.said(), "declined");
        }
    }
    assert_eq!(slapd.logged(" BIND ") + slapd.logged(" SRCH "), 0, "the directory was not asked at all");
    let empty = yaml(&slapd, &[slapd.tls_url()], "").replace(SERVICE_PASSWORD, "\"\"");
    let refused = build(KIND, &empty, DEADLINE).err().unwrap();
    assert_eq!(refused.key, "bind.password");
}

#[tokio::test]
async fn a_direct_bind_reads_the_entry_of_the_one_who_was_bound() {
    let slapd = Slapd::start();
    let source = build(
        KIND,
        &format!(
            "urls: [\"{}\"]\nca_file: {:?}\ndirect: \"uid={{username}},{PEOPLE}\"",
            slapd.tls_url(),
            slapd.ca_file()
        ),
        DEADLINE,
    )
    .unwrap();
    let person = judge(&source, "mlind", PASSWORD).await.person();
    assert_eq!(person.subject.as_str(), slapd.entry_uuid("mlind"));
    assert_eq!(person.groups, None, "not asked for");
    assert_eq!(judge(&source, "mlind", "wrong").await.said(), "declined");
    assert_eq!(judge(&source, "nobody", PASSWORD).await.said(), "declined");
    assert_eq!(judge(&source, "expired", PASSWORD).await.said(), "denied: password expired");
    assert!(source.directory.is_none(), "without a service account nobody can be asked about");
}

/// A template may bind one person and the filter find another; the entry must open with the same password.
#[tokio::test]
async fn a_direct_bind_does_not_take_somebody_elses_entry() {
    let slapd = Slapd::start();
    slapd.set("jroth", "description", "mlind");
    slapd.set("jroth", "userPassword", "other-password");
    let more = format!("direct: \"uid={{username}},{PEOPLE}\"\nattributes: {{username: uid}}\ngroups: {{from: none}}");
    let yaml = yaml(&slapd, &[slapd.tls_url()], &more)
        .replace("search: {base", "search: {filter: \"(description={username})\", base");
    let source = build(KIND, &yaml, DEADLINE).unwrap();
    assert_eq!(judge(&source, "mlind", PASSWORD).await.said(), "denied: ambiguous name");
}

#[tokio::test]
async fn groups_are_searched_where_the_entry_does_not_name_them() {
    let slapd = Slapd::start();
    let elsewhere = format!("ou=clubs,{GROUPS}");
    slapd.add(&format!("dn: {elsewhere}\nobjectClass: organizationalUnit\nou: clubs"));
    slapd.add(&format!("dn: cn=staff,{elsewhere}\nobjectClass: groupOfNames\ncn: staff\nmember: {}", dn("jroth")));
    let source = over_tls(&slapd, &format!("groups: {{from: search, base: \"{GROUPS}\"}}"));
    let groups = |judged: super::Judged| judged.person().groups.unwrap();
    assert_eq!(groups(judge(&source, "mlind", PASSWORD).await), ["staff"]);
    // Whoever may make groups in a corner of the tree does not make themselves staff.
    assert_eq!(groups(judge(&source, "jroth", PASSWORD).await), [format!("cn=staff,{elsewhere}")]);
}

#[tokio::test]
async fn d10_a_leaver_is_noticed_without_a_password() {
    let slapd = Slapd::start();
    let source = over_tls(&slapd, "");
    let before = judge(&source, "mlind", PASSWORD).await.person();
    let subject = before.subject.clone();

    slapd.rename("mlind", "mara.lind");
    let Standing::Active(renamed) = standing(&source, &subject).await else { panic!("a new name is no new person") };
    assert_eq!((renamed.subject, renamed.username.as_deref()), (subject.clone(), Some("mara.lind")));
    assert_eq!(renamed.password_mark, before.password_mark);

    slapd.set_password("mara.lind", "another-password");
    let Standing::Active(changed) = standing(&source, &subject).await else { panic!("still there") };
    assert_ne!(changed.password_mark, before.password_mark, "the mark moves with the password");

    slapd.disable("mara.lind");
    assert!(matches!(standing(&source, &subject).await, Standing::Barred("account locked")));
    slapd.enable("mara.lind");
    assert!(matches!(standing(&source, &subject).await, Standing::Active(_)));

    slapd.remove("mara.lind");
    assert!(matches!(standing(&source, &subject).await, Standing::Unknown));
    assert!(matches!(standing(&source, &Subject::new("*")).await, Standing::Unknown));
}

/// Somebody who is no longer in the group that the filter asks for has left, and is not unknown.
#[tokio::test]
async fn d10_whom_the_filter_no_longer_matches_is_barred() {
    let slapd = Slapd::start();
    slapd.set("mlind", "employeeType", "staff");
    let yaml = yaml(&slapd, &[slapd.tls_url()], "")
        .replace("search: {base", "search: {filter: \"(&(uid={username})(employeeType=staff))\", base");
    let source = build(KIND, &yaml, DEADLINE).unwrap();
    let subject = judge(&source, "mlind", PASSWORD).await.person().subject;
    assert!(matches!(standing(&source, &subject).await, Standing::Active(_)));
    slapd.set("mlind", "employeeType", "former");
    assert!(matches!(standing(&source, &subject).await, Standing::Barred("no longer matched by the filter")));
    assert_eq!(judge(&source, "mlind", PASSWORD).await.said(), "declined");
}

#[tokio::test]
async fn a_name_is_found_without_a_password() {
    let slapd = Slapd::start();
    let directory = over_tls(&slapd, "").directory.unwrap();
    let found = directory.find("mlind").await.unwrap().unwrap();
    assert_eq!(found.subject.as_str(), slapd.entry_uuid("mlind"));
    assert!(directory.find("nobody").await.unwrap().is_none());
    assert!(directory.find("twin").await.is_err());
}

#[tokio::test]
async fn the_service_accounts_connection_is_kept_and_survives_a_restart_of_the_directory() {
    let mut slapd = Slapd::start();
    let source = over_tls(&slapd, "");
    for _ in 0..5 {
        assert_eq!(judge(&source, "mlind", PASSWORD).await.said(), "ok");
    }
    let service_binds = |slapd: &Slapd| slapd.logged(&format!("BIND dn=\"{SERVICE}\" method"));
    assert_eq!(service_binds(&slapd), 1);
    slapd.restart();
    assert_eq!(judge(&source, "mlind", PASSWORD).await.said(), "ok", "nobody notices");
    assert_eq!(service_binds(&slapd), 2);
}

#[tokio::test]
async fn the_service_account_is_searched_with_and_never_a_person() {
    let slapd = Slapd::start();
    let between = Between::start(slapd.port(), Way::Pass).await;
    let source = source(&slapd, &[between.url()], "plaintext: allow");
    for _ in 0..3 {
        assert_eq!(judge(&source, "mlind", PASSWORD).await.said(), "ok");
    }
    assert_eq!(between.connections(), 4, "one for searches, and one for each person's bind");
    let log = slapd.log();
    let bound_as_person: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("BIND dn=\"uid=mlind"))
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with("conn=")))
        .collect();
    assert!(!bound_as_person.is_empty());
    let searched = |conn: &str| log.lines().any(|line| line.contains(&format!("{conn} ")) && line.contains("SRCH"));
    assert!(!bound_as_person.iter().any(|conn| searched(conn)));
}

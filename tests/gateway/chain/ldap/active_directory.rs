//! The `ldap` source against Active Directory, as Samba is one: nested groups, sub-codes, `objectGUID`.

use super::{DEADLINE, build, judge};
use crate::directories::{
    Samba,
    samba::{ADMIN, ADMIN_PASSWORD, GROUPS, PASSWORD, SUFFIX},
};
use std::{io::Write, sync::OnceLock};
use vestibule::{
    chain::{
        Standing,
        sources::{Source, ldap::KIND},
    },
    types::Subject,
};

/// One domain for all tests here: provisioning takes seconds. Each test has people of its own in it.
fn domain() -> Option<&'static Samba> {
    static DOMAIN: OnceLock<Result<Samba, String>> = OnceLock::new();
    match DOMAIN.get_or_init(|| Samba::start().inspect(prepare)) {
        Ok(samba) => Some(samba),
        Err(reason) => {
            // Not by `println!`, which the test harness keeps to itself where a test passes.
            let _ = writeln!(std::io::stderr(), "skipped: {reason}");
            None
        }
    }
}

fn prepare(samba: &Samba) {
    samba.tool(&["domain", "passwordsettings", "set", "--account-lockout-threshold=3", "--min-pwd-age=0"]);
    samba.tool(&["ou", "create", GROUPS]);
}

fn source(samba: &Samba, urls: &str, more: &str) -> Source {
    let ca = samba.ca_file();
    let yaml = format!(
        "urls: [\"{urls}\"]\nca_file: {ca:?}\ndirectory: active_directory\n\
         bind: {{dn: \"{ADMIN}\", password: {ADMIN_PASSWORD}}}\nsearch: {{base: \"{SUFFIX}\"}}\n{more}"
    );
    build(KIND, &yaml, DEADLINE).unwrap()
}

#[tokio::test]
async fn somebody_of_active_directory_is_known_by_guid() {
    let Some(samba) = domain() else { return };
    samba.add("mara", "Mara", "Lind");
    for (url, more) in [(samba.tls_url(), ""), (samba.url(), "starttls: true")] {
        let source = source(samba, &url, more);
        let person = judge(&source, "mara", PASSWORD).await.person();
        let shown = samba.tool(&["user", "show", "mara", "--attributes=objectGUID"]);
        let guid = shown.lines().find_map(|line| line.strip_prefix("objectGUID: ")).unwrap();
        assert_eq!(person.subject.as_str(), guid);
        assert_eq!(person.username.as_deref(), Some("mara"));
        assert_eq!(person.name.as_deref(), Some("Mara Lind"));
        assert_eq!(person.email.as_deref(), Some("mara@example.org"));
        assert_eq!(judge(&source, "mara", "Wrong-password").await.said(), "declined");
        assert_eq!(judge(&source, "nobody", PASSWORD).await.said(), "declined");
    }
}

#[tokio::test]
async fn e2_active_directory_says_why_and_only_after_a_right_password() {
    let Some(samba) = domain() else { return };
    for name in ["disabled", "mustchange", "ended", "lockedout"] {
        samba.add(name, "Some", name); // two people of one name cannot share a container
    }
    samba.tool(&["user", "disable", "disabled"]);
    let new = format!("--newpassword={PASSWORD}");
    samba.tool(&["user", "setpassword", "mustchange", &new, "--must-change-at-next-login"]);
    samba.tool(&["user", "setexpiry", "ended", "--days=-1"]);
    let searching = source(samba, &samba.tls_url(), "");
    let direct = source(samba, &samba.tls_url(), "direct: \"{username}@vestibule.test\"");
    for (name, right) in [
        ("disabled", "denied: account disabled"),
        ("mustchange", "denied: password must change"),
        ("ended", "denied: account expired"),
    ] {
        for source in [&searching, &direct] {
            assert_eq!(judge(source, name, PASSWORD).await.said(), right, "{name}");
        }
        assert_eq!(judge(&searching, name, "Wrong-password").await.said(), "declined", "{name}");
    }
    for _ in 0..3 {
        assert_eq!(judge(&searching, "lockedout", "Wrong-password").await.said(), "declined");
    }
    assert_eq!(judge(&searching, "lockedout", PASSWORD).await.said(), "denied: account locked");
}

#[tokio::test]
async fn a_user_principal_name_is_bound_directly_and_the_entry_proven() {
    let Some(samba) = domain() else { return };
    samba.add("direct", "Di", "Rect");
    let source = source(samba, &samba.tls_url(), "direct: \"{username}@vestibule.test\"");
    let judged = judge(&source, "direct", PASSWORD).await;
    assert_eq!(judged.steps().iter().filter(|step| **step == "user bind").count(), 2, "as typed, and as the entry");
    assert_eq!(judged.person().username.as_deref(), Some("direct"));
    assert_eq!(judge(&source, "direct", "Wrong-password").await.said(), "declined");
    assert_eq!(judge(&source, "nobody", PASSWORD).await.said(), "declined");
}

#[tokio::test]
async fn groups_of_groups_are_found() {
    let Some(samba) = domain() else { return };
    samba.add("nested", "Nes", "Ted");
    let ou = "--groupou=OU=Groups";
    for group in ["Lecturers", "Physics"] {
        samba.tool(&["group", "add", group, ou]);
    }
    samba.tool(&["group", "addmembers", "Physics", "nested"]);
    samba.tool(&["group", "addmembers", "Lecturers", "Physics"]);
    let groups = |judged: super::Judged| judged.person().groups.unwrap();
    let own = source(samba, &samba.tls_url(), &format!("groups: {{from: member_of, base: \"{GROUPS}\"}}"));
    assert_eq!(groups(judge(&own, "nested", PASSWORD).await), ["Physics"]);
    let all = format!("groups: {{from: search, base: \"{GROUPS}\", nested: true}}");
    let all = source(samba, &samba.tls_url(), &all);
    assert_eq!(groups(judge(&all, "nested", PASSWORD).await), ["Lecturers", "Physics"]);
}

#[tokio::test]
async fn d10_a_leaver_of_active_directory_is_noticed() {
    let Some(samba) = domain() else { return };
    samba.add("leaver", "Lea", "Ver");
    let source = source(samba, &samba.tls_url(), "");
    let before = judge(&source, "leaver", PASSWORD).await.person();
    let directory = source.directory.as_ref().unwrap();
    samba.tool(&["user", "setpassword", "leaver", "--newpassword=An0ther-password"]);
    let Standing::Active(after) = directory.standing(&before.subject).await.unwrap() else { panic!("still there") };
    assert_ne!(after.password_mark, before.password_mark);
    samba.tool(&["user", "disable", "leaver"]);
    let standing = directory.standing(&before.subject).await.unwrap();
    assert!(matches!(standing, Standing::Barred("account disabled")), "{standing:?}");
    samba.tool(&["user", "delete", "leaver"]);
    assert!(matches!(directory.standing(&before.subject).await.unwrap(), Standing::Unknown));
    assert!(matches!(directory.standing(&Subject::new("no guid")).await.unwrap(), Standing::Unknown));
}

/// Active Directory refers to its own partitions in every search from its root; it is asked not to.
#[tokio::test]
async fn an_unknown_name_is_declined_and_no_error_where_the_whole_domain_is_searched() {
    let Some(samba) = domain() else { return };
    let source = source(samba, &samba.tls_url(), "");
    assert_eq!(judge(&source, "nobody", PASSWORD).await.said(), "declined");
    // A name of the domain that is no person.
    assert_eq!(judge(&source, "dc1$", PASSWORD).await.said(), "declined");
    assert_eq!(judge(&source, "Domain Users", PASSWORD).await.said(), "declined");
}

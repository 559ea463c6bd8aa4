//! X8 and E8: directories that hang, drip, break off, lie about who they are, or send people elsewhere. Each ends in
//! ERROR within the instance's deadline, never in OK and never in DECLINED.

use super::{
    Judged, build, judge,
    openldap::{source, yaml},
};
use crate::directories::{
    Authority, Between, Certificate, Slapd, Way,
    slapd::{PASSWORD, PEOPLE, SUFFIX},
};
use std::time::{Duration, Instant};
use vestibule::chain::sources::{Source, ldap::KIND};

/// Shorter than the real one, so that the tests are; and what two busy cores add to it.
const DEADLINE: Duration = Duration::from_millis(1500);
const MARGIN: Duration = Duration::from_millis(500);

fn plain(slapd: &Slapd, urls: &[String], more: &str) -> Source {
    build(KIND, &yaml(slapd, urls, &format!("plaintext: allow\n{more}")), DEADLINE).unwrap()
}

fn quick(slapd: &Slapd, urls: &[String], more: &str) -> Source {
    build(KIND, &yaml(slapd, urls, more), DEADLINE).unwrap()
}

fn is_error(judged: &Judged) -> bool {
    judged.verdict.name() == "error"
}

async fn ends_in_error_in_time(source: &Source, what: &str) {
    let started = Instant::now();
    let judged = judge(source, "mlind", PASSWORD).await;
    assert!(is_error(&judged), "{what}: {}", judged.said());
    assert!(started.elapsed() < DEADLINE + MARGIN, "{what} took {:?}", started.elapsed());
}

#[tokio::test]
async fn x8_a_directory_that_hangs_is_an_error_at_the_deadline_wherever_it_hangs() {
    let slapd = Slapd::start();
    let direct = format!("direct: \"uid={{username}},{PEOPLE}\"");
    for answers in 0..3 {
        // 0: before the service account's bind. 1: after it. 2: in the middle of the search.
        let between = Between::start(slapd.port(), Way::HangAfter(answers)).await;
        let searching = plain(&slapd, &[between.url()], "");
        ends_in_error_in_time(&searching, &format!("hang after {answers} answers")).await;
        if answers < 2 {
            ends_in_error_in_time(&plain(&slapd, &[between.url()], &direct), "a direct bind").await;
        }
        if answers == 0 {
            ends_in_error_in_time(&quick(&slapd, &[between.tls_url()], ""), "the handshake").await;
            ends_in_error_in_time(&quick(&slapd, &[between.url()], "starttls: true"), "StartTLS").await;
        }
    }
}

#[tokio::test]
async fn x8_a_byte_a_second_is_no_answer() {
    let slapd = Slapd::start();
    let between = Between::start(slapd.port(), Way::Drip).await;
    ends_in_error_in_time(&plain(&slapd, &[between.url()], ""), "one byte a second").await;
    ends_in_error_in_time(&quick(&slapd, &[between.url()], "starttls: true"), "one byte a second of TLS").await;
}

#[tokio::test]
async fn x8_a_reset_in_the_middle_of_a_search_is_an_error() {
    let slapd = Slapd::start();
    for answers in [0, 1, 2] {
        let between = Between::start(slapd.port(), Way::ResetAfter(answers)).await;
        let judged = judge(&plain(&slapd, &[between.url()], ""), "mlind", PASSWORD).await;
        assert!(is_error(&judged), "reset after {answers}: {}", judged.said());
        assert!(judged.said().contains("broke") || judged.said().contains("TLS"), "{}", judged.said());
    }
}

#[tokio::test]
async fn x8_a_frozen_directory_is_an_error_and_recovers_by_itself() {
    let slapd = Slapd::start();
    let source = quick(&slapd, &[slapd.tls_url()], "");
    assert_eq!(judge(&source, "mlind", PASSWORD).await.said(), "ok");
    slapd.pause();
    ends_in_error_in_time(&source, "frozen, on a kept connection").await;
    ends_in_error_in_time(&source, "frozen, on a new one").await;
    assert!(source.password.as_ref().unwrap().probe().await.is_err());
    slapd.resume();
    source.password.as_ref().unwrap().probe().await.unwrap();
    assert_eq!(judge(&source, "mlind", PASSWORD).await.said(), "ok");
}

#[tokio::test]
async fn a_dead_directory_is_an_error_at_once_and_good_again_when_it_is_back() {
    let mut slapd = Slapd::start();
    let source = quick(&slapd, &[slapd.tls_url()], "");
    assert_eq!(judge(&source, "mlind", PASSWORD).await.said(), "ok");
    slapd.kill();
    let started = Instant::now();
    let judged = judge(&source, "mlind", PASSWORD).await;
    assert!(is_error(&judged) && judged.said().contains("no connection"), "{}", judged.said());
    assert!(started.elapsed() < DEADLINE / 2, "nobody waits for a server that is not there");
    slapd.restart();
    assert_eq!(judge(&source, "mlind", PASSWORD).await.said(), "ok");
}

#[tokio::test]
async fn x8_the_next_server_is_asked_and_the_dead_one_set_aside() {
    let slapd = Slapd::start();
    let hangs = Between::start(slapd.port(), Way::HangAfter(0)).await;
    let source = plain(&slapd, &[hangs.url(), slapd.url()], "");
    assert_eq!(judge(&source, "mlind", PASSWORD).await.said(), "ok");
    let asked = hangs.connections();
    assert_eq!(asked, 1);
    for _ in 0..3 {
        assert_eq!(judge(&source, "jroth", PASSWORD).await.said(), "ok");
    }
    assert_eq!(hangs.connections(), asked, "nobody waits for it again soon");

    // Nor does a direct bind: the password goes to the first server that answers.
    let direct = plain(&slapd, &[hangs.url(), slapd.url()], &format!("direct: \"uid={{username}},{PEOPLE}\""));
    assert_eq!(judge(&direct, "mlind", PASSWORD).await.said(), "ok");
}

#[tokio::test]
async fn x8_a_filter_that_finds_ten_thousand_reads_two() {
    let slapd = Slapd::with_crowd(10_000);
    let keys = yaml(&slapd, &[slapd.tls_url()], "").replace(PEOPLE, SUFFIX);
    let keys = keys.replace("search: {base", "search: {filter: \"(|(uid={username})(description=crowd))\", base");
    let source = build(KIND, &keys, DEADLINE).unwrap();
    let started = Instant::now();
    assert_eq!(judge(&source, "mlind", PASSWORD).await.said(), "denied: ambiguous name");
    assert!(started.elapsed() < DEADLINE);
    assert!(slapd.log().contains("nentries=2"), "the directory stopped there itself");
}

/// A directory that ignores the limits is left after the third entry.
#[tokio::test]
async fn x8_a_directory_that_never_stops_sending_is_left() {
    let slapd = Slapd::start();
    let bound = b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00".to_vec();
    let entry = b"\x30\x11\x02\x01\x02\x64\x0c\x04\x04cn=a\x30\x04\x30\x02\x04\x00".to_vec();
    // The entry's only attribute has no values: malformed, and no reason to panic.
    let between = Between::start(slapd.port(), Way::Answer(vec![bound.clone(), entry.repeat(10_000)])).await;
    ends_in_error_in_time(&plain(&slapd, &[between.url()], ""), "malformed entries").await;

    let entry = b"\x30\x0d\x02\x01\x02\x64\x08\x04\x04cn=a\x30\x00".to_vec();
    let between = Between::start(slapd.port(), Way::Answer(vec![bound.clone(), entry.repeat(10_000)])).await;
    let judged = judge(&plain(&slapd, &[between.url()], ""), "mlind", PASSWORD).await;
    assert!(is_error(&judged), "the bind after it is never answered: {}", judged.said());
    assert!(judged.notes.iter().any(|(_, said)| said.contains("1 found cn=a and more")), "{:?}", judged.notes);
}

/// What a directory sends is outside input: none of it may end more than its own connection.
#[tokio::test]
async fn x8_answers_that_are_no_ldap_end_the_connection_and_nothing_else() {
    let slapd = Slapd::start();
    let mut nested = vec![0x05, 0x00];
    for _ in 0..50_000 {
        let length = nested.len();
        let mut outer = vec![0x30, 0x83, (length >> 16) as u8, (length >> 8) as u8, length as u8];
        outer.append(&mut nested);
        nested = outer;
    }
    for (what, answer) in [
        ("nested fifty thousand deep", nested),
        ("no BER", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        ("a length of two gigabytes", b"\x30\x84\x7f\xff\xff\xff\x02\x01\x01".to_vec()),
        ("no message id", b"\x30\x02\x05\x00".to_vec()),
        ("an empty message", b"\x30\x00".to_vec()),
        ("a result without a code", b"\x30\x05\x02\x01\x01\x61\x00".to_vec()),
        (
            "a result whose text is no text",
            b"\x30\x0e\x02\x01\x01\x61\x09\x0a\x01\x31\x04\x00\x04\x02\xff\xfe".to_vec(),
        ),
        ("another operation's answer", b"\x30\x0c\x02\x01\x07\x61\x07\x0a\x01\x00\x04\x00\x04\x00".to_vec()),
    ] {
        let between = Between::start(slapd.port(), Way::Answer(vec![answer])).await;
        ends_in_error_in_time(&plain(&slapd, &[between.url()], ""), what).await;
    }
}

#[tokio::test]
async fn e8_a_certificate_that_is_not_the_directorys_is_an_error() {
    for certificate in [Certificate::Expired, Certificate::OtherName] {
        let slapd = Slapd::with_certificate(certificate);
        for (urls, more) in [([slapd.tls_url()], ""), ([slapd.url()], "starttls: true")] {
            let judged = judge(&source(&slapd, &urls, more), "mlind", PASSWORD).await;
            assert!(judged.said().contains("TLS: "), "{certificate:?}: {}", judged.said());
            assert!(is_error(&judged));
        }
        assert_eq!(slapd.logged(" BIND "), 0, "no password was sent");
    }
    // Signed by somebody else than the CA that is trusted.
    let slapd = Slapd::start();
    let elsewhere = crate::servers::Scratch::new("ca");
    let other = Authority::new().ca_file(elsewhere.path());
    let keys = yaml(&slapd, &[slapd.tls_url()], "");
    let keys = keys.replace(slapd.ca_file().to_str().unwrap(), other.to_str().unwrap());
    let judged = judge(&build(KIND, &keys, DEADLINE).unwrap(), "mlind", PASSWORD).await;
    assert!(is_error(&judged) && judged.said().contains("TLS: "), "{}", judged.said());
}

/// Without a CA of one's own only public ones are trusted: a private directory's certificate is refused.
#[tokio::test]
async fn e8_no_ca_file_does_not_mean_any_ca() {
    let slapd = Slapd::start();
    let keys = yaml(&slapd, &[slapd.tls_url()], "");
    let keys: Vec<&str> = keys.lines().filter(|line| !line.starts_with("ca_file")).collect();
    assert!(is_error(&judge(&build(KIND, &keys.join("\n"), DEADLINE).unwrap(), "mlind", PASSWORD).await));
}

#[tokio::test]
async fn e8_starttls_that_is_stripped_or_spoken_into_is_an_error() {
    let slapd = Slapd::start();
    let refused = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\x00\x04\x00".to_vec();
    let mut injected = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00".to_vec();
    injected.extend(b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00");
    for (what, answer) in [("refused", refused), ("spoken into", injected)] {
        let between = Between::start(slapd.port(), Way::Answer(vec![answer])).await;
        let judged = judge(&quick(&slapd, &[between.url()], "starttls: true"), "mlind", PASSWORD).await;
        assert!(is_error(&judged) && judged.said().contains("StartTLS"), "{what}: {}", judged.said());
    }
}

/// A referral to a host that nobody named: not followed, no password sent there, and neither OK nor DECLINED.
#[tokio::test]
async fn e8_a_referral_elsewhere_is_not_followed() {
    let (slapd, attacker) = (Slapd::start(), Slapd::start());
    let watched = Between::start(attacker.port(), Way::Pass).await;
    slapd.refer(&format!("{}/{PEOPLE}", watched.url()));
    let abroad = format!("ou=abroad,{SUFFIX}");
    for base in [abroad.as_str(), SUFFIX] {
        let keys = yaml(&slapd, &[slapd.url()], "plaintext: allow").replace(PEOPLE, base);
        let judged = judge(&build(KIND, &keys, DEADLINE).unwrap(), "nobody", PASSWORD).await;
        assert!(is_error(&judged) && judged.said().contains("refers"), "{base}: {}", judged.said());
    }
    // Who is found here is not affected by what lies elsewhere.
    let keys = yaml(&slapd, &[slapd.url()], "plaintext: allow").replace(PEOPLE, SUFFIX);
    assert_eq!(judge(&build(KIND, &keys, DEADLINE).unwrap(), "mlind", PASSWORD).await.said(), "ok");
    // A person's own bind may be answered with a referral too.
    let mut referred = b"\x30\x1e\x02\x01\x01\x61\x19\x0a\x01\x0a\x04\x00\x04\x00\xa3\x10\x04\x0e".to_vec();
    referred.extend(b"ldap://evil/o=");
    let between = Between::start(slapd.port(), Way::Answer(vec![referred])).await;
    let direct = plain(&slapd, &[between.url()], &format!("direct: \"uid={{username}},{PEOPLE}\""));
    let judged = judge(&direct, "mlind", PASSWORD).await;
    assert!(is_error(&judged) && judged.said().contains("result code 10"), "{}", judged.said());
    assert_eq!(watched.connections(), 0);
    assert_eq!(attacker.logged(" BIND "), 0);
}

#[tokio::test]
async fn a_referral_to_a_named_host_is_followed() {
    let (here, there) = (Slapd::start(), Slapd::start());
    here.refer(&format!("{}/{PEOPLE}", there.url()));
    let keys = yaml(&here, &[here.url()], "plaintext: allow\nreferrals: {follow: [\"127.0.0.1\"]}");
    let source = build(KIND, &keys.replace(PEOPLE, &format!("ou=abroad,{SUFFIX}")), DEADLINE).unwrap();
    let person = judge(&source, "mlind", PASSWORD).await.person();
    assert_eq!(person.subject.as_str(), there.entry_uuid("mlind"));
    assert_eq!(judge(&source, "mlind", "wrong").await.said(), "declined");
    assert_eq!(judge(&source, "nobody", PASSWORD).await.said(), "declined");
}

#[tokio::test]
async fn x8_a_referral_loop_is_an_error() {
    let (here, there) = (Slapd::start(), Slapd::start());
    let abroad = format!("ou=abroad,{SUFFIX}");
    here.refer(&format!("{}/{abroad}", there.url()));
    there.refer(&format!("{}/{abroad}", here.url()));
    let keys = yaml(&here, &[here.url()], "plaintext: allow\nreferrals: {follow: [\"127.0.0.1\"]}");
    let source = build(KIND, &keys.replace(PEOPLE, &abroad), DEADLINE).unwrap();
    let judged = judge(&source, "mlind", PASSWORD).await;
    assert!(is_error(&judged) && judged.said().contains("on and on"), "{}", judged.said());
}

/// What is the operator's mistake says so, and is no verdict on anybody.
#[tokio::test]
async fn a_wrong_service_password_or_base_is_an_error_that_names_itself() {
    let slapd = Slapd::start();
    let keys = yaml(&slapd, &[slapd.tls_url()], "");
    let wrong = build(KIND, &keys.replace("service-secret", "wrong"), DEADLINE).unwrap();
    let said = judge(&wrong, "mlind", PASSWORD).await.said();
    assert!(said.contains("the service account's bind was answered with result code 49"), "{said}");
    assert!(!said.contains("wrong") && !said.contains(PASSWORD));
    assert!(wrong.password.unwrap().probe().await.is_err());
    let nowhere = build(KIND, &keys.replace(PEOPLE, "ou=nowhere,dc=example,dc=org"), DEADLINE).unwrap();
    let said = judge(&nowhere, "mlind", PASSWORD).await.said();
    assert!(said.contains("the search was answered with result code 32"), "{said}");
}

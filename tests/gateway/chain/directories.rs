//! Issue B's stories with real directories in the chain.

use super::{
    ldap::openldap::yaml,
    school::{SQL_PASSWORD, Table, by_header, trust},
    stories::at_both_doors,
};
use crate::{
    browser::{PASSWORD as LMS_PASSWORD, administer, is_in},
    directories::{Slapd, slapd::PASSWORD},
    people::{Browser, MoodleApp},
    servers::until,
    world::World,
};
use http::StatusCode;
use std::time::{Duration, Instant};
use vestibule::{
    admin::{AccountCommand, Command, HashText, LocalUser, NewLocal, Reply},
    chain::{config::Instance, password},
    types::{Password, SystemRng},
};

fn directory(slapd: &Slapd, name: &str, more: &str) -> Instance {
    let text = format!("name: {name}\nkind: ldap\n{}", yaml(slapd, &[slapd.tls_url()], more));
    serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn local(name: &str) -> Instance {
    serde_yaml::from_str(&format!("{{ name: {name}, kind: local }}")).unwrap()
}

async fn add_local(world: &World, source: &str, user: &str, text: &str) {
    let hash = password::new_hash(&Password::new(text.to_owned()), &SystemRng);
    let who = LocalUser { source: source.into(), user: user.into() };
    let hash = Some(HashText::new(hash));
    let new = NewLocal {
        who,
        name: Some("Local Person".into()),
        email: Some(format!("{user}@example.org")),
        password_stdin: false,
        hash,
    };
    administer(world, Command::Account(AccountCommand::Add(new))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_directories_a_table_local_accounts_and_the_lms_sign_in_at_both_doors() {
    let (staff, students) = (Slapd::start(), Slapd::start());
    let table = Table::of(&[("o1", "olduser", "old@example.org")]).await;
    let world = World::with(|config| {
        by_header(config);
        let lms = config.chain.instances.remove(0);
        config.chain.instances = vec![
            directory(&staff, "staff", ""),
            directory(&students, "students", "username_suffix: \"@student\""),
            table.instance("old", ""),
            local("desk"),
            lms,
        ];
    })
    .await;
    trust(&world);
    add_local(&world, "desk", "front.desk", "a long enough sentence").await;
    let mut ids = Vec::new();
    for (name, password) in [
        ("mlind", PASSWORD),
        ("mlind@student", PASSWORD),
        ("olduser", SQL_PASSWORD),
        ("front.desk", "a long enough sentence"),
        ("student1", LMS_PASSWORD),
    ] {
        ids.push(at_both_doors(&world, name, password).await);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 5, "five people");
}

/// Must show 2: a frozen directory costs its own users an honest refusal, and everybody else nothing.
#[tokio::test(flavor = "multi_thread")]
async fn x8_x9_a_frozen_directory_costs_others_nothing_once_its_breaker_is_open() {
    let slapd = Slapd::start();
    let table = Table::of(&[("o1", "olduser", "old@example.org")]).await;
    let world = World::with(|config| {
        by_header(config);
        config.chain.instances = vec![directory(&slapd, "staff", "deadline_seconds: 1"), table.instance("old", "")];
    })
    .await;
    trust(&world);
    for (name, password) in [("mlind", PASSWORD), ("olduser", SQL_PASSWORD)] {
        at_both_doors(&world, name, password).await;
    }
    slapd.pause();
    // Strangers ask the frozen one, until nobody does any more.
    let mut longest = Duration::ZERO;
    for n in 0..6 {
        let began = Instant::now();
        let answer = Browser::at(&world).sign_in(&format!("stranger{n}"), "wrong").await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        longest = began.elapsed();
    }
    assert!(longest < Duration::from_millis(500), "the breaker is open: {longest:?}");
    let began = Instant::now();
    let mut old = Browser::at(&world);
    assert_eq!(old.sign_in("olduser", SQL_PASSWORD).await.location(), "/vestibule/challenge");
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    // Its own users get the honest refusal, in the words that everybody gets who is refused now.
    let (own, nobody) =
        (Browser::at(&world).sign_in("mlind", PASSWORD).await, Browser::at(&world).sign_in("olduser", "wrong").await);
    assert_eq!((own.status, nobody.status), (StatusCode::SERVICE_UNAVAILABLE, StatusCode::SERVICE_UNAVAILABLE));
    assert!(own.text().contains("temporarily unavailable"));
    assert_eq!(own.text().replace("mlind", ""), nobody.text().replace("olduser", ""));
    slapd.resume();
    let mut back = Browser::at(&world);
    for _ in 0..100 {
        if back.sign_in("mlind", PASSWORD).await.location() == "/vestibule/challenge" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it did not recover by itself");
}

/// X9: with every directory dead, the account behind the glass still opens the door.
#[tokio::test(flavor = "multi_thread")]
async fn x9_break_glass_works_while_every_other_source_is_down() {
    let mut slapd = Slapd::start();
    let world = World::with(|config| {
        by_header(config);
        config.chain.instances = vec![directory(&slapd, "staff", "deadline_seconds: 1"), local("desk")];
    })
    .await;
    trust(&world);
    let who = LocalUser { source: "desk".into(), user: "emergency".into() };
    let made = administer(&world, Command::Account(AccountCommand::BreakGlass(who))).await;
    let Reply::OneTimePassword { password, .. } = made else { panic!("{made:?}") };
    slapd.kill();
    let mut browser = Browser::at(&world);
    let answer = browser.sign_in("emergency", &password).await;
    // A stranger while an instance is in ERROR is not accepted, unless the gateway itself made it.
    assert_eq!(answer.location(), "/vestibule/enrol", "{}", answer.text());
    assert_eq!(world.audited("break_glass_used").await.len(), 1);
    assert_ne!(Browser::at(&world).sign_in("emergency", &password).await.location(), "/vestibule/enrol", "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn e2_whatever_is_wrong_outside_it_is_one_refusal() {
    let slapd = Slapd::start();
    let world = World::with(|config| {
        by_header(config);
        config.limits.wrong_passwords_per_account = 3;
        config.chain.instances = vec![directory(&slapd, "staff", "")];
    })
    .await;
    trust(&world);
    slapd.disable("jroth");
    let mut throttled = Browser::at(&world);
    for _ in 0..3 {
        throttled.sign_in("mlind", "wrong").await;
    }
    let mut answers = Vec::new();
    for (name, password) in
        [("mlind", PASSWORD), ("jroth", PASSWORD), ("jroth", "wrong"), ("nobody", "wrong"), ("a b c", "x")]
    {
        let answer = Browser::at(&world).sign_in(name, password).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
        let mut head: Vec<String> = answer.headers.keys().map(|name| name.to_string()).collect();
        head.sort();
        // The page shows what was typed, and the request's own id is on none of them.
        let page = answer.text().lines().filter(|line| !line.contains("id=\"username\"")).collect::<String>();
        answers.push((head, page));
    }
    for pair in answers.windows(2) {
        assert_eq!(pair[0].0, pair[1].0);
        assert_eq!(pair[0].1, pair[1].1);
    }
    let app = MoodleApp::at(&world);
    let mut bodies = Vec::new();
    for (name, password) in [("mlind", PASSWORD), ("jroth", PASSWORD), ("nobody", "wrong")] {
        bodies.push(app.token(name, password).await.text());
    }
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "{bodies:#?}");
    let reasons: Vec<_> = world.audited("password_judged").await;
    let said: Vec<_> = reasons.iter().filter_map(|line| line["verdicts"][0]["reason"].as_str()).collect();
    for why in ["account locked", "wrong password", "unknown"] {
        assert!(said.contains(&why), "the audit knows {why}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn e1_a_refusal_takes_a_multiple_of_the_step_whoever_was_asked() {
    let table = Table::of(&[("o1", "olduser", "old@example.org")]).await;
    let world = World::with(|config| {
        by_header(config);
        config.chain.refusal_milliseconds = 300;
        config.chain.instances = vec![table.instance("old", "")];
    })
    .await;
    for name in ["olduser", "nobody", "*"] {
        let began = Instant::now();
        Browser::at(&world).sign_in(name, "wrong").await;
        assert!(began.elapsed() >= Duration::from_millis(300), "{name}: {:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn e5_one_password_at_many_names_raises_an_alarm_and_is_slowed_down() {
    let table = Table::of(&[("o1", "olduser", "old@example.org")]).await;
    let world = World::with(|config| {
        by_header(config);
        config.chain.instances = vec![table.instance("old", "")];
    })
    .await;
    let app = MoodleApp::at(&world);
    for n in 0..60 {
        app.token(&format!("user{n}"), "Winter2026!").await;
        if world.has_audited("spraying_noticed") {
            break;
        }
    }
    assert_eq!(world.audited("spraying_noticed").await.len(), 1);
    let began = Instant::now();
    app.token("olduser", "Winter2026!").await;
    assert!(began.elapsed() >= Duration::from_secs(3), "{:?}", began.elapsed());
    let began = Instant::now();
    app.token("olduser", "another").await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn e7_no_source_hears_of_what_cannot_be_a_name_or_a_password() {
    let slapd = Slapd::start();
    let world = World::with(|config| {
        by_header(config);
        config.chain.instances = vec![directory(&slapd, "staff", "")];
    })
    .await;
    trust(&world);
    for (name, password) in
        [("*)(uid=*", PASSWORD), ("mlind,ou=people", PASSWORD), ("mlind", ""), ("mlind\0", PASSWORD)]
    {
        let mut browser = Browser::at(&world);
        assert_eq!(browser.sign_in(name, password).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{name:?}");
        assert!(!is_in(&mut browser).await);
    }
    until("the directory's log is written", Duration::from_secs(5), || slapd.logged("BIND") <= 1);
}

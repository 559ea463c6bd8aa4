//! What stands in a browser's cookies, and what it is worth alone.

use super::*;
use crate::people::{raw, status_of};
use vestibule::types::Clock;

#[tokio::test(flavor = "multi_thread")]
async fn r2_no_cookie_of_the_lms_reaches_a_browser_in_the_clear() {
    let world = World::start().await;
    let mut browser = Browser::at(&world);
    let mut lines = Vec::new();
    lines.extend(set_cookies(&browser.get("/login/index.php").await));
    lines.extend(set_cookies(&browser.sign_in("student1", "wrong").await));
    lines.extend(set_cookies(&browser.get("/login/index.php").await));
    browser.enrol(&world, "student1", PASSWORD).await;
    world.advance(Duration::from_secs(60));
    for path in ["/login/index.php?testsession=3", "/my/", COURSE, "/user/profile.php"] {
        lines.extend(set_cookies(&browser.get(path).await));
    }
    lines.extend(browser.cookies.iter().map(|(name, value)| format!("{name}={value}")));
    // Every id the LMS ever gave out, as the gateway sent it back to the LMS.
    let sent: Vec<String> = world.campus.requests().iter().flat_map(|r| r.header("cookie")).collect();
    let ids: Vec<&str> = sent.iter().flat_map(|line| line.split("; ")).filter_map(|p| p.split('=').nth(1)).collect();
    assert!(ids.len() > 8 && ids.iter().all(|id| id.len() > 20), "{ids:?}");
    for line in &lines {
        assert!(line.starts_with("__Host-"), "{line}");
        assert!(!line.contains("MOODLEID") && ids.iter().all(|id| !line.contains(id)), "{line}");
    }
    for line in lines.iter().filter(|line| line.contains("; ")) {
        assert!(line.contains("; Secure; HttpOnly; SameSite=Lax") && line.contains("; Path=/;"), "{line}");
        assert!(!line.to_lowercase().contains("domain"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d5_our_cookies_never_reach_the_lms() {
    let world = World::start().await;
    let (mut browser, _) = signed_in(&world, "student1").await;
    browser.cookies.insert("MoodleSession".into(), "the-browsers-own".into());
    browser.cookies.insert("MOODLEID1_".into(), "x".into());
    browser.cookies.insert("theme".into(), "dark".into());
    assert!(is_in(&mut browser).await);
    for request in world.campus.requests() {
        for line in request.header("cookie") {
            let names: Vec<&str> = line.split("; ").filter_map(|pair| pair.split('=').next()).collect();
            assert_eq!(names, ["MoodleSession"], "{line}");
            assert!(!line.contains("own"), "{line}");
        }
        let all = request.headers.iter().map(|(_, value)| String::from_utf8_lossy(value)).collect::<String>();
        for (name, value) in &browser.cookies {
            assert!(!name.starts_with("__Host-") || !all.contains(value.as_str()), "{name} went to the LMS");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r2_a_stolen_sealed_cookie_is_worth_nothing_elsewhere() {
    let world = World::start().await;
    let (student, _) = signed_in(&world, "student1").await;
    let (mut other, _) = signed_in(&world, "student2").await;
    let sealed = student.cookies[SEALED].clone();
    // Without its session.
    let mut thief = Browser::at(&world);
    thief.cookies.insert(SEALED.into(), sealed.clone());
    assert!(!is_in(&mut thief).await);
    // On the open pages it is nobody's either.
    let mark = world.campus.mark();
    thief.get("/login/index.php").await;
    let at_lms = world.campus.since(mark);
    assert!(at_lms.iter().all(|r| r.header("cookie").is_empty()), "{at_lms:?}");
    // With another's session: that session goes on with its own LMS half only.
    let own = other.cookies.insert(SEALED.into(), sealed.clone());
    let answer = other.get("/my/").await;
    assert!(!answer.text().contains("Student1"), "{}", answer.text());
    assert!(own.is_some_and(|own| own != sealed));
    // At the LMS itself.
    for value in [sealed.as_str(), &student.cookies[SESSION]] {
        assert_eq!(world.campus.session_user(value), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d3_a_session_that_was_planted_before_sign_in_is_dead_after_it() {
    let world = World::start().await;
    let (attacker, _) = signed_in(&world, "student2").await;
    let (_, device) = signed_in(&world, "student1").await;
    let mut victim = twin(&world, &attacker);
    post_credentials(&mut victim, "student1", PASSWORD).await;
    victim.answer(&device.code(world.clock.now())).await;
    assert_ne!(victim.cookies[SESSION], attacker.cookies[SESSION]);
    assert!(victim.get("/my/").await.text().contains("Student1"));
    assert!(!is_in(&mut twin(&world, &attacker)).await, "the planted id is dead");
    until("its LMS session too", async || world.campus.live_sessions(4) == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d3_a_flow_that_was_planted_signs_nobody_in_for_the_one_who_planted_it() {
    let world = World::start().await;
    let (_, device) = signed_in(&world, "student1").await;
    let attacker = challenged(&world, "student1").await;
    // Somebody who finishes the flow gets the session in their own browser only.
    let mut victim = twin(&world, &attacker);
    victim.answer(&device.code(world.clock.now())).await;
    assert!(is_in(&mut victim).await);
    let mut attacker = attacker;
    assert!(!is_in(&mut attacker).await);
    assert_eq!(attacker.get("/vestibule/challenge").await.status, StatusCode::GONE);
}

#[tokio::test(flavor = "multi_thread")]
async fn d4_two_cookies_of_our_name_are_none_and_too_many_are_a_clean_refusal() {
    let world = World::start().await;
    let (browser, _) = signed_in(&world, "student1").await;
    let host = world.url.trim_start_matches("https://");
    let get = async |cookies: &str| {
        let request = format!(
            "GET {COURSE} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\nConnection: close\r\nCookie: {cookies}\r\n\r\n"
        );
        String::from_utf8_lossy(&raw(&world, request.as_bytes()).await).into_owned()
    };
    let (session, sealed) = (&browser.cookies[SESSION], &browser.cookies[SEALED]);
    let own = format!("{SESSION}={session}; {SEALED}={sealed}");
    assert_eq!(status_of(get(&own).await.as_bytes()), 200);
    for tossed in
        [format!("{SESSION}=tossed; {own}"), format!("{own}; {SESSION}=tossed"), format!("{own}; {SESSION}={session}")]
    {
        let answer = get(&tossed).await;
        assert!(answer.starts_with("HTTP/1.1 303") && answer.contains("/login/index.php"), "{answer}");
    }
    let many: String = (0..60).map(|n| format!("c{n}=x; ")).collect();
    assert_eq!(status_of(get(&format!("{many}{own}")).await.as_bytes()), 200);
    for large in ["x".repeat(16_400), (0..70).map(|n| format!("c{n}=x; ")).collect()] {
        assert_eq!(status_of(get(&format!("{own}; big={large}")).await.as_bytes()), 431);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d8_a_pending_sign_in_opens_no_door() {
    let world = World::start().await;
    signed_in(&world, "student1").await;
    let pending = challenged(&world, "student1").await;
    let mark = world.campus.mark();
    assert!(!is_in(&mut twin(&world, &pending)).await);
    assert!(requires_login(&ajax(&mut twin(&world, &pending), "core_session_touch").await));
    for (name, value) in [("the flow as session", pending.cookies[FLOW].clone())] {
        let mut forged = Browser::at(&world);
        forged.cookies.insert(SESSION.into(), value);
        assert!(!is_in(&mut forged).await, "{name}");
    }
    let mut page = twin(&world, &pending);
    for path in ["/pluginfile.php/19/mod_resource/content/0/handout.txt", "/my/", "/vestibule/unknown"] {
        let answer = page.get(path).await;
        assert!(answer.location() == "/login/index.php" || answer.status == StatusCode::NOT_FOUND, "{path}");
    }
    assert!(world.campus.since(mark).is_empty(), "the LMS stayed silent");
    // Nothing of the LMS session that waits in the flow is in the browser.
    assert_eq!(world.campus.live_sessions(STUDENT1), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn d9_the_form_of_one_sign_in_does_not_answer_for_another() {
    let world = World::start().await;
    let (_, first) = signed_in(&world, "student1").await;
    let (_, second) = signed_in(&world, "student2").await;
    // Two tabs of one browser: the second sign-in replaced the first.
    let mut browser = challenged(&world, "student1").await;
    let stale = browser.csrf("/vestibule/challenge").await;
    let answer = browser.sign_in("student2", PASSWORD).await;
    assert_eq!(answer.location(), "/vestibule/challenge");
    let now = world.clock.now();
    for code in [first.code(now), second.code(now)] {
        let answer =
            browser.post("/vestibule/challenge", &[("csrf", &stale), ("factor", "totp"), ("code", &code)]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(!browser.cookies.contains_key(SESSION));
    }
    // F4: the code of the other account is no code of this one.
    let answer = browser.answer(&first.code(now)).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    browser.answer(&second.code(now)).await;
    assert!(browser.get("/my/").await.text().contains("Student2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn d11_a_damaged_cookie_is_no_cookie_and_never_an_error() {
    let world = World::start().await;
    let (browser, _) = signed_in(&world, "student1").await;
    let session = browser.cookies[SESSION].clone();
    let flipped = |text: &str, at: usize| {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).expect("ASCII")
    };
    let damaged = [
        session[..session.len() - 1].to_owned(),
        format!("{session}A"),
        flipped(&session, 0),
        flipped(&session, session.len() - 1),
        "x".into(),
        "%00".into(),
        "v1.a.b".into(),
        "🙂".into(),
        "y".repeat(8000),
    ];
    for value in damaged {
        let mut other = twin(&world, &browser);
        other.cookies.insert(SESSION.into(), value.clone());
        if value.is_ascii() {
            assert!(!is_in(&mut other).await, "{value}");
        }
    }
    let sealed = browser.cookies[SEALED].clone();
    for value in [flipped(&sealed, sealed.len() / 2), sealed[..20].to_owned(), "v9.x.y".into()] {
        let mut other = twin(&world, &browser);
        other.cookies.insert(SEALED.into(), value);
        let answer = other.get(COURSE).await;
        assert_eq!(answer.location(), "/login/index.php", "without its LMS half a session is over");
    }
    for name in [FLOW, "__Host-vestibule-visit"] {
        for value in ["x", "v1.a.b.c", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            let mut other = Browser::at(&world);
            other.cookies.insert(name.into(), value.into());
            assert_eq!(other.get("/login/index.php").await.status, StatusCode::OK);
            assert_eq!(other.get("/vestibule/challenge").await.status, StatusCode::GONE);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d10_a_disabled_account_is_out_everywhere_at_once() {
    let world = World::start().await;
    let (mut one, device) = signed_in(&world, "student1").await;
    let mut two = Browser::at(&world);
    two.sign_in_with(&world, "student1", PASSWORD, &device).await;
    assert!(is_in(&mut one).await && is_in(&mut two).await);
    disable(&world, "student1").await;
    assert!(!is_in(&mut one).await && !is_in(&mut two).await);
    assert!(requires_login(&ajax(&mut one, "core_session_touch").await));
    // What was issued before stays dead when the account is switched on again.
    enable(&world, "student1").await;
    assert!(!is_in(&mut one).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_tabs_at_sign_in_all_work() {
    let world = World::start().await;
    let (_, device) = signed_in(&world, "student1").await;
    let mut browser = Browser::at(&world);
    // Three tabs open at once, before any cookie is there: each answer brings its own, the last one stays.
    let mut jars = Vec::new();
    for path in [COURSE, "/my/", "/login/index.php"] {
        let mut tab = Browser::at(&world);
        tab.get(path).await;
        jars.extend(tab.cookies);
    }
    browser.cookies.extend(jars);
    let first = browser.get("/login/index.php").await;
    assert_eq!(first.status, StatusCode::OK);
    browser.sign_in_with(&world, "student1", PASSWORD, &device).await;
    assert!(is_in(&mut browser).await);
    // The form of the other tab, posted afterwards: a new sign-in, which works as any other.
    world.advance(Duration::from_secs(60));
    let answer = post_credentials(&mut browser, "student1", PASSWORD).await;
    assert_eq!(answer.location(), "/vestibule/challenge");
    assert!(is_in(&mut browser).await, "the session lives until the new one begins");
    browser.answer(&device.code(world.clock.now())).await;
    assert!(is_in(&mut browser).await);
}

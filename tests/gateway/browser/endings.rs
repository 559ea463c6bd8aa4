//! How flows and sessions end, and that both halves end together.

use super::*;
use vestibule::types::Clock;

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_sign_in_logs_its_lms_session_out() {
    let world = World::start().await;
    signed_in(&world, "student1").await;
    let mut browser = challenged(&world, "student1").await;
    assert_eq!(world.campus.live_sessions(STUDENT1), 2);
    let csrf = browser.csrf("/vestibule/challenge").await;
    let answer = browser.post("/vestibule/cancel", &[("csrf", &csrf)]).await;
    assert_eq!(answer.status, StatusCode::GONE);
    until("the LMS session is over", async || world.campus.live_sessions(STUDENT1) == 1).await;
    assert!(!browser.cookies.contains_key(FLOW) && !is_in(&mut browser).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_wrong_codes_end_the_sign_in_and_log_its_lms_session_out() {
    let world = World::start().await;
    let (_, device) = signed_in(&world, "student1").await;
    let mut browser = challenged(&world, "student1").await;
    let wrong = wrong_code(&world, &device);
    for _ in 0..4 {
        assert_eq!(browser.answer(&wrong).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let csrf = browser.csrf("/vestibule/challenge").await;
    let fields = [("csrf", &*csrf), ("factor", "totp"), ("code", &*wrong)];
    assert_eq!(browser.post("/vestibule/challenge", &fields).await.status, StatusCode::GONE);
    until("the LMS session is over", async || world.campus.live_sessions(STUDENT1) == 1).await;
    // The right one comes too late.
    let right = device.code(world.clock.now());
    let fields = [("csrf", &*csrf), ("factor", "totp"), ("code", &*right)];
    assert_eq!(browser.post("/vestibule/challenge", &fields).await.status, StatusCode::GONE);
    assert!(!is_in(&mut browser).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_minutes_end_the_sign_in_and_log_its_lms_session_out() {
    let world = World::start().await;
    let (_, device) = signed_in(&world, "student1").await;
    let mut browser = challenged(&world, "student1").await;
    let csrf = browser.csrf("/vestibule/challenge").await;
    world.advance(Duration::from_secs(10 * 60));
    let right = device.code(world.clock.now());
    let fields = [("csrf", &*csrf), ("factor", "totp"), ("code", &*right)];
    assert_eq!(browser.post("/vestibule/challenge", &fields).await.status, StatusCode::GONE);
    until("the LMS session is over", async || world.campus.live_sessions(STUDENT1) == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f13_an_account_that_is_switched_off_meanwhile_gets_no_session() {
    let world = World::start().await;
    let (_, device) = signed_in(&world, "student1").await;
    let mut browser = challenged(&world, "student1").await;
    let csrf = browser.csrf("/vestibule/challenge").await;
    disable(&world, "student1").await;
    let right = device.code(world.clock.now());
    let fields = [("csrf", &*csrf), ("factor", "totp"), ("code", &*right)];
    assert_eq!(browser.post("/vestibule/challenge", &fields).await.status, StatusCode::GONE);
    assert!(!is_in(&mut browser).await);
    // The flow ends with it, at once: only the disabled session of before is left at the LMS, which nobody can use.
    until("the LMS session is over", async || world.campus.live_sessions(STUDENT1) == 1).await;
    assert_eq!(world.audited("signed_in").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_both_sessions() {
    let world = World::start().await;
    let (mut browser, _) = signed_in(&world, "student1").await;
    let before = twin(&world, &browser);
    let sesskey = sesskey(&mut browser).await;
    let answer = browser.get(&format!("/login/logout.php?sesskey={sesskey}")).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/login/index.php"));
    assert_eq!(world.campus.live_sessions(STUDENT1), 0);
    assert!(!browser.cookies.contains_key(SESSION) && !browser.cookies.contains_key(SEALED), "{:?}", browser.cookies);
    assert!(!is_in(&mut { before }).await, "the old cookies are dead");
    assert!(account(&world, "student1").await.sessions.is_empty());
    world.audited("signed_out").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http2_too_an_answer_without_a_body_ends() {
    let world = World::start().await;
    let mut browser = Browser::at(&world);
    browser.speaks = crate::people::Speaks::Http2;
    browser.enrol(&world, "student1", PASSWORD).await;
    assert_eq!(browser.get("/local/campus/rotate?to=5").await.location(), "/login/index.php");
    let mut browser = Browser::at(&world);
    browser.speaks = crate::people::Speaks::Http2;
    browser.enrol(&world, "student2", PASSWORD).await;
    let sesskey = sesskey(&mut browser).await;
    assert_eq!(browser.get(&format!("/login/logout.php?sesskey={sesskey}")).await.location(), "/login/index.php");
    assert_eq!(browser.send(Method::HEAD, COURSE, &[], String::new()).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_signing_out_without_the_sesskey_asks_first() {
    let world = World::start().await;
    let (mut browser, _) = signed_in(&world, "student1").await;
    let page = browser.get("/login/logout.php").await;
    assert!(page.status == StatusCode::OK && page.text().contains("Do you really want to log out?"));
    assert!(is_in(&mut browser).await);
    let sesskey = between(&page.text(), "name=\"sesskey\" value=\"", "\"");
    let answer = browser.post("/login/logout.php", &[("sesskey", &sesskey)]).await;
    assert_eq!(answer.location(), "/login/index.php");
    assert!(!is_in(&mut browser).await);
    assert_eq!(world.campus.live_sessions(STUDENT1), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_lms_forgets_a_session_ours_ends_at_a_login_page() {
    let world = World::start().await;
    let (mut browser, device) = signed_in(&world, "student1").await;
    world.campus.expire_sessions();
    let answer = browser.get(COURSE).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/login/index.php"));
    let page = browser.get("/login/index.php").await;
    assert!(page.status == StatusCode::OK && page.text().contains("name=\"logintoken\""), "{}", page.text());
    assert!(account(&world, "student1").await.sessions.is_empty());
    assert_eq!(browser.sign_in_with(&world, "student1", PASSWORD, &device).await.location(), COURSE);
    assert!(is_in(&mut browser).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_lms_forgets_a_session_its_pages_hear_the_lmss_own_error() {
    let world = World::start().await;
    let (mut browser, _) = signed_in(&world, "student1").await;
    let sesskey = sesskey(&mut browser).await;
    assert_eq!(ajax_with(&mut browser, &sesskey, "core_session_touch").await.json()[0]["data"], true);
    world.campus.expire_sessions();
    assert!(requires_login(&ajax_with(&mut browser, &sesskey, "core_session_touch").await));
    assert!(!is_in(&mut browser).await);
    // A login page asked for under a session that the LMS has forgotten: one redirect, no loop.
    let (mut other, _) = signed_in(&world, "student2").await;
    world.campus.expire_sessions();
    assert_eq!(other.get("/login/index.php").await.location(), "/login/index.php");
    assert_eq!(other.get("/login/index.php").await.status, StatusCode::OK);
}

/// A browser whose gateway session has just ended by idling, with the LMS's session alive.
async fn idled(world: &World) -> (Browser, Authenticator, String) {
    let (mut browser, device) = signed_in(world, "student1").await;
    let sesskey = sesskey(&mut browser).await;
    world.advance(Duration::from_secs(2 * 3600));
    assert!(!is_in(&mut browser).await);
    assert!(requires_login(&ajax_with(&mut browser, &sesskey, "core_session_touch").await));
    assert_eq!(world.campus.live_sessions(STUDENT1), 1);
    (browser, device, sesskey)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_session_of_ours_is_followed_by_its_own_lms_session() {
    let world = World::start().await;
    let (mut browser, device, sesskey) = idled(&world).await;
    browser.get("/login/index.php").await;
    browser.sign_in_with(&world, "student1", PASSWORD, &device).await;
    assert!(is_in(&mut browser).await);
    assert_eq!(super::sesskey(&mut browser).await, sesskey, "open tabs and their sesskeys live on");
    assert_eq!(ajax_with(&mut browser, &sesskey, "core_session_touch").await.json()[0]["data"], true);
    until("the session of the password check is over", async || world.campus.live_sessions(STUDENT1) == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_session_of_ours_is_nothing_to_another_account() {
    let world = World::start().await;
    let (_, other) = signed_in(&world, "student2").await;
    let (mut browser, _, sesskey) = idled(&world).await;
    browser.get("/login/index.php").await;
    browser.sign_in_with(&world, "student2", PASSWORD, &other).await;
    assert!(browser.get("/my/").await.text().contains("Student2"));
    assert_ne!(super::sesskey(&mut browser).await, sesskey);
    until("the earlier LMS session is over", async || world.campus.live_sessions(STUDENT1) == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_session_is_not_followed_by_its_lms_session() {
    let world = World::start().await;
    let (mut browser, device) = signed_in(&world, "student1").await;
    let sesskey = sesskey(&mut browser).await;
    disable(&world, "student1").await;
    enable(&world, "student1").await;
    world.advance(Duration::from_secs(2 * 3600));
    browser.get("/login/index.php").await;
    browser.sign_in_with(&world, "student1", PASSWORD, &device).await;
    assert_ne!(super::sesskey(&mut browser).await, sesskey);
}

#[tokio::test(flavor = "multi_thread")]
async fn x18_no_session_outlives_its_absolute_end() {
    let world = World::start().await;
    let (mut browser, _) = signed_in(&world, "student1").await;
    for _ in 0..11 {
        world.advance(Duration::from_secs(3600));
        assert!(is_in(&mut browser).await);
    }
    world.advance(Duration::from_secs(3600));
    assert!(!is_in(&mut browser).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn x17_sessions_and_pending_sign_ins_survive_a_restart() {
    let world = World::start().await;
    let (browser, device) = signed_in(&world, "student1").await;
    let pending = challenged(&world, "student1").await;
    let world = world.restart().await;
    assert!(is_in(&mut twin(&world, &browser)).await);
    let mut pending = twin(&world, &pending);
    pending.answer(&device.code(world.clock.now())).await;
    assert!(is_in(&mut pending).await);
}

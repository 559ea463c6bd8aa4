//! `lms.judge: sessionless`: the password is judged by token.php, and the LMS session opened only after `Satisfied`.

use super::*;
use vestibule::{lms::site::Judge, types::Clock};

async fn sessionless() -> World {
    World::with(|config| config.sites[0].lms.judge = Judge::Sessionless).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_opens_no_lms_session_before_the_factor() {
    let world = sessionless().await;
    let mut browser = Browser::at(&world);
    browser.get(COURSE).await;
    assert_eq!(browser.sign_in("student1", PASSWORD).await.location(), "/vestibule/enrol");
    assert_eq!(world.campus.live_sessions(STUDENT1), 0);
    let page = browser.get("/vestibule/enrol").await.text();
    let csrf = between(&page, "name=\"csrf\" value=\"", "\"");
    let code = Authenticator::from_page(&page).code(world.clock.now());
    browser.post("/vestibule/enrol", &[("csrf", &csrf), ("code", &code)]).await;
    assert_eq!(world.campus.live_sessions(STUDENT1), 0);
    let csrf = browser.csrf("/vestibule/recovery-codes").await;
    let answer = browser.post("/vestibule/recovery-codes", &[("csrf", &csrf)]).await;
    assert_eq!(answer.location(), COURSE, "where they wanted to go");
    assert!(is_in(&mut browser).await);
    assert_eq!(world.campus.live_sessions(STUDENT1), 1);
    let passwords = passwords_at_the_lms(&world);
    assert_eq!(passwords, 0, "the form was never used");
}

#[tokio::test(flavor = "multi_thread")]
async fn j17_an_attackers_pending_sign_ins_cost_the_owner_nothing() {
    let world = sessionless().await;
    world.campus.settings(|s| s.limit_concurrent_logins = 1);
    let (mut owner, _) = signed_in(&world, "student1").await;
    for _ in 0..3 {
        challenged(&world, "student1").await;
    }
    assert!(is_in(&mut owner).await);
    assert_eq!(world.campus.live_sessions(STUDENT1), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn j17_with_the_form_as_judge_the_owner_would_lose_the_session() {
    let world = World::start().await;
    world.campus.settings(|s| s.limit_concurrent_logins = 1);
    let (mut owner, _) = signed_in(&world, "student1").await;
    challenged(&world, "student1").await;
    assert!(!is_in(&mut owner).await, "the reason for the setting; if this changes, the documentation must too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_refused_in_the_lmss_words_without_having_been_in_its_form() {
    let world = sessionless().await;
    let mut browser = Browser::at(&world);
    let answer = browser.sign_in("student1", "wrong").await;
    assert!(answer.location().ends_with("/login/index.php"));
    assert!(browser.get("/login/index.php").await.text().contains("Invalid login"));
    assert_eq!(passwords_at_the_lms(&world), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_gets_an_honest_error_because_moodle_gives_them_no_private_token() {
    let world = sessionless().await;
    let mut browser = Browser::at(&world);
    let answer = browser.sign_in("admin", "Admin.1234").await;
    assert_eq!(
        answer.status,
        StatusCode::BAD_GATEWAY,
        "before a device is enrolled for nothing: {}",
        answer.location()
    );
    assert!(!browser.cookies.contains_key(SESSION) && !browser.cookies.contains_key(FLOW));
    assert_eq!(world.campus.live_sessions(2), 0);
}

//! The stages of a rollout, and that a stricter rule holds for sessions that exist.

use super::*;
use vestibule::{mfa::Stage, types::Clock};

async fn at(stage: Stage) -> World {
    World::with(|config| config.mfa.rules[0].stage = stage).await
}

#[tokio::test(flavor = "multi_thread")]
async fn at_off_and_report_the_password_is_enough_and_it_is_recorded() {
    for stage in [Stage::Off, Stage::Report] {
        let world = at(stage).await;
        let mut browser = Browser::at(&world);
        browser.get(COURSE).await;
        assert_eq!(browser.sign_in("student1", PASSWORD).await.location(), COURSE);
        assert!(is_in(&mut browser).await);
        assert_eq!(world.audited("let_through").await[0]["stage"], stage.as_str());
        assert_eq!(world.audited("signed_in").await[0]["amr"], "pwd");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_optional_those_are_asked_who_have_a_device() {
    let world = World::start().await;
    let (_, device) = signed_in(&world, "student1").await;
    let mut world = world;
    world.config.mfa.rules[0].stage = Stage::Optional;
    let world = world.restart().await;
    let mut without = Browser::at(&world);
    without.sign_in("student2", PASSWORD).await;
    assert!(is_in(&mut without).await);
    let mut with = challenged(&world, "student1").await;
    assert!(!is_in(&mut with).await);
    with.answer(&device.code(world.clock.now())).await;
    assert!(is_in(&mut with).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn j4_a_session_that_is_no_longer_enough_is_nobody_and_takes_no_lms_cookie_along() {
    let world = at(Stage::Off).await;
    let mut browser = Browser::at(&world);
    browser.sign_in("student1", PASSWORD).await;
    let sesskey = sesskey(&mut browser).await;
    let mut world = world;
    world.config.mfa.rules[0].stage = Stage::Required;
    let world = world.restart().await;
    let mut browser = twin(&world, &browser);
    assert!(!is_in(&mut browser).await);
    let mark = world.campus.mark();
    assert!(requires_login(&ajax_with(&mut browser, &sesskey, "core_session_touch").await));
    // Open calls and open pages go on as nobody.
    ajax_with(&mut browser, &sesskey, "core_get_string").await;
    let jar = browser.cookies.clone();
    browser.get("/login/index.php").await;
    browser.get("/admin/tool/policy/view.php").await;
    let sent = world.campus.since(mark);
    assert_eq!(sent.len(), 3);
    for line in sent.iter().flat_map(|r| r.header("cookie")) {
        let id = line.trim_start_matches("MoodleSession=");
        assert_eq!(world.campus.session_user(id), None, "{line}");
    }
    // It is enough again after the factor, with a new id; the old one's LMS session is over.
    browser.cookies = jar;
    browser.enrol(&world, "student1", PASSWORD).await;
    assert!(is_in(&mut browser).await);
    until("the earlier LMS session is over", async || world.campus.live_sessions(STUDENT1) == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_asks_less_again_opens_no_pending_sign_in() {
    let world = World::start().await;
    let (_, _) = signed_in(&world, "student1").await;
    let pending = challenged(&world, "student1").await;
    let mut world = world;
    world.config.mfa.rules[0].stage = Stage::Off;
    let world = world.restart().await;
    let mut pending = twin(&world, &pending);
    assert!(!is_in(&mut pending).await);
    assert_eq!(pending.get("/vestibule/challenge").await.status, StatusCode::GONE, "signing in again is quicker");
}

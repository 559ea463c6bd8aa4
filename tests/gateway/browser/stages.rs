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
        assert_eq!(world.audited("let_through").await[0]["reason"], stage.as_str());
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

/// Design §2 "Leavers": a password change that passes the gateway ends everything older but where it was made.
#[tokio::test(flavor = "multi_thread")]
async fn d10_a_password_change_ends_older_sessions_and_tokens() {
    let world = World::start().await;
    let mut here = Browser::at(&world);
    let (device, _) = here.enrol(&world, "student1", "Stud.1234").await;
    world.advance(std::time::Duration::from_secs(60));
    let mut elsewhere = Browser::at(&world);
    elsewhere.sign_in_with(&world, "student1", "Stud.1234", &device).await;
    world.advance(std::time::Duration::from_secs(60));
    let app = crate::people::MoodleApp::at(&world);
    let token = app.sign_in(&world, "student1", "Stud.1234", &device).await;

    let page = here.get("/login/change_password.php").await.text();
    let sesskey = crate::people::between(&page, "name=\"sesskey\" value=\"", "\"");
    let change = async |browser: &mut Browser, old: &str| {
        let fields = [
            ("id", "1"),
            ("sesskey", sesskey.as_str()),
            ("_qf__login_change_password_form", "1"),
            ("password", old),
            ("newpassword1", "Chg.12345"),
            ("newpassword2", "Chg.12345"),
        ];
        browser.post("/login/change_password.php", &fields).await.status
    };
    assert_eq!(change(&mut here, "wrong").await, 200);
    assert_eq!(elsewhere.get("/my/").await.status, 200, "a change that failed ends nothing");
    assert_eq!(change(&mut here, "Stud.1234").await, 200);
    assert_eq!(here.get("/my/").await.status, 200, "where it was changed");
    assert_eq!(elsewhere.get("/my/").await.location(), "/login/index.php");
    let answer = app.call(&token, "core_webservice_get_site_info", &[]).await.json();
    assert_eq!(answer["errorcode"], "invalidtoken");
    assert_eq!(world.audited("epoch_raised").await[0]["reason"], "password changed at the LMS");
}

/// X6, its core: nobody is signed in without a record of it, and who is signed in goes on.
#[tokio::test(flavor = "multi_thread")]
async fn x6_while_the_audit_log_cannot_be_written_nobody_is_signed_in() {
    let world = World::with(|config| config.audit.file = vestibule::audit::Target::File("/dev/full".into())).await;
    let mut browser = Browser::at(&world);
    let mut status = 0;
    for _ in 0..50 {
        let answer = browser.sign_in("guest", "guest").await;
        status = answer.status.as_u16();
        if status == 503 {
            assert_eq!(answer.header("retry-after"), Some("5"));
            break;
        }
        browser = Browser::at(&world);
    }
    assert_eq!(status, 503);
}

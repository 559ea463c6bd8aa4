//! R9: an answer of the LMS that changes or names another identity never joins a session.

use super::*;
use campus::{CONFIRM_SECRET, RESET_TOKEN};

#[tokio::test(flavor = "multi_thread")]
async fn r9_a_page_that_turns_the_session_into_anothers_ends_it() {
    let world = World::start().await;
    let (mut browser, _) = signed_in(&world, "student1").await;
    let before = twin(&world, &browser);
    let answer = browser.get("/local/campus/rotate?to=5").await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/login/index.php"));
    assert!(!answer.text().contains("somebody else"));
    assert!(set_cookies(&answer).iter().all(|line| !line.starts_with(SEALED)), "the new cookie is dropped");
    until("the LMS session it opened is logged out", async || world.campus.live_sessions(5) == 0).await;
    assert!(!is_in(&mut browser).await && !is_in(&mut { before }).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_the_same_for_a_script_is_no_redirect() {
    let world = World::start().await;
    let (mut browser, _) = signed_in(&world, "student1").await;
    let answer = browser.fetch(Method::GET, "/local/campus/rotate?to=5", "text/plain", "").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.json()["errorcode"], "requireloginerror");
    until("the LMS session it opened is logged out", async || world.campus.live_sessions(5) == 0).await;
    assert!(requires_login(&ajax(&mut browser, "core_session_touch").await));
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_an_answer_that_names_another_user_is_withheld_and_audited() {
    let world = World::start().await;
    for (mode, own) in [(1, "3"), (3, "student1"), (2, "Student1 Lab")] {
        world.campus.settings(|s| s.header_log_user = mode);
        let mut browser = Browser::at(&world);
        match mode {
            1 => drop(browser.enrol(&world, "student1", PASSWORD).await),
            // Factors are asked again only to have a device at hand.
            _ => {
                reset_factors(&world, "student1").await;
                let code = help_desk_code(&world, "student1").await;
                browser = super::enrolment::by_help_desk(&world, "student1", &code).await.0;
            }
        }
        world.advance(Duration::from_secs(60));
        let answer = browser.get(COURSE).await;
        assert_eq!(answer.status, StatusCode::OK, "mode {mode}: its own user may see it");
        assert!(answer.header("x-moodleuser").is_none(), "the header never reaches the client");
        let own = own.replace(' ', "%20");
        let answer = browser.get(&format!("/local/campus/mask?user={own}")).await;
        assert_eq!(answer.status, StatusCode::OK, "mode {mode}");
        assert!(answer.header("x-moodleuser").is_none());
        let answer = browser.get("/local/campus/mask?user=student2").await;
        assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/login/index.php"), "mode {mode}");
        assert!(!answer.text().contains("student2"));
        assert!(!is_in(&mut browser).await, "mode {mode}: the session is over");
    }
    let lines = world.audited("identity_withheld").await;
    assert_eq!((&lines[0]["expected"], &lines[0]["named"]), (&Value::from(3), &Value::from("student2")));
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_a_full_name_with_letters_beyond_ascii_is_still_its_owners() {
    let world = World::start().await;
    world.campus.settings(|s| s.header_log_user = 2);
    world.campus.account(STUDENT1, |a| a.first_name = "Zoë".into());
    let (mut browser, _) = signed_in(&world, "student1").await;
    assert!(is_in(&mut browser).await);
    browser.get("/local/campus/mask?user=Zoe%20Lab").await;
    assert!(!is_in(&mut browser).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_an_administrator_may_look_through_a_users_eyes() {
    let world = World::start().await;
    world.campus.settings(|s| s.header_log_user = 3);
    let mut admin = Browser::at(&world);
    admin.enrol(&world, "admin", "Admin.1234").await;
    let sesskey = sesskey(&mut admin).await;
    let answer = admin.get(&format!("/course/loginas.php?id=1&user=3&sesskey={sesskey}")).await;
    assert_eq!(answer.location(), format!("{}{COURSE}", world.url), "{}", answer.text());
    let page = admin.get("/my/").await;
    assert!(page.text().contains("Student1"), "{}", page.text());
    assert!(page.header("x-moodleuser").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_an_anonymous_answer_that_names_somebody_is_withheld() {
    let world = World::start().await;
    let mut browser = Browser::at(&world);
    let page = browser.get("/login/index.php").await.text();
    let logintoken = between(&page, "name=\"logintoken\" value=\"", "\"");
    world.campus.settings(|s| s.names_everybody = Some("student1".into()));
    let wrong = [("logintoken", &*logintoken), ("username", "student1"), ("password", "wrong")];
    let answers = [
        browser.get("/login/index.php").await,
        browser.get("/admin/tool/policy/view.php").await,
        browser.get("/login/forgot_password.php").await,
        browser.post("/login/index.php", &wrong).await,
        ajax(&mut browser, "core_get_string").await,
        browser
            .fetch(
                Method::POST,
                "/lib/ajax/service-nologin.php",
                "application/json",
                "[{\"index\":0,\"methodname\":\"core_get_string\",\"args\":{}}]",
            )
            .await,
    ];
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{n}: {}", answer.text());
        assert!(answer.header("x-moodleuser").is_none() && set_cookies(answer).is_empty(), "{n}");
    }
    world.audited("identity_withheld").await;
    until("all are audited", async || audit_now(&world, "identity_withheld").len() == answers.len()).await;
}

/// Follows the mailed reset link and sets a new password.
async fn reset(browser: &mut Browser) -> Answer {
    browser.get(&format!("/login/forgot_password.php?token={RESET_TOKEN}")).await;
    let page = browser.get("/login/forgot_password.php").await.text();
    let sesskey = between(&page, "name=\"sesskey\" value=\"", "\"");
    let token = between(&page, "name=\"token\" value=\"", "\"");
    let fields = [("sesskey", &*sesskey), ("token", &token), ("password", "Reset.1"), ("password2", "Reset.1")];
    browser.post("/login/forgot_password.php", &fields).await
}

/// Whatever the LMS opened is gone, and nothing of it is in the browser.
async fn opened_nothing(world: &World, browser: &mut Browser, answer: &Answer, user: u64) {
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/login/index.php"), "{}", answer.text());
    assert!(set_cookies(answer).iter().all(|line| line.contains("Max-Age=0")), "{:?}", set_cookies(answer));
    until("what it opened is logged out", async || world.campus.live_sessions(user) == 0).await;
    assert!(!is_in(browser).await);
    assert!(browser.get("/login/index.php").await.text().contains("name=\"logintoken\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn j11_a_password_reset_opens_nothing_and_ends_what_was_open() {
    let world = World::start().await;
    let (mut owner, device) = signed_in(&world, "student2").await;
    let mut browser = Browser::at(&world);
    let answer = reset(&mut browser).await;
    assert!(!is_in(&mut owner).await, "sessions older than the reset are dead");
    // Theirs at the LMS is out of anybody's reach; nobody has its key.
    let left = world.campus.live_sessions(4);
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/login/index.php"));
    until("what the reset opened is logged out", async || world.campus.live_sessions(4) < left.max(2)).await;
    assert!(!is_in(&mut browser).await);
    browser.sign_in_with(&world, "student2", "Reset.1", &device).await;
    assert!(is_in(&mut browser).await, "with the new password and the second factor");
    assert_eq!(world.audited("epoch_raised").await[0]["reason"], "password reset at the LMS");
}

#[tokio::test(flavor = "multi_thread")]
async fn j11_the_same_where_the_lms_names_whom_it_signed_in() {
    let world = World::start().await;
    world.campus.settings(|s| s.header_log_user = 3);
    let (mut owner, _) = signed_in(&world, "student2").await;
    let mut browser = Browser::at(&world);
    let answer = reset(&mut browser).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/login/index.php"), "{}", answer.text());
    assert!(!is_in(&mut owner).await, "sessions older than the reset are dead");
    assert!(!is_in(&mut browser).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn j11_the_same_for_a_guest_who_resets_a_password() {
    let world = World::start().await;
    let (mut owner, _) = signed_in(&world, "student2").await;
    let mut browser = Browser::at(&world);
    browser.sign_in("guest", "guest").await;
    let answer = reset(&mut browser).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/login/index.php"), "{}", answer.text());
    assert!(!is_in(&mut owner).await, "sessions older than the reset are dead");
    assert!(!is_in(&mut browser).await, "and the guest's own is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn door_13_a_mailed_confirmation_opens_nothing() {
    for mode in [0, 1] {
        let world = World::start().await;
        world.campus.settings(|s| s.header_log_user = mode);
        let mut browser = Browser::at(&world);
        let answer = browser.get(&format!("/login/confirm.php?data={CONFIRM_SECRET}/student3")).await;
        opened_nothing(&world, &mut browser, &answer, 5).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn door_12_a_reset_opens_nothing_for_somebody_unknown_here() {
    let world = World::start().await;
    let mut browser = Browser::at(&world);
    let answer = reset(&mut browser).await;
    opened_nothing(&world, &mut browser, &answer, 4).await;
}

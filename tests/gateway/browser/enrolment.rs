//! A first enrolment: what opens it, and what it never opens.

use super::*;
use vestibule::{mfa::FirstEnrolment, types::Clock};

/// Signs in with the help desk's code and a new device.
pub async fn by_help_desk(world: &World, username: &str, code: &str) -> (Browser, Authenticator) {
    let mut browser = Browser::at(world);
    let answer = browser.sign_in(username, PASSWORD).await;
    assert_eq!(answer.location(), "/vestibule/help-desk", "{}", answer.text());
    let csrf = browser.csrf("/vestibule/help-desk").await;
    let answer = browser.post("/vestibule/help-desk", &[("csrf", &csrf), ("code", code)]).await;
    assert_eq!(answer.location(), "/vestibule/enrol", "{}", answer.text());
    let device = confirm(world, &mut browser).await;
    (browser, device)
}

/// From the enrolment page to the end.
async fn confirm(world: &World, browser: &mut Browser) -> Authenticator {
    let page = browser.get("/vestibule/enrol").await.text();
    let device = Authenticator::from_page(&page);
    let csrf = between(&page, "name=\"csrf\" value=\"", "\"");
    let code = device.code(world.clock.now());
    let answer = browser.post("/vestibule/enrol", &[("csrf", &csrf), ("code", &code)]).await;
    assert_eq!(answer.location(), "/vestibule/recovery-codes", "{}", answer.text());
    let csrf = browser.csrf("/vestibule/recovery-codes").await;
    let answer = browser.post("/vestibule/recovery-codes", &[("csrf", &csrf)]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    device
}

async fn world_with_help_desk() -> World {
    World::with(|config| {
        config.mfa.rules[0].first_enrolment = Some(FirstEnrolment::ByHelpDesk);
        config.mfa.rules[0].enrolment_window = None;
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn j3_a_phished_password_enrols_nothing_without_the_help_desks_code() {
    let world = world_with_help_desk().await;
    let mut browser = Browser::at(&world);
    assert_eq!(browser.sign_in("student1", PASSWORD).await.location(), "/vestibule/help-desk");
    for path in ["/vestibule/enrol", "/vestibule/challenge", "/vestibule/recovery-codes"] {
        assert_eq!(browser.get(path).await.location(), "/vestibule/help-desk", "{path}");
        let csrf = browser.csrf("/vestibule/help-desk").await;
        let answer = browser.post(path, &[("csrf", &csrf), ("factor", "totp"), ("code", "123456")]).await;
        assert_eq!(answer.location(), "/vestibule/help-desk", "{path}");
    }
    assert!(!is_in(&mut browser).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_help_desks_code_opens_one_enrolment_once() {
    let world = world_with_help_desk().await;
    Browser::at(&world).sign_in("student1", PASSWORD).await;
    Browser::at(&world).sign_in("student2", PASSWORD).await;
    let stale = help_desk_code(&world, "student1").await;
    let code = help_desk_code(&world, "student1").await;
    let others = help_desk_code(&world, "student2").await;
    let mut browser = Browser::at(&world);
    browser.sign_in("student1", PASSWORD).await;
    for wrong in [&stale, &others, "ABCD-EFGH-JKLM", "", "short"] {
        let csrf = browser.csrf("/vestibule/help-desk").await;
        let answer = browser.post("/vestibule/help-desk", &[("csrf", &csrf), ("code", wrong)]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
    // Typed as people type it.
    let typed = code.to_lowercase().replace('-', " ");
    let (mut first, device) = by_help_desk(&world, "student1", &typed).await;
    assert!(is_in(&mut first).await);
    reset_factors(&world, "student1").await;
    let mut again = Browser::at(&world);
    again.sign_in("student1", PASSWORD).await;
    let csrf = again.csrf("/vestibule/help-desk").await;
    let answer = again.post("/vestibule/help-desk", &[("csrf", &csrf), ("code", &code)]).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "used");
    assert_eq!(world.audited("enrolment_code_refused").await.len(), 4);
    drop(device);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_help_desk_code_can_be_guessed_five_times_in_a_sign_in() {
    let world = world_with_help_desk().await;
    let mut browser = Browser::at(&world);
    browser.sign_in("student1", PASSWORD).await;
    let csrf = browser.csrf("/vestibule/help-desk").await;
    let fields = [("csrf", &*csrf), ("code", "ABCD-EFGH-JKLM")];
    for _ in 0..4 {
        assert_eq!(browser.post("/vestibule/help-desk", &fields).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(browser.post("/vestibule/help-desk", &fields).await.status, StatusCode::GONE);
    until("its LMS session is over", async || world.campus.live_sessions(STUDENT1) == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_help_desk_code_ends_after_a_day() {
    let world = world_with_help_desk().await;
    Browser::at(&world).sign_in("student1", PASSWORD).await;
    let code = help_desk_code(&world, "student1").await;
    world.advance(Duration::from_secs(24 * 3600));
    let mut browser = Browser::at(&world);
    browser.sign_in("student1", PASSWORD).await;
    let csrf = browser.csrf("/vestibule/help-desk").await;
    let answer = browser.post("/vestibule/help-desk", &[("csrf", &csrf), ("code", &code)]).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test(flavor = "multi_thread")]
async fn j3_a_window_that_has_closed_opens_nothing_any_more() {
    let now = vestibule::types::SystemClock.now();
    let until = now.plus(Duration::from_secs(3600));
    let world = World::with(|config| {
        let window = config.mfa.rules[0].enrolment_window.as_mut().expect("a window");
        window.until = until.to_string().parse().expect("a time");
    })
    .await;
    // Begun inside the window, confirmed outside of it.
    world.advance(Duration::from_secs(3600 - 30));
    let mut slow = Browser::at(&world);
    assert_eq!(slow.sign_in("student1", PASSWORD).await.location(), "/vestibule/enrol");
    let page = slow.get("/vestibule/enrol").await.text();
    let device = Authenticator::from_page(&page);
    let csrf = between(&page, "name=\"csrf\" value=\"", "\"");
    world.advance(Duration::from_secs(60));
    let code = device.code(world.clock.now());
    let answer = slow.post("/vestibule/enrol", &[("csrf", &csrf), ("code", &code)]).await;
    assert_eq!(answer.status, StatusCode::GONE, "{}", answer.location());
    assert!(account(&world, "student1").await.factors.is_empty());
    let mut late = Browser::at(&world);
    assert_eq!(late.sign_in("student1", PASSWORD).await.location(), "/vestibule/help-desk");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_reset_only_the_help_desk_opens_an_enrolment() {
    let world = World::start().await;
    let (mut browser, old) = signed_in(&world, "student1").await;
    reset_factors(&world, "student1").await;
    assert!(!is_in(&mut browser).await);
    let mut again = Browser::at(&world);
    assert_eq!(
        again.sign_in("student1", PASSWORD).await.location(),
        "/vestibule/help-desk",
        "though the window is open"
    );
    let code = help_desk_code(&world, "student1").await;
    let (_, device) = by_help_desk(&world, "student1", &code).await;
    world.advance(Duration::from_secs(60));
    let mut browser = challenged(&world, "student1").await;
    assert_eq!(browser.answer(&old.code(world.clock.now())).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    browser.answer(&device.code(world.clock.now())).await;
    assert!(is_in(&mut browser).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_enrolments_that_race_leave_one_device() {
    let world = World::start().await;
    let mut flows = Vec::new();
    for _ in 0..2 {
        let mut browser = Browser::at(&world);
        browser.sign_in("student1", PASSWORD).await;
        let page = browser.get("/vestibule/enrol").await.text();
        let csrf = between(&page, "name=\"csrf\" value=\"", "\"");
        flows.push((browser, Authenticator::from_page(&page), csrf));
    }
    let now = world.clock.now();
    let confirms = flows.iter_mut().map(async |(browser, device, csrf)| {
        let code = device.code(now);
        let answer = browser.post("/vestibule/enrol", &[("csrf", csrf), ("code", &code)]).await;
        answer.location() == "/vestibule/recovery-codes"
    });
    let won = futures_util::future::join_all(confirms).await;
    assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
    assert_eq!(account(&world, "student1").await.factors.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn f4_a_device_that_was_not_confirmed_answers_nothing() {
    let world = World::start().await;
    let mut browser = Browser::at(&world);
    browser.sign_in("student1", PASSWORD).await;
    let page = browser.get("/vestibule/enrol").await.text();
    let unconfirmed = Authenticator::from_page(&page);
    let csrf = between(&page, "name=\"csrf\" value=\"", "\"");
    let wrong = wrong_code(&world, &unconfirmed);
    for code in [wrong.as_str(), "12345", ""] {
        let answer = browser.post("/vestibule/enrol", &[("csrf", &csrf), ("code", code)]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{code}");
        assert!(Authenticator::from_page(&answer.text()).code_at(1) == unconfirmed.code_at(1), "the same secret stays");
    }
    // Recovery codes are not there before a device is.
    assert_eq!(browser.get("/vestibule/recovery-codes.txt").await.location(), "/vestibule/enrol");
    let (_, device) = signed_in(&world, "student1").await;
    let mut other = challenged(&world, "student1").await;
    assert_eq!(other.answer(&unconfirmed.code(world.clock.now())).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    other.answer(&device.code(world.clock.now())).await;
    assert!(is_in(&mut other).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_is_the_servers_and_the_browser_cannot_choose_it() {
    let world = World::start().await;
    let mut browser = Browser::at(&world);
    browser.sign_in("student1", PASSWORD).await;
    let page = browser.get("/vestibule/enrol").await.text();
    let real = Authenticator::from_page(&page);
    let mine = Authenticator::from_page("secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&");
    let csrf = between(&page, "name=\"csrf\" value=\"", "\"");
    let fields = |code: &str| {
        [("csrf", csrf.clone()), ("secret", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ".to_owned()), ("code", code.to_owned())]
    };
    let post = fields(&mine.code(world.clock.now()));
    let post: Vec<(&str, &str)> = post.iter().map(|(k, v)| (*k, v.as_str())).collect();
    assert_eq!(browser.post("/vestibule/enrol", &post).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let post = fields(&real.code(world.clock.now()));
    let post: Vec<(&str, &str)> = post.iter().map(|(k, v)| (*k, v.as_str())).collect();
    assert_eq!(browser.post("/vestibule/enrol", &post).await.location(), "/vestibule/recovery-codes");
}

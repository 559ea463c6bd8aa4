//! The LMS's guest button: a session of nobody, and never more than that.

use super::*;
use vestibule::lms::Guest;

async fn guest(world: &World) -> Browser {
    let mut browser = Browser::at(world);
    let answer = browser.sign_in("guest", "guest").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    browser
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_sees_pages_files_and_ajax_and_the_lms_is_told_of_nobody() {
    let world = World::start().await;
    let mut browser = Browser::at(&world);
    assert_eq!(browser.get(COURSE).await.location(), "/login/index.php", "there is no anonymous browsing");
    let answer = browser.sign_in("guest", "guest").await;
    assert_eq!(answer.location(), COURSE);
    let page = browser.get(COURSE).await;
    assert!(page.text().contains("guest access"), "{}", page.text());
    let sesskey = sesskey(&mut browser).await;
    assert_eq!(ajax_with(&mut browser, &sesskey, "core_session_touch").await.json()[0]["data"], true);
    let echo = browser.get("/local/campus/echo").await.text();
    assert!(!echo.to_lowercase().contains("x-vestibule"), "{echo}");
    // What is for members only is the LMS's to refuse; it sends a guest to its login page.
    let answer = browser.get("/user/profile.php").await;
    assert!(answer.location().ends_with("/login/index.php"), "{} {}", answer.status, answer.text());
    world.audited("guest_signed_in").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_may_have_no_guests() {
    let world = World::with(|config| config.sites[0].guest = Guest::Deny).await;
    let mark = world.campus.mark();
    for name in ["guest", " Guest", "gu!est"] {
        let browser = guest(&world).await;
        assert!(!browser.cookies.contains_key(SESSION), "{name}");
    }
    assert_eq!(world.campus.live_sessions(1), 0);
    assert!(world.campus.since(mark).iter().all(|r| !String::from_utf8_lossy(&r.body).contains("password=guest")));
    // By another of its names the LMS still opens it, and it is logged out again.
    world.campus.settings(|s| s.auth_login_via_email = true);
    let mut browser = Browser::at(&world);
    browser.sign_in("guest@example.test", "guest").await;
    assert!(!is_in(&mut browser).await);
    until("the guest is logged out", async || world.campus.live_sessions(1) == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_of_yesterday_is_none_where_guests_are_denied_today() {
    let world = World::start().await;
    let browser = guest(&world).await;
    assert!(is_in(&mut twin(&world, &browser)).await);
    let mut world = world;
    world.config.sites[0].guest = Guest::Deny;
    let world = world.restart().await;
    assert!(!is_in(&mut twin(&world, &browser)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn f12_a_guest_who_signs_in_answers_the_second_factor_as_everybody() {
    let world = World::start().await;
    let (_, device) = signed_in(&world, "student1").await;
    let mut browser = guest(&world).await;
    let as_guest = twin(&world, &browser);
    let answer = browser.sign_in("student1", PASSWORD).await;
    assert_eq!(answer.location(), "/vestibule/challenge");
    assert!(browser.get(COURSE).await.text().contains("guest access"), "still a guest");
    use vestibule::types::Clock;
    browser.answer(&device.code(world.clock.now())).await;
    assert!(browser.get("/my/").await.text().contains("Student1"));
    assert!(!is_in(&mut { as_guest }).await, "the guest's session is over");
    until("at the LMS too", async || world.campus.live_sessions(1) == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_an_answer_that_names_a_member_is_withheld_from_a_guest() {
    let world = World::start().await;
    world.campus.settings(|s| s.header_log_user = 3);
    let mut browser = guest(&world).await;
    assert!(is_in(&mut browser).await);
    let answer = browser.get("/local/campus/mask?user=student1").await;
    assert_eq!(answer.location(), "/login/index.php");
    assert!(!is_in(&mut browser).await);
    world.audited("identity_withheld").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_class_may_press_the_guest_button_at_once() {
    let world = World::start().await;
    let world = &world;
    let one = async |_| guest(world).await.cookies.contains_key(SESSION);
    let came_in = futures_util::future::join_all((0..40).map(one)).await;
    assert_eq!(came_in.iter().filter(|in_| **in_).count(), 40);
}

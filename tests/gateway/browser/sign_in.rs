//! Design §3 `sign_in: form`: whose session it is, how it is judged, and where it lands.

use super::*;

/// The login posts that reached the LMS.
fn forms(world: &World) -> Vec<campus::Logged> {
    let all = world.campus.requests().into_iter();
    all.filter(|r| r.method == "POST" && r.path() == "/login/index.php").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_signs_in_on_a_session_that_no_browser_has_held() {
    let world = World::start().await;
    let mut browser = Browser::at(&world);
    browser.get("/login/index.php").await;
    // The second page shows which LMS session the visitor has.
    browser.get("/login/index.php").await;
    let visitors = world.campus.requests().last().map(|r| r.header("cookie")).unwrap_or_default();
    assert!(visitors[0].starts_with("MoodleSession="), "{visitors:?}");
    let fields = [
        ("anchor", "sec-1"),
        ("logintoken", "the browser's own token"),
        ("username", "student1"),
        ("password", PASSWORD),
        ("rememberusername", "1"),
        ("rememberusername", "2"),
    ];
    assert_eq!(browser.post("/login/index.php", &fields).await.location(), "/vestibule/enrol");
    let [form] = &forms(&world)[..] else { panic!("one form") };
    assert_ne!(form.header("cookie"), visitors, "a session of its own");
    assert_eq!(form.header("cookie").len(), 1);
    let body = String::from_utf8_lossy(&form.body).into_owned();
    let names: Vec<&str> = body.split('&').filter_map(|pair| pair.split('=').next()).collect();
    // Every other field once, the last as PHP has it, and a logintoken of the gateway's own session.
    assert_eq!(names, ["anchor", "rememberusername", "logintoken", "username", "password"], "{body}");
    assert!(body.contains("anchor=sec-1&rememberusername=2&"), "{body}");
    assert!(!body.contains("browser"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_e3_all_spellings_of_a_name_are_one_account_with_one_set_of_factors() {
    let world = World::start().await;
    world.campus.settings(|s| s.auth_login_via_email = true);
    let (_, device) = signed_in(&world, "student1").await;
    for typed in
        ["Student1", " student1", "student1 ", "stu!dent1", "STUDENT1", "student1@example.test", "stu\u{200b}dent1"]
    {
        let mut browser = Browser::at(&world);
        browser.sign_in_with(&world, typed, PASSWORD, &device).await;
        assert!(is_in(&mut browser).await, "{typed:?}");
        world.advance(Duration::from_secs(60));
    }
    let sheet = account(&world, "student1").await;
    assert_eq!(sheet.methods, ["campus-lms: 3"]);
    assert_eq!(sheet.sessions.len(), 8);
    world.audited("signed_in").await;
    assert_eq!(audit_now(&world, "account_created").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_that_was_wanted_is_where_a_sign_in_ends() {
    let world = World::start().await;
    let (_, device) = signed_in(&world, "student1").await;
    let mut browser = Browser::at(&world);
    assert_eq!(browser.get("/mod/page/view.php?id=2&x=%2F").await.location(), "/login/index.php");
    let answer = browser.sign_in_with(&world, "student1", PASSWORD, &device).await;
    assert_eq!(answer.location(), "/mod/page/view.php?id=2&x=%2F");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_wanted_page_the_lms_says_where_a_sign_in_ends() {
    let world = World::start().await;
    let mut browser = Browser::at(&world);
    browser.enrol(&world, "student1", PASSWORD).await;
    // Moodle's own next step, under the session.
    let answer = browser.get("/login/index.php?testsession=3").await;
    assert_eq!(answer.location(), format!("{}/my/", world.url));
    assert_eq!(browser.get("/my/").await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn f12_a_forced_password_change_comes_after_the_second_factor() {
    let world = World::start().await;
    let mut browser = Browser::at(&world);
    browser.get(COURSE).await;
    let answer = browser.sign_in("mustchange1", PASSWORD).await;
    assert_eq!(answer.location(), "/vestibule/enrol");
    // The password alone does not get to the form.
    assert_eq!(browser.get("/login/change_password.php").await.location(), "/login/index.php");
    let page = browser.get("/vestibule/enrol").await.text();
    let device = Authenticator::from_page(&page);
    let csrf = between(&page, "name=\"csrf\" value=\"", "\"");
    use vestibule::types::Clock;
    let code = device.code(world.clock.now());
    browser.post("/vestibule/enrol", &[("csrf", &csrf), ("code", &code)]).await;
    let csrf = browser.csrf("/vestibule/recovery-codes").await;
    let answer = browser.post("/vestibule/recovery-codes", &[("csrf", &csrf)]).await;
    assert_eq!(answer.location(), "/login/change_password.php", "before the wanted page");
    let page = browser.get("/login/change_password.php").await;
    assert_eq!(page.status, StatusCode::OK);
    let sesskey = between(&page.text(), "name=\"sesskey\" value=\"", "\"");
    let fields =
        [("sesskey", &*sesskey), ("password", PASSWORD), ("newpassword1", "New.1234"), ("newpassword2", "New.1234")];
    let answer = browser.post("/login/change_password.php", &fields).await;
    assert!(answer.text().contains("has been changed"), "{}", answer.text());
    assert!(is_in(&mut browser).await);
    world.advance(Duration::from_secs(60));
    let mut later = Browser::at(&world);
    later.sign_in_with(&world, "mustchange1", "New.1234", &device).await;
    assert!(is_in(&mut later).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_before_moodle_3_7_token_php_says_who_it_is() {
    let world = World::start().await;
    world.campus.settings(|s| s.time_remaining = false);
    // Neither testsession= nor the session says who came.
    world.campus.account(8, |a| a.username = "mustchange2".into());
    let (mut browser, _) = signed_in(&world, "student1").await;
    assert!(is_in(&mut browser).await);
    let mark = world.campus.mark();
    world.campus.settings(|s| s.rotate_at_sign_in = false);
    let mut again = Browser::at(&world);
    assert_eq!(again.sign_in("student1", PASSWORD).await.location(), "/vestibule/challenge");
    let asked = world.campus.since(mark);
    assert!(asked.iter().any(|r| r.path() == "/login/token.php"), "token.php was asked");
    assert_eq!(account(&world, "student1").await.methods, ["campus-lms: 3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_where_nobody_can_say_who_it_is_sign_in_is_refused_and_the_lms_session_ended() {
    let world = World::start().await;
    world.campus.settings(|s| {
        s.time_remaining = false;
        s.enable_web_services = false;
    });
    let mut browser = Browser::at(&world);
    let answer = browser.sign_in("mustchange1", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.text());
    assert!(!browser.cookies.contains_key(FLOW) && !browser.cookies.contains_key(SESSION));
    until("its LMS session is logged out", async || world.campus.live_sessions(8) == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_200_page_with_a_rotated_cookie_is_a_sign_in() {
    let world = World::start().await;
    world.campus.settings(|s| s.expiry_page = true);
    let mut browser = Browser::at(&world);
    browser.enrol(&world, "student1", PASSWORD).await;
    assert!(is_in(&mut browser).await);
    assert_eq!(account(&world, "student1").await.methods, ["campus-lms: 3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn j14_an_lms_that_does_not_rotate_opens_nothing_for_the_anonymous_cookie() {
    let world = World::start().await;
    world.campus.settings(|s| s.rotate_at_sign_in = false);
    let mut browser = Browser::at(&world);
    browser.get("/login/index.php").await;
    browser.get("/login/index.php").await;
    let held = world.campus.requests().last().map(|r| r.header("cookie")).unwrap_or_default();
    let anonymous = held[0].strip_prefix("MoodleSession=").expect("a session").to_owned();
    let before = browser.cookies.clone();
    browser.enrol(&world, "student1", PASSWORD).await;
    assert!(is_in(&mut browser).await);
    assert_eq!(world.campus.session_user(&anonymous), None);
    // What the visitor kept from before the sign-in opens nothing either.
    let mut kept = Browser::at(&world);
    kept.cookies = before;
    assert!(!is_in(&mut kept).await);
    // Without a rotated cookie the Location is no proof: the session itself was asked.
    let asked = |r: &campus::Logged| r.target.contains("core_session_time_remaining");
    assert!(world.campus.requests().iter().any(asked), "the session was asked whose it is");
}

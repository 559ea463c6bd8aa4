//! The account page: what its owner may do with factors, sessions and apps, and what nobody else may.

use super::*;
use crate::people::MoodleApp;
use vestibule::{
    mfa::{FirstEnrolment, Stage},
    types::Clock,
};

pub const ACCOUNT: &str = "/vestibule/account";
const PERMIT: &str = "/vestibule/permit";

/// A form of the account page.
async fn act(browser: &mut Browser, act: &str, fields: &[(&str, &str)]) -> Answer {
    let csrf = browser.csrf(ACCOUNT).await;
    browser.post(ACCOUNT, &[&[("csrf", &*csrf), ("act", act)], fields].concat()).await
}

/// Answers the question for a named action with the device's present code.
async fn permit(world: &World, browser: &mut Browser, device: &Authenticator) -> Answer {
    let csrf = browser.csrf(PERMIT).await;
    world.advance(Duration::from_secs(60));
    let code = device.code(world.clock.now());
    browser.post(PERMIT, &[("csrf", &csrf), ("factor", "totp"), ("code", &code)]).await
}

/// The id of the account page's first factor.
async fn first_factor(browser: &mut Browser) -> String {
    between(&browser.get(ACCOUNT).await.text(), "name=\"factor\" value=\"", "\"")
}

async fn optional() -> World {
    World::with(|config| config.mfa.rules[0].stage = Stage::Optional).await
}

async fn in_without_a_factor(world: &World, username: &str) -> Browser {
    let mut browser = Browser::at(world);
    browser.sign_in(username, PASSWORD).await;
    assert!(is_in(&mut browser).await);
    browser
}

#[tokio::test(flavor = "multi_thread")]
async fn f7_a_session_alone_adds_renames_and_removes_no_factor() {
    let world = World::start().await;
    let (browser, device) = signed_in(&world, "student1").await;
    // Somebody has its cookies, and the password.
    let mut thief = twin(&world, &browser);
    let id = first_factor(&mut thief).await;
    let wrong = wrong_code(&world, &device);
    for (what, fields) in [
        ("remove", vec![("factor", &*id)]),
        ("rename", vec![("factor", &*id), ("label", "mine now")]),
        ("add", vec![("kind", "totp")]),
        ("codes", vec![]),
    ] {
        assert_eq!(act(&mut thief, what, &fields).await.location(), PERMIT, "{what}");
        for path in ["/vestibule/enrol", "/vestibule/recovery-codes"] {
            assert_eq!(thief.get(path).await.location(), PERMIT, "{what}");
        }
        let csrf = thief.csrf(PERMIT).await;
        for code in [wrong.as_str(), PASSWORD, ""] {
            let fields = [("csrf", &*csrf), ("factor", "totp"), ("code", code), ("password", PASSWORD)];
            assert_eq!(thief.post(PERMIT, &fields).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{what} {code}");
        }
        assert_eq!(thief.post("/vestibule/cancel", &[("csrf", &csrf)]).await.location(), ACCOUNT);
    }
    let page = thief.get(ACCOUNT).await.text();
    assert!(page.contains("Authenticator app</strong>") && page.contains("10 recovery codes"), "{page}");
    assert_eq!(account(&world, "student1").await.factors.len(), 1);
    for event in ["factor_removed", "factor_renamed", "recovery_codes_replaced"] {
        assert!(audit_now(&world, event).is_empty(), "{event}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f7_one_answer_is_for_one_action_and_for_ones_own_factors() {
    let world = World::start().await;
    let (mut victim, _) = signed_in(&world, "student1").await;
    let (mut other, device) = signed_in(&world, "student2").await;
    let id = first_factor(&mut victim).await;
    // Another's factor: its owner's page says what would happen, this one's says nothing.
    act(&mut other, "remove", &[("factor", &id)]).await;
    assert_eq!(other.get(PERMIT).await.location(), ACCOUNT);
    assert_eq!(account(&world, "student1").await.factors.len(), 1);
    // One that was answered for a new name does not remove.
    let own = first_factor(&mut other).await;
    assert_eq!(act(&mut other, "rename", &[("factor", &own), ("label", "Tablet")]).await.location(), PERMIT);
    assert_eq!(permit(&world, &mut other, &device).await.location(), ACCOUNT);
    assert!(other.get(ACCOUNT).await.text().contains("<strong>Tablet</strong>"));
    assert_eq!(act(&mut other, "remove", &[("factor", &own)]).await.location(), PERMIT, "asked again");
    assert_eq!(account(&world, "student2").await.factors.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn f6_new_recovery_codes_void_the_old_ones() {
    let world = World::start().await;
    let mut browser = Browser::at(&world);
    let (device, old) = browser.enrol(&world, "student1", PASSWORD).await;
    assert_eq!(act(&mut browser, "codes", &[]).await.location(), PERMIT);
    assert_eq!(permit(&world, &mut browser, &device).await.location(), "/vestibule/recovery-codes");
    let text = browser.get("/vestibule/recovery-codes.txt").await.text();
    let new: Vec<&str> = text.lines().map(str::trim).filter(|line| line.len() == 11 && line.contains('-')).collect();
    assert_eq!(new.len(), 10, "{text}");
    assert!(new.iter().all(|code| !old.iter().any(|other| other == code)));
    let csrf = browser.csrf("/vestibule/recovery-codes").await;
    assert_eq!(browser.post("/vestibule/recovery-codes", &[("csrf", &csrf)]).await.location(), ACCOUNT);
    let mut again = challenged(&world, "student1").await;
    let csrf = again.csrf("/vestibule/challenge").await;
    let mut with = async |code: &str| {
        again.post("/vestibule/challenge", &[("csrf", &csrf), ("factor", "recovery"), ("code", code)]).await.status
    };
    assert_eq!(with(&old[0]).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(with(&old[9].to_uppercase()).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(with(new[0]).await, StatusCode::SEE_OTHER);
    let page = browser.get(ACCOUNT).await.text();
    assert!(page.contains("You have 9 recovery codes left."), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_three_recovery_codes_left_the_page_warns() {
    let world = World::start().await;
    let mut browser = Browser::at(&world);
    let (_, codes) = browser.enrol(&world, "student1", PASSWORD).await;
    for (n, code) in codes.iter().take(7).enumerate() {
        assert!(!browser.get(ACCOUNT).await.text().contains("while you still can"), "{n} are used");
        let mut other = challenged(&world, "student1").await;
        let csrf = other.csrf("/vestibule/challenge").await;
        other.post("/vestibule/challenge", &[("csrf", &csrf), ("factor", "recovery"), ("code", code)]).await;
    }
    let page = browser.get(ACCOUNT).await.text();
    assert!(page.contains("You have 3 recovery codes left. Get new ones while you still can."), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_a_forged_form_ends_and_begins_nothing() {
    let world = World::start().await;
    let (mut browser, device) = signed_in(&world, "student1").await;
    let mut other = Browser::at(&world);
    other.sign_in_with(&world, "student1", PASSWORD, &device).await;
    let csrf = browser.csrf(ACCOUNT).await;
    for what in ["end-everything", "end-others", "end-session", "end-app", "add", "codes", "set-up"] {
        let body = format!("csrf={csrf}&act={what}&kind=totp");
        let form = "application/x-www-form-urlencoded";
        let scripted = browser.fetch(Method::POST, ACCOUNT, form, &body).await;
        assert_eq!(scripted.status, StatusCode::FORBIDDEN, "{what}: by a script on an LMS page");
        for origin in [Some("https://evil.example"), Some("null"), None] {
            let mut head = vec![
                ("sec-fetch-mode", "navigate".to_owned()),
                ("sec-fetch-dest", "document".to_owned()),
                ("sec-fetch-site", "cross-site".to_owned()),
                ("content-type", form.to_owned()),
            ];
            head.extend(origin.map(|origin| ("origin", origin.to_owned())));
            let answer = browser.send(Method::POST, ACCOUNT, &head, body.clone()).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{what} {origin:?}");
        }
        // Without the page's token, or with that of another session's page.
        let strange = other.csrf(ACCOUNT).await;
        for token in ["", "x", &strange] {
            let answer = browser.post(ACCOUNT, &[("csrf", token), ("act", what), ("kind", "totp")]).await;
            assert_eq!(answer.location(), ACCOUNT, "{what}");
        }
        assert_eq!(browser.get(&format!("{ACCOUNT}?csrf={csrf}&act={what}")).await.status, StatusCode::OK, "a GET");
    }
    assert!(!browser.cookies.contains_key(FLOW), "no flow was begun");
    assert!(is_in(&mut browser).await && is_in(&mut other).await, "and nothing has ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_sessions_are_listed_and_ended_one_or_all() {
    let world = World::start().await;
    let (mut here, device) = signed_in(&world, "student1").await;
    let mut others = Vec::new();
    for agent in ["Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0", "curl/8.5.0", ""] {
        let mut other = Browser::at(&world);
        other.headers.push(("user-agent", agent.to_owned()));
        other.sign_in_with(&world, "student1", PASSWORD, &device).await;
        world.advance(Duration::from_secs(60));
        others.push(other);
    }
    let (mut stranger, _) = signed_in(&world, "student2").await;
    let page = here.get(ACCOUNT).await.text();
    assert_eq!(page.matches("value=\"end-session\"").count(), 3, "not the present one: {page}");
    assert!(page.contains("<strong>Firefox on Windows</strong>") && page.contains("Unknown browser"), "{page}");
    assert!(page.contains("127.0.0.1") && page.contains("this one"), "{page}");
    // The one used last stands first among the others.
    let rest = page.split("name=\"session\" value=\"").last().unwrap_or_default();
    let oldest = rest.split('"').next().unwrap_or_default().to_owned();
    assert_eq!(act(&mut here, "end-session", &[("session", &oldest)]).await.location(), ACCOUNT);
    assert!(!is_in(&mut others[0]).await, "that of Firefox, which was used longest ago");
    assert!(is_in(&mut others[1]).await && is_in(&mut here).await);
    // A handle of another account's session ends nothing.
    act(&mut stranger, "end-session", &[("session", &oldest)]).await;
    assert_eq!(act(&mut here, "end-others", &[]).await.location(), ACCOUNT);
    assert!(!is_in(&mut others[1]).await && !is_in(&mut others[2]).await);
    assert!(is_in(&mut here).await && is_in(&mut stranger).await);
    assert_eq!(world.audited("session_revoked").await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn d10_signing_out_everywhere_ends_sessions_apps_and_pending_sign_ins() {
    let world = World::start().await;
    let (mut here, device) = signed_in(&world, "student1").await;
    let mut there = Browser::at(&world);
    there.sign_in_with(&world, "student1", PASSWORD, &device).await;
    world.advance(Duration::from_secs(60));
    let app = MoodleApp::at(&world);
    let token = app.sign_in(&world, "student1", PASSWORD, &device).await;
    world.advance(Duration::from_secs(60));
    let mut pending = challenged(&world, "student1").await;
    let at_the_lms = world.campus.live_sessions(STUDENT1);
    let answer = act(&mut here, "end-everything", &[]).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.text().contains("You are signed out everywhere"), "{}", answer.text());
    assert!(!here.cookies.contains_key(SESSION) && !here.cookies.contains_key(SEALED), "{:?}", here.cookies);
    assert!(!is_in(&mut here).await && !is_in(&mut there).await);
    assert_eq!(app.call(&token, "core_webservice_get_site_info", &[]).await.json()["errorcode"], "invalidtoken");
    assert_eq!(pending.get("/vestibule/challenge").await.status, StatusCode::GONE, "it was of the old epoch");
    until("this browser's LMS session is over", async || world.campus.live_sessions(STUDENT1) < at_the_lms).await;
    let mut again = Browser::at(&world);
    world.advance(Duration::from_secs(60));
    again.sign_in_with(&world, "student1", PASSWORD, &device).await;
    assert!(is_in(&mut again).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn apps_are_listed_and_signed_out_one_by_one() {
    let world = World::start().await;
    let (mut browser, device) = signed_in(&world, "student1").await;
    let app = MoodleApp::at(&world);
    let kept = app.sign_in(&world, "student1", PASSWORD, &device).await;
    world.advance(Duration::from_secs(60));
    let lost = app.sign_in(&world, "student1", PASSWORD, &device).await;
    world.advance(Duration::from_secs(60));
    let page = browser.get(ACCOUNT).await.text();
    assert_eq!(page.matches("<strong>Moodle app on Android</strong>").count(), 2, "{page}");
    assert!(page.contains("moodle_mobile_app") && !page.contains(&lost), "{page}");
    // The one signed in last stands first; another account's browser cannot name it.
    let id = between(&page, "name=\"app\" value=\"", "\"");
    let (mut stranger, _) = signed_in(&world, "student2").await;
    act(&mut stranger, "end-app", &[("app", &id)]).await;
    let info = "core_webservice_get_site_info";
    assert!(app.call(&lost, info, &[]).await.json()["userid"].is_number());
    assert_eq!(act(&mut browser, "end-app", &[("app", &id)]).await.location(), ACCOUNT);
    assert_eq!(app.call(&lost, info, &[]).await.json()["errorcode"], "invalidtoken");
    assert!(app.call(&kept, info, &[]).await.json()["userid"].is_number());
}

#[tokio::test(flavor = "multi_thread")]
async fn j3_whoever_was_let_in_without_a_factor_sets_one_up_with_the_password_once_more() {
    let world = optional().await;
    let mut browser = in_without_a_factor(&world, "student1").await;
    let own = "/vestibule/own-password";
    assert_eq!(act(&mut browser, "set-up", &[]).await.location(), own);
    assert_eq!(browser.get("/vestibule/enrol").await.location(), own, "the session alone opens nothing");
    let csrf = browser.csrf(own).await;
    for (username, password) in [("student1", "wrong"), ("student1", ""), ("student2", PASSWORD)] {
        let fields = [("csrf", &*csrf), ("username", username), ("password", password)];
        let answer = browser.post(own, &fields).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{username} {}", answer.text());
        assert!(answer.text().contains(&format!("value=\"{username}\"")), "{}", answer.text());
    }
    let answer = browser.post(own, &[("csrf", &csrf), ("username", "student1"), ("password", PASSWORD)]).await;
    assert_eq!(answer.location(), "/vestibule/enrol", "{}", answer.text());
    // Another browser has neither the session nor the flow.
    let mut thief = Browser::at(&world);
    thief.cookies.insert(FLOW.to_owned(), browser.cookies[FLOW].clone());
    assert_eq!(thief.get("/vestibule/enrol").await.status, StatusCode::GONE);
    let page = browser.get("/vestibule/enrol").await.text();
    let device = Authenticator::from_page(&page);
    let fields = |code: &str| [("csrf", csrf.clone()), ("label", "My <phone>".to_owned()), ("code", code.to_owned())];
    let wrong = fields(&wrong_code(&world, &device));
    let answer = browser.post("/vestibule/enrol", &wrong.each_ref().map(|(k, v)| (*k, v.as_str()))).await;
    assert!(answer.text().contains("value=\"My &lt;phone&gt;\""), "the name stands there again: {}", answer.text());
    let right = fields(&device.code(world.clock.now()));
    let answer = browser.post("/vestibule/enrol", &right.each_ref().map(|(k, v)| (*k, v.as_str()))).await;
    assert_eq!(answer.location(), "/vestibule/recovery-codes", "{}", answer.text());
    assert_eq!(browser.post("/vestibule/recovery-codes", &[("csrf", &csrf)]).await.location(), ACCOUNT);
    let page = browser.get(ACCOUNT).await.text();
    assert!(page.contains("<strong>My &lt;phone&gt;</strong>") && !page.contains("value=\"set-up\""), "{page}");
    assert_eq!(world.audited("factor_enrolled").await[0]["proof"], "at_sign_in");
    world.advance(Duration::from_secs(60));
    let mut again = challenged(&world, "student1").await;
    again.answer(&device.code(world.clock.now())).await;
    assert!(is_in(&mut again).await);
    // With a factor there, it is that which opens the next.
    assert_eq!(act(&mut again, "set-up", &[]).await.location(), ACCOUNT);
    assert_eq!(act(&mut again, "add", &[("kind", "totp")]).await.location(), PERMIT);
}

#[tokio::test(flavor = "multi_thread")]
async fn j3_where_the_help_desk_opens_enrolments_it_does_so_from_the_account_page_too() {
    let world = World::with(|config| {
        config.mfa.rules[0].stage = Stage::Optional;
        config.mfa.rules[0].first_enrolment = Some(FirstEnrolment::ByHelpDesk);
        config.mfa.rules[0].enrolment_window = None;
    })
    .await;
    let mut browser = in_without_a_factor(&world, "student1").await;
    assert!(browser.get(ACCOUNT).await.text().contains("You need a one-time code from your help desk"));
    assert_eq!(act(&mut browser, "set-up", &[]).await.location(), "/vestibule/help-desk");
    let csrf = browser.csrf("/vestibule/help-desk").await;
    let code = |code: String| [("csrf", csrf.clone()), ("code", code)];
    let wrong = code("ABCD-EFGH-JKLM".into());
    let answer = browser.post("/vestibule/help-desk", &wrong.each_ref().map(|(k, v)| (*k, v.as_str()))).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let right = code(help_desk_code(&world, "student1").await);
    let answer = browser.post("/vestibule/help-desk", &right.each_ref().map(|(k, v)| (*k, v.as_str()))).await;
    assert_eq!(answer.location(), "/vestibule/enrol", "{}", answer.text());
    let device = Authenticator::from_page(&browser.get("/vestibule/enrol").await.text());
    let fields = code(device.code(world.clock.now()));
    let answer = browser.post("/vestibule/enrol", &fields.each_ref().map(|(k, v)| (*k, v.as_str()))).await;
    assert_eq!(answer.location(), "/vestibule/recovery-codes", "{}", answer.text());
    assert_eq!(account(&world, "student1").await.factors.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_grace_the_page_reminds_and_each_sign_in_leads_there_once() {
    let world = World::with(|config| {
        let grace = "{ until: 2098-06-30, force_setup: true }";
        config.mfa.rules[0].grace = Some(serde_yaml::from_str(grace).expect("a grace"));
    })
    .await;
    let mut browser = Browser::at(&world);
    browser.get(COURSE).await;
    let answer = browser.sign_in("student1", PASSWORD).await;
    assert_eq!(answer.location(), format!("{ACCOUNT}?to=%2Fcourse%2Fview%2Ephp%3Fid%3D2"));
    let page = browser.get(answer.location()).await.text();
    assert!(page.contains("until 30 June 2098") && page.contains("value=\"set-up\""), "{page}");
    assert!(page.contains("href=\"&#x2f;course&#x2f;view.php?id=2\""), "the way on: {page}");
    assert!(is_in(&mut browser).await, "nobody is held up");
    for elsewhere in ["https://evil.example/", "//evil.example", "/%5Cevil", "javascript:alert(1)", "/login/logout.php"]
    {
        let page = browser.get(&format!("{ACCOUNT}?to={elsewhere}")).await.text();
        assert!(page.contains("class=\"back\"><a href=\"&#x2f;\">"), "{elsewhere}: {page}");
    }
    // Not of those who have one.
    act(&mut browser, "set-up", &[]).await;
    let csrf = browser.csrf("/vestibule/own-password").await;
    let fields = [("csrf", &*csrf), ("username", "student1"), ("password", PASSWORD)];
    browser.post("/vestibule/own-password", &fields).await;
    let device = Authenticator::from_page(&browser.get("/vestibule/enrol").await.text());
    let code = device.code(world.clock.now());
    browser.post("/vestibule/enrol", &[("csrf", &csrf), ("code", &code)]).await;
    world.advance(Duration::from_secs(60));
    let mut again = challenged(&world, "student1").await;
    let answer = again.answer(&device.code(world.clock.now())).await;
    assert!(!answer.location().starts_with(ACCOUNT), "{}", answer.location());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_challenge_says_why_it_asks_and_whom_to_turn_to() {
    let world = World::with(|config| {
        let campus = "{ name: campus-network, kind: network, networks: [ 192.0.2.0/24 ] }";
        config.mfa.signals.push(serde_yaml::from_str(campus).expect("a signal"));
        let help = "{ text: Room 1.23, url: 'https://help.example.org/', phone: '+49 30 1234-56' }";
        config.mfa.help = Some(serde_yaml::from_str(help).expect("a help desk"));
    })
    .await;
    let (_, _) = signed_in(&world, "student1").await;
    let mut browser = challenged(&world, "student1").await;
    let page = browser.get("/vestibule/challenge").await.text();
    assert!(page.contains("because you are not on the site’s own network"), "{page}");
    assert!(page.contains("Room 1.23") && page.contains("tel:+49301234"), "{page}");
    assert!(page.contains("href=\"https:&#x2f;&#x2f;help.example.org&#x2f;\">help.example.org</a>"), "{page}");
    browser.headers.push(("accept-language", "de".into()));
    let page = browser.get("/vestibule/challenge").await.text();
    assert!(page.contains("weil Sie nicht im eigenen Netz der Lernplattform sind"), "{page}");
}

//! Passkeys and security keys as a second step: enrolled, asked for, and everything of attack F8 that gets as far as
//! the door.

use super::*;
use crate::{
    authenticator::{Answer as Said, PRESENT, SoftKey},
    webdriver::{Built, Chromium},
};
use futures_util::future::join_all;
use vestibule::{
    config::Config,
    mfa::{Factor, factors::webauthn::UserVerification},
    types::FactorKind,
};

pub const LOAD: Duration = Duration::from_secs(10);

/// Apps and passkeys, with recovery codes beside them.
pub fn offer(config: &mut Config) {
    config.mfa.factors = [FactorKind::Totp, FactorKind::Webauthn, FactorKind::Recovery].map(Factor::of).to_vec();
}

pub async fn world() -> World {
    World::with(offer).await
}

/// What a page asks the authenticator.
pub fn options(page: &str) -> String {
    let escaped = between(page, "data-options=\"", "\"");
    escaped.replace("&quot;", "\"").replace("&#x2f;", "/").replace("&#x27;", "'").replace("&amp;", "&")
}

fn csrf(page: &str) -> String {
    between(page, "name=\"csrf\" value=\"", "\"")
}

/// From the page of a first enrolment to a session.
pub async fn enrol_first(browser: &mut Browser, url: &str) -> SoftKey {
    let page = browser.get("/vestibule/enrol").await.text();
    let answer = browser.post("/vestibule/enrol", &[("csrf", &csrf(&page)), ("act", "webauthn")]).await;
    assert_eq!(answer.location(), "/vestibule/enrol", "{}", answer.text());
    let page = browser.get("/vestibule/enrol").await.text();
    let (key, made) = SoftKey::create(&options(&page), url, |_| {});
    let answer = confirm(browser, &page, &made).await;
    assert_eq!(answer.location(), "/vestibule/recovery-codes", "{}", answer.text());
    let token = browser.csrf("/vestibule/recovery-codes").await;
    browser.post("/vestibule/recovery-codes", &[("csrf", &token)]).await;
    key
}

async fn confirm(browser: &mut Browser, page: &str, made: &str) -> Answer {
    let fields = [("csrf", &*csrf(page)), ("factor", "webauthn"), ("label", "Soft key"), ("code", made)];
    browser.post("/vestibule/enrol", &fields).await
}

/// Somebody with a session and a passkey, and no other device.
async fn signed_in_with_passkey(world: &World, username: &str) -> (Browser, SoftKey) {
    let mut browser = Browser::at(world);
    assert_eq!(browser.sign_in(username, PASSWORD).await.location(), "/vestibule/enrol");
    let key = enrol_first(&mut browser, &world.url).await;
    assert!(is_in(&mut browser).await);
    (browser, key)
}

async fn send(browser: &mut Browser, page: &str, said: &str) -> Answer {
    let fields = [("csrf", &*csrf(page)), ("factor", "webauthn"), ("code", said)];
    browser.post("/vestibule/challenge", &fields).await
}

/// A sign-in to the end of its challenge, with this lie.
async fn answered(world: &World, username: &str, key: &mut SoftKey, lie: impl FnOnce(&mut Said)) -> (Browser, Answer) {
    let mut browser = challenged(world, username).await;
    let page = browser.get("/vestibule/challenge?factor=webauthn").await.text();
    let said = key.get(&options(&page), &world.url, lie);
    let answer = send(&mut browser, &page, &said).await;
    (browser, answer)
}

/// Why answers were refused, oldest first.
fn refusals(world: &World) -> Vec<String> {
    let reason = |line: &Value| line["reason"].as_str().unwrap_or_default().to_owned();
    audit_now(world, "factor_refused").iter().map(reason).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_passkey_is_enrolled_instead_of_an_app_and_is_asked_for_from_then_on() {
    let world = world().await;
    let (_, mut key) = signed_in_with_passkey(&world, "student1").await;
    let (mut browser, answer) = answered(&world, "student1", &mut key, |_| {}).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    assert!(is_in(&mut browser).await);
    let amr =
        async || audit_now(&world, "signed_in").iter().filter(|line| line["amr"] == "mfa pop pwd user").count() == 2;
    until("both sign-ins say how", amr).await;
    let enrolled = world.audited("factor_enrolled").await;
    assert_eq!((enrolled.len(), &enrolled[0]["factor"]), (1, &"webauthn".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_changes_their_mind_sets_up_an_app_after_all() {
    let world = world().await;
    let mut browser = Browser::at(&world);
    browser.sign_in("student1", PASSWORD).await;
    for (act, mark) in [("webauthn", "data-passkey=\"create\""), ("totp", "otpauth:"), ("webauthn", "data-options")] {
        let token = browser.csrf("/vestibule/enrol").await;
        browser.post("/vestibule/enrol", &[("csrf", &token), ("act", act)]).await;
        assert!(browser.get("/vestibule/enrol").await.text().contains(mark), "{act}");
    }
    for act in ["recovery", "email", "nonsense"] {
        let token = browser.csrf("/vestibule/enrol").await;
        browser.post("/vestibule/enrol", &[("csrf", &token), ("act", act)]).await;
        assert!(!is_in(&mut browser).await, "{act}");
        browser.sign_in("student1", PASSWORD).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_passkeys_are_all_there_is_nobody_is_shown_an_app() {
    let world = World::with(|config| config.mfa.factors = vec![Factor::of(FactorKind::Webauthn)]).await;
    let mut browser = Browser::at(&world);
    browser.sign_in("student1", PASSWORD).await;
    let page = browser.get("/vestibule/enrol").await.text();
    assert!(page.contains("data-passkey=\"create\"") && !page.contains("value=\"totp\""));
    let answer = browser.post("/vestibule/enrol", &[("csrf", &csrf(&page)), ("act", "totp")]).await;
    assert_eq!(answer.status, StatusCode::GONE);
}

#[tokio::test(flavor = "multi_thread")]
async fn f8_what_a_browser_never_says_is_refused_at_the_door() {
    let world = world().await;
    let (_, mut key) = signed_in_with_passkey(&world, "student1").await;
    #[expect(clippy::type_complexity, reason = "a list of lies, each with its name")]
    let lies: [(&str, fn(&mut Said)); 4] = [
        ("another origin", |said| said.origin = said.origin.replace("https:", "http:")),
        ("another relying party", |said| said.rp_id = "example.org".into()),
        ("from a frame of another site", |said| said.client = serde_json::json!({ "crossOrigin": true })),
        ("user not verified", |said| said.flags = PRESENT),
    ];
    for (reason, lie) in lies {
        let (mut browser, answer) = answered(&world, "student1", &mut key, lie).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{reason}");
        assert!(!is_in(&mut browser).await, "{reason}");
        until(reason, async || refusals(&world).last().is_some_and(|last| last == reason)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f8_without_pin_or_biometrics_nobody_passes_where_they_are_required() {
    let world = World::with(|config| {
        let required = Some(UserVerification::Required);
        config.mfa.factors = vec![Factor { user_verification: required, ..Factor::of(FactorKind::Webauthn) }];
    })
    .await;
    let mut browser = Browser::at(&world);
    browser.sign_in("student1", PASSWORD).await;
    let page = browser.get("/vestibule/enrol").await.text();
    assert!(options(&page).contains("\"userVerification\":\"required\""));
    let (_, made) = SoftKey::create(&options(&page), &world.url, |said| said.flags = PRESENT);
    assert_eq!(confirm(&mut browser, &page, &made).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!is_in(&mut browser).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn f8_an_answer_counts_once() {
    let world = world().await;
    let (_, mut key) = signed_in_with_passkey(&world, "student1").await;
    // Fifty times at the same moment, in fifty browsers that share one sign-in.
    let mut browser = challenged(&world, "student1").await;
    let page = browser.get("/vestibule/challenge?factor=webauthn").await.text();
    let said = key.get(&options(&page), &world.url, |_| {});
    let mut twins: Vec<Browser> = (0..50).map(|_| twin(&world, &browser)).collect();
    let answers = join_all(twins.iter_mut().map(|twin| send(twin, &page, &said))).await;
    let issued = |line: &String| line.starts_with(&format!("{SESSION}=")) && !line.starts_with(&format!("{SESSION}=;"));
    let sessions = answers.iter().filter(|answer| set_cookies(answer).iter().any(issued)).count();
    assert_eq!(sessions, 1);
    assert_eq!(world.audited("factor_accepted").await.len(), 1);
    // And never again, in another sign-in.
    let mut other = challenged(&world, "student1").await;
    let page = other.get("/vestibule/challenge?factor=webauthn").await.text();
    assert_eq!(send(&mut other, &page, &said).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!is_in(&mut other).await);
    until("why", async || refusals(&world).contains(&"another challenge".to_owned())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f8_after_a_refused_answer_the_page_asks_anew() {
    let world = world().await;
    let (_, mut key) = signed_in_with_passkey(&world, "student1").await;
    let mut browser = challenged(&world, "student1").await;
    let page = browser.get("/vestibule/challenge").await.text();
    let said = key.get(&options(&page), &world.url, |said| said.origin = "https://evil.example".into());
    let again = send(&mut browser, &page, &said).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    let again = again.text();
    assert_ne!(options(&again), options(&page), "a question is good for one answer");
    // GET changes nothing: the same question stands there however often it is looked at.
    assert_eq!(options(&browser.get("/vestibule/challenge").await.text()), options(&again));
    // The old question, answered rightly.
    let late = key.get(&options(&page), &world.url, |_| {});
    let answer = send(&mut browser, &again, &late).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let page = answer.text();
    let said = key.get(&options(&page), &world.url, |_| {});
    assert_eq!(send(&mut browser, &page, &said).await.status, StatusCode::SEE_OTHER);
    assert!(is_in(&mut browser).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn f8_a_copied_key_is_found_out_and_does_not_count_any_more() {
    let world = world().await;
    let (_, mut key) = signed_in_with_passkey(&world, "student1").await;
    for _ in 0..3 {
        let (mut browser, _) = answered(&world, "student1", &mut key, |_| {}).await;
        assert!(is_in(&mut browser).await);
    }
    let (mut thief, answer) = answered(&world, "student1", &mut key, |said| said.count = 2).await;
    assert_eq!(answer.status, StatusCode::GONE, "nothing is left to ask for in this sign-in: {}", answer.text());
    assert!(!is_in(&mut thief).await);
    assert_eq!(world.audited("sign_count_regressed").await.len(), 1);
    // Which of the two is the copy nobody knows: the help desk is asked.
    let mut owner = Browser::at(&world);
    assert_eq!(owner.sign_in("student1", PASSWORD).await.location(), "/vestibule/help-desk");
}

#[tokio::test(flavor = "multi_thread")]
async fn f8_somebody_elses_passkey_answers_nothing_and_is_enrolled_once() {
    let world = world().await;
    let (_, own) = signed_in_with_passkey(&world, "student1").await;
    let (_, mut theirs) = signed_in_with_passkey(&world, "student2").await;
    let (mut browser, answer) = answered(&world, "student1", &mut theirs, |_| {}).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!is_in(&mut browser).await);
    until("why", async || refusals(&world).contains(&"not a passkey of this account".to_owned())).await;
    // Under the other's id, with their own key.
    let (mut browser, answer) = answered(&world, "student1", &mut theirs, |said| said.id.clone_from(&own.id)).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!is_in(&mut browser).await);
    // Enrolled again by a third, under an id that is somebody's.
    let mut third = Browser::at(&world);
    third.sign_in("teacher1", PASSWORD).await;
    let page = third.get("/vestibule/enrol").await.text();
    third.post("/vestibule/enrol", &[("csrf", &csrf(&page)), ("act", "webauthn")]).await;
    let page = third.get("/vestibule/enrol").await.text();
    let (_, made) = SoftKey::create(&options(&page), &world.url, |said| said.id.clone_from(&own.id));
    assert_eq!(confirm(&mut third, &page, &made).await.status, StatusCode::GONE);
    until("two are recorded", async || audit_now(&world, "factor_enrolled").len() == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f8_wrong_answers_are_counted_and_end_the_sign_in() {
    let world = world().await;
    let (_, mut key) = signed_in_with_passkey(&world, "student1").await;
    let mut browser = challenged(&world, "student1").await;
    for left in (0..5).rev() {
        let page = browser.get("/vestibule/challenge").await.text();
        let said = key.get(&options(&page), &world.url, |said| said.rp_id = "example.org".into());
        let answer = send(&mut browser, &page, &said).await;
        let expected = if left > 0 { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::GONE };
        assert_eq!(answer.status, expected, "{left}");
    }
    // What is no answer at all is one more wrong one, and a book is not read.
    let mut browser = challenged(&world, "student1").await;
    for nonsense in ["123456", "{}", &"x".repeat(20_000)] {
        let page = browser.get("/vestibule/challenge").await.text();
        assert_eq!(send(&mut browser, &page, nonsense).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_apps_door_takes_the_same_passkey_by_the_same_rules() {
    use crate::people::MoodleApp;
    let world = world().await;
    let (_, mut key) = signed_in_with_passkey(&world, "student1").await;
    let app = MoodleApp::at(&world);
    let challenge = app.token("student1", PASSWORD).await.json();
    assert!(challenge["mfa"]["factors"].to_string().contains("webauthn"), "{challenge}");
    let flow = challenge["mfa"]["flow"].as_str().expect("a flow").to_owned();
    let options = challenge["mfa"]["passkey"].to_string();
    let wrong = key.get(&options, &world.url, |said| said.origin = "https://evil.example".into());
    assert_eq!(app.verify(&flow, "webauthn", &wrong).await.json()["errorcode"], "mfawrongcode");
    // Its question was good for one answer.
    let late = key.get(&options, &world.url, |_| {});
    let again = app.verify(&flow, "webauthn", &late).await.json();
    assert_eq!(again["errorcode"], "mfawrongcode");
    let fresh = again["mfa"]["passkey"].to_string();
    assert_ne!(fresh, options);
    let right = key.get(&fresh, &world.url, |_| {});
    let tokens = app.verify(&flow, "webauthn", &right).await.json();
    assert_eq!(tokens["token"].as_str().map(str::len), Some(64), "{tokens}");
}

/// From the first sign-in to the second, with a passkey as the second step.
#[tokio::test(flavor = "multi_thread")]
async fn in_a_real_browser_a_passkey_is_set_up_and_signs_in() {
    let world = world().await;
    let screen = Chromium::start().await;
    let authenticator = screen.add_authenticator(Built::In).await;
    let shot = async |what: &str| drop(screen.screenshot(&format!("story-passkey-{what}")).await);

    type_credentials(&screen, &world).await;
    screen.wait_for("input[name=act][value=webauthn] ~ button", LOAD).await;
    shot("1-enrol").await;
    screen.click("input[name=act][value=webauthn] ~ button").await;
    screen.wait_for("#label", LOAD).await;
    shot("2-set-up").await;
    screen.type_into("#label", "Work laptop").await;
    screen.click("[data-passkey-button]").await;
    screen.wait_for(".codes", LOAD).await;
    let held = screen.credentials(&authenticator).await;
    assert_eq!((held.len(), &held[0]["rpId"]), (1, &"localhost".into()), "{held:?}");
    screen.click("form button[type=submit]").await;
    screen.wait_for("#region-main", LOAD).await;
    assert!(screen.url().await.ends_with("/my/"));
    screen.goto(&format!("{}/login/logout.php", world.url)).await;
    screen.wait_for("main form button", LOAD).await;
    screen.click("main form button").await;
    screen.wait_for("input[name=username]", LOAD).await;

    type_credentials(&screen, &world).await;
    screen.wait_for("[data-passkey-button]", LOAD).await;
    assert!(screen.url().await.ends_with("/vestibule/challenge"));
    shot("3-challenge").await;
    // Nobody who proves to be its owner: the page says so, and asks again.
    screen.set_verified(&authenticator, false).await;
    screen.click("[data-passkey-button]").await;
    screen.wait_for("[data-passkey-says=failed]:not([hidden]), #problem", LOAD).await;
    shot("4-failed").await;
    screen.set_verified(&authenticator, true).await;
    screen.click("[data-passkey-button]").await;
    screen.wait_for("#region-main", LOAD).await;
    assert!(screen.url().await.ends_with("/my/"));
    shot("5-signed-in").await;
    let amr =
        async || audit_now(&world, "signed_in").iter().filter(|line| line["amr"] == "mfa pop pwd user").count() == 2;
    until("both sign-ins say how", amr).await;
    let ours: Vec<String> = screen.console().await.into_iter().filter(|line| line.contains("/vestibule/")).collect();
    assert!(ours.iter().all(|line| line.contains("422")), "{ours:?}");
}

/// A key that is plugged in and keeps no passkeys, at a site with passkeys for everybody.
#[tokio::test(flavor = "multi_thread")]
async fn in_a_real_browser_a_security_key_is_a_second_step_too() {
    let world = world().await;
    let screen = Chromium::start().await;
    let authenticator = screen.add_authenticator(Built::ToPlugIn).await;
    type_credentials(&screen, &world).await;
    screen.wait_for("input[name=act][value=webauthn] ~ button", LOAD).await;
    screen.click("input[name=act][value=webauthn] ~ button").await;
    screen.wait_for("[data-passkey-button]", LOAD).await;
    screen.click("[data-passkey-button]").await;
    screen.wait_for(".codes", LOAD).await;
    assert_eq!(screen.credentials(&authenticator).await[0]["isResidentCredential"], false);
    screen.click("form button[type=submit]").await;
    screen.wait_for("#region-main", LOAD).await;
    screen.goto(&format!("{}/login/logout.php", world.url)).await;
    screen.wait_for("main form button", LOAD).await;
    screen.click("main form button").await;
    screen.wait_for("input[name=username]", LOAD).await;
    type_credentials(&screen, &world).await;
    screen.wait_for("[data-passkey-button]", LOAD).await;
    screen.click("[data-passkey-button]").await;
    screen.wait_for("#region-main", LOAD).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_javascript_the_page_says_what_a_passkey_needs_and_offers_the_rest() {
    use crate::webdriver::{Device, Scripts};
    let world = world().await;
    signed_in_with_passkey(&world, "student1").await;
    let screen = Chromium::with(Device::Phone, Scripts::Off).await;
    screen.goto(&format!("{}/my/", world.url)).await;
    screen.wait_for("input[name=username]", LOAD).await;
    screen.type_into("input[name=username]", "student1").await;
    screen.type_into("input[name=password]", &format!("{PASSWORD}\u{e007}")).await;
    screen.wait_for("noscript", LOAD).await;
    screen.screenshot("story-passkey-noscript").await;
    assert!(screen.text("main").await.contains("JavaScript"));
    assert!(screen.exists("a[href*='factor=recovery']").await);
}

async fn type_credentials(screen: &Chromium, world: &World) {
    screen.goto(&format!("{}/my/", world.url)).await;
    screen.wait_for("input[name=username]", LOAD).await;
    screen.type_into("input[name=username]", "student1").await;
    screen.type_into("input[name=password]", &format!("{PASSWORD}\u{e007}")).await;
}

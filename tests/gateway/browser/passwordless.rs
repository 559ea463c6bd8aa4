//! A passkey instead of name and password, on the gateway's own sign-in page; and a further one, beside the app.

use super::{
    linking::cast,
    passkeys::{LOAD, enrol_first, offer, options},
    *,
};
use crate::{
    authenticator::{Answer as Said, PRESENT, SoftKey},
    webdriver::{Built, Chromium},
};
use vestibule::{config::Config, types::FactorKind};

const SIGN_IN: &str = "/vestibule/sign-in";

fn alone(config: &mut Config) {
    offer(config);
    for factor in config.mfa.factors.iter_mut().filter(|factor| factor.kind == FactorKind::Webauthn) {
        factor.passwordless = Some(true);
    }
}

async fn world() -> World {
    cast::world(&cast::nobody(), alone).await
}

/// Somebody of the staff, enrolled with a passkey.
async fn with_passkey(world: &World, username: &str) -> (Browser, SoftKey) {
    let mut browser = Browser::at(world);
    let answer = cast::type_in(&mut browser, username, cast::SECRET).await;
    assert_eq!(answer.location(), "/vestibule/enrol", "{}", answer.text());
    let key = enrol_first(&mut browser, &world.url).await;
    assert!(is_in(&mut browser).await);
    (browser, key)
}

/// The sign-in page's question, answered with this lie, and what was sent.
async fn shown(
    world: &World,
    browser: &mut Browser,
    key: &mut SoftKey,
    lie: impl FnOnce(&mut Said),
) -> (Answer, [String; 2]) {
    let page = browser.get(SIGN_IN).await.text();
    let ticket = between(&page, "name=\"ticket\" value=\"", "\"");
    let said = key.get(&options(&page), &world.url, lie);
    let answer = post(browser, &ticket, &said).await;
    (answer, [ticket, said])
}

async fn post(browser: &mut Browser, ticket: &str, said: &str) -> Answer {
    browser.post("/vestibule/sign-in/passkey", &[("ticket", ticket), ("code", said)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_alone_signs_in_and_is_the_second_step_as_well() {
    let world = world().await;
    let (_, mut key) = with_passkey(&world, "anna").await;
    let mut browser = Browser::at(&world);
    assert!(!is_in(&mut browser).await);
    let (answer, _) = shown(&world, &mut browser, &mut key, |_| {}).await;
    assert_eq!(answer.location(), COURSE, "where they wanted to go: {}", answer.text());
    assert!(is_in(&mut browser).await);
    let amr = async || audit_now(&world, "signed_in").last().is_some_and(|line| line["amr"] == "mfa pop user");
    until("no password was typed", amr).await;
    let told = world.campus.requests().iter().rev().find_map(|r| r.header("x-vestibule-amr").first().cloned());
    assert_eq!(told.as_deref(), Some("mfa pop user"));
    let judged = world.audited("passkey_judged").await;
    assert_eq!((&judged[0]["accepted"], &judged[0]["source"]), (&true.into(), &"staff".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn f8_an_answer_to_the_sign_in_page_counts_once_here_and_for_ten_minutes() {
    let world = world().await;
    let (_, mut key) = with_passkey(&world, "anna").await;
    let mut browser = Browser::at(&world);
    let (answer, [ticket, said]) = shown(&world, &mut browser, &mut key, |_| {}).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    let mut thief = Browser::at(&world);
    assert_eq!(post(&mut thief, &ticket, &said).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    // Too late.
    let page = thief.get(SIGN_IN).await.text();
    let ticket = between(&page, "name=\"ticket\" value=\"", "\"");
    let said = key.get(&options(&page), &world.url, |_| {});
    world.advance(Duration::from_secs(600));
    assert_eq!(post(&mut thief, &ticket, &said).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    // No question of ours, or another one's answer.
    for (ticket, said) in [("", said.as_str()), ("v1.x.y", &said), (&*ticket, ""), ("", "")] {
        assert_eq!(post(&mut thief, ticket, said).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert!(!is_in(&mut thief).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn f8_what_does_not_verify_its_user_or_name_them_signs_nobody_in() {
    let world = world().await;
    let (_, mut key) = with_passkey(&world, "anna").await;
    let (_, other) = with_passkey(&world, "bert").await;
    #[expect(clippy::type_complexity, reason = "a list of lies, each with its name")]
    let lies: [(&str, Box<dyn FnOnce(&mut Said)>); 5] = [
        ("user not verified", Box::new(|said| said.flags = PRESENT)),
        ("not a passkey of this account", Box::new(|said| said.user_handle = None)),
        ("not a passkey of this account", Box::new(|said| said.user_handle = Some(vec![b'a'; 32]))),
        ("another origin", Box::new(|said| said.origin = "https://localhost".into())),
        ("not a passkey of this account", Box::new(move |said| said.id = other.id)),
    ];
    for (reason, lie) in lies {
        let mut browser = Browser::at(&world);
        let (answer, _) = shown(&world, &mut browser, &mut key, lie).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{reason}");
        assert!(answer.text().contains("That passkey was not accepted"), "{reason}: every refusal reads alike");
        assert!(!is_in(&mut browser).await, "{reason}");
        let refused = async || audit_now(&world, "factor_refused").last().is_some_and(|line| line["reason"] == reason);
        until(reason, refused).await;
    }
    // A passkey that nobody here has.
    let page = Browser::at(&world).get(SIGN_IN).await.text();
    let stranger =
        options(&page).replace("\"rpId\"", "\"user\":{\"id\":\"YQ\"},\"rp\":{\"id\":\"localhost\"},\"rpId\"");
    let (mut stranger, _) = SoftKey::create(&stranger, &world.url, |_| {});
    let (answer, _) = shown(&world, &mut Browser::at(&world), &mut stranger, |_| {}).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_switched_off_or_gone_at_the_source_does_not_come_in_by_a_passkey() {
    let world = world().await;
    let (_, mut key) = with_passkey(&world, "anna").await;
    disable(&world, "anna").await;
    let (answer, _) = shown(&world, &mut Browser::at(&world), &mut key, |_| {}).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "suspended here");
    enable(&world, "anna").await;
    let (answer, _) = shown(&world, &mut Browser::at(&world), &mut key, |_| {}).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    // From now on the directory knows nobody of that name.
    let World { campus, app, url, address, clock, folder, mut config } = world;
    app.stop().await;
    config.chain.instances[0] = cast::directory("staff", "Staff directory", Vec::new(), |_| {});
    let https = tokio::net::TcpListener::bind(address).await.expect("the same port");
    let app = crate::world::start(config.clone(), https, clock.clone()).await;
    let world = World { campus, app, url, address, clock, folder, config };
    let mut browser = Browser::at(&world);
    let (answer, _) = shown(&world, &mut browser, &mut key, |_| {}).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "gone there");
    assert!(!is_in(&mut browser).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_site_does_not_allow_it_the_page_asks_for_no_passkey_and_takes_none() {
    let allowed = world().await;
    let (_, mut key) = with_passkey(&allowed, "anna").await;
    let page = Browser::at(&allowed).get(SIGN_IN).await.text();
    let ticket = between(&page, "name=\"ticket\" value=\"", "\"");
    let said = key.get(&options(&page), &allowed.url, |_| {});
    let world = cast::world(&cast::nobody(), offer).await;
    let mut browser = Browser::at(&world);
    let page = browser.get(SIGN_IN).await.text();
    assert!(!page.contains("data-passkey") && !page.contains("webauthn"), "{page}");
    assert_eq!(post(&mut browser, &ticket, &said).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    // Nor where the LMS's own form is the sign-in page.
    let by_form = World::start().await;
    let answer = post(&mut Browser::at(&by_form), &ticket, &said).await;
    assert_eq!(answer.location(), "/login/index.php");
}

#[tokio::test(flavor = "multi_thread")]
async fn j3_an_enrolment_that_does_not_score_here_is_no_second_step() {
    let world = cast::world(&cast::nobody(), |config| {
        alone(config);
        let rule = &mut config.mfa.rules[0];
        rule.name = "window".into();
    })
    .await;
    let (_, mut key) = with_passkey(&world, "anna").await;
    let World { campus, app, url, address, clock, folder, mut config } = world;
    app.stop().await;
    let rule = &mut config.mfa.rules[0];
    rule.name = "desk".into();
    (rule.first_enrolment, rule.enrolment_window) = (Some(vestibule::mfa::FirstEnrolment::ByHelpDesk), None);
    let https = tokio::net::TcpListener::bind(address).await.expect("the same port");
    let app = crate::world::start(config.clone(), https, clock.clone()).await;
    let world = World { campus, app, url, address, clock, folder, config };
    let mut browser = Browser::at(&world);
    let (answer, _) = shown(&world, &mut browser, &mut key, |_| {}).await;
    assert_eq!(answer.location(), "/vestibule/help-desk", "it is a first proof, and no more");
    assert!(!is_in(&mut browser).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn f7_a_further_passkey_is_added_by_whoever_answers_the_one_there_is() {
    let world = world().await;
    let mut browser = Browser::at(&world);
    let answer = cast::type_in(&mut browser, "anna", cast::SECRET).await;
    let phone = cast::enrol(&world, &mut browser, &answer).await;
    let csrf = browser.csrf("/vestibule/account").await;
    let fields = [("csrf", &*csrf), ("act", "add"), ("kind", "webauthn")];
    assert_eq!(browser.post("/vestibule/account", &fields).await.location(), "/vestibule/permit");
    // Not without it.
    for path in ["/vestibule/enrol", "/vestibule/recovery-codes"] {
        assert_eq!(browser.get(path).await.location(), "/vestibule/permit", "{path}");
    }
    assert_eq!(cast::permit(&world, &mut browser, &phone).await.location(), "/vestibule/enrol");
    let page = browser.get("/vestibule/enrol").await.text();
    assert!(!page.contains("value=\"totp\""), "the factor was answered for a passkey");
    let (mut key, made) = SoftKey::create(&options(&page), &world.url, |_| {});
    let csrf = between(&page, "name=\"csrf\" value=\"", "\"");
    let fields = [("csrf", &*csrf), ("factor", "webauthn"), ("label", "Work laptop"), ("code", &made)];
    // In another browser, which has the flow but not the session, it is nobody's.
    let mut elsewhere = twin(&world, &browser);
    elsewhere.cookies.remove(SESSION);
    assert_eq!(elsewhere.post("/vestibule/enrol", &fields).await.status, StatusCode::GONE);
    let csrf = browser.csrf("/vestibule/account").await;
    browser.post("/vestibule/account", &[("csrf", &csrf), ("act", "add"), ("kind", "webauthn")]).await;
    cast::permit(&world, &mut browser, &phone).await;
    let page = browser.get("/vestibule/enrol").await.text();
    let csrf = between(&page, "name=\"csrf\" value=\"", "\"");
    let (again, made) = SoftKey::create(&options(&page), &world.url, |_| {});
    let fields = [("csrf", &*csrf), ("factor", "webauthn"), ("label", "Work laptop"), ("code", &made)];
    assert_eq!(browser.post("/vestibule/enrol", &fields).await.location(), "/vestibule/account");
    until("both are recorded", async || audit_now(&world, "factor_enrolled").len() == 2).await;
    // The one that was never confirmed is nobody's.
    let (answer, _) = shown(&world, &mut Browser::at(&world), &mut key, |_| {}).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let mut key = again;
    let mut fresh = Browser::at(&world);
    let (answer, _) = shown(&world, &mut fresh, &mut key, |_| {}).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    // The same authenticator does not become a second one.
    let csrf = browser.csrf("/vestibule/account").await;
    browser.post("/vestibule/account", &[("csrf", &csrf), ("act", "add"), ("kind", "webauthn")]).await;
    cast::permit(&world, &mut browser, &phone).await;
    let page = browser.get("/vestibule/enrol").await.text();
    assert!(options(&page).contains("excludeCredentials"), "{page}");
    let (_, made) = SoftKey::create(&options(&page), &world.url, |said| said.id.clone_from(&key.id));
    let csrf = between(&page, "name=\"csrf\" value=\"", "\"");
    let fields = [("csrf", &*csrf), ("factor", "webauthn"), ("label", "Twice"), ("code", &made)];
    assert_eq!(browser.post("/vestibule/enrol", &fields).await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

/// Set up once with a password, and from then on without one.
#[tokio::test(flavor = "multi_thread")]
async fn in_a_real_browser_a_passkey_signs_in_without_a_password() {
    let world = world().await;
    let screen = Chromium::start().await;
    let authenticator = screen.add_authenticator(Built::In).await;
    let shot = async |what: &str| drop(screen.screenshot(&format!("story-passwordless-{what}")).await);
    screen.goto(&format!("{}/my/", world.url)).await;
    screen.wait_for("#username", LOAD).await;
    screen.type_into("#username", "anna").await;
    screen.type_into("#password", &format!("{}\u{e007}", cast::SECRET)).await;
    screen.wait_for("input[name=act][value=webauthn] ~ button", LOAD).await;
    screen.click("input[name=act][value=webauthn] ~ button").await;
    screen.wait_for("[data-passkey-button]", LOAD).await;
    screen.click("[data-passkey-button]").await;
    screen.wait_for(".codes", LOAD).await;
    let held = screen.credentials(&authenticator).await;
    assert_eq!((held.len(), &held[0]["isResidentCredential"]), (1, &true.into()), "{held:?}");
    screen.click("form button[type=submit]").await;
    screen.wait_for("#region-main", LOAD).await;

    // Another day. The browser offers the passkey by itself, as soon as its user can be verified.
    screen.goto(&format!("{}/login/logout.php", world.url)).await;
    screen.set_verified(&authenticator, false).await;
    screen.wait_for("main form button", LOAD).await;
    screen.click("main form button").await;
    screen.wait_for("[data-passkey-button]", LOAD).await;
    shot("1-sign-in").await;
    screen.set_verified(&authenticator, true).await;
    screen.goto(&format!("{}/my/", world.url)).await;
    screen.wait_for("#region-main", LOAD).await;
    shot("2-signed-in").await;
    assert!(screen.url().await.ends_with("/my/"));
    let amr = async || audit_now(&world, "signed_in").last().is_some_and(|line| line["amr"] == "mfa pop user");
    until("no password was typed", amr).await;
}

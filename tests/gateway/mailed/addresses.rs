//! Whose address it is: before a first enrolment, when the source changes it, and when the password came by mail.

use super::*;
use crate::browser::{account, is_in};
use campus::RESET_TOKEN;
use vestibule::mfa::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn j3_a_phished_password_enrols_nothing_without_the_mailbox() {
    let smtp = Smtp::plain();
    let world = world(&smtp, |_| {}).await;
    known(&world, "student1", ANN).await;
    let mut intruder = Browser::at(&world);
    assert_eq!(intruder.sign_in("student1", PASSWORD).await.location(), ADDRESS);
    let page = intruder.get(ADDRESS).await.text();
    assert!(page.contains("a…@example.org") && !page.contains(ANN) && !page.contains("name=\"to\""), "{page}");
    // An address of the intruder's own is not looked at.
    let csrf = intruder.csrf(ADDRESS).await;
    let fields = [("csrf", &*csrf), ("act", "send"), ("to", "eve@evil.example")];
    intruder.post(ADDRESS, &fields).await;
    mail::eventually("the owner is mailed", || codes(&smtp).len() == 1).await;
    let code = codes(&smtp).remove(0);
    assert_eq!(code.to, ANN);
    for path in ["/vestibule/enrol", CHALLENGE, "/vestibule/recovery-codes", "/vestibule/help-desk"] {
        assert_eq!(intruder.get(path).await.location(), ADDRESS, "{path}");
        let fields = [("csrf", &*csrf), ("factor", "totp"), ("code", "123456")];
        assert_eq!(intruder.post(path, &fields).await.location(), ADDRESS, "{path}");
    }
    for _ in 0..4 {
        let fields = [("csrf", &*csrf), ("code", &*other(&code.code))];
        assert_eq!(intruder.post(ADDRESS, &fields).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let fields = [("csrf", &*csrf), ("code", &*other(&code.code))];
    assert_eq!(intruder.post(ADDRESS, &fields).await.status, StatusCode::GONE);
    assert!(!is_in(&mut intruder).await);
    assert!(account(&world, "student1").await.factors.is_empty());
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn j3_an_address_that_has_just_changed_opens_no_first_enrolment_and_the_old_one_hears_of_it() {
    let smtp = Smtp::plain();
    let world = world(&smtp, |_| {}).await;
    known(&world, "student1", "eve@evil.example").await;
    let url = format!("sqlite:{}", world.folder.0.join("vestibule.db").display());
    let database = sqlx::AnyPool::connect(&url).await.expect("the same database");
    let update = "UPDATE accounts SET email_before = $1, email_changed = $2 WHERE username = 'student1'";
    let now = vestibule::types::Clock::now(&*world.clock);
    sqlx::query(update).bind(ANN).bind(now.0).execute(&database).await.expect("an update");
    database.close().await;
    let answer = Browser::at(&world).sign_in("student1", PASSWORD).await;
    assert_eq!(answer.location(), "/vestibule/help-desk", "{}", answer.text());
    world.advance(Duration::from_secs(30 * 24 * 3600));
    let mut browser = Browser::at(&world);
    assert_eq!(browser.sign_in("student1", PASSWORD).await.location(), ADDRESS);
    let code = sent_at(&mut browser, ADDRESS, &smtp).await.code;
    let csrf = browser.csrf(ADDRESS).await;
    browser.post(ADDRESS, &[("csrf", &csrf), ("code", &code)]).await;
    let subject = "Your account has a second step now";
    mail::eventually("its owner is told", || letters(&smtp, ANN, subject) == 1).await;
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proven_address_is_the_first_factor_and_all_addresses_hear_of_it() {
    let smtp = Smtp::plain();
    let world = world(&smtp, |_| {}).await;
    let mut browser = with_email(&world, &smtp, "student1", ANN).await;
    assert!(is_in(&mut browser).await);
    let sheet = account(&world, "student1").await;
    assert_eq!(sheet.factors.len(), 1, "{:?}", sheet.factors);
    assert!(sheet.factors[0].contains("after_email_code"), "{:?}", sheet.factors);
    let subject = "Your account has a second step now";
    mail::eventually("its owner is told", || letters(&smtp, ANN, subject) == 1).await;
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_mailed_code_is_not_enough_a_device_follows_and_the_address_stands_beside_it() {
    let smtp = Smtp::plain();
    let world = world(&smtp, |config| config.mfa.factors[1].weight = 50).await;
    known(&world, "student1", ANN).await;
    let mut browser = Browser::at(&world);
    browser.sign_in("student1", PASSWORD).await;
    let letter = sent_at(&mut browser, ADDRESS, &smtp).await;
    // By the link this time.
    let page = browser.get(&letter.link).await.text();
    let csrf = between(&page, "name=\"csrf\" value=\"", "\"");
    let answer = browser.post(&letter.link, &[("csrf", &csrf), ("act", "pass")]).await;
    assert_eq!(answer.location(), "/vestibule/enrol", "{}", answer.text());
    assert!(!is_in(&mut browser).await);
    let page = browser.get("/vestibule/enrol").await.text();
    let device = Authenticator::from_page(&page);
    let csrf = between(&page, "name=\"csrf\" value=\"", "\"");
    let code = device.code(vestibule::types::Clock::now(&*world.clock));
    let answer = browser.post("/vestibule/enrol", &[("csrf", &csrf), ("code", &code)]).await;
    assert_eq!(answer.location(), "/vestibule/recovery-codes", "{}", answer.text());
    assert_eq!(account(&world, "student1").await.factors.len(), 2);
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn j10_a_changed_address_gets_no_code_until_another_factor_confirmed_it() {
    let smtp = Smtp::plain();
    let world = world(&smtp, |_| {}).await;
    let mut owner = with_email(&world, &smtp, "student1", ANN).await;
    let device = add_device(&world, &smtp, &mut owner).await;
    let before = codes(&smtp).len();
    stated(&world, "student1", "eve@evil.example").await;
    let mut browser = asked(&world, "student1").await;
    let page = browser.get(&format!("{CHALLENGE}?factor=email")).await.text();
    assert!(!page.contains("factor=email") && page.contains("value=\"totp\""), "e-mail rests: {page}");
    let csrf = browser.csrf(CHALLENGE).await;
    let answer = browser.post(CHALLENGE, &[("csrf", &csrf), ("factor", "email"), ("act", "send")]).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let subject = "Your mail address is about to change";
    mail::eventually("the old address is told", || letters(&smtp, ANN, subject) == 1).await;
    asked(&world, "student1").await;
    world.audited("address_overtaken").await;

    // Its owner confirms the change with another factor.
    let code = device.code(vestibule::types::Clock::now(&*world.clock));
    assert_eq!(browser.answer(&code).await.status, StatusCode::SEE_OTHER);
    world.advance(Duration::from_secs(61));
    let id = enrolment_id(&world, "email").await;
    let csrf = browser.csrf("/vestibule/account").await;
    let fields = [("csrf", &*csrf), ("act", "confirm-address"), ("factor", &*id)];
    let answer = browser.post("/vestibule/account", &fields).await;
    assert_eq!(answer.location(), "/vestibule/permit", "{}", answer.text());
    let csrf = browser.csrf("/vestibule/permit").await;
    let code = device.code(vestibule::types::Clock::now(&*world.clock));
    let answer = browser.post("/vestibule/permit", &[("csrf", &csrf), ("factor", "totp"), ("code", &code)]).await;
    assert_eq!(answer.location(), "/vestibule/account", "{}", answer.text());
    let subject = "Your codes go to another address";
    mail::eventually("the old address is told again", || letters(&smtp, ANN, subject) == 1).await;
    assert_eq!(codes(&smtp).len(), before, "nobody was mailed a code meanwhile");
    let mut browser = asked(&world, "student1").await;
    let letter = {
        let csrf = browser.csrf(CHALLENGE).await;
        let fields = [("csrf", &*csrf), ("factor", "email"), ("act", "send")];
        assert_eq!(browser.post(CHALLENGE, &fields).await.status, StatusCode::SEE_OTHER);
        mail::eventually("a code arrives", || codes(&smtp).len() > before).await;
        codes(&smtp).remove(before)
    };
    assert_eq!(letter.to, "eve@evil.example");
    world.app.stop().await;
}

/// A changed address opens no first enrolment anew either, where the overtaken one is all there is.
#[tokio::test(flavor = "multi_thread")]
async fn j10_whose_only_factor_rests_asks_the_help_desk() {
    let smtp = Smtp::plain();
    let world = world(&smtp, |_| {}).await;
    with_email(&world, &smtp, "student1", ANN).await;
    stated(&world, "student1", "eve@evil.example").await;
    let answer = Browser::at(&world).sign_in("student1", PASSWORD).await;
    assert_eq!(answer.location(), "/vestibule/help-desk", "{}", answer.text());
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn j10_a_mailbox_that_has_reset_the_password_is_no_second_proof_for_a_day() {
    let smtp = Smtp::plain();
    let world = world(&smtp, |_| {}).await;
    with_email(&world, &smtp, "student2", ANN).await;
    let mut intruder = Browser::at(&world);
    intruder.get(&format!("/login/forgot_password.php?token={RESET_TOKEN}")).await;
    let page = intruder.get("/login/forgot_password.php").await.text();
    let sesskey = between(&page, "name=\"sesskey\" value=\"", "\"");
    let token = between(&page, "name=\"token\" value=\"", "\"");
    let fields = [("sesskey", &*sesskey), ("token", &token), ("password", "Reset.1"), ("password2", "Reset.1")];
    intruder.post("/login/forgot_password.php", &fields).await;
    let answer = intruder.sign_in("student2", "Reset.1").await;
    assert_eq!(answer.location(), "/vestibule/help-desk", "the mailbox was the proof: {}", answer.text());
    world.advance(Duration::from_secs(24 * 3600 - 60));
    assert_eq!(Browser::at(&world).sign_in("student2", "Reset.1").await.location(), "/vestibule/help-desk");
    world.advance(Duration::from_secs(120));
    assert_eq!(Browser::at(&world).sign_in("student2", "Reset.1").await.location(), CHALLENGE, "a day later it counts");
    world.app.stop().await;
}

async fn enrolment_id(world: &World, kind: &str) -> String {
    let url = format!("sqlite:{}", world.folder.0.join("vestibule.db").display());
    let database = sqlx::AnyPool::connect(&url).await.expect("the same database");
    let query = sqlx::query_scalar::<_, String>("SELECT id FROM enrolments WHERE kind = $1").bind(kind);
    let id = query.fetch_one(&database).await.expect("one");
    database.close().await;
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn j3_from_the_account_page_a_mailed_code_comes_after_the_password() {
    let smtp = Smtp::plain();
    let world = world(&smtp, |config| config.mfa.rules[0].stage = Stage::Optional).await;
    let (page, own) = ("/vestibule/account", "/vestibule/own-password");
    let mut browser = Browser::at(&world);
    browser.sign_in("student1", PASSWORD).await;
    assert!(is_in(&mut browser).await);
    stated(&world, "student1", ANN).await;
    let csrf = browser.csrf(page).await;
    assert_eq!(browser.post(page, &[("csrf", &csrf), ("act", "set-up")]).await.location(), own);
    assert_eq!(browser.get(ADDRESS).await.location(), own, "a session and the mailbox are not enough");
    let csrf = browser.csrf(own).await;
    let wrong = [("csrf", &*csrf), ("username", "student1"), ("password", "wrong")];
    assert_eq!(browser.post(own, &wrong).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let right = [("csrf", &*csrf), ("username", "student1"), ("password", PASSWORD)];
    assert_eq!(browser.post(own, &right).await.location(), ADDRESS);
    let code = sent_at(&mut browser, ADDRESS, &smtp).await.code;
    let csrf = browser.csrf(ADDRESS).await;
    let answer = browser.post(ADDRESS, &[("csrf", &csrf), ("code", &code)]).await;
    assert_eq!(answer.location(), "/vestibule/recovery-codes", "{}", answer.text());
    assert_eq!(account(&world, "student1").await.factors.len(), 1);
    world.app.stop().await;
}

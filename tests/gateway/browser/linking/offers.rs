//! A newcomer whose verified address is an account's: asked, never linked silently (attacks G1, G2, G4).

use super::*;
use vestibule::{chain::Newcomers, types::Clock};

async fn claim(browser: &mut Browser, username: &str, password: &str) -> Answer {
    let csrf = browser.csrf("/vestibule/offer").await;
    browser.post("/vestibule/offer", &[("csrf", &csrf), ("username", username), ("password", password)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_with_a_known_verified_address_proves_the_account_and_is_linked() {
    let world = world(&nobody(), |_| {}).await;
    let (_, device) = newcomer(&world, "anna").await;
    let mut browser = Browser::at(&world);
    let answer = type_in(&mut browser, "anna.b", SECRET).await;
    assert_eq!(answer.location(), "/vestibule/offer", "{}", answer.text());
    let page = browser.get("/vestibule/offer").await.text();
    assert!(page.contains("ANNA@example.org") && page.contains("Student directory"), "{page}");
    assert!(!page.contains("Staff directory") && !page.contains("value=\"anna\""), "nothing of the account: {page}");
    // Somebody else's right password is a wrong one here, and makes nobody.
    for (name, password) in [("anna", "wrong"), ("bert", SECRET), ("student1", PASSWORD), ("anna.b", SECRET)] {
        let answer = claim(&mut browser, name, password).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{name} {}", answer.text());
    }
    assert_eq!(audit_now(&world, "account_created").len(), 1);
    assert_eq!(claim(&mut browser, "anna", SECRET).await.location(), "/vestibule/permit");
    assert!(!browser.cookies.contains_key(SESSION));
    let page = browser.get("/vestibule/permit").await.text();
    assert!(page.contains("To sign in to this account with ‘Student directory: anna.b’ from now on"), "{page}");
    let answer = permit(&world, &mut browser, &device).await;
    assert!(browser.cookies.contains_key(SESSION), "{} {}", answer.status, answer.text());
    assert_eq!(world.audited("method_linked").await[0]["source"], "students");
    let page = browser.get(ACCOUNT).await.text();
    assert!(page.contains("Staff directory") && page.contains("Student directory"), "{page}");
    assert_eq!(audit_now(&world, "account_created").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn g4_without_the_accounts_own_factor_nothing_is_linked_and_nobody_is_signed_in() {
    let world = world(&nobody(), |_| {}).await;
    let (_, device) = newcomer(&world, "anna").await;
    let mut browser = Browser::at(&world);
    type_in(&mut browser, "anna.b", SECRET).await;
    assert_eq!(claim(&mut browser, "anna", SECRET).await.location(), "/vestibule/permit");
    let wrong = wrong_code(&world, &device);
    let csrf = browser.csrf("/vestibule/permit").await;
    for _ in 0..5 {
        browser.post("/vestibule/permit", &[("csrf", &csrf), ("factor", "totp"), ("code", &wrong)]).await;
    }
    assert_eq!(browser.get("/vestibule/permit").await.status, StatusCode::GONE);
    assert!(!browser.cookies.contains_key(SESSION));
    // A flow of another browser, whose cookie this one lacks, is nobody's.
    let mut other = Browser::at(&world);
    assert_eq!(other.get("/vestibule/offer").await.status, StatusCode::GONE);
    assert!(audit_now(&world, "method_linked").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_may_have_an_account_beside_it_with_an_address_that_proves_nothing() {
    let world = world(&nobody(), |_| {}).await;
    let (_, _) = newcomer(&world, "anna").await;
    let mut browser = Browser::at(&world);
    type_in(&mut browser, "anna.b", SECRET).await;
    let answer = press(&mut browser, "/vestibule/offer", "create").await;
    enrol(&world, &mut browser, &answer).await;
    until("two accounts", async || audit_now(&world, "account_created").len() == 2).await;
    let page = browser.get(ACCOUNT).await.text();
    assert!(page.contains("Student directory") && !page.contains("Staff directory"), "{page}");
    // Each is itself from now on, without a question.
    let mut again = Browser::at(&world);
    assert_eq!(type_in(&mut again, "anna.b", SECRET).await.location(), "/vestibule/challenge");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_instance_makes_no_accounts_none_is_offered() {
    let world = world(&nobody(), |config| config.chain.instances[1].common.strangers = Newcomers::Refuse).await;
    let (_, device) = newcomer(&world, "anna").await;
    let mut browser = Browser::at(&world);
    assert_eq!(type_in(&mut browser, "anna.b", SECRET).await.location(), "/vestibule/offer");
    assert!(!browser.get("/vestibule/offer").await.text().contains("value=\"create\""));
    let answer = press(&mut browser, "/vestibule/offer", "create").await;
    assert_eq!(answer.status, StatusCode::GONE, "{}", answer.text());
    assert_eq!(audit_now(&world, "account_created").len(), 1);
    assert_eq!(type_in(&mut browser, "carl", SECRET).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    type_in(&mut browser, "anna.b", SECRET).await;
    claim(&mut browser, "anna", SECRET).await;
    permit(&world, &mut browser, &device).await;
    assert!(browser.cookies.contains_key(SESSION));
}

#[tokio::test(flavor = "multi_thread")]
async fn g1_an_address_that_is_unverified_on_either_side_offers_nothing() {
    for unverified in [0, 1] {
        let world = world(&nobody(), |config| config.chain.instances[unverified].common.email_verified = false).await;
        newcomer(&world, "anna").await;
        let mut browser = Browser::at(&world);
        let answer = type_in(&mut browser, "anna.b", SECRET).await;
        assert_eq!(answer.location(), "/vestibule/enrol", "an account of its own, {}", answer.text());
        until("two accounts", async || audit_now(&world, "account_created").len() == 2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g2_addresses_are_the_same_only_letter_for_letter() {
    let known = "anna@example.org";
    for (address, same) in [
        ("Anna@EXAMPLE.org", true),
        ("anna+staff@example.org", false),
        ("an.na@example.org", false),
        ("ａnna@example.org", false),
        ("änna@example.org", false),
        ("anna@evil.example@example.org", false),
        ("anna@example.org@evil.example", false),
        (" anna@example.org", false),
        ("anna@example.org\0", false),
        ("anna", false),
        ("@", false),
        ("", false),
    ] {
        let world = world(&nobody(), |config| {
            let people = vec![row("m-9", "newcomer", Some(address))];
            config.chain.instances[1] =
                directory("students", "Student directory", people, |common| common.email_verified = true);
        })
        .await;
        newcomer(&world, "anna").await;
        let mut browser = Browser::at(&world);
        let answer = type_in(&mut browser, "newcomer", SECRET).await;
        let due = if same { "/vestibule/offer" } else { "/vestibule/enrol" };
        assert_eq!(answer.location(), due, "{address:?} is{} {known}", if same { "" } else { " not" });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_apps_door_nobody_is_asked_and_the_audit_log_says_why() {
    let world = world(&nobody(), |_| {}).await;
    newcomer(&world, "anna").await;
    let app = crate::people::MoodleApp::at(&world);
    let fields = [("username", "anna.b"), ("password", SECRET), ("service", "moodle_mobile_app")];
    let answer = app.post("/login/token.php", &fields).await;
    assert_eq!(answer.json()["errorcode"], "invalidlogin", "{}", answer.text());
    let denied = world.audited("sign_in_denied").await;
    assert_eq!((&denied[0]["reason"], &denied[0]["door"]), (&"link_first".into(), &"app".into()));
    assert_eq!(audit_now(&world, "account_created").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_ends_with_its_ten_minutes() {
    let world = world(&nobody(), |_| {}).await;
    let (_, device) = newcomer(&world, "anna").await;
    let mut browser = Browser::at(&world);
    type_in(&mut browser, "anna.b", SECRET).await;
    world.advance(Duration::from_secs(300));
    claim(&mut browser, "anna", SECRET).await;
    world.advance(Duration::from_secs(301));
    assert_eq!(browser.get("/vestibule/permit").await.status, StatusCode::GONE);
    let code = device.code(world.clock.now());
    browser.post("/vestibule/permit", &[("csrf", "x"), ("factor", "totp"), ("code", &code)]).await;
    assert!(!browser.cookies.contains_key(SESSION) && audit_now(&world, "method_linked").is_empty());
}

//! What people see: a real browser from the first sign-in to the last, with pictures in `target/screenshots/`.

use super::*;
use crate::webdriver::{Chromium, Device, Scripts};
use vestibule::types::Clock;

const LOAD: Duration = Duration::from_secs(10);

/// Presses a button or follows a link with the keyboard (and so it works where chromedriver cannot touch: on an
/// emulated phone without JavaScript).
async fn press(screen: &Chromium, css: &str) {
    screen.wait_for(css, LOAD).await;
    screen.type_into(css, "\u{e007}").await;
}

/// Types the LMS's own form.
async fn type_credentials(screen: &Chromium, world: &World, path: &str) {
    screen.goto(&format!("{}{path}", world.url)).await;
    screen.wait_for("input[name=username]", LOAD).await;
    screen.type_into("input[name=username]", "student1").await;
    screen.type_into("input[name=password]", &format!("{PASSWORD}\u{e007}")).await;
}

/// The secret as a person reads it off the page.
async fn read_secret(screen: &Chromium) -> Authenticator {
    screen.wait_for("#code", LOAD).await;
    Authenticator::from_page(&screen.source().await.replace("&amp;", "&"))
}

async fn type_code(screen: &Chromium, code: &str) {
    screen.wait_for("#code", LOAD).await;
    screen.type_into("#code", &format!("{code}\u{e007}")).await;
}

async fn keep_codes(screen: &Chromium) -> Vec<String> {
    screen.wait_for(".codes", LOAD).await;
    let text = screen.text(".codes").await;
    let codes: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    assert_eq!(codes.len(), 10, "{text}");
    codes
}

async fn sign_out(screen: &Chromium, world: &World) {
    screen.goto(&format!("{}/login/logout.php", world.url)).await;
    press(screen, "main form button").await;
    screen.wait_for("input[name=username]", LOAD).await;
}

/// The whole story; `name` goes before the pictures' names.
async fn story(name: &str, device: Device, scripts: Scripts) {
    let world = World::start().await;
    let screen = Chromium::with(device, scripts).await;
    let shot = async |what: &str| drop(screen.screenshot(&format!("story-{name}-{what}")).await);

    type_credentials(&screen, &world, COURSE).await;
    let phone = read_secret(&screen).await;
    assert!(screen.url().await.ends_with("/vestibule/enrol"));
    shot("1-enrol").await;
    type_code(&screen, &wrong_code(&world, &phone)).await;
    screen.wait_for("[role=alert]", LOAD).await;
    shot("2-enrol-wrong").await;
    type_code(&screen, &phone.code(world.clock.now())).await;
    let codes = keep_codes(&screen).await;
    shot("3-codes").await;
    press(&screen, "a[href$='.txt']").await;
    let file = screen.downloads().join("recovery-codes.txt");
    until("the codes are saved", async || std::fs::read_to_string(&file).is_ok_and(|text| text.contains(&codes[9])))
        .await;
    press(&screen, "form button[type=submit]").await;
    screen.wait_for("#region-main", LOAD).await;
    assert_eq!(screen.url().await, format!("{}{COURSE}", world.url), "where they wanted to go");
    assert!(screen.source().await.contains("Lab course"));
    shot("4-course").await;
    sign_out(&screen, &world).await;
    shot("5-signed-out").await;
    screen.goto(&format!("{}/my/", world.url)).await;
    assert!(screen.url().await.ends_with("/login/index.php"), "signed out");

    world.advance(Duration::from_secs(60));
    type_credentials(&screen, &world, "/my/").await;
    screen.wait_for("#code", LOAD).await;
    assert!(screen.url().await.ends_with("/vestibule/challenge"));
    shot("6-challenge").await;
    type_code(&screen, &wrong_code(&world, &phone)).await;
    screen.wait_for("[role=alert]", LOAD).await;
    assert_eq!(screen.eval("return document.activeElement.id").await, "code", "the field to mend has the focus");
    shot("7-wrong").await;
    type_code(&screen, &phone.code(world.clock.now())).await;
    screen.wait_for("#region-main", LOAD).await;
    assert!(screen.url().await.ends_with("/my/"));
    sign_out(&screen, &world).await;

    type_credentials(&screen, &world, "/my/").await;
    screen.wait_for("a[href*='factor=recovery']", LOAD).await;
    press(&screen, "a[href*='factor=recovery']").await;
    screen.wait_for("#code", LOAD).await;
    shot("8-recovery").await;
    type_code(&screen, &codes[3]).await;
    screen.wait_for("#region-main", LOAD).await;
    assert!(screen.url().await.ends_with("/my/"));
    let ours: Vec<String> = screen.console().await.into_iter().filter(|line| line.contains("/vestibule/")).collect();
    assert!(ours.iter().all(|line| line.contains("422")), "{ours:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_real_browser_the_whole_story_works() {
    story("desktop", Device::Desktop, Scripts::On).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_javascript_on_a_small_phone_the_whole_story_works() {
    story("phone-noscript", Device::Phone, Scripts::Off).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_an_ended_sign_in_say_what_to_do() {
    let world = World::start().await;
    let (_, phone) = signed_in(&world, "student1").await;
    let screen = Chromium::with(Device::Phone, Scripts::On).await;
    type_credentials(&screen, &world, "/my/").await;
    for _ in 0..4 {
        type_code(&screen, &wrong_code(&world, &phone)).await;
        screen.wait_for("[role=alert]", LOAD).await;
    }
    type_code(&screen, &wrong_code(&world, &phone)).await;
    screen.wait_for("main a[href='/']", LOAD).await;
    screen.screenshot("story-ended").await;
    press(&screen, "main a[href='/']").await;
    screen.wait_for("input[name=username]", LOAD).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f9_a_trusted_browser_skips_the_question_until_a_copy_of_it_comes_back() {
    let world = World::with(super::trusted::trusting).await;
    let (_, phone) = signed_in(&world, "student1").await;
    let screen = Chromium::with(Device::Phone, Scripts::On).await;
    let shot = async |what: &str| drop(screen.screenshot(&format!("story-trusted-{what}")).await);
    type_credentials(&screen, &world, "/my/").await;
    screen.wait_for("input[name=trust]", LOAD).await;
    screen.type_into("input[name=trust]", " ").await;
    shot("1-offer").await;
    type_code(&screen, &phone.code(world.clock.now())).await;
    screen.wait_for("#region-main", LOAD).await;
    sign_out(&screen, &world).await;
    let late = Duration::from_secs(90);
    world.advance(late);

    // Somebody copies what the browser keeps.
    let mut thief = Browser::at(&world);
    for cookie in screen.cookies().await {
        let text = |key: &str| cookie[key].as_str().unwrap_or_default().to_owned();
        if text("name").starts_with("__Host-device-") {
            assert_eq!(
                (&cookie["httpOnly"], &cookie["secure"], text("sameSite")),
                (&true.into(), &true.into(), "Lax".into())
            );
            thief.cookies.insert(text("name"), text("value"));
        }
    }
    assert_eq!(thief.cookies.len(), 1);

    type_credentials(&screen, &world, "/my/").await;
    screen.wait_for("#region-main", LOAD).await;
    assert!(screen.url().await.ends_with("/my/"));
    shot("2-not-asked").await;
    world.advance(late);
    assert_eq!(thief.sign_in("student1", PASSWORD).await.location(), "/vestibule/challenge");
    world.audited("device_copied").await;
    type_credentials(&screen, &world, "/my/").await;
    screen.wait_for("#code", LOAD).await;
    assert!(screen.url().await.ends_with("/vestibule/challenge"));
    shot("3-asked-again").await;
    type_code(&screen, &phone.code(world.clock.now())).await;
    screen.wait_for("#region-main", LOAD).await;
}

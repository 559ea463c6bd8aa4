//! What people see, with pictures in `target/screenshots/`.

use super::*;
use crate::webdriver::{Chromium, Device, Scripts};

const LOAD: Duration = Duration::from_secs(10);

async fn press(screen: &Chromium, css: &str) {
    screen.wait_for(css, LOAD).await;
    screen.type_into(css, "\u{e007}").await;
}

async fn type_credentials(screen: &Chromium, world: &World) {
    screen.goto(&format!("{}/my/", world.url)).await;
    screen.wait_for("input[name=username]", LOAD).await;
    screen.type_into("input[name=username]", "student1").await;
    screen.type_into("input[name=password]", &format!("{PASSWORD}\u{e007}")).await;
}

async fn next_letter(screen: &Chromium, smtp: &Smtp) -> Mailed {
    let before = codes(smtp).len();
    press(screen, "input[name=act][value=send] ~ button").await;
    mail::eventually("a code arrives", || codes(smtp).len() > before).await;
    screen.wait_for("#code", LOAD).await;
    codes(smtp).remove(before)
}

/// First the address that the source states is the first factor; then a code, a link in the same browser, and "this was
/// not me" in another one.
async fn story(name: &str, device: Device, scripts: Scripts) {
    let smtp = Smtp::plain();
    let world = world(&smtp, |_| {}).await;
    known(&world, "student1", ANN).await;
    let screen = Chromium::with(device, scripts).await;
    let shot = async |what: &str| drop(screen.screenshot(&format!("mailed-{name}-{what}")).await);
    type_credentials(&screen, &world).await;
    screen.wait_for("main form", LOAD).await;
    shot("1-address").await;
    let letter = next_letter(&screen, &smtp).await;
    shot("2-address-code").await;
    screen.type_into("#code", &format!("{}\u{e007}", letter.code)).await;
    screen.wait_for(".codes", LOAD).await;
    press(&screen, "form button[type=submit]").await;
    screen.wait_for("#region-main", LOAD).await;

    sign_out(&screen, &world).await;
    world.advance(Duration::from_secs(61));
    type_credentials(&screen, &world).await;
    screen.wait_for("main form", LOAD).await;
    shot("3-challenge").await;
    let letter = next_letter(&screen, &smtp).await;
    screen.type_into("#code", &format!("{}\u{e007}", other(&letter.code))).await;
    screen.wait_for("[role=alert]", LOAD).await;
    shot("4-wrong").await;
    screen.type_into("#code", &format!("{}\u{e007}", letter.code)).await;
    screen.wait_for("#region-main", LOAD).await;

    sign_out(&screen, &world).await;
    world.advance(Duration::from_secs(61));
    type_credentials(&screen, &world).await;
    let letter = next_letter(&screen, &smtp).await;
    screen.goto(&format!("{}{}", world.url, letter.link)).await;
    screen.wait_for("input[value=pass]", LOAD).await;
    shot("5-link").await;
    press(&screen, "input[value=pass] ~ button").await;
    screen.wait_for("#region-main", LOAD).await;
    assert!(screen.url().await.ends_with("/my/"), "where they wanted to go");

    world.advance(Duration::from_secs(61));
    let mut intruder = asked(&world, "student1").await;
    let letter = sent_at(&mut intruder, CHALLENGE, &smtp).await;
    screen.goto(&format!("{}{}", world.url, letter.link)).await;
    screen.wait_for("input[value=not-me]", LOAD).await;
    assert!(!screen.exists("input[value=pass]").await, "another browser's sign-in cannot be passed here");
    shot("6-link-elsewhere").await;
    press(&screen, "input[value=not-me] ~ button").await;
    screen.wait_for(".next", LOAD).await;
    shot("7-not-me").await;
    assert_eq!(intruder.get(CHALLENGE).await.status, StatusCode::GONE);
    world.app.stop().await;
}

async fn sign_out(screen: &Chromium, world: &World) {
    screen.goto(&format!("{}/login/logout.php", world.url)).await;
    press(screen, "main form button").await;
    screen.wait_for("input[name=username]", LOAD).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_real_browser_codes_and_links_are_mailed_and_disowned() {
    story("desktop", Device::Desktop, Scripts::On).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_javascript_on_a_small_phone_codes_and_links_work() {
    story("phone-noscript", Device::Phone, Scripts::Off).await;
}

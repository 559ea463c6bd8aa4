//! The linking story in a real browser, with pictures in `target/screenshots/`.

use super::*;
use crate::webdriver::{Chromium, Device, Scripts};
use vestibule::types::Clock;

const LOAD: Duration = Duration::from_secs(10);

async fn sign_in(screen: &Chromium, world: &World, username: &str) {
    screen.goto(&format!("{}{ACCOUNT}", world.url)).await;
    screen.wait_for("#username", LOAD).await;
    credentials(screen, username).await;
}

async fn credentials(screen: &Chromium, username: &str) {
    screen.wait_for("#username", LOAD).await;
    screen.type_into("#username", username).await;
    screen.type_into("#password", &format!("{SECRET}\u{e007}")).await;
}

/// Presses with the keyboard.
async fn go(screen: &Chromium, css: &str) {
    screen.wait_for(css, LOAD).await;
    screen.type_into(css, "\u{e007}").await;
}

/// The clock moves first: past the code that was used before, and never while one is being looked at.
async fn code(screen: &Chromium, world: &World, device: &Authenticator) {
    screen.wait_for("#code", LOAD).await;
    world.advance(Duration::from_secs(60));
    screen.type_into("#code", &format!("{}\u{e007}", device.code(world.clock.now()))).await;
}

async fn narrow(screen: &Chromium, device: Device) {
    if matches!(device, Device::Phone) {
        let wide = screen.eval("return document.documentElement.scrollWidth").await;
        assert_eq!(wide, 320, "{} scrolls sideways", screen.url().await);
    }
}

async fn story(name: &str, device: Device, scripts: Scripts) {
    let world = world(&nobody(), |_| {}).await;
    let screen = Chromium::with(device, scripts).await;
    let shot = async |what: &str| {
        if matches!(scripts, Scripts::On) {
            narrow(&screen, device).await;
        }
        drop(screen.screenshot(&format!("linking-{name}-{what}")).await)
    };
    sign_in(&screen, &world, "anna").await;
    screen.wait_for("#code", LOAD).await;
    let phone = Authenticator::from_page(&screen.source().await.replace("&amp;", "&"));
    code(&screen, &world, &phone).await;
    go(&screen, "form button[type=submit]").await;
    screen.wait_for(".methods", LOAD).await;
    assert!(screen.url().await.ends_with(ACCOUNT), "back where they were going");
    shot("1-account").await;
    go(&screen, "input[name=act][value=link] ~ button").await;
    screen.wait_for("#code", LOAD).await;
    shot("2-permit").await;
    code(&screen, &world, &phone).await;
    screen.wait_for("#username", LOAD).await;
    shot("3-second-source").await;
    if screen.exists("input[value=students]").await {
        screen.type_into("input[value=students]", " ").await;
    }
    credentials(&screen, "anna.b").await;
    screen.wait_for(".sides", LOAD).await;
    shot("4-join").await;
    go(&screen, "main form .primary").await;
    screen.wait_for("section[aria-labelledby=ways] li + li", LOAD).await;
    shot("5-linked").await;
    go(&screen, "section[aria-labelledby=ways] li + li form:last-of-type button").await;
    screen.wait_for("#code", LOAD).await;
    assert!(screen.source().await.contains("To remove ‘Student directory’ from your account"));
    shot("6-remove").await;
    code(&screen, &world, &phone).await;
    screen.wait_for(".methods", LOAD).await;
    assert!(!screen.exists("section[aria-labelledby=ways] li + li").await);
    let ours: Vec<String> = screen.console().await.into_iter().filter(|line| line.contains("/vestibule/")).collect();
    assert!(ours.iter().all(|line| line.contains("422")), "{ours:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_real_browser_a_second_way_is_linked_and_removed() {
    story("desktop", Device::Desktop, Scripts::On).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_small_phone_too() {
    story("phone", Device::Phone, Scripts::On).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_javascript_the_offer_can_be_taken() {
    let world = world(&nobody(), |_| {}).await;
    let (_, phone) = newcomer(&world, "anna").await;
    let screen = Chromium::with(Device::Phone, Scripts::Off).await;
    sign_in(&screen, &world, "anna.b").await;
    screen.wait_for(".part", LOAD).await;
    screen.screenshot("linking-offer").await;
    credentials(&screen, "anna").await;
    screen.wait_for("#code", LOAD).await;
    screen.screenshot("linking-offer-permit").await;
    code(&screen, &world, &phone).await;
    screen.wait_for("section[aria-labelledby=ways] li + li", LOAD).await;
    screen.screenshot("linking-offer-done").await;
}

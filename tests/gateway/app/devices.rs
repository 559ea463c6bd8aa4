//! Apps that are trusted (attack F9, at the challenge API) and apps that are known (attack E6).

use crate::{
    people::MoodleApp,
    wire::{PASSWORD, enrolled, next_code, quiet_world},
    world::World,
};
use serde_json::Value;
use std::time::Duration;
use vestibule::{
    config::Config,
    mfa::{Rule, Stage},
    types::{Clock, Door},
};

const VERIFY: &str = "/vestibule/app/verify";
const LATER: Duration = Duration::from_secs(90);

/// The app's door asks whom it can; a trusted device is enough where nothing is required.
fn trusting(stage: Stage) -> impl Fn(&mut Config) {
    move |config| {
        config.mfa.signals = serde_yaml::from_str("[ { name: device, kind: device, days: 6 } ]").unwrap();
        let usual = config.mfa.rules.remove(0);
        // What was enrolled under the usual rule scores here too.
        let apps = Rule { name: "apps".into(), doors: vec![Door::App], stage, ..usual.clone() };
        config.mfa.rules = vec![apps, usual];
    }
}

async fn challenge(app: &MoodleApp) -> String {
    let json = app.token("student1", PASSWORD).await.json();
    json["mfa"]["flow"].as_str().unwrap_or_else(|| panic!("no challenge: {json}")).to_owned()
}

async fn show(app: &MoodleApp, secret: &str) -> Value {
    let flow = challenge(app).await;
    app.post(VERIFY, &[("flow", &flow), ("device", secret)]).await.json()
}

/// Signs in with a code and asks to be trusted.
async fn trusted(world: &World, app: &MoodleApp) -> String {
    let (phone, _) = enrolled(world, "student1").await;
    let (flow, code) = (challenge(app).await, phone.code(world.clock.now()));
    let fields = [("flow", &*flow), ("factor", "totp"), ("code", &code), ("trust_device", "true")];
    let json = app.post(VERIFY, &fields).await.json();
    assert!(json["token"].is_string(), "{json}");
    next_code(world);
    world.advance(LATER);
    json["device"].as_str().unwrap_or_else(|| panic!("no device secret: {json}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn f9_an_app_s_device_secret_answers_once_and_a_copy_ends_it() {
    let world = quiet_world(trusting(Stage::Optional)).await;
    let app = MoodleApp::at(&world);
    let first = trusted(&world, &app).await;
    let json = show(&app, &first).await;
    assert!(json["token"].is_string(), "{json}");
    let second = json["device"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    world.advance(LATER);
    let copied = show(&app, &first).await;
    assert_eq!(copied["errorcode"], "mfarequired", "{copied}");
    world.audited("device_copied").await;
    assert_eq!(show(&app, &second).await["errorcode"], "mfarequired", "the series is over");
    for bent in ["", "x", "v1.a.b", &"x".repeat(10_000)] {
        assert_eq!(show(&app, bent).await["errorcode"], "mfarequired");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn j8_a_trusted_app_gets_no_token_on_that_alone_where_a_factor_is_required() {
    let world = quiet_world(trusting(Stage::Required)).await;
    let app = MoodleApp::at(&world);
    let first = trusted(&world, &app).await;
    let json = show(&app, &first).await;
    assert_eq!((&json["errorcode"], json["token"].is_null()), (&"mfarequired".into(), true), "{json}");
    let second = json["mfa"]["device"].as_str().expect("the secret to keep from now on");
    assert_ne!(first, second);
}

#[tokio::test(flavor = "multi_thread")]
async fn e6_an_app_with_a_live_token_is_not_locked_out_by_strangers() {
    let world = quiet_world(|_| {}).await;
    let (phone, _) = enrolled(&world, "student1").await;
    let mut app = MoodleApp::at(&world);
    let token = app.sign_in(&world, "student1", PASSWORD, &phone).await;
    next_code(&world);
    for _ in 0..12 {
        MoodleApp::at(&world).token("student1", "wrong").await;
    }
    assert_eq!(app.token("student1", PASSWORD).await.json()["errorcode"], "invalidlogin", "as a stranger");
    app.headers.push(("authorization", format!("Bearer {token}")));
    app.sign_in(&world, "student1", PASSWORD, &phone).await;
    next_code(&world);
    let mut other = MoodleApp::at(&world);
    other.headers.push(("authorization", format!("Bearer {}", "x".repeat(64))));
    assert_eq!(other.token("student1", PASSWORD).await.json()["errorcode"], "invalidlogin");
    let refused = (0..12).map(|_| app.token("student1", "wrong"));
    futures_util::future::join_all(refused).await;
    assert_eq!(app.token("student1", PASSWORD).await.json()["errorcode"], "invalidlogin", "its lane has a limit too");
}

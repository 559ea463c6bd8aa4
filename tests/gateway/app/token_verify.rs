//! The verify address: a code for a flow, and token.php's success body for the right one.

use crate::{
    people::{Answer, Authenticator, Browser, MoodleApp},
    wire::{FORM, PASSWORD, ask, assert_five_keys, enrolled, next_code, quiet_world},
    world::World,
};
use std::{collections::BTreeSet, time::Duration};
use vestibule::types::Clock;

const VERIFY: &str = "/vestibule/app/verify";

/// token.php's challenge.
pub async fn challenge(app: &MoodleApp, username: &str) -> String {
    let json = app.token(username, PASSWORD).await.json();
    json["mfa"]["flow"].as_str().unwrap_or_else(|| panic!("no challenge: {json}")).to_owned()
}

fn code(world: &World, device: &Authenticator) -> String {
    device.code(world.clock.now())
}

/// Six digits that are no code of this device now.
pub fn wrong(world: &World, device: &Authenticator) -> String {
    let step = world.clock.now().secs() / 30;
    let right: BTreeSet<String> = (step - 2..=step + 2).map(|step| device.code_at(step)).collect();
    (0..).map(|n| format!("{n:06}")).find(|code| !right.contains(code)).expect("a wrong code")
}

#[track_caller]
fn assert_token(answer: &Answer) -> String {
    let json = answer.json();
    assert_eq!((answer.status.as_u16(), json.as_object().map(serde_json::Map::len)), (200, Some(2)), "{json}");
    json["token"].as_str().unwrap_or_else(|| panic!("no token: {json}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_is_answered_as_a_form_or_as_json() {
    let world = quiet_world(|_| {}).await;
    let (device, _) = enrolled(&world, "student1").await;
    let app = MoodleApp::at(&world);
    let flow = challenge(&app, "student1").await;
    let first = assert_token(&app.verify(&flow, "totp", &code(&world, &device)).await);
    assert_five_keys(&app.verify(&flow, "totp", &code(&world, &device)).await, "mfaflowexpired");
    next_code(&world);
    let flow = challenge(&app, "student1").await;
    let json = serde_json::json!({"flow": flow, "factor": "totp", "code": code(&world, &device)}).to_string();
    let kind = [("content-type", "application/json; charset=utf-8"), ("origin", "http://localhost")];
    let answer = ask(&world, "POST", VERIFY, &kind, json).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    assert_ne!(assert_token(&answer), first);

    let preflight = ask(&world, "OPTIONS", VERIFY, &[("origin", "http://localhost")], "").await;
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
    assert_eq!(preflight.header("access-control-allow-methods"), Some("POST"));
    assert_eq!(preflight.header("access-control-allow-headers"), Some("authorization, content-type"));
    let answer = ask(&world, "GET", &format!("{VERIFY}?flow={flow}&factor=totp&code=1"), &[], "").await;
    assert_five_keys(&answer, "invalidparameter");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_code_says_how_many_are_left_and_the_fifth_ends_the_flow() {
    let world = quiet_world(|_| {}).await;
    let (device, _) = enrolled(&world, "student1").await;
    let app = MoodleApp::at(&world);
    let flow = challenge(&app, "student1").await;
    // What cannot be a code at all is not counted.
    let json = assert_five_keys(&app.verify(&flow, "totp", "12").await, "mfawrongcode");
    assert_eq!(json["mfa"]["attempts_left"], 5);
    for left in [4, 3, 2, 1, 0] {
        let json = assert_five_keys(&app.verify(&flow, "totp", &wrong(&world, &device)).await, "mfawrongcode");
        assert_eq!(json["mfa"], serde_json::json!({"attempts_left": left}));
    }
    assert_five_keys(&app.verify(&flow, "totp", &code(&world, &device)).await, "mfaflowexpired");

    // Five more of another flow lock the factor, at both doors; the lock is over after half an hour.
    let flow = challenge(&app, "student1").await;
    for _ in 0..5 {
        assert_five_keys(&app.verify(&flow, "totp", &wrong(&world, &device)).await, "mfawrongcode");
    }
    let flow = challenge(&app, "student1").await;
    let json = assert_five_keys(&app.verify(&flow, "totp", &code(&world, &device)).await, "mfalocked");
    assert_eq!(json["mfa"]["minutes"], 30);
    let mut browser = Browser::at(&world);
    assert_eq!(browser.sign_in_with(&world, "student1", PASSWORD, &device).await.status, 429);
    world.advance(Duration::from_secs(31 * 60));
    let flow = challenge(&app, "student1").await;
    assert_token(&app.verify(&flow, "totp", &code(&world, &device)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_answer_to_a_flow_is_told_in_the_five_keys() {
    let world = quiet_world(|_| {}).await;
    let (device, codes) = enrolled(&world, "student1").await;
    let app = MoodleApp::at(&world);
    let flow = challenge(&app, "student1").await;
    let right = code(&world, &device);
    let nobody = "A".repeat(43);
    for (body, expected) in [
        (String::new(), "invalidparameter"),
        (format!("factor=totp&code={right}"), "invalidparameter"),
        (format!("flow={flow}&code={right}"), "invalidparameter"),
        (format!("flow={flow}&factor=totp"), "invalidparameter"),
        (format!("flow[]={flow}&factor=totp&code={right}"), "invalidparameter"),
        (format!("flow={flow}&factor=telepathy&code={right}"), "invalidparameter"),
        (format!("flow={nobody}&factor=totp&code={right}"), "mfaflowexpired"),
        (format!("flow=../{flow}&factor=totp&code={right}"), "mfaflowexpired"),
        // A recovery code is no TOTP code, nor the reverse.
        (format!("flow={flow}&factor=totp&code={}", codes[0]), "mfawrongcode"),
        (format!("flow={flow}&factor=recovery&code={right}"), "mfawrongcode"),
    ] {
        assert_five_keys(&ask(&world, "POST", VERIFY, &[("content-type", FORM)], body).await, expected);
    }
    for (kind, body) in [("application/json", "[]"), ("application/json", "{\"flow\":1}"), ("text/plain", "flow=x")] {
        assert_five_keys(&ask(&world, "POST", VERIFY, &[("content-type", kind)], body).await, "invalidparameter");
    }
    world.advance(Duration::from_secs(601));
    assert_five_keys(&app.verify(&flow, "totp", &code(&world, &device)).await, "mfaflowexpired");
}

#[tokio::test(flavor = "multi_thread")]
async fn f6_a_recovery_code_works_once_at_the_app_door() {
    let world = quiet_world(|_| {}).await;
    let (_, codes) = enrolled(&world, "student1").await;
    let app = MoodleApp::at(&world);
    let flow = challenge(&app, "student1").await;
    assert_token(&app.verify(&flow, "recovery", &codes[7].to_uppercase().replace('-', " ")).await);
    let flow = challenge(&app, "student1").await;
    assert_five_keys(&app.verify(&flow, "recovery", &codes[7]).await, "mfawrongcode");
    for (posts, most) in [(3, 1..=1), (50, 0..=1)] {
        let flow = challenge(&app, "student1").await;
        let code = &codes[posts % 10];
        let answers = futures_util::future::join_all((0..posts).map(|_| app.verify(&flow, "recovery", code))).await;
        let tokens = answers.iter().filter(|a| a.json().get("token").is_some()).count();
        assert!(most.contains(&tokens), "{posts} at once: {tokens}");
        let flow = challenge(&app, "student1").await;
        assert_five_keys(&app.verify(&flow, "recovery", code).await, "mfawrongcode");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f1_fifty_posts_of_one_code_are_one_token_and_lock_nobody_out() {
    let world = quiet_world(|_| {}).await;
    let (device, _) = enrolled(&world, "student1").await;
    let app = MoodleApp::at(&world);
    let flow = challenge(&app, "student1").await;
    let now = code(&world, &device);
    let answers = futures_util::future::join_all((0..50).map(|_| app.verify(&flow, "totp", &now))).await;
    let tokens = answers.iter().filter(|a| a.json().get("token").is_some()).count();
    let told: BTreeSet<String> = answers.iter().map(|a| a.json()["errorcode"].to_string()).collect();
    assert_eq!(tokens, 1, "{told:?}");
    // The same code in a flow of its own.
    let flow = challenge(&app, "student1").await;
    assert_five_keys(&app.verify(&flow, "totp", &now).await, "mfawrongcode");
    // Nothing was guessed, so nothing was counted.
    next_code(&world);
    assert_token(&app.verify(&flow, "totp", &code(&world, &device)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn d9_a_flow_belongs_to_its_door() {
    let world = quiet_world(|_| {}).await;
    let (device, _) = enrolled(&world, "student1").await;
    let app = MoodleApp::at(&world);
    let mut browser = Browser::at(&world);
    browser.sign_in("student1", PASSWORD).await;
    let browsers = browser.cookies["__Host-vestibule-flow"].clone();
    assert_five_keys(&app.verify(&browsers, "totp", &code(&world, &device)).await, "mfaflowexpired");
    let apps = challenge(&app, "student1").await;
    let mut thief = Browser::at(&world);
    thief.cookies.insert("__Host-vestibule-flow".into(), apps.clone());
    assert_eq!(thief.get("/vestibule/challenge").await.status, 410);
    // Neither was harmed by it.
    assert_token(&app.verify(&apps, "totp", &code(&world, &device)).await);
    next_code(&world);
    assert_eq!(browser.answer(&code(&world, &device)).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn e4_wrong_passwords_count_at_both_doors_together() {
    let world = quiet_world(|_| {}).await;
    let app = MoodleApp::at(&world);
    let mut browser = Browser::at(&world);
    for _ in 0..5 {
        assert_five_keys(&app.token(" Student2", "wrong").await, "invalidlogin");
        browser.sign_in("student2", "wrong").await;
    }
    let mark = world.campus.mark();
    let refused = app.token("student2", PASSWORD).await;
    assert_five_keys(&refused, "invalidlogin");
    assert!(world.campus.since(mark).is_empty(), "nobody was asked");
    assert_eq!(refused.text(), app.token("student2", "wrong").await.text(), "the ordinary wrong-password answer");
    let answer = browser.sign_in("student2", PASSWORD).await;
    assert_ne!(answer.location(), "/vestibule/enrol");
    assert!(!browser.cookies.contains_key("__Host-vestibule-flow"));
    // Others are not touched, and the time goes by.
    assert_five_keys(&app.token("student3", PASSWORD).await, "mfaenrolmentrequired");
    world.advance(Duration::from_secs(16 * 60));
    assert_five_keys(&app.token("student2", PASSWORD).await, "mfaenrolmentrequired");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_right_passwords_at_once_are_all_right_afterwards() {
    let world = quiet_world(|_| {}).await;
    world.campus.settings(|settings| settings.slow = Some(Duration::from_millis(50)));
    let app = MoodleApp::at(&world);
    futures_util::future::join_all((0..40).map(|_| app.token("student3", PASSWORD))).await;
    assert_five_keys(&app.token("student3", PASSWORD).await, "mfaenrolmentrequired");
}

//! Who gets a token without a factor, and how long; and what the LMS itself refuses at its token endpoint.

use crate::{
    app::token_verify::challenge,
    origin::{Origin, Plan},
    people::MoodleApp,
    wire::{FORM, PASSWORD, SITE_INFO, ask, ask_other, assert_five_keys, enrolled, quiet_world, second_site},
    world::World,
};
use vestibule::{
    lms::AppMfa,
    mfa::Stage,
    types::{Clock, ServiceName},
};

const TOKEN: &str = "/login/token.php";

async fn works(world: &World, token: &str) -> bool {
    let answer = MoodleApp::at(world).call(token, SITE_INFO, &[]).await.json();
    assert!(answer["userid"] == 3 || answer["errorcode"] == "invalidtoken", "{answer}");
    answer["userid"] == 3
}

async fn password_alone(world: &World) -> String {
    let json = MoodleApp::at(world).token("student1", PASSWORD).await.json();
    json["token"].as_str().unwrap_or_else(|| panic!("no token: {json}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_can_refuse_apps_where_a_factor_is_due() {
    let world = quiet_world(|config| config.sites[0].app.mfa = AppMfa::Refuse).await;
    enrolled(&world, "student1").await;
    let app = MoodleApp::at(&world);
    let json = assert_five_keys(&app.token("student1", PASSWORD).await, "mfarequired");
    assert_eq!(json.as_object().unwrap().len(), 5, "the error alone: {json}");
    assert_five_keys(&app.token("student1", "wrong").await, "invalidlogin");
    let raw = world.campus.token_of(3, "moodle_mobile_app").expect("judged by a request of the gateway's own");
    assert!(!works(&world, &raw).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn j8_a_token_of_the_apps_switch_dies_with_it() {
    let mut world = quiet_world(|config| config.sites[0].app.mfa = AppMfa::Off).await;
    let token = password_alone(&world).await;
    assert_five_keys(&MoodleApp::at(&world).token("student1", "wrong").await, "invalidlogin");
    assert!(works(&world, &token).await);
    assert_eq!(world.audited("token_minted").await[0]["unproven"], true);
    world = world.restart().await;
    assert!(works(&world, &token).await, "a restart alone changes nothing");
    world.config.sites[0].app.mfa = AppMfa::Challenge;
    world = world.restart().await;
    assert!(!works(&world, &token).await);
    let handout = format!("/webservice/pluginfile.php/19/mod_resource/content/0/handout.txt?token={token}");
    assert_eq!(ask(&world, "GET", &handout, &[], "").await.json()["errorcode"], "invalidtoken");
}

#[tokio::test(flavor = "multi_thread")]
async fn j8_a_token_of_a_lenient_stage_dies_when_the_stage_is_raised() {
    for stage in [Stage::Off, Stage::Report, Stage::Optional] {
        let mut world = quiet_world(|config| config.mfa.rules[0].stage = stage).await;
        let token = password_alone(&world).await;
        assert!(works(&world, &token).await, "{stage:?}");
        assert_eq!(world.audited("let_through").await[0]["reason"], stage.as_str());
        world.config.mfa.rules[0].stage = Stage::Required;
        world = world.restart().await;
        assert!(!works(&world, &token).await, "{stage:?}");
        assert_five_keys(&MoodleApp::at(&world).token("student1", PASSWORD).await, "mfaenrolmentrequired");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proven_token_outlives_a_change_of_rules_and_optional_asks_who_has_a_factor() {
    let mut world = quiet_world(|config| config.mfa.rules[0].stage = Stage::Required).await;
    let (device, _) = enrolled(&world, "student1").await;
    let app = MoodleApp::at(&world);
    let token = app.sign_in(&world, "student1", PASSWORD, &device).await;
    world.config.mfa.rules[0].stage = Stage::Optional;
    world = world.restart().await;
    let app = MoodleApp::at(&world);
    assert!(works(&world, &token).await);
    assert_five_keys(&app.token("student1", PASSWORD).await, "mfarequired");
    world.config.mfa.rules[0].stage = Stage::Required;
    world = world.restart().await;
    assert!(works(&world, &token).await, "X17: it lives over three starts");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_lms_refuses_is_told_in_its_own_words() {
    let world = quiet_world(|_| {}).await;
    let app = MoodleApp::at(&world);
    for (username, password, code) in [
        ("nobody", "x", "invalidlogin"),
        ("suspended1", PASSWORD, "invalidlogin"),
        ("student1@example.test", PASSWORD, "invalidlogin"),
        ("student1", "", "invalidlogin"),
        ("", PASSWORD, "invalidlogin"),
        ("guest", "guest", "noguest"),
    ] {
        let answer = app.token(username, password).await;
        assert_five_keys(&answer, code);
        let fields = [("username", username), ("password", password), ("service", "moodle_mobile_app")];
        let body = vestibule::lms::moodle::encode_form(&fields);
        let own = crate::wire::straight(world.campus.addr(), "POST", TOKEN, &[("content-type", FORM)], body).await;
        assert_eq!(answer.text(), own.text(), "{username}");
    }
    let body = "username=student1&password=Stud.1234&service=no_such_service";
    assert_five_keys(&ask(&world, "POST", TOKEN, &[("content-type", FORM)], body).await, "servicenotavailable");
    world.campus.settings(|settings| settings.maintenance = true);
    assert_five_keys(&app.token("student1", PASSWORD).await, "sitemaintenance");
    world.campus.settings(|settings| (settings.maintenance, settings.enable_web_services) = (false, false));
    assert_five_keys(&app.token("student1", PASSWORD).await, "enablewsdescription");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_hands_out_the_tokens_of_one_service_alone() {
    let only = |config: &mut vestibule::config::Config| {
        config.sites[0].app.service = Some(ServiceName::new("moodle_mobile_app"));
    };
    let world = quiet_world(only).await;
    world.campus.settings(|settings| settings.services.push("backup".into()));
    let mark = world.campus.mark();
    for password in [PASSWORD, "wrong"] {
        let body = format!("username=student1&password={password}&service=backup");
        assert_five_keys(&ask(&world, "POST", TOKEN, &[("content-type", FORM)], body).await, "servicenotavailable");
    }
    assert!(world.campus.since(mark).is_empty(), "whatever the password, nobody is asked");
    assert_five_keys(&MoodleApp::at(&world).token("student1", PASSWORD).await, "mfaenrolmentrequired");
}

#[tokio::test(flavor = "multi_thread")]
async fn d9_flows_and_tokens_belong_to_their_site() {
    let world = quiet_world(|config| drop(second_site(config))).await;
    let (device, _) = enrolled(&world, "student1").await;
    let app = MoodleApp::at(&world);
    let flow = challenge(&app, "student1").await;
    let body = |flow: &str| format!("flow={flow}&factor=totp&code={}", device.code(world.clock.now()));
    let elsewhere = ask_other(&world, "POST", "/vestibule/app/verify", body(&flow)).await;
    assert_five_keys(&elsewhere, "mfaflowexpired");
    let here = ask(&world, "POST", "/vestibule/app/verify", &[("content-type", FORM)], body(&flow)).await.json();
    let token = here["token"].as_str().unwrap().to_owned();
    assert!(works(&world, &token).await);
    let fields = format!("wsfunction={SITE_INFO}&wstoken={token}");
    let elsewhere = ask_other(&world, "POST", crate::wire::REST, fields).await;
    assert_eq!(elsewhere.json()["errorcode"], "invalidtoken");
    // J15: the other site's LMS says "user 3" too, and that is another account, without this one's factor.
    let fields = "username=student1&password=Stud.1234&service=moodle_mobile_app";
    assert_five_keys(&ask_other(&world, "POST", TOKEN, fields).await, "mfaenrolmentrequired");
}

#[tokio::test(flavor = "multi_thread")]
async fn h5_a_token_in_an_unexpected_shape_is_withheld() {
    const RAW: &str = "0123456789abcdef0123456789abcdef";
    let json = format!(r#"{{"token":"{RAW}","privatetoken":null}}"#);
    let chunked = format!("{:x}\r\n{json}\r\n0\r\n\r\n", json.len());
    for (head, body) in [
        ("Content-Type: application/json", format!("\u{feff}{json}")),
        ("Content-Type: text/html", format!("<b>Notice</b>{json}")),
        ("Content-Type: application/json", json.clone()),
        ("Transfer-Encoding: chunked", chunked),
        ("Content-Encoding: gzip", json.clone()),
        ("Location: moodlemobile://token=MDEyMzQ1Njc4OWFiY2RlZg==", RAW.to_owned()),
        ("X-Odd: 1", format!(r#"{{"token":["{RAW}"]}}"#)),
        ("X-Odd: 1", format!(r#"{{"error":"{RAW}","errorcode":"x","token":"{RAW}"}}"#)),
        ("X-Odd: 1", String::new()),
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\nConnection: close\r\n\r\n{body}").into_bytes();
        let lms = Origin::start(Plan::Last(answer)).await;
        let url = format!("http://{}", lms.address).parse().unwrap();
        let world = World::with(|config| config.sites[0].upstream.url = url).await;
        let answer = MoodleApp::at(&world).token("student1", PASSWORD).await;
        assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (200, Some("*")), "{body}");
        assert!(answer.json().get("token").is_none() && !answer.text().contains("\"token\""), "{body}");
        assert!(!format!("{:?}{}", answer.headers, answer.text()).contains(RAW), "{body}: {}", answer.text());
    }
}

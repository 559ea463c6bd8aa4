//! What the LMS is told of who came (design §5): our headers, once each, and an assertion that anybody can verify.

use crate::{
    people::{Browser, MoodleApp},
    wire::{FORM, PASSWORD, REST, SITE_INFO, ask, enrolled, next_code, quiet_world},
    world::World,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use campus::Logged;
use serde_json::Value;
use std::time::Duration;
use vestibule::types::Clock;

const FORGED: [&str; 10] = [
    "X-Vestibule-User",
    "X-Vestibule-Account",
    "X-Vestibule-Name",
    "X-Vestibule-Email",
    "X-Vestibule-Groups",
    "X-Vestibule-Source",
    "X-Vestibule-Amr",
    "X-Vestibule-Auth-Time",
    "X-Vestibule-Factor-Time",
    "X-Vestibule-Assertion",
];

/// The one value of a header; panics on two.
#[track_caller]
fn one(seen: &Logged, name: &str) -> Option<String> {
    let mut values = seen.header(name);
    assert!(values.len() < 2, "{name} twice: {values:?}");
    values.pop()
}

/// Verified with ring, which shares no code with the signer, against the document at the site's own address.
async fn verified(world: &World, assertion: &str) -> Value {
    let jwks = ask(world, "GET", "/vestibule/jwks.json", &[], "").await;
    assert_eq!(jwks.header("content-type"), Some("application/jwk-set+json"));
    let (signed, signature) = assertion.rsplit_once('.').expect("a JWS");
    let (head, claims) = signed.split_once('.').expect("a JWS");
    let part = |part: &str| -> Value { serde_json::from_slice(&BASE64URL.decode(part).unwrap()).unwrap() };
    let head = part(head);
    assert_eq!(head["alg"], "EdDSA");
    let jwks = jwks.json();
    let key = jwks["keys"].as_array().unwrap().iter().find(|key| key["kid"] == head["kid"]).expect("its key");
    assert_eq!((&key["kty"], &key["crv"], &key["use"]), (&"OKP".into(), &"Ed25519".into(), &"sig".into()));
    let public = BASE64URL.decode(key["x"].as_str().unwrap()).unwrap();
    let signature = BASE64URL.decode(signature).unwrap();
    let key = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, public);
    key.verify(signed.as_bytes(), &signature).expect("a true signature");
    let mut other = signed.as_bytes().to_vec();
    *other.last_mut().unwrap() ^= 1;
    assert!(key.verify(&other, &signature).is_err());
    part(claims)
}

fn assert_claims(world: &World, claims: &Value, account: &str) {
    assert_eq!(claims["aud"], "campus", "{claims}");
    assert_eq!(claims["iss"], world.url);
    assert_eq!(claims["sub"], account);
    let (issued, expires) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    assert_eq!(expires - issued, 60);
    assert!(issued <= world.clock.now().secs() && world.clock.now().secs() < expires);
}

#[tokio::test(flavor = "multi_thread")]
async fn b1_a_signed_in_browser_is_told_of_once_and_never_in_its_own_words() {
    let world = quiet_world(|_| {}).await;
    world.campus.settings(|settings| settings.header_log_user = 3);
    let mut browser = Browser::at(&world);
    browser.headers = FORGED.iter().map(|name| (*name, "forged".to_owned())).collect();
    browser.headers.push(("x-vestibule-USER", "forged".to_owned()));
    browser.headers.push(("X_Vestibule_User", "forged".to_owned()));
    let signed_in = world.clock.now().secs();
    browser.enrol(&world, "student1", PASSWORD).await;
    let mark = world.campus.mark();
    let echo = browser.get("/local/campus/echo").await;
    assert_eq!(echo.status, 200);
    assert!(!echo.text().contains("forged"), "{}", echo.text());
    let seen = world.campus.since(mark).remove(0);
    let account = one(&seen, "x-vestibule-account").expect("an account");
    assert_eq!(account.len(), 32);
    assert_eq!(one(&seen, "x-vestibule-user").as_deref(), Some("student1"), "stated by the LMS");
    assert_eq!(one(&seen, "x-vestibule-source").as_deref(), Some("campus-lms"));
    assert_eq!(one(&seen, "x-vestibule-amr").as_deref(), Some("mfa otp pwd"));
    assert_eq!(one(&seen, "x-vestibule-auth-time"), Some(signed_in.to_string()));
    assert_eq!(one(&seen, "x-vestibule-factor-time"), Some(signed_in.to_string()));
    for empty in ["x-vestibule-groups", "x-vestibule-email"] {
        assert_eq!(one(&seen, empty), None, "an empty value is left out");
    }
    let assertion = one(&seen, "x-vestibule-assertion").expect("an assertion");
    let claims = verified(&world, &assertion).await;
    assert_claims(&world, &claims, &account);
    assert_eq!(claims["preferred_username"], "student1");
    assert_eq!(claims["amr"], serde_json::json!(["mfa", "otp", "pwd"]));

    // AJAX, too; signed once and used again within its life, then anew.
    let mark = world.campus.mark();
    let call = r#"[{"index":0,"methodname":"core_session_time_remaining","args":{}}]"#;
    browser.fetch(http::Method::POST, "/lib/ajax/service.php", "application/json", call).await;
    assert_eq!(one(&world.campus.since(mark)[0], "x-vestibule-assertion").as_deref(), Some(assertion.as_str()));
    world.advance(Duration::from_secs(50));
    let mark = world.campus.mark();
    browser.get("/local/campus/echo").await;
    let fresh = one(&world.campus.since(mark)[0], "x-vestibule-assertion").expect("an assertion");
    assert_ne!(fresh, assertion);
    assert_claims(&world, &verified(&world, &fresh).await, &account);
}

#[tokio::test(flavor = "multi_thread")]
async fn b1_an_app_is_told_of_once_on_calls_files_and_uploads() {
    let world = quiet_world(|_| {}).await;
    let (device, _) = enrolled(&world, "student1").await;
    let factor = world.clock.now().secs();
    let token = MoodleApp::at(&world).sign_in(&world, "student1", PASSWORD, &device).await;
    next_code(&world);
    let file = "19/mod_resource/content/0/handout.txt";
    let info = MoodleApp::at(&world).call(&token, SITE_INFO, &[]).await.json();
    let key = info["userprivateaccesskey"].as_str().unwrap().to_owned();
    let parts = String::from_utf8(crate::wire::multipart("b", &[("token", &token)], &[("f", "a.txt", b"x")])).unwrap();
    let mut forged: Vec<(&str, &str)> = FORGED.iter().map(|name| (*name, "forged")).collect();
    for (method, target, kind, body) in [
        ("POST", REST.to_owned(), FORM, format!("wsfunction={SITE_INFO}&wstoken={token}")),
        ("GET", format!("/webservice/pluginfile.php/{file}?token={token}"), "text/plain", String::new()),
        ("GET", format!("/tokenpluginfile.php/{key}/{file}"), "text/plain", String::new()),
        ("POST", "/webservice/upload.php".into(), "multipart/form-data; boundary=b", parts),
    ] {
        forged.push(("content-type", kind));
        let mark = world.campus.mark();
        assert_eq!(ask(&world, method, &target, &forged, body).await.status, 200, "{target}");
        forged.pop();
        let seen = world.campus.since(mark).remove(0);
        assert!(!format!("{:?}", seen.headers).contains("forged"));
        for name in FORGED {
            assert_ne!(one(&seen, name).as_deref(), Some("forged"), "{target}");
        }
        let account = one(&seen, "x-vestibule-account").unwrap_or_else(|| panic!("{target}: {seen:?}"));
        assert_eq!(one(&seen, "x-vestibule-factor-time"), Some(factor.to_string()), "{target}");
        assert_eq!(one(&seen, "x-vestibule-amr").as_deref(), Some("mfa otp pwd"), "{target}");
        let assertion = one(&seen, "x-vestibule-assertion").expect("an assertion");
        assert_claims(&world, &verified(&world, &assertion).await, &account);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_of_where_nobody_has_signed_in() {
    let world = quiet_world(|_| {}).await;
    let mut guest = Browser::at(&world);
    assert_eq!(guest.sign_in("guest", "guest").await.status, 303);
    let mark = world.campus.mark();
    let mut stranger = Browser::at(&world);
    for browser in [&mut guest, &mut stranger] {
        browser.headers = FORGED.iter().map(|name| (*name, "forged".to_owned())).collect();
        browser.get("/admin/tool/dataprivacy/summary.php").await;
        browser.get("/theme/styles.php/boost/1/all").await;
    }
    guest.get("/course/view.php?id=2").await;
    let seen = world.campus.since(mark);
    assert_eq!(seen.len(), 5, "{seen:?}");
    assert!(seen.iter().all(|r| r.headers.iter().all(|(name, _)| !name.contains("vestibule"))), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_chooses_the_names_of_its_headers() {
    let world = quiet_world(|config| {
        config.sites[0].headers.account = "X-Campus-Who".into();
        config.sites[0].headers.assertion = "X-Campus-Proof".into();
    })
    .await;
    let mut browser = Browser::at(&world);
    browser.headers = vec![("x-campus-who", "forged".into()), ("X_Campus_Who", "forged".into())];
    browser.enrol(&world, "student1", PASSWORD).await;
    let mark = world.campus.mark();
    browser.get("/local/campus/echo").await;
    let seen = world.campus.since(mark).remove(0);
    assert_eq!(one(&seen, "x-campus-who").map(|who| who.len()), Some(32));
    let claims = verified(&world, &one(&seen, "x-campus-proof").unwrap()).await;
    assert_eq!(claims["sub"], one(&seen, "x-campus-who").unwrap());
    assert!(!format!("{:?}", seen.headers).contains("forged") && one(&seen, "x-vestibule-account").is_none());
}

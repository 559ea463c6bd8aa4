//! Web-service calls under a surrogate: found where PHP finds it, swapped, and the request written anew.

use crate::{
    people::{Answer, MoodleApp},
    wire::{FORM, PASSWORD, REST, SITE_INFO, ask, call, enrolled, multipart, next_code, quiet_world},
    world::World,
};
use std::time::Duration;

const XML: &str = "/webservice/rest/server.php";

/// A world in which student1 has signed in with an app.
pub async fn signed_in() -> (World, String) {
    let world = quiet_world(|_| {}).await;
    let (device, _) = enrolled(&world, "student1").await;
    let token = MoodleApp::at(&world).sign_in(&world, "student1", PASSWORD, &device).await;
    (world, token)
}

pub fn raw_token(world: &World) -> String {
    world.campus.token_of(3, "moodle_mobile_app").expect("the LMS has issued one")
}

/// The secrets of the LMS's that no app may see.
fn raw_secrets(world: &World) -> Vec<String> {
    let private = world.campus.private_token_of(3, "moodle_mobile_app").expect("a private token");
    vec![raw_token(world), private, world.campus.account_of(3).expect("student1").keys.files]
}

#[track_caller]
fn assert_refused(answer: &Answer, code: &str) {
    let text = answer.text();
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (200, Some("*")), "{text}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{text}");
    assert_eq!(answer.json()["errorcode"], code, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_sign_in_gets_a_surrogate_of_its_own() {
    let world = quiet_world(|_| {}).await;
    let (device, _) = enrolled(&world, "student1").await;
    let app = MoodleApp::at(&world);
    let first = app.sign_in(&world, "student1", PASSWORD, &device).await;
    let one = raw_token(&world);
    next_code(&world);
    let second = app.sign_in(&world, "student1", PASSWORD, &device).await;
    assert_eq!(one, raw_token(&world), "Moodle hands out one token for both");
    assert_ne!(first, second);
    for token in [&first, &second] {
        assert!(token.len() == 64 && token.bytes().all(|b| b.is_ascii_alphanumeric()), "{token}");
        assert_eq!(app.call(token, SITE_INFO, &[]).await.json()["username"], "student1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_surrogate_is_found_wherever_php_finds_it() {
    let (world, token) = signed_in().await;
    let raw = raw_token(&world);
    let get = format!("{REST}&wsfunction={SITE_INFO}&wstoken={token}");
    let fields = multipart("b", &[("wsfunction", SITE_INFO), ("wstoken", &token)], &[]);
    let fields = String::from_utf8(fields).unwrap();
    let in_query = format!("{REST}&wstoken={token}");
    let function = format!("wsfunction={SITE_INFO}");
    let rows: [(&str, &str, &str, String); 9] = [
        ("GET", &get, "", String::new()),
        ("POST", REST, FORM, format!("{function}&wstoken={token}")),
        ("POST", REST, FORM, format!("wstoken={token}&{function}")),
        ("POST", &in_query, FORM, function.clone()),
        ("POST", &format!("{REST}&wstoken={raw}"), FORM, format!("{function}&wstoken={token}")),
        ("POST", REST, FORM, format!("wstoken={raw}&{function}&wstoken={token}")),
        ("POST", REST, FORM, format!("{function}&+wstoken={token}")),
        ("POST", REST, FORM, format!("{function}&wstoken%00x={token}")),
        ("POST", REST, "multipart/form-data; boundary=b", fields),
    ];
    for (method, target, kind, body) in rows {
        let mark = world.campus.mark();
        let mut headers = vec![("x-moodleuser", "admin"), ("authorization", "Bearer x"), ("cookie", "MoodleSession=x")];
        headers.extend((!kind.is_empty()).then_some(("content-type", kind)));
        let answer = ask(&world, method, target, &headers, body.clone()).await;
        assert_eq!(answer.json()["userid"], 3, "{method} {target} {body}: {}", answer.text());
        let seen = world.campus.since(mark);
        assert_eq!(seen.len(), 1, "{method} {target}");
        let sent = format!("{}\n{}", seen[0].target, String::from_utf8_lossy(&seen[0].body));
        assert_eq!(sent.matches(&raw).count(), 1, "{sent}");
        assert!(!sent.contains(&token), "{sent}");
        if method == "POST" {
            assert_eq!(seen[0].target, "/webservice/rest/server.php");
            assert_eq!(seen[0].header("content-type"), [FORM]);
            assert_eq!(seen[0].header("content-length"), [seen[0].body.len().to_string()]);
        }
        for name in ["cookie", "authorization", "x-moodleuser"] {
            assert!(seen[0].header(name).is_empty(), "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_live_surrogate_is_invalidtoken_in_moodles_own_bytes() {
    let (world, token) = signed_in().await;
    let raw = raw_token(&world);
    let unknown = "A".repeat(64);
    for bad in ["", "x", &raw, &unknown, &format!("{token}x"), &token.to_uppercase(), &format!("{token}%20")] {
        let mark = world.campus.mark();
        let fields = format!("wsfunction={SITE_INFO}&wstoken={bad}");
        let answer = call(&world, "", &format!("moodlewsrestformat=json&{fields}")).await;
        assert_refused(&answer, "invalidtoken");
        let json = r#"{"exception":"moodle_exception","errorcode":"invalidtoken","message":"Invalid token - token not found"}"#;
        assert_eq!(answer.text(), json);
        let answer = ask(&world, "GET", &format!("{XML}?{fields}"), &[], "").await;
        assert_eq!(answer.header("content-type"), Some("application/xml; charset=utf-8"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert!(answer.text().contains("<ERRORCODE>invalidtoken</ERRORCODE>"), "{}", answer.text());
        assert!(world.campus.since(mark).is_empty(), "{bad}");
    }
    let array = call(&world, "", &format!("moodlewsrestformat=json&wsfunction={SITE_INFO}&wstoken[]={token}")).await;
    assert_refused(&array, "invalidtoken");
    assert_refused(&call(&world, "", "moodlewsrestformat=json").await, "invalidtoken");
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    assert_refused(&ask(&world, "GET", &format!("{REST}&wsfunction={SITE_INFO}"), &headers, "").await, "invalidtoken");
    // Still alive, until its time is over.
    let fields = format!("moodlewsrestformat=json&wsfunction={SITE_INFO}&wstoken={token}");
    assert_eq!(call(&world, "", &fields).await.json()["userid"], 3);
    world.advance(Duration::from_secs(85 * 86_400));
    assert_refused(&call(&world, "", &fields).await, "invalidtoken");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mebibyte_arrives_with_the_token_last_and_more_than_sixteen_do_not() {
    let (world, token) = signed_in().await;
    let argument = "a".repeat(1 << 20);
    let body = format!("padding={argument}&wsfunction={SITE_INFO}&wstoken={token}");
    let answer = ask(&world, "POST", REST, &[("content-type", FORM)], body).await;
    assert_eq!(answer.json()["userid"], 3, "{}", answer.text());
    let seen = world.campus.requests().pop().unwrap();
    assert!(seen.body_len > 1 << 20);
    assert!(String::from_utf8_lossy(&seen.body).contains(&argument));
    let mark = world.campus.mark();
    let huge = format!("padding={}&wsfunction={SITE_INFO}&wstoken={token}", "a".repeat(16 << 20));
    let answer = ask(&world, "POST", REST, &[("content-type", FORM)], huge).await;
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (413, Some("*")));
    assert!(world.campus.since(mark).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn h3_h11_what_hands_out_credentials_is_refused_alone_and_in_a_batch() {
    let (world, token) = signed_in().await;
    let mark = world.campus.mark();
    let batch = |inner: &str| format!("tool_mobile_call_external_functions&{inner}");
    for function in [
        "tool_mobile_get_autologin_key".to_owned(),
        "Tool_Mobile_Get_Autologin_Key".into(),
        "tool_mobile_get_autologin_key%20".into(),
        "+tool_mobile_get_autologin_key".into(),
        "core_calendar_get_calendar_export_token".into(),
        "mod_lti_get_tool_launch_data".into(),
        "mod_chat_login_user".into(),
        "Core_Webservice_Get_Site_Info".into(),
        batch("requests[0][function]=core_webservice_get_site_info&requests[0][arguments]={}"),
        batch("requests[0][function]=core_course_get_contents&requests[1][function]=tool_mobile_get_autologin_key"),
        batch("requests[0][function]=CORE_calendar_get_calendar_export_token"),
        batch("requests[0][function]=tool_mobile_call_external_functions"),
        batch("requests=1"),
    ] {
        let answer = call(&world, "", &format!("moodlewsrestformat=json&wstoken={token}&wsfunction={function}")).await;
        assert_refused(&answer, "accessexception");
        let xml = call(&world, "", &format!("wstoken={token}&wsfunction={function}")).await;
        assert!(xml.text().contains("<ERRORCODE>accessexception</ERRORCODE>"), "{function}: {}", xml.text());
    }
    assert!(world.campus.since(mark).is_empty());
    let good = batch("requests[0][function]=core_enrol_get_users_courses&requests[0][arguments]={\"userid\":3}");
    let answer = call(&world, "", &format!("moodlewsrestformat=json&wstoken={token}&wsfunction={good}")).await;
    assert!(answer.json()["responses"].is_array(), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn r2_the_file_key_is_swapped_and_nothing_of_the_lms_leaves() {
    let (world, token) = signed_in().await;
    let app = MoodleApp::at(&world);
    let json = app.call(&token, SITE_INFO, &[]).await;
    let key = json.json()["userprivateaccesskey"].as_str().unwrap().to_owned();
    assert!(key.len() == 64 && key.bytes().all(|b| b.is_ascii_alphanumeric()), "{key}");
    let again = app.call(&token, SITE_INFO, &[]).await.json();
    assert_eq!(again["userprivateaccesskey"], key, "the same each time: the app caches it");
    let xml = ask(&world, "GET", &format!("{XML}?wsfunction={SITE_INFO}&wstoken={token}"), &[], "").await;
    assert!(xml.text().contains(&format!("<KEY name=\"userprivateaccesskey\"><VALUE>{key}</VALUE>")), "{}", xml.text());
    let mut told = vec![json.text(), xml.text()];
    for (function, arguments) in [
        ("core_enrol_get_users_courses", "userid=3"),
        ("core_course_get_contents", "courseid=2"),
        ("core_user_get_users_by_field", "field=id&values[0]=3"),
        ("tool_mobile_get_config", ""),
    ] {
        let fields = format!("moodlewsrestformat=json&{arguments}&wsfunction={function}&wstoken={token}");
        let answer = call(&world, "moodlewssettingfileurl=1", &fields).await;
        assert!(answer.json().get("exception").is_none(), "{function}: {}", answer.text());
        told.push(answer.text());
    }
    for secret in raw_secrets(&world) {
        assert!(told.iter().all(|text| !text.contains(&secret)), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_an_answer_made_for_somebody_else_is_withheld() {
    let world = quiet_world(|_| {}).await;
    world.campus.settings(|settings| settings.header_log_user = 3);
    let (device, _) = enrolled(&world, "student1").await;
    let app = MoodleApp::at(&world);
    let token = app.sign_in(&world, "student1", PASSWORD, &device).await;
    let answer = app.call(&token, SITE_INFO, &[]).await;
    assert_eq!((answer.json()["userid"].as_u64(), answer.header("x-moodleuser")), (Some(3), None));
    // From now on the LMS answers this token under another name.
    world.campus.account(3, |account| account.username = "student9".into());
    let answer = app.call(&token, SITE_INFO, &[]).await;
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (502, Some("*")));
    assert!(!answer.text().contains("student9"), "{}", answer.text());
    let handout = format!("/webservice/pluginfile.php/19/mod_resource/content/0/handout.txt?token={token}");
    let answer = ask(&world, "GET", &handout, &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.header("x-moodleuser")), (502, None));
    assert!(!answer.text().contains("lab handout"));
    let withheld = world.audited("identity_withheld").await;
    assert_eq!((&withheld[0]["expected"], &withheld[0]["named"]), (&3.into(), &"student9".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_lms_answers_a_live_token_passes_through() {
    let (world, token) = signed_in().await;
    let app = MoodleApp::at(&world);
    let unknown = app.call(&token, "core_user_create_users", &[]).await;
    assert_eq!(unknown.json()["errorcode"], "accessexception");
    world.campus.account(3, |account| account.must_change = true);
    let course = app.call(&token, "core_course_get_contents", &[("courseid", "2")]).await.json();
    assert_eq!(course["errorcode"], "errorcoursecontextnotvalid", "{course}");
    world.campus.account(3, |account| account.suspended = true);
    assert_refused(&app.call(&token, SITE_INFO, &[]).await, "wsaccessusersuspended");
    world.campus.account(3, |account| (account.suspended, account.must_change) = (false, false));
    world.campus.expire_tokens();
    assert_refused(&app.call(&token, SITE_INFO, &[]).await, "accessexception");
}

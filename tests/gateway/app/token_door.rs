//! `login/token.php`: read as PHP reads it, answered by the gateway alone.

use crate::{
    people::{self, MoodleApp, raw, status_of},
    wire::{FORM, PASSWORD, ask, assert_five_keys, enrolled, multipart, quiet_world, straight},
    world::World,
};

const TOKEN: &str = "/login/token.php";
const RIGHT: &str = "username=student1&password=Stud.1234&service=moodle_mobile_app";

/// What the LMS saw since `mark` of its token endpoint; each was written by the gateway.
#[track_caller]
fn assert_only_ours(world: &World, mark: usize, what: &str) {
    for seen in world.campus.since(mark) {
        assert!(seen.header("x-probe").is_empty(), "{what}: the client's request was forwarded: {seen:?}");
        if seen.path().contains("token.php") {
            assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", TOKEN), "{what}");
            assert_eq!(seen.header("content-type"), [FORM], "{what}");
            assert_eq!(String::from_utf8_lossy(&seen.body), RIGHT, "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h1_token_php_is_read_as_php_reads_it_by_any_method() {
    let world = quiet_world(|_| {}).await;
    enrolled(&world, "student1").await;
    let fields = [("username", "student1"), ("password", PASSWORD), ("service", "moodle_mobile_app")];
    let parts = String::from_utf8(multipart("b", &fields, &[])).unwrap();
    let in_query = format!("{TOKEN}?{RIGHT}");
    let mixed = format!("{TOKEN}?username=student1&service=moodle_mobile_app");
    let body_wins = format!("{TOKEN}?username=nobody&password=wrong&service=none");
    let folded = "+username=student1&%70assword=Stud.1234&service%00x=moodle_mobile_app";
    let last = "username=a&username=student1&password=b&password=Stud.1234&service=c&service=moodle_mobile_app";
    let spelled = "username=+Student1+&password=Stud.1234&service=moodle_mobile_app";
    let odd = "application/x-www-form-urlencoded; charset=utf-16";
    let rows: [(&str, &str, &str, &str, &str); 24] = [
        ("POST", TOKEN, FORM, RIGHT, "mfarequired"),
        ("GET", &in_query, "", "", "mfarequired"),
        ("PUT", &in_query, "", "", "mfarequired"),
        ("PATCH", &in_query, "", "", "mfarequired"),
        ("DELETE", &in_query, "", "", "mfarequired"),
        ("BREW", &in_query, "", "", "mfarequired"),
        ("POST", &in_query, "", "", "mfarequired"),
        ("POST", &mixed, FORM, "password=Stud.1234", "mfarequired"),
        ("POST", &body_wins, FORM, RIGHT, "mfarequired"),
        ("POST", TOKEN, FORM, last, "mfarequired"),
        ("POST", TOKEN, FORM, folded, "mfarequired"),
        ("POST", TOKEN, FORM, spelled, "mfarequired"),
        ("POST", TOKEN, "Application/X-WWW-Form-UrlEncoded;charset=utf-8", RIGHT, "mfarequired"),
        ("POST", TOKEN, "multipart/form-data; boundary=b", &parts, "mfarequired"),
        ("POST", &in_query, "application/json", r#"{"username":"teacher1"}"#, "mfarequired"),
        // What PHP does not read is not there.
        ("PUT", TOKEN, FORM, RIGHT, "missingparam"),
        ("PATCH", TOKEN, FORM, RIGHT, "missingparam"),
        ("POST", TOKEN, "application/json", r#"{"username":"student1"}"#, "missingparam"),
        ("POST", TOKEN, "text/plain", RIGHT, "missingparam"),
        ("POST", TOKEN, FORM, "Username=student1&PASSWORD=Stud.1234&Service=x", "missingparam"),
        ("POST", TOKEN, FORM, "user.name=student1&password=Stud.1234&service=x", "missingparam"),
        ("POST", TOKEN, FORM, "username=student1;password=Stud.1234;service=x", "missingparam"),
        // A password is not trimmed, and a wrong one is wrong.
        ("POST", TOKEN, FORM, "username=student1&password=+Stud.1234&service=moodle_mobile_app", "invalidlogin"),
        ("POST", TOKEN, odd, RIGHT, "mfarequired"),
    ];
    for (method, target, content_type, body, expected) in rows {
        let what = format!("{method} {target} {content_type} {body}");
        let mark = world.campus.mark();
        let mut headers = vec![("x-probe", "client"), ("cookie", "MoodleSession=x")];
        if !content_type.is_empty() {
            headers.push(("content-type", content_type));
        }
        let answer = ask(&world, method, target, &headers, body.to_owned()).await;
        if answer.status == 400 {
            // H1 allows refusing what is odd, never another reading.
            assert!(content_type == odd, "{what}: {}", answer.text());
            continue;
        }
        assert_eq!(answer.json()["errorcode"], expected, "{what}: {}", answer.text());
        assert_five_keys(&answer, expected);
        if expected == "mfarequired" && !body.contains("+Student1+") {
            assert_only_ours(&world, mark, &what);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h1_what_could_be_read_two_ways_is_refused_and_the_lms_stays_silent() {
    let world = quiet_world(|_| {}).await;
    let many = (0..1001).map(|i| format!("a{i}=1")).collect::<Vec<_>>().join("&");
    let many = format!("{RIGHT}&{many}");
    let file = String::from_utf8(multipart("b", &[("username", "student1")], &[("password", "f", b"Stud.1234")]));
    let rows: [(&str, String); 6] = [
        (FORM, "username[]=student1&password=Stud.1234&service=moodle_mobile_app".into()),
        (FORM, "username=student1&password[x]=Stud.1234&service=moodle_mobile_app".into()),
        (FORM, "username=student1%00&password=Stud.1234&service=moodle_mobile_app".into()),
        (FORM, many),
        ("multipart/form-data; boundary=b; boundary=c", file.unwrap()),
        ("multipart/form-data", RIGHT.into()),
    ];
    for (content_type, body) in rows {
        let mark = world.campus.mark();
        let answer = ask(&world, "POST", TOKEN, &[("content-type", content_type)], body.clone()).await;
        let refused = answer.status == 400 || answer.json()["errorcode"] == "missingparam";
        assert!(refused && answer.json().get("token").is_none(), "{content_type} {body}: {}", answer.text());
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert!(world.campus.since(mark).is_empty(), "{content_type} {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a3_a4_a5_every_path_that_reaches_token_php_is_token_php() {
    let world = quiet_world(|_| {}).await;
    enrolled(&world, "student1").await;
    let headers = [("content-type", FORM), ("x-probe", "client")];
    for path in [
        "//login//token.php",
        "/./login/token.php",
        "/login/./token.php",
        "/login/%74oken.php",
        "/login/token.php/",
        "/login/token.php/x.css",
        "/login/token%2ephp/a.css",
    ] {
        let mark = world.campus.mark();
        let answer = ask(&world, "POST", path, &headers, RIGHT).await;
        assert_five_keys(&answer, "mfarequired");
        assert_only_ours(&world, mark, path);
    }
    for path in [
        "/x/../login/token.php",
        "/course/..%2flogin/token.php",
        "/login/token.php%2f",
        "/LOGIN/Token.PHP",
        "/login/token.php.",
        "/login/token.php%20",
        "/login/token.php::$DATA",
        "/login/token.php;x=/theme/",
        "/login/token",
    ] {
        let mark = world.campus.mark();
        let answer = ask(&world, "POST", path, &headers, RIGHT).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        assert!(world.campus.since(mark).is_empty(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_parameters_are_named_in_moodles_order() {
    let world = quiet_world(|_| {}).await;
    let mark = world.campus.mark();
    for (body, name) in [
        ("", "username"),
        ("service=x", "username"),
        ("service=x&username=a", "password"),
        ("username=a", "password"),
        ("username=a&password=b", "service"),
    ] {
        let answer = ask(&world, "POST", TOKEN, &[("content-type", FORM)], body).await;
        let json = assert_five_keys(&answer, "missingparam");
        assert_eq!(json["error"], format!("A required parameter ({name}) was missing"));
        let recorded = straight(world.campus.addr(), "POST", TOKEN, &[("content-type", FORM)], body).await;
        assert_eq!(answer.text(), recorded.text());
    }
    let gateway = world.campus.since(mark).iter().filter(|seen| seen.header("host") != ["localhost"]).count();
    assert_eq!(gateway, 0, "the gateway answers these alone");
    for target in ["/login/token.php?appsitecheck=1", "/login/token.php?appsitecheck=1&username=a"] {
        let answer = ask(&world, "GET", target, &[], "").await;
        assert_eq!(answer.text(), r#"{"appsitecheck":"ok"}"#);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
    assert_five_keys(&ask(&world, "GET", "/login/token.php?appsitecheck=0", &[], "").await, "missingparam");
}

#[tokio::test(flavor = "multi_thread")]
async fn a12_options_never_authenticates_and_trace_and_connect_are_refused() {
    let world = quiet_world(|_| {}).await;
    let mark = world.campus.mark();
    let answer = ask(&world, "OPTIONS", &format!("{TOKEN}?{RIGHT}"), &[], "").await;
    let json = assert_five_keys(&answer, "missingparam");
    assert_eq!(json["error"], "A required parameter (username) was missing");
    let token = world.campus.issue_token(3, "moodle_mobile_app");
    for path in [
        format!("/webservice/rest/server.php?wstoken={token}&wsfunction=core_webservice_get_site_info"),
        format!("/webservice/upload.php?token={token}"),
        format!("/webservice/pluginfile.php/19/mod_resource/content/0/handout.txt?token={token}"),
        format!("/webservice/draftfile.php/11/user/draft/1/a?token={token}"),
        "/vestibule/app/verify".to_owned(),
    ] {
        let answer = ask(&world, "OPTIONS", &path, &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (204, ""), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
    }
    let host = world.url.trim_start_matches("https://").to_owned();
    for line in [format!("TRACE {TOKEN}?{RIGHT}"), format!("CONNECT {host}"), "TRACE /my/".to_owned()] {
        let answer = raw(&world, format!("{line} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await;
        assert_eq!(status_of(&answer), 405, "{line}: {}", String::from_utf8_lossy(&answer));
    }
    assert!(world.campus.since(mark).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn b1_a_trusted_header_signs_nobody_in_at_the_token_endpoint() {
    let world = quiet_world(|_| {}).await;
    let forged = "username=shibuser1&password=x&service=moodle_mobile_app";
    // The LMS itself would believe it.
    world.campus.trust_header(Some("X-Remote-User"));
    let headers = [("content-type", FORM), ("x-remote-user", "shibuser1")];
    let believed = straight(world.campus.addr(), "POST", TOKEN, &headers, forged).await;
    assert!(believed.json()["token"].is_string(), "{}", believed.text());
    let host = world.url.trim_start_matches("https://").to_owned();
    for line in ["X-Remote-User: shibuser1", "X_Remote_User: shibuser1", "x-REMOTE_user: shibuser1"] {
        let mark = world.campus.mark();
        let length = forged.len();
        let head = format!("POST {TOKEN} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {FORM}\r\nContent-Length: {length}");
        let answer = raw(&world, format!("{head}\r\n{line}\r\nConnection: close\r\n\r\n{forged}").as_bytes()).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(!answer.contains("\"token\""), "{line}: {answer}");
        assert!(answer.contains("invalidlogin") || answer.starts_with("HTTP/1.1 400"), "{line}: {answer}");
        for seen in world.campus.since(mark) {
            assert!(seen.headers.iter().all(|(name, _)| !name.replace('_', "-").contains("remote-user")), "{seen:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_challenge_has_the_shape_that_clients_are_promised() {
    let world = quiet_world(|_| {}).await;
    let app = MoodleApp::at(&world);
    // Without a factor: no flow, and where to get one.
    let json = assert_five_keys(&app.token("student1", PASSWORD).await, "mfaenrolmentrequired");
    assert_eq!(json["enrol_url"], format!("{}/login/index.php", world.url));
    assert_eq!(json.as_object().unwrap().len(), 6);
    let enrol = people::Browser::at(&world).get("/login/index.php").await;
    assert!(enrol.text().contains("logintoken"), "the ordinary sign-in");

    let (device, _) = enrolled(&world, "student1").await;
    let json = assert_five_keys(&app.token("student1", PASSWORD).await, "mfarequired");
    assert_eq!(json["error"], "Multi-factor authentication is required for this service");
    assert_eq!(json.as_object().unwrap().len(), 6);
    let mfa = json["mfa"].as_object().unwrap();
    let keys: Vec<&str> = mfa.keys().map(String::as_str).collect();
    assert_eq!(keys, ["flow", "expires_in", "factors", "verify_url"]);
    let flow = mfa["flow"].as_str().unwrap();
    assert!(flow.len() == 43 && flow.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{flow}");
    assert_eq!(mfa["expires_in"], 600);
    assert_eq!(mfa["factors"], serde_json::json!(["totp", "recovery"]));
    assert_eq!(mfa["verify_url"], format!("{}/vestibule/app/verify", world.url));

    let answer = app.verify(flow, "totp", &device.code(vestibule::types::Clock::now(&*world.clock))).await;
    let json = answer.json();
    let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["token", "privatetoken"], "token.php's success body");
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let surrogates = [json["token"].as_str().unwrap(), json["privatetoken"].as_str().unwrap()];
    assert!(surrogates.iter().all(|t| t.len() == 64 && t.bytes().all(|b| b.is_ascii_alphanumeric())));
    assert_ne!(Some(surrogates[1].to_owned()), world.campus.private_token_of(3, "moodle_mobile_app"));
}

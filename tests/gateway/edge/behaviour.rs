//! Issue A §2, J4: who is sent to sign in, who is told so in JSON, and what a session that is over still opens.

use super::{SOON, ask, quiet};
use crate::{
    people::{Browser, Speaks, status_of},
    world::World,
};
use http::Method;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_navigation_is_sent_to_sign_in_and_everything_else_is_told_in_json() {
    let world = World::start().await;
    quiet(&world).await;
    let before = world.campus.mark();
    let html = ("accept", "text/html,*/*;q=0.8");
    type Case<'a> = (Method, &'a [(&'a str, &'a str)], u16);
    let cases: &[Case<'_>] = &[
        (Method::GET, &[("sec-fetch-mode", "navigate")], 303),
        (Method::POST, &[("sec-fetch-mode", "navigate"), html], 303),
        (Method::GET, &[("sec-fetch-mode", "cors"), html], 401),
        (Method::GET, &[("sec-fetch-mode", "no-cors"), html], 401),
        (Method::GET, &[("sec-fetch-mode", "websocket")], 401),
        (Method::GET, &[html], 303),
        (Method::HEAD, &[html], 303),
        (Method::GET, &[html, ("x-requested-with", "XMLHttpRequest")], 401),
        (Method::POST, &[html], 401),
        (Method::GET, &[("accept", "application/json")], 401),
        (Method::GET, &[("accept", "*/*")], 401),
        (Method::GET, &[], 401),
    ];
    for speaks in [Speaks::Http1, Speaks::Http2] {
        for (method, fields, expected) in cases {
            let mut browser = Browser::at(&world);
            browser.speaks = speaks;
            let fields: Vec<(&str, String)> = fields.iter().map(|(n, v)| (*n, (*v).to_owned())).collect();
            let answer = browser.send(method.clone(), "/course/view.php?id=2", &fields, String::new()).await;
            assert_eq!(answer.status, *expected, "{method} {fields:?} {speaks:?}");
            if *expected == 401 {
                assert_eq!(answer.json()["errorcode"], "requireloginerror");
                assert_eq!(answer.location(), "");
                assert!(browser.cookies.is_empty(), "{:?}", browser.cookies);
            } else {
                assert_eq!(answer.location(), "/login/index.php");
            }
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
    }
    assert_eq!(world.campus.since(before).len(), 0, "the LMS stayed silent");
}

#[tokio::test(flavor = "multi_thread")]
async fn ajax_without_a_session_is_answered_as_moodle_answers() {
    let world = World::start().await;
    quiet(&world).await;
    let before = world.campus.mark();
    let calls = r#"[{"index":0,"methodname":"core_course_get_enrolled_courses_by_timeline_classification","args":{}}]"#;
    let mut browser = Browser::at(&world);
    let answer = browser.fetch(Method::POST, "/lib/ajax/service.php?sesskey=x", "application/json", calls).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()[0]["error"], true);
    assert_eq!(answer.json()[0]["exception"]["errorcode"], "servicerequireslogin");
    assert_eq!(world.campus.since(before).len(), 0, "the LMS stayed silent");
}

#[tokio::test(flavor = "multi_thread")]
async fn j4_a_pending_or_ended_session_is_nobody_anywhere() {
    let world = World::start().await;
    quiet(&world).await;
    let mut pending = Browser::at(&world);
    let answer = pending.sign_in("student1", "Stud.1234").await;
    assert_eq!(answer.location(), "/vestibule/enrol");
    is_nobody(&world, &mut pending).await;

    let mut ended = Browser::at(&world);
    ended.enrol(&world, "student1", "Stud.1234").await;
    assert_eq!(ended.get("/my/").await.status, 200);
    world.advance(Duration::from_secs(13 * 3600));
    is_nobody(&world, &mut ended).await;

    let mut idle = Browser::at(&world);
    idle.enrol(&world, "student2", "Stud.1234").await;
    world.advance(Duration::from_secs(121 * 60));
    is_nobody(&world, &mut idle).await;
}

/// Protected: refused. Open: served without any cookie of an LMS session that somebody is signed in on.
async fn is_nobody(world: &World, browser: &mut Browser) {
    let kept = browser.cookies.clone();
    let before = world.campus.mark();
    assert_eq!(browser.get("/my/").await.status, 303);
    browser.cookies.clone_from(&kept);
    let calls = r#"[{"index":0,"methodname":"core_session_touch","args":{}}]"#;
    let answer = browser.fetch(Method::POST, "/lib/ajax/service.php", "application/json", calls).await;
    assert_eq!(answer.json()[0]["exception"]["errorcode"], "servicerequireslogin", "{}", answer.text());
    let head = [
        ("sec-fetch-mode", "websocket".to_owned()),
        ("connection", "Upgrade".to_owned()),
        ("upgrade", "websocket".to_owned()),
    ];
    assert_eq!(browser.send(Method::GET, "/local/campus/ws", &head, String::new()).await.status, 401);
    assert_eq!(world.campus.since(before).len(), 0, "the LMS stayed silent");
    let open = r#"[{"index":0,"methodname":"core_get_string","args":{"stringid":"ok"}}]"#;
    browser.fetch(Method::POST, "/lib/ajax/service.php", "application/json", open).await;
    browser.get("/login/index.php").await;
    browser.get("/theme/styles.php/x").await;
    let seen = world.campus.since(before);
    assert!(seen.len() >= 2, "{seen:?}");
    for seen in seen {
        assert!(seen.header("x-vestibule-account").is_empty(), "{}", seen.target);
        for cookie in seen.header("cookie") {
            let value = cookie.split("MoodleSession=").nth(1).unwrap_or_default();
            let value = value.split(';').next().unwrap_or_default();
            assert_eq!(world.campus.session_user(value), None, "{} with {cookie}", seen.target);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_redirects_to_our_own_host_and_serves_nothing() {
    let world = World::with(|config| config.edge.http = Some("127.0.0.1:0".parse().unwrap())).await;
    quiet(&world).await;
    let before = world.campus.mark();
    let authority = world.url.trim_start_matches("https://");
    for (request, status, location) in [
        ("GET /my/?a=b%20c HTTP/1.1\r\nHost: localhost\r\n", 308, format!("https://{authority}/my/?a=b%20c")),
        (
            "POST /login/index.php HTTP/1.1\r\nHost: LOCALHOST:80\r\nContent-Length: 0\r\n",
            308,
            format!("https://{authority}/login/index.php"),
        ),
        ("GET //evil.test/ HTTP/1.1\r\nHost: localhost\r\n", 308, format!("https://{authority}//evil.test/")),
        ("GET / HTTP/1.1\r\nHost: evil.test\r\n", 400, String::new()),
        ("GET / HTTP/1.1\r\nHost: localhost@evil.test\r\n", 400, String::new()),
        ("GET / HTTP/1.1\r\n", 400, String::new()),
    ] {
        let mut stream = TcpStream::connect(world.app.http.expect("a listener")).await.unwrap();
        stream.write_all(format!("{request}\r\n").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await.expect("closed");
        let text = String::from_utf8_lossy(&answer);
        let found = text.lines().find_map(|line| line.strip_prefix("location: ")).unwrap_or_default();
        assert_eq!((status_of(&answer), found), (status, location.as_str()), "{request:?}: {text}");
    }
    assert_eq!(world.campus.since(before).len(), 0, "the LMS stayed silent");
}

#[tokio::test(flavor = "multi_thread")]
async fn head_has_no_body_and_a_connection_serves_many_requests() {
    let world = World::start().await;
    let mut browser = Browser::at(&world);
    browser.enrol(&world, "student1", "Stud.1234").await;
    let cookies: Vec<String> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let host = world.url.trim_start_matches("https://");
    let mut stream = crate::people::tls(world.address, "localhost", &[b"http/1.1"]).await;
    for (method, target, length) in [
        ("HEAD", "/local/campus/big?bytes=5000", 0),
        ("GET", "/local/campus/big?bytes=5000", 5000),
        ("HEAD", "/vestibule/jwks.json", 0),
        ("GET", "/local/campus/big?bytes=3", 3),
    ] {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nCookie: {}\r\n\r\n", cookies.join("; "));
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(tokio::time::timeout(SOON, stream.read_u8()).await.expect("an answer").unwrap());
        }
        assert_eq!(status_of(&answer), 200, "{method} {target}");
        let text = String::from_utf8_lossy(&answer).to_lowercase();
        let mut body = vec![0; length];
        if text.contains("transfer-encoding: chunked") {
            panic!("a known length stays known: {text}");
        }
        tokio::time::timeout(SOON, stream.read_exact(&mut body)).await.expect("the body").unwrap();
        assert!(body.iter().enumerate().all(|(i, byte)| usize::from(*byte) == i % 251), "{method} {target}");
    }
    let answer = ask(&world, "GET", b"/my/", "").await;
    assert_eq!(status_of(&answer), 401);
}

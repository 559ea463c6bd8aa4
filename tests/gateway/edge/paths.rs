//! A1–A8, A12–A14: one path, one rule, whatever it is spelled like. "Silent" is the LMS's own log.

use super::{
    ask,
    frames::{self, Outcome, request},
    quiet, status,
};
use crate::{
    origin::Bench,
    people::{Speaks, send, status_of},
    world::World,
};
use bytes::Bytes;
use http::Request;

/// Over both protocols, with the LMS silent: refused, or sent to sign in.
async fn is_refused(world: &World, target: &[u8], refusals: &[u16]) {
    let before = world.campus.mark();
    let shown = String::from_utf8_lossy(target).into_owned();
    let code = status(world, "GET", target).await;
    assert!(refusals.contains(&code), "{shown}: {code}");
    let host = world.url.trim_start_matches("https://").as_bytes();
    let mut fields = request(b"GET", host, target);
    fields.push((b"accept", b"text/html"));
    match frames::ask(world.address, &fields, None).await {
        Outcome::Refused => assert!(refusals.contains(&400), "{shown}: reset over h2"),
        Outcome::Status(code) => assert!(refusals.contains(&code), "{shown}: {code} over h2"),
    }
    assert_eq!(world.campus.since(before).len(), 0, "{shown} reached the LMS");
}

#[tokio::test(flavor = "multi_thread")]
async fn a1_a_path_that_climbs_is_refused() {
    let world = World::start().await;
    quiet(&world).await;
    for target in [
        &b"/theme/styles.php/../grade/export"[..],
        b"/theme/styles.php/%2e%2e/grade/export",
        b"/theme/styles.php/.%2e/grade/export",
        b"/theme/styles.php/%2E./grade/export",
        b"/theme/styles.php/..;/grade/export",
        b"/theme/styles.php/..%3b/grade/export",
        b"/..",
        b"/lib/requirejs/../../login/token.php",
        b"/theme/styles.php/...%20/x",
    ] {
        is_refused(&world, target, &[400]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a2_an_encoding_is_undone_once_and_never_again() {
    let world = World::start().await;
    quiet(&world).await;
    for target in [
        &b"/theme/styles.php/%2e%2e%2fgrade"[..],
        b"/theme/styles.php/%252e%252e%252fgrade",
        b"/theme/styles.php/%25252e%25252e/grade",
        b"/login%2ftoken.php",
        b"/login%252ftoken.php",
        b"/x%255cy",
        b"/x%2500y",
        b"/x%zz",
        b"/x%",
    ] {
        is_refused(&world, target, &[400]).await;
    }
    // A lone percent sign is a file's name.
    assert_eq!(status(&world, "GET", b"/pluginfile.php/5/mod_resource/content/0/100%25.pdf").await, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a3_doubled_slashes_and_dots_meet_the_same_rule_and_are_forwarded_collapsed() {
    let world = World::start().await;
    quiet(&world).await;
    for target in [&b"//login/token.php"[..], b"/login//token.php", b"/./login/token.php", b"/login/./token.php"] {
        let before = world.campus.mark();
        let answer = String::from_utf8_lossy(&ask(&world, "GET", target, "").await).into_owned();
        assert!(answer.contains("missingparam"), "{answer}");
        assert_eq!(world.campus.since(before).len(), 0, "only the gateway answers token.php");
    }
    let bench = Bench::start().await;
    assert_eq!(status(&bench.world, "GET", b"//theme//./styles.php//x").await, 200);
    assert_eq!(bench.origin.heads()[0].1.lines().next(), Some("GET /theme/styles.php/x HTTP/1.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a4_path_info_does_not_escape_the_token_rule() {
    let world = World::start().await;
    quiet(&world).await;
    for target in [
        "/login/token.php/",
        "/login/token.php/x.css",
        "/login/token.php/theme/styles.php/",
        "/login/token.php/lib/requirejs/x.js",
        "/login/token%2ephp/x",
    ] {
        let before = world.campus.mark();
        let target = format!("{target}?username=student1&password=Stud.1234&service=moodle_mobile_app");
        for speaks in [Speaks::Http1, Speaks::Http2] {
            let uri = match speaks {
                Speaks::Http1 => target.clone(),
                Speaks::Http2 => format!("{}{target}", world.url),
            };
            let mut request = Request::get(uri);
            if speaks == Speaks::Http1 {
                request = request.header("host", world.url.trim_start_matches("https://"));
            }
            let answer = send(world.address, speaks, request.body(Bytes::new()).unwrap()).await;
            assert_eq!(answer.json()["errorcode"], "mfaenrolmentrequired", "{target} by {speaks:?}: {}", answer.text());
        }
        let seen = world.campus.since(before);
        // The gateway judged the password at the canonical address, and nothing of the client's target went along.
        assert!(seen.iter().all(|r| r.path() != target && !r.target.contains("Stud.1234")), "{seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a5_a6_a7_aliases_parameters_and_backslashes_are_refused() {
    let world = World::start().await;
    quiet(&world).await;
    for target in [
        &b"/LOGIN/Token.PHP"[..],
        b"/login/token.php.",
        b"/login/token.php%20",
        b"/login/token.php::$DATA",
        b"/login/token.php%3a%3a$DATA",
        b"/login/token.php;x=/theme/",
        b"/login/index.php;jsessionid=1",
        b"/login\\token.php",
        b"/login%5ctoken.php",
        b"/login/token",
    ] {
        is_refused(&world, target, &[400]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a8_a_public_path_in_query_or_fragment_opens_nothing() {
    let world = World::start().await;
    quiet(&world).await;
    is_refused(&world, b"/grade/report.php?x=/theme/styles.php/", &[303]).await;
    is_refused(&world, b"/grade%23/theme/", &[303]).await;
    is_refused(&world, b"/grade%23/theme/styles.php/", &[400]).await;
    assert_eq!(status(&world, "GET", b"/grade/report.php#/theme/styles.php/").await, 400);
    assert_eq!(status(&world, "GET", b"/theme/styles.php?x#y").await, 400);
    // Over h2 the fragment is cut off before anybody decides: the path alone has a rule.
    let mark = world.campus.mark();
    let host = world.url.trim_start_matches("https://").as_bytes();
    let mut fields = request(b"GET", host, b"/grade/report.php#/theme/styles.php/");
    fields.push((b"accept", b"text/html"));
    assert_eq!(frames::ask(world.address, &fields, None).await, Outcome::Status(303));
    assert_eq!(world.campus.since(mark).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a12_methods_open_no_door() {
    let world = World::start().await;
    quiet(&world).await;
    let before = world.campus.mark();
    for target in
        ["/login/token.php", "/login/token.php?username=student1&password=Stud.1234&service=moodle_mobile_app"]
    {
        let answer = ask(&world, "OPTIONS", target.as_bytes(), "Origin: http://localhost\r\n").await;
        let text = String::from_utf8_lossy(&answer);
        assert!(status_of(&answer) == 200 && text.contains("\"missingparam\""), "{text}");
        assert!(text.to_lowercase().contains("access-control-allow-origin: *"), "{text}");
    }
    for target in [
        "/webservice/rest/server.php",
        "/webservice/upload.php",
        "/webservice/pluginfile.php/1/x",
        "/tokenpluginfile.php/k/1",
    ] {
        let answer = ask(&world, "OPTIONS", target.as_bytes(), "").await;
        assert_eq!(status_of(&answer), 204, "{target}");
        assert!(String::from_utf8_lossy(&answer).to_lowercase().contains("access-control-allow-origin: *"), "{target}");
    }
    assert_eq!(status(&world, "OPTIONS", b"/my/").await, 204);
    for (method, expected) in
        [("TRACE", 405), ("CONNECT", 400), ("get", 401), ("FOO", 401), ("PATCH", 401), ("DELETE", 401)]
    {
        let code = status_of(&ask(&world, method, b"/my/", "").await);
        assert!(code == expected || (method == "CONNECT" && code == 405), "{method}: {code}");
    }
    assert_eq!(status_of(&ask(&world, "CONNECT", b"localhost:22", "").await) / 100, 4);
    assert_eq!(status_of(&ask(&world, "OPTIONS", b"*", "").await), 400);
    let host = world.url.trim_start_matches("https://").as_bytes();
    for method in [&b"TRACE"[..], b"OPTIONS", b"get", b"FOO"] {
        let outcome = frames::ask(world.address, &request(method, host, b"/my/"), None).await;
        assert!(!matches!(outcome, Outcome::Status(200)), "{outcome:?}");
    }
    let connect: [frames::Field<'_>; 2] = [(b":method", b"CONNECT"), (b":authority", b"localhost:22")];
    let outcome = frames::ask(world.address, &connect, None).await;
    assert!(outcome == Outcome::Refused || outcome == Outcome::Status(405) || outcome.is_refusal(), "{outcome:?}");
    assert_eq!(world.campus.since(before).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a13_bytes_that_no_path_holds_are_refused() {
    let world = World::start().await;
    quiet(&world).await;
    for target in [
        &b"/x%00.css"[..],
        b"/x%0d%0ay",
        b"/x%c3%28",
        b"/x%ff",
        b"/x%c0%ae%c0%ae/",
        b"/\xc3\xbc",
        b"/x\x01",
        b"/x\0",
        b"/x\ry",
        b"/x?y=\xff",
    ] {
        is_refused(&world, target, &[400]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a13_a_file_s_name_arrives_as_moodle_wrote_it() {
    let bench = Bench::start().await;
    // `/Übung 100%;a#1.pdf` as rawurlencode writes it; the logo's file area is open.
    let target = "/pluginfile.php/1/core_admin/logo/0x200/1/%C3%9Cbung%20100%25%3Ba%231.pdf";
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let uri = if speaks == Speaks::Http1 { target.to_owned() } else { format!("{}{target}", bench.world.url) };
        let mut request = Request::get(uri);
        if speaks == Speaks::Http1 {
            request = request.header("host", bench.host());
        }
        assert_eq!(send(bench.world.address, speaks, request.body(Bytes::new()).unwrap()).await.status, 200);
    }
    let lines: Vec<String> =
        bench.origin.heads().iter().map(|(_, head)| head.lines().next().unwrap().to_owned()).collect();
    assert_eq!(lines, [format!("GET {target} HTTP/1.1"), format!("GET {target} HTTP/1.1")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a14_long_targets_are_414_and_large_heads_431() {
    let bench = Bench::start().await;
    let world = &bench.world;
    let path = |n: usize| format!("/theme/styles.php/{}", "a".repeat(n)).into_bytes();
    assert_eq!(status(world, "GET", &path(8 * 1024 - 18)).await, 200, "8 kB of path are served");
    assert_eq!(status(world, "GET", &path(8 * 1024)).await, 414);
    let query = |n: usize| format!("/theme/styles.php?{}", "a".repeat(n)).into_bytes();
    assert_eq!(status(world, "GET", &query(20 * 1024)).await, 200, "20 kB of query are served");
    assert_eq!(status(world, "GET", &query(20 * 1024 + 1)).await, 414);
    let fields: String = (0..200).map(|n| format!("X-{n}: y\r\n")).collect();
    assert_eq!(status_of(&ask(world, "GET", b"/theme/styles.php", &fields).await), 431);
    let large = format!("X-Large: {}\r\n", "y".repeat(64 * 1024));
    assert_eq!(status_of(&ask(world, "GET", b"/theme/styles.php", &large).await), 431);
    let cookie = format!("Cookie: {}\r\n", "a=b; ".repeat(65));
    assert_eq!(status_of(&ask(world, "GET", b"/theme/styles.php", &cookie).await), 431);
    assert_eq!(bench.origin.heads().len(), 2);
    for (path, expected) in [(path(8 * 1024), 414), (query(20 * 1024 + 1), 414)] {
        let fields = request(b"GET", bench.host().as_bytes(), &path);
        assert_eq!(frames::ask(world.address, &fields, None).await, Outcome::Status(expected));
    }
    let many: Vec<String> = (0..200).map(|n| format!("x-{n}")).collect();
    let mut fields = request(b"GET", bench.host().as_bytes(), b"/theme/styles.php");
    fields.extend(many.iter().map(|name| (name.as_bytes(), &b"y"[..])));
    assert_eq!(frames::ask(world.address, &fields, None).await, Outcome::Status(431), "200 fields");
    let value = vec![b'y'; 64 * 1024];
    let mut fields = request(b"GET", bench.host().as_bytes(), b"/theme/styles.php");
    fields.push((b"x-large", &value));
    let outcome = frames::ask(world.address, &fields, None).await;
    assert!(outcome.is_refusal(), "{outcome:?}");
    assert_eq!(bench.origin.heads().len(), 2, "none of them reached the LMS");
}

//! D12, D13, J5, J19, HSTS and error pages: what stands on answers of our own, and to whom they are given.

use super::{ask, quiet};
use crate::{
    origin::{Bench, Plan},
    people::{Answer, Browser, status_of},
    world::World,
};
use http::Method;
use std::time::{Duration, Instant};

#[track_caller]
fn is_guarded(answer: &Answer) {
    let header = |name: &str| answer.header(name).unwrap_or_else(|| panic!("no {name} on {:?}", answer.status));
    let csp = header("content-security-policy");
    assert!(csp.contains("frame-ancestors 'none'") && csp.contains("default-src 'none'"), "{csp}");
    assert!(!csp.contains("unsafe-inline") && !csp.contains('*'), "{csp}");
    assert_eq!(header("x-frame-options"), "DENY");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("cross-origin-opener-policy"), "same-origin");
    assert_eq!(header("cross-origin-resource-policy"), "same-origin");
    assert!(header("strict-transport-security").starts_with("max-age="));
    assert!(answer.header("server").is_none() && answer.header("x-powered-by").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn d12_d13_our_pages_are_framed_by_nobody_and_kept_by_nobody() {
    let world = World::start().await;
    let mut browser = Browser::at(&world);
    browser.sign_in("student1", "Stud.1234").await;
    for path in ["/vestibule/enrol", "/vestibule/nothing", "/vestibule/", "/VESTIBULE/enrol"] {
        let answer = browser.get(path).await;
        is_guarded(&answer);
    }
    let mut stranger = Browser::at(&world);
    let answer = stranger.get("/vestibule/challenge").await;
    assert_eq!(answer.status, 410);
    is_guarded(&answer);
    // Closed doors are pages to people.
    let answer = stranger.get("/rss/file.php").await;
    assert_eq!(answer.status, 403);
    is_guarded(&answer);
    assert_eq!(stranger.get("/my/").await.header("cache-control"), Some("no-store"));
}

#[tokio::test(flavor = "multi_thread")]
async fn j5_j19_our_pages_are_given_to_top_level_navigations_alone() {
    let world = World::start().await;
    quiet(&world).await;
    let mut browser = Browser::at(&world);
    browser.sign_in("student1", "Stud.1234").await;
    assert_eq!(browser.get("/vestibule/enrol").await.status, 200);
    let csrf = browser.csrf("/vestibule/enrol").await;
    let before = world.campus.mark();
    let origin = ("origin", world.url.clone());
    let form = ("content-type", "application/x-www-form-urlencoded".to_owned());
    for (mode, dest) in [
        ("cors", "empty"),
        ("no-cors", "image"),
        ("no-cors", "script"),
        ("navigate", "iframe"),
        ("navigate", "frame"),
        ("navigate", "embed"),
        ("navigate", "object"),
        ("same-origin", "empty"),
    ] {
        let head =
            [("sec-fetch-mode", mode.to_owned()), ("sec-fetch-dest", dest.to_owned()), origin.clone(), form.clone()];
        for path in [
            "/vestibule/enrol",
            "/vestibule/challenge",
            "/vestibule/recovery-codes",
            "/vestibule/recovery-codes.txt",
            "/vestibule/account",
        ] {
            let answer = browser.send(Method::GET, path, &head, String::new()).await;
            assert_eq!(answer.status, 403, "GET {path} as {mode} {dest}");
            assert!(!answer.text().contains(&csrf) && !answer.text().contains("otpauth"), "{}", answer.text());
        }
        for path in ["/vestibule/enrol", "/vestibule/cancel"] {
            let answer = browser.send(Method::POST, path, &head, format!("csrf={csrf}&code=000000")).await;
            assert_eq!(answer.status, 403, "POST {path} as {mode} {dest}");
        }
    }
    // A form of another site's, or of one that hides which.
    for origin in [Some("https://evil.test"), Some("null"), Some("http://localhost"), None] {
        let mut head =
            vec![("sec-fetch-mode", "navigate".to_owned()), ("sec-fetch-dest", "document".to_owned()), form.clone()];
        head.extend(origin.map(|origin| ("origin", origin.to_owned())));
        let answer = browser.send(Method::POST, "/vestibule/cancel", &head, format!("csrf={csrf}")).await;
        assert_eq!(answer.status, 403, "{origin:?}");
    }
    // The LMS's door that hands out app tokens is closed, however it is opened.
    let head = [("sec-fetch-mode", "cors".to_owned())];
    let launch = "/admin/tool/mobile/launch.php?service=moodle_mobile_app&passport=1&confirmed=1";
    assert_eq!(browser.send(Method::GET, launch, &head, String::new()).await.status, 403);
    for path in [
        "/theme/styles.php/x",
        "/local/campus/echo",
        "/vestibule/assets/page.js",
        "/pluginfile.php/1/core_admin/logo/0/1/x.js",
    ] {
        let head = [
            ("service-worker", "script".to_owned()),
            ("sec-fetch-dest", "serviceworker".to_owned()),
            ("sec-fetch-mode", "same-origin".to_owned()),
        ];
        assert_eq!(
            browser.send(Method::GET, path, &head, String::new()).await.status,
            403,
            "{path} as a service worker"
        );
    }
    assert_eq!(world.campus.since(before).len(), 0, "the LMS stayed silent");
    assert_eq!(browser.get("/vestibule/enrol").await.status, 200, "and the flow is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_lms_that_is_down_is_502_and_one_that_hangs_504_for_people_and_programs() {
    let bench = Bench::with(Plan::Silent, |config| config.edge.upstream_read_seconds = 1).await;
    let mut browser = Browser::at(&bench.world);
    let calls = r#"[{"index":0,"methodname":"core_get_string","args":{}}]"#;
    let started = Instant::now();
    let page = browser.get("/login/index.php").await;
    let script = browser.fetch(Method::GET, "/theme/styles.php/x", "text/css", "").await;
    let ajax = browser.fetch(Method::POST, "/lib/ajax/service-nologin.php", "application/json", calls).await;
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    is_error(&page, &script, &ajax, 504, bench.origin.address);

    let address = bench.origin.address;
    drop(bench.origin);
    bench.world.eventually("the origin is gone", |_| std::net::TcpStream::connect(address).is_err()).await;
    let page = browser.get("/login/index.php").await;
    let script = browser.fetch(Method::GET, "/theme/styles.php/x", "text/css", "").await;
    let ajax = browser.fetch(Method::POST, "/lib/ajax/service-nologin.php", "application/json", calls).await;
    is_error(&page, &script, &ajax, 502, address);
}

#[track_caller]
fn is_error(page: &Answer, script: &Answer, ajax: &Answer, status: u16, lms: std::net::SocketAddr) {
    assert_eq!((page.status.as_u16(), script.status.as_u16(), ajax.status.as_u16()), (status, status, status));
    is_guarded(page);
    let id = script.json()["request_id"].as_str().expect("a request id").to_owned();
    assert!(id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    assert!(page.header("content-type").is_some_and(|t| t.starts_with("text/html")));
    let shown = page.text();
    let ids = shown.split(|c: char| !c.is_ascii_hexdigit()).filter(|word| word.len() == 16).count();
    assert!(ids >= 1, "the page says its request's id: {shown}");
    for text in [&shown, &script.text(), &ajax.text()] {
        for internal in [lms.to_string().as_str(), "127.0.0.1", "panic", "pingora", "hyper", "src/", "error sending"] {
            assert!(!text.to_lowercase().contains(internal), "{internal} in {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_nothing_of_the_inside_and_strict_transport_security_is_everywhere() {
    let bench = Bench::start().await;
    for (target, fields, status) in [
        (&b"/x%00"[..], "", 400),
        (b"/my/", "", 401),
        (b"/rss/file.php", "", 403),
        (b"/vestibule/nothing", "", 404),
        (b"/theme/styles.php/x", "", 200),
        (b"/login/index.php", "Accept: text/html\r\n", 200),
    ] {
        let answer = ask(&bench.world, "GET", target, fields).await;
        let text = String::from_utf8_lossy(&answer).to_lowercase();
        assert_eq!(status_of(&answer), status, "{text}");
        assert!(text.contains("\r\nstrict-transport-security: max-age=31536000\r\n"), "{text}");
        assert!(!text.contains("\r\nserver: ") && !text.contains("pingora"), "{text}");
    }
    let without = Bench::with(Plan::Answer(crate::origin::OK.to_vec()), |config| config.edge.hsts_seconds = 0).await;
    let answer = ask(&without.world, "GET", b"/theme/styles.php/x", "").await;
    assert!(!String::from_utf8_lossy(&answer).to_lowercase().contains("strict-transport"));
}

//! A10, A11, A15, B1–B4, B6–B8, B10, door 19: what a client says of itself never reaches the LMS, and what the gateway
//! says does, once.

use super::{ask, quiet};
use crate::{
    origin::{Bench, Plan},
    people::{Browser, MoodleApp, raw_until_closed, status_of, tls},
    world::World,
};
use bytes::Bytes;
use campus::Logged;
use http::{HeaderMap, Request};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::{convert::Infallible, time::Duration};
use vestibule::lms::Authorization;

/// In every spoofed value; nothing that the LMS receives may hold it.
const EVIL: &str = "evil-root";

/// Names that somebody between here and Moodle's PHP might believe.
const NAMES: &[&str] = &[
    "X-Vestibule-User",
    "x-vestibule-user",
    "X_Vestibule_User",
    "X-VESTIBULE_USER",
    "X-Vestibule-User",
    "X.Vestibule.User",
    "X-Vestibule-Account",
    "X-Vestibule-Name",
    "X-Vestibule-Email",
    "X-Vestibule-Groups",
    "X-Vestibule-Source",
    "X-Vestibule-Amr",
    "X-Vestibule-Auth-Time",
    "X-Vestibule-Factor-Time",
    "X-Vestibule-Assertion",
    "X_vestibule_assertion",
    "X-V-0123456789abcdef0123456789abcdef",
    "X-Forwarded-User",
    "X_Forwarded_User",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "Remote-User",
    "REMOTE_USER",
    "X-Remote-User",
    "Auth-User",
    "X-Auth-User",
    "X-Auth-Request-User",
    "X-WebAuth-User",
    "X-MoodleUser",
    "Shib-Identity-Provider",
    "Shib_Session_ID",
    "OIDC_CLAIM_sub",
    "OIDC-CLAIM-sub",
    "Mellon-uid",
    "X-SSL-Client-S-DN",
    "SSL_CLIENT_S_DN",
    "Redirect-Remote-User",
    "X-User",
    "User",
    "Proxy-User",
    "Proxy",
    "Proxy-Authorization",
    "Forwarded",
    "Via",
    "X-Real-IP",
    "CF-Connecting-IP",
    "True-Client-IP",
    "Client-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "X-Forwarded-For",
    "X_Forwarded_For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Server",
    "X-Forwarded-Prefix",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-Forwarded-Uri",
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X-Request-Id",
    "X_Request_Id",
    "X-Accel-Redirect",
    "X-Sendfile",
    "Cookie2",
    "HTTP_X_VESTIBULE_USER",
    "X-Campus-Person",
    "X_Campus_Person",
    "x-campus-PERSON",
];

fn spoofs() -> String {
    NAMES.iter().map(|name| format!("{name}: {EVIL} \t\r\n")).collect()
}

/// Every value received, and ours exactly once each in any folding.
#[track_caller]
fn is_clean(seen: &Logged, user: Option<&str>) {
    for (name, value) in &seen.headers {
        let value = String::from_utf8_lossy(value);
        assert!(!value.contains(EVIL), "{} received {name}: {value}", seen.target);
        assert!(!name.contains('_') && !name.contains('.'), "{} received {name}", seen.target);
    }
    for ours in ["host", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id"] {
        let times = seen.header(ours).len();
        assert_eq!(times, 1, "{} received {ours} {times} times", seen.target);
    }
    assert_eq!(seen.header("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.header("x-forwarded-proto"), ["https"]);
    // The site of these tests calls the user's header X-Campus-Person.
    assert_eq!(seen.header("x-campus-person"), user.into_iter().collect::<Vec<_>>(), "{}", seen.target);
    assert_eq!(seen.header("x-vestibule-account").len(), usize::from(user.is_some()), "{}", seen.target);
    assert_eq!(seen.header("x-vestibule-assertion").len(), usize::from(user.is_some()), "{}", seen.target);
}

fn cookies(browser: &Browser) -> String {
    let pairs: Vec<String> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("Cookie: {}\r\n", pairs.join("; "))
}

async fn signed_in() -> (World, Browser) {
    let world = World::with(|config| config.sites[0].headers.user = "X-Campus-Person".into()).await;
    quiet(&world).await;
    // Moodle's word for who somebody is; without it the typed name is not passed on.
    world.campus.settings(|settings| settings.header_log_user = 3);
    let mut browser = Browser::at(&world);
    browser.enrol(&world, "student1", "Stud.1234").await;
    (world, browser)
}

#[tokio::test(flavor = "multi_thread")]
async fn b1_b3_b7_a10_no_spelling_of_an_identity_header_reaches_the_lms_on_any_path() {
    let (world, mut browser) = signed_in().await;
    let mark = world.campus.mark();
    let cookie = cookies(&browser);
    let spoofs = spoofs();
    let (first, second) = spoofs.split_at(spoofs[..spoofs.len() / 2].rfind("\r\n").unwrap() + 2);
    let json = "Content-Type: application/json\r\n";
    let calls = r#"[{"index":0,"methodname":"core_session_time_remaining","args":{}}]"#;
    let length = |body: &str| format!("Content-Length: {}\r\n", body.len());
    for half in [first, second] {
        let with_session = format!("{cookie}{half}");
        for (method, target, fields, body, user) in [
            ("GET", "/local/campus/echo", &with_session, "", Some("student1")),
            (
                "POST",
                "/local/campus/echo",
                &format!("{with_session}{}", length("x=1&_method=GET")),
                "x=1&_method=GET",
                Some("student1"),
            ),
            ("GET", "/login/index.php", &with_session, "", Some("student1")),
            ("GET", "/login/index.php", &half.to_owned(), "", None),
            ("GET", "/theme/styles.php/x", &with_session, "", None),
            (
                "POST",
                "/lib/ajax/service.php?sesskey=x",
                &format!("{with_session}{json}{}", length(calls)),
                calls,
                Some("student1"),
            ),
        ] {
            let before = world.campus.mark();
            let bytes = format!("{fields}\r\n{body}");
            let answer = ask_with(&world, method, target, &bytes).await;
            let seen = world.campus.since(before);
            assert_eq!(seen.len(), 1, "{method} {target} was forwarded once: {}", String::from_utf8_lossy(&answer));
            assert_eq!(seen[0].method, method, "the real method");
            is_clean(&seen[0], user);
        }
        // B8: refused, not forwarded, and still nothing of it shows.
        for (method, target, expected) in
            [("OPTIONS", "/my/", 204), ("GET", "/my/", 401), ("GET", "/rss/file.php", 403)]
        {
            let answer = ask(&world, method, target.as_bytes(), half).await;
            assert_eq!(status_of(&answer), expected);
            assert!(!String::from_utf8_lossy(&answer).contains(EVIL));
        }
    }
    browser.headers =
        NAMES.iter().filter(|name| !name.starts_with("Proxy-A")).map(|name| (*name, EVIL.to_owned())).collect();
    browser.speaks = crate::people::Speaks::Http2;
    let before = world.campus.mark();
    let half = browser.headers.len() / 2;
    let rest = browser.headers.split_off(half);
    browser.get("/local/campus/echo").await;
    browser.headers = rest;
    browser.get("/local/campus/echo").await;
    let seen = world.campus.since(before);
    assert_eq!(seen.len(), 2, "over h2");
    seen.iter().for_each(|seen| is_clean(seen, Some("student1")));
    assert!(world.campus.since(mark).len() > 12);
}

/// Like `ask`, but `rest` holds fields, empty line and body.
async fn ask_with(world: &World, method: &str, target: &str, rest: &str) -> Vec<u8> {
    let host = world.url.trim_start_matches("https://");
    let bytes = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{rest}");
    raw_until_closed(world, bytes.as_bytes()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn b1_b8_the_app_s_calls_and_websockets_carry_ours_alone() {
    let world = World::with(|config| config.sites[0].headers.user = "X-Campus-Person".into()).await;
    quiet(&world).await;
    // Moodle's word for who somebody is; without it the typed name is not passed on.
    world.campus.settings(|settings| settings.header_log_user = 3);
    let mut browser = Browser::at(&world);
    let (device, _) = browser.enrol(&world, "student1", "Stud.1234").await;
    world.advance(Duration::from_secs(60));
    let app = MoodleApp::at(&world);
    let token = app.sign_in(&world, "student1", "Stud.1234", &device).await;
    let spoofs = spoofs();
    let (first, second) = spoofs.split_at(spoofs[..spoofs.len() / 2].rfind("\r\n").unwrap() + 2);
    for half in [first, second] {
        let before = world.campus.mark();
        let target = format!("/webservice/rest/server.php?wsfunction=core_webservice_get_site_info&wstoken={token}");
        assert_eq!(status_of(&ask(&world, "GET", target.as_bytes(), half).await), 200);
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
        let mut stream = tls(world.address, "localhost", &[b"http/1.1"]).await;
        let host = world.url.trim_start_matches("https://");
        let head = format!("GET /local/campus/ws HTTP/1.1\r\nHost: {host}\r\n{upgrade}{}{half}\r\n", cookies(&browser));
        tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 101");
        let seen = world.campus.since(before);
        assert_eq!(seen.len(), 2);
        for seen in seen {
            for (name, value) in &seen.headers {
                let value = String::from_utf8_lossy(value);
                assert!(!name.contains('_') && !value.contains(EVIL), "{} received {name}: {value}", seen.target);
            }
            assert_eq!(seen.header("x-vestibule-account").len(), 1, "{}", seen.target);
            assert_eq!(seen.header("x-forwarded-for"), ["127.0.0.1"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_naming_our_header_in_connection_does_not_take_it_off() {
    let (world, browser) = signed_in().await;
    let host = world.url.trim_start_matches("https://");
    let cookie = cookies(&browser);
    for named in ["close, X-Campus-Person", "close, x-vestibule-assertion, X-Request-Id", "close, x-vestibule-account"]
    {
        let before = world.campus.mark();
        let head = format!("GET /local/campus/echo HTTP/1.1\r\nHost: {host}\r\nConnection: {named}\r\n{cookie}\r\n");
        let answer = raw_until_closed(&world, head.as_bytes()).await;
        assert_eq!(status_of(&answer), 200, "{named}: {}", String::from_utf8_lossy(&answer));
        is_clean(&world.campus.since(before)[0], Some("student1"));
    }
    let before = world.campus.mark();
    for named in [
        "close, Cookie",
        "close, Host",
        "close, Content-Length",
        "close, Authorization",
        "close, X-Forwarded-For",
        "close, X-Forwarded-Proto",
        "close, @",
    ] {
        let head = format!("GET /local/campus/echo HTTP/1.1\r\nHost: {host}\r\nConnection: {named}\r\n{cookie}\r\n");
        assert_eq!(status_of(&raw_until_closed(&world, head.as_bytes()).await), 400, "{named}");
    }
    assert_eq!(world.campus.since(before).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_b4_an_address_is_believed_from_a_trusted_proxy_only() {
    let forwarded = |bench: &Bench| {
        let (_, head) = bench.origin.heads().pop().unwrap();
        let lines: Vec<String> = head
            .lines()
            .filter_map(|l| l.to_lowercase().strip_prefix("x-forwarded-for: ").map(str::to_owned))
            .collect();
        assert_eq!(lines.len(), 1, "{head}");
        lines[0].clone()
    };
    let stranger = Bench::start().await;
    ask(
        &stranger.world,
        "GET",
        b"/theme/styles.php",
        "X-Forwarded-For: 198.51.100.7\r\nForwarded: for=198.51.100.7\r\n",
    )
    .await;
    assert_eq!(forwarded(&stranger), "127.0.0.1");
    let proxied = Bench::with(Plan::Answer(crate::origin::OK.to_vec()), |config| {
        config.edge.trusted_proxies = vec!["127.0.0.1".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
    })
    .await;
    for (chain, expected) in [
        ("198.51.100.7", "198.51.100.7"),
        ("203.0.113.1, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("198.51.100.7, junk", "127.0.0.1"),
        ("198.51.100.7:443", "127.0.0.1"),
        ("fe80::1%eth0", "127.0.0.1"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db8::1", "2001:db8::1"),
        (&"10.0.0.3, ".repeat(300), "127.0.0.1"),
    ] {
        ask(
            &proxied.world,
            "GET",
            b"/theme/styles.php",
            &format!("X-Forwarded-For: {chain}\r\nX-Real-IP: 192.0.2.66\r\n"),
        )
        .await;
        assert_eq!(forwarded(&proxied), expected, "{chain}");
        assert!(!proxied.origin.text().contains("192.0.2.66"));
    }
    let mut browser = Browser::at(&proxied.world);
    browser.headers = vec![("x-forwarded-for", "198.51.100.9".to_owned())];
    browser.get("/rss/file.php").await;
    let closed = proxied.world.audited("closed_door").await;
    assert!(closed[0].to_string().contains("198.51.100.9"), "the log names the client: {}", closed[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn b6_trailers_are_dropped_both_ways() {
    let trailed = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-MoodleUser\r\n\r\n2\r\nok\r\n0\r\nX-MoodleUser: {EVIL}\r\nSet-Cookie: MoodleSession={EVIL}\r\n\r\n"
    );
    let bench = Bench::with(Plan::Answer(trailed.into_bytes()), |_| {}).await;
    let trailers = format!(
        "Transfer-Encoding: chunked\r\nTrailer: X-Vestibule-User\r\n\r\n2\r\nhi\r\n0\r\nX-Vestibule-User: {EVIL}\r\nX_Vestibule_User: {EVIL}\r\n\r\n"
    );
    let answer = String::from_utf8(ask_with(&bench.world, "POST", "/theme/styles.php", &trailers).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("ok") && !answer.contains(EVIL), "{answer}");
    assert!(!answer.to_lowercase().contains("\r\ntrailer:"), "{answer}");

    let io = TokioIo::new(tls(bench.world.address, "localhost", &[b"h2"]).await);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let mut fields = HeaderMap::new();
    fields.insert("x-vestibule-user", EVIL.parse().unwrap());
    let frames = vec![Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"hi"))), Ok(Frame::trailers(fields))];
    let body = StreamBody::new(futures_util::stream::iter(frames));
    let request = Request::post(format!("{}/theme/styles.php", bench.world.url)).body(body).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let collected = response.into_body().collect().await.unwrap();
    assert!(collected.trailers().is_none_or(HeaderMap::is_empty), "{:?}", collected.trailers());
    assert_eq!(collected.to_bytes(), "ok");
    let heads = bench.origin.heads();
    assert_eq!(heads.len(), 2);
    assert!(!bench.origin.text().contains(EVIL) && !bench.origin.text().to_lowercase().contains("\r\ntrailer:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn b10_authorization_passes_only_where_the_site_says_so() {
    for (rule, expected) in [(Authorization::Strip, 0), (Authorization::Forward, 2)] {
        let bench =
            Bench::with(Plan::Answer(crate::origin::OK.to_vec()), |config| config.sites[0].authorization = rule).await;
        for value in ["Basic c3R1ZGVudDE6U3R1ZC4xMjM0", "Bearer abc"] {
            ask(&bench.world, "GET", b"/theme/styles.php", &format!("Authorization: {value}\r\n")).await;
        }
        let text = bench.origin.text().to_lowercase();
        assert_eq!(text.matches("authorization: b").count(), expected, "{rule:?}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a15_d19_no_user_agent_opens_a_door() {
    let bench = Bench::start().await;
    for agent in [
        "GoogleHC/1.0",
        "kube-probe/1.29",
        "Prometheus/2.50",
        "ELB-HealthChecker/2.0",
        "MoodleMobile",
        "W3C_Validator/1.3",
        "Cynthia 1.0",
    ] {
        let fields = format!("Accept: text/html\r\nUser-Agent: {agent}\r\n");
        let before = bench.origin.mark();
        assert_eq!(status_of(&ask(&bench.world, "GET", b"/my/", &fields).await), 303, "{agent}");
        assert_eq!(bench.origin.mark(), before, "the LMS stayed silent");
        assert_eq!(status_of(&ask(&bench.world, "GET", b"/login/index.php", &fields).await), 200);
    }
    // lib/setup.php signs these two in as guests.
    let text = bench.origin.text();
    assert!(text.contains("kube-probe/1.29") && !text.contains("W3C_Validator") && !text.contains("Cynthia"), "{text}");
}

//! C7, H10: HTTP/2 in front, HTTP/1.1 behind. Not covered: CONTINUATION and reset floods (attack I8, with the load
//! tests), and priorities.

use super::{
    frames::{self, Field, H2, Outcome, request},
    quiet,
};
use crate::{
    origin::Bench,
    people::{Browser, tls},
    world::World,
};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};

#[tokio::test(flavor = "multi_thread")]
async fn c7_fields_that_would_frame_a_request_anew_are_refused() {
    let bench = Bench::start().await;
    let host = bench.host().as_bytes();
    let plain = || request(b"POST", host, b"/theme/image.php/x");
    let with = |name: &'static [u8], value: &'static [u8]| {
        let mut fields = plain();
        fields.push((name, value));
        fields
    };
    let mut cases: Vec<Vec<Field<'_>>> = vec![
        with(b"transfer-encoding", b"chunked"),
        with(b"connection", b"x-vestibule-user"),
        with(b"proxy-connection", b"keep-alive"),
        with(b"keep-alive", b"timeout=5"),
        with(b"upgrade", b"websocket"),
        with(b"te", b"gzip"),
        with(b"x", b"a\r\nTransfer-Encoding: chunked"),
        with(b"x", b"a\nb"),
        with(b"x", b"a\0b"),
        with(b"x\r\ntransfer-encoding: chunked\r\ny", b"z"),
        with(b"x: y", b"z"),
        with(b"X-Upper", b"z"),
        with(b"", b"z"),
        with(b"content-length", b"+2"),
        with(b"content-length", b"1"),
        with(b"content-length", b"3"),
        with(b":path", b"/theme/image.php/y"),
        with(b":authority", b"other"),
        with(b":foo", b"bar"),
        request(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET", host, b"/theme/image.php/x"),
        request(b"", host, b"/theme/image.php/x"),
        request(b"POST", host, b"/theme/image.php/x HTTP/1.1\r\nX: y"),
        request(b"POST", host, b"/theme/image.php/x y"),
        request(b"POST", host, b""),
        request(b"POST", host, b"theme/image.php/x"),
        request(b"POST", host, b"/theme/\r\nx"),
        request(b"POST", b"localhost\r\nX: y", b"/theme/image.php/x"),
        request(b"POST", b"localhost/theme", b"/theme/image.php/x"),
        request(b"POST", b"", b"/theme/image.php/x"),
    ];
    let mut twice = with(b"content-length", b"2");
    twice.push((b"content-length", b"3"));
    cases.push(twice);
    let mut late = vec![(&b"x"[..], &b"y"[..])];
    late.extend(plain());
    cases.push(late);
    for fields in &cases {
        let shown: Vec<String> =
            fields.iter().map(|(n, v)| format!("{}={}", n.escape_ascii(), v.escape_ascii())).collect();
        let outcome = frames::ask(bench.world.address, fields, Some(b"hi")).await;
        assert!(outcome.is_refusal(), "{shown:?}: {outcome:?}");
        assert_eq!(bench.origin.heads().len(), 0, "{shown:?} reached the LMS: {:?}", bench.origin.heads());
    }
    // The same by the same hand, without the fault.
    for fields in [plain(), with(b"content-length", b"2"), with(b"te", b"trailers")] {
        assert_eq!(frames::ask(bench.world.address, &fields, Some(b"hi")).await, Outcome::Status(200));
    }
    assert_eq!(bench.origin.heads().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_a_body_longer_or_shorter_than_its_length_is_no_request() {
    let bench = Bench::start().await;
    let mut fields = request(b"POST", bench.host().as_bytes(), b"/theme/image.php/x");
    fields.push((b"content-length", b"10"));
    let mut h2 = H2::connect(bench.world.address, "localhost").await;
    h2.headers(1, &fields, false).await;
    h2.data(1, b"hello", false).await;
    h2.data(1, b"GET /theme/image.php/smuggled HTTP/1.1\r\n\r\n", true).await;
    assert!(h2.outcome(1).await.is_refusal());
    let mut h2 = H2::connect(bench.world.address, "localhost").await;
    h2.headers(1, &fields, true).await;
    assert!(h2.outcome(1).await.is_refusal());
    let after = request(b"GET", bench.host().as_bytes(), b"/theme/image.php/after");
    assert_eq!(frames::ask(bench.world.address, &after, None).await, Outcome::Status(200));
    let heads = bench.origin.heads();
    assert!(heads.len() == 1 && heads[0].1.starts_with("GET /theme/image.php/after "), "{heads:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn c8_an_expectation_over_h2_changes_nothing() {
    let bench = Bench::start().await;
    let mut fields = request(b"POST", bench.host().as_bytes(), b"/theme/image.php/x");
    fields.push((b"expect", b"100-continue"));
    assert_eq!(frames::ask(bench.world.address, &fields, Some(b"hi")).await, Outcome::Status(200));
    let (_, head) = &bench.origin.heads()[0];
    assert!(!head.to_lowercase().contains("\r\nexpect:"), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn h10_streams_of_one_connection_share_no_identity() {
    let world = World::start().await;
    quiet(&world).await;
    let mut browser = Browser::at(&world);
    browser.enrol(&world, "student1", "Stud.1234").await;
    let cookies: Vec<String> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let io = TokioIo::new(tls(world.address, "localhost", &[b"h2"]).await);
    let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let ask = |cookie: Option<String>| {
        let mut sender = sender.clone();
        let mut request = Request::get(format!("{}/my/", world.url)).header("accept", "text/html");
        if let Some(cookie) = cookie {
            request = request.header("cookie", cookie);
        }
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        async move {
            let response = sender.send_request(request).await.unwrap();
            let status = response.status().as_u16();
            (status, response.into_body().collect().await.unwrap().to_bytes())
        }
    };
    let before = world.campus.mark();
    let asked = (0..40).map(|n| ask((n % 2 == 0).then(|| cookies.join("; "))));
    for (n, (status, body)) in futures_util::future::join_all(asked).await.into_iter().enumerate() {
        let signed_in = n % 2 == 0;
        assert_eq!(status, if signed_in { 200 } else { 303 }, "stream {n}");
        assert_eq!(String::from_utf8_lossy(&body).contains("/login/logout.php"), signed_in, "stream {n}");
    }
    assert_eq!(world.campus.since(before).len(), 20, "the LMS heard of the signed-in ones alone");
}

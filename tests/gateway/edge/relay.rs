//! C9, C10, R10 on the calls that the gateway reads whole and writes anew.

use crate::{
    origin::{Bench, OK, Plan},
    people::{Answer, Browser, MoodleApp},
};
use http::Method;

const CALLS: &str = r#"[{"index":0,"methodname":"core_get_string","args":{}}]"#;

async fn call(bench: &Bench) -> Answer {
    let mut browser = Browser::at(&bench.world);
    browser.fetch(Method::POST, "/lib/ajax/service-nologin.php", "application/json", CALLS).await
}

#[tokio::test(flavor = "multi_thread")]
async fn c9_a_broken_answer_to_a_call_is_502_in_json() {
    for broken in [
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=b\rX-Evil: 1\r\nContent-Length: 2\r\n\r\n[]",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n[]",
        "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n[]",
        "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n[]",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n[]\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n",
        "garbage\r\n\r\n",
    ] {
        let bench = Bench::with(Plan::Last(broken.as_bytes().to_vec()), |_| {}).await;
        let answer = call(&bench).await;
        assert_eq!(answer.status, 502, "{broken:?}: {}", answer.text());
        assert!(answer.json()["request_id"].is_string() && answer.header("x-evil").is_none(), "{broken:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c9_c10_bytes_after_an_answer_are_no_other_call_s_answer() {
    let split =
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n[evil]".to_vec();
    let bench = Bench::with(Plan::Answer(split), |_| {}).await;
    for n in 0..5 {
        let answer = call(&bench).await;
        assert!(answer.status == 502 || answer.text() == "[]", "call {n}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_lms_closes_costs_nobody_an_answer() {
    let bench = Bench::with(Plan::Last(OK.to_vec()), |_| {}).await;
    let mut browser = Browser::at(&bench.world);
    for _ in 0..5 {
        assert_eq!(browser.fetch(Method::GET, "/theme/image.php/x", "text/css", "").await.status, 200);
        assert_eq!(call(&bench).await.status, 200);
    }
    let connections: std::collections::BTreeSet<usize> = bench.origin.heads().iter().map(|(n, _)| *n).collect();
    assert_eq!((bench.origin.heads().len(), connections.len()), (10, 10), "each was sent once");
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_a_call_larger_than_its_limit_is_413_and_the_lms_stays_silent() {
    let bench = Bench::with(Plan::Answer(OK.to_vec()), |config| config.edge.rest_body_bytes = 10_000).await;
    let mut browser = Browser::at(&bench.world);
    let large = format!("{}{}", CALLS, " ".repeat(20_000));
    let answer = browser.fetch(Method::POST, "/lib/ajax/service-nologin.php", "application/json", &large).await;
    assert_eq!(answer.status, 413);
    let app = MoodleApp::at(&bench.world);
    let answer = app.call(&"a".repeat(64), "core_webservice_get_site_info", &[("x", &large)]).await;
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (413, Some("*")));
    assert_eq!(bench.origin.mark(), 0, "the LMS stayed silent");
}

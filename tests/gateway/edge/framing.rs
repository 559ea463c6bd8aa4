//! C1–C6, C8–C10: where one request ends and the next begins is never in doubt, in either direction. The origin keeps
//! every byte; "smuggled" is a request that only somebody who was fooled would see.

use super::{SOON, ask};
use crate::{
    origin::{Bench, OK, Plan, tapped},
    people::{Browser, raw_until_closed, status_of, tls},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SMUGGLED: &str = "GET /theme/image.php/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// How many answers there are in these bytes.
fn answers(bytes: &[u8]) -> usize {
    bytes.windows(9).filter(|w| *w == b"HTTP/1.1 ").count()
}

/// 400 and the end of the connection, with the LMS silent.
async fn is_refused(bench: &Bench, head: &str) {
    let before = bench.origin.mark();
    let answer = raw_until_closed(&bench.world, head.as_bytes()).await;
    assert_eq!((status_of(&answer), answers(&answer)), (400, 1), "{head:?}: {}", String::from_utf8_lossy(&answer));
    assert_eq!(bench.origin.mark(), before, "{head:?} reached the LMS");
}

#[tokio::test(flavor = "multi_thread")]
async fn c1_transfer_encodings_nobody_agrees_on_are_400_and_close() {
    let bench = Bench::start().await;
    for framing in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: chunked\r\nTransfer-encoding: chunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding:\tchunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding:\x0bchunked",
        "Transfer-Encoding\t: chunked",
        " Transfer-Encoding: chunked",
        "X: y\r\n Transfer-Encoding: chunked",
        "Transfer-Encoding:\r\n chunked",
        "X: y\nTransfer-Encoding: chunked",
        "X: y\rTransfer-Encoding: chunked",
        "Transfer_Encoding: chunked\r\nTransfer-Encoding: x",
    ] {
        let body = format!("0\r\n\r\n{SMUGGLED}");
        is_refused(
            &bench,
            &format!("POST /theme/image.php/x HTTP/1.1\r\nHost: {}\r\n{framing}\r\n\r\n{body}", bench.host()),
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c2_c5_lengths_nobody_agrees_on_are_400_and_close() {
    let bench = Bench::start().await;
    let host = bench.host();
    for length in [
        "+5",
        "0x5",
        "5,5",
        "5, 6",
        "",
        "-1",
        "5 6",
        "99999999999999999999",
        "05x",
        "5\r\nContent-Length: 5",
        "5\r\nContent-Length: 6",
    ] {
        let head = format!(
            "POST /theme/image.php/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\nhello{SMUGGLED}"
        );
        is_refused(&bench, &head).await;
    }
    for head in [
        format!(
            "POST /theme/image.php/x HTTP/1.0\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"
        ),
        format!("POST /theme/image.php/x HTTP/1.0\r\nHost: {host}\r\n\r\nhello"),
        format!("GET /theme/image.php/x HTTP/1.1\nHost: {host}\n\n{SMUGGLED}"),
        format!("GET /theme/image.php/x HTTP/1.1\r\nHost: {host}\r\n\n{SMUGGLED}"),
        format!("GET  /theme/image.php/x HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("GET /theme/image.php/x HTTP/1.1\r\nHost: {host}\r\nA\0B: c\r\n\r\n"),
        format!("GET /theme/image.php/x HTTP/1.1\r\nHost: {host}\r\nno colon\r\n\r\n"),
        format!("GET /theme/image.php/x HTTP/1.1\r\nHost: {host}\r\n: empty\r\n\r\n"),
        format!("GET /theme/image.php/x HTTP/2.0\r\nHost: {host}\r\n\r\n"),
    ] {
        is_refused(&bench, &head).await;
    }
}

/// Pingora writes the space as `%20` before anybody sees it; what is judged is what goes on.
#[tokio::test(flavor = "multi_thread")]
async fn c2_a_space_in_a_target_has_one_reading() {
    let bench = Bench::start().await;
    assert_eq!(status_of(&ask(&bench.world, "GET", b"/theme/image.php/x y", "").await), 200);
    assert!(bench.origin.text().starts_with("GET /theme/image.php/x%20y HTTP/1.1\r\n"), "{}", bench.origin.text());
    for target in ["/theme/image.php/x /../my/", "/theme/image.php/x HTTP/1.1 y"] {
        assert_eq!(status_of(&ask(&bench.world, "GET", target.as_bytes(), "").await), 400, "{target}");
    }
    assert_eq!(bench.origin.heads().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn c3_broken_chunks_end_the_connection_and_never_become_a_request() {
    let bench = Bench::start().await;
    for chunks in [
        "5;x\n\r\nhello\r\n0\r\n\r\n",
        "5;\nhello\r\n0\r\n\r\n",
        "5\nhello\n0\n\n",
        "5\r\nhello\n0\r\n\r\n",
        "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5 5\r\nhello\r\n0\r\n\r\n",
        "3\r\nhello\r\n0\r\n\r\n",
        "\r\n5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n",
        "5\r\nhello\r\n0\r\n",
        "0\r\nX: y\n\r\n",
    ] {
        let head =
            format!("POST /theme/image.php/x HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n", bench.host());
        let mut stream = tls(bench.world.address, "localhost", &[b"http/1.1"]).await;
        stream.write_all(format!("{head}{chunks}{SMUGGLED}").as_bytes()).await.unwrap();
        // A body without its end is waited for; the client's own end is the end.
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await.expect("closed");
        assert!(answers(&answer) <= 1, "{chunks:?}: {}", String::from_utf8_lossy(&answer));
        let after = ask(&bench.world, "GET", b"/theme/image.php/after", "").await;
        assert_eq!(status_of(&after), 200, "{chunks:?}");
        let heads = bench.origin.heads();
        assert!(heads.last().unwrap().1.starts_with("GET /theme/image.php/after "), "{chunks:?}: {heads:?}");
        assert!(heads.iter().all(|(_, head)| !head.contains("smuggled")), "{chunks:?}: {heads:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c3_one_byte_chunks_and_extensions_are_the_same_body() {
    let bench = Bench::start().await;
    for chunks in [
        "1\r\nh\r\n1\r\ne\r\n1\r\nl\r\n1\r\nl\r\n1\r\no\r\n0\r\n\r\n",
        "5;a=b\r\nhello\r\n0\r\n\r\n",
        "005\r\nhello\r\n000\r\n\r\n",
    ] {
        let before = bench.origin.text().len();
        let fields = format!("Transfer-Encoding: chunked\r\n\r\n{chunks}");
        let bytes =
            format!("POST /theme/image.php/x HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{fields}", bench.host());
        assert_eq!(status_of(&raw_until_closed(&bench.world, bytes.as_bytes()).await), 200, "{chunks:?}");
        let seen = bench.origin.text()[before..].split("\r\n\r\n").nth(1).map(str::to_owned);
        let letters: String = bench.origin.text()[before..]
            .split("\r\n")
            .filter(|l| "hello".contains(l) && l.bytes().all(|b| b.is_ascii_lowercase()))
            .collect();
        assert_eq!(letters, "hello", "{chunks:?} arrived as {seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c4_a_body_nobody_reads_is_never_taken_for_a_request() {
    let bench = Bench::start().await;
    for (method, target, expected) in [
        ("GET", "/theme/image.php/x", 200),
        ("HEAD", "/theme/image.php/x", 200),
        ("GET", "/vestibule/jwks.json", 200),
        ("GET", "/my/", 401),
        ("POST", "/my/", 401),
        ("OPTIONS", "/login/token.php", 200),
        ("DELETE", "/webservice/rest/server.php", 405),
        ("GET", "/login/token.php", 200),
        ("GET", "/rss/file.php", 403),
    ] {
        for framing in [
            format!("Content-Length: {}\r\n\r\n{SMUGGLED}", SMUGGLED.len()),
            format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len()),
        ] {
            // Twice: the body itself looks like a request, and one follows it.
            let bytes = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n{framing}{SMUGGLED}", bench.host());
            let answer = raw_until_closed(&bench.world, bytes.as_bytes()).await;
            let shown = String::from_utf8_lossy(&answer);
            assert_eq!((status_of(&answer), answers(&answer)), (expected, 1), "{method} {target}: {shown}");
        }
    }
    assert!(
        bench.origin.heads().iter().all(|(_, head)| !head.starts_with("GET /theme/image.php/smuggled")),
        "{:?}",
        bench.origin.heads()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn c4_an_answer_before_the_body_s_end_closes_both_connections() {
    let early = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno".to_vec();
    let bench = Bench::with(Plan::Early(early), |_| {}).await;
    let head = format!(
        "POST /theme/image.php/x HTTP/1.1\r\nHost: {}\r\nContent-Length: 100000\r\n\r\n{}",
        bench.host(),
        "a".repeat(1000)
    );
    let mut stream = tls(bench.world.address, "localhost", &[b"http/1.1"]).await;
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    tokio::time::timeout(SOON, stream.read_exact(&mut first)).await.expect("the early answer").unwrap();
    assert_eq!(&first, b"HTTP/1.1 413");
    let _ = stream.write_all(SMUGGLED.as_bytes()).await;
    let _ = stream.write_all(SMUGGLED.as_bytes()).await;
    let _ = stream.shutdown().await;
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(SOON, stream.read_to_end(&mut rest)).await.expect("closed");
    assert_eq!(answers(&rest), 0, "{}", String::from_utf8_lossy(&rest));
    bench.origin.plan(Plan::Answer(OK.to_vec()));
    assert_eq!(status_of(&ask(&bench.world, "GET", b"/theme/image.php/after", "").await), 200);
    let heads = bench.origin.heads();
    assert_eq!(heads.len(), 1, "{heads:?}");
    assert!(
        heads[0].1.starts_with("GET /theme/image.php/after ") && heads[0].0 > 0,
        "on a connection of its own: {heads:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn c6_nothing_follows_an_upgrade_that_was_not_granted() {
    let (world, origin) = tapped().await;
    let mut browser = Browser::at(&world);
    browser.enrol(&world, "student1", "Stud.1234").await;
    let cookies: Vec<String> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let head = format!(
        "GET /local/campus/ws HTTP/1.1\r\nHost: localhost\r\nCookie: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n{SMUGGLED}",
        cookies.join("; ")
    );
    for refusal in [OK.to_vec(), b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno".to_vec()] {
        origin.plan(Plan::Answer(refusal.clone()));
        let before = origin.text();
        let answer = raw_until_closed(&world, head.as_bytes()).await;
        assert_eq!(&answer[..12], &refusal[..12]);
        assert_eq!(answers(&answer), 1);
        let seen = origin.text()[before.len()..].to_owned();
        assert!(seen.to_lowercase().contains("\r\nupgrade: websocket\r\n"), "{seen}");
        assert!(seen.ends_with("\r\n\r\n") && !seen.contains("smuggled"), "{seen}");
    }
    // An answer that switches protocols without being asked to.
    origin.plan(Plan::Answer(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".to_vec(),
    ));
    let answer = ask(&world, "GET", b"/theme/image.php/x", "").await;
    assert_eq!(status_of(&answer), 502, "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test(flavor = "multi_thread")]
async fn c8_a_refusal_is_sent_without_asking_for_the_body() {
    let bench = Bench::start().await;
    for (target, fields, expected) in [
        ("/my/", "Content-Length: 1000000\r\n", 401),
        ("/my/", "Transfer-Encoding: chunked\r\n", 401),
        ("/login/token.php", "Content-Length: 1000000\r\n", 200),
        ("/webservice/rest/server.php", "Content-Length: 1000000000\r\n", 413),
        ("/rss/file.php", "Content-Length: 1000000\r\n", 403),
        ("/vestibule/nothing", "Content-Length: 1000000\r\n", 413),
    ] {
        let head = format!("POST {target} HTTP/1.1\r\nHost: {}\r\nExpect: 100-continue\r\n{fields}\r\n", bench.host());
        let answer = raw_until_closed(&bench.world, head.as_bytes()).await;
        assert_eq!(
            (status_of(&answer), answers(&answer)),
            (expected, 1),
            "{target}: {}",
            String::from_utf8_lossy(&answer)
        );
    }
    assert_eq!(bench.origin.mark(), 0, "the LMS stayed silent");
}

#[tokio::test(flavor = "multi_thread")]
async fn c9_a_broken_answer_is_502_and_its_connection_is_not_used_again() {
    let flood = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(2000);
    for broken in [
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=b\rX-Evil: 1\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok",
        "ICY 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "\0\0\0\0garbage\r\n\r\n",
        &format!("{flood}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    ] {
        let bench =
            Bench::with(Plan::Answer(broken.as_bytes().to_vec()), |config| config.edge.upstream_read_seconds = 2).await;
        let answer = ask(&bench.world, "GET", b"/theme/image.php/x", "").await;
        let shown = &broken[..broken.len().min(60)];
        assert_eq!(status_of(&answer), 502, "{shown:?}: {}", String::from_utf8_lossy(&answer[..answer.len().min(300)]));
        assert!(!String::from_utf8_lossy(&answer).to_lowercase().contains("x-evil"), "{shown:?}");
        let before = bench.origin.bytes().len();
        ask(&bench.world, "GET", b"/theme/image.php/x", "").await;
        assert!(bench.origin.bytes().len() > before, "{shown:?}: the connection was used again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c9_r9_an_interim_answer_carries_nothing_to_the_client() {
    for code in ["100 Continue", "103 Early Hints"] {
        let hints = format!("HTTP/1.1 {code}\r\nSet-Cookie: MoodleSession=raw\r\nX-MoodleUser: student1\r\n\r\n");
        let bench = Bench::with(Plan::Answer([hints.as_bytes(), OK].concat()), |_| {}).await;
        let answer = ask(&bench.world, "GET", b"/theme/image.php/x", "Expect: 100-continue\r\n").await;
        let shown = String::from_utf8_lossy(&answer);
        assert!(
            shown.ends_with("\r\n\r\nok") && !shown.contains("MoodleSession") && !shown.contains("student1"),
            "{shown}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c9_c10_bytes_after_an_answer_are_nobody_s_answer() {
    let split =
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil".to_vec();
    let bench = Bench::with(Plan::Answer(split), |_| {}).await;
    for n in 0..5 {
        let answer = ask(&bench.world, "GET", b"/theme/image.php/x", "").await;
        assert!(answer.ends_with(b"\r\n\r\nok"), "request {n}: {}", String::from_utf8_lossy(&answer));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c10_a_connection_with_half_an_answer_on_it_is_not_used_again() {
    let bench = Bench::start().await;
    for _ in 0..3 {
        assert_eq!(status_of(&ask(&bench.world, "GET", b"/theme/image.php/x", "").await), 200);
    }
    assert_eq!(bench.origin.bytes().len(), 1, "whole answers leave the connection for the next request");
    bench.origin.plan(Plan::Early(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n".to_vec()));
    let mut stream = tls(bench.world.address, "localhost", &[b"http/1.1"]).await;
    let head = format!("GET /theme/image.php/x HTTP/1.1\r\nHost: {}\r\n\r\n", bench.host());
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.windows(4).any(|w| w == b"half") {
        let byte = tokio::time::timeout(SOON, stream.read_u8()).await.expect("half an answer").unwrap();
        answer.push(byte);
    }
    let connections = bench.origin.bytes().len();
    drop(stream);
    bench.origin.plan(Plan::Answer(OK.to_vec()));
    assert_eq!(status_of(&ask(&bench.world, "GET", b"/theme/image.php/after", "").await), 200);
    assert_eq!(bench.origin.heads().last().unwrap().0, connections, "a new connection");
}

//! H9, D10, C6: a websocket is a page's, and lives no longer than its session.

use super::{SOON, quiet};
use crate::{
    people::{Browser, status_of, tls},
    world::World,
};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

/// A text frame, masked with zeros (RFC 6455 §5.2), and its echo.
const HELLO: &[u8] = b"\x81\x85\0\0\0\0hello";
const ECHO: &[u8] = b"\x81\x05hello";

async fn open(world: &World, browser: &Browser, early: &[u8]) -> (u16, TlsStream<TcpStream>) {
    // Why it has to be slow: `browser::websockets::start`.
    world.campus.settings(|settings| settings.slow = Some(Duration::from_millis(20)));
    let cookies: Vec<String> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let head = format!(
        "GET /local/campus/ws HTTP/1.1\r\nHost: localhost\r\nCookie: {}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        cookies.join("; ")
    );
    let mut stream = tls(world.address, "localhost", &[b"http/1.1"]).await;
    stream.write_all(&[head.as_bytes(), early].concat()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(tokio::time::timeout(SOON, stream.read_u8()).await.expect("an answer").unwrap());
    }
    (status_of(&answer), stream)
}

async fn echoes(stream: &mut TlsStream<TcpStream>) -> bool {
    if stream.write_all(HELLO).await.is_err() || stream.flush().await.is_err() {
        return false;
    }
    let mut echo = [0; ECHO.len()];
    let read = tokio::time::timeout(SOON, stream.read_exact(&mut echo)).await.expect("an echo or the end");
    read.is_ok() && echo == ECHO
}

#[tokio::test(flavor = "multi_thread")]
async fn h9_a_websocket_needs_a_session_of_this_moment() {
    let world = World::start().await;
    quiet(&world).await;
    let before = world.campus.mark();
    let stranger = Browser::at(&world);
    assert_eq!(open(&world, &stranger, b"").await.0, 401);
    let mut pending = Browser::at(&world);
    pending.sign_in("student1", "Stud.1234").await;
    assert_eq!(open(&world, &pending, b"").await.0, 401);
    assert!(world.campus.since(before).iter().all(|seen| !seen.path().ends_with("/ws")));
    let mut browser = Browser::at(&world);
    browser.enrol(&world, "student2", "Stud.1234").await;
    let (status, mut stream) = open(&world, &browser, b"").await;
    assert_eq!(status, 101);
    for _ in 0..3 {
        assert!(echoes(&mut stream).await);
    }
    // Over h2 nothing is upgraded.
    browser.speaks = crate::people::Speaks::Http2;
    assert_eq!(browser.get("/local/campus/ws").await.status, 426);
}

#[tokio::test(flavor = "multi_thread")]
async fn d10_a_websocket_says_nothing_more_once_its_session_is_over() {
    let world = World::start().await;
    let mut browser = Browser::at(&world);
    browser.enrol(&world, "student1", "Stud.1234").await;
    let (_, mut stream) = open(&world, &browser, b"").await;
    assert!(echoes(&mut stream).await);
    world.advance(Duration::from_secs(13 * 3600));
    assert!(!echoes(&mut stream).await, "past the absolute end");

    let mut browser = Browser::at(&world);
    browser.enrol(&world, "student2", "Stud.1234").await;
    let (_, mut stream) = open(&world, &browser, b"").await;
    assert!(echoes(&mut stream).await);
    let page = browser.get("/my/").await.text();
    let link = crate::people::between(&page, "/login/logout.php?sesskey=", "\"");
    browser.get(&format!("/login/logout.php?sesskey={link}")).await;
    assert_eq!(browser.get("/my/").await.status, 303);
    assert!(!echoes(&mut stream).await, "signed out");
}

//! Websockets pass under a live session, and only so long (attacks H9, D8, D10).

use super::*;
use crate::people::tls;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub type Socket = tokio_rustls::client::TlsStream<tokio::net::TcpStream>;

/// An LMS as far away as a real one. Pingora 0.9.1 takes an upgrade that is answered before it has noted the end of the
/// request's empty body (on loopback, one in twenty) for a request that is over, and closes it.
async fn start() -> World {
    let world = World::start().await;
    world.campus.settings(|s| s.slow = Some(Duration::from_millis(20)));
    world
}

/// Asks for a websocket with these cookies; returns the answer's head and the open connection.
pub async fn open(world: &World, browser: &Browser, origin: Option<&str>) -> (String, Socket) {
    let host = world.url.trim_start_matches("https://");
    let cookies: Vec<String> = browser.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
    let origin = origin.map(|origin| format!("Origin: {origin}\r\n")).unwrap_or_default();
    let request = format!(
        "GET /local/campus/ws HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-Fetch-Mode: websocket\r\n\
         {origin}Cookie: {}\r\n\r\n",
        cookies.join("; ")
    );
    let mut socket = tls(world.address, "localhost", &[b"http/1.1"]).await;
    socket.write_all(request.as_bytes()).await.expect("written");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match tokio::time::timeout(Duration::from_secs(5), socket.read_u8()).await.expect("an answer") {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    (String::from_utf8_lossy(&head).into_owned(), socket)
}

/// A masked text frame (RFC 6455 §5.2), and what came back: `None` where the connection is closed.
pub async fn say(socket: &mut Socket, text: &str) -> Option<String> {
    let mut frame = vec![0x81, 0x80 | u8::try_from(text.len()).expect("short"), 0, 0, 0, 0];
    frame.extend_from_slice(text.as_bytes());
    socket.write_all(&frame).await.ok()?;
    let mut head = [0; 2];
    tokio::time::timeout(Duration::from_secs(5), socket.read_exact(&mut head)).await.expect("an end").ok()?;
    assert_eq!(head[0], 0x81, "a text frame");
    let mut payload = vec![0; usize::from(head[1])];
    socket.read_exact(&mut payload).await.ok()?;
    Some(String::from_utf8_lossy(&payload).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_passes_under_a_session() {
    let world = start().await;
    let (browser, _) = signed_in(&world, "student1").await;
    let (head, mut socket) = open(&world, &browser, Some(&world.url)).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    for word in ["hello", "hello again"] {
        assert_eq!(say(&mut socket, word).await.as_deref(), Some(word));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h9_without_a_live_session_there_is_no_websocket() {
    let world = start().await;
    let (browser, _) = signed_in(&world, "student1").await;
    let pending = challenged(&world, "student1").await;
    let mark = world.campus.mark();
    for (what, jar) in [("no session", &Browser::at(&world)), ("a pending one", &pending)] {
        let (head, _) = open(&world, jar, Some(&world.url)).await;
        assert!(head.starts_with("HTTP/1.1 401 "), "{what}: {head}");
    }
    for origin in ["https://evil.example", "null", "https://sub.localhost"] {
        let (head, _) = open(&world, &browser, Some(origin)).await;
        assert!(head.starts_with("HTTP/1.1 403 "), "{origin}: {head}");
    }
    world.advance(Duration::from_secs(2 * 3600));
    let (head, _) = open(&world, &browser, Some(&world.url)).await;
    assert!(head.starts_with("HTTP/1.1 401 "), "an expired one: {head}");
    assert!(world.campus.since(mark).is_empty(), "the LMS stayed silent");
}

#[tokio::test(flavor = "multi_thread")]
async fn d10_a_websocket_ends_at_the_next_message_after_its_session() {
    let world = start().await;
    let (browser, _) = signed_in(&world, "student1").await;
    let (head, mut socket) = open(&world, &browser, Some(&world.url)).await;
    assert!(say(&mut socket, "before").await.is_some(), "{head}");
    disable(&world, "student1").await;
    assert_eq!(say(&mut socket, "after").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn d10_a_websocket_ends_by_itself_within_a_second_of_its_session() {
    let world = start().await;
    for idle in [false, true] {
        let (browser, _) = signed_in(&world, if idle { "student1" } else { "student2" }).await;
        let (head, mut socket) = open(&world, &browser, Some(&world.url)).await;
        assert!(say(&mut socket, "before").await.is_some(), "{head}");
        match idle {
            true => world.advance(Duration::from_secs(2 * 3600)),
            false => disable(&world, "student2").await,
        }
        // Nobody says anything; the connection ends all the same.
        let end = tokio::time::timeout(Duration::from_secs(2), socket.read_u8()).await;
        assert!(matches!(end, Ok(Err(_))), "{end:?}");
    }
}

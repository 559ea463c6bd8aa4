//! The server of the double: log, bodies, websocket, stop.

mod support;

use std::time::Duration;
use support::{campus, read, send};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn the_folder_without_a_slash_shows_the_servers_own_address() {
    let campus = campus().await;
    let answer = send(&campus, "GET /login?x=1", "").await;
    let port = campus.addr().port();
    let own = format!("http://campus.example:{port}/login/?x=1");
    assert_eq!((answer.status(), answer.header("location")), (301, Some(own.as_str())));
}

#[tokio::test]
async fn requests_are_logged_as_received() {
    let campus = campus().await;
    let mark = campus.mark();
    send(&campus, "POST /local/campus/echo?a=%41\nX-Twice: 1\nX-Twice: 2\n", "body").await;
    let logged = &campus.since(mark)[0];
    assert_eq!(logged.target, "/local/campus/echo?a=%41");
    assert_eq!(logged.header("X-TWICE"), ["1", "2"]);
    assert_eq!((logged.body.as_slice(), logged.body_len), (b"body".as_slice(), 4));
}

#[tokio::test]
async fn a_long_body_is_counted_and_only_its_beginning_kept() {
    let campus = campus().await;
    let body = "x".repeat(campus::KEPT_BODY + 1000);
    let answer = send(&campus, "PUT /local/campus/echo", &body).await;
    assert!(answer.text().ends_with(&format!("body-length: {}\n", body.len())));
    let logged = &campus.requests()[0];
    assert_eq!(logged.body.len(), campus::KEPT_BODY);
    assert_eq!(logged.body_len, body.len() as u64);
}

#[tokio::test]
async fn a_download_has_its_length_and_pattern() {
    let campus = campus().await;
    let answer = send(&campus, "GET /local/campus/big?bytes=200000", "").await;
    assert_eq!(answer.header("content-length"), Some("200000"));
    assert_eq!(answer.body.len(), 200_000);
    assert_eq!(answer.body[199_999], campus::pattern(199_999));
}

#[tokio::test]
async fn a_websocket_echoes_frames_and_answers_pings_until_it_is_closed() {
    let campus = campus().await;
    let mut stream = TcpStream::connect(campus.addr()).await.unwrap();
    let head = "GET /local/campus/ws HTTP/1.1\r\nHost: campus.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    // text "hi", ping "p", close; all masked with zeros
    let frames = b"\x81\x82\0\0\0\0hi\x89\x81\0\0\0\0p\x88\x80\0\0\0\0";
    stream.write_all(frames).await.unwrap();
    let answer = read(&mut stream).await;
    assert_eq!(answer.status(), 101);
    assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(answer.body, b"\x81\x02hi\x8a\x01p\x88\x00");
}

#[tokio::test]
async fn stopping_closes_open_connections() {
    let campus = campus().await;
    let mut stream = TcpStream::connect(campus.addr()).await.unwrap();
    let addr = campus.addr();
    campus.stop().await;
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest));
    assert!(closed.await.is_ok());
    assert!(TcpStream::connect(addr).await.is_err());
}

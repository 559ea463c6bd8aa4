//! Bodies of any size pass as they come, in both directions, and are waited for no longer than their sender is alive.

use super::{SOON, quiet};
use crate::{
    people::{Browser, status_of, tls},
    world::World,
};
use campus::pattern;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

async fn signed_in(change: impl FnOnce(&mut vestibule::config::Config)) -> (World, String) {
    let world = World::with(change).await;
    quiet(&world).await;
    let mut browser = Browser::at(&world);
    browser.enrol(&world, "student1", "Stud.1234").await;
    let cookies: Vec<String> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let host = world.url.trim_start_matches("https://");
    let fields = format!("Host: {host}\r\nCookie: {}\r\n", cookies.join("; "));
    (world, fields)
}

/// Reads up to and including a text.
async fn read_until(stream: &mut TlsStream<TcpStream>, end: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    while !answer.ends_with(end) {
        let byte = tokio::time::timeout(SOON, stream.read_u8()).await;
        let byte = byte.unwrap_or_else(|_| panic!("no more after {}", String::from_utf8_lossy(&answer)));
        answer.push(byte.expect("an open connection"));
    }
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_s_first_bytes_reach_the_lms_before_its_last_are_sent() {
    let (world, fields) = signed_in(|_| {}).await;
    let mark = world.campus.mark();
    let mut stream = tls(world.address, "localhost", &[b"http/1.1"]).await;
    let head =
        format!("POST /local/campus/echo HTTP/1.1\r\n{fields}Connection: close\r\nContent-Length: 200000\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&[b'a'; 1000]).await.unwrap();
    stream.flush().await.unwrap();
    world.eventually("the request at the LMS", |world| world.campus.since(mark).len() == 1).await;
    stream.write_all(&vec![b'a'; 199_000]).await.unwrap();
    let answer = read_until(&mut stream, b"body-length: 200000\n").await;
    assert_eq!(status_of(&answer), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn c8_a_body_that_is_announced_is_asked_for_and_then_streams() {
    let (world, fields) = signed_in(|_| {}).await;
    let mut stream = tls(world.address, "localhost", &[b"http/1.1"]).await;
    let head = format!(
        "POST /local/campus/echo HTTP/1.1\r\n{fields}Connection: close\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let interim = read_until(&mut stream, b"\r\n\r\n").await;
    assert!(interim.starts_with(b"HTTP/1.1 100 "), "{}", String::from_utf8_lossy(&interim));
    stream.write_all(b"hello").await.unwrap();
    let answer = read_until(&mut stream, b"body-length: 5\n").await;
    assert_eq!(status_of(&answer), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_head_is_cut_and_a_slow_body_is_not() {
    let (world, fields) = signed_in(|config| config.edge.head_timeout_seconds = 1).await;
    let mut slow = tls(world.address, "localhost", &[b"http/1.1"]).await;
    let started = std::time::Instant::now();
    let head = format!("GET /local/campus/echo HTTP/1.1\r\n{fields}");
    // One byte each 100 ms never runs into a deadline per read.
    let mut cut = false;
    for byte in head.as_bytes() {
        let alive = slow.write_all(&[*byte]).await.is_ok() && slow.flush().await.is_ok();
        let read = tokio::time::timeout(Duration::from_millis(100), slow.read_u8()).await;
        if !alive || read.is_ok() {
            cut = true;
            break;
        }
    }
    assert!(cut && started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    assert!(started.elapsed() > Duration::from_millis(900), "{:?}", started.elapsed());

    for expect in ["", "Expect: 100-continue\r\n"] {
        let mut stream = tls(world.address, "localhost", &[b"http/1.1"]).await;
        let head = format!(
            "POST /local/campus/echo HTTP/1.1\r\n{fields}Connection: close\r\n{expect}Content-Length: 25\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        if !expect.is_empty() {
            read_until(&mut stream, b"\r\n\r\n").await;
        }
        // Two and a half times the head's deadline; the pace is the point here.
        for _ in 0..25 {
            stream.write_all(b"a").await.unwrap();
            stream.flush().await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let answer = read_until(&mut stream, b"body-length: 25\n").await;
        assert_eq!(status_of(&answer), 200, "{expect}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_request_on_a_connection_has_a_head_deadline_of_its_own() {
    let (world, fields) = signed_in(|config| config.edge.head_timeout_seconds = 1).await;
    let mut stream = tls(world.address, "localhost", &[b"http/1.1"]).await;
    let head = format!("GET /local/campus/big?bytes=3 HTTP/1.1\r\n{fields}\r\n");
    for _ in 0..2 {
        stream.write_all(head.as_bytes()).await.unwrap();
        read_until(&mut stream, b"\x00\x01\x02").await;
        // Idle longer than a head may take.
        tokio::time::sleep(Duration::from_millis(1500)).await;
    }
    stream.write_all(b"GET /local").await.unwrap();
    let started = std::time::Instant::now();
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(SOON, stream.read_to_end(&mut rest)).await.expect("closed");
    assert!(started.elapsed() > Duration::from_millis(800), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn x16_a_stop_lets_a_download_end_and_takes_nobody_new() {
    const BYTES: u64 = 20_000_000;
    let (world, fields) = signed_in(|config| config.edge.drain_seconds = 20).await;
    let mut stream = tls(world.address, "localhost", &[b"http/1.1"]).await;
    let head = format!("GET /local/campus/big?bytes={BYTES} HTTP/1.1\r\n{fields}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    read_until(&mut stream, b"\r\n\r\n").await;
    let World { app, address, campus: _campus, folder: _folder, .. } = world;
    let stopping = tokio::spawn(app.stop());
    let started = std::time::Instant::now();
    while std::net::TcpStream::connect(address).is_ok() {
        assert!(started.elapsed() < SOON, "new connections are still taken");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!stopping.is_finished(), "it waits for the download");
    let mut body = vec![0; usize::try_from(BYTES).unwrap()];
    tokio::time::timeout(Duration::from_secs(20), stream.read_exact(&mut body)).await.expect("in time").unwrap();
    assert!((0..).zip(&body).all(|(at, byte)| pattern(at) == *byte), "every byte, in its place");
    tokio::time::timeout(Duration::from_secs(20), stopping).await.expect("the stop ends").unwrap();
}

//! A14, R10: what passes, and what is sent to fill memory, leaves the gateway as small as it was. Measured of a
//! gateway in a process of its own.

use super::SOON;
use crate::{child::Gateway, people::tls};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MB: u64 = 1 << 20;
const SIZE: u64 = 256 * MB;

fn head(gateway: &Gateway, browser: &crate::people::Browser, request: &str) -> String {
    let cookies: Vec<String> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let host = gateway.url.trim_start_matches("https://");
    format!("{request} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nCookie: {}\r\n", cookies.join("; "))
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_256_mib_down_and_up_grow_the_gateway_by_less_than_64_mb() {
    let gateway = Gateway::start().await;
    let browser = gateway.guest().await;
    let before = gateway.peak();

    let mut stream = tls(gateway.address, "localhost", &[b"http/1.1"]).await;
    let request = head(&gateway, &browser, &format!("GET /local/campus/big?bytes={SIZE}"));
    stream.write_all(format!("{request}\r\n").as_bytes()).await.unwrap();
    let (mut total, mut buffer) = (0, vec![0; 256 * 1024]);
    loop {
        match tokio::time::timeout(SOON, stream.read(&mut buffer)).await.expect("it flows").unwrap() {
            0 => break,
            n => total += n as u64,
        }
    }
    assert!((SIZE..SIZE + 4096).contains(&total), "{total} bytes with the head");
    let down = gateway.peak() - before;

    let mut stream = tls(gateway.address, "localhost", &[b"http/1.1"]).await;
    let request = head(&gateway, &browser, "POST /local/campus/echo");
    stream.write_all(format!("{request}Content-Length: {SIZE}\r\n\r\n").as_bytes()).await.unwrap();
    for _ in 0..SIZE / buffer.len() as u64 {
        tokio::time::timeout(SOON, stream.write_all(&buffer)).await.expect("it flows").unwrap();
    }
    stream.flush().await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(SOON, stream.read_to_string(&mut answer)).await.expect("an answer").unwrap();
    assert!(answer.contains(&format!("body-length: {SIZE}\n")), "{answer}");
    let both = gateway.peak() - before;
    assert!(both < 64 * MB, "down {} MB, then up {} MB", down / MB, both / MB);
}

#[tokio::test(flavor = "multi_thread")]
async fn a14_i7_a_hundred_endless_heads_leave_memory_flat() {
    let gateway = Gateway::start().await;
    let host = gateway.url.trim_start_matches("https://").to_owned();
    let mut first = tls(gateway.address, "localhost", &[b"http/1.1"]).await;
    first.write_all(format!("GET /my/ HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await.unwrap();
    assert_eq!(first.read_u8().await.unwrap(), b'H');
    let before = gateway.peak();
    let mut open = Vec::new();
    for _ in 0..100 {
        let mut stream = tls(gateway.address, "localhost", &[b"http/1.1"]).await;
        let line = format!("X: {}\r\n", "y".repeat(16 * 1024));
        let mut sent = 0;
        let _ = stream.write_all(format!("GET /my/ HTTP/1.1\r\nHost: {host}\r\n").as_bytes()).await;
        // The end of it is not sent; who is cut off stops.
        while sent < MB - 64 * 1024 && stream.write_all(line.as_bytes()).await.is_ok() {
            sent += line.len() as u64;
        }
        open.push(stream);
    }
    let growth = gateway.peak() - before;
    assert!(growth < 64 * MB, "{} MB", growth / MB);
    // A good client is served meanwhile.
    let browser = gateway.guest();
    tokio::time::timeout(Duration::from_secs(10), browser).await.expect("a good client is served");
    drop(open);
}

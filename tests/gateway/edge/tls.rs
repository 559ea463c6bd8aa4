//! I10, R10: which TLS is spoken, and how many may speak at a time.

use super::SOON;
use crate::{
    people::{tls, try_tls},
    world::World,
};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A ClientHello of this version with suites that it has, and nothing else (RFC 4346 §7.4.1.2).
fn hello(minor: u8) -> Vec<u8> {
    let suites: &[u8] = &[0xc0, 0x13, 0xc0, 0x14, 0x00, 0x2f, 0x00, 0x35, 0xc0, 0x2f, 0xc0, 0x30];
    let mut body = vec![3, minor];
    body.extend_from_slice(&[7; 32]);
    body.push(0);
    body.extend_from_slice(&[0, suites.len() as u8]);
    body.extend_from_slice(suites);
    body.extend_from_slice(&[1, 0]);
    let mut handshake = vec![1, 0, 0, body.len() as u8];
    handshake.extend_from_slice(&body);
    let mut record = vec![0x16, 3, 1, 0, handshake.len() as u8];
    record.extend_from_slice(&handshake);
    record
}

#[tokio::test(flavor = "multi_thread")]
async fn i10_ssl_3_and_tls_1_0_and_1_1_are_refused_and_1_2_and_1_3_spoken() {
    let world = World::start().await;
    for minor in [0, 1, 2] {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(&hello(minor)).await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await.expect("closed");
        // An alert (21), fatal, and never a ServerHello (22).
        assert!(answer.first() == Some(&21) && answer.get(5) == Some(&2), "3.{minor}: {answer:02x?}");
    }
    for version in rustls::ALL_VERSIONS {
        let stream = try_tls(world.address, "localhost", &[b"http/1.1"], &[version]).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i10_alpn_chooses_h2_first_and_refuses_what_is_neither() {
    let world = World::start().await;
    for (offered, chosen) in [
        (&[&b"http/1.1"[..], b"h2"][..], &b"h2"[..]),
        (&[b"http/1.1"], b"http/1.1"),
        (&[b"spdy/3", b"http/1.1"], b"http/1.1"),
    ] {
        let stream = tls(world.address, "localhost", offered).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(chosen));
    }
    let refused = try_tls(world.address, "localhost", &[b"spdy/3"], rustls::ALL_VERSIONS).await;
    assert!(refused.is_err(), "a protocol nobody speaks");
    // Nothing at all means HTTP/1.1.
    let mut stream = tls(world.address, "localhost", &[]).await;
    stream.write_all(b"GET /my/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await.expect("closed");
    assert!(answer.starts_with(b"HTTP/1.1 401"));
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_one_connection_too_many_waits_for_a_place() {
    let world = World::with(|config| config.edge.max_connections = 2).await;
    let first = tls(world.address, "localhost", &[b"http/1.1"]).await;
    let _second = tls(world.address, "localhost", &[b"http/1.1"]).await;
    let address = world.address;
    let mut third = tokio::spawn(async move { tls(address, "localhost", &[b"http/1.1"]).await });
    assert!(tokio::time::timeout(Duration::from_millis(500), &mut third).await.is_err(), "there are two places");
    drop(first);
    let mut third = tokio::time::timeout(SOON, third).await.expect("a place").unwrap();
    third.write_all(b"GET /my/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(SOON, third.read_to_end(&mut answer)).await.expect("closed");
    assert!(answer.starts_with(b"HTTP/1.1 401"));
}

//! HTTP/2 by hand (RFC 9113, RFC 7541): fields that no client library would send. One connection, one question; field
//! lines go out as literals, and of an answer only the status is decoded.

use crate::people::tls;
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

pub type Field<'a> = (&'a [u8], &'a [u8]);

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Status(u16),
    /// RST_STREAM, GOAWAY or the end of the connection.
    Refused,
}

impl Outcome {
    pub fn is_refusal(self) -> bool {
        matches!(self, Outcome::Refused | Outcome::Status(400 | 413 | 421 | 431))
    }
}

pub struct H2(TlsStream<TcpStream>);

impl H2 {
    pub async fn connect(address: SocketAddr, sni: &str) -> Self {
        let mut stream = tls(address, sni, &[b"h2"]).await;
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("the preface");
        let mut h2 = Self(stream);
        h2.frame(SETTINGS, 0, 0, &[]).await;
        h2
    }

    async fn frame(&mut self, kind: u8, flags: u8, id: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
        let mut bytes = vec![length[1], length[2], length[3], kind, flags];
        bytes.extend_from_slice(&id.to_be_bytes());
        bytes.extend_from_slice(payload);
        // The gateway may have closed already, which the answer will show.
        let _ = self.0.write_all(&bytes).await;
        let _ = self.0.flush().await;
    }

    pub async fn headers(&mut self, id: u32, fields: &[Field<'_>], ends: bool) {
        let mut block = Vec::new();
        for (name, value) in fields {
            block.push(0);
            text(&mut block, name);
            text(&mut block, value);
        }
        let ends = if ends { END_STREAM } else { 0 };
        let mut frames = block.chunks(16_000).peekable();
        let mut kind = HEADERS;
        while let Some(part) = frames.next() {
            let last = if frames.peek().is_none() { END_HEADERS } else { 0 };
            self.frame(kind, last | if kind == HEADERS { ends } else { 0 }, id, part).await;
            kind = CONTINUATION;
        }
    }

    pub async fn data(&mut self, id: u32, bytes: &[u8], ends: bool) {
        self.frame(DATA, if ends { END_STREAM } else { 0 }, id, bytes).await;
    }

    /// The first thing that decides a stream's fate.
    pub async fn outcome(&mut self, id: u32) -> Outcome {
        tokio::time::timeout(Duration::from_secs(10), self.read_outcome(id)).await.expect("an answer within 10 s")
    }

    async fn read_outcome(&mut self, id: u32) -> Outcome {
        loop {
            let mut head = [0; 9];
            if self.0.read_exact(&mut head).await.is_err() {
                return Outcome::Refused;
            }
            let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
            let mut payload = vec![0; length];
            if self.0.read_exact(&mut payload).await.is_err() {
                return Outcome::Refused;
            }
            match head[3] {
                HEADERS if stream == id => return Outcome::Status(status(&payload)),
                RST_STREAM if stream == id => return Outcome::Refused,
                GOAWAY => return Outcome::Refused,
                SETTINGS if head[4] & 1 == 0 => self.frame(SETTINGS, 1, 0, &[]).await,
                PING if head[4] & 1 == 0 => self.frame(PING, 1, 0, &payload).await,
                _ => {}
            }
        }
    }
}

/// A string literal without Huffman coding (RFC 7541 §5.2).
fn text(block: &mut Vec<u8>, bytes: &[u8]) {
    let mut length = bytes.len();
    if length < 127 {
        block.push(length as u8);
    } else {
        block.push(127);
        length -= 127;
        while length >= 128 {
            block.push((length % 128 + 128) as u8);
            length /= 128;
        }
        block.push(length as u8);
    }
    block.extend_from_slice(bytes);
}

/// `:status` stands first: one of the static table, or a literal of three digits.
fn status(block: &[u8]) -> u16 {
    let block = match block.first() {
        Some(size) if size & 0xe0 == 0x20 => &block[1..],
        _ => block,
    };
    match block {
        [indexed @ 0x88..=0x8e, ..] => [200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)],
        [0x48 | 0x08 | 0x18, length, rest @ ..] => {
            let bytes = &rest[..usize::from(length & 0x7f)];
            if length & 0x80 == 0 {
                return std::str::from_utf8(bytes).expect("digits").parse().expect("a status");
            }
            digits(bytes)
        }
        other => panic!("no status in {other:02x?}"),
    }
}

/// Huffman-coded digits (RFC 7541 appendix B): 0–2 have five bits, 3–9 have six.
fn digits(bytes: &[u8]) -> u16 {
    let bits: Vec<u16> =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| u16::from(byte >> bit & 1))).collect();
    let number = |bits: &[u16]| bits.iter().fold(0, |sum, bit| sum * 2 + bit);
    let (mut at, mut value) = (0, 0);
    for _ in 0..3 {
        let five = number(&bits[at..at + 5]);
        let digit = if five <= 2 {
            at += 5;
            five
        } else {
            at += 6;
            number(&bits[at - 6..at]) - 0x19 + 3
        };
        value = value * 10 + digit;
    }
    value
}

/// The pseudo-fields of a request.
pub fn request<'a>(method: &'a [u8], authority: &'a [u8], path: &'a [u8]) -> Vec<Field<'a>> {
    vec![(b":method", method), (b":scheme", b"https"), (b":authority", authority), (b":path", path)]
}

/// One request on a connection of its own.
pub async fn ask(address: SocketAddr, fields: &[Field<'_>], body: Option<&[u8]>) -> Outcome {
    let mut h2 = H2::connect(address, "localhost").await;
    h2.headers(1, fields, body.is_none()).await;
    if let Some(body) = body {
        h2.data(1, body, true).await;
    }
    h2.outcome(1).await
}

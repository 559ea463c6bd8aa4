//! The connection below SMTP, with two promises that the protocol library does not make.
//!
//! **Nothing from before TLS is read after it.** Whoever sits in between may append answers in the clear to the relay's
//! `220` after STARTTLS (the response injection of CVE-2021-38371 and its kin); a buffering reader would take them for
//! the relay's. So the answer to STARTTLS is read byte by byte, and whatever follows it meets the TLS handshake,
//! which fails.
//!
//! **What is read is bounded**: a few short lines are all that a relay has to say.

use lettre::transport::smtp::client::AsyncTokioStream;
use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// For a connection as a whole, TLS records included.
const MOST_READ: usize = 1024 * 1024;

pub(super) struct Wire<S> {
    stream: S,
    peer: SocketAddr,
    read: usize,
    /// STARTTLS was said and nothing since: TLS begins with our next word.
    at_the_edge: bool,
}

impl<S> Wire<S> {
    pub fn new(stream: S, peer: SocketAddr) -> Self {
        Self { stream, peer, read: 0, at_the_edge: false }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read >= MOST_READ {
            return Poll::Ready(Err(io::Error::other("the mail server says too much")));
        }
        let most = if self.at_the_edge { 1 } else { out.remaining() };
        let mut some = vec![0; most.min(16 * 1024)];
        let mut part = ReadBuf::new(&mut some);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut part))?;
        self.read += part.filled().len();
        out.put_slice(part.filled());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, data))?;
        self.at_the_edge = data.eq_ignore_ascii_case(b"STARTTLS\r\n");
        Poll::Ready(Ok(written))
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S> fmt::Debug for Wire<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wire({})", self.peer)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> AsyncTokioStream for Wire<S> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn pair() -> (tokio::io::DuplexStream, Wire<tokio::io::DuplexStream>) {
        let (there, here) = tokio::io::duplex(4 * MOST_READ);
        (there, Wire::new(here, "127.0.0.1:25".parse().unwrap()))
    }

    #[tokio::test]
    async fn what_stands_behind_the_answer_to_starttls_is_left_for_tls() {
        let (mut there, mut wire) = pair();
        wire.write_all(b"STARTTLS\r\n").await.unwrap();
        there.write_all(b"220 go\r\n250 injected\r\n").await.unwrap();
        let mut answer = [0; 1024];
        for byte in b"220 go\r\n" {
            assert_eq!(wire.read(&mut answer).await.unwrap(), 1);
            assert_eq!(answer[0], *byte);
        }
        wire.write_all(b"\x16\x03\x01").await.unwrap();
        assert_eq!(
            wire.read(&mut answer).await.unwrap(),
            b"250 injected\r\n".len(),
            "the handshake reads it, and fails"
        );
    }

    #[tokio::test]
    async fn a_talkative_server_is_cut_off() {
        let (mut there, mut wire) = pair();
        there.write_all(&vec![b'x'; 2 * MOST_READ]).await.unwrap();
        let mut all = Vec::new();
        assert!(wire.read_to_end(&mut all).await.is_err());
        assert!(all.len() < MOST_READ + 64 * 1024);
    }
}

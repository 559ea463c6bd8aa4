//! The transport under pingora: rustls over TCP, with what pingora's own lacks. A deadline for the whole request head
//! (attack I7: its own is per read, so a client that drips never runs into it), response heads and bodies in one TLS
//! record, a `close_notify` on every end, and the name the client asked for.

use async_trait::async_trait;
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID,
    UniqueIDType, raw_connect::ProxyDigest, tls::SslDigest,
};
use pingora_http::ResponseHeader;
use std::{
    fmt, io,
    net::SocketAddr,
    os::fd::AsRawFd,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufWriter, ReadBuf},
    net::TcpStream,
    time::Sleep,
};
use tokio_rustls::server::TlsStream;

/// What a request can know of its connection.
pub struct ConnInfo {
    pub peer: SocketAddr,
    /// The name in the client's hello, lower case as rustls gives it.
    pub sni: Option<String>,
    /// HTTP/1 only: whether the next bytes belong to a request head. The proxy clears it when the head was read and
    /// sets it again when the request is over.
    reading_head: AtomicBool,
}

impl ConnInfo {
    pub fn head_was_read(&self) {
        self.reading_head.store(false, Ordering::Relaxed);
    }
    pub fn request_is_over(&self) {
        self.reading_head.store(true, Ordering::Relaxed);
    }
}

/// What a request head may cost before it is one.
#[derive(Clone, Copy)]
pub struct HeadLimits {
    pub time: Duration,
    /// Pingora reads up to 1 MiB before anybody is asked (attack A14). A head that is only somewhat too large should
    /// still get its 431, so this is more than what a request may have.
    pub bytes: usize,
}

pub struct Conn {
    io: BufWriter<TlsStream<TcpStream>>,
    fd: i32,
    h2: bool,
    info: Arc<ConnInfo>,
    limits: HeadLimits,
    head_deadline: Option<Pin<Box<Sleep>>>,
    /// Of the head being read, so far.
    head_bytes: usize,
    ssl: Arc<SslDigest>,
    socket: Arc<SocketDigest>,
    proxy: Arc<ProxyDigest>,
    since: SystemTime,
}

impl Conn {
    pub fn new(io: TlsStream<TcpStream>, peer: SocketAddr, limits: HeadLimits) -> Result<Self, pingora_error::BError> {
        let (tcp, tls) = io.get_ref();
        let fd = tcp.as_raw_fd();
        let version = match tls.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
            _ => "TLSv1.2",
        };
        let cipher = tls.negotiated_cipher_suite().map_or(String::new(), |suite| format!("{:?}", suite.suite()));
        let h2 = tls.alpn_protocol() == Some(b"h2");
        let info =
            Arc::new(ConnInfo { peer, sni: tls.server_name().map(str::to_owned), reading_head: AtomicBool::new(!h2) });
        let socket = SocketDigest::from_raw_fd(fd);
        let _ = socket.peer_addr.set(Some(peer.into()));
        // The digest is pingora's way to hand a connection's data to its requests; the header in it is unused.
        let proxy = ProxyDigest::new(Box::new(ResponseHeader::build(200, Some(0))?), Some(Box::new(info.clone())));
        Ok(Self {
            // h2 frames its own writes.
            io: BufWriter::with_capacity(if h2 { 0 } else { 16 * 1024 }, io),
            fd,
            h2,
            info,
            limits,
            head_deadline: None,
            head_bytes: 0,
            ssl: Arc::new(SslDigest::new(cipher, version.to_owned(), None, None, vec![])),
            socket: Arc::new(socket),
            proxy: Arc::new(proxy),
            since: SystemTime::now(),
        })
    }

    /// Of a request on it; `None` on a transport that is not ours.
    pub fn info(digest: Option<&pingora_core::protocols::Digest>) -> Option<Arc<ConnInfo>> {
        let user_data = digest?.proxy_digest.as_ref()?.user_data.as_ref()?;
        user_data.downcast_ref::<Arc<ConnInfo>>().cloned()
    }
}

impl AsyncRead for Conn {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let me = &mut *self;
        let before = buf.filled().len();
        let read = Pin::new(&mut me.io).poll_read(cx, buf);
        if !me.info.reading_head.load(Ordering::Relaxed) {
            (me.head_deadline, me.head_bytes) = (None, 0);
            return read;
        }
        me.head_bytes += buf.filled().len() - before;
        if me.head_bytes > me.limits.bytes {
            return Poll::Ready(Err(io::Error::other("the request head is too large")));
        }
        if buf.filled().len() > before && me.head_deadline.is_none() {
            me.head_deadline = Some(Box::pin(tokio::time::sleep(me.limits.time)));
        }
        if read.is_pending()
            && let Some(deadline) = me.head_deadline.as_mut()
            && deadline.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the request head took too long")));
        }
        read
    }
}

impl AsyncWrite for Conn {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }
    fn is_write_vectored(&self) -> bool {
        true
    }
}

impl Drop for Conn {
    /// After an error page pingora drops the connection without closing it; without `close_notify` a client cannot
    /// tell a whole answer from a cut one (RFC 8446 §6.1). One try, no waiting: what the socket takes, it takes.
    fn drop(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        let _ = Pin::new(&mut self.io).poll_shutdown(&mut cx);
    }
}

impl fmt::Debug for Conn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Conn(fd={})", self.fd)
    }
}

#[async_trait]
impl Shutdown for Conn {
    async fn shutdown(&mut self) {
        let _ = self.io.shutdown().await;
    }
}
impl UniqueID for Conn {
    fn id(&self) -> UniqueIDType {
        self.fd
    }
}
impl Ssl for Conn {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        Some(self.ssl.clone())
    }
    fn selected_alpn_proto(&self) -> Option<ALPN> {
        Some(if self.h2 { ALPN::H2 } else { ALPN::H1 })
    }
}
impl GetTimingDigest for Conn {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        vec![Some(TimingDigest { established_ts: self.since, ..TimingDigest::default() })]
    }
}
impl GetProxyDigest for Conn {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(self.proxy.clone())
    }
}
impl GetSocketDigest for Conn {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(self.socket.clone())
    }
}
#[async_trait]
impl Peek for Conn {}

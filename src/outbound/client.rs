//! Calls to an LMS. HTTP/1.1, keep-alive, `Host` as the public name so that the LMS builds its own links right
//! (`moodle-wire.md` §1), no redirects followed, no cookie jar: the caller decides both.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, builderstates::WantsSchemes};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::ClientConfig;
use std::time::Duration;

/// A request body: whole, or streamed from the client.
pub type UpstreamBody = UnsyncBoxBody<Bytes, std::io::Error>;

/// Why an LMS gave no usable answer. The peer's fault, or the network's; never the user's.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    #[error("no connection to the LMS: {0}")]
    Connect(String),
    #[error("the LMS did not answer within {0:?}")]
    Timeout(Duration),
    #[error("the LMS's answer broke off: {0}")]
    Broken(String),
    #[error("the LMS's answer is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the request cannot be put on the wire: {0}")]
    Request(#[from] http::Error),
}

/// One LMS, as reached from here.
#[derive(Clone)]
pub struct Upstream {
    /// Scheme and authority of `upstream.url`.
    base: String,
    /// The public host (and port), sent as `Host`.
    host: HeaderValue,
    client: Client<HttpsConnector<HttpConnector>, UpstreamBody>,
    deadline: Duration,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Upstream {
    /// `base` is `http://HOST:PORT` or `https://HOST:PORT`; certificates of the latter are verified against the
    /// Mozilla roots.
    pub fn new(base: &str, public_host: &str, connect: Duration, deadline: Duration) -> Result<Self, OutboundError> {
        let public = hyper_rustls::HttpsConnectorBuilder::new().with_webpki_roots();
        Self::over(public, base, public_host, connect, deadline)
    }

    /// The same for another peer than an LMS, whose certificate `tls` verifies.
    pub(super) fn trusting(
        tls: ClientConfig,
        base: &str,
        host: &str,
        deadline: Duration,
    ) -> Result<Self, OutboundError> {
        let trusting = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls);
        Self::over(trusting, base, host, deadline, deadline)
    }

    fn over(
        connector: HttpsConnectorBuilder<WantsSchemes>,
        base: &str,
        public_host: &str,
        connect: Duration,
        deadline: Duration,
    ) -> Result<Self, OutboundError> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(connect));
        http.set_nodelay(true);
        let https = connector.https_or_http().enable_http1().wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(64)
            .build(https);
        let host = HeaderValue::from_str(public_host).map_err(http::Error::from)?;
        Ok(Self { base: base.trim_end_matches('/').to_owned(), host, client, deadline })
    }

    /// Sends one request to `target` (path and query, already canonical) and returns as soon as the head is here,
    /// within the deadline.
    async fn send(
        &self,
        method: Method,
        target: &str,
        headers: HeaderMap,
        body: UpstreamBody,
    ) -> Result<Response<Incoming>, OutboundError> {
        let sent = tokio::time::timeout(self.deadline, self.stream(method, target, headers, body));
        sent.await.map_err(|_| OutboundError::Timeout(self.deadline))?
    }

    /// How long the LMS may take for an answer once it has the whole request.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// The same for a body that streams: how long it may take is its sender's to say.
    pub async fn stream(
        &self,
        method: Method,
        target: &str,
        headers: HeaderMap,
        body: UpstreamBody,
    ) -> Result<Response<Incoming>, OutboundError> {
        let uri: Uri = format!("{}{target}", self.base).parse().map_err(http::Error::from)?;
        let mut request = Request::builder().method(method).uri(uri).body(body)?;
        *request.headers_mut() = headers;
        request.headers_mut().insert(header::HOST, self.host.clone());
        match self.client.request(request).await {
            Err(error) if error.is_connect() => Err(OutboundError::Connect(chain(&error))),
            Err(error) => Err(OutboundError::Broken(chain(&error))),
            Ok(response) => Ok(response),
        }
    }

    /// Sends one request and reads the whole answer, at most `limit` bytes of it.
    pub async fn fetch(
        &self,
        method: Method,
        target: &str,
        headers: HeaderMap,
        body: Bytes,
        limit: usize,
    ) -> Result<Answer, OutboundError> {
        let response = self.send(method, target, headers, whole(body)).await?;
        tokio::time::timeout(self.deadline, read(response, limit))
            .await
            .map_err(|_| OutboundError::Timeout(self.deadline))?
    }
}

/// A body that is already here.
pub fn whole(body: Bytes) -> UpstreamBody {
    Full::new(body).map_err(|never| match never {}).boxed_unsync()
}

/// Reads an answer whole, or says that it is too large.
pub async fn read(response: Response<Incoming>, limit: usize) -> Result<Answer, OutboundError> {
    let (head, mut incoming) = response.into_parts();
    let mut body = BytesMut::new();
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| OutboundError::Broken(chain(&error)))?;
        // Trailers are dropped both ways (attack B6).
        if let Ok(data) = frame.into_data() {
            if body.len() + data.len() > limit {
                return Err(OutboundError::TooLarge(limit));
            }
            body.extend_from_slice(&data);
        }
    }
    Ok(Answer { status: head.status, headers: head.headers, body: body.freeze() })
}

impl Answer {
    /// The values of `Set-Cookie`, as (name, value), attributes cut off; `deleted` ones are left out.
    pub fn cookies(&self) -> Vec<(String, String)> {
        set_cookies(&self.headers)
    }
    pub fn header(&self, name: impl Into<HeaderName>) -> Option<&str> {
        self.headers.get(name.into()).and_then(|v| v.to_str().ok())
    }
    /// The body as text; invalid UTF-8 is replaced, because it is only searched for ASCII markers.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}

/// The cookies an answer sets, later ones of a name replacing earlier ones, as a browser would keep them.
pub fn set_cookies(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut jar: Vec<(String, String)> = Vec::new();
    for line in headers.get_all(header::SET_COOKIE).iter().filter_map(|v| v.to_str().ok()) {
        let mut parts = line.split(';');
        let pair = parts.next().unwrap_or_default();
        let gone = parts.any(|attribute| attribute.trim().eq_ignore_ascii_case("max-age=0"));
        let Some((name, value)) = pair.split_once('=') else { continue };
        let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
        jar.retain(|(known, _)| *known != name);
        if !gone && value != "deleted" && !value.is_empty() {
            jar.push((name, value));
        }
    }
    jar
}

/// The whole chain of causes, for the operator.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

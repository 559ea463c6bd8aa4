//! Characters that act: a browser with a cookie jar and a browser's headers, an app, and raw bytes over TLS.

use crate::world::World;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Version, header};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use vestibule::{
    mfa::factors::totp,
    types::{Clock, Timestamp},
};

/// The development certificate is nobody's business in these tests.
#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A TLS connection with this SNI and these protocols.
pub async fn tls(address: SocketAddr, sni: &str, alpn: &[&[u8]]) -> TlsStream<TcpStream> {
    try_tls(address, sni, alpn, rustls::ALL_VERSIONS).await.expect("a handshake")
}

/// The same in these versions of TLS; it may fail.
pub async fn try_tls(
    address: SocketAddr,
    sni: &str,
    alpn: &[&[u8]],
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut config = ClientConfig::builder_with_protocol_versions(versions)
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate))
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
    let tcp = TcpStream::connect(address).await?;
    let name = ServerName::try_from(sni.to_owned()).expect("a server name");
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await
}

/// Writes these bytes over TLS (HTTP/1.1) and reads until the gateway closes or is silent for a second.
pub async fn raw(world: &World, bytes: &[u8]) -> Vec<u8> {
    let mut stream = tls(world.address, "localhost", &[b"http/1.1"]).await;
    stream.write_all(bytes).await.expect("written");
    let mut answer = Vec::new();
    let mut buffer = [0; 16 * 1024];
    while let Ok(Ok(n)) = tokio::time::timeout(Duration::from_secs(1), stream.read(&mut buffer)).await {
        if n == 0 {
            break;
        }
        answer.extend_from_slice(&buffer[..n]);
    }
    answer
}

/// The same for a request after which the gateway must close: panics where it does not.
pub async fn raw_until_closed(world: &World, bytes: &[u8]) -> Vec<u8> {
    let (mut reader, mut writer) = tokio::io::split(tls(world.address, "localhost", &[b"http/1.1"]).await);
    let mut answer = Vec::new();
    // Both at once: where the gateway has refused before the end, the rest cannot be written, and a connection that is
    // reset meanwhile would take an unread answer with it.
    let write = async { writer.write_all(bytes).await };
    let (_, read) = tokio::join!(write, tokio::time::timeout(Duration::from_secs(10), reader.read_to_end(&mut answer)));
    assert!(
        read.is_ok(),
        "the connection stayed open after {:?} -> {}",
        String::from_utf8_lossy(bytes),
        String::from_utf8_lossy(&answer)
    );
    answer
}

/// The status of the first answer in raw bytes; 0 if there is none.
pub fn status_of(answer: &[u8]) -> u16 {
    let text = String::from_utf8_lossy(answer);
    text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok()).unwrap_or(0)
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }
    pub fn location(&self) -> &str {
        self.headers.get(header::LOCATION).map_or("", |l| l.to_str().expect("ASCII"))
    }
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|v| v.to_str().expect("ASCII"))
    }
}

/// Which protocol a request speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    Http1,
    Http2,
}

/// One request on a connection of its own.
pub async fn send(address: SocketAddr, speaks: Speaks, request: Request<Bytes>) -> Answer {
    let request = request.map(Full::new);
    let response = match speaks {
        Speaks::Http1 => {
            let io = TokioIo::new(tls(address, "localhost", &[b"http/1.1"]).await);
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.expect("HTTP/1.1");
            tokio::spawn(connection);
            sender.send_request(request).await
        }
        Speaks::Http2 => {
            let io = TokioIo::new(tls(address, "localhost", &[b"h2"]).await);
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("HTTP/2");
            tokio::spawn(connection);
            sender.send_request(request).await
        }
    };
    let (head, body) = response.expect("an answer").into_parts();
    let body = body.collect().await.expect("a whole answer").to_bytes();
    Answer { status: head.status, headers: head.headers, body }
}

/// A person's browser: it keeps cookies and says what browsers say.
pub struct Browser {
    address: SocketAddr,
    url: String,
    pub cookies: BTreeMap<String, String>,
    pub speaks: Speaks,
    pub headers: Vec<(&'static str, String)>,
}

impl Browser {
    pub fn at(world: &World) -> Self {
        Self::of(world.address, &world.url)
    }

    /// In front of any gateway.
    pub fn of(address: SocketAddr, url: &str) -> Self {
        Self { address, url: url.to_owned(), cookies: BTreeMap::new(), speaks: Speaks::Http1, headers: Vec::new() }
    }

    /// A top-level navigation.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.navigate(Method::GET, path, None).await
    }

    /// A form sent from a page of this site.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = vestibule::lms::moodle::encode_form(fields);
        self.navigate(Method::POST, path, Some(body)).await
    }

    /// What a script on a page of this site sends.
    pub async fn fetch(&mut self, method: Method, path: &str, content_type: &str, body: &str) -> Answer {
        let head = [
            ("sec-fetch-mode", "cors".to_owned()),
            ("sec-fetch-dest", "empty".to_owned()),
            ("sec-fetch-site", "same-origin".to_owned()),
            ("origin", self.url.clone()),
            ("content-type", content_type.to_owned()),
        ];
        self.send(method, path, &head, body.to_owned()).await
    }

    async fn navigate(&mut self, method: Method, path: &str, form: Option<String>) -> Answer {
        let mut head = vec![
            ("accept", "text/html,application/xhtml+xml,*/*;q=0.8".to_owned()),
            ("sec-fetch-mode", "navigate".to_owned()),
            ("sec-fetch-dest", "document".to_owned()),
            ("sec-fetch-site", "same-origin".to_owned()),
        ];
        if form.is_some() {
            head.push(("origin", self.url.clone()));
            head.push(("content-type", "application/x-www-form-urlencoded".to_owned()));
        }
        self.send(method, path, &head, form.unwrap_or_default()).await
    }

    /// With exactly these headers (and the cookies); the jar takes what the answer sets.
    pub async fn send(&mut self, method: Method, path: &str, head: &[(&str, String)], body: String) -> Answer {
        let authority = self.url.trim_start_matches("https://").to_owned();
        let mut request = Request::new(Bytes::from(body));
        *request.method_mut() = method;
        let target = match self.speaks {
            Speaks::Http1 => path.to_owned(),
            Speaks::Http2 => format!("{}{path}", self.url),
        };
        *request.uri_mut() = target.parse().expect("a target");
        if self.speaks == Speaks::Http2 {
            *request.version_mut() = Version::HTTP_2;
        } else {
            request.headers_mut().insert(header::HOST, authority.parse().expect("a host"));
        }
        for (name, value) in head.iter().map(|(n, v)| (*n, v)).chain(self.headers.iter().map(|(n, v)| (*n, v))) {
            let name = HeaderName::try_from(name).expect("a name");
            request.headers_mut().append(name, HeaderValue::from_str(value).expect("a value"));
        }
        if !self.cookies.is_empty() {
            let line: Vec<String> = self.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
            request.headers_mut().insert(header::COOKIE, line.join("; ").parse().expect("cookies"));
        }
        let answer = send(self.address, self.speaks, request).await;
        self.keep(&answer);
        answer
    }

    fn keep(&mut self, answer: &Answer) {
        for line in answer.headers.get_all(header::SET_COOKIE) {
            let line = line.to_str().expect("ASCII");
            let (name, rest) = line.split_once('=').expect("a cookie");
            let value = rest.split(';').next().unwrap_or_default();
            if line.contains("Max-Age=0") || value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Posts the form of the page that asks here: the LMS's as it has it, or the gateway's own.
    pub async fn sign_in(&mut self, username: &str, password: &str) -> Answer {
        let page = self.get("/login/index.php").await;
        if page.location() == "/vestibule/sign-in" {
            assert_eq!(self.get("/vestibule/sign-in").await.status, StatusCode::OK);
            return self.post("/vestibule/sign-in", &[("username", username), ("password", password)]).await;
        }
        let page = page.text();
        let logintoken = between(&page, "name=\"logintoken\" value=\"", "\"");
        let fields = [("anchor", ""), ("logintoken", &logintoken), ("username", username), ("password", password)];
        self.post("/login/index.php", &fields).await
    }

    /// The form token of the page at `path`.
    pub async fn csrf(&mut self, path: &str) -> String {
        between(&self.get(path).await.text(), "name=\"csrf\" value=\"", "\"")
    }

    /// Signs in with a first enrolment; returns the authenticator and the recovery codes.
    pub async fn enrol(&mut self, world: &World, username: &str, password: &str) -> (Authenticator, Vec<String>) {
        let (authenticator, codes, answer) = self.first_device(world, username, password).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
        assert!(self.cookies.contains_key("__Host-vestibule"));
        (authenticator, codes)
    }

    /// The same, to whatever answer it ends with.
    pub async fn finish_enrolment(&mut self, world: &World, username: &str, password: &str) -> Answer {
        self.first_device(world, username, password).await.2
    }

    async fn first_device(
        &mut self,
        world: &World,
        username: &str,
        password: &str,
    ) -> (Authenticator, Vec<String>, Answer) {
        let answer = self.sign_in(username, password).await;
        assert_eq!(answer.location(), "/vestibule/enrol", "{}", answer.text());
        let page = self.get("/vestibule/enrol").await.text();
        let authenticator = Authenticator::from_page(&page);
        let csrf = between(&page, "name=\"csrf\" value=\"", "\"");
        let code = authenticator.code(world.clock.now());
        let answer = self.post("/vestibule/enrol", &[("csrf", &csrf), ("code", &code)]).await;
        assert_eq!(answer.location(), "/vestibule/recovery-codes", "{}", answer.text());
        let text = self.get("/vestibule/recovery-codes.txt").await.text();
        let codes: Vec<String> =
            text.lines().map(str::trim).filter(|l| l.len() == 11 && l.contains('-')).map(str::to_owned).collect();
        assert_eq!(codes.len(), 10, "{text}");
        let csrf = self.csrf("/vestibule/recovery-codes").await;
        let answer = self.post("/vestibule/recovery-codes", &[("csrf", &csrf)]).await;
        (authenticator, codes, answer)
    }

    /// Signs in with a code. The clock has moved since the last one was used.
    pub async fn sign_in_with(
        &mut self,
        world: &World,
        username: &str,
        password: &str,
        device: &Authenticator,
    ) -> Answer {
        let answer = self.sign_in(username, password).await;
        assert_eq!(answer.location(), "/vestibule/challenge", "{}", answer.text());
        self.answer(&device.code(world.clock.now())).await
    }

    /// Answers the challenge with a TOTP code.
    pub async fn answer(&mut self, code: &str) -> Answer {
        let csrf = self.csrf("/vestibule/challenge").await;
        self.post("/vestibule/challenge", &[("csrf", &csrf), ("factor", "totp"), ("code", code)]).await
    }
}

/// An authenticator app, which knows the secret and nothing else.
#[derive(Clone)]
pub struct Authenticator {
    secret: vestibule::types::Secret<Vec<u8>>,
}

impl Authenticator {
    pub fn of(secret: &[u8]) -> Self {
        Self { secret: vestibule::types::Secret::new(secret.to_vec()) }
    }

    /// From the `otpauth:` link of the enrolment page.
    pub fn from_page(page: &str) -> Self {
        let base32 = between(page, "secret=", "&");
        Self { secret: totp::from_base32(&base32).expect("a secret") }
    }

    /// RFC 6238 by an implementation of its own: HMAC-SHA-1 from ring.
    pub fn code(&self, now: Timestamp) -> String {
        self.code_at(now.secs() / 30)
    }

    pub fn code_at(&self, step: i64) -> String {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.secret.expose());
        let digest = ring::hmac::sign(&key, &step.to_be_bytes());
        let digest = digest.as_ref();
        let at = usize::from(digest[19] & 15);
        let number = u32::from_be_bytes(digest[at..at + 4].try_into().expect("four bytes")) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }
}

/// A client of token.php and the web services, shaped as the mobile app is.
pub struct MoodleApp {
    address: SocketAddr,
    authority: String,
    /// Headers beside its own.
    pub headers: Vec<(&'static str, String)>,
}

impl MoodleApp {
    pub fn at(world: &World) -> Self {
        Self::to(world.address, &world.url)
    }

    pub fn to(address: SocketAddr, url: &str) -> Self {
        Self { address, authority: url.trim_start_matches("https://").to_owned(), headers: Vec::new() }
    }

    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = vestibule::lms::moodle::encode_form(fields);
        self.send(Method::POST, path, Some("application/x-www-form-urlencoded"), body).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, String::new()).await
    }

    pub async fn send(&self, method: Method, path: &str, content_type: Option<&str>, body: impl Into<Bytes>) -> Answer {
        let mut request = Request::new(body.into());
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().expect("a target");
        let headers = request.headers_mut();
        headers.insert(header::HOST, self.authority.parse().expect("a host"));
        headers
            .insert(header::USER_AGENT, HeaderValue::from_static("Mozilla/5.0 (Linux; Android 14) MoodleMobile 5.2.0"));
        if let Some(content_type) = content_type {
            headers.insert(header::CONTENT_TYPE, content_type.parse().expect("a type"));
        }
        for (name, value) in &self.headers {
            headers.insert(*name, value.parse().expect("a value"));
        }
        send(self.address, Speaks::Http1, request).await
    }

    pub async fn token(&self, username: &str, password: &str) -> Answer {
        let service = "moodle_mobile_app";
        self.post("/login/token.php", &[("username", username), ("password", password), ("service", service)]).await
    }

    pub async fn verify(&self, flow: &str, factor: &str, code: &str) -> Answer {
        self.post("/vestibule/app/verify", &[("flow", flow), ("factor", factor), ("code", code)]).await
    }

    /// token.php, the challenge, and the surrogate.
    pub async fn sign_in(&self, world: &World, username: &str, password: &str, device: &Authenticator) -> String {
        let answer = self.token(username, password).await.json();
        let flow = answer["mfa"]["flow"].as_str().unwrap_or_else(|| panic!("no challenge: {answer}")).to_owned();
        let answer = self.verify(&flow, "totp", &device.code(world.clock.now())).await.json();
        answer["token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
    }

    pub async fn call(&self, token: &str, function: &str, arguments: &[(&str, &str)]) -> Answer {
        let fields = [arguments, &[("wsfunction", function), ("wstoken", token)]].concat();
        self.post("/webservice/rest/server.php?moodlewsrestformat=json", &fields).await
    }
}

/// The text between two marks; panics where they are missing.
pub fn between(text: &str, open: &str, close: &str) -> String {
    let start = text.find(open).unwrap_or_else(|| panic!("no {open} in {text}")) + open.len();
    let end = text[start..].find(close).expect("the end") + start;
    text[start..end].replace("&amp;", "&")
}

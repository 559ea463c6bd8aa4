//! Sockets: accepts connections, reads bodies without keeping them, and hands each request on.

use crate::log::{Journal, KEPT_BODY, Logged};
use crate::multipart;
use crate::paths;
use crate::php::Params;
use crate::reply::{Content, Reply, Sending};
use crate::router;
use crate::site::Site;
use crate::visit::Request;
use crate::websocket;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What all connections share.
pub(crate) struct Shared {
    site: Mutex<Site>,
    pub(crate) journal: Journal,
    connections: AtomicU64,
    /// Ends the websockets, which outlive hyper's connections.
    stopping: watch::Receiver<bool>,
}

impl Shared {
    pub(crate) fn new(site: Site, stopping: watch::Receiver<bool>) -> Shared {
        Shared { site: Mutex::new(site), journal: Journal::default(), connections: AtomicU64::new(0), stopping }
    }

    /// A panic in one test must not hide the others' results behind a poisoned lock.
    pub(crate) fn site(&self) -> MutexGuard<'_, Site> {
        self.site.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

/// Accepts until told to stop, then drops every connection.
pub(crate) async fn run(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    let mut stopping = shared.stopping.clone();
    loop {
        tokio::select! {
            _ = stopping.changed() => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let shared = Arc::clone(&shared);
                    connections.spawn(connection(stream, shared));
                }
                // out of descriptors: wait for some to come back instead of spinning
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            },
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let number = shared.connections.fetch_add(1, Ordering::Relaxed) + 1;
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(serve(request, number, shared).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        // a pooled connection may idle as long as the gateway likes
        .header_read_timeout(None)
        .max_headers(1000)
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    // a peer that goes away in the middle is no news here
    let _ = served.await;
}

async fn serve(mut incoming: hyper::Request<Incoming>, connection: u64, shared: Arc<Shared>) -> Response<Sending> {
    let upgrade = hyper::upgrade::on(&mut incoming);
    let (head, mut body) = incoming.into_parts();
    let (keep, slow, print) = {
        let settings = &shared.site().settings;
        (settings.keep_requests, settings.slow, settings.access_log)
    };
    let index = shared.journal.head(logged(&head, connection), keep);
    let (kept, total, whole) = read(&mut body).await;
    shared.journal.body(index, &kept, total, whole);
    if let Some(delay) = slow {
        tokio::time::sleep(delay).await;
    }
    let reply = match request(&head, kept, total).filter(|_| whole) {
        Some(request) => router::answer(&mut shared.site(), &request),
        None => Reply::new(400, "text/html", "<h1>400 Bad Request</h1>\n"),
    };
    if print {
        line(&head, reply.status);
    }
    if matches!(reply.body, Content::WebSocket) {
        let mut stopping = shared.stopping.clone();
        tokio::spawn(async move {
            let Ok(stream) = upgrade.await else { return };
            tokio::select! {
                _ = stopping.changed() => {}
                _ = websocket::echo(TokioIo::new(stream)) => {}
            }
        });
    }
    response(reply)
}

fn logged(head: &Parts, connection: u64) -> Logged {
    Logged {
        method: head.method.to_string(),
        target: head.uri.to_string(),
        version: head.version,
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect(),
        body: Vec::new(),
        body_len: 0,
        whole: false,
        connection,
    }
}

/// Reads to the end, keeps the beginning. The flag is false for a body that broke off.
async fn read(body: &mut Incoming) -> (Vec<u8>, u64, bool) {
    let (mut kept, mut total) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return (kept, total, false);
        };
        if let Some(data) = frame.data_ref() {
            total += data.len() as u64;
            let room = KEPT_BODY - kept.len();
            kept.extend_from_slice(&data[..data.len().min(room)]);
        }
    }
    (kept, total, true)
}

/// The request as the scripts see it; `None` where nginx answers 400.
pub(crate) fn request(head: &Parts, body: Vec<u8>, body_len: u64) -> Option<Request> {
    let place = paths::resolve(head.uri.path())?;
    let query = Params::urlencoded(head.uri.query().unwrap_or_default().as_bytes());
    let content_type = head.headers.get("content-type");
    let content_type = content_type.and_then(|value| value.to_str().ok());
    // PHP fills $_POST for the method POST only
    let (post, files) = match head.method == http::Method::POST {
        true => multipart::form(content_type.unwrap_or_default(), &body, body_len),
        false => Default::default(),
    };
    Some(Request {
        method: head.method.to_string(),
        script: place.script,
        info: place.info,
        target: head.uri.path_and_query()?.to_string(),
        version: head.version,
        headers: head.headers.clone(),
        query,
        post,
        files,
        body,
        body_len,
    })
}

fn response(reply: Reply) -> Response<Sending> {
    let mut response = Response::new(Sending::from(reply.body));
    *response.status_mut() = http::StatusCode::from_u16(reply.status).unwrap_or_default();
    for (name, value) in reply.headers {
        // a value that is no header value (a control character in a name) is left out
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes())
            && let Ok(name) = HeaderName::from_bytes(name.as_bytes())
        {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// Method, path and status; never the query, which may hold a secret.
fn line(head: &Parts, status: u16) {
    let _ = writeln!(std::io::stdout().lock(), "{} {} {status}", head.method, head.uri.path());
}

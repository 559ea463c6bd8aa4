//! Requests down to the last header, through the gateway or past it, and what most stories of the app's door begin with.

use crate::{
    people::{self, Answer, Authenticator, Browser, Speaks},
    world::World,
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, header};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use std::{net::SocketAddr, time::Duration};
use tokio::net::TcpStream;
use vestibule::{config::Config, types::SiteName};

pub const FORM: &str = "application/x-www-form-urlencoded";
pub const REST: &str = "/webservice/rest/server.php?moodlewsrestformat=json";
pub const SITE_INFO: &str = "core_webservice_get_site_info";
pub const PASSWORD: &str = "Stud.1234";

fn request(authority: &str, method: &str, target: &str, headers: &[(&str, &str)], body: Bytes) -> Request<Bytes> {
    let mut request = Request::new(body);
    *request.method_mut() = method.parse().expect("a method");
    *request.uri_mut() = target.parse().expect("a target");
    request.headers_mut().insert(header::HOST, authority.parse().expect("a host"));
    for (name, value) in headers {
        let name = HeaderName::try_from(*name).expect("a name");
        request.headers_mut().append(name, HeaderValue::from_str(value).expect("a value"));
    }
    request
}

/// Through the gateway, with exactly these headers and Host.
pub async fn ask(
    world: &World,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Answer {
    let authority = world.url.trim_start_matches("https://");
    people::send(world.address, Speaks::Http1, request(authority, method, target, headers, body.into())).await
}

/// Past the gateway: what the LMS would have said, so that a test of a closed door cannot pass by accident.
pub async fn straight(
    lms: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Answer {
    let io = TokioIo::new(TcpStream::connect(lms).await.expect("the LMS listens"));
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    let request = request("localhost", method, target, headers, body.into()).map(Full::new);
    let (head, body) = sender.send_request(request).await.expect("an answer").into_parts();
    let body = body.collect().await.expect("a whole answer").to_bytes();
    Answer { status: head.status, headers: head.headers, body }
}

/// A world whose gateway has asked the LMS the two things it asks of its own accord, so that silence means silence.
pub async fn quiet_world(change: impl FnOnce(&mut Config)) -> World {
    let world = World::with(change).await;
    world.eventually("the self-check", |world| world.campus.requests().len() >= 2).await;
    world
}

/// Somebody enrols in a browser; afterwards the clock stands where their next code is fresh.
pub async fn enrolled(world: &World, username: &str) -> (Authenticator, Vec<String>) {
    let enrolled = Browser::at(world).enrol(world, username, PASSWORD).await;
    next_code(world);
    enrolled
}

pub fn next_code(world: &World) {
    world.advance(Duration::from_secs(60));
}

/// token.php's five keys and nothing that looks like a success, in HTTP 200 JSON for any origin.
#[track_caller]
pub fn assert_five_keys(answer: &Answer, code: &str) -> serde_json::Value {
    let text = answer.text();
    assert_eq!(answer.status, 200, "{text}");
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"), "{text}");
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{text}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{text}");
    assert_eq!(answer.header("set-cookie"), None, "{text}");
    let json = answer.json();
    assert_eq!(json["errorcode"], code, "{text}");
    assert!(json["error"].as_str().is_some_and(|error| !error.is_empty()), "{text}");
    for key in ["stacktrace", "debuginfo", "reproductionlink"] {
        assert!(json.as_object().is_some_and(|o| o.get(key).is_some_and(serde_json::Value::is_null)), "{key}: {text}");
    }
    assert!(json.get("token").is_none() && json.get("privatetoken").is_none(), "{text}");
    json
}

/// An app's call as PHP reads it, in the form in which the app writes it.
pub async fn call(world: &World, query: &str, fields: &str) -> Answer {
    let target = if query.is_empty() { "/webservice/rest/server.php".to_owned() } else { format!("{REST}&{query}") };
    ask(world, "POST", &target, &[("content-type", FORM)], fields.to_owned()).await
}

/// A multipart body of plain fields, then of files with their names.
pub fn multipart(boundary: &str, fields: &[(&str, &str)], files: &[(&str, &str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        let part = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    for (name, file, content) in files {
        let disposition = format!("Content-Disposition: form-data; name=\"{name}\"; filename=\"{file}\"");
        let part = format!("--{boundary}\r\n{disposition}\r\nContent-Type: application/octet-stream\r\n\r\n");
        body.extend_from_slice(part.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    body
}

/// A second site of the same gateway, in front of the same LMS.
pub fn second_site(config: &mut Config) -> String {
    let mut site = config.sites[0].clone();
    site.name = SiteName::new("other");
    site.public_url = site.public_url.to_string().replace("localhost", "other.localhost").parse().expect("an origin");
    let url = site.public_url.to_string();
    config.sites.push(site);
    config
        .chain
        .instances
        .push(serde_yaml::from_str("{ name: other-lms, kind: lms, site: other }").expect("an instance"));
    url
}

/// Like [`ask`], at the second site.
pub async fn ask_other(world: &World, method: &str, target: &str, body: impl Into<Bytes>) -> Answer {
    let authority = world.url.trim_start_matches("https://").replace("localhost", "other.localhost");
    let io = TokioIo::new(people::tls(world.address, "other.localhost", &[b"http/1.1"]).await);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    let headers = [("content-type", FORM)];
    let request = request(&authority, method, target, &headers, body.into()).map(Full::new);
    let (head, body) = sender.send_request(request).await.expect("an answer").into_parts();
    let body = body.collect().await.expect("a whole answer").to_bytes();
    Answer { status: head.status, headers: head.headers, body }
}

/// One act of administration by the gateway's Unix socket, as JSON. Panics where it is refused.
pub async fn admin(world: &World, command: &str) -> serde_json::Value {
    let stream = tokio::net::UnixStream::connect(&world.config.admin.socket).await.expect("the socket");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    let headers = [("content-type", "application/json")];
    let request = request("localhost", "POST", "/v1/execute", &headers, Bytes::from(command.to_owned()));
    let (head, body) = sender.send_request(request.map(Full::new)).await.expect("an answer").into_parts();
    let body = body.collect().await.expect("a whole answer").to_bytes();
    assert_eq!(head.status, 200, "{command}: {}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).expect("JSON")
}

//! The edge over real sockets: what an attacker writes on the wire, and what a legitimate client may rely on.

mod behaviour;
mod faults;
mod frames;
mod framing;
mod hosts;
mod http2;
mod pages;
mod long;
mod memory;
mod paths;
mod redis;
mod relay;
mod spoofing;
mod streaming;
mod tls;
mod websocket;

use crate::{
    people::{raw_until_closed, status_of},
    world::World,
};
use std::time::Duration;

/// Waits for what the gateway asks the LMS at its start, so that what follows is the test's own.
async fn quiet(world: &World) {
    world.eventually("the questions at the start", |world| world.campus.requests().len() >= 2).await;
}

/// One HTTP/1.1 request in bytes, `Connection: close`; its answer.
async fn ask(world: &World, method: &str, target: &[u8], fields: &str) -> Vec<u8> {
    let host = world.url.trim_start_matches("https://");
    let mut bytes = [method.as_bytes(), b" ", target].concat();
    bytes.extend_from_slice(format!(" HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{fields}\r\n").as_bytes());
    raw_until_closed(world, &bytes).await
}

async fn status(world: &World, method: &str, target: &[u8]) -> u16 {
    status_of(&ask(world, method, target, "Accept: text/html\r\n").await)
}

/// How long anything may take on two busy cores that should take no time.
const SOON: Duration = Duration::from_secs(5);

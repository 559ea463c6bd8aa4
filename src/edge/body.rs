//! Bodies that must be read before anything is decided, within their bounds, and what a client is still sending when
//! it has its answer.

use super::request::Incoming;
use bytes::{Bytes, BytesMut};
use http::{Method, header};
use pingora_error::Result;
use pingora_proxy::Session;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// How long a client may take for a body that is read here, as a whole: 16 MiB over a slow phone's uplink.
const BODY_LIMIT: Duration = Duration::from_secs(120);

/// How long a client may say nothing in the middle of such a body.
const BODY_PAUSE: Duration = Duration::from_secs(15);

/// What the long ones among these bodies may fill together, in KiB. A token may stand last in its body, so strangers
/// are read before they are known; beyond this they wait, and then are told to come back (design R10). The first
/// 64 KiB of each are free, so that nobody's sign-in waits for somebody's upload of junk.
static BODY_ROOM: Semaphore = Semaphore::const_new(512 * 1024);
const FREE: usize = 64 * 1024;
const ROOM_WAIT: Duration = Duration::from_secs(5);
/// Given back when the request is over.
pub type Room = Vec<SemaphorePermit<'static>>;
/// How long and how much an answered client may go on sending.
const LINGER_TIME: Duration = Duration::from_secs(3);
const LINGER_BYTES: usize = 64 << 20;
/// Taken at a time.
const ROOM_STEP_KIB: u32 = 16;

/// The whole body, or the status that says why not. Only a POST's body means anything to the LMS's PHP.
pub async fn read(
    session: &mut Session,
    incoming: &Incoming,
    limit: usize,
) -> Result<std::result::Result<(Bytes, Room), u16>> {
    if incoming.method != Method::POST || limit == 0 {
        return Ok(Ok((Bytes::new(), Room::new())));
    }
    // Nothing that is read here may be compressed: PHP would see other bytes than we do (attack H1).
    if incoming.headers.contains_key(header::CONTENT_ENCODING) {
        return Ok(Err(415));
    }
    let announced = incoming.header(header::CONTENT_LENGTH).and_then(|n| n.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Ok(Err(413));
    }
    continue_if_expected(session, incoming).await?;
    let mut body = BytesMut::new();
    // By what has really come, so that nobody reserves room with an announcement.
    let mut room = Room::new();
    let mut held = FREE;
    let read = async {
        loop {
            let chunk = session.as_downstream_mut().read_request_body();
            let Ok(chunk) = tokio::time::timeout(BODY_PAUSE, chunk).await else { return Ok(Some(408)) };
            let Some(chunk) = chunk? else { return Ok(None) };
            if body.len() + chunk.len() > limit {
                return Ok(Some(413));
            }
            body.extend_from_slice(&chunk);
            while body.len() > held {
                let Ok(Ok(more)) = tokio::time::timeout(ROOM_WAIT, BODY_ROOM.acquire_many(ROOM_STEP_KIB)).await else {
                    return Ok(Some(503));
                };
                room.push(more);
                held += ROOM_STEP_KIB as usize * 1024;
            }
        }
    };
    match tokio::time::timeout(BODY_LIMIT, read).await {
        Ok(Ok(None)) => Ok(Ok((body.freeze(), room))),
        Ok(Ok(Some(status))) => Ok(Err(status)),
        Ok(Err(error)) => Err(error),
        Err(_) => Ok(Err(408)),
    }
}

pub async fn continue_if_expected(session: &mut Session, incoming: &Incoming) -> Result<()> {
    match incoming.headers.contains_key(header::EXPECT) {
        true => session.as_downstream_mut().write_continue_response().await,
        false => Ok(()),
    }
}

/// Reads on for a moment what a client is still sending, or it would be reset before it has seen its answer, such as
/// the app its 413. One that waits for `100 Continue` has nothing under way (attack C8).
pub async fn linger(session: &mut Session) {
    let downstream = session.as_downstream_mut();
    if downstream.is_http2() || downstream.is_body_done() || downstream.get_header(header::EXPECT).is_some() {
        return;
    }
    let drain = async {
        let mut left = LINGER_BYTES;
        while let Ok(Some(chunk)) = downstream.read_request_body().await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(LINGER_TIME, drain).await;
}

//! `webservice/upload.php` as a stream: nothing reaches the LMS before the surrogate is accepted, and from there the
//! body flows, watched to its end.
//!
//! PHP takes the last `token` of a form, wherever it stands, so a second one after a file would replace the one that
//! was judged. The scanner refuses it, and the LMS's half-sent request is broken off: it never sees the end of it.

use super::{
    app::ambiguous,
    body,
    gate::{House, Refusal},
    proxy::Gateway,
    relay::header_map,
    reply::{self, Reply},
    request::Incoming,
    rescue,
};
use crate::{
    lms::moodle::{
        content_type::BodyType,
        errors,
        multipart::{Scanner, Seen},
        params::Params,
    },
    outbound::{self, OutboundError, UpstreamBody},
    tokens::TokenRecord,
};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderValue, Method, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use pingora_proxy::Session;
use std::{ops::Range, sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// Fields before the first file: a token, an item id, a file area.
const PREFIX_LIMIT: usize = 64 * 1024;
/// How long a stranger may take to show a token.
const OPENING_LIMIT: Duration = Duration::from_secs(60);
const JSON: &str = "application/json; charset=utf-8";

/// What stands before the first file, read and judged.
struct Opening {
    record: Arc<TokenRecord>,
    /// Everything read so far.
    read: BytesMut,
    /// Where the token's value stands in it; `None` if the query had the token.
    token_at: Option<Range<usize>>,
    scanner: Scanner,
}

impl Gateway {
    pub(super) async fn upload(
        &self,
        session: &mut Session,
        house: &Arc<House>,
        incoming: &Incoming,
    ) -> Result<Reply, Refusal> {
        let opening = tokio::time::timeout(OPENING_LIMIT, self.open_upload(session, house, incoming)).await;
        let Ok(opening) = opening else { return Ok(rescue::json(408, &incoming.id)) };
        let opening = match opening? {
            Ok(opening) => opening,
            Err(answer) => return Ok(answer),
        };
        let Some(token) = self.0.opened(incoming, &opening.record) else {
            return Ok(reply::app(200, JSON, errors::invalid_token()));
        };
        let mut prefix = opening.read;
        let before = prefix.len();
        let mut query = query_of(incoming).unwrap_or_default();
        match &opening.token_at {
            Some(at) => {
                let tail = prefix.split_off(at.end);
                prefix.truncate(at.start);
                prefix.extend_from_slice(token.expose().as_bytes());
                prefix.extend_from_slice(&tail);
                query.remove("token");
            }
            None => query.replace("token", token.expose().as_bytes()),
        }
        let mut headers = header_map(&self.0.token_headers(house, incoming, &opening.record)?);
        // The body's length changes by as much as the token's; without a length it stays chunked.
        if let Some(length) = incoming.header(header::CONTENT_LENGTH).and_then(|n| n.parse::<usize>().ok()) {
            let length = (length + prefix.len()).saturating_sub(before);
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        let encoded = query.to_urlencoded();
        let path = incoming.target.path.encoded();
        let target = if encoded.is_empty() { path.to_owned() } else { format!("{path}?{encoded}") };

        let (sender, receiver) = mpsc::channel::<std::io::Result<Bytes>>(4);
        let streamed = channel_body(receiver);
        let upstream = house.upstream.clone();
        let sending = tokio::spawn(async move { upstream.stream(Method::POST, &target, headers, streamed).await });
        let pumped = pump(session, prefix.freeze(), opening.scanner, sender).await;
        // The LMS's time begins when it has everything; a slow phone's upload is no slow LMS.
        let patience = house.upstream.deadline();
        let sent = match &pumped {
            Ok(()) => match tokio::time::timeout(patience, sending).await {
                Ok(Ok(sent)) => sent,
                Ok(Err(_)) | Err(_) => Err(OutboundError::Timeout(patience)),
            },
            // Not aborted: hyper would end a chunked body in good order, and the LMS would take it for a whole one. The
            // error that the pump has put into it breaks the connection off.
            Err(_) => {
                let _ = tokio::time::timeout(patience, sending).await;
                Err(OutboundError::Broken("the upload was refused".into()))
            }
        };
        match (pumped, sent) {
            (Err(Pumped::Refused), _) => Ok(ambiguous()),
            (Err(Pumped::ClientGone), _) => Ok(rescue::json(400, &incoming.id)),
            (Ok(()), Ok(response)) => match outbound::read(response, 4 << 20).await {
                Ok(answer) => Ok(self.0.pass_token_answer(house, incoming, &opening.record, answer)),
                Err(error) => Ok(self.0.upstream_failed(house, incoming, &error)),
            },
            (Ok(()), Err(error)) => Ok(self.0.upstream_failed(house, incoming, &error)),
        }
    }

    /// Reads until the token is known, or can no longer come.
    async fn open_upload(
        &self,
        session: &mut Session,
        house: &House,
        incoming: &Incoming,
    ) -> Result<Result<Opening, Reply>, Refusal> {
        let content_type = incoming.header(header::CONTENT_TYPE);
        if incoming.headers.contains_key(header::CONTENT_ENCODING) {
            return Ok(Err(ambiguous()));
        }
        let Ok(BodyType::Multipart { boundary }) = BodyType::parse(content_type) else { return Ok(Err(ambiguous())) };
        let (Ok(scanner), Some(query)) = (Scanner::new(&boundary), query_of(incoming)) else {
            return Ok(Err(ambiguous()));
        };
        let mut scanner = scanner.guard("token");
        let _ = body::continue_if_expected(session, incoming).await;
        let mut read = BytesMut::new();
        let token_at = loop {
            match scanner.seen("token") {
                Seen::Field(part) => {
                    let bounds = (usize::try_from(part.content.start), usize::try_from(part.content.end));
                    let (Ok(start), Ok(end)) = bounds else { return Ok(Err(ambiguous())) };
                    break Some(start..end);
                }
                Seen::Absent => break None,
                Seen::NotYet => {}
            }
            let chunk = tokio::time::timeout(Duration::from_secs(60), session.as_downstream_mut().read_request_body());
            match chunk.await {
                Ok(Ok(Some(chunk))) => {
                    read.extend_from_slice(&chunk);
                    if scanner.feed(&chunk).is_err() {
                        return Ok(Err(ambiguous()));
                    }
                }
                Ok(Ok(None)) => break None,
                Ok(Err(_)) | Err(_) => return Ok(Err(rescue::json(400, &incoming.id))),
            }
            if read.len() > PREFIX_LIMIT && matches!(scanner.seen("token"), Seen::NotYet) {
                return Ok(Err(ambiguous()));
            }
        };
        let surrogate = match &token_at {
            Some(at) => read.get(at.clone()).and_then(|bytes| std::str::from_utf8(bytes).ok()).map(str::to_owned),
            None => match query.text("token") {
                Ok(token) => token.map(str::to_owned),
                Err(_) => return Ok(Err(ambiguous())),
            },
        };
        let Some(surrogate) = surrogate else {
            return Ok(Err(reply::app(200, JSON, errors::missing_param("token"))));
        };
        Ok(match self.0.live_token(house, incoming, &surrogate).await? {
            Some(record) => Ok(Opening { record, read, token_at, scanner }),
            None => Err(reply::app(200, JSON, errors::invalid_token())),
        })
    }
}

enum Pumped {
    /// The form became ambiguous: the LMS's request was broken off.
    Refused,
    ClientGone,
}

/// Moves the rest of the body, at the LMS's pace, until its end or the first thing that may not be.
async fn pump(
    session: &mut Session,
    prefix: Bytes,
    mut scanner: Scanner,
    sender: mpsc::Sender<std::io::Result<Bytes>>,
) -> Result<(), Pumped> {
    let break_off = async |why: Pumped| {
        let _ = sender.send(Err(std::io::Error::other("the upload was refused"))).await;
        Err(why)
    };
    // A receiver that is gone means that the LMS has answered already; its answer counts.
    if sender.send(Ok(prefix)).await.is_err() {
        return Ok(());
    }
    loop {
        let chunk = session.as_downstream_mut().read_request_body();
        match tokio::time::timeout(Duration::from_secs(60), chunk).await {
            Ok(Ok(Some(chunk))) => {
                if scanner.feed(&chunk).is_err() {
                    return break_off(Pumped::Refused).await;
                }
                if sender.send(Ok(chunk)).await.is_err() {
                    return Ok(());
                }
            }
            Ok(Ok(None)) => {
                return match scanner.finish() {
                    Ok(_) => Ok(()),
                    Err(_) => break_off(Pumped::Refused).await,
                };
            }
            Ok(Err(_)) | Err(_) => return break_off(Pumped::ClientGone).await,
        }
    }
}

fn channel_body(receiver: mpsc::Receiver<std::io::Result<Bytes>>) -> UpstreamBody {
    let frames = stream::unfold(receiver, |mut receiver| async move {
        let item = receiver.recv().await?;
        Some((item.map(Frame::data), receiver))
    });
    StreamBody::new(frames).boxed_unsync()
}

fn query_of(incoming: &Incoming) -> Option<Params> {
    Params::parse_query(incoming.target.query.as_deref().unwrap_or_default().as_bytes()).ok()
}

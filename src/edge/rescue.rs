//! The one map from errors to answers. What went wrong is in the log under the request's id; outside stands a status
//! and one of few fixed sentences.

use super::reply::{self, Reply};
use crate::{flow::FlowError, lms::LmsError, outbound::OutboundError, types::RequestId};
use http::{HeaderValue, header};

/// For programs.
pub fn json(status: u16, id: &RequestId) -> Reply {
    let body = serde_json::json!({ "error": sentence(status), "status": status, "request_id": id });
    with_retry(reply::json(status, body.to_string()), status)
}

/// 503 says when to come back (design §8).
pub fn with_retry(mut answer: Reply, status: u16) -> Reply {
    if status == 503 {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    answer
}

/// The status of a story that could not be told to its end.
pub fn status(error: &FlowError) -> u16 {
    match error {
        FlowError::Store(_) | FlowError::SourceDown | FlowError::Unrecorded => 503,
        FlowError::Lms(LmsError::Outbound(error)) => outbound_status(error),
        FlowError::Lms(LmsError::Unsuitable(_) | LmsError::HeaderRefused(_) | LmsError::Name) => 502,
        FlowError::Seal(_) => 500,
    }
}

pub fn outbound_status(error: &OutboundError) -> u16 {
    match error {
        OutboundError::Timeout(_) => 504,
        OutboundError::Connect(_)
        | OutboundError::Broken(_)
        | OutboundError::TooLarge(_)
        | OutboundError::Request(_) => 502,
    }
}

fn sentence(status: u16) -> &'static str {
    match status {
        400 => "the request can be read in more than one way",
        401 => "sign-in required",
        403 => "this address is closed",
        404 => "not found",
        405 => "method not allowed",
        408 => "the request came too slowly",
        413 => "the request is too large",
        414 => "the address is too long",
        415 => "a compressed request cannot be read here",
        421 => "this host is not served here",
        431 => "the request head is too large",
        502 => "the learning site gave no usable answer",
        503 => "temporarily unavailable",
        504 => "the learning site did not answer in time",
        _ => "something went wrong",
    }
}

//! Answers, with the headers that were recorded for each kind.

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

pub(crate) const NO_STORE: &str = "no-store, no-cache, must-revalidate";
const NO_STORE_MORE: &str = "post-check=0, pre-check=0";
const PAGE_CACHE: &str = "private, pre-check=0, post-check=0, max-age=0, no-transform";
const SERVICE_CACHE: &str = "private, must-revalidate, pre-check=0, post-check=0, max-age=0";

pub(crate) const HTML: &str = "text/html; charset=utf-8";
pub(crate) const JSON: &str = "application/json; charset=utf-8";

/// An answer before it goes out.
#[derive(Debug)]
pub(crate) struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Content,
}

/// What follows the head.
#[derive(Debug)]
pub(crate) enum Content {
    Bytes(Bytes),
    /// So many bytes of a fixed pattern.
    Pattern(u64),
    /// The connection becomes a websocket; the value is `Sec-WebSocket-Accept`.
    WebSocket,
}

impl Reply {
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Reply {
        Reply { status, headers: vec![("Content-Type", content_type.to_owned())], body: Content::Bytes(body.into()) }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }

    /// An HTML page that a browser may not keep.
    pub(crate) fn page(status: u16, html: String) -> Reply {
        Reply::new(status, HTML, html)
            .with("Cache-Control", PAGE_CACHE)
            .with("Accept-Ranges", "none")
            .with("X-Frame-Options", "sameorigin")
    }

    /// The few pages (courses) that are sent with the stricter pair of headers.
    pub(crate) fn course_page(html: String) -> Reply {
        Reply::new(200, HTML, html)
            .with("Cache-Control", NO_STORE)
            .with("Cache-Control", "post-check=0, pre-check=0, no-transform")
            .with("Accept-Ranges", "none")
            .with("X-Frame-Options", "sameorigin")
    }

    /// Moodle's `redirect()`.
    pub(crate) fn see_other(location: impl Into<String>) -> Reply {
        let location = location.into();
        let body = format!(
            "<!DOCTYPE html><title>Redirect</title><p><a href=\"{}\">Continue</a></p>",
            crate::php::html(&location)
        );
        Reply::new(303, HTML, body).with("Cache-Control", NO_STORE).with("Location", location)
    }

    /// token.php, upload.php and the file scripts: JSON that any origin may read.
    pub(crate) fn app_json(value: &serde_json::Value) -> Reply {
        Reply::new(200, JSON, crate::php::json(value))
            .with("Access-Control-Allow-Origin", "*")
            .with("Cache-Control", NO_STORE)
            .with("Cache-Control", NO_STORE_MORE)
            .with("Accept-Ranges", "none")
    }

    /// Their errors. The key order is part of what was recorded.
    pub(crate) fn app_error(code: &str, text: &str) -> Reply {
        Reply::app_json(&serde_json::json!({
            "error": text, "errorcode": code, "stacktrace": null,
            "debuginfo": null, "reproductionlink": null,
        }))
    }

    /// A web-service answer, JSON or XML.
    pub(crate) fn service(content_type: &str, body: String) -> Reply {
        let mut reply = Reply::new(200, content_type, body);
        if content_type.starts_with("application/xml") {
            reply = reply.with("Content-Disposition", "inline; filename=\"response.xml\"");
        }
        reply
            .with("Cache-Control", SERVICE_CACHE)
            .with("Accept-Ranges", "none")
            .with("Access-Control-Allow-Origin", "*")
    }

    /// The calendar export.
    pub(crate) fn calendar(text: &'static str) -> Reply {
        Reply::new(200, "text/calendar; charset=utf-8", text)
            .with("Cache-Control", SERVICE_CACHE)
            .with("Accept-Ranges", "none")
            .with("Content-disposition", "attachment; filename=icalexport.ics")
    }

    /// Theme, scripts, icons: no session, kept for long.
    pub(crate) fn fixed(content_type: &str, body: &'static str) -> Reply {
        Reply::new(200, content_type, body)
            .with("Cache-Control", "public, max-age=5184000, no-transform")
            .with("Accept-Ranges", "none")
    }
}

const CHUNK: usize = 251 * 256;

/// The byte of the pattern at `offset`, for whoever checks a download.
pub fn pattern(offset: u64) -> u8 {
    (offset % 251) as u8
}

/// A body whose length is known and which is never whole in memory.
pub(crate) enum Sending {
    Bytes(Option<Bytes>),
    Pattern { left: u64, chunk: Bytes },
}

impl From<Content> for Sending {
    fn from(content: Content) -> Sending {
        match content {
            Content::Bytes(bytes) => Sending::Bytes((!bytes.is_empty()).then_some(bytes)),
            Content::Pattern(left) => Sending::Pattern { left, chunk: (0..CHUNK as u64).map(pattern).collect() },
            Content::WebSocket => Sending::Bytes(None),
        }
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match self.get_mut() {
            Sending::Bytes(bytes) => bytes.take(),
            Sending::Pattern { left: 0, .. } => None,
            Sending::Pattern { left, chunk } => {
                let size = (*left).min(chunk.len() as u64);
                *left -= size;
                Some(chunk.slice(..size as usize))
            }
        };
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Sending::Bytes(None) | Sending::Pattern { left: 0, .. })
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Sending::Bytes(bytes) => bytes.as_ref().map_or(0, Bytes::len) as u64,
            Sending::Pattern { left, .. } => *left,
        })
    }
}

/// An IMF-fixdate (RFC 9110 §5.6.7), for cookies.
pub(crate) fn http_date(unix: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (day, second) = (unix / 86_400, unix % 86_400);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut rest) = (1970, day);
    while rest >= 365 + u64::from(leap(year)) {
        rest -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while rest >= lengths[month] {
        rest -= lengths[month];
        month += 1;
    }
    format!(
        "{}, {:02} {} {year} {:02}:{:02}:{:02} GMT",
        DAYS[(day % 7) as usize],
        rest + 1,
        MONTHS[month],
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9110_section_5_6_7() {
        assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
    }
}

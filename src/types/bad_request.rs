//! A request that is refused before anybody asks who sent it: it could be read in two ways, or it is too large (R8, R10).

use std::fmt;

/// The status for the wire and the reason for the log. The sender gets a fixed page that names neither rule nor byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRequest {
    /// 400, 403, 414, 421 or 431.
    pub status: u16,
    /// A short, fixed sentence; never a piece of the request.
    pub reason: &'static str,
}

impl BadRequest {
    pub const fn new(reason: &'static str) -> Self {
        BadRequest { status: 400, reason }
    }
    pub const fn with_status(status: u16, reason: &'static str) -> Self {
        BadRequest { status, reason }
    }
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.reason, self.status)
    }
}

impl std::error::Error for BadRequest {}

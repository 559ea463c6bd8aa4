//! The one HTTP client: every request that vestibule itself makes goes through here, with a deadline and a limit on
//! what it reads.

mod client;

pub use client::{Answer, OutboundError, Upstream, UpstreamBody, read, set_cookies, whole};

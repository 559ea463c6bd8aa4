//! What vestibule itself asks of others: HTTP requests to an LMS, with a deadline and a limit on what is read; rows of a
//! database that is not ours; mail; and text messages.

mod client;
mod config;
pub mod database;
pub mod mail;
pub mod sms;
mod trust;

pub use client::{Answer, OutboundError, Upstream, UpstreamBody, read, set_cookies, whole};
pub use config::Config;

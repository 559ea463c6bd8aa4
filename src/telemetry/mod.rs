//! What an operator sees of a running gateway: log lines, figures, readiness.
//!
//! None of it holds secrets or names people; that is the audit log's (`audit`).

mod config;
mod log;
mod metrics;
mod readiness;

pub use config::{Config, Format};
pub use log::{init, parse_filter};
pub use metrics::Metrics;
pub use readiness::{Probe, Readiness, Reason};

/// This build's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

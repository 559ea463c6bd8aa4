//! What an operator sees of a running gateway.

mod config;
mod log;

pub use config::{Config, Format};
pub use log::{init, parse_filter};

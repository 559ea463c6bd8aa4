//! What an operator sees of a running gateway.

mod config;

pub use config::{Config, Format};

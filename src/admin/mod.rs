//! Administration: over a Unix socket for those who may, and what monitoring may see over TCP.

mod config;

pub use config::Config;

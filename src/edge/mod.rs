//! The doors: listener, TLS, hygiene, gate, proxy.

mod config;

pub use config::{Certificate, Config};

//! The doors: what meets a request first and lets it through last.
//!
//! Hygiene first, then gate, then proxy.

mod config;
pub mod hygiene;

pub use config::{Certificate, Config};

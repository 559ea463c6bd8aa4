//! What is recorded, and where it goes: one JSON line per event, no secrets.

mod config;
mod event;

pub use config::{Config, Target};
pub use event::{AuditStore, Event, Record};

//! What is recorded, and where it goes: one JSON line per event, no secrets.

mod config;
mod event;
mod sink;
pub use sink::{Audit, Context};

pub use config::{Config, Target};
pub use event::{AuditStore, Event, Record};

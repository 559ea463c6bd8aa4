//! What is recorded, and where it goes: one JSON line per event, no secrets.

mod event;

pub use event::{AuditStore, Event, Record};

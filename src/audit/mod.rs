//! What is recorded, and where it goes: one JSON line per event, no secrets.
//!
//! Adding an event: a variant of [`Event`], its arm in [`Event::account`], and a call of [`Audit::record`] where the
//! verdict is known. Verdicts are recorded, not attempts to reach one.

mod config;
mod event;
mod sink;
mod writer;

pub use config::{Config, Target};
pub use event::{AuditStore, Event, InstanceVerdict, Line, Record};
pub use writer::{Audit, Context};

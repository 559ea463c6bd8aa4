//! The doors: what meets a request first and lets it through last.
//!
//! Hygiene first, then gate, then proxy.

pub mod hygiene;

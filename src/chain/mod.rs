//! WHO ARE YOU? The ordered list of sources that are asked.

mod config;

pub use config::{Config, Instance, SourceKind, Strangers};

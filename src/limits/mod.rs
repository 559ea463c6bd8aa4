//! Throttling per account, address and device. The figures are design §2 "MFA"; the port [`Counters`] keeps them
//! atomic across nodes and through restarts.

mod config;
mod counters;

pub use config::Config;
pub use counters::{Count, Counters};

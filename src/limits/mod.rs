//! Throttling per account, address and device. The figures are design §2 "MFA"; the port [`Counters`] keeps them
//! atomic across nodes and through restarts.

mod config;
mod counters;
mod lane;
mod spray;
mod throttle;
mod unlock;

#[cfg(test)]
pub mod lane_tests;

pub use config::Config;
pub use counters::{Count, Counters};
pub use lane::Lane;
pub use spray::{Spray, Sprays};
pub use throttle::{FactorSlot, Leave, Level, Limit, PasswordSlot, Throttle};
pub use unlock::Locked;

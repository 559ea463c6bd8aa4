//! Throttling per account, address and device. The figures are design §2 "MFA"; the port [`Counters`] keeps them
//! atomic across nodes and through restarts.

mod config;
mod counters;
mod spray;
mod throttle;

pub use config::Config;
pub use counters::{Count, Counters};
pub use spray::{Spray, Sprays};
pub use throttle::{FactorSlot, Leave, Level, Limit, PasswordSlot, Throttle};

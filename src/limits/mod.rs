//! Throttling per account, address and device. The figures are design §2 "MFA"; the port [`Counters`] keeps them
//! atomic across nodes and through restarts.

mod counters;

pub use counters::{Count, Counters};

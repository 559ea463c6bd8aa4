//! IS IT ENOUGH? Factors, signals, points, and the policy that turns facts into a decision.

pub mod config;
pub mod enrolment;
pub mod factors;
pub mod help_desk;
pub mod marks;
pub mod policy;

pub use config::{Config, EnrolmentWindow, Factor, FirstEnrolment, Rule, Stage};

//! IS IT ENOUGH? Factors, signals, points, and the policy that turns facts into a decision.

mod config;
pub mod enrolment;
pub mod help_desk;

pub use config::{Config, Deadline, DeadlineError, EnrolmentWindow, Factor, FirstEnrolment, Rule, Stage};

//! IS IT ENOUGH? Factors, signals, points, and the policy that turns facts into a decision.
//!
//! A *factor* is asked (`factors/`), a *signal* holds or does not (`signals`). Each brings its points, 100 pass; which
//! of them count, and whether anything is asked at all, a *rule* says. [`policy`] is a pure function of what is known.

pub mod config;
pub mod enrolment;
pub mod exemption;
pub mod factors;
pub mod help_desk;
pub mod marks;
pub mod known;
pub mod paths;
pub mod policy;
pub mod signals;
pub mod takeover;
pub mod words;

pub use config::{Config, EnrolmentWindow, Factor, FirstEnrolment, Grace, Rule, Signal, SignalKind, Stage};

//! vestibule: the entry hall of a learning site. Who is there, is it enough, and only then the inner door.
//!
//! The modules in reading order, which is the dependency order (`tests/architecture.rs` holds it):

// words
pub mod types;

// services anyone may use
pub mod audit;
pub mod keys;
pub mod limits;
pub mod telemetry;

// the other side
pub mod lms;

// the questions, in the order in which they are asked
pub mod accounts;
pub mod chain;
pub mod mfa;
pub mod sessions;
pub mod tokens;

// the stories
pub mod flow;

// the doors
pub mod admin;
pub mod edge;

// the cellar and the plan
pub mod config;
pub mod store;

//! vestibule: the entry hall of a learning site. Who is there, is it enough, and only then the inner door.
//!
//! The modules in reading order, which is the dependency order (`tests/architecture.rs` holds it):

// words
pub mod types;
pub mod language;

// services anyone may use
pub mod telemetry;
pub mod keys;
pub mod audit;
pub mod limits;
pub mod outbound;

// the other side
pub mod lms;

// the questions, in the order in which they are asked
pub mod chain;
pub mod accounts;
pub mod mfa;
pub mod sessions;
pub mod tokens;
pub mod identity;

// the stories
pub mod flow;

// the doors
pub mod pages;
pub mod edge;
pub mod admin;

// the cellar and the plan
pub mod store;
pub mod config;

pub mod app;

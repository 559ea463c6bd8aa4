//! vestibule: the entry hall of a learning site. Who is there, is it enough, and only then the inner door.
//!
//! The modules in reading order, which is the dependency order (`tests/architecture.rs` holds it):

pub mod types;

pub mod audit;
pub mod keys;
pub mod limits;

pub mod accounts;
pub mod mfa;
pub mod sessions;
pub mod tokens;

pub mod flow;

pub mod store;

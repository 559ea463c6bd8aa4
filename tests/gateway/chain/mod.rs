//! The chain's sources against real servers.

mod directories;
mod ground;
mod ldap;
pub mod school;
mod sql;
mod stories;

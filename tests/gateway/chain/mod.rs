//! The chain's sources against real servers.

mod ground;
mod school;
mod sql;
mod stories;

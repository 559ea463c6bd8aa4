//! The chain's sources against real servers.

mod ground;
mod sql;

//! The chain's sources against real servers.

mod sql;

//! The chain's sources against real servers.

mod ldap;
mod sql;

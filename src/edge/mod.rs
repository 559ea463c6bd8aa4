//! The doors: what meets a request first and lets it through last.
//!
//! Hygiene first, then gate, then proxy. [`listener`] accepts and [`tls`] greets; [`request`] reads a request once;
//! [`gate`] decides; [`browser`], [`app`] and [`own`] answer for the two doors and our own pages
//! ([`account_page`], [`elsewhere`]); [`relay`] sends on
//! what had to be read, [`proxy`] what streams; [`watch`] looks at every answer; [`rescue`] turns errors into answers.
//! Pingora's types stay in [`conn`], [`listener`], [`proxy`], [`request`], [`body`] and [`upload`]; [`answers`] reads one head of theirs.

mod account_acts;
mod account_page;
mod answers;
mod app;
mod body;
mod browser;
mod config;
mod conn;
mod elsewhere;
mod file_keys;
pub mod gate;
pub mod hygiene;
pub mod listener;
mod mailed_page;
mod own;
pub mod proxy;
mod relay;
mod reply;
mod request;
mod rescue;
pub mod tls;
mod upload;
mod sign_in_page;
mod step_up;
mod watch;

pub use config::{Certificate, Config};

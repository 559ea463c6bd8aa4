//! WHO ARE YOU? An ordered list of instances is asked until one says OK or DENIED (design §2 "Chain").
//!
//! | verdict | the chain |
//! |---|---|
//! | OK | stops; this identity goes on |
//! | DENIED | stops; refused, even with the right password |
//! | DECLINED | asks the next instance |
//! | ERROR | asks the next instance, and remembers: ERROR never becomes OK |
//!
//! The end of the list without OK is a refusal. [`Authenticated`] is made here and nowhere else.
//!
//! # Adding a source
//! One file in `sources/` with a type that implements [`PasswordSource`], and one line in [`sources::SOURCES`].

pub mod config;
pub mod password;
mod run;
pub mod sources;
mod verdict;

pub use config::{Config, SourceKind, Strangers};
pub use run::{Authenticated, End, Instance, Outcome, Stated, Why, run};
pub use verdict::{Attempt, Credentials, PasswordSource, Proven, Verdict};

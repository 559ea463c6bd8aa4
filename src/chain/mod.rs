//! WHO ARE YOU? An ordered list of instances is asked until one says OK or DENIED (design §2 "Chain").
//!
//! | verdict | the chain |
//! |---|---|
//! | OK | stops; this identity goes on |
//! | DENIED | stops; refused, even with the right password |
//! | DECLINED | asks the next instance |
//! | ERROR | asks the next instance, and remembers: ERROR never becomes OK |
//!
//! The end of the list without OK is a refusal. A name that belongs to an account asks that account's own methods
//! alone ([`Selection`]); whose it is, the caller knows. [`Authenticated`] is made here and nowhere else.
//!
//! # Adding a source
//! One file in `sources/` with its settings and a type that implements [`PasswordSource`] (or [`RedirectSource`], and
//! [`Directory`] if it can be asked without a password), and one line in [`sources::SOURCES`].

pub mod config;
mod health;
pub mod local;
mod names;
pub mod password;
mod run;
mod source;
pub mod sources;

pub use config::{Config, LmsPassword, Newcomers, Removed, Strangers};
pub use health::Health;
pub use names::NamePattern;
pub use run::{Authenticated, End, Instance, Kept, Outcome, Rules, Selection, Why, complete, run, vouch};
pub use source::{
    Asked, Attempt, Credentials, Directory, LmsProof, PasswordSource, Person, Proven, RedirectSource, Standing, Trace,
    TraceStep, Verdict,
};

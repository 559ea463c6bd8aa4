//! Passwords that the gateway itself verifies: stored hashes of many makes, the rule for new ones, and the pool in
//! which the slow work is done.
//!
//! The sources `local` and `sql` stand on this. A hash is read once into a [`StoredHash`], which bounds its cost
//! before any work is done; verifying blocks for as long as the format wants and therefore belongs into [`Hashing`].
//!
//! # Adding a format
//! A type with `parse` and `matches` in [`crypt`] or [`derived`], and one arm for its prefix in `hash::shape`. Its
//! tests hold vectors from the format's own specification and one made by another implementation.

mod crypt;
mod derived;
mod hash;
pub mod policy;
mod pool;

pub use hash::{Format, HashError, StoredHash, new_hash};
pub use policy::{Weak, prepared};
pub use pool::{Busy, Hashing};
